"""Every page fills one frame: captions and pictures stay inside on a phone, and all is there on paper."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from synthmed.pages.band import band
from synthmed.pages.figures import new_plot, picture, plot_figure
from synthmed.pages.frame import page
from synthmed.pages.numbers import duration, interval_text, number

ROOT = Path(__file__).parents[2] / "src" / "synthmed"
TEMPLATES = sorted(ROOT.glob("*/templates/*.html"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
APART = {"reader.html"}
"""The page of readers, which has a script and a style of its own."""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_page_fills_the_frame_and_names_its_pictures(template):
    text = template.read_text(encoding="utf-8")
    assert "<caption" not in text, "a caption inside a wide table leaves a narrow screen: take table.html"
    assert all("alt=" in tag for tag in re.findall(r"<img\b[^>]*>", text))
    if text.startswith("<!doctype") or "<html" in text:
        assert template.name in {"page.html"} | APART


def test_numbers_are_read_by_people():
    assert [number(one) for one in (0.25, 1234.56, -250.0, 0.00012, 0.0, None, float("nan"))] == [
        "0.250", "1,234.6", "-250.0", "1.20e-04", "0.000", "-", "-"
    ]  # fmt: skip
    assert interval_text(0.5, 0.25, 0.75) == "0.500 (0.250 to 0.750)" and interval_text(0.5, None, None) == "0.500"
    assert [duration(one) for one in (0.2, 40, 100, 5400, 40000)] == [
        "1 second", "40 seconds", "1.7 minutes", "1.5 hours", "11 hours"
    ]  # fmt: skip


def test_a_band_shows_floor_interval_and_value_on_one_scale_and_says_so():
    shown = band((5.0, 4.0, 6.0), (0.0, 2.0), told="KID: 5 (4 to 6); real 0 to 2 & so on")
    assert 'aria-label="KID: 5 (4 to 6); real 0 to 2 &amp; so on"' in shown
    left, width = (float(one) for one in re.search(r'<rect x="([\d.]+)" width="([\d.]+)"', shown).groups())
    dot = float(re.findall(r'x1="([\d.]+)" x2="\1"', shown)[-1])
    assert left == 4.0 and width == pytest.approx(92 / 3, abs=0.1) and dot == pytest.approx(4 + 92 * 5 / 6, abs=0.1)
    assert 'class="made"' not in band((5.0, None, None), (0.0, 2.0), told="")
    assert "nan" not in band((1.0, 1.0, 1.0), (1.0, 1.0), told="")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium was found: apt-get install chromium")
def test_on_a_phone_nothing_hangs_over_and_numbers_are_whole(tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
    names = [f"a rather long name of a measure {place}" for place in range(8)]
    head = ["recipe", *names]
    rows = [["ours", *["1,234.5 (-310.5 to 1,298.5)"] * 8]]
    wide = picture("Wide", "Twelve in a row. Nothing else.", np.zeros((64, 900, 3), np.uint8))
    plot, _ = new_plot(8.4, 2.4)
    html = page("comparison.html", "synthmed.comparison", names=names, sentences=["digest " + "0a" * 40], head=head,
                rows=rows, caption="Longer than the screen of a phone is wide, " * 4, figure=wide)  # fmt: skip
    assert plot_figure("Plot", "Lines. More.", plot).alt == "Plot. Lines."
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 390, "height": 844})
        shown.goto((tmp_path / "page.html").as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth") == 390
        right = (
            "Math.max(...[...document.querySelectorAll('figcaption')].map(one => one.getBoundingClientRect().right))"
        )
        assert shown.evaluate(right) <= 390
        lines = "[...document.querySelectorAll('td')].map(one => one.getClientRects().length && one.offsetHeight)"
        assert max(shown.evaluate(lines)) < 45  # one line of text and its padding
        browser.close()

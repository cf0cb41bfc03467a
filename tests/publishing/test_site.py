"""The site: in a real browser from a folder and from a server, at a desk and on a phone; withdrawn releases."""

import hashlib
import shutil
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import pytest
from publishing.conftest import GIVEN
from reading.test_browser import CHROMIUM, FLAGS

from synthmed.artifacts import verify as verify_files
from synthmed.errors import ArtifactError, ConfigError, DataError, GateError
from synthmed.publishing.release import publish
from synthmed.publishing.serving import served
from synthmed.publishing.site import site
from synthmed.publishing.verifying import verify
from synthmed.publishing.withdrawal import withdraw

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
browser_needed = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium was found: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def releases(made, released, tmp_path_factory):
    """A folder of three releases and a tombstone."""
    place = tmp_path_factory.mktemp("all")
    shutil.copytree(released, place / "breasts")
    more = {"audit": made.audit, **GIVEN}
    publish(made.samples.path, place / "lungs", **{**more, "licence": "CC0-1.0"}, modality="CT", organ="lung",
            title="Synthetic CT of the <lung>")  # fmt: skip
    publish(made.samples.path, place / "old", **{**more, "date": "2026-01-05"}, organ="knee", release="0.9")
    withdraw(place / "old", place / "old-withdrawn", reason="A patient was recognised.", date="2026-02-01")
    return place


@pytest.fixture(scope="module")
def made_site(releases, tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "site"
    found = site(releases, out, address="https://example.org/synthmed")
    assert (found.releases, found.tombstones) == (2, 1)
    return out


@pytest.fixture(scope="module")
def window():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        troubles = []

        def opened(width=1280, height=900, **more):
            page = browser.new_context(viewport={"width": width, "height": height}, **more).new_page()
            page.set_default_timeout(20000)
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
            page.asked = []
            page.on("request", lambda request: page.asked.append(request.url))
            return page

        yield opened
        browser.close()
        assert troubles == []


class Browser:
    pytestmark = browser_needed


def shown(page):
    return page.eval_on_selector_all(".release:not([hidden]) h2", "all => all.map(one => one.textContent)")


class TestInABrowser(Browser):
    def test_search_and_filters_from_a_folder_without_a_server(self, made_site, window):
        page = window()
        page.goto((made_site / "index.html").as_uri())
        assert len(shown(page)) == 2 and page.text_content("#count") == "2 releases"
        page.fill("[name=words]", "LUNG ct")
        assert shown(page) == ["Synthetic CT of the <lung>"] and page.text_content("#count") == "1 of 2 releases"
        page.reload()
        assert page.input_value("[name=words]") == "LUNG ct" and len(shown(page)) == 1
        page.click("button[type=reset]")
        page.wait_for_function("() => document.querySelectorAll('.release:not([hidden])').length === 2")
        page.select_option("[name=licence]", "CC-BY-4.0")
        assert shown(page) == ["Synthetic mammography of the breast"]
        page.select_option("[name=organ]", "lung")
        assert shown(page) == [] and page.is_visible("#nothing")
        page.click("#nothing a")
        page.wait_for_function("() => document.querySelectorAll('.release:not([hidden])').length === 2")
        page.select_option("[name=size]", "1000-9999")
        assert shown(page) == []
        assert all(url.startswith("file://") for url in page.asked)

    def test_gallery_masks_downloads_and_their_digests(self, made_site, window):
        with served(made_site) as address:
            page = window(accept_downloads=True)
            page.goto(f"{address}/index.html")
            page.click("text=Synthetic mammography of the breast")
            page.wait_for_selector(".gallery img.overlay")
            loaded = "() => [...document.querySelectorAll('.gallery img')].every((i) => i.complete && i.naturalWidth)"
            page.eval_on_selector_all(".gallery img", "all => all.forEach(one => one.loading = 'eager')")
            page.wait_for_function(loaded)
            assert page.locator(".gallery li").count() == 16
            assert page.is_visible(".overlay >> nth=0")
            page.uncheck("#masks")
            assert not page.is_visible(".overlay >> nth=0")
            with page.expect_download() as waited:
                page.click("a[href='files/images-00000.zip']")
            content = waited.value.path().read_bytes()
            row = page.locator("tr", has_text="images-00000.zip").first
            assert hashlib.sha256(content).hexdigest() in row.text_content()
            assert "Congruence" in page.text_content("main") and "planted" in page.text_content("main")
            assert all(url.startswith(address) for url in page.asked)

    def test_a_phone_shows_all_of_it_within_its_width(self, made_site, window):
        page = window(390, 844, is_mobile=True, has_touch=True)
        fits = "() => document.documentElement.scrollWidth <= innerWidth"
        for name in ("index.html", "releases/breasts-1.0/index.html", "withdrawn/old-0.9/index.html"):
            page.goto((made_site / name).as_uri())
            assert page.evaluate(fits), name
        page.goto((made_site / "index.html").as_uri())
        page.select_option("[name=modality]", "CT")
        assert len(shown(page)) == 1

    def test_without_its_script_everything_is_there(self, made_site, window):
        page = window(java_script_enabled=False)
        page.goto((made_site / "index.html").as_uri())
        assert page.locator(".release").count() == 2 and page.locator("text=A patient was recognised.").count() == 1

    def test_what_a_screen_reader_hears(self, made_site, window):
        page = window()
        page.goto((made_site / "index.html").as_uri())
        assert page.get_attribute("#count", "aria-live") == "polite"
        unnamed = page.evaluate("""() => [...document.querySelectorAll('input, select, button, a')].filter((e) =>
            !(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-hidden'))).map((e) => e.outerHTML)""")
        assert unnamed == []


def test_a_withdrawn_release_leaves_a_tombstone_and_nothing_else(releases, made_site):
    page = (made_site / "withdrawn" / "old-0.9" / "index.html").read_text()
    assert "A patient was recognised." in page and "2026-02-01" in page
    assert not list(made_site.glob("releases/old*")) and "Withdrawn" in (made_site / "index.html").read_text()
    assert verify(releases / "old").facts.version == "0.9"  # the release itself is left as it is
    with pytest.raises(ArtifactError, match=r"is a tombstone: old 0\.9 was withdrawn"):
        verify(releases / "old-withdrawn")


def test_a_tombstone_alone_is_a_site(releases, tmp_path):
    shutil.copytree(releases / "old-withdrawn", tmp_path / "all" / "old-withdrawn")
    assert site(tmp_path / "all", tmp_path / "site").tombstones == 1


def test_the_feed_names_new_and_withdrawn_releases(made_site):
    feed = ET.parse(made_site / "feed.xml").getroot()
    space = {"a": "http://www.w3.org/2005/Atom"}
    titles = [one.text for one in feed.findall("a:entry/a:title", space)]
    assert len(titles) == 3 and titles[-1].startswith("Withdrawn: ")
    links = [one.get("href") for one in feed.findall("a:entry/a:link", space)]
    assert "https://example.org/synthmed/releases/breasts-1.0/index.html" in links
    ids = [one.text for one in feed.findall("a:entry/a:id", space)]
    assert len(set(ids)) == 3 and all(one.startswith("urn:uuid:") for one in ids)


def test_the_site_asks_nobody_and_words_from_outside_are_no_markup(made_site):
    for file in made_site.rglob("*.html"):
        text = file.read_text()
        assert "default-src 'none'" in text and "<lung>" not in text, file
        assert 'src="http' not in text and "@import" not in text
    assert verify_files(made_site, "site").files["releases/breasts-1.0/files/README.md"]


def test_the_files_of_the_site_are_those_of_the_release(releases, made_site, tmp_path):
    shutil.copytree(made_site / "releases" / "breasts-1.0" / "files", tmp_path / "download")
    assert verify(tmp_path / "download").digest == verify(releases / "breasts").digest


def test_the_look_shows_files_of_the_site_alone(made_site):
    with served(made_site) as address:
        with urllib.request.urlopen(f"{address}/") as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for path in ("/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/releases/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(address + path)


def test_what_no_site_can_be_made_of_is_told(releases, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no release"):
        site(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(DataError, match="is no folder"):
        site(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ConfigError, match="--address"):
        site(releases, tmp_path / "out", address="ftp://example.org")
    shutil.copytree(releases / "lungs", tmp_path / "twins" / "one")
    shutil.copytree(releases / "lungs", tmp_path / "twins" / "two")
    with pytest.raises(DataError, match="stands there twice"):
        site(tmp_path / "twins", tmp_path / "out")
    (tmp_path / "twins" / "two" / "index.csv").write_text("broken")
    with pytest.raises(ArtifactError, match="is damaged"):
        site(tmp_path / "twins", tmp_path / "out")
    with pytest.raises(ConfigError, match="--reason"):
        withdraw(releases / "lungs", tmp_path / "stone", reason=" ")
    with pytest.raises(GateError, match="names nobody"):
        withdraw(releases / "lungs", tmp_path / "stone", reason="it shows Doe^Jane")
    assert not (tmp_path / "out").exists() and not (tmp_path / "stone").exists()

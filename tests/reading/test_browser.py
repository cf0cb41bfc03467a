"""The page as people use it, in a real browser: keyboard and mouse, two tabs, a lost connection, a phone."""

import json
import shutil
import time

import numpy as np
import pytest

from synthmed.reading.readings import readings
from synthmed.reading.serving import served, study_invite
from synthmed.reading.simulate import Eyes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium was found: apt-get install chromium"),
]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium):
    """Opens windows of a size; each is a computer of its own."""
    contexts = []

    def opened(width=1024, height=768, **more):
        context = chromium.new_context(viewport={"width": width, "height": height}, **{"locale": "en-GB", **more})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20000)
        page.troubles = []
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("console", lambda said: page.troubles.append(said.text) if "Content Security" in said.text else None)
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            assert not getattr(page, "troubles", [])
        context.close()


@pytest.fixture
def study(make):
    return make(num=4, overrides=["checks=1", "windows={narrow=[0, 100]}", "break_every=5"])


@pytest.fixture
def address(study):
    with served(study) as address:
        yield address


def begin(page, link):
    """From the link to the first trial."""
    page.goto(link)
    page.check("#agree")
    page.click("[data-step=consent]")
    page.click("[data-step=display]")
    page.click("[data-step=instructions]")
    wait_for_trial(page)
    return page


def wait_for_trial(page):
    """Until a trial is painted and can be answered."""
    page.wait_for_selector("#trial[data-ready=true]:not([hidden])")


def handle(page):
    return page.get_attribute("#trial", "data-handle")


def grey(page):
    """The mean brightness of the first canvas."""
    return page.evaluate("""() => { const c = document.querySelector('.view canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let sum = 0;
        for (let k = 0; k < d.length; k += 4) sum += d[k]; return sum / (d.length / 4); }""")


def stage(page):
    return page.evaluate("() => document.querySelector('body > section:not([hidden])')?.id")


def finish(page, answer):
    """Answer until the study is done; ``answer`` gives one answer."""
    stages = []
    while True:
        page.wait_for_function("() => document.querySelector('body > section:not([hidden])')")
        now = stage(page)
        stages.append(now)
        if now == "done":
            return stages
        if now == "trial":
            answer(page)
        else:
            page.click(f"[data-step={now}]")
            page.wait_for_function("now => document.getElementById(now).hidden", arg=now)


def send(page, answered):
    """Wait until a trial can be answered, answer it, and pass its truth by where it is told."""
    page.wait_for_selector("#trial[data-ready=true]:not([hidden])")
    before = handle(page)
    answered()
    page.wait_for_function("""before => { const trial = document.getElementById('trial'); return trial.hidden ||
        !document.getElementById('truth').hidden ||
        (trial.dataset.handle !== before && trial.dataset.ready === 'true'); }""",
                           arg=before)  # fmt: skip
    if page.is_visible("#truth"):
        page.keyboard.press("Enter")
        page.wait_for_function(
            """before => { const trial = document.getElementById('trial'); return trial.hidden ||
            (trial.dataset.handle !== before && trial.dataset.ready === 'true'); }""",
            arg=before,
        )


def by_keys(page):
    send(page, lambda: [page.keyboard.press(key) for key in ("2", "3", "Enter")])


def by_mouse(page):
    chosen = ("[data-question=verdict][data-value=real]", "[data-question=confidence][data-value='1']", "#confirm")
    send(page, lambda: [page.click(one) for one in chosen])


@pytest.mark.parametrize("way, answer", [
    (by_keys, {"verdict": "synthetic", "confidence": "3"}), (by_mouse, {"verdict": "real", "confidence": "1"}),
])  # fmt: skip
def test_a_whole_session(window, address, study, way, answer):
    page = begin(window(), study_invite(study.path, "anna", address=address))
    stages = finish(page, way)
    assert {"ready", "break"} <= set(stages)
    found = readings(study)
    assert len(found) == 11 and all(one.answer == answer for one in found)
    assert all(0 < one.response_ms < 60000 and one.viewing["window"] == [1024, 768] for one in found)
    assert "#" not in page.url


def test_keys_alone_are_enough(window, address, study):
    page = window()
    page.goto(study_invite(study.path, "anna", address=address))
    page.wait_for_selector("#consent:not([hidden])")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.id") == "agree":
            break
    page.keyboard.press("Space")
    for name in ("consent", "display", "instructions"):
        page.wait_for_selector(f"#{name}:not([hidden])")
        for _ in range(8):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.dataset.step") == name:
                break
        page.keyboard.press("Enter")
    wait_for_trial(page)
    by_keys(page)
    assert len(readings(study)) == 1


def test_window_and_level_change_the_pixels_and_nothing_else(window, address, study):
    page = begin(window(), study_invite(study.path, "anna", address=address))
    start = grey(page)
    page.keyboard.press("i")
    assert grey(page) == pytest.approx(255 - start, abs=60) and grey(page) != start
    page.keyboard.press("i")
    assert grey(page) == start
    box = page.locator(".view canvas").bounding_box()
    x, y = box["x"] + 200, box["y"] + 200
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + 120, steps=4)
    page.mouse.up()
    assert grey(page) < start - 20
    low = float(page.get_attribute("#readout", "data-low"))
    page.keyboard.press("0")
    assert grey(page) == start and float(page.get_attribute("#readout", "data-low")) < low
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert grey(page) != start
    page.select_option("#preset", "narrow")
    assert (page.get_attribute("#readout", "data-low"), page.get_attribute("#readout", "data-high")) == ("0", "100")
    assert grey(page) > start + 20
    page.keyboard.press("w")
    assert page.input_value("#preset") == "study" and grey(page) == start
    assert not readings(study)


def test_zoom_and_one_to_one(window, address, study):
    page = begin(window(device_scale_factor=2), study_invite(study.path, "anna", address=address))
    fit = float(page.get_attribute("#readout", "data-scale"))
    page.keyboard.press("+")
    assert float(page.get_attribute("#readout", "data-scale")) == pytest.approx(1.25 * fit)
    page.keyboard.press("o")
    assert float(page.get_attribute("#readout", "data-scale")) == 1
    side = page.evaluate("""() => { const c = document.querySelector('.view canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
        for (let k = 3; k < d.length; k += 4) n += d[k] === 255; return n; }""")
    assert side == 24 * 24
    page.keyboard.press("o")
    box = page.locator(".view canvas").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.wheel(0, -300)
    page.wait_for_function("fit => Number(document.getElementById('readout').dataset.scale) > fit", arg=fit)


def test_sixteen_bits_reach_the_screen(window, make):
    """One to one, a narrow window tells stored numbers apart that eight bits would have made one."""
    study = make(real="deep", synthetic=("deep_made",), num=4, overrides=["windows={narrow=[30000, 30255]}"])
    with served(study) as address:
        page = begin(window(), study_invite(study.path, "anna", address=address))
        picture = page.evaluate("""async () => { const h = document.getElementById('trial').dataset.handle;
            return h; }""")
        assert picture
        page.keyboard.press("o")
        page.select_option("#preset", "narrow")
        shown = page.evaluate("""() => { const c = document.querySelector('.view canvas'), pen = c.getContext('2d');
            const d = pen.getImageData(0, 0, c.width, c.height).data, found = [];
            for (let k = 0; k < d.length; k += 4) if (d[k + 3] === 255) found.push(d[k]); return found; }""")
        shown_case = [case for case in study.cases if case.part == "warmup"]
        stored = [np.frombuffer(study.stimulus(case.stimuli[0]), "<u2").astype(float) for case in shown_case]
        expected = [np.clip(np.rint(values - 30000), 0, 255).astype(int).tolist() for values in stored]
        assert shown in expected and len(set(shown)) > 3


def test_a_series_with_subtractions_shows_every_panel(window, make, sets, tmp_path):
    from synthmed.samples import Sample, write_samples

    rng = np.random.default_rng(0)
    for name in ("left", "right"):
        sample = Sample(seed=0, label="", lineage="sampled")
        drawn = ((sample, rng.integers(0, 65536, (4, 16, 16)).astype(np.uint16), None) for _ in range(8))
        sets[f"series {name}"] = write_samples(
            tmp_path / name, drawn, file_format="npy", inputs={}, facts={"seed": 0}
        ).path
    shutil.rmtree(tmp_path / "plain", ignore_errors=True)
    (tmp_path / "plain").mkdir()
    for file in (tmp_path / "left" / "images").glob("*.npy"):
        shutil.copy(file, tmp_path / "plain" / file.name)
    sets["plain"] = tmp_path / "plain"
    settings = ['panels=["channel 0", "channel 1", "channel 1-channel 0"]', "accept_cues=true"]
    study = make(real="plain", synthetic=("series right",), num=4, overrides=settings)
    with served(study) as address:
        page = begin(window(), study_invite(study.path, "anna", address=address))
        assert page.locator(".view span").all_text_contents() == ["channel 0", "channel 1", "channel 1-channel 0"]
        page.keyboard.press("o")
        shown = page.evaluate("""() => [...document.querySelectorAll('.view canvas')].map((c) => {
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, found = [];
            for (let k = 0; k < d.length; k += 4) if (d[k + 3] === 255) found.push(d[k]); return found; })""")
        panel = study.protocol.panels[2]
        fits = []
        for case in study.cases:
            pixels = np.frombuffer(study.stimulus(case.stimuli[0]), "<u2").reshape(4, -1).astype(float)
            grey = np.clip(np.rint((pixels[1] - pixels[0] - panel.low) * 255 / (panel.high - panel.low)), 0, 255)
            fits.append(np.abs(grey - shown[2]).max() <= 1)
        assert sum(fits) == 1


def test_pairs_are_shown_side_by_side_in_the_order_of_the_truth(window, make):
    study = make(paradigm="two_alternative", num=4, overrides=["warmup=0"])
    with served(study) as address:
        page = window()
        page.goto(study_invite(study.path, "anna", address=address))
        page.check("#agree")
        for name in ("consent", "display", "instructions"):
            page.click(f"[data-step={name}]")
        wait_for_trial(page)
        page.keyboard.press("o")
        shown = page.evaluate("""() => [...document.querySelectorAll('.view canvas')].map((c) => {
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, found = [];
            for (let k = 0; k < d.length; k += 4) if (d[k + 3] === 255) found.push(d[k]); return found; })""")
        case, swapped = Eyes(study).recognise(bytes(shown[0]) + bytes(shown[1]))
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.getElementById('count').textContent.startsWith('2 ')")
        (one,) = readings(study)
        assert (one.case, one.truth, one.says) == (case, int(swapped), 1)


def test_a_spot_is_marked_where_the_mouse_was(window, make):
    study = make(paradigm="locate", num=4)
    with served(study) as address:
        page = begin(window(), study_invite(study.path, "anna", address=address))
        assert page.get_attribute("#confirm", "aria-disabled") == "true"
        page.keyboard.press("4")
        assert page.get_attribute("#confirm", "aria-disabled") == "true"
        box = page.locator(".view canvas").bounding_box()
        scale = float(page.get_attribute("#readout", "data-scale"))
        x = box["x"] + box["width"] / 2 + (10.5 - 12) * scale
        y = box["y"] + box["height"] / 2 + (9.5 - 12) * scale
        page.mouse.dblclick(x, y)
        page.keyboard.press("Alt+ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_selector("#truth:not([hidden])")
        (one,) = readings(study)
        assert one.answer == {"confidence": "4", "spot": [11, 9]} and one.located == one.truth


def test_resuming_after_closing_the_browser(window, address, study):
    link = study_invite(study.path, "anna", address=address)
    page = begin(window(), link)
    by_keys(page)
    wait_for_trial(page)
    count = page.text_content("#count")
    page.context.close()
    other = window()
    other.goto(link)
    other.wait_for_selector("#instructions:not([hidden]) #again:not([hidden])")
    other.click("[data-step=instructions]")
    wait_for_trial(other)
    assert other.text_content("#count") == count
    assert "late" in other.eval_on_selector("#trial", "e => Object.keys(e.dataset)")


def test_two_tabs(window, address, study):
    link = study_invite(study.path, "anna", address=address)
    one = begin(window(), link)
    two = one.context.new_page()
    two.goto(address)
    wait_for_trial(two)
    one.keyboard.press("1")
    one.keyboard.press("1")
    one.keyboard.press("Enter")
    one.wait_for_selector("#elsewhere:not([hidden])")
    assert not readings(study)
    one.click("#here")
    wait_for_trial(one)
    by_keys(one)
    assert len(readings(study)) == 1


def test_a_second_session(window, make):
    study = make(num=4, sessions=2, overrides=["warmup=0", "break_every=99", "washout_days=0.00005"])
    with served(study) as address:
        link = study_invite(study.path, "anna", address=address)
        page = window()
        page.goto(link)
        page.check("#agree")
        for name in ("consent", "display", "instructions"):
            page.click(f"[data-step={name}]")
        wait_for_trial(page)
        for _ in range(8):
            by_keys(page)
        page.wait_for_selector("#washout:not([hidden]), #display:not([hidden])")
        time.sleep(4.5)
        page.goto("about:blank")
        page.goto(link)
        page.wait_for_selector("#display:not([hidden])")
        page.click("[data-step=display]")
        page.click("[data-step=instructions]")
        wait_for_trial(page)
        for _ in range(8):
            by_keys(page)
        page.wait_for_selector("#done:not([hidden])")
    assert [len([one for one in readings(study) if one.session == s]) for s in (1, 2)] == [8, 8]


def test_a_wrong_token_is_told_kindly(window, address, study):
    page = window()
    page.goto(f"{address}/#wrong")
    page.wait_for_selector("#enter-trouble:not([hidden])")
    assert "not known" in page.text_content("#enter-trouble") and "wrong" not in page.url
    page.goto(study_invite(study.path, "anna", address=address))  # only what stands behind # changes
    page.wait_for_selector("#consent:not([hidden])")
    page.goto(address)
    page.wait_for_selector("#consent:not([hidden])")


def test_a_lost_connection_while_answering_keeps_the_answer_once(window, address, study):
    page = begin(window(), study_invite(study.path, "anna", address=address))
    sent = []

    def lose(route):
        sent.append(json.loads(route.request.post_data)["key"])
        if len(sent) == 1:
            route.abort()  # never arrived
        elif len(sent) == 2:
            route.fetch()  # arrived, and its acknowledgement was lost
            route.abort()
        else:
            route.continue_()

    page.route("**/api/answer", lose)
    page.keyboard.press("1")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sending:not([hidden])")
    assert "Nothing is lost" in page.text_content("#sending")
    page.wait_for_selector("#truth:not([hidden])")
    page.wait_for_selector("#sending", state="hidden")
    assert len(sent) == 3 and len(set(sent)) == 1
    assert len(readings(study)) == 1


def test_a_phone_is_refused_kindly_and_loses_nothing(window, address, study):
    link = study_invite(study.path, "anna", address=address)
    phone = window(390, 844, is_mobile=True, has_touch=True)
    phone.goto(link)
    phone.wait_for_selector("#narrow:not([hidden])")
    assert "computer or a tablet" in phone.text_content("#narrow")
    assert phone.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page = begin(window(), link)
    page.set_viewport_size({"width": 700, "height": 768})
    page.wait_for_selector("#narrow:not([hidden])")
    page.keyboard.press("1")
    page.set_viewport_size({"width": 1024, "height": 768})
    page.wait_for_selector("#trial:not([hidden])")
    assert page.locator("[aria-pressed=true][data-question]").count() == 0


def test_german(window, address, study):
    page = window(locale="de-DE")
    page.goto(study_invite(study.path, "anna", address=address))
    page.wait_for_selector("#consent:not([hidden])")
    assert page.text_content("#consent h1") == "Bevor Sie beginnen"
    assert page.get_attribute("html", "lang") == "de"
    page.select_option("#language", "en")
    page.wait_for_function("() => document.querySelector('#consent h1').textContent === 'Before you begin'")


def test_what_a_screen_reader_hears(window, address, study):
    page = begin(window(), study_invite(study.path, "anna", address=address))
    assert page.get_attribute(".view canvas", "aria-label") == "Image 1 of 2, to be judged by eye"
    page.keyboard.press("2")
    assert page.text_content("#status") == "Chosen: synthetic"
    names = page.evaluate("""() => [...document.querySelectorAll('button, input, select, canvas')].filter((e) =>
        e.offsetParent && !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))
        .map((e) => e.outerHTML)""")
    assert names == []


def test_the_next_picture_is_there_before_it_is_asked_for(window, address, study):
    page = begin(window(), study_invite(study.path, "anna", address=address))
    page.wait_for_timeout(300)
    by_keys(page)
    wait_for_trial(page)
    page.wait_for_function("() => document.getElementById('count').textContent.startsWith('2')")
    assert page.get_attribute("#trial", "data-late") == "false"

"""One protocol for all who report how far they are, and one bar for people."""

import inspect
import io

import pytest

import synthmed
from synthmed.running import progress, threads
from synthmed.running.progress import Bar, Progress, silence, titled


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when the test says so."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_off_a_terminal_there_is_one_plain_line_every_half_minute(clock, capsys):
    with Bar() as bar:
        for second in range(100):
            clock[0] = float(second)
            bar(2 * second, 1000, "mask", unit="images", numbers={"generator.adversarial": 0.6931, "r1": 2.0})
    assert lines(capsys) == [
        "mask: 62 of 1000 images, 2.0/s, 8 min left  generator.adversarial 0.693  r1 2",
        "mask: 124 of 1000 images, 2.0/s, 7 min left  generator.adversarial 0.693  r1 2",
        "mask: 186 of 1000 images, 2.0/s, 7 min left  generator.adversarial 0.693  r1 2",
    ]


def test_many_short_parts_are_told_of_as_well(clock, capsys):
    with Bar("Evaluating") as bar:
        for number in range(8):
            for step in range(10):
                clock[0] += 1
                bar(step, 10, f"usefulness: real, seed {number}")
    assert lines(capsys) == [
        "Evaluating usefulness: real, seed 3: 0 of 10",
        "Evaluating usefulness: real, seed 6: 1 of 10, 1.0/s, 0 min left",
    ]


@pytest.mark.parametrize("again", [("other", 100), ("one", 50), ("one", 100)])
def test_a_part_has_its_own_rate_and_what_was_done_before_does_not_count(clock, capsys, again):
    with Bar() as bar:
        bar(90, 100, "one")
        clock[0] = 20.0
        bar(100, 100, "one")
        what, total = again
        bar(40, total, what)
        clock[0] = 40.0
        bar(44, total, what)
    assert lines(capsys) == [f"{what}: 44 of {total}, 0.2/s, {(total - 44) / 0.2 / 60:.0f} min left"]


def test_on_a_terminal_a_bar_shows_the_same(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stderr", shown)
    with Bar() as bar:
        bar(0, 300, "mask", unit="images")
        bar(150, 300, "mask", unit="images", numbers={"r1": 0.25})
        bar.say("The model is run/model.safetensors.")
    assert "150/300" in shown.getvalue() and "images" in shown.getvalue() and "r1 0.25" in shown.getvalue()
    assert "The model is run/model.safetensors.\n" in shown.getvalue().replace("\r", "")


def test_what_was_decided_about_threads_is_told_once_when_work_has_begun(monkeypatch, capsys):
    monkeypatch.setattr(threads, "_settled", threads.Decision(environment={}, sentence="Working with 2 threads."))
    monkeypatch.setattr(threads, "_told", False)
    with Bar("Auditing") as bar:
        assert lines(capsys) == []
        bar(0, 3, "membership")
        bar(1, 3, "membership")
    with Bar() as bar:
        bar(0, 3)
    assert lines(capsys) == ["Working with 2 threads."]


def test_a_titled_part_tells_how_far_it_is_under_its_name_and_nothing_else():
    heard = []

    def hear(done, total, what="", **more):
        heard.append((done, total, what, more))

    titled(hear, "features of random_vgg")(3, 7, "images", unit="images", numbers={"loss": 1.0})
    assert heard == [(3, 7, "features of random_vgg", {})]


def test_every_verb_that_reports_takes_the_same():
    found = {}
    for name in set(synthmed.__all__) - {"__version__"}:
        verb = getattr(synthmed, name)
        if inspect.isfunction(verb) and "progress" in inspect.signature(verb).parameters:
            found[name] = inspect.signature(verb).parameters["progress"]
    assert found.keys() == {
        "class_table",
        "models_fetch",
        "publish",
        "site",
        "verify",
        "doctor",
        "prepare",
        "label",
        "train",
        "generate",
        "evaluate",
        "weights",
        "audit",
        "compare",
    }
    assert all(one.annotation == Progress | None and one.default is None for one in found.values())
    assert list(inspect.signature(silence).parameters) == list(inspect.signature(Bar.__call__).parameters)[1:]

"""One protocol for all who report how far they are, and one bar for people."""

import inspect
import io
import re

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


def test_off_a_terminal_there_is_a_plain_line_after_two_seconds_then_one_a_minute_without_losses(clock, capsys):
    with Bar() as bar:
        for second in range(130):
            clock[0] = float(second)
            bar(2 * second, 1000, "mask", unit="images", numbers={"generator.adversarial": 0.6931, "r1": 2.0})
    assert lines(capsys) == [
        "mask: 4 of 1,000 images, 2.0/s, 8:18 left",
        "mask: 124 of 1,000 images, 2.0/s, 7:18 left",
        "mask: 244 of 1,000 images, 2.0/s, 6:18 left",
    ]


def test_many_short_parts_are_told_of_as_well(clock, capsys):
    with Bar("Evaluating") as bar:
        for number in range(8):
            for step in range(10):
                clock[0] += 1
                bar(step, 10, f"usefulness: real, seed {number}")
    assert lines(capsys) == [
        "Evaluating usefulness: real, seed 0: 1 of 10, 1.0/s, 0:09 left",
        "Evaluating usefulness: real, seed 6: 1 of 10, 1.0/s, 0:09 left",
    ]


@pytest.mark.parametrize("again", [("other", 100), ("one", 50), ("one", 100)])
def test_a_part_has_its_own_rate_and_what_was_done_before_does_not_count(clock, capsys, again):
    what, total = again
    with Bar() as bar:
        bar(90, 100, "one")
        clock[0] = 1.0
        bar(100, 100, "one")
        bar(40, total, what)
        clock[0] = 21.0
        bar(44, total, what)
    left = round((total - 44) / 0.2)
    assert lines(capsys) == [f"{what}: 44 of {total}, 0.2/s, {left // 60}:{left % 60:02d} left"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal_of_80_columns(monkeypatch):
    """A terminal of 80 columns, and all that was written to it."""
    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stderr", shown)
    return shown


def drawn(terminal):
    """The lines of the terminal, without what moves and colours them."""
    return [line for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())) if line]


def test_on_a_terminal_of_80_columns_count_rate_and_time_left_stay_and_losses_go_first(monkeypatch, clock):
    terminal = terminal_of_80_columns(monkeypatch)
    losses = {f"photograph_generator+photograph_encoder.term{number}": 0.1 * number for number in range(12)}
    with Bar() as bar:
        bar(0, 300_000, "photograph_translation", unit="images")
        clock[0] = 100.0
        bar(150_000, 300_000, "photograph_translation", unit="images", numbers=losses)
        bar.say("The model is run/model.safetensors.")
    last = drawn(terminal)[-1]
    assert "photograph_t\u2026" in last and "150,000 of 300,000 images  1,500/s  1:40 left" in last
    assert "term" not in last and all(len(line) <= 80 for line in drawn(terminal))
    assert "The model is run/model.safetensors." in drawn(terminal)


def test_numbers_are_shown_as_long_as_there_is_room(monkeypatch):
    terminal = terminal_of_80_columns(monkeypatch)
    with Bar() as bar:
        bar(0, 300, "mask", unit="images")
        bar(0, 300, "mask", unit="images", numbers={"r1": 0.25})
    assert "0 of 300 images  r1 0.25" in drawn(terminal)[-1]


def test_before_the_first_part_a_terminal_is_told_that_it_starts(monkeypatch):
    terminal = terminal_of_80_columns(monkeypatch)
    with Bar():
        pass
    assert "Starting" in drawn(terminal)[0]


def test_quiet_means_no_progress_and_no_remarks(monkeypatch):
    terminal = terminal_of_80_columns(monkeypatch)
    monkeypatch.setattr(progress, "_quiet", False)
    progress.hush()
    with Bar("Auditing") as bar:
        bar(1, 3, "membership")
        bar.say("Working with 2 threads.")
    assert progress.is_quiet() and terminal.getvalue() == ""


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
        "phantom",
        "prepare",
        "label",
        "train",
        "generate",
        "invert",
        "interpolate",
        "splice",
        "perturb",
        "evaluate",
        "weights",
        "audit",
        "compare",
    }
    assert all(one.annotation == Progress | None and one.default is None for one in found.values())
    assert list(inspect.signature(silence).parameters) == list(inspect.signature(Bar.__call__).parameters)[1:]

"""How far something is: what those who report it call, and the bar that people see. Never a patient's name."""

import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, Self

from synthmed.running import threads

_SOON, _EVERY = 2.0, 60.0
"""Seconds to the first line, and between two, where there is no terminal."""
_BAR, _SHORTEST = 16, 8
"""Columns of the bar, and of the shortest name."""
_NO_NUMBERS: Mapping[str, float] = MappingProxyType({})

Say = Callable[[str], None]
"""Is called with a sentence for the user."""


class Progress(Protocol):
    """What everything that takes long calls while it works; any function of this form will do."""

    def __call__(
        self, done: int, total: int, what: str = "", *, unit: str = "", numbers: Mapping[str, float] = _NO_NUMBERS
    ) -> None:
        """``done`` of ``total`` are finished.

        Args:
            done: from 0 to ``total``.
            total: 1 or more.
            what: is being done: a stage, a metric, a file.
            unit: what is counted, such as "images"; "" where ``what`` says it.
            numbers: to be shown beside it, by name, such as losses.
        """


def silence(
    done: int, total: int, what: str = "", *, unit: str = "", numbers: Mapping[str, float] = _NO_NUMBERS
) -> None:
    """Progress for programs: nothing is shown."""


def unsaid(sentence: str) -> None:
    """The ``Say`` of programs: nothing is said."""


def titled(progress: Progress, what: str) -> Progress:
    """Progress of one part of a work: how far it is goes on, under the name of the part, and nothing else."""

    def told(done: int, total: int, *_: str, **more: Any) -> None:
        progress(done, total, what)

    return told


_quiet = False


def hush() -> None:
    """From now on people see no progress and no remarks: results and errors alone."""
    global _quiet
    _quiet = True


def is_quiet() -> bool:
    """Whether people asked to see results and errors alone."""
    return _quiet


_starting = False


def starting() -> None:
    """On a terminal, say that something begins which takes seconds before it can tell how far it is."""
    global _starting
    if not _quiet and sys.stderr.isatty():
        _starting = True
        print("Starting ...", end="", file=sys.stderr, flush=True)


def started() -> None:
    """Take that back, before anything else is shown."""
    global _starting
    if _starting:
        _starting = False
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


class Bar:
    """Progress for people: how much is done, the rate, the time left, numbers by name. A context manager.

    On a terminal a bar, which keeps count, rate and time left in any width and shows as many numbers as there is room
    for; elsewhere (a log file) a plain line after two seconds, then one a minute, without numbers. Once work has begun,
    after all checks, it also tells what was decided about threads.

    Args:
        what: one word for all of the work; "" where each part has a name that is enough.
    """

    def __init__(self, what: str = "") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress

        started()
        self._console = Console(stderr=True, quiet=_quiet)
        self._bar = RichProgress(
            SpinnerColumn(),  # it turns while a long step is at work
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=_BAR),
            TextColumn("{task.fields[told]}", markup=False),
            console=self._console,
            transient=True,
            disable=_quiet or not self._console.is_terminal,
        )
        self._what = what
        self._task: Any = self._bar.add_task(what or "Starting", total=None, told="")
        self._part, self._total, self._first, self._done = "", 0, 0, 0
        self._start = time.monotonic()
        self._next = self._start + _SOON

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(
        self, done: int, total: int, what: str = "", *, unit: str = "", numbers: Mapping[str, float] = _NO_NUMBERS
    ) -> None:
        """Move the bar; a part with another name, or one that begins again, has its own rate."""
        if sentence := threads.take_sentence():
            self.say(sentence)
        now, name = time.monotonic(), f"{self._what} {what}".strip()
        if (name, total) != (self._part, self._total) or done < self._done:
            self._part, self._total, self._first, self._start = name, total, done, now
            self._bar.reset(self._task, total=total)
        self._done = done
        rate = (done - self._first) / max(now - self._start, 1e-9)
        counted = f"{done:,} of {total:,}" + (f" {unit}" if unit else "")
        if self._console.is_terminal:
            told = "  ".join(
                [counted, *([f"{_per_second(rate)}/s", f"{_left((total - done) / rate)} left"] if rate else [])]
            )
            short, told = fitted(name, told, numbers, self._console.width - _BAR - 5)
            self._bar.update(self._task, completed=done, description=short, told=told)
        elif now >= self._next and not _quiet:
            self._next = now + _EVERY
            left = f", {_per_second(rate)}/s, {_left((total - done) / rate)} left" if rate else ""
            print(f"{name}: {counted}{left}", file=sys.stderr, flush=True)

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        self._bar.console.print(sentence, highlight=False, markup=False, soft_wrap=True)


def fitted(name: str, told: str, numbers: Mapping[str, float], room: int) -> tuple[str, str]:
    """A name and what is told beside it, in so many columns: numbers are left out first, then letters of the name.

    Example:
        >>> fitted("masks", "5 of 9", {"generator.adversarial": 0.25}, 20)
        ('masks', '5 of 9')
        >>> fitted("masks", "5 of 9", {"r1": 2.0, "r2": 0.5}, 22)
        ('masks', '5 of 9  r1 2')
    """
    for key, value in numbers.items():
        longer = f"{told}  {key} {value:.3g}"
        if len(name) + 1 + len(longer) > room:
            break
        told = longer
    least = max(_SHORTEST, room - 1 - len(told))
    return (name if len(name) <= least else f"{name[: least - 1]}\u2026"), told


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"


def _left(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds, as a clock that runs backwards."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}h{minutes % 60:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"

"""How far something is: what those who report it call, and the bar that people see. Never a patient's name."""

import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, Self

from synthmed.running import threads

_EVERY = 30.0
"""Seconds between two lines where there is no terminal."""
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


class Bar:
    """Progress for people: how much is done, the rate, the time left, numbers by name. A context manager.

    On a terminal a bar; elsewhere (a log file) one plain line every half minute. Once work has begun, after all
    checks, it also tells what was decided about threads.

    Args:
        what: one word for all of the work; "" where each part has a name that is enough.
    """

    def __init__(self, what: str = "") -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._what = what
        self._task: Any = self._bar.add_task(what, total=None, rate="", numbers="") if what else None
        self._part, self._total, self._first, self._done = "", 0, 0, 0
        self._start = self._last = time.monotonic()

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
        if self._task is None or (name, total) != (self._part, self._total) or done < self._done:
            self._begin(name, total, done, now)
        self._done = done
        rate = (done - self._first) / max(now - self._start, 1e-9)
        speed, counted = f"{rate:.1f}/s" if rate else "", f" {unit}" if unit else ""
        shown = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        self._bar.update(self._task, completed=done, rate=f"{unit}  {speed}" if unit else speed, numbers=shown)
        if not self._console.is_terminal and now - self._last > _EVERY:
            self._last = now
            left = f", {speed}, {(total - done) / rate / 60:.0f} min left" if rate else ""
            line = f"{name}: {done} of {total}{counted}{left}  {shown}"
            print(line.strip(), file=sys.stderr, flush=True)

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar."""
        self._bar.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def _begin(self, name: str, total: int, done: int, now: float) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._part, self._total, self._first, self._start = name, total, done, now
        self._task = self._bar.add_task(name, total=total, completed=done, rate="", numbers="")

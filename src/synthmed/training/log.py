"""What a training tells: lines of JSON for programs, a progress bar for people. Never a patient's name."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from synthmed.artifacts import storage_errors, write_file


class JsonLines:
    """``log.jsonl``: one line for each logged step, flushed at once.

    Args:
        path: the file; lines that lie beyond where a resumed training starts are cut off.
        stage: number of the stage to go on in.
        images: images of that stage already seen.
    """

    def __init__(self, path: Path, stage: int, images: int) -> None:
        self.path = path
        if path.is_file():
            lines = [line for line in path.read_text().splitlines() if _is_before(line, stage, images)]
            write_file(path, "".join(line + "\n" for line in lines))

    def write(self, entry: Mapping[str, Any]) -> None:
        """Append one entry."""
        with storage_errors(self.path), self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


class Progress(Protocol):
    """What the loop calls while it works."""

    def begin(self, stage: str, images: int, done: int) -> None:
        """A stage of so many images begins, or goes on after ``done`` of them."""

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """``images`` of the stage are done; losses by name, those of the last logged step."""

    def say(self, message: str) -> None:
        """A sentence for the user."""


class Silence:
    """Progress for programs: nothing is shown."""

    def begin(self, stage: str, images: int, done: int) -> None:
        """Nothing."""

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""


class Bar:
    """Progress for people: images seen, images per second, time left, the named losses.

    On a terminal a bar; elsewhere (a log file) one plain line every half minute.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("images  {task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: Any = None
        self._stage, self._total, self._start, self._first, self._last = "", 0, 0.0, 0, 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def begin(self, stage: str, images: int, done: int) -> None:
        """Start the bar of a stage."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._stage, self._total, self._first = stage, images, done
        self._start = self._last = time.monotonic()
        self._task = self._bar.add_task(stage, total=images, completed=done, rate="", losses="")

    def advance(self, images: int, losses: Mapping[str, float]) -> None:
        """Move the bar."""
        now = time.monotonic()
        rate = (images - self._first) / max(now - self._start, 1e-9)
        shown = "  ".join(f"{name} {value:.3g}" for name, value in losses.items())
        self._bar.update(self._task, completed=images, rate=f"{rate:.1f}/s", losses=shown)
        if not self._console.is_terminal and now - self._last > 30:
            self._last = now
            left = (self._total - images) / max(rate, 1e-9)
            line = f"{self._stage}: {images} of {self._total} images, {rate:.1f}/s, {left / 60:.0f} min left  {shown}"
            print(line, file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        """Print a sentence above the bar."""
        self._bar.console.print(message, highlight=False, markup=False, soft_wrap=True)


class Steps:
    """Progress of anything that counts, with its rate and the time left.

    A bar on a terminal, one plain line every half minute elsewhere.

    Args:
        what: one word for what is done.
    """

    def __init__(self, what: str) -> None:
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
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=None, rate="")
        self._what, self._start = what, time.monotonic()
        self._last = self._start

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int, detail: str = "") -> None:
        """``done`` of ``total`` are finished; ``detail`` says of what."""
        now = time.monotonic()
        rate = done / max(now - self._start, 1e-9)
        what = f"{self._what} {detail}".strip()
        self._bar.update(self._task, completed=done, total=total, description=what, rate=f"{rate:.1f}/s")
        if not self._console.is_terminal and now - self._last > 30:
            self._last = now
            left = f", {rate:.1f}/s, {(total - done) / rate / 60:.0f} min left" if rate else ""
            print(f"{what}: {done} of {total}{left}", file=sys.stderr, flush=True)


def _is_before(line: str, stage: int, images: int) -> bool:
    try:
        entry = json.loads(line)
        return (entry["stage"], entry["images"]) <= (stage, images)
    except (ValueError, KeyError, TypeError):
        return False  # a line cut short by a crash

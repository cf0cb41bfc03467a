"""Time for a server that runs for weeks: it never goes back, and a clock that jumps is noticed and noted."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

JUMP_SECONDS = 120.0


class Clock:
    """Wall-clock time that never goes back.

    Args:
        last: the latest time that was ever noted, seconds since 1970; 0 = none.
        wall: the wall clock.
        steady: a clock that nobody can set.
    """

    def __init__(
        self, last: float = 0.0, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._last, self._wall, self._steady = last, wall, steady
        self._offset = wall() - steady()
        self.behind = max(0.0, last - wall())
        """Seconds by which the wall clock lay before the latest time that was noted, when the server began."""

    def now(self) -> float:
        """Seconds since 1970, not before any time that was told before."""
        self._last = max(self._last, self._wall())
        return self._last

    def jumped(self) -> float:
        """Seconds by which somebody set the wall clock since this was last asked; 0 where it only drifted."""
        change = self._wall() - self._steady() - self._offset
        if abs(change) < JUMP_SECONDS:
            return 0.0
        self._offset += change
        return change


def written(moment: float) -> str:
    """A moment as text, UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def moment(text: str) -> float:
    """The moment of such a text, seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()

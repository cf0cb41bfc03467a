"""Intervals of 95 %: over trainings (few, so Student's t) and over images or patients (bootstrap)."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
DRAWS = 1000


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's t interval of a mean; None for fewer than two values.

    Example:
        >>> low, high = t_interval([1.0, 2.0, 3.0])
        >>> round(low, 3), round(high, 3)
        (-0.484, 4.484)
    """
    n = len(values)
    if n < 2:
        return None
    # mean +- t(n - 1) s / sqrt(n)
    half = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    middle = float(np.mean(values))
    return middle - float(half), middle + float(half)


def resampled(groups: Sequence[str], numbers: np.random.Generator, draws: int = DRAWS) -> Iterator[NDArray[np.intp]]:
    """The bootstrap: the rows of one resampled data set after the other; whole groups are drawn.

    Args:
        groups: the group of each row; images of one patient are drawn together.
        numbers: source of the draws.
        draws: how many data sets.
    """
    _, belongs = np.unique(np.asarray(groups), return_inverse=True)
    rows_of = [np.flatnonzero(belongs == group) for group in range(belongs.max() + 1)]
    for _ in range(draws):
        yield np.concatenate([rows_of[group] for group in numbers.integers(0, len(rows_of), len(rows_of))])


def percentiles(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of values."""
    low, high = np.percentile(values, [50 - LEVEL * 50, 50 + LEVEL * 50])
    return float(low), float(high)

"""One way for every metric to get its interval and its floor: sub-samples and halves of whole patients.

The bootstrap draws some rows twice. A row and its double are neighbours at distance zero and lower the rank of a
covariance, so that distances between sets and shares of neighbours are wrong on bootstrapped sets. Here a share
of the groups is drawn without replacement instead (the delete-d jackknife; Shao and Wu 1989): for a share f of the
groups, the spread of a statistic over such draws, times sqrt(f / (1 - f)), estimates its spread over new samples.
With f = 1/2 the factor is 1. The interval is laid around the value of the whole sets, so the bias that comes with
fewer rows cancels.

The floor compares two halves of the real patients. Many metrics depend on the number of images, so beside it
stands the same number for as many synthetic images as one of the halves has: these two may be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.evaluation._intervals import percentiles
from synthmed.running.progress import Progress, silence

LARGEST = 1000
"""Images of one draw, at most: the costs of intervals and floors stay flat for large sets."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Rows of one side and whom each belongs to.

    Args:
        values: [N ...], one image a row.
        groups: [N] patients; images of one patient are drawn together. Synthetic images belong to nobody, so each
            is a group of its own.
    """

    values: NDArray
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: NDArray | slice) -> "Points":
        return Points(values=self.values[rows], groups=self.groups[rows])


Bounds = tuple[float | NDArray[np.float64], float | NDArray[np.float64]]
"""Lowest and highest possible value."""

Statistic = Callable[[Points, Points], NDArray[np.float64]]
"""(synthetic, real) -> one or several numbers [K]."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a comparison found, each [K], K numbers of the statistic.

    Args:
        value: on all rows.
        low, high: the 95 % interval of the value; NaN where a side has fewer than 4 groups.
        floors: [draws K] two halves of the real patients; none where there are fewer than 4 patients.
        matched: [draws K] as many synthetic images against one of the halves.
        half_size: images of one half, on average.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    floors: NDArray[np.float64]
    matched: NDArray[np.float64]
    half_size: int


def compare(
    statistic: Statistic,
    synthetic: Points,
    real: Points,
    numbers: np.random.Generator,
    *,
    draws: int = 100,
    bounds: Bounds = (-np.inf, np.inf),
    progress: Progress = silence,
) -> Compared:
    """The value of a statistic with its interval and its real-against-real floor.

    Args:
        statistic: the metric.
        synthetic: the synthetic side.
        real: the real side.
        numbers: source of the draws.
        draws: sub-samples for the interval, and halves for the floor.
        bounds: the range of the statistic, or of each of its numbers; intervals do not leave it.
        progress: hears how far it is.
    """
    first, second = numbers.spawn(2)
    value = np.atleast_1d(statistic(synthetic, real))
    spread, floors, matched, sizes = [], [], [], []
    share = min(0.5, LARGEST / max(len(synthetic), len(real)))
    enough = _count(synthetic) >= 4 and _count(real) >= 4
    for draw in range(draws if enough else 0):
        progress(draw, 2 * draws)
        drawn = statistic(synthetic[_some(synthetic, share, first)], real[_some(real, share, first)])
        spread.append(np.atleast_1d(drawn))
    for draw in range(draws if _count(real) >= 4 else 0):
        progress(draws + draw, 2 * draws)
        one, other = halves(real, second)
        sizes.append(len(other))
        rows = second.permutation(len(synthetic))[: len(one)]
        floors.append(np.atleast_1d(statistic(one[: len(rows)], other)))
        matched.append(np.atleast_1d(statistic(synthetic[rows], other)))
    low, high = _interval(value, spread, np.sqrt(share / (1 - share)), bounds)
    width = (0, len(value))
    return Compared(
        value=value,
        low=low,
        high=high,
        floors=np.array(floors) if floors else np.zeros(width),
        matched=np.array(matched) if matched else np.zeros(width),
        half_size=round(float(np.mean(sizes))) if sizes else 0,
    )


def halves(points: Points, numbers: np.random.Generator) -> tuple[Points, Points]:
    """Two random halves of the patients, rows in random order, none with more than ``LARGEST`` rows."""
    known = np.unique(points.groups)
    chosen = numbers.permutation(known)[: len(known) // 2]
    inside = np.isin(points.groups, chosen)
    one, other = (numbers.permutation(np.flatnonzero(side))[:LARGEST] for side in (inside, ~inside))
    return points[one], points[other]


def _count(points: Points) -> int:
    return len(np.unique(points.groups))


def _some(points: Points, share: float, numbers: np.random.Generator) -> NDArray[np.intp]:
    known = np.unique(points.groups)
    chosen = numbers.permutation(known)[: max(2, round(share * len(known)))]
    return np.flatnonzero(np.isin(points.groups, chosen))


def _interval(
    value: NDArray[np.float64], spread: Sequence[NDArray], factor: float, bounds: Bounds
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not spread:
        return np.full_like(value, np.nan), np.full_like(value, np.nan)
    drawn = np.array(spread)
    ends = [percentiles(one) for one in (drawn - drawn.mean(0)).T]
    low, high = (value + factor * np.array([end[side] for end in ends]) for side in (0, 1))
    # Where all draws lie on one side of their mean, as at a bound, the value itself still belongs to its interval.
    return np.clip(np.minimum(low, value), *bounds), np.clip(np.maximum(high, value), *bounds)

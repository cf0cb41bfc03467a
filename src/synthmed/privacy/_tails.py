"""Tails: how small a relative distance gets by chance, and exact tests and intervals of counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
_LOWEST, _FEWEST, _WARY = (5, 10), 5, 0.9
"""The lowest n-th parts of all values, at least so many, whose power lowers that of the half, by a factor."""


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The lower tail of relative distances between different real patients.

    Near the smallest values P(r < x) is taken to be share * (x / start) ** power (Hill 1975). For points that
    lie evenly around a query the law is exact with the number of dimensions as its power (Facco et al. 2017),
    however many reference patients there are; a copy is an exception to it.

    Args:
        start: where the tail begins.
        share: part of the real queries below ``start``.
        power: Hill's estimate.
        low_power: the lower end of its one-sided 95 % interval, which is what thresholds use.
        count: real queries in the tail.
    """

    start: float
    share: float
    power: float
    low_power: float
    count: int

    def threshold(self, probability: float) -> float:
        """The relative distance below which a real patient falls with this probability, or less.

        Example:
            >>> tail = Tail(start=0.8, share=0.2, power=12.0, low_power=10.0, count=50)
            >>> round(tail.threshold(0.2), 3), round(tail.threshold(0.2 * 0.5**10), 3)
            (0.8, 0.4)
        """
        return self.start * min(1.0, probability / self.share) ** (1 / self.low_power)


def fit_tail(relative: NDArray[np.float64], persons: int | None = None) -> Tail:
    """Fit the tail to the relative distances of real queries.

    The lower half is taken: the law holds far into the middle, and half of the values tell its power with half the
    error of the lowest tenth or fifth. Where these fall off more slowly than the half says, theirs is the power.

    Args:
        relative: [n] in [0, 1], n >= 3; at least ten of them are the tail, if there are so many.
        persons: whose images the queries are; the interval counts persons, not images. None = one image each.
    """
    ordered = np.sort(np.maximum(relative, 1e-6))
    count = min(len(ordered) - 1, max(10, len(ordered) // 2))
    power = _power(ordered, count)
    # 2 * count * power / estimate is chi-squared with 2 * count degrees of freedom.
    free = 2 * count * (persons or len(ordered)) / len(ordered)
    low = power * stats.chi2.ppf(1 - LEVEL, free) / free
    lowest = [_power(ordered, max(_FEWEST, len(ordered) // part)) for part in _LOWEST if len(ordered) > 2 * _FEWEST]
    return Tail(start=float(ordered[count]), share=count / len(ordered), power=power,
                low_power=float(min([low, *(_WARY * one for one in lowest)])), count=count)  # fmt: skip


def _power(ordered: NDArray[np.float64], count: int) -> float:
    """Hill's estimate by the lowest values: their number / sum of log(start / value)."""
    return float(count / max(np.log(ordered[count] / ordered[:count]).sum(), 1e-9))


def middle_tail(relative: NDArray[np.float64]) -> Tail:
    """The same law by the middle of the tail, which up to half of it may be copies of each other without moving.

    Args:
        relative: [n] in [0, 1], n >= 3.
    """
    ordered = np.sort(np.maximum(relative, 1e-6))
    count = min(len(ordered) - 1, max(10, len(ordered) // 5))
    start = ordered[count]
    # log(start / value) is exponential with the power as its rate, its median log 2 / power.
    power = float(np.log(2) / max(np.median(np.log(start / ordered[:count])), 1e-9))
    return Tail(start=float(start), share=count / len(ordered), power=power, low_power=power, count=count)


def proportion(hits: int, total: int) -> tuple[float, float]:
    """The exact 95 % interval of a proportion (Clopper and Pearson 1934); (0, 1) of nothing.

    Example:
        >>> low, high = proportion(0, 1000)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.0037)
    """
    tail = (1 - LEVEL) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, total - hits + 1))
    high = 1.0 if hits == total else float(stats.beta.ppf(1 - tail, hits + 1, total - hits))
    return low, high


def more_than(count: int, control: int) -> float:
    """Exact one-sided p of two counts with equal expectation: P(X >= count), X of Binomial(count + control, 1/2)."""
    return float(stats.binom.sf(count - 1, count + control, 0.5)) if count else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p for the number of tests (Holm 1979): each may be compared with the level of the whole family.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected

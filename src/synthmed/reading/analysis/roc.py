"""The empirical ROC curve, the area under it, and its DeLong interval.

DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837; fast by midranks: Sun and Xu, IEEE SPL 21 (2014) 1389.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.errors import DataError

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Area:
    """An area under an ROC curve.

    Args:
        value: 0 to 1; ties count half.
        standard_error: by DeLong; 0 where the ratings separate the cases entirely.
        low: of the interval.
        high: of the interval.
        positives: cases of truth 1.
        negatives: cases of truth 0.
        method: how the interval was made, in words.
    """

    value: float
    standard_error: float
    low: float
    high: float
    positives: int
    negatives: int
    method: str


def curve(truth: NDArray, rating: NDArray) -> tuple[Values, Values]:
    """The operating points: false and true positive fractions [k + 1] from (0, 0) to (1, 1), one for each rating.

    Example:
        >>> [points.tolist() for points in curve(np.array([0, 1]), np.array([1.0, 2.0]))]
        [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    positive, negative = sides(truth, rating)
    cuts = np.unique(rating)[::-1]
    hits = np.array([0.0, *((positive >= cut).mean() for cut in cuts)])
    alarms = np.array([0.0, *((negative >= cut).mean() for cut in cuts)])
    return alarms, hits


def area(truth: NDArray, rating: NDArray) -> float:
    """The share of pairs of cases in which that of truth 1 has the higher rating; ties count half.

    Raises:
        DataError: there are not cases of both truths.

    Example:
        >>> area(np.array([1, 1, 0]), np.array([2.0, 1.0, 1.0]))
        0.75
    """
    positive, negative = sides(truth, rating)
    return float(placements(positive, negative)[0].mean())


def placements(positive: Values, negative: Values) -> tuple[Values, Values]:
    """For each positive case the share of negatives below it, and for each negative that of positives above it."""
    n1, n0 = len(positive), len(negative)
    both = stats.rankdata(np.concatenate([positive, negative]))
    above = (both[:n1] - stats.rankdata(positive)) / n0
    below = 1 - (both[n1:] - stats.rankdata(negative)) / n1
    return above, below


def delong_variance(truth: NDArray, rating: NDArray) -> float:
    """The variance of the area by DeLong; NaN with fewer than 2 cases of a truth."""
    above, below = placements(*sides(truth, rating))
    if min(len(above), len(below)) < 2:
        return float("nan")
    return float(np.var(above, ddof=1) / len(above) + np.var(below, ddof=1) / len(below))


def delong(truth: NDArray, rating: NDArray, level: float = 0.95) -> Area:
    """The area with DeLong's interval on the scale of its logit, which stays inside 0 to 1.

    Where all pairs are ordered alike, DeLong's variance is 0 and says nothing; there the interval is the exact
    binomial one of as many pairs as the rarer truth has cases.

    Args:
        truth: [n] of {0, 1}.
        rating: [n].
        level: of the interval.

    Raises:
        DataError: there are not cases of both truths.
    """
    positive, negative = sides(truth, rating)
    value, variance = area(truth, rating), delong_variance(truth, rating)
    common = {"value": value, "positives": len(positive), "negatives": len(negative)}
    tail = (1 - level) / 2
    if not variance > 0:
        pairs = min(len(positive), len(negative))
        won = value * pairs
        low = float(stats.beta.ppf(tail, won, pairs - won + 1)) if won > 0 else 0.0
        high = float(stats.beta.ppf(1 - tail, won + 1, pairs - won)) if won < pairs else 1.0
        return Area(standard_error=0.0, low=low, high=high, method="exact binomial, no variance", **common)  # type: ignore[arg-type]
    error = float(np.sqrt(variance))
    low, high = logit_interval(value, error, float(stats.norm.ppf(1 - tail)))
    return Area(standard_error=error, low=low, high=high, method="DeLong, logit", **common)  # type: ignore[arg-type]


def logit_interval(value: float, error: float, quantile: float) -> tuple[float, float]:
    """An interval of an area on the logit scale; the plain one where the area is 0 or 1."""
    if not 0 < value < 1:
        return max(0.0, value - quantile * error), min(1.0, value + quantile * error)
    middle, half = np.log(value / (1 - value)), quantile * error / (value * (1 - value))
    return float(1 / (1 + np.exp(half - middle))), float(1 / (1 + np.exp(-half - middle)))


def sides(truth: NDArray, rating: NDArray) -> tuple[Values, Values]:
    """The ratings of truth 1 and those of truth 0.

    Raises:
        DataError: one of the two is empty.
    """
    positive, negative = np.asarray(rating, float)[truth == 1], np.asarray(rating, float)[truth == 0]
    if not len(positive) or not len(negative):
        raise DataError(
            f"There are {len(positive)} cases of truth 1 and {len(negative)} of truth 0; an ROC curve needs both. "
            "Give readings of both."
        )
    return positive, negative

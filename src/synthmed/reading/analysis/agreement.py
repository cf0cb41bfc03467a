"""How far answers agree: one reader with itself (test-retest), and several readers with each other.

Simple matching (Sokal and Michener) is the share of equal answers, mean(a == b). It depends on how often each answer
is given, so kappa stands beside it: 0 where answers agree as often as by chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.errors import DataError

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two or more sets of answers agree.

    Args:
        matching: share of equal answers (of pairs of readers where there are more than two).
        matching_low, matching_high: its 95 % interval (Wilson); NaN for more than two readers.
        kappa: beyond chance; NaN where only one answer was ever given.
        kappa_low, kappa_high: its 95 % interval.
        n: cases.
    """

    matching: float
    matching_low: float
    matching_high: float
    kappa: float
    kappa_low: float
    kappa_high: float
    n: int


def cohen(first: NDArray, second: NDArray) -> Agreement:
    """Simple matching and Cohen's kappa of two answers to each case.

    The standard error is that of Fleiss, Cohen and Everitt, Psychol. Bull. 72 (1969) 323.

    Args:
        first: [n] answers of any kind.
        second: [n] answers to the same cases.

    Raises:
        DataError: no answers, or not as many.

    Example:
        >>> cohen(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0])).kappa
        0.5
    """
    first, second = np.asarray(first), np.asarray(second)
    if not len(first) or len(first) != len(second):
        raise DataError(f"There are {len(first)} and {len(second)} answers; expected two to each of some cases.")
    n, names = len(first), np.unique(np.concatenate([first, second]))
    shares = np.array([[((first == one) & (second == other)).sum() for other in names] for one in names]) / n
    rows, columns, matching = shares.sum(1), shares.sum(0), float(np.trace(shares))
    chance = float(rows @ columns)
    low, high = wilson(round(matching * n), n)
    kappa, kappa_low, kappa_high = (float("nan"),) * 3
    if chance < 1:
        kappa = (matching - chance) / (1 - chance)
        diagonal = shares.diagonal() @ (1 - (rows + columns) * (1 - kappa)) ** 2
        crossed = (shares * (columns[:, None] + rows[None, :]) ** 2).sum()
        crossed -= shares.diagonal() @ (columns + rows) ** 2
        variance = diagonal + (1 - kappa) ** 2 * crossed - (kappa - chance * (1 - kappa)) ** 2
        half = 1.959963984540054 * np.sqrt(max(0.0, variance) / n) / (1 - chance)
        kappa_low, kappa_high = max(-1.0, kappa - half), min(1.0, kappa + half)
    return Agreement(matching=matching, matching_low=low, matching_high=high, kappa=float(kappa),
                     kappa_low=float(kappa_low), kappa_high=float(kappa_high), n=n)  # fmt: skip


def fleiss(answers: NDArray) -> Agreement:
    """Fleiss' kappa of several readers who answered the same cases.

    The standard error, that kappa is 0, is that of Fleiss, Nee and Landis, Psychol. Bull. 86 (1979) 974; the interval
    comes from leaving out each case in turn (jackknife).

    Args:
        answers: [cases readers] of any kind, none missing.

    Raises:
        DataError: fewer than two cases or two readers.
    """
    answers = np.asarray(answers)
    if answers.ndim != 2 or min(answers.shape) < 2:
        raise DataError(f"The answers are {answers.shape}; expected [cases readers], two of each at least.")
    cases, readers = answers.shape
    counts = np.stack([(answers == name).sum(1) for name in np.unique(answers)], 1).astype(float)
    agree = ((counts**2).sum(1) - readers) / (readers * (readers - 1))
    kappa = _fleiss(counts, agree)
    without = np.array([_fleiss(np.delete(counts, k, 0), np.delete(agree, k)) for k in range(cases)])
    error = np.sqrt((cases - 1) / cases * ((without - without.mean()) ** 2).sum())
    half = 1.959963984540054 * float(error)
    nothing = float("nan")
    return Agreement(matching=float(agree.mean()), matching_low=nothing, matching_high=nothing, kappa=kappa,
                     kappa_low=max(-1.0, kappa - half), kappa_high=min(1.0, kappa + half), n=cases)  # fmt: skip


def wilson(right: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share.

    Example:
        >>> [round(x, 3) for x in wilson(5, 10)]
        [0.237, 0.763]
    """
    z = float(stats.norm.ppf(0.5 + level / 2))
    share, weight = right / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * np.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _fleiss(counts: Values, agree: Values) -> float:
    shares = counts.sum(0) / counts.sum()
    chance = float((shares**2).sum())
    return float((agree.mean() - chance) / (1 - chance)) if chance < 1 else float("nan")

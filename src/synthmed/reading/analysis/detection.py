"""d' and c: how well a reader tells two kinds apart, and which answer the reader leans to.

The paradigm decides the formula. One image at a time, "real or synthetic?", is a yes-no task: d' = z(H) - z(F). Two
images side by side, "which is synthetic?", is a two-alternative task: d' = sqrt(2) z(PC). Half an answer is added to
each kind of answer (the log-linear rule: Hautus, Behav. Res. Meth. 27 (1995) 46), so that perfect readers have a finite
d'. Variances: Gourevitch and Galanter, Psychometrika 32 (1967) 25.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.errors import DataError

Paradigm = Literal["yes_no", "two_alternative"]


@dataclass(frozen=True, kw_only=True)
class Detection:
    """d' and c of one reader.

    Args:
        paradigm: which formula was used.
        d_prime: sensitivity; 0 = the reader guesses.
        d_low, d_high: the 95 % interval of d'.
        d_error: standard error of d'.
        criterion: c; above 0 the reader leans to the answer of truth 0 ("real", or "left").
        c_low, c_high: the 95 % interval of c.
        hit_rate: share of truth 1 that was answered with 1, as counted.
        false_alarm_rate: share of truth 0 that was answered with 1, as counted.
        correct: share of right answers, as counted.
        n: answers.
    """

    paradigm: Paradigm
    d_prime: float
    d_low: float
    d_high: float
    d_error: float
    criterion: float
    c_low: float
    c_high: float
    hit_rate: float
    false_alarm_rate: float
    correct: float
    n: int


def detect(truth: NDArray, answer: NDArray, paradigm: Paradigm = "yes_no", level: float = 0.95) -> Detection:
    """D' and c of one reader's answers.

    Args:
        truth: [n] of {0, 1}: synthetic in a yes-no task; in a two-alternative one, synthetic on the right.
        answer: [n] of {0, 1}: the reader said so.
        paradigm: "yes_no" or "two_alternative".
        level: of the intervals.

    Raises:
        DataError: there are not cases of both truths.

    Example:
        >>> truth, answer = np.repeat([1, 0], 50), np.repeat([1, 0, 1, 0], [40, 10, 10, 40])
        >>> round(detect(truth, answer).d_prime, 2)
        1.64
    """
    truth, answer = np.asarray(truth).astype(bool), np.asarray(answer).astype(bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise DataError(f"There are {positives} cases of truth 1 and {negatives} of truth 0; d' needs both.")
    hits, alarms = int(answer[truth].sum()), int(answer[~truth].sum())
    hit_rate, alarm_rate = log_linear(hits, positives), log_linear(alarms, negatives)
    z_hit, z_alarm = stats.norm.ppf([hit_rate, alarm_rate])
    spread = _z_variance(hit_rate, positives) + _z_variance(alarm_rate, negatives)
    right = int((truth == answer).sum())
    if paradigm == "yes_no":
        d_prime, d_error = z_hit - z_alarm, np.sqrt(spread)
    else:
        share = log_linear(right, len(truth))
        d_prime, d_error = np.sqrt(2) * stats.norm.ppf(share), np.sqrt(2 * _z_variance(share, len(truth)))
    criterion, c_error = -(z_hit + z_alarm) / 2, np.sqrt(spread) / 2
    z = stats.norm.ppf(0.5 + level / 2)
    return Detection(
        paradigm=paradigm, d_prime=float(d_prime), d_low=float(d_prime - z * d_error),
        d_high=float(d_prime + z * d_error), d_error=float(d_error), criterion=float(criterion),
        c_low=float(criterion - z * c_error), c_high=float(criterion + z * c_error), hit_rate=hits / positives,
        false_alarm_rate=alarms / negatives, correct=right / len(truth), n=len(truth),
    )  # fmt: skip


def d_prime(truth: NDArray, answer: NDArray) -> float:
    """D' of a yes-no task alone, as a figure of merit."""
    truth = np.asarray(truth) == 1
    answer = np.asarray(answer).astype(bool)
    hit_rate = log_linear(int(answer[truth].sum()), int(truth.sum()))
    alarm_rate = log_linear(int(answer[~truth].sum()), int((~truth).sum()))
    return float(stats.norm.ppf(hit_rate) - stats.norm.ppf(alarm_rate))


def d_prime_two_alternative(truth: NDArray, answer: NDArray) -> float:
    """D' of a two-alternative task alone, as a figure of merit."""
    right = int((np.asarray(truth) == np.asarray(answer)).sum())
    return float(np.sqrt(2) * stats.norm.ppf(log_linear(right, len(truth))))


def log_linear(count: int, total: int) -> float:
    """A share with half an answer added to each kind.

    Example:
        >>> log_linear(9, 9)
        0.95
    """
    return (count + 0.5) / (total + 1)


def _z_variance(share: float, total: int) -> float:
    """Of z(share): p (1 - p) / (n phi(z)^2)."""
    return float(share * (1 - share) / (total * stats.norm.pdf(stats.norm.ppf(share)) ** 2))

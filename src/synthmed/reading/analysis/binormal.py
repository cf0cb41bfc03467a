"""The binormal ROC curve by maximum likelihood, for ratings in categories.

Dorfman and Alf, J. Math. Psychol. 6 (1969) 487: negatives are N(0, 1), positives N(a / b, 1 / b), and thresholds cut
both into categories. TPF = Phi(a + b z(FPF)); the area is Phi(a / sqrt(1 + b^2)). Found by Fisher's scoring.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.reading.analysis.roc import sides

Values = NDArray[np.float64]
LARGEST = 20
"""Categories at most: finer ratings are grouped by their quantiles."""

_ITERATIONS = 200
_FLAT = 0.02


@dataclass(frozen=True, kw_only=True)
class Binormal:
    """A binormal curve.

    Args:
        a: distance of the means in standard deviations of the positives.
        b: standard deviation of the negatives in those of the positives.
        area: under the curve.
        standard_error: of the area, from the information matrix; NaN where the fit is degenerate.
        log_likelihood: at the maximum.
        trouble: why the fit is not to be used, in a sentence; "" = it may be.
    """

    a: float
    b: float
    area: float
    standard_error: float
    log_likelihood: float
    trouble: str = ""

    def sensitivity(self, alarms: Values) -> Values:
        """True positive fractions [n] at false positive fractions [n]."""
        return stats.norm.cdf(self.a + self.b * stats.norm.ppf(alarms))


def fit(truth: NDArray, rating: NDArray) -> Binormal:
    """Fit the curve.

    A fit is degenerate where no category holds cases of both truths inside the scale, or where it runs off: then
    ``trouble`` says so, and the empirical area stands alone.

    Args:
        truth: [n] of {0, 1}.
        rating: [n], ordinal or finer.

    Raises:
        DataError: there are not cases of both truths.
    """
    positive, negative = sides(truth, rating)
    counts = _counts(positive, negative)
    if counts.shape[1] < 3:
        return _none("Fewer than three categories were used: two parameters cannot be told from one point.")
    points = np.cumsum(counts[:, ::-1], 1)[:, :-1] / counts.sum(1, keepdims=True)
    inside = ((points > 0) & (points < 1)).all(0)
    if not inside.any():
        return _none("The ratings separate the cases so far that every curve through the points fits.")
    parameters = _start(points[:, inside], counts)
    value = _likelihood(parameters, counts)
    for _ in range(_ITERATIONS):
        gradient, information = _score(parameters, counts)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return _none("The likelihood has no single maximum.")
        size = 1.0
        while size > 1e-6 and not (new := _likelihood(parameters + size * step, counts)) >= value - 1e-12:
            size /= 2
        if size <= 1e-6:
            break
        parameters, change, value = parameters + size * step, float(np.abs(size * step).max()), new
        if change < 1e-10:
            break
    return _result(parameters, counts, value)


def _result(parameters: Values, counts: Values, value: float) -> Binormal:
    a, b = float(parameters[0]), float(parameters[1])
    gradient, information = _score(parameters, counts)
    norm = np.sqrt(1 + b * b)
    area = float(stats.norm.cdf(a / norm))
    if not _FLAT < b < 1 / _FLAT or abs(a) > 10 or np.abs(gradient).max() > 1e-3 * counts.sum():
        return Binormal(
            a=a,
            b=b,
            area=area,
            standard_error=float("nan"),
            log_likelihood=value,
            trouble="The fit runs off to a curve of straight pieces: the points lie on the edges.",
        )
    spread = np.linalg.inv(information)[:2, :2]
    # d area / d(a, b) = phi(a / sqrt(1 + b^2)) (1 / sqrt(1 + b^2), -a b / (1 + b^2)^1.5)
    slope = stats.norm.pdf(a / norm) * np.array([1 / norm, -a * b / norm**3])
    return Binormal(a=a, b=b, area=area, standard_error=float(np.sqrt(slope @ spread @ slope)), log_likelihood=value)


def _counts(positive: Values, negative: Values) -> Values:
    """Cases in each category that was used, negatives first: [2 K]."""
    both = np.concatenate([negative, positive])
    levels = np.unique(both)
    if len(levels) > LARGEST:
        edges = np.unique(np.quantile(both, np.linspace(0, 1, LARGEST + 1)[1:-1]))
        negative, positive = (np.searchsorted(edges, side, side="right").astype(float) for side in (negative, positive))
        levels = np.unique(np.concatenate([negative, positive]))
    return np.array([[(side == level).sum() for level in levels] for side in (negative, positive)], float)


def _start(points: Values, counts: Values) -> Values:
    z_alarms, z_hits = stats.norm.ppf(points)
    b = 1.0
    if len(z_alarms) > 1 and np.ptp(z_alarms) > 0:
        b = float(np.clip(np.polyfit(z_alarms, z_hits, 1)[0], 0.2, 5))
    a = float((z_hits - b * z_alarms).mean())
    # Thresholds from the false positive fractions, half a case added so that all are finite and in order.
    shares = (np.cumsum(counts[0]) + 0.5 * np.arange(1, counts.shape[1] + 1)) / (
        counts[0].sum() + 0.5 * counts.shape[1]
    )
    return np.concatenate([[a, b], stats.norm.ppf(shares[:-1])])


def _edges(parameters: Values) -> tuple[Values, Values]:
    """Standardized thresholds of negatives and of positives, with infinities at both ends."""
    a, b, cuts = parameters[0], parameters[1], np.concatenate([[-np.inf], parameters[2:], [np.inf]])
    return cuts, b * cuts - a


def _probabilities(parameters: Values) -> Values:
    return np.array([np.diff(stats.norm.cdf(edges)) for edges in _edges(parameters)])


def _likelihood(parameters: Values, counts: Values) -> float:
    if parameters[1] <= 0 or (np.diff(parameters[2:]) <= 0).any():
        return -np.inf
    p = _probabilities(parameters)
    return float((counts * np.log(np.maximum(p, 1e-300))).sum())


def _score(parameters: Values, counts: Values) -> tuple[Values, Values]:
    """Gradient of the log likelihood, and the expected information."""
    cuts = parameters[2:]
    size, categories = len(parameters), counts.shape[1]
    slopes = np.zeros((2, size, categories))
    density = [stats.norm.pdf(edges[1:-1]) for edges in _edges(parameters)]
    for cut in range(categories - 1):
        # d Phi(c) / d c for negatives; d Phi(b c - a) / d(a, b, c) = phi (-1, c, b) for positives
        change = np.zeros((2, size))
        change[0, 2 + cut] = density[0][cut]
        change[1, [0, 1, 2 + cut]] = density[1][cut] * np.array([-1.0, cuts[cut], parameters[1]])
        slopes[:, :, cut] += change
        slopes[:, :, cut + 1] -= change
    p = np.maximum(_probabilities(parameters), 1e-300)
    gradient = np.einsum("tk,tsk->s", counts / p, slopes)
    information = np.einsum("t,tsk,tuk->su", counts.sum(1), slopes / p[:, None], slopes)
    return gradient, information


def _none(trouble: str) -> Binormal:
    nothing = float("nan")
    return Binormal(a=nothing, b=nothing, area=nothing, standard_error=nothing, log_likelihood=nothing, trouble=trouble)

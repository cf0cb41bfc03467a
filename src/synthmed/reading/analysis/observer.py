"""A reader's whole course by maximum likelihood: d', bias, drift over the trials, and lapses of attention.

A lapsing reader answers at random: P(says synthetic) = l / 2 + (1 - l) Phi((d + g u)(t - 1/2) - c), t the truth, u the
trial's place from -1/2 (first) to 1/2 (last). With two kinds of image a lapse looks like a lower d', so l comes from
attention checks, images that nobody who looks can take for real; without them it is 0. Intervals are those of the
profile likelihood, which hold at the edge l = 0 too, and they hold for all numbers of a reader together: in 95 of 100
readers not one of them misses (Bonferroni).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from synthmed.errors import DataError

Values = NDArray[np.float64]
Loss = Callable[[Values], tuple[float, Values]]
NAMES = ("d_prime", "criterion", "drift", "lapse")
_BOUNDS = ((-6.0, 6.0), (-4.0, 4.0), (-12.0, 12.0), (0.0, 0.98))


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """A number with its interval of the profile likelihood; an end is infinite where the data leave it open."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Course:
    """What a reader's answers say of the reader.

    Args:
        d_prime: sensitivity in the middle of the trials, of the trials that were attended.
        criterion: c; above 0 the reader leans to "real".
        drift: change of d' from the first to the last trial.
        lapse: share of trials that were answered at random; None without attention checks.
        checks: attention checks, and how many were failed.
    """

    d_prime: Estimated
    criterion: Estimated
    drift: Estimated
    lapse: Estimated | None
    checks: tuple[int, int]


def course(truth: NDArray, answer: NDArray, checks: tuple[int, int] = (0, 0), place: NDArray | None = None) -> Course:
    """Fit a reader's answers in the order in which they were given.

    Args:
        truth: [n] of {0, 1}, 1 = synthetic.
        answer: [n] of {0, 1}, 1 = the reader said synthetic.
        checks: attention checks, and how many of them were failed.
        place: [n] of each trial, from -1/2 (first) to 1/2 (last); None = evenly spread.

    Raises:
        DataError: fewer than 4 trials of a truth.
    """
    truth, answer = np.asarray(truth, float), np.asarray(answer, float)
    if min((truth == 1).sum(), (truth == 0).sum()) < 4:
        raise DataError("The course of a reader needs 4 trials of each truth at least; there are fewer.")
    place = np.linspace(-0.5, 0.5, len(truth)) if place is None else np.asarray(place, float)
    free = (0, 1, 2, 3) if checks[0] else (0, 1, 2)

    def loss(values: Values) -> tuple[float, Values]:
        return _loss(values, truth - 0.5, answer, place, checks)

    best = _maximum(loss, np.array([0.5, 0.0, 0.0, 0.05 if checks[0] else 0.0]), free)
    within = float(stats.chi2.ppf(1 - 0.05 / len(free), 1) / 2)
    found = {NAMES[name]: _profile(loss, best, name, free, within) for name in free}
    return Course(lapse=found.pop("lapse", None), checks=checks, **found)


def _loss(values: Values, side: Values, answer: Values, place: Values,
          checks: tuple[int, int]) -> tuple[float, Values]:  # fmt: skip
    """Minus the log likelihood, and its gradient."""
    d, c, drift, lapse = values
    z = (d + drift * place) * side - c
    attended, density = special.ndtr(z), np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    sign = np.where(answer > 0, 1.0, -1.0)
    says = np.clip((1 - sign) / 2 + sign * (lapse / 2 + (1 - lapse) * attended), 1e-12, 1)
    slope = sign / says
    steep = slope * (1 - lapse) * density
    gradient = np.array([steep @ side, -steep.sum(), steep @ (side * place), slope @ (0.5 - attended)])
    value, (total, failed) = np.log(says).sum(), checks
    if total:
        value += (total - failed) * np.log(1 - lapse / 2)
        gradient[3] -= (total - failed) / (2 - lapse)
    if failed:
        value += failed * np.log(max(lapse / 2, 1e-12))
        gradient[3] += failed / max(lapse, 1e-12)
    return -float(value), -gradient


def _maximum(loss: Loss, start: Values, free: tuple[int, ...]) -> Values:
    """The parameters where the loss is least; those that are not free stay as they are."""
    if not free:
        return start
    names = list(free)

    def partly(values: Values) -> tuple[float, Values]:
        full = start.copy()
        full[names] = values
        value, gradient = loss(full)
        return value, gradient[names]

    bounds = [_BOUNDS[name] for name in free]
    begin = np.clip(start[names], [low for low, _ in bounds], [high for _, high in bounds])
    found = optimize.minimize(partly, begin, jac=True, bounds=bounds, method="L-BFGS-B",
                              options={"ftol": 1e-12, "gtol": 1e-7})  # fmt: skip
    best = start.copy()
    best[names] = found.x
    return best


def _profile(loss: Loss, best: Values, name: int, free: tuple[int, ...], within: float) -> Estimated:
    """The values of one parameter whose log likelihood is within so much of the maximum."""
    others = tuple(other for other in free if other != name)
    least = loss(best)[0]

    def above(value: float) -> float:
        start = best.copy()
        start[name] = value
        return loss(_maximum(loss, start, others))[0] - least - within

    low, high = _BOUNDS[name]
    value = float(best[name])
    ends = [_crossing(above, value, edge) for edge in (low, high)]
    if NAMES[name] != "lapse":  # a share ends at its edge; the others only end there because nothing stops them
        ends = [np.copysign(np.inf, edge) if end == edge else end for end, edge in zip(ends, (low, high), strict=True)]
    return Estimated(value=value, low=float(ends[0]), high=float(ends[1]))


def _crossing(above: Callable[[float], float], value: float, edge: float) -> float:
    step = np.sign(edge - value) * 0.25
    inner, outer = value, value + step
    while (edge - outer) * step > 0 and above(outer) < 0:
        inner, outer, step = outer, outer + step, 2 * step
    outer = edge if (edge - outer) * step <= 0 else outer
    if outer == inner or above(outer) < 0:
        return float(edge)
    return float(optimize.brentq(above, inner, outer, xtol=1e-3)) if above(inner) < 0 else float(inner)

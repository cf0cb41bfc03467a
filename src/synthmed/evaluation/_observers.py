"""Model observers: a classifier reads every image as a person would in a real-or-synthetic study.

The answers are those of a yes-no task with one image at a time: a score for each image, "synthetic" above 0. From them
come the ROC curve, the area under it, and d' = z(hit rate) - z(false-alarm rate), as for human readers. No observer is
trained on the images it reads, nor on others of the same patient.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.evaluation._contract import Table, number
from synthmed.evaluation._jackknife import Compared, Points
from synthmed.pages.figures import COLOURS, Figure, new_plot, plot_figure

FOLDS = 5
NAMES = ("AUC", "d_prime", "hit_rate", "false_alarm_rate")
BOUNDS = (np.array([0, -np.inf, 0, 0]), np.array([1, np.inf, 1, 1]))
"""The lowest and highest values of the four."""

Fit = Callable[[NDArray[np.floating], NDArray[np.bool_]], Callable[[NDArray[np.floating]], NDArray[np.floating]]]
"""(features [N D], is synthetic [N]) -> a function from features to scores."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The answers of an observer: ``scores`` [N] of every image, and which are ``synthetic`` [N]."""

    scores: NDArray[np.float64]
    synthetic: NDArray[np.bool_]


def read(fit: Fit, synthetic: Points, real: Points) -> Reading:
    """Let an observer read all images in folds of whole patients.

    The folds follow the order of the patients and draw nothing: the same sides give the same reading.

    Args:
        fit: trains the observer.
        synthetic: one side, at least 2 groups.
        real: the other.
    """
    values = np.concatenate([synthetic.values, real.values])
    is_synthetic = np.arange(len(values)) < len(synthetic)
    folds = np.concatenate([_folds(synthetic.groups), _folds(real.groups)])
    scores = np.zeros(len(values))
    for fold in range(FOLDS):
        held = folds == fold
        if held.any():
            scores[held] = fit(values[~held], is_synthetic[~held])(values[held])
    return Reading(scores=scores, synthetic=is_synthetic)


def answers(reading: Reading) -> NDArray[np.float64]:
    """AUC, d', hit rate and false-alarm rate of a reading.

    Half an answer is added to each kind of answer (log-linear rule), so that perfect readers have a finite d'.
    """
    hits = (reading.scores[reading.synthetic] > 0).astype(float)
    alarms = (reading.scores[~reading.synthetic] > 0).astype(float)
    rates = [(kind.sum() + 0.5) / (len(kind) + 1) for kind in (hits, alarms)]
    return np.array([auc(reading), d_prime(*rates), hits.mean(), alarms.mean()])


def auc(reading: Reading) -> float:
    """The share of pairs in which the synthetic image has the higher score; ties count half.

    Example:
        >>> auc(Reading(scores=np.array([1.0, 0.0, 0.0]), synthetic=np.array([True, True, False])))
        0.75
    """
    ranks = stats.rankdata(reading.scores)
    made = int(reading.synthetic.sum())
    pairs = made * (len(ranks) - made)
    return float((ranks[reading.synthetic].sum() - made * (made + 1) / 2) / pairs)


def d_prime(hit_rate: float, false_alarm_rate: float) -> float:
    """z(H) - z(F), for a task with one image at a time.

    Example:
        >>> round(d_prime(0.69, 0.31), 2)
        0.99
    """
    return float(stats.norm.ppf(hit_rate) - stats.norm.ppf(false_alarm_rate))


def logistic(values: NDArray[np.floating], is_synthetic: NDArray[np.bool_]) -> Callable[[NDArray], NDArray]:
    """Logistic regression with a quadratic penalty on standardized features, both sides of one weight."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = values.mean(0), values.std(0)
    spread = np.where(spread > 0, spread, 1)
    model = LogisticRegression(class_weight="balanced", max_iter=200, tol=1e-3)
    model.fit((values - mean) / spread, is_synthetic)
    return lambda seen: model.decision_function((seen - mean) / spread)


def hotelling(values: NDArray[np.floating], is_synthetic: NDArray[np.bool_]) -> Callable[[NDArray], NDArray]:
    """The Hotelling observer: w = S^-1 (mean synthetic - mean real), S the mean of both covariances.

    A thousandth of the mean variance is added to S, which may be singular for few images. The threshold lies midway.
    """
    one, other = values[is_synthetic], values[~is_synthetic]
    middle = (one.mean(0) + other.mean(0)) / 2
    covariance = (_scatter(one) + _scatter(other)) / 2
    ridge = 1e-3 * np.trace(covariance) / len(covariance) + 1e-12
    template = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), one.mean(0) - other.mean(0))
    return lambda seen: (seen - middle) @ template


def reader_table(found: Compared) -> Table:
    """The answers in the form of a reader study."""
    rows = [
        [name, number(found.value[place]), f"{number(found.low[place])} to {number(found.high[place])}"]
        for place, name in enumerate(NAMES)
    ]
    return Table(caption="As in a reader study", columns=["", "Value", "95 % interval"], rows=rows)


def roc_figure(reading: Reading, title: str, who: str) -> Figure:
    """The ROC curve of a reading."""
    order = np.argsort(-reading.scores, kind="stable")
    right = reading.synthetic[order]
    last = np.append(np.diff(reading.scores[order]) != 0, True)  # one point for equal scores
    hits = np.concatenate([[0], np.cumsum(right)[last] / max(1, right.sum())])
    alarms = np.concatenate([[0], np.cumsum(~right)[last] / max(1, (~right).sum())])
    plot, (axis,) = new_plot(3.6, 3.4)
    axis.plot([0, 1], [0, 1], color=COLOURS["real"], linewidth=1, linestyle="--", label="chance")
    axis.plot(alarms, hits, color=COLOURS["synthetic"], linewidth=1.6, label=f"area {auc(reading):.3f}")
    axis.set(
        xlabel="real images called synthetic", ylabel="synthetic images called synthetic", xlim=(0, 1), ylim=(0, 1)
    )
    axis.set_aspect("equal")
    axis.legend(frameon=False, loc="lower right")
    caption = f"How well {who} tells synthetic from real images it was not trained on. On the dashed line it guesses."
    return plot_figure(title, caption, plot)


def _folds(groups: NDArray[np.str_]) -> NDArray[np.intp]:
    _, belongs = np.unique(groups, return_inverse=True)
    return belongs % FOLDS


def _scatter(values: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.atleast_2d(np.cov(values, rowvar=False)) if len(values) > 1 else np.zeros((values.shape[1],) * 2)

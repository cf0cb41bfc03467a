"""1-nearest-neighbour two-sample accuracy (Lopez-Paz and Oquab 2017; Xu et al. 2018), on both sides.

Every image is given the side of its nearest other image. For two sets from one distribution half of the answers are
right. Above 0.5 the sides can be told apart. Below 0.5 the synthetic images lie closer to the real ones than
these to each other: copies, or hubs that are neighbours of everything. Both are alarms, so both sides are reported.

Neighbours of a real image's own patient are left out, or they would be found first and every set would look bad.
Both sides must be of one size; the larger one is drawn down to the smaller several times, and the mean is taken.

Of neighbours that are equally near one is drawn: the first would always be of one side.

In small sets the accuracy strays far from one half by chance: over 300 random halves of the 40 photographs of DRIVE it
lay between 0.33 and 0.68 in 95 %. So an alarm is raised by an exact test alone: sides are dealt out anew to the images,
one of each patient, whose neighbours stay (a permutation test; Henze 1988).
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.evaluation._contract import Measurement, Setup, Table, number
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.evaluation._jackknife import LARGEST, Points
from synthmed.evaluation._neighbours import nearest
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

NAMES = ("both", "real", "synthetic")
LEVEL = 0.01
"""Two-sided p below which an alarm is raised."""
_DEALS = 2000
_SIDES = {"both": "Both sides", "real": "The real side", "synthetic": "The synthetic side"}


class Config(FeatureConfig):
    """How sides of different size are made equal."""

    repeats: int = Field(default=5, ge=1)
    """How often the larger side is drawn down to the size of the smaller; the mean is taken."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The share of images whose nearest neighbour is of their own side; 0.5 where the sides are alike.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.
    """
    numbers = setup.numbers(12)

    def statistic(one: Points, other: Points) -> NDArray[np.float64]:
        answers = one_nn(one.values, other.values, one.groups, other.groups, numbers=numbers, repeats=config.repeats)
        return np.array([answers[name] for name in NAMES])

    judged = judge("one_nn", statistic, synthetic, real, config, setup, bounds=(0, 1))
    found = judged.compared
    values = dict(zip(NAMES, found.value.tolist(), strict=True))
    p_values = chance(judged.sides.synthetic, judged.sides.real, setup.numbers(17))
    alarms = [_alarm(*p_values[name]) for name in NAMES]
    rows = [
        [
            name,
            number(found.value[place]),
            f"{number(found.low[place])} to {number(found.high[place])}",
            number(_two_sided(*p_values[name])),
            alarms[place],
        ]
        for place, name in enumerate(NAMES)
    ]
    return judged.measurement(
        title="1-nearest-neighbour accuracy",
        unit="share of images whose nearest neighbour is of their own side",
        direction="no direction",
        what=_words(values, alarms[0]) + " The accuracy",
        details={
            **values,
            "p": {name: _two_sided(*p_values[name]) for name in NAMES},
            "alarms": {name: alarm for name, alarm in zip(NAMES, alarms, strict=True) if alarm},
        },
        tables=[
            Table(
                caption=f"0.5 where the sides are alike. p: sides dealt out anew to one image of each patient; "
                f"below {LEVEL} an alarm is raised",
                columns=["Of", "Value", "95 % interval", "p", "Alarm"],
                rows=rows,
            )
        ],
        warnings=[
            f"{_SIDES[name]}: {alarm}."
            for name, alarm in zip(NAMES[1:], alarms[1:], strict=True)
            if "copies" in alarm and not alarms[0]
        ],
        alarm=f"{_SIDES['both']}: {alarms[0]}." if "copies" in alarms[0] else "",
    )


def one_nn(
    synthetic: NDArray[np.float32],
    real: NDArray[np.float32],
    synthetic_groups: NDArray | None = None,
    real_groups: NDArray | None = None,
    *,
    numbers: np.random.Generator | None = None,
    repeats: int = 5,
) -> dict[str, float]:
    """Leave-one-out accuracy of the 1-nearest-neighbour classifier, of both sides together and of each.

    Args:
        synthetic: [n d].
        real: [m d].
        synthetic_groups: of each synthetic row; rows of one group are never neighbours. None: each its own.
        real_groups: patients, alike.
        numbers: draws the larger side down; may be None where n = m.
        repeats: how often.

    Example:
        >>> one_nn(np.array([[0.0], [0.1]], np.float32), np.array([[5.0], [5.1]], np.float32))["both"]
        1.0
    """
    size = min(len(synthetic), len(real))
    if len(synthetic) == len(real):
        numbers, repeats = None, 1
    synthetic_groups = _own("synthetic", len(synthetic)) if synthetic_groups is None else synthetic_groups
    real_groups = _own("real", len(real)) if real_groups is None else real_groups
    answers, draws = [], np.random.default_rng(0)
    for _ in range(repeats):
        one, other = (
            slice(None) if numbers is None or length == size else numbers.permutation(length)[:size]
            for length in (len(synthetic), len(real))
        )
        points = np.concatenate([synthetic[one], real[other]])
        groups = np.concatenate([synthetic_groups[one], real_groups[other]])
        found = nearest(points, points, groups, groups, themselves=True, ties=draws)
        made = np.arange(len(points)) < size
        right = made == made[found.index]
        answers.append([right[~made].mean(), right[made].mean()])
    of_real, of_synthetic = np.mean(answers, 0)
    return {"both": float((of_real + of_synthetic) / 2), "real": float(of_real), "synthetic": float(of_synthetic)}


def chance(synthetic: Points, real: Points, numbers: np.random.Generator) -> dict[str, tuple[float, float]]:
    """How often sides dealt out by chance give accuracies as low, and as high: of both sides and of each.

    One image of each real patient is drawn and as many synthetic ones; at most ``LARGEST`` of a side,
    which leaves chance no room and keeps the draws cheap.

    Args:
        synthetic: features of one side.
        real: of the other, with their patients.
        numbers: source of the draws.

    Returns:
        name of ``NAMES`` -> one-sided p, for low and for high.

    Example:
        >>> line = np.arange(40, dtype=np.float32)[:, None]
        >>> one, other = (Points(values=line + gap, groups=np.arange(40).astype(str)) for gap in (0, 1000))
        >>> low, high = chance(one, other, np.random.default_rng(0))["both"]
        >>> low, high < 0.001
        (1.0, True)
    """
    order = numbers.permutation(len(real))
    one_each = order[np.unique(real.groups[order], return_index=True)[1]]
    size = min(len(one_each), len(synthetic), LARGEST)
    chosen = (numbers.permutation(len(synthetic))[:size], numbers.permutation(one_each)[:size])
    points = np.concatenate([synthetic.values[chosen[0]], real.values[chosen[1]]])
    neighbours = nearest(points, points, themselves=True, ties=numbers).index
    made = np.arange(2 * size) < size
    found, dealt = _answers(made, neighbours), []
    for _ in range(_DEALS):
        dealt.append(_answers(numbers.permutation(made), neighbours))
    drawn = np.array(dealt)
    low, high = (
        (1 + (drawn <= found + 1e-9).sum(0)) / (1 + _DEALS),
        (1 + (drawn >= found - 1e-9).sum(0)) / (1 + _DEALS),
    )
    return {name: (float(low[place]), float(high[place])) for place, name in enumerate(NAMES)}


def _answers(made: NDArray[np.bool_], neighbours: NDArray[np.intp]) -> NDArray[np.float64]:
    """The accuracies in the order of ``NAMES``."""
    right = made == made[neighbours]
    return np.array([right.mean(), right[~made].mean(), right[made].mean()])


def _two_sided(low: float, high: float) -> float:
    return min(1.0, 2 * min(low, high))


def _own(side: str, count: int) -> NDArray[np.str_]:
    return np.array([f"{side} {index}" for index in range(count)])


def _alarm(low: float, high: float) -> str:
    if _two_sided(low, high) >= LEVEL:
        return ""
    return (
        "the sides can be told apart"
        if high < low
        else "below 0.5: copies, or images that are neighbours of everything"
    )


def _words(values: dict[str, float], alarm: str) -> str:
    text = (
        f"The nearest neighbour of a real image is real in {values['real']:.0%} of the cases, that of a synthetic "
        f"image synthetic in {values['synthetic']:.0%} (50 % where both are alike)"
    )
    return f"{text}: {alarm}." if alarm else f"{text}."

"""1-nearest-neighbour two-sample accuracy (Lopez-Paz and Oquab 2017; Xu et al. 2018), on both sides.

Every image is given the side of its nearest other image. For two sets from one distribution half of the answers are
right. Above 0.5 the sides can be told apart. Below 0.5 the synthetic images lie closer to the real ones than
these to each other: copies, or hubs that are neighbours of everything. Both are alarms, so both sides are reported.

Neighbours of a real image's own patient are left out, or they would be found first and every set would look bad.
Both sides must be of one size; the larger one is drawn down to the smaller several times, and the mean is taken.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.evaluation._comparison import Points
from synthmed.evaluation._contract import Conditions, Measurement, Table, number
from synthmed.evaluation._featured import FEATURED, FeatureConfig, judge
from synthmed.evaluation._neighbours import nearest
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

NAMES = ("both", "real", "synthetic")
_SIDES = {"both": "Both sides", "real": "The real side", "synthetic": "The synthetic side"}


class Config(FeatureConfig):
    """How sides of different size are made equal."""

    model_config = FEATURED

    repeats: int = Field(default=5, ge=1)
    """How often the larger side is drawn down to the size of the smaller; the mean is taken."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, conditions: Conditions) -> Measurement:
    """The share of images whose nearest neighbour is of their own side; 0.5 where the sides are alike.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        conditions: seed, extractor, device, progress.
    """
    numbers = conditions.numbers(12)

    def statistic(one: Points, other: Points) -> NDArray[np.float64]:
        answers = one_nn(one.values, other.values, one.groups, other.groups, numbers=numbers, repeats=config.repeats)
        return np.array([answers[name] for name in NAMES])

    judged = judge("one_nn", statistic, synthetic, real, config, conditions, bounds=(0, 1))
    found = judged.compared
    values = dict(zip(NAMES, found.value.tolist(), strict=True))
    alarms = [_alarm(name, found.value[place], found.low[place], found.high[place]) for place, name in enumerate(NAMES)]
    rows = [
        [name, number(found.value[place]), f"{number(found.low[place])} to {number(found.high[place])}", alarms[place]]
        for place, name in enumerate(NAMES)
    ]
    return judged.measurement(
        title="1-nearest-neighbour accuracy",
        unit="share of images whose nearest neighbour is of their own side",
        direction="no direction",
        what=_words(values, alarms[0]) + " The accuracy",
        details={**values, "alarms": {name: alarm for name, alarm in zip(NAMES, alarms, strict=True) if alarm}},
        tables=[
            Table(caption="0.5 where the sides are alike", columns=["Of", "Value", "95 % interval", "Alarm"], rows=rows)
        ],
        warnings=[f"{_SIDES[name]}: {alarm}." for name, alarm in zip(NAMES, alarms, strict=True) if "copies" in alarm],
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
    answers = []
    for _ in range(repeats):
        one, other = (
            slice(None) if numbers is None or length == size else numbers.permutation(length)[:size]
            for length in (len(synthetic), len(real))
        )
        points = np.concatenate([synthetic[one], real[other]])
        groups = np.concatenate([synthetic_groups[one], real_groups[other]])
        found = nearest(points, points, groups, groups, themselves=True)
        made = np.arange(len(points)) < size
        right = made == made[found.index]
        answers.append([right[~made].mean(), right[made].mean()])
    of_real, of_synthetic = np.mean(answers, 0)
    return {"both": float((of_real + of_synthetic) / 2), "real": float(of_real), "synthetic": float(of_synthetic)}


def _own(side: str, count: int) -> NDArray[np.str_]:
    return np.array([f"{side} {index}" for index in range(count)])


def _alarm(name: str, value: float, low: float, high: float) -> str:
    if low > 0.5:
        return "the sides can be told apart"
    if high < 0.5:
        return "below 0.5: copies, or images that are neighbours of everything"
    return ""


def _words(values: dict[str, float], alarm: str) -> str:
    text = (
        f"The nearest neighbour of a real image is real in {values['real']:.0%} of the cases, that of a synthetic "
        f"image synthetic in {values['synthetic']:.0%} (50 % where both are alike)"
    )
    return f"{text}: {alarm}." if alarm else f"{text}."

"""Precision and recall of the manifolds (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020).

Around every real image lies a ball that reaches to its k-th nearest real image, and alike around synthetic ones:

    precision  share of synthetic images inside a real ball        are they plausible?
    recall     share of real images inside a synthetic ball        is every real kind made?
    density    real balls around a synthetic image, over k         like precision, less moved by single outliers
    coverage   share of real balls with a synthetic image inside   like recall, less moved by synthetic outliers

A ball is open: a distance equal to its radius is outside, as in the definition of density and coverage. All four
depend on k and on the numbers of images; even for two halves of one set they are below 1.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.errors import DataError
from synthmed.evaluation._contract import Measurement, Setup, Table, number
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.evaluation._intervals import percentiles
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._neighbours import blocks, kth_distances, nearer
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

NAMES = ("precision", "recall", "density", "coverage")


class Config(FeatureConfig):
    """The size of the balls."""

    k: int = Field(default=5, ge=1)
    """The radius of a ball is the distance to the k-th nearest image of its own side."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """Coverage as the number, with precision, recall and density beside it.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.

    Raises:
        DataError: a side has too few images for the k-th neighbour, also in the halves of the floor.
    """

    def statistic(one: Points, other: Points) -> NDArray[np.float64]:
        # Halves and sub-samples of small sets may have fewer images than k; the balls then reach to the farthest.
        k = min(config.k, len(one) - 1, len(other) - 1)
        return np.array([precision_recall(one.values, other.values, k)[name] for name in NAMES])

    if min(len(synthetic), len(real)) <= config.k:
        raise DataError(
            f"There are {len(synthetic)} synthetic and {len(real)} real images; precision_recall with k = {config.k} "
            f"needs at least {config.k + 1} on each side. Lower k, or leave the metric out."
        )
    judged = judge(
        "precision_recall",
        statistic,
        synthetic,
        real,
        config,
        setup,
        bounds=(0, np.array([1, 1, np.inf, 1])),
        shown=3,
    )
    found = judged.compared
    rows = []
    for place, name in enumerate(NAMES):
        floor = percentiles(found.floors[:, place]) if len(found.floors) else (None, None)
        matched = found.matched[:, place].mean() if len(found.matched) else None
        rows.append(
            [
                name,
                number(found.value[place]),
                f"{number(found.low[place])} to {number(found.high[place])}",
                number(matched),
                f"{number(floor[0])} to {number(floor[1])}",
            ]
        )
    table = Table(
        caption=f"Shares, with k = {config.k}; the last two columns compare sets of the size of half the real patients",
        columns=["", "Value", "95 % interval", "Synthetic against a half", "A half against a half"],
        rows=rows,
    )
    values = dict(zip(NAMES, found.value.tolist(), strict=True))
    return judged.measurement(
        title="Coverage of the real images",
        unit="share of real images with a synthetic one near",
        direction="higher is better",
        what=f"Of the synthetic images {values['precision']:.0%} lie among the real ones (precision), of the real "
        f"images {values['coverage']:.0%} have a synthetic one near (coverage). Coverage",
        details={**values, "k": config.k},
        tables=[table],
    )


def precision_recall(synthetic: NDArray[np.float32], real: NDArray[np.float32], k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage of two sets of features.

    Args:
        synthetic: [n d].
        real: [m d].
        k: the radius of a ball is the distance to the k-th nearest other point of its side; below n and m.

    Example:
        >>> real = np.array([[0.0], [1.0], [2.0]], np.float32)
        >>> precision_recall(real + 0.5, real, k=1)["coverage"]
        1.0
    """
    radii_real, radii_synthetic = kth_distances(real, k), kth_distances(synthetic, k)
    inside, balls = np.zeros(len(synthetic), bool), 0
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for part, squared in blocks(synthetic, real):  # [n m]
        within = nearer(synthetic[part], real, squared, radii_real)
        inside[part] = within.any(1)
        balls += int(within.sum())
        covered |= within.any(0)
        recalled |= nearer(synthetic[part], real, squared, radii_synthetic[part, None]).any(0)
    return {
        "precision": float(inside.mean()),
        "recall": float(recalled.mean()),
        "density": balls / (k * len(synthetic)),
        "coverage": float(covered.mean()),
    }

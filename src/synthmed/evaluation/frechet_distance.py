"""The Frechet distance of features (Heusel et al. 2017), and its value for endlessly many images.

    FD = |mu_x - mu_y|^2 + tr S_x + tr S_y - 2 tr (S_x S_y)^(1/2)

With Inception features this is the FID. The last term is never taken as a matrix square root: with centred rows
X [n d] and Y [m d] it is the nuclear norm of X Y^T / sqrt((n - 1)(m - 1)), which is cheap for fewer rows than
dimensions; otherwise it is the sum of the roots of the eigenvalues of A S_y A with A = S_x^(1/2).

The estimate is too high by about a constant over the number of images (Chong and Forsyth 2020), so values of sets
of other sizes must not be compared. FD-infinity is what a straight line through values of smaller and smaller
shares of both sides gives for endlessly many images. With fewer images than dimensions the covariances have not
even full rank: the report says so, and puts the kernel distance first.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import linalg

from synthmed.evaluation._contract import Measurement, Setup, number
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.evaluation._jackknife import Points
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


_SHARES = 3
"""The smallest sub-sample of FD-infinity is a third of the images. With as many of them as dimensions the line is one:
for equal Gaussians of 8 to 64 dimensions the limit was then within a third of the distance
from 0, on average near a tenth."""


class Config(FeatureConfig):
    """How the distance is extrapolated."""

    shares: int = Field(default=8, ge=3, le=64)
    """Sizes of sub-samples through which the line of FD-infinity is laid, from a third of the images to all."""
    repeats: int = Field(default=5, ge=1)
    """Sub-samples of each size."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The Frechet distance of the synthetic images to the real reference images, and FD-infinity.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.
    """
    judged = judge(
        "frechet_distance",
        lambda one, other: np.array([frechet_distance(one.values, other.values)]),
        synthetic,
        real,
        config,
        setup,
        bounds=(0, np.inf),
    )
    sides, numbers = judged.sides, setup.numbers(11)
    smallest, width = min(len(sides.synthetic), len(sides.real)), sides.synthetic.values.shape[1]
    warnings = []
    if smallest < width:
        warnings.append(
            f"{smallest} images are fewer than the {width} dimensions of the features: the covariances have not full "
            "rank and the distance is far too high. Rely on kernel_distance."
        )
    limit = None
    if smallest >= _SHARES * width:
        limit = extrapolated(sides.synthetic, sides.real, numbers, shares=config.shares, repeats=config.repeats)
    else:
        warnings.append(
            f"There is no FD-infinity: it needs {_SHARES} times as many images as dimensions, {_SHARES * width}, so "
            "that the smallest sub-samples still have full rank; with fewer it is far from 0 for equal sets."
        )
    told = f"for endlessly many images about {number(limit)}" if limit is not None else "by how much is not known here"
    return judged.measurement(
        title="Frechet distance" if sides.extractor != "inception" else "FID (Frechet Inception distance)",
        unit="squared feature units",
        direction="lower is better",
        what="The Frechet distance between synthetic and real features, which is too high for few images, and its "
        f"interval with it ({told}),",
        details={
            "FD_infinity": limit,
            "full_rank": smallest >= width,
            "mean_term": float(np.square(sides.synthetic.values.mean(0) - sides.real.values.mean(0)).sum()),
        },
        warnings=warnings,
    )


def frechet_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """The Frechet distance of two sets of features, each taken for a Gaussian.

    Args:
        x: [n d], n of at least 2.
        y: [m d], m of at least 2.

    Returns:
        At least 0.

    Example:
        >>> x = np.array([[0.0], [2.0]])
        >>> round(frechet_distance(x, x + 3), 9)  # the same spread, means 3 apart
        9.0
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = (x - mean_x) / np.sqrt(len(x) - 1), (y - mean_y) / np.sqrt(len(y) - 1)  # S = x^T x
    traces = np.square(x).sum() + np.square(y).sum()  # tr S_x + tr S_y
    if max(len(x), len(y)) < x.shape[1]:
        root = linalg.svdvals(x @ y.T).sum()
    else:
        values, vectors = linalg.eigh(x.T @ x)
        half = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T  # S_x^(1/2)
        root = np.sqrt(np.maximum(linalg.eigvalsh(half @ (y.T @ y) @ half), 0)).sum()
    return max(0.0, float(np.square(mean_x - mean_y).sum() + traces - 2 * root))


def extrapolated(
    synthetic: Points, real: Points, numbers: np.random.Generator, *, shares: int = 8, repeats: int = 5
) -> float:
    """FD-infinity: the value that a line through sub-samples of both sides takes at 1 / size = 0.

    Both sides shrink by the same share s, so that the bias of either, which goes with 1 / size, goes with 1 / s.

    Args:
        synthetic: rows of one side.
        real: rows of the other.
        numbers: source of the sub-samples.
        shares: different sizes, equally far apart in 1 / s.
        repeats: sub-samples of each size.

    Returns:
        The distance; may be below 0, since it is an estimate.
    """
    sizes = 1 / np.linspace(1, 3, shares)
    values = []
    for share in sizes:
        drawn = []
        for _ in range(repeats if share < 1 else 1):
            one, other = (
                numbers.permutation(len(side))[: max(2, round(share * len(side)))] for side in (synthetic, real)
            )
            drawn.append(frechet_distance(synthetic.values[one], real.values[other]))
        values.append(np.mean(drawn))
    return float(np.polyfit(1 / sizes, values, 1)[1])

"""CMMD: the maximum mean discrepancy with a Gaussian kernel (Jayasumana et al. 2024).

    CMMD = 1000 (mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j)),  k(x, y) = exp(-|x - y|^2 / (2 sigma^2))

As published: sigma 10, features of unit length, means over all pairs (with i = j, so it is never below 0 and slightly
too high). The paper takes CLIP features; here any extractor serves, and numbers of different extractors must not be
compared. Between points of unit length |x - y|^2 is at most 4, far less than 2 sigma^2 = 200, so the kernel is nearly
linear and the number is nearly 1000 / sigma^2 times the squared distance of the two means: a difference in spread
alone hardly shows. A smaller ``sigma`` sees it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.evaluation._contract import Measurement, Setup
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.evaluation._neighbours import blocks
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

SCALE = 1000.0


class Config(FeatureConfig):
    """The kernel; the defaults are those of the paper."""

    sigma: float = Field(default=10.0, gt=0)
    """Width of the Gaussian kernel, in units of the features."""
    unit_length: bool = True
    """Whether every feature vector is brought to length 1 first."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """CMMD of the synthetic images to the real reference images.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.
    """
    shaped = unit_length if config.unit_length else np.asarray
    judged = judge(
        "mmd",
        lambda one, other: np.array([mmd(shaped(one.values), shaped(other.values), config.sigma)]),
        synthetic,
        real,
        config,
        setup,
        bounds=(0, np.inf),
    )
    return judged.measurement(
        title="Mean discrepancy (CMMD)",
        unit="times 1,000, no unit",
        direction="lower is better",
        what="The mean discrepancy between synthetic and real features",
    )


def mmd(x: NDArray[np.float32], y: NDArray[np.float32], sigma: float = 10.0) -> float:
    """1000 times the biased squared maximum mean discrepancy with a Gaussian kernel.

    Args:
        x: [n d].
        y: [m d].
        sigma: width of the kernel.

    Example:
        >>> x = np.zeros((2, 1), np.float32)
        >>> round(mmd(x, x + 1, sigma=1.0), 3)  # 1000 (2 - 2 exp(-1/2))
        786.939
    """
    means = [_kernel_mean(one, other, sigma) for one, other in ((x, x), (y, y), (x, y))]
    return SCALE * (means[0] + means[1] - 2 * means[2])


def unit_length(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Each row [N D] divided by its length; a row of zeros stays."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _kernel_mean(x: NDArray[np.float32], y: NDArray[np.float32], sigma: float) -> float:
    total = 0.0
    for _, squared in blocks(x, y):
        squared *= -1 / (2 * sigma**2)
        # expm1 keeps the digits of kernels close to 1; the ones cancel between the three means.
        total += float(np.expm1(squared, out=squared).sum(dtype=np.float64))
    return total / (len(x) * len(y))

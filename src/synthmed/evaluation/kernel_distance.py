"""The kernel distance of features (KID; Binkowski et al. 2018): unbiased, whatever the number of images.

    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j),
    k(x, y) = (x . y / d + 1)^3

All pairs are taken at once; the paper averages over blocks of 1,000, which estimates the same number with more noise.
Being unbiased, it may be below 0 where the two sets are alike.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synthmed.evaluation._contract import Measurement, Setup
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

_ROWS = 2048


class Config(FeatureConfig):
    """The kernel is fixed, so that numbers can be compared."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The unbiased kernel distance of the synthetic images to the real reference images.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.
    """
    judged = judge(
        "kernel_distance",
        lambda one, other: np.array([kernel_distance(one.values, other.values)]),
        synthetic,
        real,
        config,
        setup,
    )
    value = float(judged.compared.value[0])
    return judged.measurement(
        title="Kernel distance (KID)",
        unit="no unit",
        direction="lower is better",
        what="The kernel distance between synthetic and real features, times 1,000 as most papers print it,",
        details={"times_1000": 1000 * value},
        times=1000,
    )


def kernel_distance(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """The unbiased squared maximum mean discrepancy with the cubic polynomial kernel.

    Args:
        x: [n d], n of at least 2.
        y: [m d], m of at least 2.

    Example:
        >>> x = np.array([[0.0], [1.0]])
        >>> kernel_distance(x, x + 1)  # 1 + 27 - (1 + 8 + 1 + 27) / 2 ... of k = (xy + 1)^3
        9.5
    """
    n, m = len(x), len(y)
    within_x = (_kernel_sum(x, x) - _kernel_diagonal(x)) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _kernel_diagonal(y)) / (m * (m - 1))
    return float(within_x + within_y - 2 * _kernel_sum(x, y) / (n * m))


def _kernel_sum(x: NDArray, y: NDArray) -> float:
    y = np.asarray(y, np.float64)
    total = 0.0
    for first in range(0, len(x), _ROWS):
        products = np.asarray(x[first : first + _ROWS], np.float64) @ y.T
        products /= x.shape[1]
        products += 1
        total += float((products * products * products).sum())
    return total


def _kernel_diagonal(x: NDArray) -> float:
    squares = np.einsum("nd,nd->n", x, x, dtype=np.float64)
    return float(((squares / x.shape[1] + 1) ** 3).sum())

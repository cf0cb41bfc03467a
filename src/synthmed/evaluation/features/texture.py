"""Texture features that need no weights: what radiomics measures on an image, for each plane alone.

First order (moments, quantiles, entropy, gradients), grey-level co-occurrence (Haralick et al. 1973) at three
distances as mean and range over four directions, and local binary patterns (Ojala et al. 2002) at two radii, all by
scikit-image. Grey levels are bins of equal width over the whole stored range, the same for every image: nothing is
stretched, so brightness and contrast count. Features have different units; they are compared after each is divided by
its spread among the real images, as in the Frechet radiomics distance (Konz et al. 2026).
"""

import numpy as np
from numpy.typing import NDArray

from synthmed.evaluation.features._contract import VERSION, Extractor

_LEVELS = 32
_DISTANCES = (1, 3, 7)
_ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
_PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")
_PATTERNS = ((8, 1), (16, 3))
"""Neighbours on a circle, and its radius in pixels."""
_QUANTILES = (1, 5, 25, 50, 75, 95, 99)


def texture() -> Extractor:
    """The extractor of texture features: one plane of an image to ``len(names())`` numbers."""
    return Extractor(
        name="texture",
        about=f"texture by scikit-image, no weights: first order, co-occurrence of {_LEVELS} grey levels, local binary "
        f"patterns; {len(names())} features a channel",
        planes=1,
        key={"name": "texture", "levels": _LEVELS, "version": VERSION},
        arbitrary_units=True,
        run=lambda images: np.stack([features(image[0]) for image in images]),
    )


def names() -> list[str]:
    """The name of every feature, in order."""
    first = ["mean", "spread", "skewness", "kurtosis", "entropy", *(f"quantile {q}" for q in _QUANTILES)]
    first += ["gradient mean", "gradient spread", "gradient quantile 95"]
    second = [f"{one} {d} {kind}" for one in _PROPERTIES for d in _DISTANCES for kind in ("mean", "range")]
    second += [f"co-occurrence entropy {d}" for d in _DISTANCES]
    return first + second + [f"pattern {p} {r} {code}" for p, r in _PATTERNS for code in range(p + 2)]


def features(plane: NDArray[np.integer]) -> NDArray[np.float32]:
    """The features [D] of one plane [H W], uint8 or uint16.

    Example:
        >>> flat = features(np.full((16, 16), 100, np.uint8))
        >>> round(float(flat[0]), 3), float(flat[1])  # mean as a share of the range, no spread
        (0.392, 0.0)
    """
    top = np.iinfo(plane.dtype).max
    levels = (plane.astype(np.int64) * _LEVELS // (top + 1)).astype(np.uint8)
    parts = [_first_order(plane / top, levels), _co_occurrence(levels), _patterns(plane)]
    return np.concatenate(parts).astype(np.float32)


def _first_order(shares: NDArray[np.float64], levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    mean, spread = shares.mean(), shares.std()
    # A plane of one value has no shape of its distribution; 0 stands for it.
    moved = (shares - mean) / spread if spread > 1e-12 else np.zeros_like(shares)
    rows, columns = np.gradient(shares)
    steepness = np.hypot(rows, columns)
    found = [mean, spread if spread > 1e-12 else 0.0, (moved**3).mean(), (moved**4).mean()]
    found += [_entropy(np.bincount(levels.ravel(), minlength=_LEVELS) / levels.size)]
    found += [*np.percentile(shares, _QUANTILES), steepness.mean(), steepness.std(), np.percentile(steepness, 95)]
    return np.array(found)


def _co_occurrence(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    from skimage.feature import graycomatrix, graycoprops

    reach = min(levels.shape) - 1
    distances = [min(distance, reach) for distance in _DISTANCES]
    matrix = graycomatrix(levels, distances, _ANGLES, _LEVELS, symmetric=True, normed=True)
    found = []
    for one in _PROPERTIES:
        values = graycoprops(matrix, one)  # [distance angle]
        found += [pair for row in values for pair in (row.mean(), np.ptp(row))]
    return np.array(found + [_entropy(matrix[:, :, d].mean(2).ravel()) for d in range(len(distances))])


def _patterns(plane: NDArray[np.integer]) -> NDArray[np.float64]:
    from skimage.feature import local_binary_pattern

    parts = []
    for neighbours, radius in _PATTERNS:
        codes = local_binary_pattern(plane, neighbours, radius, method="uniform").astype(np.int64)
        parts.append(np.bincount(codes.ravel(), minlength=neighbours + 2) / codes.size)
    return np.concatenate(parts)


def _entropy(shares: NDArray[np.float64]) -> float:
    seen = shares[shares > 0]
    return float(-(seen * np.log2(seen)).sum())

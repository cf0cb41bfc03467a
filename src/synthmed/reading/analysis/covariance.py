"""How the areas of readers and modalities vary together over cases: by jackknife, by DeLong, and unbiased.

Each takes a cube of ratings, crossed or not: two areas vary together by the cases that both were read on.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from synthmed.reading.analysis.roc import placements
from synthmed.reading.analysis.table import Cube
from synthmed.reading.analysis.u_statistics import covariance as u_covariance
from synthmed.reading.analysis.u_statistics import success

Values = NDArray[np.float64]
Figure = Callable[[NDArray, NDArray], float]
"""(truth [n], rating [n]) -> a figure of merit of one reader in one modality."""


def figures(cube: Cube, figure: Figure) -> Values:
    """The figure of merit of every modality and reader, [M R]."""
    return np.array([[figure(*_read(cube, m, r)[:2]) for r in range(len(cube.readers))]
                     for m in range(len(cube.modalities))])  # fmt: skip


def jackknife(cube: Cube, figure: Figure) -> Values:
    """Covariances [MR MR] of any figure of merit: each case is left out in turn."""
    count, shape = len(cube.cases), (len(cube.modalities), len(cube.readers))
    spread, sizes = np.zeros((*shape, count)), np.zeros(shape)
    for m in range(shape[0]):
        for r in range(shape[1]):
            truth, rating, where = _read(cube, m, r)
            without = np.array([figure(np.delete(truth, k), np.delete(rating, k)) for k in range(len(where))])
            spread[m, r, where] = without - without.mean()
            sizes[m, r] = len(where)
    # (n - 1) / n sum (x_(k) - mean)(y_(k) - mean)
    shares = np.sqrt((sizes - 1) / sizes).ravel()
    flat = spread.reshape(-1, count)
    return shares[:, None] * (flat @ flat.T) * shares


def delong(cube: Cube) -> Values:
    """Covariances [MR MR] of areas by placements (DeLong 1988)."""
    total = np.zeros((len(cube.modalities) * len(cube.readers),) * 2)
    parts = [_read(cube, m, r) for m in range(len(cube.modalities)) for r in range(len(cube.readers))]
    for side, true in enumerate((1, 0)):
        spread, present = np.zeros((len(parts), len(cube.cases))), np.zeros((len(parts), len(cube.cases)))
        for row, (truth, rating, where) in enumerate(parts):
            place = placements(rating[truth == 1], rating[truth == 0])[side]
            spread[row, where[truth == true]] = place - place.mean()
            present[row, where[truth == true]] = 1
        sizes, shared = present.sum(1), present @ present.T
        # sum / (n - 1) / n where all are shared
        with np.errstate(divide="ignore", invalid="ignore"):
            part = (spread @ spread.T) * shared / (shared - 1) / np.outer(sizes, sizes)
        total += np.where(shared > 1, part, 0)
    return total


def unbiased(cube: Cube) -> Values:
    """Covariances [MR MR] of areas, unbiased for any size: U-statistics over pairs of cases, readers fixed."""
    scores = success(cube)
    flat = [(part.success[r], part.design[r]) for part in scores for r in range(len(cube.readers))]
    found = np.zeros((len(flat), len(flat)))
    for one, (success_one, design_one) in enumerate(flat):
        for other in range(one, len(flat)):
            success_other, design_other = flat[other]
            value = u_covariance((success_one, design_one, design_one / design_one.sum()),
                                 (success_other, design_other, design_other / design_other.sum()))  # fmt: skip
            found[one, other] = found[other, one] = value
    return found


def _read(cube: Cube, modality: int, reader: int) -> tuple[NDArray, NDArray, NDArray]:
    """Truth, rating and number of every case that a reader rated in a modality."""
    where = np.flatnonzero(~np.isnan(cube.ratings[modality, reader]))
    return cube.truth[where], cube.ratings[modality, reader, where], where

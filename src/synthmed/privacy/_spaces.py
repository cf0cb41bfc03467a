"""The nearest patients of every image, space by space; distance 0 is a copy.

A distance alone says little: a plain mammogram is near to many. What marks a copy is that one patient is much
nearer than all others. So for every image the nearest and the second nearest *patient* are found, and their
quotient, the relative distance, is what the audit judges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthmed.evaluation._neighbours import nearest_groups
from synthmed.privacy._bending import lay_over
from synthmed.privacy._coarse import nearest_coarse
from synthmed.privacy._correlation import coarse_step, correlate
from synthmed.privacy._overlays import nearest_parts, nearest_whole
from synthmed.privacy._views import PATCH, Views, orient, orientations
from synthmed.running.threads import side_by_side

CANDIDATES = 12
"""Patients an image that are compared exactly."""
_AT_ONCE = 4
"""Parts of the queries that are looked for at once; each has all references in a form of its own."""
_CELLS = 16
_AXES = 32
_PAIRS = 512


@dataclass(frozen=True, kw_only=True)
class NearPatients:
    """The nearest patients of N images, the nearest first.

    Args:
        distances: [N K]; where images are correlated, sqrt(2 - 2 correlation): 0 = the same, 1.41 = unrelated.
        patients: [N K] their numbers.
        rows: [N K] which reference image.
        orientations: [N K] how the image was mirrored and turned to match.
        shifts: [N K 2] rows and columns, as parts of the image's longest side.
        places: [N K 4] of the patch space: row and column of the patch in the image and in the reference.
        shared: [N] how many patients an image may be made of, 1 or more; None = one each.
    """

    distances: NDArray[np.float32]
    patients: NDArray[np.intp]
    rows: NDArray[np.intp]
    orientations: NDArray[np.intp]
    shifts: NDArray[np.float32]
    places: NDArray[np.intp] | None = None
    shared: NDArray[np.intp] | None = None

    @property
    def relative(self) -> NDArray[np.float64]:
        """[N] distance of the nearest patient by that of the second nearest, 0 to 1; 1 where both are 0.

        Of an image that may be made of s patients, the distance of the s-th by that of the next.
        """
        quotients = _quotients(self.distances)
        return quotients[np.arange(len(quotients)), 0 if self.shared is None else self.shared - 1]

    def shows(self, persons: Iterable[int]) -> NDArray[np.bool_]:
        """[N] whether one of these persons is among those that an image may be made of."""
        return np.asarray(np.isin(self.owners, list(persons)).any(1))

    @property
    def owners(self) -> NDArray[np.intp]:
        """[N S] the persons that an image may be made of; -1 where there are fewer."""
        most = 1 if self.shared is None else int(self.shared.max(initial=1))
        owners = self.patients[:, :most].copy()
        if self.shared is not None:
            owners[np.arange(most)[None] >= self.shared[:, None]] = -1
        return owners

    def of(self, chosen: NDArray[np.intp]) -> "NearPatients":
        """The neighbours of some of the images."""
        return NearPatients(
            distances=self.distances[chosen], patients=self.patients[chosen], rows=self.rows[chosen],
            orientations=self.orientations[chosen], shifts=self.shifts[chosen],
            places=None if self.places is None else self.places[chosen],
            shared=None if self.shared is None else self.shared[chosen],
        )  # fmt: skip


def nearest(space: str, queries: Views, references: Views, *, exclude_own: bool = False) -> NearPatients:
    """The nearest patients of every query in one space.

    Args:
        space: "pixels", "bent", "overlays", "parts", "coarse", "features", "patches" or "masks".
        queries: N images with their features in every orientation.
        references: images of at least two patients, three if one may be left out.
        exclude_own: leave out the query's own patient (for real queries).
    """
    order = np.argsort(references.patients, kind="stable")
    sorted_already = (references.patients[1:] >= references.patients[:-1]).all()
    ordered = references if sorted_already else references.rows(order)
    count = min(max(len(queries), 1), torch.get_num_threads(), _AT_ONCE)
    ends = [len(queries) * place // count for place in range(count + 1)]
    parts = [slice(*one) for one in pairwise(ends)]
    found = _joined(side_by_side(lambda part: _nearest(space, queries.rows(part), ordered, exclude_own), parts))
    return replace(found, rows=order[found.rows])


def _joined(parts: Sequence[NearPatients]) -> NearPatients:
    """The neighbours of some images, then of others."""

    def of(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    return NearPatients(**{one.name: of(one.name) for one in fields(NearPatients)})


def _nearest(space: str, queries: Views, ordered: Views, exclude_own: bool) -> NearPatients:
    own = queries.patients if exclude_own else None
    match space:
        case "pixels":
            return _aligned(queries.small, ordered.small, ordered.patients, own)
        case "masks":
            assert queries.planes is not None and ordered.planes is not None, "a mask space needs masks"
            return _aligned(queries.planes, ordered.planes, ordered.patients, own)
        case "bent":
            return _bent(queries.fine, ordered.fine, ordered.patients, own)
        case "overlays":
            return _overlaid(queries.fine, ordered.fine, ordered.patients, own)
        case "parts":
            return _in_part(queries.fine, ordered.fine, ordered.patients, own)
        case "coarse":
            return _sorted(*nearest_coarse(queries.fine, ordered.fine, ordered.patients, own), None)
        case "features":
            known = orientations(*queries.small.shape[-2:])
            return _by_features(queries.features, ordered.features[0], ordered.patients, own, known)
        case "patches":
            return _by_patches(queries, ordered, own)
        case _:
            raise AssertionError(f"no space {space}")


def _quotients(distances: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each distance [N K] by the next one, [N K-1]; 1 where both are 0."""
    ordered = distances.astype(float)
    return np.where(ordered[:, 1:] > 1e-6, ordered[:, :-1] / np.maximum(ordered[:, 1:], 1e-6), 1.0)


def _unit(flat: Tensor) -> NDArray[np.float32]:
    """Rows [N C X] with zero mean in every channel, of length 1 over all; a constant row becomes 0."""
    centred = flat - flat.mean(-1, keepdim=True)
    length = centred.flatten(1).norm(dim=1)
    # Rounding leaves a constant image with a tiny length; it has no pattern that could be copied.
    scale = torch.where(length > 1e-3, 1 / length.clamp_min(1e-3), torch.zeros_like(length))
    return (centred.flatten(1) * scale[:, None]).numpy()


def _cells(images: Tensor, rows: int = 0, columns: int = 0) -> NDArray[np.float32]:
    """Images moved by some pixels and averaged over a coarse grid, as rows of length 1."""
    reach = max(abs(rows), abs(columns))
    height, width = images.shape[-2:]
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    moved = padded[..., reach + rows : reach + rows + height, reach + columns : reach + columns + width]
    return _unit(functional.adaptive_avg_pool2d(moved, _CELLS).flatten(2))


def _aligned(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> NearPatients:
    """By correlation: first coarsely, in every orientation and nine places, then the best few at every shift."""
    known = orientations(*queries.shape[-2:])
    step = coarse_step(queries)
    turned = {code: orient(queries, code) for code in known}
    variants = [
        _cells(turned[code], rows, columns)
        for code in known for rows in (-step, 0, step) for columns in (-step, 0, step)
    ]  # fmt: skip
    _, who, rows, which = nearest_groups(variants, _cells(references), patients, own, CANDIDATES)
    codes = np.asarray(known)[which // 9]
    correlation = np.empty(who.shape, np.float32)
    shifts = np.empty((*who.shape, 2), np.float32)
    for code in known:
        chosen = np.argwhere(codes == code)
        for first in range(0, len(chosen), _PAIRS):
            place = tuple(chosen[first : first + _PAIRS].T)
            found = correlate(turned[code][place[0]], references[rows[place]])
            correlation[place], shifts[place] = found[0].numpy(), found[1].numpy()
    return _sorted(np.sqrt(np.maximum(0, 2 - 2 * correlation)), who, rows, codes, shifts)


def _bent(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> NearPatients:
    """By what is left of the difference once the query is laid over the reference, bent where it must be."""
    # Where the images lie is asked of few pairs, later, and would take more room than all images.
    parts = [(laid.distances, laid.patients, laid.rows, laid.orientations)
             for laid in lay_over(queries, references, patients, own)]  # fmt: skip
    distances, who, rows, codes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _sorted(distances, who, rows, codes, None)


def _overlaid(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> NearPatients:
    """By the finest structure of the whole: one patient may be its origin, or two who are laid over each other."""
    found = _sorted(*nearest_whole(queries, references, patients, own), None)
    return replace(found, shared=_quotients(found.distances)[:, :2].argmin(1) + 1)


def _in_part(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> NearPatients:
    """By the one part of an image whose nearest patient stands out most."""
    parts = [_sorted(*part, None) for part in nearest_parts(queries, references, patients, own)]
    best = np.stack([part.relative for part in parts]).argmin(0)
    chosen = np.arange(len(queries))

    def of(name: str) -> NDArray[Any]:
        return np.stack([getattr(part, name) for part in parts])[best, chosen]

    return NearPatients(distances=of("distances"), patients=of("patients"), rows=of("rows"),
                        orientations=of("orientations"), shifts=of("shifts"))  # fmt: skip


def _by_features(
    queries: NDArray[np.float32], references: NDArray[np.float32], patients: NDArray[np.intp],
    own: NDArray[np.intp] | None, known: Sequence[int],
) -> NearPatients:  # fmt: skip
    """By Euclidean distance of features, each brought to unit spread over the references."""
    middle, spread = references.mean(0), references.std(0)
    scale = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0)
    asked = [((one - middle) * scale).astype(np.float32) for one in queries]
    stored = ((references - middle) * scale).astype(np.float32)
    # -|q - r|^2 / 2 = q r - |q|^2 / 2 - |r|^2 / 2: two more columns make it a product.
    extended = np.c_[stored, -0.5 * np.square(stored).sum(1), np.ones(len(stored))].astype(np.float32)
    asked = [np.c_[one, np.ones(len(one)), -0.5 * np.square(one).sum(1)].astype(np.float32) for one in asked]
    _, who, rows, which = nearest_groups(asked, extended, patients, own, CANDIDATES)
    stack = np.stack(asked)[..., :-2]
    chosen = stack[which, np.arange(len(which))[:, None]]
    distances = np.linalg.norm(chosen - stored[rows], axis=-1).astype(np.float32)
    codes = np.asarray(known)[which]
    return _sorted(distances, who, rows, codes, None)


def _by_patches(queries: Views, references: Views, own: NDArray[np.intp] | None) -> NearPatients:
    """By the one patch of an image whose nearest patient stands out most among those near to that patch."""
    known = orientations(*queries.small.shape[-2:])
    count, points = queries.patches.shape[:2]
    flat = queries.patches.flatten(0, 1)
    stored = _unit(references.patches.flatten(0, 1).flatten(1)[:, None])
    # The coarse search is done in the directions in which the reference patches differ most.
    _, vectors = np.linalg.eigh(stored.T @ stored)
    axes = vectors[:, -_AXES:]
    variants = [_unit(orient(flat, one).flatten(1)[:, None]) @ axes for one in known]
    owners = None if own is None else np.repeat(own, points)
    patients = np.repeat(references.patients, points)
    _, who, rows, which = nearest_groups(variants, stored @ axes, patients, owners, CANDIDATES // 4)
    codes = np.asarray(known)[which]
    correlation = np.empty(who.shape, np.float32)
    wide = references.wide.flatten(0, 1)
    for code in known:
        turned = orient(flat, code)
        chosen = np.argwhere(codes == code)
        for first in range(0, len(chosen), 8 * _PAIRS):
            place = tuple(chosen[first : first + 8 * _PAIRS].T)
            correlation[place] = _slide(turned[place[0]], wide[rows[place]]).numpy()
    found = _sorted(np.sqrt(np.maximum(0, 2 - 2 * correlation)), who, rows, codes, None)
    best = found.relative.reshape(count, points).argmin(1)
    place = np.arange(count) * points + best
    rows = found.rows[place]
    here = np.repeat(queries.points[np.arange(count), best][:, None], rows.shape[1], 1)
    return NearPatients(
        distances=found.distances[place], patients=found.patients[place], rows=rows // points,
        orientations=found.orientations[place], shifts=found.shifts[place],
        places=np.concatenate([here, references.points[rows // points, rows % points]], axis=-1),
    )  # fmt: skip


def _slide(patches: Tensor, wide: Tensor) -> Tensor:
    """The highest correlation [N] of patches [N 13 13] with wider ones [N 17 17], every half pixel.

    An image that was reduced to a quarter has its parts at other fractions of a pixel than the copy of a part.
    """
    doubled, windows = _half_pixels(wide.shape[-1])
    patches = patches - patches.mean((1, 2), keepdim=True)
    fine = doubled @ (wide - wide.mean((1, 2), keepdim=True)) @ doubled.T  # [N 33 33]
    over = functional.conv2d(fine[None], patches[:, None], dilation=2, groups=len(fine))[0]  # [N 9 9]
    sums, squares = (windows @ one @ windows.T for one in (fine, fine.square()))
    spread = (squares - sums.square() / PATCH**2).clamp_min(0).sqrt()
    bottom = spread * patches.flatten(1).norm(dim=1)[:, None, None]
    correlation = torch.where(bottom > 1e-3, over / bottom.clamp_min(1e-3), torch.zeros_like(over))
    return correlation.flatten(1).amax(1).clamp(0, 1)


@cache
def _half_pixels(side: int) -> tuple[Tensor, Tensor]:
    """What doubles an axis by linear interpolation [2S-1 S], and what sums each window of every second value of it."""
    size = 2 * side - 1
    doubled = functional.interpolate(torch.eye(side)[None], size, mode="linear", align_corners=True)[0].T
    first = torch.arange(size - 2 * (PATCH - 1))[:, None]
    after = torch.arange(size) - first
    windows = ((after >= 0) & (after < 2 * PATCH) & (after % 2 == 0)).float()
    return doubled.contiguous(), windows


def _sorted(
    distances: NDArray[np.float32], patients: NDArray[np.intp], rows: NDArray[np.intp], codes: NDArray[np.intp],
    shifts: NDArray[np.float32] | None,
) -> NearPatients:  # fmt: skip
    shifts = np.zeros((*patients.shape, 2), np.float32) if shifts is None else shifts
    order = np.argsort(distances, axis=1, kind="stable")
    take = lambda array: np.take_along_axis(array, order, 1)  # noqa: E731
    return NearPatients(
        distances=take(distances).astype(np.float32), patients=take(patients), rows=take(rows),
        orientations=take(codes), shifts=np.take_along_axis(shifts, order[..., None], 1),
    )  # fmt: skip

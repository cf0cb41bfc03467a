"""The nearest patients of every image, in four spaces; distance 0 is a copy.

A distance alone says little: a plain mammogram is near to many. What marks a copy is that one patient is much
nearer than all others. So for every image the nearest and the second nearest *patient* are found, and their
quotient, the relative distance, is what the audit judges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from synthmed.privacy._views import PATCH, Views, orient, orientations

CANDIDATES = 12
"""Patients an image that are compared exactly."""
_CELLS = 16
_AXES = 32
_PAIRS = 512
_PRODUCTS = 2**23


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest patients of N images, the nearest first.

    Args:
        distances: [N K]; where images are correlated, sqrt(2 - 2 correlation): 0 = the same, 1.41 = unrelated.
        patients: [N K] their numbers.
        rows: [N K] which reference image.
        orientations: [N K] how the image was mirrored and turned to match.
        shifts: [N K 2] rows and columns, as parts of the image's longest side.
        places: [N K 4] of the patch space: row and column of the patch in the image and in the reference.
    """

    distances: NDArray[np.float32]
    patients: NDArray[np.intp]
    rows: NDArray[np.intp]
    orientations: NDArray[np.intp]
    shifts: NDArray[np.float32]
    places: NDArray[np.intp] | None = None

    @property
    def relative(self) -> NDArray[np.float64]:
        """[N] distance of the nearest patient by that of the second nearest, 0 to 1; 1 where both are 0."""
        first, second = self.distances[:, 0].astype(float), self.distances[:, 1].astype(float)
        return np.where(second > 1e-6, first / np.maximum(second, 1e-6), 1.0)

    def of(self, chosen: NDArray[np.intp]) -> "Neighbours":
        """The neighbours of some of the images."""
        return Neighbours(
            distances=self.distances[chosen], patients=self.patients[chosen], rows=self.rows[chosen],
            orientations=self.orientations[chosen], shifts=self.shifts[chosen],
            places=None if self.places is None else self.places[chosen],
        )  # fmt: skip


def nearest(space: str, queries: Views, references: Views, *, exclude_own: bool = False) -> Neighbours:
    """The nearest patients of every query in one space.

    Args:
        space: "pixels", "features", "patches" or "masks".
        queries: N images with their features in every orientation.
        references: images of at least two patients, three if one may be left out.
        exclude_own: leave out the query's own patient (for real queries).
    """
    order = np.argsort(references.patients, kind="stable")
    ordered = references.rows(order)
    own = queries.patients if exclude_own else None
    match space:
        case "pixels":
            found = _aligned(queries.small, ordered.small, ordered.patients, own)
        case "masks":
            assert queries.planes is not None and ordered.planes is not None, "a mask space needs masks"
            found = _aligned(queries.planes, ordered.planes, ordered.patients, own)
        case "features":
            known = orientations(*queries.small.shape[-2:])
            found = _by_features(queries.features, ordered.features[0], ordered.patients, own, known)
        case "patches":
            found = _by_patches(queries, ordered, own)
        case _:
            raise AssertionError(f"no space {space}")
    return Neighbours(
        distances=found.distances, patients=found.patients, rows=order[found.rows],
        orientations=found.orientations, shifts=found.shifts, places=found.places,
    )  # fmt: skip


def _best_patients(
    scores: NDArray[np.float32], patients: NDArray[np.intp], own: NDArray[np.intp] | None, count: int
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]:
    """Scores [n M] (high = near) of references in the order of their patients -> the best ``count`` patients.

    Returns scores, patients and reference rows, each [n count].
    """
    starts = np.flatnonzero(np.r_[True, patients[1:] != patients[:-1]])
    names, ends = patients[starts], np.r_[starts[1:], len(patients)]
    by_patient = scores if len(starts) == len(patients) else np.maximum.reduceat(scores, starts, axis=1)
    if own is not None:
        by_patient = np.where(own[:, None] == names[None], -np.inf, by_patient)
    count = min(count, len(names) - (own is not None))
    top = np.argpartition(-by_patient, count - 1, axis=1)[:, :count]
    best = np.take_along_axis(by_patient, top, 1)
    order = np.argsort(-best, axis=1, kind="stable")
    top, best = np.take_along_axis(top, order, 1), np.take_along_axis(best, order, 1)
    rows = starts[top]
    if len(starts) != len(patients):
        for place in np.ndindex(*top.shape):
            first, last = starts[top[place]], ends[top[place]]
            rows[place] = first + scores[place[0], first:last].argmax()
    return best, names[top], rows


def _unit(flat: Tensor) -> NDArray[np.float32]:
    """Rows [N C X] with zero mean in every channel, of length 1 over all; a constant row becomes 0."""
    centred = flat - flat.mean(-1, keepdim=True)
    length = centred.flatten(1).norm(dim=1)
    # Rounding leaves a constant image with a tiny length; it has no pattern that could be copied.
    scale = torch.where(length > 1e-3, 1 / length.clamp_min(1e-3), torch.zeros_like(length))
    return (centred.flatten(1) * scale[:, None]).numpy()


def _by_variant(
    variants: Sequence[NDArray[np.float32]],
    references: NDArray[np.float32],
    patients: NDArray[np.intp],
    own: NDArray[np.intp] | None,
    count: int,
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Products of queries [n D], one array a variant of them, with references: the best patients over variants.

    Returns scores, patients, reference rows and numbers of variants, each [n count].
    """
    chunk = max(1, _PRODUCTS // len(references))
    parts = []
    stored = torch.from_numpy(references)
    for first in range(0, len(variants[0]), chunk):
        part = slice(first, first + chunk)
        asked = [torch.from_numpy(variant[part]) for variant in variants]
        scores = asked[0] @ stored.T  # [n M]
        for other in asked[1:]:
            torch.maximum(scores, other @ stored.T, out=scores)
        best, who, rows = _best_patients(scores.numpy(), patients, None if own is None else own[part], count)
        chosen = stored[torch.from_numpy(rows)]  # [n count D]
        number = torch.stack([torch.einsum("nd,ncd->nc", one, chosen) for one in asked]).argmax(0)
        parts.append((best, who, rows, number.numpy()))
    best, who, rows, numbers = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return best, who, rows, numbers


def _cells(images: Tensor, rows: int = 0, columns: int = 0) -> NDArray[np.float32]:
    """Images moved by some pixels and averaged over a coarse grid, as rows of length 1."""
    reach = max(abs(rows), abs(columns))
    height, width = images.shape[-2:]
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    moved = padded[..., reach + rows : reach + rows + height, reach + columns : reach + columns + width]
    return _unit(functional.adaptive_avg_pool2d(moved, _CELLS).flatten(2))


def _aligned(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> Neighbours:
    """By correlation: first coarsely, in every orientation and nine places, then the best few at every shift."""
    known = orientations(*queries.shape[-2:])
    step = _step(queries)
    turned = {code: orient(queries, code) for code in known}
    variants = [
        _cells(turned[code], rows, columns)
        for code in known for rows in (-step, 0, step) for columns in (-step, 0, step)
    ]  # fmt: skip
    _, who, rows, which = _by_variant(variants, _cells(references), patients, own, CANDIDATES)
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


def _reach(images: Tensor) -> int:
    """Largest shift that is looked at: a sixteenth of the longest side."""
    return min(max(1, max(images.shape[-2:]) // 16), (min(images.shape[-2:]) - 1) // 3)


def _step(images: Tensor) -> int:
    """Of the coarse search: no shift is further than half a step from one that was tried."""
    return max(1, round(_reach(images) * 2 / 3))


def correlate(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """The highest normalised correlation of pairs of images [N C H W] over small shifts.

    The middle of the query is laid over the reference at every shift; both are brought to zero mean and equal
    spread there, so brightness and contrast do not count. By Fourier transforms.

    Returns:
        [N] in [-1, 1] and [N 2] the shift, in parts of the longest side.
    """
    height, width = queries.shape[-2:]
    reach = _reach(queries)
    inner = (height - 2 * reach, width - 2 * reach)
    middle = queries[..., reach : height - reach, reach : width - reach]
    middle = middle - middle.mean((-2, -1), keepdim=True)
    length = middle.square().sum((1, 2, 3))
    padded = functional.pad(middle, (reach,) * 4)
    product = torch.fft.rfft2(references) * torch.fft.rfft2(padded).conj()
    over = torch.fft.irfft2(product, s=(height, width)).sum(1)
    span = torch.arange(-reach, reach + 1)
    over = over[:, span[:, None] % height, span[None] % width]  # [N S S]
    # Spread of the reference below the query at each shift: sum of squares minus squared sum by number.
    reference = references - references.mean((-2, -1), keepdim=True)
    bands = [_windows(size, size - 2 * reach) for size in (height, width)]
    means, squares = (bands[0] @ one @ bands[1].T for one in (reference, reference.square()))
    spread = (squares - means.square()).clamp_min(0).sum(1)
    bottom = (spread * (inner[0] * inner[1]) * length[:, None, None]).sqrt()
    value = torch.where(bottom > 1e-3, over / bottom.clamp_min(1e-3), torch.zeros_like(bottom))
    place = value.flatten(1).argmax(1)
    rows, columns = place // (2 * reach + 1), place % (2 * reach + 1)
    best = _summit(value, rows, columns).clamp(-1, 1)
    return best, torch.stack([rows - reach, columns - reach], 1).float() / max(height, width)


def _summit(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The height [N] of parabolas through the highest of [N S S] and its neighbours: shifts by part of a pixel."""
    which, last = torch.arange(len(values)), values.shape[-1] - 1
    top = values[which, rows, columns]
    gain = torch.zeros_like(top)
    for down, right in ((1, 0), (0, 1)):
        inside = ((rows * down + columns * right) > 0) & ((rows * down + columns * right) < last)
        before = values[which, (rows - down).clamp_min(0), (columns - right).clamp_min(0)]
        after = values[which, (rows + down).clamp_max(last), (columns + right).clamp_max(last)]
        bend = (2 * top - before - after).clamp_min(1e-9)
        gain += torch.where(inside, (after - before).square() / (8 * bend), 0)
    return top + gain


def _windows(size: int, inner: int) -> Tensor:
    """The matrix that averages over every window of ``inner`` among ``size`` pixels, [size - inner + 1 size]."""
    starts, at = torch.arange(size - inner + 1)[:, None], torch.arange(size)
    return ((at >= starts) & (at < starts + inner)).float() / inner


def _by_features(
    queries: NDArray[np.float32], references: NDArray[np.float32], patients: NDArray[np.intp],
    own: NDArray[np.intp] | None, known: Sequence[int],
) -> Neighbours:  # fmt: skip
    """By Euclidean distance of features, each brought to unit spread over the references."""
    middle, spread = references.mean(0), references.std(0)
    scale = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0)
    asked = [((one - middle) * scale).astype(np.float32) for one in queries]
    stored = ((references - middle) * scale).astype(np.float32)
    # -|q - r|^2 / 2 = q r - |q|^2 / 2 - |r|^2 / 2: two more columns make it a product.
    extended = np.c_[stored, -0.5 * np.square(stored).sum(1), np.ones(len(stored))].astype(np.float32)
    asked = [np.c_[one, np.ones(len(one)), -0.5 * np.square(one).sum(1)].astype(np.float32) for one in asked]
    _, who, rows, which = _by_variant(asked, extended, patients, own, CANDIDATES)
    stack = np.stack(asked)[..., :-2]
    chosen = stack[which, np.arange(len(which))[:, None]]
    distances = np.linalg.norm(chosen - stored[rows], axis=-1).astype(np.float32)
    codes = np.asarray(known)[which]
    return _sorted(distances, who, rows, codes, np.zeros((*who.shape, 2), np.float32))


def _by_patches(queries: Views, references: Views, own: NDArray[np.intp] | None) -> Neighbours:
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
    _, who, rows, which = _by_variant(variants, stored @ axes, patients, owners, CANDIDATES // 4)
    codes = np.asarray(known)[which]
    correlation = np.empty(who.shape, np.float32)
    wide = references.wide.flatten(0, 1)
    for code in known:
        turned = orient(flat, code)
        chosen = np.argwhere(codes == code)
        for first in range(0, len(chosen), 8 * _PAIRS):
            place = tuple(chosen[first : first + 8 * _PAIRS].T)
            correlation[place] = _slide(turned[place[0]], wide[rows[place]]).numpy()
    nothing = np.zeros((*who.shape, 2), np.float32)
    found = _sorted(np.sqrt(np.maximum(0, 2 - 2 * correlation)), who, rows, codes, nothing)
    best = found.relative.reshape(count, points).argmin(1)
    place = np.arange(count) * points + best
    rows = found.rows[place]
    here = np.repeat(queries.points[np.arange(count), best][:, None], rows.shape[1], 1)
    return Neighbours(
        distances=found.distances[place], patients=found.patients[place], rows=rows // points,
        orientations=found.orientations[place], shifts=found.shifts[place],
        places=np.concatenate([here, references.points[rows // points, rows % points]], axis=-1),
    )  # fmt: skip


def _slide(patches: Tensor, wide: Tensor) -> Tensor:
    """The highest correlation [N] of patches [N 13 13] with wider ones [N 17 17] over their 25 positions."""
    windows = wide.unfold(1, PATCH, 1).unfold(2, PATCH, 1).flatten(3)  # [N 5 5 169]
    windows = windows - windows.mean(-1, keepdim=True)
    flat = (patches - patches.mean((1, 2), keepdim=True)).flatten(1)
    bottom = windows.norm(dim=-1) * flat.norm(dim=1)[:, None, None]
    over = torch.einsum("nijk,nk->nij", windows, flat)
    value = torch.where(bottom > 1e-3, over / bottom.clamp_min(1e-3), torch.zeros_like(over))
    return value.flatten(1).amax(1).clamp(-1, 1)


def _sorted(
    distances: NDArray[np.float32], patients: NDArray[np.intp], rows: NDArray[np.intp], codes: NDArray[np.intp],
    shifts: NDArray[np.float32],
) -> Neighbours:  # fmt: skip
    order = np.argsort(distances, axis=1, kind="stable")
    take = lambda array: np.take_along_axis(array, order, 1)  # noqa: E731
    return Neighbours(
        distances=take(distances).astype(np.float32), patients=take(patients), rows=take(rows),
        orientations=take(codes), shifts=np.take_along_axis(shifts, order[..., None], 1),
    )  # fmt: skip

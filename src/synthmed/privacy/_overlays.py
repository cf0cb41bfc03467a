"""Images made of more than one: the finest structure of the whole, and of each part in its place, without alignment.

Where one image is laid over another, or a part of one stands in another, what is left of the first is faint, and a
search that bends would find a better fit elsewhere. The finest structure tells it nevertheless: in it different
patients are hardly alike at all. Whole images are compared in every orientation and nine places, parts where they are.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthmed.evaluation._neighbours import nearest_groups
from synthmed.evaluation.features.reduction import gaussian, smooth
from synthmed.privacy._registration import structure
from synthmed.privacy._views import moved, orient, orientations

_REACH, _BLUR = 2.0, 0.5
_PLACES = (-2, 0, 2)
"""Pixels by which a whole image is moved, each way."""
_FAINT = 0.5
"""Strength of a part, in strengths of the whole image, below which it counts less: an empty corner is nobody's."""
_NEAREST = 4
_EVERY = 4
"""Of so many columns of pixels one chooses the patients who are compared by all."""
_QUERIES, _AT_ONCE = 16, 64
"""Images that are looked for, and looked at, at once."""

Box = tuple[int, int, int, int]
"""Top, bottom, left and right of a part of an image."""
Found = tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""Distances, patients, reference rows and orientations, each [N K], the nearest first."""


def nearest_whole(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> Found:
    """The nearest patients by the finest structure of whole images.

    Args:
        queries: [N 1 H W], grey.
        references: [M 1 H W], in the order of their patients.
        patients: [M].
        own: [N] the patient of each query, who is left out; None = nobody is.
    """
    height, width = queries.shape[-2:]
    (found,) = _nearest(queries, references, patients, own, [(0, height, 0, width)], _PLACES)
    return found


def nearest_parts(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None
) -> list[Found]:
    """The same for each of nine parts of half the sides, which overlap; see ``nearest_whole``."""
    height, width = queries.shape[-2:]
    corners = [(down * height // 4, right * width // 4) for down, right in product(range(3), range(3))]
    boxes = [(top, top + height // 2, left, left + width // 2) for top, left in corners]
    return _nearest(queries, references, patients, own, boxes, (0,))


def _nearest(
    queries: Tensor, references: Tensor, patients: NDArray[np.intp], own: NDArray[np.intp] | None,
    boxes: Sequence[Box], places: Sequence[int],
) -> list[Found]:  # fmt: skip
    """The nearest patients by each of some parts of images in their finest structure."""
    known, stored = orientations(*queries.shape[-2:]), _in_boxes(references, boxes)
    codes = np.repeat(known, len(places) ** 2)
    parts: list[list[Found]] = [[] for _ in boxes]
    for first in range(0, len(queries), _QUERIES):
        asked = _finest(queries[first : first + _QUERIES])
        strength = _strength(asked)
        whole = [one for code in known for one in moved(orient(asked, code), places)]
        mine = None if own is None else own[first : first + _QUERIES]
        for box, rows_of_box, found in zip(boxes, stored, parts, strict=True):
            variants = [_part(one, strength, box) for one in whole]
            products, who, rows, which = nearest_groups(variants, rows_of_box, patients, mine, _NEAREST, every=_EVERY)
            distances = np.sqrt(np.maximum(0, 2 - 2 * products)).astype(np.float32)
            found.append((distances, who, rows, codes[which]))
    return [_joined(found) for found in parts]


def _in_boxes(images: Tensor, boxes: Sequence[Box]) -> list[NDArray[np.float32]]:
    """Each of some parts of images, a few at a time: their finest structure is as large as they are."""
    found = []
    for some in images.split(_AT_ONCE):
        fine = _finest(some)
        found.append([_part(fine, _strength(fine), box) for box in boxes])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _joined(parts: Sequence[Found]) -> Found:
    distances, who, rows, turned = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return distances, who, rows, turned


def _finest(images: Tensor) -> Tensor:
    return structure(smooth(images, gaussian(_BLUR)), _REACH)


def _strength(images: Tensor) -> Tensor:
    """[N] length of whole images as rows."""
    return images.flatten(1).norm(dim=1)


def _part(images: Tensor, strength: Tensor, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """A part of images as rows of length 1, or less where it is faint."""
    top, bottom, left, right = box
    part = images[..., top:bottom, left:right].flatten(1)
    part = part - part.mean(1, keepdim=True)
    length = torch.maximum(part.norm(dim=1), _FAINT * strength)
    # A constant image has no structure; rounding leaves it a tiny one.
    return (part / length.clamp_min(1e-1)[:, None]).numpy()

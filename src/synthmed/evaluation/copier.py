"""The copier, a second control beside real images: training images, bent until they fit a mask, and nothing else.

It has learned nothing and gives its patients away. What it scores is what a metric lets a copy score: a metric that
does not tell it from real patients says nothing of copying, however good a generator's value is.

Where there are masks, each is compared with those of the training images; the images of the nearest are bent by the
flow that carries one outline into the other: first box onto box, then by total variation and L1 (TV-L1; Zach, Pock and
Bischof 2007) on smoothed distances from the outline. Where there are none, training images are bent smoothly at random.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import digest_of
from synthmed.data.dataset import PreparedDataset, Row
from synthmed.data.resampling import resize_planes
from synthmed.errors import DataError
from synthmed.samples import Drawn, Sample, SampleSet, write_samples

_VERSION = 1
"""Of what is written here: another one makes another set."""
_MASKS, _TURNS = 40, 3
"""Masks that images are made under, and images of each: of the nearest training image, the next, the one after."""
_SEARCHED = 2000
"""Training images that are looked through for each mask, at most."""
_SIDE = 128
"""Longest side at which outlines are compared."""
_STRETCH = 1.5
"""Factor by which the box of a mask is stretched at most."""
_ROUNDS = 3
_REACH = 0.06
"""Distance from the outline, in longest sides, beyond which places count alike."""
_BENT = 1 / 32
"""Largest displacement where there are no masks, in longest sides."""

Field = NDArray[np.float64]
"""[2 H W]: row and column at which a bent image is read, for each of its pixels."""


def copier_of(true: PreparedDataset, folder: Path) -> SampleSet:
    """What the copier makes of a data set, made once and kept.

    Args:
        true: the data set; images of its split train are bent, under masks of its split test where it has one.
        folder: where the set is kept. It shows training patients: treat it like them.

    Raises:
        DataError: the split train has fewer than two images.
        ArtifactError: what is kept is damaged.
    """
    place = folder / f"copier-{digest_of({'version': _VERSION, 'set': true.digest})[:32]}"
    if place.exists():
        return SampleSet.open(place)
    if sum(row.split == "train" for row in true.rows) < 2:
        raise DataError(f"{true.path.name} has fewer than 2 training images; expected some to copy.")
    train = true.split("train")
    filled = _filled(train)
    drawn = _under_masks(true, filled) if len(filled) > 1 else _at_random(train)
    folder.mkdir(parents=True, exist_ok=True)
    return write_samples(place, drawn, file_format="npy", num_labels=max(2, len(true.info.mask_labels)),
                         inputs={"data": true.digest}, facts={"copier": _VERSION})  # fmt: skip


def fitting(mask: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> Field:
    """Where an image is read so that its mask [H W] becomes the wanted one; both hold something.

    Example:
        >>> one, other = np.zeros((2, 32, 32), bool)
        >>> one[4:20, 6:16] = other[10:28, 8:26] = True
        >>> bool((bent(one[None].astype(np.uint8), fitting(one, other))[0] == other).mean() > 0.97)
        True
    """
    from scipy.ndimage import map_coordinates
    from skimage.registration import optical_flow_tvl1

    at = np.indices(mask.shape).astype(np.float64)
    places = np.empty_like(at)
    for axis in (0, 1):
        first, last, to_first, to_last = (place for one in (mask, wanted) for place in _ends(one, axis))
        stretch = np.clip((last - first + 1) / (to_last - to_first + 1), 1 / _STRETCH, _STRETCH)
        places[axis] = (first + last) / 2 + (at[axis] - (to_first + to_last) / 2) * stretch
    reach = max(1.0, _REACH * max(mask.shape))
    goal, source = _distance(wanted, reach), _distance(mask, reach)
    # The flow carries what lies inside and beside the outline along; further away nothing tells it where to go.
    near = np.clip(2 + np.arctanh(np.clip(goal, -0.999, 0.999)), 0, 1)
    for _ in range(_ROUNDS):
        now = map_coordinates(source, places, order=1, mode="nearest")
        flow = optical_flow_tvl1(goal, now, num_warp=3, num_iter=5)
        places = np.stack([map_coordinates(one, at + near * flow, order=1, mode="nearest") for one in places])
    return places


def bent(image: NDArray[np.integer], places: Field) -> NDArray[np.integer]:
    """An image [C H W] read at places [2 H W], bilinear; beyond the border it repeats."""
    from scipy.ndimage import map_coordinates

    planes = [map_coordinates(plane.astype(np.float64), places, order=1, mode="nearest") for plane in image]
    return np.rint(np.stack(planes)).astype(image.dtype)


def _filled(images: PreparedDataset) -> PreparedDataset:
    """The images that have a mask with something in it."""
    marked = images.where(lambda row: row.mask_source != "none")
    if not images.info.mask_labels or not len(marked):
        return images.where(lambda row: False)
    full = {row.id for place, row in enumerate(marked.rows) if marked.masks([place]).any()}
    return marked.where(lambda row: row.id in full)


def _under_masks(true: PreparedDataset, train: PreparedDataset) -> Iterator[Drawn]:
    """Images of the training patients nearest to each mask, another patient for every turn."""
    asked = next(part for part in (_of(true, "test"), _of(true, "holdout"), train) if len(part))
    train = _some(train, _SEARCHED)
    flat = np.stack([_small(train.masks([row])[0] > 0).ravel() for row in range(len(train))]).astype(np.float32)
    patients = np.array([row.patient_id for row in train.rows])
    asked = _some(asked, _MASKS)
    for turn in range(_TURNS):
        for row, about in enumerate(asked.rows):
            label_map = asked.masks([row])[0]
            wanted = _small(label_map > 0).ravel().astype(np.float32)
            dice = 2 * (flat @ wanted) / (flat.sum(1) + wanted.sum())
            nearest = np.argsort(-np.where(patients == about.patient_id, -1.0, dice), kind="stable")
            others = nearest[patients[nearest] != about.patient_id]
            each = others[np.sort(np.unique(patients[others], return_index=True)[1])]
            if turn < len(each):
                source = int(each[turn])
                fit = _large(fitting(_small(train.masks([source])[0] > 0), _small(label_map > 0)), label_map.shape)
                yield _sample(train.rows[source], about), bent(train.images([source])[0], fit), label_map


def _at_random(train: PreparedDataset) -> Iterator[Drawn]:
    """Training images, each bent smoothly."""
    from scipy.ndimage import gaussian_filter

    numbers = np.random.default_rng(0)
    size = train.info.height, train.info.width
    train = _some(train, _MASKS * _TURNS)
    for row, about in enumerate(train.rows):
        away = np.stack([gaussian_filter(numbers.normal(size=size), max(size) * 3 / 32) for _ in "yx"])
        places = np.indices(size) + _BENT * max(size) * away / max(float(np.abs(away).max()), 1e-9)
        yield _sample(about), bent(train.images([row])[0], places), None


def _sample(source: Row, about: Row | None = None) -> Sample:
    under = "" if about is None else f"{about.split}/{about.id}"
    return Sample(
        seed=0, label=source.label, lineage="bent_from_real", mask_from=under, style_from=f"train/{source.id}"
    )


def _some(images: PreparedDataset, most: int) -> PreparedDataset:
    """So many of the images at most, evenly spread over them."""
    chosen = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(int))
    ids = {images.rows[row].id for row in chosen.tolist()}
    return images.where(lambda row: row.id in ids)


def _of(true: PreparedDataset, split: str) -> PreparedDataset:
    return _filled(true.where(lambda row: row.split == split))


def _ends(mask: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """The first and the last row or column of a mask with something in it."""
    found = np.flatnonzero(mask.any(1 - axis))
    return int(found[0]), int(found[-1])


def _distance(mask: NDArray[np.bool_], reach: float) -> NDArray[np.float32]:
    """Distance from the outline in units of ``reach``, positive inside, smoothly bounded by 1."""
    from scipy.ndimage import distance_transform_edt

    return np.tanh((distance_transform_edt(mask) - distance_transform_edt(~mask)) / reach).astype(np.float32)


def _small(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask of at most ``_SIDE`` pixels a side, in which nothing that is thin gets lost."""
    scale = max(1, int(np.ceil(max(mask.shape) / _SIDE)))
    height, width = (int(np.ceil(side / scale)) * scale for side in mask.shape)
    padded = np.pad(mask, ((0, height - mask.shape[0]), (0, width - mask.shape[1])), mode="edge")
    return np.asarray(padded.reshape(height // scale, scale, width // scale, scale).any((1, 3)))


def _large(places: Field, size: tuple[int, ...]) -> Field:
    """Places of a small mask as those of the whole image."""
    scale = max(1, int(np.ceil(max(size) / _SIDE)))
    if scale == 1:
        return places
    height, width = (side * scale for side in places.shape[1:])
    # The middle of a small pixel is that of the scale x scale pixels it stands for.
    wide = resize_planes(places.astype(np.float32), height, width).astype(np.float64)
    return (wide * scale + (scale - 1) / 2)[:, : size[0], : size[1]]

"""The masks that images are made under, and where they come from: a data set, a sample set, a folder of masks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthmed.artifacts import phantom_kind
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.errors import DataError
from synthmed.methods._contract import Method
from synthmed.samples import OF_NOBODY, Lineage, SampleSet
from synthmed.shapes import ImageSpec, LabelMap
from synthmed.sources.pixels import read_image, read_mask

SPLITS = ("train", "holdout", "test")


@dataclass(frozen=True, kw_only=True)
class GivenMasks:
    """What a model is given to make images under.

    Args:
        maps: LabelMap [N H W], what the method's ``conditions`` makes of the masks.
        names: of each, such as "test/000012" or "masks/a.png".
        lineage: of the images that are made under them.
        digest: of where they come from.
        about: for the manifest: what they come from.
    """

    maps: LabelMap
    names: tuple[str, ...]
    lineage: Lineage
    digest: str
    about: dict[str, Any]

    def __len__(self) -> int:
        return len(self.maps)


def read_given_masks(path: Path, method: Method, spec: ImageSpec, *, most: int, split: str = "train") -> GivenMasks:
    """Read masks for a model.

    Args:
        path: a prepared data set, a sample set, a folder of images with masks, or a folder of masks alone.
        method: of the model; it says what it takes of masks and images.
        spec: the images of the model.
        most: how many are needed; the first are read.
        split: of a data set.

    Raises:
        DataError: there are no masks, one is empty, or they are of another size than the model's.
        ArtifactError: a data set or sample set is damaged, or ``path`` is something else of ours.
    """
    if (path / "dataset.json").is_file():
        return _of_dataset(path, method, spec, split, most)
    if phantom_kind(path):
        raise DataError(
            f"{path} is a phantom, whose masks are not of the model's size. Prepare it first, with "
            f"--size {spec.height}x{spec.width}, and give the prepared set."
        )
    samples = SampleSet.open(path)
    names = tuple(sample.mask_name or sample.file_name for sample in samples.samples[:most])
    rows = range(len(names))
    masks = samples.masks(rows) if samples.has_masks else _mask_files(path, names, spec)
    _check(masks, names, spec, path)
    images = samples.images(rows) if method.condition == "masks with images" and samples.has_masks else None
    known = {sample.lineage for sample in samples.samples} if samples.is_ours else {"unknown"}
    return GivenMasks(
        maps=_conditions(method, masks, images, path),
        names=names,
        lineage="sampled" if known == {"sampled"} else "mask_from_phantom" if known <= OF_NOBODY else _of_real(method),
        digest=samples.digest,
        about={"kind": "sample set" if samples.is_ours else "folder", "digest": samples.digest},
    )


def _of_dataset(path: Path, method: Method, spec: ImageSpec, split: str, most: int) -> GivenMasks:
    dataset = PreparedDataset.open(path)
    if split not in SPLITS:
        raise DataError(f"There is no split {split!r}; expected one of {', '.join(SPLITS)}.")
    chosen = dataset.split(split).where(lambda row: row.mask_source != "none")
    if not dataset.info.mask_labels or not len(chosen):
        raise DataError(
            f"{path} has no masks in its split {split}. Prepare a folder with masks, or generate without --masks."
        )
    names = tuple(f"{split}/{row.id}" for row in chosen.rows[:most])
    rows = range(len(names))
    masks = chosen.masks(rows)
    _check(masks, names, spec, path)
    images = chosen.images(rows) if method.condition == "masks with images" else None
    about: dict[str, Any] = {"kind": "data set", "digest": dataset.digest, "split": split}
    phantom = dataset.info.provenance.get("phantom", "")
    return GivenMasks(
        maps=_conditions(method, masks, images, path),
        names=names,
        lineage="mask_from_phantom" if phantom else _of_real(method),
        digest=dataset.digest,
        about=about | ({"phantom": phantom} if phantom else {}),
    )


def _of_real(method: Method) -> Lineage:
    return "texture_from_real" if method.condition == "masks with images" else "mask_from_real"


def _mask_files(path: Path, names: tuple[str, ...], spec: ImageSpec) -> NDArray[np.uint8]:
    """A folder that holds masks and nothing else; label maps where the model has several labels."""
    masks: list[NDArray[np.uint8]] = []
    for name in names:
        mask = read_mask(path / name) if spec.num_labels == 2 else read_image(path / name)[0]
        if mask.shape != (spec.height, spec.width):
            raise DataError(_other_size(mask.shape, spec, path / name))
        masks.append(mask.astype(np.uint8))
    return np.stack(masks)


def _check(masks: NDArray[np.uint8], names: tuple[str, ...], spec: ImageSpec, path: Path) -> None:
    if masks.shape[1:] != (spec.height, spec.width):
        raise DataError(_other_size(masks.shape[1:], spec, path))
    empty = np.flatnonzero(~masks.any((1, 2)))
    if empty.size:
        raise DataError(
            f"Of the masks of {path} {empty.size} are empty, the first is {names[empty[0]]}; expected a shape to fill. "
            "Leave them out."
        )


def _other_size(shape: tuple[int, ...], spec: ImageSpec, path: Path) -> str:
    found = " x ".join(map(str, shape))
    return (
        f"The masks of {path} have {found} pixels (height x width); the model makes {spec.height} x {spec.width}. "
        f"Prepare them with --size {spec.height}x{spec.width}."
    )


def _conditions(method: Method, masks: NDArray[np.uint8], images: NDArray[Any] | None, path: Path) -> Tensor:
    maps = torch.from_numpy(masks)
    if method.condition != "masks with images":
        return maps
    if images is None:
        raise DataError(
            f"{path} holds masks without images; this model is given edges of real images inside their masks. "
            "Give a data set."
        )
    return method.conditions(maps, to_unit_range(images))

"""What images are made under, and whose it is: masks, images and styles of a data set, a sample set or a folder."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.data.split import SPLITS
from synthmed.errors import ConfigError, DataError
from synthmed.generation.model import Model
from synthmed.phantoms import phantom_kind
from synthmed.running.progress import Say, unsaid
from synthmed.samples import OF_NOBODY, Lineage, SampleSet
from synthmed.shapes import Given, Image, ImageSpec, Pairs
from synthmed.sources.pixels import read_image, read_mask

MissingOrgan = Literal["refuse", "nearest"]
"""What becomes of a label that a style lacks: nothing is made, or it takes the texture of the most similar organ."""
_FEW = 16
"""Pixels of an organ below which its texture is hardly known: one cell of the features that read it."""


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Masks from one place, with their images where there are any.

    Args:
        masks: [N H W] uint8 labels, checked against the model.
        names: of each, such as "test/000012" or "masks/a.png".
        images: rows -> Image; None where there are masks alone.
        owner: "sampled" for masks of ours made from noise, "phantom", or "real", which stands for unknown as well.
        digest: of the place.
        about: for the manifest.
    """

    masks: NDArray[np.uint8]
    names: tuple[str, ...]
    images: Callable[[Sequence[int]], Image] | None
    owner: str
    digest: str
    about: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Source:
    """All that a run of images is made under. Image number i takes mask and style i, and from the first again.

    Args:
        masks: the shapes, or None.
        styles: the images whose texture is taken, or None.
        takes_images: whether the images of the masks are taken as well.
        kept_texture: whose texture the model's own weights hold: "" of nobody's alone, "phantom" or "real".
        label: place of the one class, or None.
        style_weights: how much of each label's texture is the style's; None = all of it.
    """

    masks: Shapes | None = None
    styles: Shapes | None = None
    takes_images: bool = False
    kept_texture: str = ""
    label: int | None = None
    style_weights: list[float] | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def at(self, numbers: range) -> Given:
        """What the images of these numbers are made under."""
        masks, images, styles = None, None, None
        if self.masks:
            rows = [number % len(self.masks.names) for number in numbers]
            masks = torch.from_numpy(self.masks.masks[rows])
            images = self.masks.images(rows) if self.takes_images and self.masks.images else None
        if self.styles and self.styles.images:
            rows = [number % len(self.styles.names) for number in numbers]
            styles = Pairs(images=self.styles.images(rows), masks=torch.from_numpy(self.styles.masks[rows]))
        labels = None if self.label is None else torch.full((len(numbers),), self.label)
        weights = None if self.style_weights is None else torch.tensor([self.style_weights] * len(numbers))
        return Given(masks=masks, images=images, labels=labels, styles=styles, style_weights=weights)

    def names(self, number: int) -> dict[str, str]:
        """Which mask and which style an image takes, for its row of ``samples.csv``."""
        named = {"mask_from": self.masks, "style_from": self.styles}
        return {key: one.names[number % len(one.names)] if one else "" for key, one in named.items()}

    @property
    def lineage(self) -> Lineage:
        """Of the images that are made under it."""
        owners = {one.owner for one in (self.masks, self.styles) if one} | ({self.kept_texture} - {""})
        textures = {one.owner for one in (self.masks if self.takes_images else None, self.styles) if one}
        if "real" in textures | {self.kept_texture}:
            return "texture_from_real"
        return "mask_from_real" if "real" in owners else "mask_from_phantom" if "phantom" in owners else "sampled"


def read_given(
    model: Model, *, most: int, masks: Path | None = None, styles: Path | None = None, label: str = "",
    split: str = "train", leave_out_empty: bool = False, style_weights: Iterable[str] = (),
    missing_organ: str = "refuse", say: Say = unsaid,
) -> Source:  # fmt: skip
    """Read what a model is to make images under.

    Args:
        model: says what it needs and takes.
        most: how many images are made; no more masks or styles than these are read.
        masks: a prepared data set, a sample set, a folder of images with masks, or a folder of masks alone.
        styles: a prepared data set, a sample set, or a folder of images, with a label map for each.
        label: the one class of all images; "" = not said.
        split: of a data set.
        leave_out_empty: go on without masks and label maps that hold nothing but background.
        style_weights: how much of a label's texture is the style's, such as "lung=0.3".
        missing_organ: "refuse" a style that lacks a label of its map, or give it the texture of the "nearest".
        say: hears of labels that a style lacks, or shows too little of.

    Raises:
        ConfigError: a weight that is no number from 0 to 1, or an unknown choice for missing organs.
        DataError: an unknown split or label; something missing, not taken, empty, or of another size or meaning than
            the model's.
        ArtifactError: a data set or sample set is damaged, or a path is something else of ours.
    """
    taken = model.method.needs | model.method.accepts
    for name, flag, found in (("masks", "--masks", masks), ("styles", "--styles", styles)):
        if found and name not in taken:
            raise DataError(f"A {model.header['method']} model takes no {name}; generate without {flag}.")
        if not found and name in model.method.needs:
            raise DataError(f"A {model.header['method']} model makes images under {name}; give some by {flag}.")
    place = model.label(label) if label else None
    shapes = _read(masks, model.spec, split, most, "masks", leave_out_empty) if masks else None
    textures = _read(styles, model.spec, split, most, "styles", leave_out_empty) if styles else None
    if textures and not textures.images:
        raise DataError(f"{styles} holds label maps without images; a style is an image with its map. Give both.")
    if shapes and "images" in model.method.needs and not shapes.images:
        raise DataError(
            f"{masks} holds masks without images; this model is given edges of real images inside their masks. "
            "Give a data set."
        )
    weights = model.style_weights(style_weights)
    if missing_organ not in get_args(MissingOrgan):
        raise ConfigError(f"--missing-organ is {missing_organ!r}; expected {' or '.join(get_args(MissingOrgan))}.")
    if shapes and textures:
        _compare_organs(shapes, textures, model, most, weights, missing_organ == "nearest", say)
    whose = "phantom" if model.header.get("data", {}).get("phantom", "") else "real"
    kept = model.header.get("tuned_on", {}).get("owner", whose if model.method.keeps_texture else "")
    both = {name: one for name, one in (("masks", shapes), ("styles", textures)) if one}
    return Source(
        masks=shapes, styles=textures, takes_images="images" in taken, kept_texture=kept, label=place,
        style_weights=weights,
        inputs={name: one.digest for name, one in both.items()},
        facts={name: one.about for name, one in both.items()} | ({"style_weights": weights} if weights else {}),
    )  # fmt: skip


def _compare_organs(
    masks: Shapes, styles: Shapes, model: Model, most: int, weights: list[float] | None, nearest: bool, say: Say
) -> None:
    """Refuse a style that lacks a label of its map, or say which takes the texture of another; say what is small."""
    names = {int(place): name for place, name in model.header["mask_labels"].items()}
    wanted = [set(np.unique(one).tolist()) for one in masks.masks]
    shown = [np.bincount(one.ravel(), minlength=model.spec.num_labels) for one in styles.masks]
    lacking: dict[int, list[str]] = {}
    scarce: dict[int, list[str]] = {}
    for number in range(most):
        pixels = shown[number % len(shown)]
        for label in wanted[number % len(wanted)]:
            if pixels[label] < _FEW and (weights is None or weights[label] > 0):
                told = lacking if not pixels[label] else scarce
                told.setdefault(label, []).append(
                    f"{styles.names[number % len(styles.names)]} (for map {masks.names[number % len(masks.names)]})"
                )
    for label, places in sorted(lacking.items()):
        name = names.get(label, f"label {label}")
        if not nearest:
            raise DataError(
                f"The style {places[0]} shows no {name}, and {len(places)} of {most} images need it. Give other "
                f"styles; or take the most similar organ of the style by --missing-organ nearest, or the usual look of "
                f"{name} by --style-weight {name}=0."
            )
        say(f"{name}: {len(places)} of {most} images take the texture of another organ; the first style without "
            f"it is {places[0]}.")  # fmt: skip
    for label, places in sorted(scarce.items()):
        say(f"{names.get(label, f'label {label}')}: {len(places)} of {most} styles show fewer than {_FEW} pixels of "
            f"it, too few to tell its texture; the first is {places[0]}.")  # fmt: skip


def filled(masks: Callable[[Sequence[int]], NDArray[np.uint8]], count: int, most: int | None = None) -> list[int]:
    """Places of the first masks that are more than background, one read at a time."""
    return list(islice((place for place in range(count) if masks([place]).any()), most))


def _read(path: Path, spec: ImageSpec, split: str, most: int, what: str, leave_out_empty: bool) -> Shapes:
    if split not in SPLITS:
        raise DataError(f"There is no split {split!r}; expected one of {', '.join(SPLITS)}.")
    if (path / "dataset.json").is_file():
        return _of_dataset(path, spec, split, most, what, leave_out_empty)
    if phantom_kind(path):
        raise DataError(
            f"{path} is a phantom, whose {what} are not of the model's size. Prepare it first, with "
            f"--size {spec.height}x{spec.width}, and give the prepared set."
        )
    samples = SampleSet.open(path)
    every = [sample.mask_name or sample.file_name for sample in samples.samples]

    def read(places: Sequence[int]) -> NDArray[np.uint8]:
        return samples.masks(places) if samples.has_masks else _mask_files(path, [every[one] for one in places], spec)

    places = _chosen(read, len(every), most, path, what, leave_out_empty)
    names = tuple(every[place] for place in places)
    masks = read(places)
    _check(masks, names, spec, path, what)
    known = {sample.lineage for sample in samples.samples} if samples.is_ours else {"unknown"}
    return Shapes(
        masks=masks,
        names=names,
        images=(lambda rows: to_unit_range(samples.images([places[row] for row in rows])))
        if samples.has_masks
        else None,
        owner="sampled" if known == {"sampled"} else "phantom" if known <= OF_NOBODY else "real",
        digest=samples.digest,
        about={"kind": "sample set" if samples.is_ours else "folder", "digest": samples.digest},
    )


def _of_dataset(path: Path, spec: ImageSpec, split: str, most: int, what: str, leave_out_empty: bool) -> Shapes:
    dataset = PreparedDataset.open(path)
    chosen = dataset.split(split).where(lambda row: row.mask_source != "none")
    if not dataset.has_masks or not len(chosen):
        raise DataError(
            f"{path} has no masks in its split {split}, and {what} need one for each image. Prepare a folder with "
            f"masks, or generate without --{what}."
        )
    places = _chosen(chosen.masks, len(chosen), most, path, what, leave_out_empty)
    names = tuple(f"{split}/{chosen.rows[place].id}" for place in places)
    masks = chosen.masks(places)
    _check(masks, names, spec, path, what)
    about: dict[str, Any] = {"kind": "data set", "digest": dataset.digest, "split": split}
    phantom = dataset.info.provenance.get("phantom", "")
    return Shapes(
        masks=masks,
        names=names,
        images=lambda rows: to_unit_range(chosen.images([places[row] for row in rows])),
        owner="phantom" if phantom else "real",
        digest=dataset.digest,
        about=about | ({"phantom": phantom} if phantom else {}),
    )


def _chosen(
    masks: Callable[[Sequence[int]], NDArray[np.uint8]], count: int, most: int, path: Path, what: str,
    leave_out_empty: bool,
) -> Sequence[int]:  # fmt: skip
    """Places of the masks that are used."""
    if not leave_out_empty:
        return range(min(most, count))
    if not (places := filled(masks, count, most)):
        raise DataError(f"All {what} of {path} are empty; expected a shape to fill. Give others.")
    return places


def _mask_files(path: Path, names: Sequence[str], spec: ImageSpec) -> NDArray[np.uint8]:
    """A folder that holds masks and nothing else; label maps where the model has several labels."""
    masks: list[NDArray[np.uint8]] = []
    for name in names:
        mask = read_mask(path / name) if spec.num_labels == 2 else read_image(path / name)[0]
        if mask.shape != spec.size:
            raise DataError(_other_size(mask.shape, spec, path / name, "masks"))
        masks.append(mask.astype(np.uint8))
    return np.stack(masks)


def _check(masks: NDArray[np.uint8], names: tuple[str, ...], spec: ImageSpec, path: Path, what: str) -> None:
    if masks.shape[1:] != spec.size:
        raise DataError(_other_size(masks.shape[1:], spec, path, what))
    empty = np.flatnonzero(~masks.any((1, 2)))
    if empty.size:
        raise DataError(
            f"Of the {what} of {path} {empty.size} are empty, the first is {names[empty[0]]}; expected a shape to "
            "fill. Go on without them by --leave-out-empty."
        )


def _other_size(shape: tuple[int, ...], spec: ImageSpec, path: Path, what: str) -> str:
    found = " x ".join(map(str, shape))
    return (
        f"The {what} of {path} have {found} pixels (height x width); the model makes {spec.height} x {spec.width}. "
        f"Prepare them with --size {spec.height}x{spec.width}."
    )

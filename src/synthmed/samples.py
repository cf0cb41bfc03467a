"""Sample sets: folders of synthetic images, with their masks where there are any.

A set of ours holds ``images/``, ``masks/``, ``samples.csv``, ``preview.png`` and a manifest. Any other folder
with ``images`` and perhaps ``masks`` can be opened as well, so that images of other tools are measured alike.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import MANIFEST, digest_of, file_digest, new_directory, storage_errors, verify
from synthmed.data.geometry import fit_image, fit_mask, fit_of
from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.files.tables import read_csv, write_csv
from synthmed.pictures import pairs_grid, save_png
from synthmed.sources.exact import described, read_pixels, stacked, write_pixels
from synthmed.sources.foreign import find_samples, mask_values, read_labels

Lineage = Literal["sampled", "mask_from_phantom", "mask_from_real", "texture_from_real", "inverted_from_real",
                  "spliced_from_real", "bent_from_real", "unknown"]  # fmt: skip
"""Where an image comes from."""

OF_NOBODY = frozenset({"sampled", "mask_from_phantom"})
"""Lineages that hold nothing of one real patient by construction."""

FileFormat = Literal["png", "tiff", "npy"]
"""Of the stored pixels of a set; other formats lie beside them."""

_TABLE = "samples.csv"
_PREVIEWED = 8
_PREVIEW_SIDE = 2048
_COUNTED = ("num_images", "channels", "height", "width", "bits", "num_labels")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One synthetic image.

    Args:
        seed: the seed its latents were drawn with.
        label: its class, "" where there is none.
        lineage: where it comes from.
        file_name: the image's path below the set, "" before it is written.
        mask_name: the mask's path below the set, "" where there is none.
        mask_from: which mask it was made under, such as "test/000012" of a data set; "" where none was given.
        style_from: which image it took its texture from, likewise.
    """

    seed: int
    label: str
    lineage: Lineage
    mask_from: str = ""
    style_from: str = ""
    file_name: str = ""
    mask_name: str = ""


Drawn = tuple[Sample, NDArray[np.integer], NDArray[np.uint8] | None]
"""A sample, its image [C H W] uint8 or uint16, and its mask [H W] uint8 or None."""


class SampleSet:
    """A folder of synthetic images, opened for reading.

    Args:
        path: the folder.
        samples: one entry an image, in the order of ``images()`` and ``masks()``.
        facts: what the writer recorded (run seed, model, format); {} for a folder of another tool.
        digest: SHA-256 that names the content.
        inputs: name -> digest of what it was made from ("model", "masks"); {} for a folder of another tool.
        left_out: file and reason, for each file of another tool's folder that is not used.
        fitted_to: height and width that every image is brought to; None = as they are.
    """

    def __init__(
        self,
        path: Path,
        samples: Sequence[Sample],
        facts: dict[str, Any],
        digest: str,
        *,
        inputs: dict[str, str] | None = None,
        left_out: Sequence[str] = (),
        fitted_to: tuple[int, int] | None = None,
    ):
        self.path = path
        self.samples = tuple(samples)
        self.facts = facts
        self.digest = digest
        self.inputs = inputs or {}
        self.left_out = tuple(left_out)
        self._fitted_to = fitted_to

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a set of ours, every file checked, or any folder with ``images`` and perhaps ``masks``.

        Raises:
            ArtifactError: a file of ours is missing or damaged.
            SourceError: another folder holds no image that can be read.
        """
        path = Path(path)
        if (path / MANIFEST).is_file():
            manifest = verify(path, "samples", (_TABLE,))
            try:
                samples = _read_table(path / _TABLE, manifest.files)
                _check_format(manifest.facts, len(samples))
            except (ValueError, KeyError) as error:
                raise ArtifactError(
                    f"{path} cannot be read as a sample set ({error}). Make the sample set anew."
                ) from error
            return cls(path, samples, manifest.facts, manifest.digest, inputs=manifest.inputs)
        samples, left_out = _foreign_samples(path)
        names = [name for sample in samples for name in (sample.file_name, sample.mask_name) if name]
        digest = digest_of({"kind": "folder", "files": {name: file_digest(path / name) for name in names}})
        return cls(path, samples, {}, digest, left_out=left_out)

    def fitted(self, height: int, width: int) -> Self:
        """The same set with every image resized by one factor and centred between zeros, as ``prepare`` does it."""
        return type(self)(
            self.path, self.samples, self.facts, digest_of({"set": self.digest, "fitted": [height, width]}),
            inputs=self.inputs, left_out=self.left_out, fitted_to=(height, width),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        what = f"{len(self)} images" + (" with masks" if self.has_masks else "")
        return f"<SampleSet {str(self.path)!r}: {what}{'' if self.is_ours else ', of another tool'}>"

    @property
    def has_masks(self) -> bool:
        """Whether every image has a mask."""
        return len(self) > 0 and all(sample.mask_name for sample in self.samples)

    @property
    def is_ours(self) -> bool:
        """Whether synthmed wrote it, so that facts and lineage are known."""
        return bool(self.facts)

    def images(self, indices: Sequence[int] | None = None) -> NDArray[np.integer]:
        """The stored pixels of some images (None = all), [n C H W] uint8 or uint16.

        Raises:
            DataError: the images differ in size, channels or bit depth.
        """
        return stacked([self._read_image(sample) for sample in self._chosen(indices)], "images", self.path)

    def masks(self, indices: Sequence[int] | None = None) -> NDArray[np.uint8]:
        """The label maps of some images (None = all), [n H W] uint8, 0 = background.

        Raises:
            DataError: a sample has no mask, or the masks differ in size.
        """
        chosen = self._chosen(indices)
        missing = [sample.file_name for sample in chosen if not sample.mask_name]
        if missing:
            raise DataError(
                f"{missing[0]} in {self.path} has no mask; expected one for each image. "
                "Add the masks, or ask for something that needs none."
            )
        return cast(NDArray[np.uint8], stacked([self._read_mask(s) for s in chosen], "masks", self.path))

    def drawn(self) -> Iterator[Drawn]:
        """Sample, image and mask of each, one after the other, as ``write_samples`` takes them."""
        for index, sample in enumerate(self.samples):
            yield sample, self.images([index])[0], self.masks([index])[0] if sample.mask_name else None

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """The values that its masks may hold, 0 = background; () where an image has no mask."""
        if not self.has_masks:
            return ()
        if self.is_ours:
            return tuple(range(self.facts["format"]["num_labels"]))
        return mask_values(self.path / name for name in dict.fromkeys(sample.mask_name for sample in self.samples))

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the first image."""
        channels, height, width = self.images([0]).shape[1:]
        return channels, height, width

    def _chosen(self, indices: Sequence[int] | None) -> list[Sample]:
        return list(self.samples) if indices is None else [self.samples[index] for index in indices]

    def _read_image(self, sample: Sample) -> NDArray[np.integer]:
        image = self._stored_image(sample)
        if self._fitted_to is None:
            return image
        return fit_image(image, fit_of(image.shape[1], image.shape[2], *self._fitted_to), *self._fitted_to)

    def _read_mask(self, sample: Sample) -> NDArray[np.uint8]:
        mask = self._stored_mask(sample)
        if self._fitted_to is None:
            return mask
        return fit_mask(mask, fit_of(mask.shape[0], mask.shape[1], *self._fitted_to), *self._fitted_to)

    def _stored_image(self, sample: Sample) -> NDArray[np.integer]:
        if self.is_ours:
            return self._decoded(sample.file_name, self.facts["format"]["channels"], self.facts["format"]["bits"])
        from synthmed.sources.pixels import read_image

        return read_image(self.path / sample.file_name)

    def _stored_mask(self, sample: Sample) -> NDArray[np.uint8]:
        if self.is_ours:
            stored = self._decoded(sample.mask_name, 1, 8)[0].astype(np.uint8, copy=False)
            # Binary masks are stored as 0 and 255 so that people see them.
            return (stored > 0).astype(np.uint8) if self.facts["format"]["num_labels"] == 2 else stored
        return read_labels(self.path / sample.mask_name, self.labels)

    def _decoded(self, name: str, channels: int, bits: int) -> NDArray[np.integer]:
        """The pixels of a file of ours, which must be of the kind that the set says."""
        expected = (channels, self.facts["format"]["height"], self.facts["format"]["width"])
        try:
            pixels = read_pixels(self.path / name)
        except (OSError, ValueError, RuntimeError, LookupError, EOFError) as error:
            raise ArtifactError(f"{self.path / name} cannot be read ({error}). Make the sample set anew.") from error
        if pixels.shape != expected or pixels.dtype != f"uint{bits}":
            raise ArtifactError(
                f"{self.path / name} is {described(pixels)}; the set says uint{bits} of shape {list(expected)}. Make "
                "the sample set anew."
            )
        return pixels


def write_samples(
    out: Path,
    samples: Iterable[Drawn],
    *,
    file_format: FileFormat = "png",
    num_labels: int = 2,
    inputs: dict[str, str],
    facts: dict[str, Any],
    beside: Callable[[Path, Iterable[Drawn]], Iterator[Drawn]] | None = None,
) -> SampleSet:
    """Write a sample set, one image at a time: memory stays flat however many there are.

    Args:
        out: a new folder; it appears when the last file is on the disk.
        samples: sample, image [C H W] uint8 or uint16, mask [H W] uint8 or None; file names are given here.
        file_format: of the images. Masks are always PNG: 0 and 255 when ``num_labels`` is 2, else the labels.
        num_labels: labels of the masks, background included.
        inputs: name -> digest of what the samples were made from.
        facts: what to record beside the format.
        beside: is given the folder that is being filled and the samples, and gives them on; it may write further files
            of each, such as copies in other formats.

    Raises:
        ConfigError: an unknown format, or one that cannot hold the images exactly.
        DataError: no samples, a mask value that is no label, or images of unlike shapes.
        ArtifactError: something already stands at ``out``.
        StorageError: the disk is full or may not be written.

    Example:
        >>> import tempfile
        >>> drawn = (Sample(seed=7, label="", lineage="sampled"), np.zeros((1, 4, 4), np.uint8), None)
        >>> written = write_samples(Path(tempfile.mkdtemp()) / "set", [drawn], inputs={}, facts={})
        >>> written.samples[0].file_name
        'images/00000.png'
    """
    if file_format not in get_args(FileFormat):
        raise ConfigError(f"The file format {file_format!r} is unknown; expected one of {get_args(FileFormat)}.")
    facts = dict(facts)
    with new_directory(out, "samples", inputs=inputs, facts=facts) as directory:
        (directory / "images").mkdir()
        written: list[Sample] = []
        shown: list[Drawn] = []
        for sample, image, mask in beside(directory, samples) if beside else samples:
            first = shown[0][1] if shown else image
            if image.shape != first.shape or image.dtype != first.dtype:
                raise DataError(
                    f"Image {len(written)} is {described(image)}, the first is {described(first)}; expected "
                    "one kind in a set. Write two sets."
                )
            written.append(_write_one(directory, len(written), sample, image, mask, file_format, num_labels))
            if len(shown) < _PREVIEWED:
                shown.append((sample, image, mask))
        if not written:
            raise DataError("There are no samples to write; expected at least one. Ask for more than 0 images.")
        facts["format"] = _format_facts(shown[0][1], file_format, num_labels, len(written))
        _write_table(directory / _TABLE, written)
        _write_preview(directory / "preview.png", shown)
    return SampleSet.open(out)


def _write_one(
    directory: Path,
    index: int,
    sample: Sample,
    image: NDArray[np.integer],
    mask: NDArray[np.uint8] | None,
    file_format: FileFormat,
    num_labels: int,
) -> Sample:
    file_name, mask_name = f"images/{index:05d}.{file_format}", ""
    with storage_errors(directory):
        write_pixels(directory / file_name, image)
        if mask is not None:
            if mask.shape != image.shape[1:] or mask.dtype != np.uint8 or mask.max(initial=0) >= num_labels:
                raise DataError(
                    f"Mask {index} is {described(mask)} with values up to {mask.max(initial=0)}; expected "
                    f"uint8 of shape {list(image.shape[1:])} with labels 0 to {num_labels - 1}."
                )
            mask_name = f"masks/{index:05d}.png"
            (directory / "masks").mkdir(exist_ok=True)
            write_pixels(directory / mask_name, (mask * 255 if num_labels == 2 else mask)[None])
    return replace(sample, file_name=file_name, mask_name=mask_name)


def _write_table(path: Path, samples: Sequence[Sample]) -> None:
    columns = ["file_name", "mask_name", "seed", "label", "lineage", "mask_from", "style_from"]
    with storage_errors(path):
        write_csv(path, columns, ([getattr(sample, column) for column in columns] for sample in samples))


def _read_table(path: Path, files: Collection[str]) -> list[Sample]:
    """The rows of ``samples.csv``; they name no file but those of the set, which are inside and have digests.

    Raises:
        ValueError: it is not as we write it.
    """
    known = {field.name for field in fields(Sample)}
    table = read_csv(path)
    columns = next(table)
    if set(columns) | {"mask_from", "style_from"} != known:  # sets of before have no such columns
        raise ValueError(f"{path.name} has the columns {columns}; expected {sorted(known)}")
    samples = []
    for number, cells in enumerate(table, start=2):
        row = dict(zip(columns, cells, strict=True))
        if row["lineage"] not in get_args(Lineage):
            raise ValueError(f"{path.name} has the lineage {row['lineage']!r} in row {number}")
        for name in (row["file_name"], row["mask_name"] or row["file_name"]):
            if name not in files:
                raise ValueError(f"{path.name} names {name!r} in row {number}, which is no file of the set")
        told: dict[str, Any] = {**row, "seed": int(row["seed"])}
        samples.append(Sample(**told))
    return samples


def _check_format(facts: dict[str, Any], count: int) -> None:
    """Compare what a set says of its images with what a set of ours can hold.

    Raises:
        ValueError, KeyError: it says something else, or nothing.
    """
    said = facts["format"]
    if not isinstance(said, dict) or any(type(said[name]) is not int for name in _COUNTED):
        raise ValueError("its format is not told in whole numbers")
    if said["num_images"] != count or not count:
        raise ValueError(f"it says that it holds {said['num_images']} images, and {_TABLE} has {count}")
    if said["bits"] not in (8, 16) or not 1 <= said["num_labels"] <= 256:
        raise ValueError(f"it says that it has {said['bits']} bits and {said['num_labels']} labels")


def _foreign_samples(path: Path) -> tuple[list[Sample], list[str]]:
    """What another tool left; what its table says of seeds and lineage is told, and proved by nothing."""
    found, left_out = find_samples(path)
    samples = []
    for one in found:
        if one.lineage not in ("", *get_args(Lineage)) or (one.seed and not one.seed.isdecimal()):
            raise DataError(
                f"{path / _TABLE} says of {one.file_name} the lineage {one.lineage!r} and the seed {one.seed!r}; "
                f"expected one of {', '.join(get_args(Lineage))}, and a whole number. Correct it, or leave both empty."
            )
        lineage = cast(Lineage, one.lineage or "unknown")
        samples.append(Sample(**{**asdict(one), "seed": int(one.seed or 0), "lineage": lineage}))
    return samples, left_out


def _format_facts(image: NDArray[np.integer], file_format: FileFormat, num_labels: int, count: int) -> dict[str, Any]:
    return {
        "file_format": file_format,
        "num_images": count,
        "channels": image.shape[0],
        "height": image.shape[1],
        "width": image.shape[2],
        "bits": image.dtype.itemsize * 8,
        "num_labels": num_labels,
        "mask_values": "0 and 255" if num_labels == 2 else "labels",
    }


def _write_preview(path: Path, shown: Sequence[Drawn]) -> None:
    images = np.stack([image for _, image, _ in shown])
    masks = [mask for _, _, mask in shown if mask is not None]
    drawn = np.stack(masks) if len(masks) == len(shown) else np.zeros((len(shown), 0, 0), np.uint8)
    save_png(path, pairs_grid(images, drawn), longest_side=_PREVIEW_SIDE)

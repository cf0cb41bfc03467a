"""``prepare``: a folder of photographs -> a prepared data set, split by patient, the holdout sealed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmed import artifacts
from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset, Row
from synthmed.data.geometry import fit_image, fit_mask, fit_of
from synthmed.data.masks import field_of_view
from synthmed.data.split import split_patients
from synthmed.data.store import DatasetWriter
from synthmed.errors import ConfigError, SourceError
from synthmed.sources.raster import (
    FoundImages,
    Rejection,
    SourceImage,
    find,
    read_header,
    read_image,
    read_mask,
)

KINDS = {"retina": "vessel", "cells": "cell", "generic": "foreground"}
"""Kind of images -> what label 1 of their masks is called."""

_SIZES = range(8, 8193)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What is known before a pixel is decoded: the images that fit together, their patients and splits."""

    images: list[SourceImage]
    digests: dict[Path, str]
    pseudonyms: dict[str, str]
    splits: dict[str, str]
    channels: int
    bits: int
    rejected: list[Rejection]


def prepare(
    source: Path,
    out: Path,
    *,
    kind: str = "generic",
    size: tuple[int, int] | int = 256,
    holdout: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> PreparedDataset:
    """Prepare a folder of photographs for training.

    A file that cannot be used is noted in ``rejected.csv`` with its reason, and the rest goes on. The same
    source and settings give the same digest.

    Args:
        source: a folder; ``synthmed.sources.raster`` names the layouts.
        out: a new place.
        kind: "retina" (fields of view are computed where there are none), "cells" or "generic".
        size: (height, width) in pixels, or one number for both; pictures are fitted without bending them.
        holdout: fraction of the patients without a declared split to seal away.
        test: fraction of those patients to test on.
        seed: another seed, another split.
        progress: called with (images done, images in all).

    Raises:
        ConfigError: an unknown kind, a size or a fraction out of range.
        SourceError: no usable images, or one patient in two declared splits.
        ArtifactError: something with content already stands at ``out``.
        StorageError: the disk is full or may not be written.
    """
    source, out = Path(source), Path(out)
    height, width = _checked_size(kind, size)
    artifacts.refuse_existing(out)
    found = find(source)
    plan = _plan(found, source, holdout=holdout, test=test, seed=seed)
    settings = dict(kind=kind, height=height, width=width, holdout=holdout, test=test, seed=seed)
    with DatasetWriter(out, _info(plan, found, kind, height, width)) as writer:
        _write(writer, plan, source, kind, progress)
        counts = {"accepted": len(writer.rows), "rejected": len(writer.rejected)}
        provenance = {"layout": found.layout, "counts": counts, "settings": settings}
        writer.info = writer.info.model_copy(update={"provenance": provenance})
    return PreparedDataset.open(out, verify=False)


def _checked_size(kind: str, size: tuple[int, int] | int) -> tuple[int, int]:
    if kind not in KINDS:
        raise ConfigError(f"The kind {kind!r} is unknown; expected one of {', '.join(KINDS)}.")
    height, width = (size, size) if isinstance(size, int) else size
    if height not in _SIZES or width not in _SIZES:
        raise ConfigError(
            f"The size {height} x {width} was asked for; expected whole numbers of {_SIZES[0]} to {_SIZES[-1]} pixels."
        )
    return height, width


def _plan(found: FoundImages, source: Path, *, holdout: float, test: float, seed: int) -> _Plan:
    """Read every header and digest, reject what does not fit together, split the patients that are left."""
    rejected = list(found.rejected)
    kinds, digests = _readable(found, source, rejected)
    # Most images decide; of equally many the richer kind does.
    votes = Counter(kinds.values())
    channels, bits = max(votes, key=lambda key: (votes[key], key), default=(1, 8))
    images = [image for image in found.images if kinds.get(image.path) == (channels, bits)]
    for path, (other_channels, other_bits) in kinds.items():
        if (other_channels, other_bits) != (channels, bits):
            reason = (
                f"It has {_channels(other_channels)} of {other_bits} bits; expected {_channels(channels)} of "
                f"{bits} bits as most images here. Convert it, or prepare it as its own set."
            )
            rejected.append(Rejection(file=_relative(path, source), reason=reason))
    declared: dict[str, str] = {}
    for image in images:
        declared[image.patient_id] = declared.get(image.patient_id) or image.split
    return _Plan(
        images=images,
        digests=digests,
        pseudonyms={patient: f"P{number:04d}" for number, patient in enumerate(sorted(declared), start=1)},
        splits=split_patients(declared, holdout=holdout, test=test, seed=seed),
        channels=channels,
        bits=bits,
        rejected=rejected,
    )


def _readable(
    found: FoundImages, source: Path, rejected: list[Rejection]
) -> tuple[dict[Path, tuple[int, int]], dict[Path, str]]:
    """Channels and bits, and digest, of every image whose header can be read; a second copy is rejected."""
    kinds: dict[Path, tuple[int, int]] = {}
    digests: dict[Path, str] = {}
    first_with: dict[str, Path] = {}
    for image in found.images:
        file = _relative(image.path, source)
        try:
            header = read_header(image.path)
            digest = artifacts.file_digest(image.path)
        except (SourceError, OSError) as error:
            reason = str(error) if isinstance(error, SourceError) else "It cannot be read from the disk."
            rejected.append(Rejection(file=file, reason=reason))
            continue
        twin = first_with.setdefault(digest, image.path)
        if twin != image.path:
            # Kept, the two could be in two splits: the same image trained on and tested on.
            reason = f"Its bytes are those of {_relative(twin, source)}; expected each image once. Remove one."
            rejected.append(Rejection(file=file, reason=reason))
            continue
        kinds[image.path], digests[image.path] = (header.channels, header.bits), digest
    return kinds, digests


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _channel_names(number: int) -> list[str]:
    names = {1: ["grey"], 3: ["red", "green", "blue"]}
    return names.get(number, [f"channel {index}" for index in range(number)])


def _info(plan: _Plan, found: FoundImages, kind: str, height: int, width: int) -> DatasetInfo:
    has_masks = any(image.mask_path for image in plan.images)
    has_fields = kind == "retina" or any(image.field_path for image in plan.images)
    return DatasetInfo(
        kind=kind,
        channels=_channel_names(plan.channels),
        height=height,
        width=width,
        bits=16 if plan.bits == 16 else 8,
        intensity=Intensity(low=0, high=2**plan.bits - 1, unit="grey value"),
        mask_labels={"0": "background", "1": KINDS[kind]} if has_masks else {},
        has_fields=has_fields,
    )


def _write(
    writer: DatasetWriter, plan: _Plan, source: Path, kind: str, progress: Callable[[int, int], None] | None
) -> None:
    """Hand every planned image to the writer; one that cannot be read is rejected and the rest goes on."""
    for rejection in plan.rejected:
        writer.reject(rejection.file, rejection.reason)
    for done, image in enumerate(plan.images, start=1):
        try:
            _add(writer, image, plan, kind)
        except SourceError as error:
            writer.reject(_relative(image.path, source), str(error))
        if progress:
            progress(done, len(plan.images))
    if not writer.rows:
        raise SourceError(_all_rejected(source, writer.rejected))


def _add(writer: DatasetWriter, image: SourceImage, plan: _Plan, kind: str) -> None:
    """Read one image with its mask and field, fit them and hand them to the writer."""
    pixels = read_image(image.path)
    source_height, source_width = pixels.shape[1:]
    if (len(pixels), pixels.dtype.itemsize * 8) != (plan.channels, plan.bits):
        raise SourceError(f"{image.path.name} decodes to other channels or bits than its header says. Save it anew.")
    mask = _partner(image.mask_path, pixels, "mask")
    field = _partner(image.field_path, pixels, "field of view")
    if field is None and kind == "retina":
        field = field_of_view(pixels)
    height, width = writer.info.height, writer.info.width
    fit = fit_of(source_height, source_width, height, width)
    row = Row(
        id=f"{len(writer.rows):06d}",
        patient_id=plan.pseudonyms[image.patient_id],
        split=plan.splits[image.patient_id],
        label=image.label,
        mask_source="none" if mask is None else "manual",
        source_digest=plan.digests[image.path],
        source_height=source_height,
        source_width=source_width,
        scale=fit.scale,
        pad_top=fit.pad_top,
        pad_left=fit.pad_left,
    )
    writer.add(
        row,
        fit_image(pixels, fit, height, width),
        None if mask is None else fit_mask(mask, fit, height, width),
        None if field is None else fit_mask(field, fit, height, width),
    )


def _partner(path: Path | None, pixels: np.ndarray, what: str) -> np.ndarray | None:
    """The mask or field of an image, checked to be of its size."""
    if path is None:
        return None
    partner = read_mask(path)
    if partner.shape != pixels.shape[1:]:
        raise SourceError(
            f"The image has {pixels.shape[2]} x {pixels.shape[1]} pixels and its {what} {path.name} "
            f"{partner.shape[1]} x {partner.shape[0]}; expected the same size. Correct the {what}."
        )
    return partner


def _relative(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()


def _all_rejected(source: Path, rejected: list[tuple[str, str]]) -> str:
    file, reason = min(rejected)
    return (
        f"{source} holds no usable images: all {len(rejected)} were left out; expected at least one. "
        f"The first is {file}: {reason}"
    )

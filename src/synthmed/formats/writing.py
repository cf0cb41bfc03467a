"""Write synthetic images, and their masks, in a format of the field.

One call for all formats::

    write(samples.drawn(), folder, "dicom", meaning=Meaning.of_samples(samples),
          provenance=Provenance.of_samples(samples))

Under the folder lie ``images/`` and ``masks/``, every image under its number. Images of several channels that are no
colours have a folder each with a file for every channel, except in formats that hold them all (npy).

============  =================================================  ===================================
Format        images                                             masks
============  =================================================  ===================================
png, tiff     stored numbers, 8 or 16 bits                       0 and 255, or labels
npy           float32 [C H W] in the unit of the images          uint8 [H W] labels
nifti         stored numbers with slope and intercept, affine;   uint8 labels on the same grid
              ``.json`` beside them
dicom         stored numbers with slope and intercept; what      segmentation objects that name their
              object, see ``formats.dicom``                      image
============  =================================================  ===================================
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import storage_errors
from synthmed.config import did_you_mean
from synthmed.errors import ConfigError, DataError
from synthmed.formats._contract import Writer
from synthmed.formats.meaning import Meaning, Provenance
from synthmed.samples import Drawn, Sample

FileFormat = Literal["png", "tiff", "npy", "nifti", "dicom"]
FORMATS: tuple[str, ...] = get_args(FileFormat)


def write(
    drawn: Iterable[Drawn], folder: Path, file_format: str, *, meaning: Meaning, provenance: Provenance,
    dicom_object: str = "sc",
) -> list[Path]:  # fmt: skip
    """Write images one after the other: memory stays flat however many there are.

    The folder is one that the caller is filling, such as a part of an artifact (``artifacts.new_directory``), so that
    an interrupted run leaves nothing that looks whole.

    Args:
        drawn: sample, image [C H W] uint8 or uint16, mask [H W] uint8 or None.
        folder: where ``images/`` and ``masks/`` are made.
        file_format: one of ``FORMATS``.
        meaning: of the stored numbers.
        provenance: what the images were made from.
        dicom_object: one of ``formats.dicom.OBJECTS``: "sc", "multi-frame", "ct", "mr", "mg" or "op".

    Returns:
        The files, in the order in which they were written.

    Raises:
        ConfigError: an unknown format or object, or an object that does not fit the images.
        DataError: an image or a mask that is not as ``meaning`` says.
        StorageError: the disk is full or may not be written.
    """
    writer = writer_of(file_format, meaning=meaning, provenance=provenance, dicom_object=dicom_object)
    files: list[Path] = []
    with storage_errors(folder):
        for number, (sample, image, mask) in enumerate(drawn):
            files += _add(writer, folder, number, sample, image, mask, meaning)
        files += writer.close(folder)
    return files


def copying(writer: Writer, folder: Path, meaning: Meaning, drawn: Iterable[Drawn]) -> Iterator[Drawn]:
    """Write images on their way from one that makes them to one that keeps them.

    Args:
        writer: of ``writer_of``.
        folder: where ``images/`` and ``masks/`` are made.
        meaning: of the stored numbers.
        drawn: the images, which are given on as they are.

    Raises:
        DataError, StorageError: as ``write``.
    """
    for number, (sample, image, mask) in enumerate(drawn):
        with storage_errors(folder):
            _add(writer, folder, number, sample, image, mask, meaning)
        yield sample, image, mask
    with storage_errors(folder):
        writer.close(folder)


def writer_of(file_format: str, *, meaning: Meaning, provenance: Provenance, dicom_object: str = "sc") -> Writer:
    """The writer of a format, all that can be refused without an image refused.

    Raises:
        ConfigError: as ``write``.
    """
    if file_format not in FORMATS:
        raise ConfigError(
            f"There is no format {file_format!r}{did_you_mean(file_format, FORMATS)}; expected one of "
            f"{', '.join(FORMATS)}."
        )
    if dicom_object != "sc" and file_format != "dicom":
        raise ConfigError(f"--dicom-object is {dicom_object!r} and the format {file_format}; expected --format dicom.")
    if file_format == "dicom":
        from synthmed.formats.dicom import DicomWriter

        return DicomWriter(meaning, provenance, dicom_object)
    if file_format == "nifti":
        from synthmed.formats.nifti import NiftiWriter

        return NiftiWriter(meaning, provenance)
    from synthmed.formats.arrays import ArrayWriter

    return ArrayWriter(meaning, file_format)


def _add(
    writer: Writer, folder: Path, number: int, sample: Sample, image: NDArray[np.integer],
    mask: NDArray[np.uint8] | None, meaning: Meaning,
) -> list[Path]:  # fmt: skip
    """Check one image and write it.

    Raises:
        DataError: it, or its mask, is not as ``meaning`` says.
    """
    if image.ndim != 3 or len(image) != len(meaning.channels):
        raise DataError(
            f"Image {number} is of shape {list(image.shape)}; expected [channels height width] with the channels "
            f"{', '.join(meaning.channels)}."
        )
    largest = 2**meaning.bits - 1
    if image.dtype.kind not in "iu" or image.min(initial=0) < 0 or image.max(initial=0) > largest:
        raise DataError(
            f"Image {number} holds {image.dtype} pixels from {image.min()} to {image.max()}; expected whole numbers "
            f"from 0 to {largest}, which {meaning.bits} bits hold. Map them to stored numbers first."
        )
    if mask is not None and (mask.shape != image.shape[1:] or mask.dtype != np.uint8):
        raise DataError(
            f"Mask {number} is {mask.dtype} of shape {list(mask.shape)}; expected uint8 labels of shape "
            f"{list(image.shape[1:])}, those of its image."
        )
    stored: NDArray[np.integer] = image.astype(f"uint{meaning.bits}", copy=False)
    return writer.add(folder, number, sample, stored, mask)

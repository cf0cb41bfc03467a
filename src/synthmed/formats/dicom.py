"""DICOM files of synthetic images: secondary captures, or objects of their modality, and masks as segmentations.

Every image is a study of its own, of a patient that never was: ``SYNTHETIC^...``, ``SYN-...``. Images of several
channels that are no colours become one study with a series for each channel. Multi-frame objects hold up to 256 images
as frames of one file. All is marked: Synthetic Data = YES, derived, contributed to by synthesizing equipment. No date,
name or identifier of a source is in any of it; there is none to copy.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError
from synthmed.formats._contract import channel_place, place
from synthmed.formats.dicom_images import image_of, save
from synthmed.formats.dicom_masks import mask_of, mask_uid
from synthmed.formats.dicom_modules import OBJECTS, Frames
from synthmed.formats.identifiers import Subject
from synthmed.formats.meaning import Meaning, Provenance
from synthmed.samples import Sample

__all__ = ["OBJECTS", "DicomWriter"]

FRAMES = 256
"""Of a multi-frame file, at most; so many images are in the memory at once."""


class DicomWriter:
    """The writer of dicom.

    Args:
        meaning: of the stored numbers.
        provenance: what the images were made from.
        dicom_object: a key of ``OBJECTS``.

    Raises:
        ConfigError: an unknown object, or one that does not fit the images.
    """

    def __init__(self, meaning: Meaning, provenance: Provenance, dicom_object: str) -> None:
        _check_object(meaning, dicom_object)
        self._meaning, self._provenance = meaning.shown, provenance
        self._object = OBJECTS[dicom_object]
        self._frames = FRAMES if dicom_object == "multi-frame" else 1
        self._waiting: list[tuple[int, Sample, NDArray[np.integer], NDArray[np.uint8] | None]] = []

    def add(
        self, folder: Path, number: int, sample: Sample, image: NDArray[np.integer], mask: NDArray[np.uint8] | None
    ) -> list[Path]:
        """Write one image and its mask, or keep them until a file of many frames is full."""
        written = [] if not self._waiting or self._waiting[0][2].shape == image.shape else self.close(folder)
        self._waiting.append((number, sample, image, mask))
        return written + (self.close(folder) if len(self._waiting) == self._frames else [])

    def close(self, folder: Path) -> list[Path]:
        """Write what waits."""
        if not self._waiting:
            return []
        waiting, self._waiting = self._waiting, []
        number, sample, _, mask = waiting[0]
        subject = Subject.of(self._provenance, sample, number)
        meaning, files, images = self._meaning, [], []
        series = _series(np.stack([image for _, _, image, _ in waiting]), meaning)
        names = meaning.channels if len(series) > 1 else ("",)
        its_mask = "" if mask is None else mask_uid(subject, 1, mask)
        for index, (stored, name) in enumerate(zip(series, names, strict=True)):
            frames = Frames(stored=stored, meaning=meaning, subject=subject, mask=its_mask)
            images.append(image_of(frames, self._object, self._provenance, series=index + 1, name=name))
            files.append(channel_place(folder, number, names, index, ".dcm"))
            save(files[-1], images[-1])
        for frame, (one, _, _, mask) in enumerate(waiting, start=1):
            if mask is not None:
                files.append(place(folder, "masks", one, ".dcm"))
                save(files[-1], mask_of(mask, images[0], frame, meaning, self._provenance, subject))
        return files


def _series(images: NDArray[np.integer], meaning: Meaning) -> Sequence[NDArray[np.integer]]:
    """Images [F C H W] as the pixels of each series: one in colour [F H W 3], or one a channel [F H W]."""
    return [images.transpose(0, 2, 3, 1)] if meaning.is_colour else list(images.transpose(1, 0, 2, 3))


def _check_object(meaning: Meaning, name: str) -> None:
    if name not in OBJECTS:
        raise ConfigError(
            f"There is no DICOM object {name!r}{did_you_mean(name, OBJECTS)}; expected one of {', '.join(OBJECTS)}."
        )
    wanted = OBJECTS[name]
    fitting = ", ".join(key for key, one in OBJECTS.items() if meaning.kind in one.kinds or not one.kinds)
    if wanted.kinds and meaning.kind not in wanted.kinds:
        raise ConfigError(
            f"The images are of the kind {meaning.kind}, and the DICOM object {name} holds {wanted.kinds[0]} images; "
            f"expected one of {fitting}."
        )
    if name == "ct" and not meaning.is_hounsfield:
        raise ConfigError(
            f"The images hold the unit {meaning.unit!r}, and a CT object Hounsfield units. Write sc or multi-frame."
        )
    if wanted.needs_spacing and len(meaning.spacing_mm) != 2:
        raise ConfigError(
            f"It is not known how large a pixel of the images is, and the DICOM object {name} must say it. Write sc "
            "or multi-frame, or train anew on images that say their spacing."
        )
    if meaning.is_colour and meaning.bits == 16 and name != "sc":
        raise ConfigError(f"The images are in colour of 16 bits, which the DICOM object {name} cannot hold. Write sc.")

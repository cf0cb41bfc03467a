"""The files of images and masks as they are handed on: pixels and nothing else, whatever the sample set held."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import read_manifest
from synthmed.errors import ArtifactError
from synthmed.samples import Sample, SampleSet
from synthmed.sources.exact import png_bytes

_PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
"""Parts of a PNG file that hold pixels; all others are metadata."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """One image as it is handed on: its sample, the bytes of its file and of its mask's, None where it has none."""

    sample: Sample
    image: bytes
    mask: bytes | None


def format_of(samples: SampleSet) -> str:
    """The file format in which the images can be handed on exactly: "png", or "npy" for other than 1 or 3 channels."""
    return "png" if samples.shape[0] in (1, 3) else "npy"


def contents(samples: SampleSet, file_format: str) -> Iterator[Content]:
    """Every image of a sample set, read once.

    Raises:
        ArtifactError: a file was changed since the set was opened.
        DataError: images differ in size, channels or bit depth.
    """
    known = read_manifest(samples.path, "samples").files if samples.is_ours else {}
    shape = (samples.shape, samples.images([0]).dtype)
    for place, sample in enumerate(samples.samples):
        image = _kept(samples, sample.file_name, known) if file_format == "png" else None
        if image is None:
            pixels = samples.images([place])[0]
            if (pixels.shape, pixels.dtype) != shape:
                raise ArtifactError(f"{sample.file_name} in {samples.path} is of another size or depth than the first.")
            image = png_bytes(pixels) if file_format == "png" else npy_bytes(pixels)
        mask = _kept(samples, sample.mask_name, known) if sample.mask_name else None
        if sample.mask_name and mask is None:
            labels = samples.masks([place])[0]
            mask = png_bytes((labels * 255 if labels.max(initial=0) <= 1 else labels)[None])
        yield Content(sample=sample, image=image, mask=mask)


def npy_bytes(pixels: NDArray[Any]) -> bytes:
    """The ``.npy`` file of an array."""
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()


def holds_pixels_alone(png: bytes) -> bool:
    """Whether a PNG file holds pixels and no text, time, position or other metadata, nor anything after its end."""
    if not png.startswith(_PNG):
        return False
    place = len(_PNG)
    while place + 12 <= len(png):
        length, kind = int.from_bytes(png[place : place + 4], "big"), png[place + 4 : place + 8]
        if kind not in _PIXELS:
            return False
        place += 12 + length
        if kind == b"IEND":
            return place == len(png)
    return False


def _kept(samples: SampleSet, name: str, known: Mapping[str, Mapping[str, Any]]) -> bytes | None:
    """The bytes of a PNG file of ours, which are handed on as they are; None where it must be written anew."""
    if not name.endswith(".png") or name not in known:
        return None
    content = (samples.path / name).read_bytes()
    if sha256(content).hexdigest() != known[name]["sha256"]:
        raise ArtifactError(
            f"{samples.path / name} was changed while it was published; nothing was written. Restore it, audit anew."
        )
    return content if holds_pixels_alone(content) else None

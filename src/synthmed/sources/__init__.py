"""What people have: image files of many formats. The format is told from the first bytes, never from the name."""

from importlib import import_module
from pathlib import Path
from typing import cast

import numpy as np

from synthmed.errors import SourceError
from synthmed.sources import pixels
from synthmed.sources.image import SourceHeader, SourceImage

_START = 352
"""Bytes that tell every format: DICOM's mark stands at 128, NIfTI's at 344."""


def open_header(path: Path) -> SourceHeader:
    """What a file says of itself, without decoding its pixels, whatever its format.

    Raises:
        SourceError: not a known format, damaged, too large, or of a kind that cannot be read whole.
    """
    owner = import_module(_owner(path))
    return _raster_header(path) if owner is pixels else cast(SourceHeader, owner.read_header(path))


def read(path: Path) -> SourceImage:
    """A decoded file of any format: pixels in physical units [F C H W].

    Raises:
        SourceError: the file cannot be read whole; what was found, what was expected, what to do.
    """
    owner = import_module(_owner(path))
    if owner is pixels:
        return SourceImage(header=_raster_header(path), pixels=pixels.read_image(path)[np.newaxis])
    return cast(SourceImage, owner.read(path))


def _raster_header(path: Path) -> SourceHeader:
    header = pixels.read_header(path)
    return SourceHeader(
        path=path,
        format=header.format,
        height=header.height,
        width=header.width,
        channels=header.channels,
        bits=header.bits,
    )


def _owner(path: Path) -> str:
    """The module that reads a file; it is imported only when a file of its format comes."""
    try:
        with path.open("rb") as file:
            start = file.read(_START)
    except OSError as error:
        raise SourceError(f"{path.name} cannot be read from the disk. Check that it is there and readable.") from error
    name = path.name.lower()
    if start[128:132] == b"DICM" or start[:2] in (b"\x08\0", b"\x02\0") or name.endswith((".dcm", ".ima")):
        return f"{__name__}.dicom"
    if start[344:348] in (b"n+1\0", b"ni1\0") or start.startswith(b"\x1f\x8b") or name.endswith((".nii", ".nii.gz")):
        return f"{__name__}.nifti"
    if start.startswith(b"NRRD"):
        return f"{__name__}.nrrd"
    return f"{__name__}.pixels"

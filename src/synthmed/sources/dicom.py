"""DICOM files of one or many frames: a header that costs nothing, and pixels in physical units.

``docs/how-to/dicom.md`` says what is read and how values are made physical.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthmed.errors import SourceError
from synthmed.sources.dicom_colour import apply_palette, palette_of, palette_start
from synthmed.sources.dicom_file import DicomFile, is_dicom, open_dicom, syntax_name
from synthmed.sources.dicom_frames import JPEG_2000, RAW, check_raw_length, read_frames, reduced_size
from synthmed.sources.dicom_header import KEYWORDS, header_of, layout_of
from synthmed.sources.dicom_segments import header_of_planes, join, planes_of
from synthmed.sources.dicom_values import modality_of, padding_of, to_physical
from synthmed.sources.dicom_windows import tables_of
from synthmed.sources.image import SourceHeader, SourceImage

__all__ = ["fast_reduction", "is_dicom", "read", "read_header"]

_REDUCIBLE = {syntax_name(syntax) for syntax in JPEG_2000}


def read_header(path: Path) -> SourceHeader:
    """What a file says of itself; its pixels are not touched.

    Raises:
        SourceError: not a DICOM image that can be read; what was found, what was expected, what to do.
    """
    with _open(path) as file:
        layout = layout_of(file)
        if file.syntax in RAW:
            check_raw_length(file, layout)
        modality = modality_of(file.dataset, layout, little_endian=file.little_endian, name=path.name)
        header = header_of(file, layout, modality)
        planes = planes_of(file.dataset, layout.frames)
        return header_of_planes(header, planes) if planes else header


def read(path: Path, *, reduce: int = 0) -> SourceImage:
    """Pixels [F C H W] in physical units, white large, with padding and display tables.

    Args:
        path: the file.
        reduce: halve the height and width of JPEG 2000 pictures so many times while decoding, which is many times
            faster and not exact (see ``fast_reduction``); other files are read whole. The result's header has the
            size and spacing of the smaller picture, and ``reduced`` says how often it was halved.

    Raises:
        SourceError: as for ``read_header``, or the pixels are missing, cut short or damaged.
    """
    with _open(path) as file:
        layout = layout_of(file)
        little = file.little_endian
        modality = modality_of(file.dataset, layout, little_endian=little, name=path.name)
        header = header_of(file, layout, modality)
        if header.transfer_syntax not in _REDUCIBLE:
            reduce = 0
        stored = read_frames(file, layout, reduce)
        if planes := planes_of(file.dataset, layout.frames):
            labels = np.moveaxis(join(stored, planes, path.name), -1, 1)
            return SourceImage(header=header_of_planes(header, planes), pixels=labels)
        padding = padding_of(stored, file.dataset, layout, little_endian=little)
        if layout.photometric == "PALETTE COLOR":
            colours = palette_of(file.dataset, little_endian=little, name=path.name)
            first = palette_start(file.dataset, little_endian=little, signed=layout.signed)
            values = apply_palette(stored, colours, first)
        else:
            values = stored if layout.samples == 3 else to_physical(stored, layout, modality)
        pixels = np.ascontiguousarray(np.moveaxis(values, -1, 1))
        below_zero = layout.signed or (modality.table is None and min(modality.intercepts) < 0)
        tables = tables_of(file.dataset, modality, little_endian=little, signed=below_zero)
        return SourceImage(header=_halved(header, reduce), pixels=pixels, padding=padding, tables=tables)


def fast_reduction(header: SourceHeader, height: int, width: int) -> int:
    """How often a picture can be halved while it is decoded and still has at least the given size.

    0 for all but JPEG 2000. For ``read(path, reduce=...)``, where a user asked for speed.

    Args:
        header: of the file.
        height: rows that are wanted.
        width: columns that are wanted.
    """
    halvings = 0
    if header.transfer_syntax in _REDUCIBLE:
        while halvings < 5 and header.height >> (halvings + 1) >= height and header.width >> (halvings + 1) >= width:
            halvings += 1
    return halvings


def _halved(header: SourceHeader, times: int) -> SourceHeader:
    if times == 0:
        return header
    height, width = reduced_size(header.height, header.width, times)
    spacing = tuple(size * (2**times if axis < 2 else 1) for axis, size in enumerate(header.spacing_mm))
    return replace(header, height=height, width=width, spacing_mm=spacing, reduced=times)


@contextmanager
def _open(path: Path) -> Iterator[DicomFile]:
    """Whatever reading throws at a broken file becomes a SourceError without any value of the file."""
    try:
        with open_dicom(path, KEYWORDS) as file:
            yield file
    except SourceError:
        raise
    except PermissionError as error:
        raise SourceError(f"{path.name} may not be read. Change its permissions.") from error
    except FileNotFoundError as error:
        raise SourceError(f"{path.name} is not there; expected a DICOM file. Check the path.") from error
    except IsADirectoryError as error:
        raise SourceError(f"{path.name} is a folder; expected a DICOM file. Name the files in it.") from error
    except MemoryError as error:
        raise SourceError(f"{path.name} does not fit in the memory. Split it into smaller files.") from error
    except Exception as error:  # pydicom raises a dozen kinds of exceptions, with values in their text
        raise SourceError(
            f"{path.name} is damaged or cut short ({type(error).__name__} while reading); expected a whole DICOM "
            "file. Copy it again."
        ) from error

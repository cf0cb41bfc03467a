"""NRRD files (.nrrd), as 3D Slicer writes them: one volume, or several time points; raw or gzip, in one file.

The header is pynrrd's; the voxels are read here, so that no file outside is opened and never more is unpacked than the
header was allowed to claim.
"""

import gzip
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from synthmed.errors import SourceError
from synthmed.sources.image import SourceHeader, SourceImage
from synthmed.sources.volume import (
    Grid,
    check_claims,
    grid_of,
    read_exactly,
    reading,
    slices_of,
    smallest_type,
    without_holes,
)

EXTENSIONS = (".nrrd",)

_HEADER_LIMIT = 1 << 20
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TO_RAS = {
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "las": (-1.0, 1.0, 1.0),
    "left-posterior-superior": (-1.0, -1.0, 1.0),
    "lps": (-1.0, -1.0, 1.0),
}
_SPACE = {"", "domain", "space", "none"}
_REPEATS = {"time", "list"}
"""Kinds of a further axis that are volumes one after another; 3D Slicer calls time points a list."""
_ENCODINGS = {"raw": False, "gzip": True, "gz": True}


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What the header says of the voxels: axes ``stored``, time moved last by ``axes``, after ``offset`` bytes."""

    stored: tuple[int, ...]
    axes: tuple[int, ...]
    dtype: np.dtype
    offset: int
    grid: Grid
    volumes: int
    packed: bool


def read_header(path: Path) -> SourceHeader:
    """Size, spacing and position of an NRRD file, its voxels untouched.

    Raises:
        SourceError: not NRRD, damaged, larger than the limits, voxels in another file, no patient coordinates.
    """
    with reading(path):
        return _header(path, _layout(path))


def read(path: Path) -> SourceImage:
    """All slices of an NRRD file: axial, anterior up, the patient's right at the left, from the feet to the head.

    Raises:
        SourceError: as ``read_header``, or the voxels cannot be read whole.
    """
    with reading(path):
        layout = _layout(path)
        size = int(np.prod(layout.stored)) * layout.dtype.itemsize
        with path.open("rb") as file:
            file.seek(layout.offset)
            if layout.packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    data = read_exactly(unpacked, size, path.name)
            else:
                data = read_exactly(file, size, path.name)
        stored = np.frombuffer(data, layout.dtype).reshape(layout.stored, order="F").transpose(layout.axes)
        stored = stored[..., None] if stored.ndim == 3 else stored
        pixels, padding = without_holes(slices_of(stored, layout.grid))
        return SourceImage(header=_header(path, layout), pixels=smallest_type(pixels), padding=padding)


def _header(path: Path, layout: _Layout) -> SourceHeader:
    grid = layout.grid
    return SourceHeader(
        path=path,
        format="NRRD",
        height=grid.height,
        width=grid.width,
        frames=grid.slices * layout.volumes,
        volumes=layout.volumes,
        bits=8 * layout.dtype.itemsize,
        spacing_mm=grid.spacing_mm,
        position_mm=grid.position_mm,
        orientation=grid.orientation,
    )


def _layout(path: Path) -> _Layout:
    fields, offset = _fields(path)
    if any(name in fields for name in ("data file", "datafile")):
        raise SourceError(f"{path.name} keeps its voxels in another file; expected one file. Save it as one .nrrd.")
    if fields["encoding"].lower() not in _ENCODINGS or fields.get("line skip", 0) or fields.get("byte skip", 0):
        raise SourceError(f"{path.name} stores its voxels in an unusual way; expected raw or gzip. Save it anew.")
    space = str(fields.get("space", "")).lower()
    if space not in _TO_RAS or "space directions" not in fields:
        raise SourceError(
            f"{path.name} does not say how the patient lies (its space is {space[:40] or 'missing'!r}); expected "
            "left-posterior-superior or alike. Save it from a program that knows, such as 3D Slicer."
        )
    sizes = tuple(int(size) for size in fields["sizes"])
    directions = np.array(fields["space directions"], float).reshape(-1, 3)
    if len(sizes) not in (3, 4) or len(directions) != len(sizes):
        raise SourceError(f"{path.name} has {len(sizes)} axes; expected a volume, or volumes of several time points.")
    spatial = [axis for axis in range(len(sizes)) if np.isfinite(directions[axis]).all()]
    if len(spatial) != 3:
        raise SourceError(f"{path.name} has {len(spatial)} axes in space; expected 3. Save it anew.")
    others = [axis for axis in range(len(sizes)) if axis not in spatial]
    dtype = _dtype(path, fields)
    _check_kinds(path, fields, spatial, others)
    packed = _ENCODINGS[fields["encoding"].lower()]
    check_claims(path, sizes, dtype.itemsize, offset, packed=packed)
    affine = np.eye(4)
    affine[:3, :3] = directions[spatial].T
    affine[:3, 3] = np.array(fields.get("space origin", np.zeros(3)), float)
    affine = np.diag([*_TO_RAS[space], 1.0]) @ affine
    x, y, z = (sizes[axis] for axis in spatial)
    return _Layout(
        stored=sizes,
        axes=(*spatial, *others),
        dtype=dtype,
        offset=offset,
        grid=grid_of(path.name, (x, y, z), affine),
        volumes=sizes[others[0]] if others else 1,
        packed=packed,
    )


def _kinds(fields: dict[str, Any], count: int) -> list[str]:
    """What the header calls each axis, in small letters; "" where it does not say."""
    said = [str(kind).lower().replace("???", "") for kind in fields.get("kinds", [])]
    return said if len(said) == count else [""] * count


def _check_kinds(path: Path, fields: dict[str, Any], spatial: list[int], others: list[int]) -> None:
    kinds = _kinds(fields, len(spatial) + len(others))
    strange = [kinds[axis] for axis in spatial if kinds[axis] not in _SPACE]
    strange += [kinds[axis] for axis in others if kinds[axis] not in _REPEATS and fields["sizes"][axis] > 1]
    if strange:
        raise SourceError(
            f"{path.name} has an axis of the kind {strange[0][:40] or 'not said'!r}; expected three axes in space and "
            "at most one of time points, of the kind list or time. Save one grey volume from it."
        )


def _fields(path: Path) -> tuple[dict[str, Any], int]:
    """The header's fields, and the byte after the empty line that ends it."""
    with path.open("rb") as file:
        start = file.read(_HEADER_LIMIT)
    ends = [place + len(end) for end in (b"\n\n", b"\r\n\r\n") if (place := start.find(end)) >= 0]
    if not start.startswith(b"NRRD") or not ends:
        raise SourceError(f"{path.name} does not begin like an NRRD file. Save it as NRRD anew.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return dict(nrrd.read_header(io.BytesIO(start[: min(ends)]))), min(ends)
        except nrrd.NRRDError as error:
            raise SourceError(f"{path.name} has a header that cannot be read. Save it as NRRD anew.") from error


def _dtype(path: Path, fields: dict[str, Any]) -> np.dtype:
    code = next((code for code, names in _TYPES.items() if fields["type"] in names), None)
    if code is None:
        raise SourceError(f"{path.name} holds voxels of an unusual type; expected whole numbers or decimals.")
    return np.dtype({"big": ">", "little": "<"}.get(fields.get("endian", "little"), "<") + code)

"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz): volumes of one contrast, or of several time points.

The header is nibabel's; the voxels are read here, so that never more is unpacked than the header was allowed to claim.
The slope and the intercept of the header are applied: they give the values that the file means. A file says nothing
of its patient; a kind of data set knows whose it is.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import nibabel
import numpy as np

from synthmed.errors import SourceError
from synthmed.sources.image import SourceHeader, SourceImage
from synthmed.sources.volume import (
    Grid,
    check_claims,
    grid_of,
    read_exactly,
    reading,
    refuse_colours,
    slices_of,
    smallest_type,
    without_holes,
)

EXTENSIONS = (".nii", ".nii.gz")

_HEADERS = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_NO_SCALARS = {1004, 1005, 1006, 1007, 1008, 1009, 1010, 2003, 2004}
"""Intents whose further axis is not time: matrices, displacements, vectors, points, triangles, quaternions, colours."""
_MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What the header says of the voxels: [x y z t] of ``dtype`` from byte ``offset`` on."""

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    grid: Grid
    packed: bool


def read_header(path: Path) -> SourceHeader:
    """Size, spacing and position of a NIfTI file, its voxels untouched.

    ``frames`` counts all slices of all time points, ``volumes`` the time points.

    Raises:
        SourceError: not NIfTI, damaged, larger than the limits, coloured or complex voxels, slanted axes.
    """
    with reading(path):
        return _header(path, _layout(path))


def read(path: Path) -> SourceImage:
    """All slices of a NIfTI file: axial, anterior up, the patient's right at the left, from the feet to the head.

    Voxels that are no number are marked as padding.

    Raises:
        SourceError: as ``read_header``, or the voxels cannot be read whole.
    """
    with reading(path):
        layout = _layout(path)
        count = int(np.prod(layout.shape))
        with _opened(path, layout.packed) as file:
            file.read(layout.offset)
            data = read_exactly(file, count * layout.dtype.itemsize, path.name)
        stored = np.frombuffer(data, layout.dtype).reshape(layout.shape, order="F")
        pixels, padding = without_holes(slices_of(stored, layout.grid))
        if (layout.slope, layout.intercept) != (1.0, 0.0):
            kind = np.float32 if np.can_cast(layout.dtype, np.float32) else np.float64
            pixels = pixels * kind(layout.slope) + kind(layout.intercept)
        return SourceImage(header=_header(path, layout), pixels=smallest_type(pixels), padding=padding)


def _header(path: Path, layout: _Layout) -> SourceHeader:
    grid = layout.grid
    return SourceHeader(
        path=path,
        format="NIfTI",
        height=grid.height,
        width=grid.width,
        frames=grid.slices * layout.shape[3],
        volumes=layout.shape[3],
        bits=8 * layout.dtype.itemsize,
        spacing_mm=grid.spacing_mm,
        position_mm=grid.position_mm,
        orientation=grid.orientation,
    )


def _layout(path: Path) -> _Layout:
    packed = _is_packed(path)
    with _opened(path, packed) as file:
        start = file.read(540)
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")} & _HEADERS.keys()
    if not sizes or len(start) < max(sizes):
        raise SourceError(f"{path.name} does not begin like a NIfTI file. Convert it to NIfTI anew.")
    (size,) = sizes
    header = _HEADERS[size](start[:size], check=True)
    if header["magic"].tobytes()[:3] not in (b"n+1", b"n+2"):
        raise SourceError(f"{path.name} is one of a pair of .hdr and .img; expected one file. Save it as .nii.gz.")
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise SourceError(f"{path.name} holds colours or complex numbers; expected grey values. Convert it anew.")
    shape = _four_axes(path, header.get_data_shape())
    if int(header["intent_code"]) in _NO_SCALARS:
        raise SourceError(
            f"{path.name} holds several numbers for each voxel ({header.get_intent()[0]}), no time points; expected "
            "grey values. Save each of them, or the one that matters, as its own volume."
        )
    if header.get_xyzt_units()[1] == "unknown":
        refuse_colours(path, shape[3], dtype)
    offset = int(header.get_data_offset())
    check_claims(path, shape, dtype.itemsize, offset, packed=packed)
    slope, intercept = header.get_slope_inter()
    scale = _MILLIMETRES[header.get_xyzt_units()[0]]
    affine = np.diag([scale, scale, scale, 1.0]) @ header.get_best_affine()
    known = bool(header["sform_code"] or header["qform_code"])
    if not known and shape[3] == 1:
        refuse_colours(path, shape[2], dtype)  # a coloured picture that was saved as if it were a volume
    return _Layout(
        shape=shape,
        dtype=dtype,
        offset=max(offset, size),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        grid=grid_of(path.name, shape[:3], affine, known=known),
        packed=packed,
    )


def _four_axes(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """[x y z t]; axes that a flat picture or a single volume lacks are 1."""
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4:
        raise SourceError(f"{path.name} has {len(shape)} axes; expected a volume, or volumes of several time points.")
    x, y, z, t = (*(int(size) for size in shape), 1, 1)[:4]
    return x, y, z, t


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: Path, packed: bool) -> IO[bytes]:
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]

"""What the formats of volumes share: limits on what a file may claim, and one orientation for all.

However a volume is stored, it is handed on as axial slices from the feet to the head, each as a radiologist looks at
it: anterior up, the patient's right at the left. Only whole axes are swapped and turned round; no value is changed.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import nibabel
import numpy as np
from nibabel import orientations

from synthmed.errors import SourceError
from synthmed.sources.pixels import PIXEL_LIMIT

BYTE_LIMIT = 1 << 30
"""Bytes that the voxels of one file may take when unpacked: 2048 slices of 512 x 512 in 16 bits."""
PACKED_LIMIT = 256 << 20
"""Bytes up to which a file may unpack from almost nothing, as an empty label map does."""
RATIO_LIMIT = 200
"""Beyond them, bytes unpacked from one byte; images reach 20 and sparse label maps about 100."""
OFFSET_LIMIT = 16 << 20
"""Bytes that may stand before the voxels, and behind them in a compressed file."""
_DRAINED = 1 << 20

_PERPENDICULAR = 0.02
"""Cosine between two axes that still counts as a right angle: about one degree."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the slices of a volume lie, in the one orientation.

    Args:
        order: for each stored axis x, y, z the axis it becomes and whether it runs on (1) or back (-1), [3 2].
        slices, height, width: voxels.
        spacing_mm: between rows, columns and slices.
        position_mm: patient coordinates (DICOM's LPS) of the first voxel's centre; () = the file does not say.
        orientation: cosines of a row and of a column, six numbers (LPS); () = the file does not say.
    """

    order: np.ndarray
    slices: int
    height: int
    width: int
    spacing_mm: tuple[float, float, float]
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]


def grid_of(name: str, shape: tuple[int, int, int], affine: np.ndarray, *, known: bool = True) -> Grid:
    """The grid of a volume stored as [x y z].

    Args:
        name: of the file, for messages.
        shape: voxels on the three stored axes.
        affine: [4 4], from voxel numbers to millimetres with x to the right, y to the front, z to the head (RAS).
        known: whether the file says how the patient lies; if not, position and orientation stay unknown.

    Raises:
        SourceError: the axes are not at right angles (a tilted gantry), or there is no spacing.

    Example:
        >>> grid = grid_of("liver.nii", (4, 5, 6), np.diag([2.0, 2.0, 3.0, 1.0]))
        >>> grid.slices, grid.height, grid.width, grid.spacing_mm
        (6, 5, 4, (2.0, 2.0, 3.0))
    """
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or lengths.min() < 1e-6:
        raise SourceError(
            f"{name} does not say how far apart its voxels are. Convert it from the scanner's files anew."
        )
    cosines = affine[:3, :3] / lengths
    if np.abs(cosines.T @ cosines - np.eye(3)).max() > _PERPENDICULAR:
        raise SourceError(
            f"{name} has axes that are not at right angles, as from a tilted gantry; expected a straight grid. "
            "Resample it to one."
        )
    order = orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt(("L", "P", "S")))
    turned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine @ orientations.inv_ornt_aff(order, shape)
    sizes = np.linalg.norm(turned[:3, :3], axis=0)
    columns, rows, _ = (turned[:3, :3] / sizes).T
    lengths_of = {int(axis): size for size, (axis, _) in zip(shape, order, strict=True)}
    return Grid(
        order=order,
        slices=lengths_of[2],
        height=lengths_of[1],
        width=lengths_of[0],
        spacing_mm=(float(sizes[1]), float(sizes[0]), float(sizes[2])),
        position_mm=_rounded(turned[:3, 3]) if known else (),
        orientation=_rounded([*columns, *rows]) if known else (),
    )


def slices_of(stored: np.ndarray, grid: Grid) -> np.ndarray:
    """Turn voxels stored as [x y z t] into pictures [t*z 1 y x]: all slices of the first time point, then the next."""
    turned = orientations.apply_orientation(stored, grid.order)
    return np.ascontiguousarray(turned.transpose(3, 2, 1, 0)).reshape(-1, 1, grid.height, grid.width)


def check_claims(path: Path, shape: tuple[int, ...], bytes_per_voxel: int, offset: int, *, packed: bool) -> None:
    """Refuse a file by what its header claims, before a voxel is read.

    Args:
        path: the file.
        shape: of all axes.
        bytes_per_voxel: as stored.
        offset: bytes before the voxels.
        packed: whether the voxels are compressed.

    Raises:
        SourceError: an empty axis, too much, more than the file can hold, or a bomb.
    """
    size, there = int(np.prod([int(axis) for axis in shape], dtype=object)) * bytes_per_voxel, path.stat().st_size
    words = " x ".join(str(axis) for axis in shape)
    if size <= 0 or min(shape) < 1:
        raise SourceError(f"{path.name} claims {words} voxels; expected at least one on every axis. Convert it anew.")
    if size > BYTE_LIMIT or shape[0] * shape[1] > PIXEL_LIMIT or not 0 <= offset <= OFFSET_LIMIT:
        raise SourceError(
            f"{path.name} claims {words} voxels, {size} bytes from byte {offset} on; expected at most {BYTE_LIMIT} "
            f"bytes from byte {OFFSET_LIMIT} on. Cut it into parts."
        )
    if packed and size > PACKED_LIMIT and size > RATIO_LIMIT * there:
        raise SourceError(
            f"{path.name} has {there} bytes and would unpack to {size}; expected at most {RATIO_LIMIT} times as many. "
            "Such a file is made to fill a memory; if it is yours, save it without compression."
        )
    if not packed and there - offset < size:
        raise SourceError(
            f"{path.name} is cut short: its voxels take {size} bytes, and fewer are there. Copy it again."
        )


def refuse_colours(path: Path, count: int, dtype: np.dtype) -> None:
    """Refuse an axis of 3 or 4 bytes that nobody calls space or time: it may as well be red, green and blue.

    Raises:
        SourceError: it is one.
    """
    if count in (3, 4) and dtype.itemsize == 1:
        raise SourceError(
            f"{path.name} has an axis of {count} small numbers and does not say that it is space or time: it may hold "
            "colours. Save one grey volume from it, or have its header say what the axis is."
        )


def read_exactly(file: IO[bytes] | gzip.GzipFile, size: int, name: str) -> bytes:
    """Read ``size`` bytes, and what a compressed file holds beyond them: its checksum stands at the very end.

    Raises:
        SourceError: fewer are there, or so many more that the header cannot be meant.
    """
    data = file.read(size)
    if len(data) < size:
        raise SourceError(f"{name} is cut short: {size} bytes were promised, {len(data)} are there. Copy it again.")
    beyond = 0
    while part := file.read(_DRAINED):
        beyond += len(part)
        if beyond > OFFSET_LIMIT:
            raise SourceError(
                f"{name} unpacks to more than the {size} bytes that its header promises; expected the voxels and no "
                "more. It is damaged: copy it again."
            )
    return data


def smallest_type(pixels: np.ndarray) -> np.ndarray:
    """The same values in the smallest integer type that holds them; as float32 where one is not whole."""
    if pixels.dtype.kind == "f":
        if not np.isfinite(pixels).all() or np.abs(pixels).max() >= 2**31 or (pixels != np.rint(pixels)).any():
            return pixels.astype(np.float32)
        pixels = pixels.astype(np.int64)
    low, high = int(pixels.min()), int(pixels.max())
    for kind in (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return pixels.astype(kind)
    return pixels.astype(np.float32)


def without_holes(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Voxels that are no number become the smallest value there is; the second is where they were [F H W], or None.

    Raises:
        SourceError: no voxel is a number; the caller's context adds the file's name.
    """
    if pixels.dtype.kind != "f" or np.isfinite(pixels).all():
        return pixels, None
    known = np.isfinite(pixels)
    if not known.any():
        raise SourceError("Not one voxel of it is a number; expected a picture. Convert it anew.")
    return np.where(known, pixels, pixels[known].min()), ~known[:, 0]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a file becomes a SourceError that says so in words that may be written down."""
    try:
        yield
    except SourceError:
        raise
    except PermissionError as error:
        raise SourceError(f"{path.name} may not be read. Change its permissions.") from error
    except FileNotFoundError as error:
        raise SourceError(f"{path.name} is not there; expected a volume. Check the path.") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{path.name} cannot be unpacked: it is damaged or cut short. Copy it again.") from error
    except (OSError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError) as error:
        raise SourceError(_damaged(path, error)) from error
    except (nibabel.spatialimages.HeaderDataError, nibabel.wrapstruct.WrapStructError) as error:
        raise SourceError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path.name} is damaged or of an unknown kind ({type(error).__name__} while reading); expected a whole "
        "volume. Copy it again, or convert it anew."
    )


def _rounded(values: np.ndarray | list[float]) -> tuple[float, ...]:
    # Affines are stored in single precision; what lies below a tenth of a micrometre is its noise.
    return tuple(float(value) + 0.0 for value in np.round(values, 7))

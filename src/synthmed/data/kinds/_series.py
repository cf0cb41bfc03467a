"""Files of one acquisition -> a stack of slices with one place in the patient, or the reason why there is none."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthmed.errors import SourceError
from synthmed.sources import read
from synthmed.sources.image import SourceHeader

_SAME_MM = 0.05
"""Positions that differ by less are the same: headers are rounded to hundredths of a millimetre."""
_GAP = 1.2
"""A distance this many times the usual one is a gap."""
_AXIAL = 0.85
"""Cosine between the slices' normal and the body's axis: up to 30 degrees of tilt are still axial."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    r"""Slices on one grid of the patient, as they are shown: anterior up, the patient's right at the left.

    Args:
        slices: [Z H W], from the feet to the head.
        padding: [Z H W] bool, True where the file says that there is no picture; None = nowhere.
        affine: [4 4], from (column, row, slice) to millimetres in the patient (DICOM's LPS).
        turned: how rows and columns of the file lay in the patient where they were turned, such as "P\R"; "" = as
            they are here.
    """

    slices: np.ndarray
    padding: np.ndarray | None
    affine: np.ndarray
    turned: str

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Millimetres between rows, columns and slices."""
        column, row, place = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(row), float(column), float(place)


def series_of(headers: Iterable[SourceHeader]) -> list[list[SourceHeader]]:
    """Group the headers of DICOM files into series, each sorted from the feet to the head; others stand alone.

    Files whose number of the series was taken away when they were made anonymous are one series a folder.
    """
    series: dict[tuple[str, ...], list[SourceHeader]] = defaultdict(list)
    for header in headers:
        if header.format == "DICOM":
            folder = "" if header.series_id else str(header.path.parent)
            series[(header.patient_id, header.study_id, header.series_id, folder)].append(header)
        else:
            series[(str(header.path),)].append(header)
    return [sorted(group, key=_order) for group in series.values()]


def _order(header: SourceHeader) -> tuple[float, int, str]:
    return (_heights([header])[0], header.instance_number, header.path.as_posix())


def height_of(header: SourceHeader) -> float:
    """How far towards the head, along its normal, a slice lies; in millimetres; 0 where it does not say."""
    return float(_heights([header])[0])


def _heights(series: Sequence[SourceHeader]) -> np.ndarray:
    """How far along the slices' normal, towards the head, each slice lies, ascending; in millimetres."""
    first = series[0]
    if len(first.position_mm) != 3 or len(first.orientation) != 6:
        return np.zeros(len(series))
    normal = _normal(first)
    return np.sort([np.dot(normal if normal[2] >= 0 else -normal, place) for place in _places(series)])


def _places(series: Sequence[SourceHeader]) -> list[tuple[float, ...]]:
    """The position of every slice that has its own: each file's, or each frame's."""
    return [place for header in series for place in header.frame_positions_mm or (header.position_mm,)]


def _normal(header: SourceHeader) -> np.ndarray:
    return np.cross(header.orientation[:3], header.orientation[3:])


def without_copies(series: list[SourceHeader]) -> tuple[list[SourceHeader], list[tuple[Path, Path]]]:
    """Leave out files that are the same picture again (the same instance); the second list has (copy, first)."""
    first: dict[str, Path] = {}
    kept, copies = [], []
    for header in series:
        known = first.setdefault(header.instance_id or str(header.path), header.path)
        if known == header.path:
            kept.append(header)
        else:
            copies.append((header.path, known))
    return kept, copies


def why_no_stack(series: Sequence[SourceHeader], *, gaps: bool) -> str:
    """Why the slices of a series make no axial stack, as a sentence for a radiographer; "" where they do.

    Args:
        series: sorted, without copies.
        gaps: whether missing slices are accepted.
    """
    first = series[0]
    if first.channels != 1:
        return "Its pictures are in colour; expected grey values."
    if not first.orientation or not first.position_mm or len(first.spacing_mm) < 2:
        return (
            "It does not say how the patient lies or how large a pixel is; expected position, orientation and spacing. "
            "Export it from the archive anew, with all headers."
        )
    sizes = Counter((header.height, header.width) for header in series)
    if len(sizes) > 1:
        words = " and ".join(f"{count} of {width} x {height}" for (height, width), count in sizes.most_common())
        return f"Its pictures have different sizes ({words} pixels); expected one. Take the odd ones out."
    if len({header.orientation for header in map(_rounded, series)}) > 1:
        return "Its pictures lie in different planes; expected parallel slices. Take the localizers out."
    if abs(_normal(first)[2]) < _AXIAL:
        return "Its slices are not axial; expected slices across the body. Take another series of the study."
    return _why_not_even(np.diff(_heights(series)), gaps=gaps)


def _rounded(header: SourceHeader) -> SourceHeader:
    return replace(header, orientation=tuple(np.round(header.orientation, 3) + 0.0))


def _why_not_even(distances: np.ndarray, *, gaps: bool) -> str:
    if (distances < _SAME_MM).any():
        return (
            f"Two of its pictures lie at the same height ({int((distances < _SAME_MM).sum())} times); expected one. It "
            "may hold two phases or reconstructions: export each as its own series."
        )
    if len(distances) and not gaps:
        usual = float(np.median(distances))
        far = distances > _GAP * usual + _SAME_MM
        if far.any():
            missing = int(np.rint(distances[far] / usual - 1).clip(1).sum())
            return (
                f"About {missing} of its slices are missing: they lie {usual:.2f} mm apart, and once "
                f"{distances.max():.2f} mm. Export the series whole, or set gaps=true."
            )
    return ""


def read_stack(paths: Sequence[Path], volume: int | None = None) -> Volume:
    """Decode the files of one series, sorted from the feet to the head, or one file that holds a volume.

    Args:
        paths: the files.
        volume: which time point of a file of several; None where only one is expected.

    Raises:
        SourceError: a file cannot be read, says nothing of its place, or holds several time points unexpectedly.
    """
    images = [read(path) for path in paths]
    headers = [image.header for image in images]
    first = headers[0]
    if not first.orientation or not first.position_mm or len(first.spacing_mm) < 2:
        raise SourceError(
            f"{first.path.name} does not say how the patient lies; expected position, orientation and spacing. Convert "
            "it from the scanner's files anew."
        )
    if first.volumes > 1 and volume is None:
        raise SourceError(f"{first.path.name} holds {first.volumes} time points; expected one. Save each by itself.")
    slices = np.concatenate([image.pixels[:, 0] for image in images])
    padding = None
    if any(image.padding is not None for image in images):
        padding = np.concatenate(
            [np.zeros(image.pixels[:, 0].shape, bool) if image.padding is None else image.padding for image in images]
        )
    if first.volumes > 1:
        depth = len(slices) // first.volumes
        here = slice((volume or 0) * depth, ((volume or 0) + 1) * depth)
        slices, padding = slices[here], None if padding is None else padding[here]
    places = np.array(_places(headers))
    if len(places) == len(slices):
        order = np.argsort(places @ _normal(first), kind="stable")
        slices, places = slices[order], places[order]
        padding = None if padding is None else padding[order]
    return _turned(slices, padding, _affine(first, places, len(slices)))


def _affine(first: SourceHeader, places: np.ndarray, count: int) -> np.ndarray:
    """From (column, row, slice) to millimetres: by the positions of all slices, or by that of the first."""
    across, down = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    if len(places) == count > 1:
        step = (places[-1] - places[0]) / (count - 1)
    elif count > 1 and len(first.spacing_mm) < 3:
        raise SourceError(f"{first.path.name} does not say how far apart its {count} slices are. Export it anew.")
    else:
        step = np.cross(across, down) * (first.spacing_mm[2] if len(first.spacing_mm) > 2 else 1.0)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across * first.spacing_mm[1], down * first.spacing_mm[0], step
    affine[:3, 3] = places[0]
    return affine


def _turned(slices: np.ndarray, padding: np.ndarray | None, affine: np.ndarray) -> Volume:
    """Swap and turn rows and columns until columns run to the patient's left and rows to the back."""
    letters = "\\".join("LPH RAF"[_main(affine[:3, axis])] for axis in (0, 1))
    if abs(affine[0, 0]) < abs(affine[1, 0]):
        slices = slices.transpose(0, 2, 1)
        padding = None if padding is None else padding.transpose(0, 2, 1)
        affine = affine[:, [1, 0, 2, 3]]
    for axis in (0, 1, 2):
        if affine[axis, axis] < 0:
            slices = np.flip(slices, 2 - axis)
            padding = None if padding is None else np.flip(padding, 2 - axis)
            affine = affine.copy()
            affine[:3, 3] += affine[:3, axis] * (slices.shape[2 - axis] - 1)
            affine[:3, axis] *= -1
    return Volume(
        slices=np.ascontiguousarray(slices),
        padding=padding,
        affine=affine,
        turned="" if letters == "L\\P" else letters,
    )


def _main(direction: np.ndarray) -> int:
    """Index of the letter of a direction in "LPH RAF"."""
    axis = int(np.abs(direction).argmax())
    return axis if direction[axis] > 0 else axis + 4


def same_grid(one: Volume, other: Volume) -> bool:
    """Whether two volumes have their voxels at the same places, to a tenth of a voxel at every corner."""
    if one.slices.shape != other.slices.shape:
        return False
    depth, height, width = one.slices.shape
    corners = np.array([[x, y, z, 1] for x in (0, width - 1) for y in (0, height - 1) for z in (0, depth - 1)], float)
    apart = np.abs((corners @ one.affine.T - corners @ other.affine.T)[:, :3])
    return bool((apart <= 0.1 * min(one.spacing_mm)).all())

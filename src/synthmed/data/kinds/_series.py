"""Files of one acquisition -> a stack of slices with one place in the patient, or the reason why there is none."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from synthmed.data.kinds._one_grid import SAME_MM, why_not_one, why_not_straight
from synthmed.errors import SourceError
from synthmed.sources import read
from synthmed.sources.image import SourceHeader

_GAP = 1.2
"""A distance this many times the usual one is a gap; one so many times smaller belongs to another series."""
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
    return [in_order(group) for group in series.values()]


def in_order(series: Sequence[SourceHeader]) -> list[SourceHeader]:
    """Sorted from the feet to the head; where files do not say where they lie, by their numbers and names."""
    heights = heights_of(series)
    places = sorted(
        range(len(series)), key=lambda k: (heights[k], series[k].instance_number, series[k].path.as_posix())
    )
    return [series[place] for place in places]


def heights_of(series: Sequence[SourceHeader]) -> list[float]:
    """How far towards the head, along the normal of the first of them, each file lies; in millimetres, 0 = unknown."""
    if len(series[0].orientation) != 6:
        return [0.0] * len(series)
    normal = _normal(series[0])  # of one for all: normals differ by what headers are rounded
    upward = normal if normal[2] >= 0 else -normal
    return [float(np.dot(upward, one.position_mm)) if len(one.position_mm) == 3 else 0.0 for one in series]


def _places(series: Sequence[SourceHeader]) -> list[tuple[float, ...]]:
    """The position of every slice that has its own: each file's, or each frame's."""
    return [place for header in series for place in header.frame_positions_mm or (header.position_mm,)]


def _normal(header: SourceHeader) -> np.ndarray:
    return np.cross(header.orientation[:3], header.orientation[3:])


def without_copies(series: list[SourceHeader]) -> tuple[list[SourceHeader], list[tuple[Path, Path]]]:
    """Leave out files that are the same picture again; the second list has (copy, first).

    The same picture has the same pixels at the same place. Only files of one number of the instance at one place are
    decoded: programs that make headers anonymous give all slices the same number.
    """
    twins: dict[tuple[str, tuple[float, ...]], list[SourceHeader]] = defaultdict(list)
    for header in series:
        twins[header.instance_id or str(header.path), header.position_mm].append(header)
    copies: dict[Path, Path] = {}
    for group in twins.values():
        first: dict[str, Path] = {}
        for header in group if len(group) > 1 else []:
            known = first.setdefault(_print_of(header.path), header.path)
            if known != header.path:
                copies[header.path] = known
    return [header for header in series if header.path not in copies], list(copies.items())


def _print_of(path: Path) -> str:
    """A digest of the pixels of a file; of its name where they cannot be read, which is said when they are needed."""
    try:
        pixels = read(path).pixels
    except SourceError:
        return str(path)
    return sha256(str((pixels.shape, pixels.dtype)).encode() + pixels.tobytes()).hexdigest()


def why_no_stack(series: Sequence[SourceHeader], *, gaps: bool) -> str:
    """Why the slices of a series make no axial stack, as a sentence for a radiographer; "" where they do.

    Args:
        series: sorted, without copies.
        gaps: whether missing slices are accepted.
    """
    first = series[0]
    if any(header.channels != 1 for header in series):
        return "Its pictures are in colour; expected grey values."
    if not all(header.orientation and header.position_mm and len(header.spacing_mm) > 1 for header in series):
        return (
            "It does not say how the patient lies or how large a pixel is; expected position, orientation and spacing. "
            "Export it from the archive anew, with all headers."
        )
    if reason := why_not_one(series):
        return reason
    normal = _normal(first)
    if abs(normal[2]) < _AXIAL:
        return "Its slices are not axial; expected slices across the body. Take another series of the study."
    places = np.array(_places(series))
    places = places[np.argsort(places @ normal, kind="stable")]
    if reason := _why_not_even(np.diff(places @ normal), gaps=gaps):
        return reason
    return why_not_straight(places, normal / np.linalg.norm(normal), min(first.spacing_mm[:2]))


def _why_not_even(distances: np.ndarray, *, gaps: bool) -> str:
    if (distances < SAME_MM).any():
        return (
            f"Two of its pictures lie at the same height ({int((distances < SAME_MM).sum())} times); expected one. It "
            "may hold two phases or reconstructions: export each as its own series."
        )
    if not len(distances) or gaps:
        return ""
    usual = float(np.median(distances))
    if (distances > _GAP * usual + SAME_MM).any():
        far = distances[distances > _GAP * usual + SAME_MM]
        missing = int(np.rint(far / usual - 1).clip(1).sum())
        return (
            f"About {missing} of its slices are missing: they lie {usual:.2f} mm apart, and once {far.max():.2f} mm. "
            "Export the series whole, or set gaps=true."
        )
    if (distances < usual / _GAP - SAME_MM).any():
        return (
            f"Its slices lie {usual:.2f} mm apart, and once {distances.min():.2f} mm; expected one distance. It may "
            "hold two reconstructions: export each as its own series, or set gaps=true."
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

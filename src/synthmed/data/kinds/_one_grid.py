"""What the pictures of one stack have in common: the grid in the patient, and the meaning of their numbers.

Headers are rounded, so what is measured is compared with a tolerance, and an orientation as an angle.
"""

from collections.abc import Callable, Sequence

import numpy as np

from synthmed.sources.image import SourceHeader

SAME_MM = 0.05
"""Positions that differ by less are the same: headers are rounded to hundredths of a millimetre."""
_TURNED = 0.5
"""Degrees between two planes that count as one: 2 mm at the border of a chest."""
_STRETCHED = 1e-3
"""Share by which the sizes of pixels may differ: half a pixel in 512."""
_SLANTED = 0.02
"""Millimetres that slices may move sideways in one: about one degree, as volumes in one file may (``volume.py``)."""
_SHIFTED = 0.5
"""Pixels by which a slice may lie beside the line through the first and the last."""

Alike = Callable[[SourceHeader, SourceHeader], bool]


def same_plane(one: SourceHeader, other: SourceHeader) -> bool:
    """Whether rows and columns run in the same directions, to half a degree."""
    ours, theirs = np.reshape(one.orientation, (-1, 3)), np.reshape(other.orientation, (-1, 3))
    if ours.shape != theirs.shape:
        return False
    turns = np.arctan2(np.linalg.norm(np.cross(ours, theirs), axis=1), (ours * theirs).sum(axis=1))
    return bool((np.degrees(turns) <= _TURNED).all())


def same_spacing(one: SourceHeader, other: SourceHeader) -> bool:
    """Whether pixels are equally large, to a thousandth."""
    ours, theirs = np.array(one.spacing_mm[:2]), np.array(other.spacing_mm[:2])
    return ours.shape == theirs.shape and bool((np.abs(ours - theirs) <= _STRETCHED * theirs).all())


def same_place(one: SourceHeader, other: SourceHeader) -> bool:
    """Whether two pictures have their pixels at the same places in the patient."""
    apart = np.subtract(one.position_mm, other.position_mm) if len(one.position_mm) == len(other.position_mm) else 1
    same_size = (one.height, one.width, one.frames) == (other.height, other.width, other.frames)
    return same_size and same_spacing(one, other) and same_plane(one, other) and bool((np.abs(apart) <= SAME_MM).all())


def grouped(series: Sequence[SourceHeader], alike: Alike) -> list[list[SourceHeader]]:
    """Headers that are like the first of their group, the largest group first."""
    groups: list[list[SourceHeader]] = []
    for header in series:
        own = next((group for group in groups if alike(group[0], header)), None)
        if own is None:
            groups.append([header])
        else:
            own.append(header)
    return sorted(groups, key=len, reverse=True)


def why_not_one(series: Sequence[SourceHeader]) -> str:
    """In what the pictures of a series differ that makes them no one stack, as a sentence; "" where in nothing."""
    for alike, word, sentence in _COMPARED:
        groups = grouped(series, alike)
        if len(groups) > 1:
            return sentence.format(" and ".join(f"{len(group)} of {word(group[0])}" for group in groups[:4]))
    if not all(header.frames_alike for header in series):
        return "Its frames lie in different planes or have pixels of different sizes; expected one. Split the file."
    return ""


def why_not_straight(places: np.ndarray, normal: np.ndarray, pixel: float) -> str:
    """Why slices do not lie straight above each other, as a sentence; "" where they do.

    Args:
        places: positions of the slices' first pixels [N 3], in order along the normal.
        normal: of the slices, of length 1.
        pixel: millimetres.
    """
    moved = places - places[0]
    along = moved @ normal
    if len(places) < 2 or along[-1] < SAME_MM:
        return ""
    way = moved[-1] / along[-1]
    if np.linalg.norm(way - normal) > _SLANTED:
        angle = np.degrees(np.arctan(np.linalg.norm(way - normal)))
        return (
            f"Its slices are slanted by {angle:.0f} degrees to the way from one to the next, as from a tilted gantry; "
            "expected a straight stack. Resample it to one."
        )
    aside = np.linalg.norm(moved - along[:, None] * way, axis=1)
    if aside.max() > _SHIFTED * pixel + SAME_MM:
        return (
            f"Its slices do not lie straight above each other: one begins {aside.max():.1f} mm aside. It holds two "
            "reconstructions: export each as its own series."
        )
    return ""


_PARTS = "export each as its own series"
_COMPARED: tuple[tuple[Alike, Callable[[SourceHeader], str], str], ...] = (
    (
        lambda one, other: one.modality == other.modality,
        lambda header: header.modality,
        f"Its pictures are of different modalities ({{}}); expected one: {_PARTS}.",
    ),
    (
        lambda one, other: (one.height, one.width) == (other.height, other.width),
        lambda header: f"{header.width} x {header.height}",
        "Its pictures have different sizes ({} pixels); expected one. Take the odd ones out.",
    ),
    (
        same_plane,
        lambda header: "another" if header.orientation else "none",
        "Its pictures lie in different planes ({}); expected parallel slices. Take the localizers out.",
    ),
    (
        same_spacing,
        lambda header: "{} x {} mm".format(*(f"{size:g}" for size in header.spacing_mm[:2])),
        f"Its pictures have pixels of different sizes ({{}}); expected one: {_PARTS}.",
    ),
    (
        lambda one, other: one.frame_of_reference == other.frame_of_reference,
        lambda header: "one" if header.frame_of_reference else "none",
        f"Its pictures have different frames of reference ({{}}), as if the patient had moved; expected one: {_PARTS}.",
    ),
    (
        lambda one, other: (one.unit, one.photometric) == (other.unit, other.photometric),
        lambda header: f"{header.unit} in {header.photometric}",
        f"The numbers of its pictures mean different things ({{}}); expected one unit: {_PARTS}, with its headers.",
    ),
)

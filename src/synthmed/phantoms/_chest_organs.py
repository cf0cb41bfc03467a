"""The organs of the chest: bones, heart and vessels, airways - each as signed distances in one slice."""

from dataclasses import dataclass

import numpy as np

from synthmed.phantoms._chest import FAR, Chest, Grid, box, capsule, ellipsoid, tube
from synthmed.phantoms._vessels import Floats

_DISC_DISTANCE = 25.0
_RIB_DISTANCE = 25.0

# Vessels of a chest of usual size: x, y, z and radius of points along their course.
_Course = tuple[tuple[float, float, float, float], ...]
_BEFORE_THE_LUNGS: tuple[_Course, ...] = (
    # trunk and left branch of the pulmonary artery, its right branch
    ((12, -38, -52, 14), (14, -34, -34, 13.5), (15, -24, -16, 13.5), (24, -6, -9, 11.5), (42, 12, -10, 9)),
    ((14, -20, -14, 12), (-6, 0, -17, 10), (-28, 8, -20, 9.5), (-46, 14, -24, 8)),
    # superior vena cava, left brachiocephalic vein
    ((-33, -6, -52, 10), (-36, -6, -10, 9.5), (-36, -10, 30, 9), (-36, -16, 60, 8.5), (-38, -20, 90, 8)),
    ((-36, -14, 42, 6.5), (-6, -34, 52, 6), (22, -30, 64, 6)),
)
_BEHIND_THE_LUNGS: tuple[_Course, ...] = (
    # the three branches of the arch of the aorta
    ((-10, -14, 36, 6.5), (-17, -12, 60, 5.5), (-24, -8, 85, 5)),
    ((4, 3, 38, 4.5), (9, 2, 60, 4), (11, 0, 85, 3.8)),
    ((14, 18, 38, 5.5), (22, 15, 60, 4.8), (28, 8, 85, 4.5)),
    # the four pulmonary veins
    ((26, 22, -38, 7.5), (54, 26, -28, 5.5)),
    ((-20, 22, -42, 7.5), (-50, 22, -36, 5.5)),
    ((26, 26, -56, 7.5), (52, 36, -62, 5.5)),
    ((-18, 26, -58, 7.5), (-48, 36, -64, 5.5)),
)


@dataclass(frozen=True, kw_only=True)
class Bone:
    """A bone in a slice.

    Args:
        distance: [H W] to its surface.
        cortex: thickness of its hard shell in millimetres.
        hard: Hounsfield units of the shell.
        soft: Hounsfield units of what the shell encloses.
    """

    distance: Floats
    cortex: float
    hard: float = 750.0
    soft: float = 200.0


def ribs(chest: Chest, grid: Grid, wall: Floats) -> tuple[Floats, Floats]:
    """Ribs and their cartilage, from the distance to the cavity ``wall``; each slopes down to the front."""
    angle = np.arctan2(np.abs(grid.x), grid.y)  # 0 at the back, pi at the front
    level = chest.rib_phase - 78 * (angle / np.pi) ** 1.25
    # Which rib is nearest in height, and how far it is away.
    off = (level - grid.z + _RIB_DISTANCE / 2) % _RIB_DISTANCE - _RIB_DISTANCE / 2
    across = np.hypot(off / 6.6, (wall - 5.0) / 4.0)
    distance = (across - 1) * 4.0
    bone = np.where((angle > 0.24) & (angle < 2.45), distance, FAR)
    cartilage = np.where((angle >= 2.45) & (angle < 2.9), distance, FAR)
    return bone, cartilage


def spine(chest: Chest, grid: Grid) -> tuple[list[Bone], Floats, Floats]:
    """A vertebra with its arch and processes, the spinal canal, and the cord."""
    y = chest.back - 20
    part = (grid.z - chest.disc_phase) % _DISC_DISTANCE / _DISC_DISTANCE  # 0 in a disc, 0.5 in mid-vertebra
    in_disc = min(part, 1 - part) * _DISC_DISTANCE < 2.6
    body = ellipsoid(grid, (0, y, grid.z), (17.5, 14.5, 1e3))
    body = np.maximum(body, -(ellipsoid(grid, (0, y + 21, grid.z), (11, 9, 1e3))))
    canal = ellipsoid(grid, (0, y + 20.5, grid.z), (9.5, 8.0, 1e3))
    cord = ellipsoid(grid, (0, y + 20.5, grid.z), (5.2, 4.2, 1e3))
    shells = [Bone(distance=body, cortex=1.4, hard=110 if in_disc else 560, soft=85 if in_disc else 190)]
    arch = [capsule(grid, (side * 9, y + 31), (side * 1, y + 36), 3.4) for side in (-1, 1)]
    arch.append(capsule(grid, (0, y + 35), (0, y + 47 + 6 * np.sin(2 * np.pi * part)), 3.2))
    if 0.3 < part < 0.85:
        arch += [capsule(grid, (side * 12, y + 12), (side * 12, y + 28), 4.0) for side in (-1, 1)]
        arch += [capsule(grid, (side * 12, y + 27), (side * 34, y + 33), 4.2) for side in (-1, 1)]
    else:
        arch += [capsule(grid, (side * 12, y + 26), (side * 15, y + 31), 5.0) for side in (-1, 1)]
    joined = np.maximum(np.minimum.reduce(arch), -canal)
    return [*shells, Bone(distance=joined, cortex=1.6)], canal, cord


def flat_bones(chest: Chest, grid: Grid) -> list[Bone]:
    """The sternum, and above the shoulder blades."""
    wide = 19 + 9 * np.clip((grid.z - 25) / 25, 0, 1)
    sternum = box(grid, (0, -chest.front * 0.985 - 4.5), (wide, 5.6), 4.5)
    bones = [Bone(distance=sternum, cortex=1.2, hard=480, soft=120)]
    low = np.clip((grid.z + 75) / 90, 0, 1)  # the blade becomes longer upwards
    for side in (-1, 1) if low > 0.05 else ():
        x, y = 0.62 * chest.width, chest.back + 12
        middle = (side * (x + 30 * low), y - 17 * low)
        tip = (side * (x + 52 * low), y - 40 * low)
        blade = np.minimum(
            capsule(grid, (side * x, y), middle, 1.3 + 0.8 * low), capsule(grid, middle, tip, 1.2 + 1.3 * low)
        )
        if low > 0.55:  # the ridge of the blade, where it begins
            root = (side * (x + 22 * low), y - 11 * low)
            blade = np.minimum(blade, capsule(grid, root, (root[0] + side * 13 * low, root[1] + 9 * low), 1.6))
        bones.append(Bone(distance=blade, cortex=1.0, hard=520, soft=240))
    return bones


@dataclass(frozen=True, kw_only=True)
class Blood:
    """Chambers and vessels in a slice, [H W] each, by what fills them.

    Args:
        muscle: the wall of the heart.
        right: chambers and vessels before the lungs, that contrast agent reaches first.
        left: chambers and vessels behind the lungs.
        around: all of these and the fat of the heart, for the outline of the mediastinum.
    """

    muscle: Floats
    right: Floats
    left: Floats
    around: Floats


def blood(chest: Chest, grid: Grid) -> Blood:
    """The heart, the aorta with its arch, the pulmonary arteries and veins, the great veins."""
    h, s, spine = chest.heart, chest.shift, chest.back - 36
    rising = (-2, -8, -48, 14), (-14, -20, -28, 15.5), (-19, -22, 0, 15.5), (-15, -19, 20, 15), (-5, -9, 33, 14)
    falling = (23, spine - 3, 8, 12), (20, spine, -30, 12), (13, spine + 2, -130, 11.5)
    aorta: _Course = (*rising, (9, 12, 37, 13), (20, 32, 30, 12.5), *falling)
    azygos: _Course = ((-7, spine + 3, -130, 3.4), (-8, spine + 2, 12, 3.6), (-24, 14, 18, 3.6), (-34, -2, 17, 3.6))
    right_atrium = ellipsoid(grid, (-31 + s, -8, -72), (20 * h, 25 * h, 34 * h), -0.3)
    right_chamber = ellipsoid(grid, (4 + s, -38, -80), (33 * h, 19 * h, 40 * h), 0.35)
    left_atrium = ellipsoid(grid, (4 + s, 20, -48), (31 * h, 17 * h, 23 * h), 0.1)
    left_chamber = ellipsoid(grid, (33 + s, -6, -82), (28 * h, 17.5 * h, 34 * h), -0.65)
    outer = ellipsoid(grid, (35 + s, -8, -84), (40 * h, 29 * h, 44 * h), -0.65)
    vessels = [_vessel(chest, grid, course) for course in (*_BEFORE_THE_LUNGS, azygos)]
    right = np.minimum.reduce([*vessels, right_atrium, right_chamber])
    vessels = [_vessel(chest, grid, course) for course in (*_BEHIND_THE_LUNGS, aorta)]
    left = np.minimum.reduce([*vessels, left_atrium, left_chamber])
    muscle = np.minimum(right_chamber - 3.0, outer)
    return Blood(muscle=muscle, right=right, left=left, around=np.minimum.reduce([right, left, outer]) - 5.0)


def _vessel(chest: Chest, grid: Grid, course: _Course) -> Floats:
    """Distance to a vessel of this patient, [H W]."""
    places = [(x + chest.shift, y, z) for x, y, z, _ in course]
    return tube(grid, places, [radius * chest.vessel for *_, radius in course])


def windpipe(chest: Chest, grid: Grid) -> Floats:
    """The lumen of the trachea, which forks at z = 0, and of the main bronchi."""
    s = chest.shift - 2
    y = chest.back - 60
    trachea = [(-1 + s, y - 9, 110), (-1 + s, y - 2, 40), (s, y + 2, 4), (s, y + 3, 0)]
    right = [(-5 + s, y + 3, 1), (-17 + s, y + 5, -14), (-30 + s, y + 6, -28), (-36 + s, y + 9, -38)]
    left = [(5 + s, y + 3, 1), (22 + s, y + 7, -14), (38 + s, y + 10, -27), (42 + s, y + 13, -38)]
    widths = [9, 9, 9, 9.5], [8, 7, 6, 4.6], [7.5, 6.5, 5.6, 4.4]
    parts = [tube(grid, course, radii) for course, radii in zip((trachea, right, left), widths, strict=True)]
    return np.minimum.reduce(parts)


def gullet(chest: Chest, grid: Grid) -> Floats:
    """The oesophagus, between trachea or heart and the spine."""
    return ellipsoid(grid, (6 + chest.shift, chest.back - 43, grid.z), (8, 5.5, 1e3))

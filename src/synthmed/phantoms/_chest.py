"""The shapes of a chest in one axial slice: signed distances, negative inside, in millimetres.

x counts to the patient's left, y to the back, z to the head; the middle of the chest and the bifurcation of
the trachea (the carina) lie at 0, 0, 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synthmed.phantoms._vessels import Floats

FAR = 60.0
"""Distances are not told apart beyond this."""


@dataclass(frozen=True, kw_only=True)
class Chest:
    """What makes one patient's chest differ from another's.

    Args:
        width: half the width of the cavity of the chest.
        front: from the middle to the front of the cavity.
        back: from the middle to the back of the cavity.
        muscle: thickness of the muscles over the ribs.
        fat: thickness of the fat under the skin at the flanks.
        breasts: how far the breasts stand out; 0 for men.
        heart: size of the heart, about 1.
        vessel: size of the vessels, about 1.
        rib_phase: z of the first rib at the spine.
        disc_phase: z of a disc between two vertebrae.
        shift: x by which the mediastinum lies to the left.
    """

    width: float
    front: float
    back: float
    muscle: float
    fat: float
    breasts: float
    heart: float
    vessel: float
    rib_phase: float
    disc_phase: float
    shift: float


def draw_chest(generator: np.random.Generator) -> Chest:
    """Draw a patient, a woman as often as a man."""
    woman = generator.random() < 0.5
    size = generator.normal(0.95 if woman else 1.04, 0.035)
    return Chest(
        width=128 * size,
        front=86 * size * generator.normal(1, 0.04),
        back=95 * size * generator.normal(1, 0.03),
        muscle=float(np.clip(generator.normal(8 if woman else 13, 2.5), 5, 19)),
        fat=float(np.clip(generator.gamma(4, 3.6), 5, 32)),
        breasts=generator.uniform(12, 34) if woman else 0.0,
        heart=generator.normal(1, 0.06),
        vessel=generator.normal(1, 0.06),
        rib_phase=generator.uniform(75, 99),
        disc_phase=generator.uniform(0, 25),
        shift=generator.normal(2, 3),
    )


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The pixels of one slice.

    Args:
        x: [1 W] position of the columns.
        y: [H 1] position of the rows.
        z: position of the slice.
        spacing: size of a pixel.
    """

    x: Floats
    y: Floats
    z: float
    spacing: float


def egg(grid: Grid, width: float, front: float | Floats, back: float | Floats, power: float) -> Floats:
    """Distance to a rounded outline around the middle, along the ray from there."""
    depth = np.where(grid.y < 0, front, back)
    ratio = (np.abs(grid.x / width) ** power + np.abs(grid.y / depth) ** power) ** (1 / power)
    return np.hypot(grid.x, grid.y) * (1 - 1 / np.maximum(ratio, 1e-3))


def cavity(chest: Chest, grid: Grid) -> Floats:
    """The inside of the ribs: wide below, narrower towards the top."""
    narrow = 1 - 0.17 * np.clip((grid.z + 35) / 100, 0, 1.2) ** 2
    return egg(grid, chest.width * narrow, chest.front * (0.25 + 0.75 * narrow), chest.back * narrow, 2.2)


def muscles(chest: Chest, grid: Grid) -> Floats:
    """The outside of the muscles, thick beside the spine and, above, around the shoulder blades."""
    upper = np.clip((grid.z + 70) / 100, 0, 1)
    over = egg(grid, chest.width + 15, chest.front + 14, chest.back + 21, 2.25)
    angle = np.arctan2(np.abs(grid.x), grid.y)  # 0 at the back, pi at the front
    # Erector muscles, those of the shoulder blade with latissimus, and the pectoral ones.
    thick = (7 + 0.7 * chest.muscle) * np.exp(-(((angle - 0.32) / 0.24) ** 2)) - 4 * np.exp(-((angle / 0.1) ** 2))
    thick += (4 + (8 + 1.5 * chest.muscle) * upper) * np.exp(-(((angle - 1.02) / 0.42) ** 2))
    thick += (0.2 + 0.8 * upper) * 1.1 * chest.muscle * np.exp(-(((angle - 2.45) / 0.36) ** 2))
    return over - thick


def mediastinum(chest: Chest, grid: Grid) -> Floats:
    """What divides the lungs: from the breastbone to the spine, thin in front, with the organs in the middle."""
    back = chest.back
    below = np.clip((-grid.z - 20) / 30, 0, 1)  # the heart makes its own room
    places = [-chest.front, -chest.front + 16, -38, -10, 20, back - 40, back]
    right = [13, 4, 24 - 8 * below, 37 - 8 * below, 30 - 6 * below, 20, 22]
    left = [13, 4, 20, 26, 30 - 8 * below, 26, 22]
    x = grid.x - 0.5 * chest.shift
    return np.where(x < 0, -x - np.interp(grid.y, places, right), x - np.interp(grid.y, places, left))


def body(chest: Chest, grid: Grid) -> Floats:
    """The skin."""
    over = muscles(chest, grid)
    angle = np.arctan2(np.abs(grid.x), grid.y)  # 0 at the back, pi at the front
    fat = chest.fat * (0.45 + 0.55 * np.sin(angle) ** 2 + 0.1 * np.cos(2 * angle + 0.5)) + 3
    skin = over - fat
    if chest.breasts:
        away = np.exp(-(((grid.z + 55) / 52) ** 2))
        for side in (-1, 1):
            cup = np.hypot(grid.x - side * 68, (grid.y + chest.front + 4) * 1.1) - (34 + chest.breasts * away)
            skin = smooth_union(skin, cup, 22)
    return skin


def smooth_union(first: Floats, second: Floats, reach: float) -> Floats:
    """Both shapes, with the crease between them filled."""
    blend = np.clip(0.5 + (second - first) / (2 * reach), 0, 1)
    return second + (first - second) * blend - reach * blend * (1 - blend)


def ellipsoid(grid: Grid, centre: Sequence[float], axes: Sequence[float], turn: float = 0.0) -> Floats:
    """An ellipsoid turned about z by ``turn`` radians."""
    x, y, z = grid.x - centre[0], grid.y - centre[1], grid.z - centre[2]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    ratio = np.sqrt((along / axes[0]) ** 2 + (across / axes[1]) ** 2 + (z / axes[2]) ** 2)
    return np.sqrt(along**2 + across**2 + z**2) * (1 - 1 / np.maximum(ratio, 1e-3))


def tube(grid: Grid, course: Sequence[Sequence[float]], radii: Sequence[float]) -> Floats:
    """A tube through points x, y, z with a radius at each, bent smoothly."""
    points, widths = np.array(course, dtype=np.float64), np.array(radii, dtype=np.float64)
    along = np.append(0, np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum())
    fine = np.arange(0, along[-1] + 1e-9, 1.0)
    places = np.stack([np.interp(fine, along, points[:, axis]) for axis in range(3)], axis=1)
    thick = np.interp(fine, along, widths)
    if len(course) > 2:
        places = ndimage.gaussian_filter1d(places, 7, axis=0, mode="nearest")
    distance = np.full(np.broadcast_shapes(grid.x.shape, grid.y.shape), FAR)
    level = np.abs(places[:, 2] - grid.z)
    for (x, y, _), width, off in zip(places, thick, level, strict=True):
        if off < width:
            columns, rows = window(grid.x[0], x, width + 14), window(grid.y[:, 0], y, width + 14)
            circle = np.hypot(grid.x[:, columns] - x, grid.y[rows] - y) - np.sqrt(width**2 - off**2)
            distance[rows, columns] = np.minimum(distance[rows, columns], circle)
    return distance


def window(places: Floats, middle: float, reach: float) -> slice:
    """Which of the rising places lie within ``reach`` of the middle."""
    first, last = np.searchsorted(places, (middle - reach, middle + reach))
    return slice(int(first), int(last))


def capsule(grid: Grid, start: Sequence[float], end: Sequence[float], radius: float) -> Floats:
    """A bar with round ends, in the plane of the slice."""
    along = np.array(end) - np.array(start)
    x, y = grid.x - start[0], grid.y - start[1]
    t = np.clip((x * along[0] + y * along[1]) / (along @ along), 0, 1)
    return np.hypot(x - t * along[0], y - t * along[1]) - radius


def box(grid: Grid, centre: Sequence[float], half: Sequence[float], corner: float) -> Floats:
    """A rectangle with round corners, in the plane of the slice."""
    x = np.abs(grid.x - centre[0]) - half[0] + corner
    y = np.abs(grid.y - centre[1]) - half[1] + corner
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return outside + np.minimum(np.maximum(x, y), 0) - corner

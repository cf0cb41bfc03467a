"""The breasts of a woman who lies prone, and the front of her chest, as tissues in axial slices.

x counts to the patient's left, y to the back, z to the head, in millimetres; the skin over the breastbone lies
at y = 0, the breasts hang towards negative y.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synthmed.phantoms._chest import Grid, ellipsoid, smooth_union, tube, window
from synthmed.phantoms._texture import Cloud, cover, draw_cloud, ridges, sigmoid
from synthmed.phantoms._vessels import Floats

_BOX = (-70.0, -150.0, -190.0), (70.0, 230.0, 190.0)  # z, y, x
# How strands and lobes of the gland are drawn out: wavelengths along z, y and x, and their weight.
_GLAND = (((50.0, 60.0, 44.0), 0.5), ((24.0, 30.0, 17.0), 0.5), ((13.0, 17.0, 8.5), 0.42), ((8.0, 9.0, 5.0), 0.26))


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A lesion that takes up contrast agent.

    Args:
        malignant: whether it is.
        centre: x, y, z.
        radius: mean radius in millimetres.
        waves: [N 5] of its outline: direction x, y, z, phase, amplitude relative to the radius.
        spicules: [N 4] direction x, y, z and length relative to the radius.
        uptake: [4] rise over the signal before contrast, relative, at the four times after it.
    """

    malignant: bool
    centre: tuple[float, float, float]
    radius: float
    waves: Floats
    spicules: Floats
    uptake: Floats


@dataclass(frozen=True, kw_only=True)
class Torso:
    """One patient.

    Args:
        apart: x of the middle of the left breast, and of the right one with the other sign.
        width: half the width of a breast.
        length: how far a breast hangs down.
        height: half the height of a breast along z.
        chest: half the width of the chest, and its depth.
        heart: x, y and z by which the heart lies elsewhere than usual.
        density: 0 (fat) to 1 (dense).
        lobes: textures of the gland with their weights.
        mottle: fine texture of everything.
        vessels: courses [N 3] with their radii.
        lesions: one or two.
    """

    apart: float
    width: float
    length: float
    height: float
    chest: tuple[float, float]
    heart: tuple[float, float, float]
    density: float
    lobes: list[tuple[Cloud, float]]
    mottle: Cloud
    vessels: list[tuple[Floats, Floats]]
    lesions: list[Lesion]


def draw_torso(generator: np.random.Generator, malignant: bool) -> Torso:
    """Draw a patient with one lesion, or two of the same class."""
    apart, length = generator.uniform(66, 84), float(np.clip(generator.normal(88, 17), 55, 118))
    width = float(np.clip(0.38 * length + generator.normal(18, 4), 36, apart - 14))
    sides = generator.permutation([-1, 1])[: 1 + (generator.random() < 0.3)]
    return Torso(
        apart=apart,
        width=width,
        length=length,
        height=generator.uniform(58, 76),
        chest=(generator.uniform(158, 176), generator.uniform(205, 235)),
        heart=(generator.normal(0, 5), generator.normal(4, 4), generator.normal(0, 14)),
        density=generator.uniform(0.1, 0.9),
        lobes=[(draw_cloud(generator, *_BOX, lengths), weight) for lengths, weight in _GLAND],
        mottle=draw_cloud(generator, *_BOX, 7.0),
        vessels=_vessels(generator, apart, width, length),
        lesions=[_draw_lesion(generator, malignant, side * apart, width, length) for side in sides],
    )


def _draw_lesion(generator: np.random.Generator, malignant: bool, x: float, width: float, length: float) -> Lesion:
    directions = generator.standard_normal((9, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    amplitude = generator.uniform(0.06, 0.15, 9) if malignant else generator.uniform(0.03, 0.08, 9)
    frequency = generator.uniform(2, 7, (9, 1)) if malignant else generator.uniform(1.5, 3, (9, 1))
    waves = np.column_stack([directions * frequency, generator.uniform(0, 2 * np.pi, 9), amplitude])
    rays = generator.standard_normal((int(generator.integers(9, 16)) if malignant else 0, 3))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    curve = np.array([1.55, 1.6, 1.32, 1.1]) if malignant else np.array([0.4, 0.68, 0.88, 1.02])
    place = generator.uniform(-1, 1, 3) * (0.42 * width, 0.2 * length, 26)
    return Lesion(
        malignant=malignant,
        centre=(float(x + place[0]), float(-0.5 * length + place[1]), float(place[2])),
        radius=float(np.clip(generator.gamma(6, 1.4), 4.5, 13)),
        waves=waves,
        spicules=np.column_stack([rays, generator.uniform(0.6, 1.6, len(rays))]),
        uptake=curve * generator.uniform(0.85, 1.2),
    )


def _vessels(generator: np.random.Generator, apart: float, width: float, length: float) -> list[tuple[Floats, Floats]]:
    """Winding vessels in the breasts from the chest forwards, and the internal mammary ones."""
    courses = []
    for side in (-1, 1):
        for _ in range(int(generator.integers(3, 7))):
            way = np.linspace(0, 1, 9)
            x = side * apart + generator.uniform(-0.85, 0.85) * width * (1 - 0.5 * way) + generator.normal(0, 4, 9)
            y = 12 - generator.uniform(0.5, 0.95) * (length + 12) * way
            z = generator.uniform(-40, 40) + generator.uniform(-25, 25) * way + generator.normal(0, 4, 9)
            courses.append((np.stack([x, y, z], axis=1), np.linspace(generator.uniform(1.1, 2.0), 0.8, 9)))
        inner = side * generator.uniform(26, 32)
        courses.append((np.array([[inner, 24.0, -80.0], [inner, 24.0, 80.0]]), np.array([1.6, 1.6])))
    return courses


def skin(torso: Torso, grid: Grid) -> tuple[Floats, Floats]:
    """Distance to the skin, and to the chest alone, negative inside, [H W]."""
    half, depth = torso.chest
    x, y = grid.x / half, (grid.y - depth / 2) / (depth / 2)
    ratio = (np.abs(x) ** 2.5 + np.abs(y) ** 2.5) ** 0.4
    chest = np.hypot(grid.x, grid.y - depth / 2) * (1 - 1 / np.maximum(ratio, 1e-3))
    whole = chest
    shrunk = np.sqrt(max(1 - (grid.z / torso.height) ** 2, 0.02))
    for side in (-1, 1):
        across, along = grid.x - side * torso.apart, grid.y - 14
        reach = (torso.length + 14) * shrunk**0.7
        ratio = ((np.abs(across) / (torso.width * shrunk**0.5)) ** 2.6 + np.abs(along / reach) ** 2.6) ** (1 / 2.6)
        breast = np.hypot(across, along) * (1 - 1 / np.maximum(ratio, 1e-3))
        nipple = np.sqrt(across**2 + (grid.y + torso.length - 1) ** 2 + grid.z**2) - 4.5
        whole = smooth_union(whole, np.minimum(breast, nipple), 13)
    return whole, chest


def gland(torso: Torso, grid: Grid, outside: Floats) -> tuple[Floats, Floats]:
    """Share of glandular tissue, 0 to 1, and of thin strands in the fat, [H W]."""
    lobes = [cloud.on(np.array([grid.z]), grid.y[:, 0], grid.x[0])[0] for cloud, _ in torso.lobes]
    lumps = sum(weight * lobe for lobe, (_, weight) in zip(lobes, torso.lobes, strict=True))
    cone = np.full(outside.shape, -9.0)
    for side in (-1, 1):
        x, y = grid.x - side * torso.apart, grid.y + 0.56 * torso.length
        ratio = (
            (x / (0.74 * torso.width)) ** 2 + (y / (0.56 * torso.length)) ** 2 + (grid.z / (0.75 * torso.height)) ** 2
        )
        cone = np.maximum(cone, np.clip(1 - ratio, -2, 0.8))
    under = np.clip((-outside - 5) / 7, -1.5, 0.4)  # fat under the skin
    shape = cone + under + lumps - (1.15 - 1.2 * torso.density)
    strands = ridges(lobes[1], 0.09) + 0.8 * ridges(lobes[2], 0.12)
    in_breast = cover(grid.y + 2, 14) * cover(outside + 3, 3)
    share = sigmoid(shape / 0.14) * in_breast
    return share, 0.42 * np.minimum(strands, 1) * in_breast * sigmoid((cone + 0.7) / 0.3)


def lesion_distance(lesion: Lesion, grid: Grid) -> Floats:
    """Distance to the outline of a lesion, [H W]: smooth if benign, ragged and spiculated if not."""
    reach = 3 * lesion.radius
    whole = np.full((grid.y.shape[0], grid.x.shape[1]), 99.0)
    if abs(grid.z - lesion.centre[2]) > reach:
        return whole
    columns, rows = window(grid.x[0], lesion.centre[0], reach), window(grid.y[:, 0], lesion.centre[1], reach)
    x, y, z = grid.x[:, columns] - lesion.centre[0], grid.y[rows] - lesion.centre[1], grid.z - lesion.centre[2]
    away = np.sqrt(x**2 + y**2 + z**2)
    unit = [part / np.maximum(away, 1e-6) for part in (x, y, z)]
    edge = np.ones(away.shape)
    for *direction, phase, amplitude in lesion.waves:
        edge += amplitude * np.cos(sum(one * part for one, part in zip(direction, unit, strict=True)) * 1.4 + phase)
    distance = away - lesion.radius * np.maximum(edge, 0.4)
    for *direction, length in lesion.spicules:
        along = sum(one * part for one, part in zip(direction, (x, y, z), strict=True))
        beside = np.sqrt(np.maximum(away**2 - along**2, 0))
        tip = lesion.radius * (1 + length)
        ray = np.maximum(beside - 1.3 * np.clip(1 - along / tip, 0, 1) - 0.25, along - tip)
        distance = np.where(along > 0, np.minimum(distance, ray), distance)
    whole[rows, columns] = distance
    return whole


def vessels(torso: Torso, grid: Grid) -> Floats:
    """Distance to the nearest vessel, [H W]."""
    return np.minimum.reduce([tube(grid, course.tolist(), radii.tolist()) for course, radii in torso.vessels])


@dataclass(frozen=True, kw_only=True)
class Heart:
    """What is seen of the heart and the aorta in a slice: distances [H W].

    Args:
        muscle: wall of the left heart.
        blood: what the chambers and the aorta hold.
        around: the mediastinum, with the fat between the organs.
    """

    muscle: Floats
    blood: Floats
    around: Floats


def heart(torso: Torso, grid: Grid) -> Heart:
    """The heart behind the breastbone, its point to the left, and the descending aorta."""
    x, y, z = torso.heart
    grid = Grid(x=grid.x - x, y=grid.y - y, z=grid.z - z, spacing=grid.spacing)
    outer = ellipsoid(grid, (42, 92, -22), (50, 33, 52), 0.55)
    left = ellipsoid(grid, (45, 95, -20), (37, 20, 40), 0.55)
    right = ellipsoid(grid, (6, 68, -14), (34, 18, 46), 0.3)
    atrium = ellipsoid(grid, (-34, 90, -8), (22, 26, 38), -0.2)
    behind = ellipsoid(grid, (4, 120, 6), (34, 17, 24), 0.0)
    root = ellipsoid(grid, (-8, 88, 34), (16, 15, 40), 0.0)
    aorta = ellipsoid(grid, (22, 150, 0), (12, 12, 400), 0.0)
    blood = np.minimum.reduce([left, right, atrium, behind, root, aorta])
    spine = np.hypot(grid.x, (grid.y - 178) * 1.1) - 24
    middle = np.hypot(grid.x * 1.3 - 4, (grid.y - 100) * 0.62) - 44
    whole = np.minimum.reduce([outer - 4, blood - 5, spine, middle])
    filled = ndimage.gaussian_filter(np.clip(whole / 10, -1, 1), 4.0 / grid.spacing) * 10
    return Heart(muscle=np.minimum(outer, right - 3), blood=blood, around=filled)

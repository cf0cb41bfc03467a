"""The tissue of a compressed breast: fat, gland, ligaments, vessels, muscle - and lesions.

All pictures are [H W] and tell how bright tissue is shown: 0 for air, 1 for the densest.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synthmed.phantoms._compressed_breast import Breast, View
from synthmed.phantoms._texture import cover, draw_cloud, ridges, sigmoid
from synthmed.phantoms._vessels import Floats, draw

_BOX = (-40.0, -40.0), (280.0, 230.0)  # in which y and x lie, also when bent
_LAYERS = 5
"""A picture is a sum over the thickness of the breast, which is what makes its texture soft and deep."""

# Wavelengths along and across the ducts in millimetres, how much they shape the gland, and as strands how wide
# and how bright they are.
_STRANDS = (
    (75.0, 30.0, 0.52, 0.05, 0.20),
    (42.0, 14.0, 0.40, 0.07, 0.26),
    (22.0, 7.0, 0.24, 0.11, 0.24),
    (12.0, 3.6, 0.13, 0.20, 0.16),
)


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A finding in one breast, at one place for all views.

    Args:
        finding: "mass" or "calcifications".
        malignant: whether it is.
        distance: from the nipple in millimetres.
        angle: direction from the nipple, as in ``View.angle``, in each view.
        radius: in millimetres.
        seed: of its form.
    """

    finding: str
    malignant: bool
    distance: float
    angle: dict[str, float]
    radius: float
    seed: int


def draw_lesions(generator: np.random.Generator, breast: Breast) -> list[Lesion]:
    """Draw the findings of one breast: often none, seldom more than one."""
    lesions = []
    for _ in range(int(generator.choice([0, 1, 2], p=[0.55, 0.38, 0.07]))):
        finding = str(generator.choice(["mass", "calcifications"], p=[0.6, 0.4]))
        size = generator.gamma(6, 1.35) + 3 if finding == "mass" else generator.uniform(4, 11)
        lesion = Lesion(
            finding=finding,
            malignant=bool(generator.random() < 0.5),
            distance=breast.depth * generator.uniform(0.3, 0.72),
            angle={"MLO": generator.uniform(-0.6, 0.25), "CC": generator.uniform(-0.5, 0.5)},
            radius=float(min(size, 13)),
            seed=int(generator.integers(2**31)),
        )
        lesions.append(lesion)
    return lesions


def place(lesion: Lesion, view: View, position: str) -> tuple[float, float]:
    """x, y of a lesion in a view."""
    angle = lesion.angle[position]
    across = view.nipple[0] - lesion.distance * np.cos(angle)
    return float(across), float(view.nipple[1] + lesion.distance * np.sin(angle))


def tissue(generator: np.random.Generator, breast: Breast, view: View, position: str, lesions: list[Lesion]) -> Floats:
    """What the tissue of a breast looks like in one view, without scatter and noise."""
    depth = np.maximum(view.inside, 0)
    half = breast.thickness / 2
    # The edge of a compressed breast is round; processing for display lifts it.
    thick = np.sqrt(np.clip(1 - (1 - np.minimum(depth / half, 1)) ** 2, 0, 1))
    bright = 0.10 * cover(-view.inside, view.spacing) + 0.24 * thick**0.8
    gland, strands = _gland(generator, breast, view)
    fine = _mottle(generator, view)
    bright += thick**0.5 * gland * (0.24 + 0.12 * breast.density + 0.03 * fine)
    bright += thick**0.5 * strands + 0.011 * fine * thick + _vessels(generator, view) * thick**0.5
    skin = np.exp(-(((view.inside - 0.9) / 0.8) ** 2))
    areola = np.exp(-((view.radius / 14) ** 2))
    bright += (0.055 + 0.07 * areola) * skin + 0.10 * areola * thick
    knob = np.exp(-((view.radius / 4.0) ** 4))
    bright += 0.08 * knob * cover(-view.inside, 1.0)
    bright = _under_muscle(generator, breast, view, bright)
    for lesion in lesions:
        bright += _shadow(lesion, view, position) * cover(-view.inside + 1, 2.0)
    return bright


def _gland(generator: np.random.Generator, breast: Breast, view: View) -> tuple[Floats, Floats]:
    """Glandular tissue, 0 to 1, a cone behind the nipple broken up by fat; and the strands in and around it."""
    seen = view.inside > 0  # all that follows is [pixels of the breast]
    row, column = np.nonzero(seen)
    y, x, inside = view.y[row], view.x[column], view.inside[seen]
    radius, angle = view.radius[seen], view.angle[seen]
    across = angle * 55 * np.sqrt(np.minimum(radius, 110) / 55 + 0.1)  # ducts fan out from the nipple
    reach = breast.depth * (0.58 + 0.38 * breast.density)
    away = ((radius - 0.48 * reach) / (0.64 * reach)) ** 2 + (angle * np.maximum(radius, 14) / (0.56 * reach)) ** 2
    cone = np.clip(1 - away, -2.2, 1)
    # Fat lies under the skin everywhere, and before the muscle.
    cone += np.clip((inside - 6 - 4 * (1 - breast.density)) / 12, -1.6, 0.3) + np.clip((x - 8) / 22, -0.5, 0)
    broad = 0.5 * draw_cloud(generator, *_BOX, 64.0).on(view.y, view.x)
    broad += 0.4 * draw_cloud(generator, *_BOX, 34.0).on(view.y, view.x)
    level = 0.92 - 1.35 * breast.density - broad[seen]
    gland, strands = np.zeros(cone.shape), np.zeros(cone.shape)
    for _ in range(_LAYERS):
        bend = 6 * draw_cloud(generator, *_BOX, 32.0).on(view.y, view.x)[seen]
        curl = 1.5 * draw_cloud(generator, *_BOX, 10.0).on(view.y, view.x)[seen]
        shape = cone + 0.32 * draw_cloud(generator, *_BOX, 24.0).at(y + bend, x - bend) - level
        web = np.zeros(cone.shape)
        for along, wide, amount, width, light in _STRANDS:
            if wide < 2.5 * view.spacing:
                continue
            fanned = draw_cloud(generator, (-40, -300), (460, 300), (along, wide))
            noise = fanned.at(radius + bend, across + 0.8 * bend + curl)
            shape += amount * noise
            web += light * ridges(noise, width)
        gland += sigmoid(shape / 0.3) / _LAYERS
        strands += web * (0.22 + 0.78 * sigmoid((shape + 1.0) / 0.35)) / _LAYERS
    whole = np.zeros((2, *seen.shape))
    whole[:, seen] = gland, 0.8 * strands
    return whole[0], whole[1]


def _mottle(generator: np.random.Generator, view: View) -> Floats:
    """Fine mottle without direction, mean 0."""
    fine = np.zeros(view.inside.shape)
    for wavelength, amount in ((14.0, 0.55), (7.0, 0.5), (3.6, 0.42), (1.9, 0.3)):
        if wavelength > 2.5 * view.spacing:
            fine += amount * draw_cloud(generator, *_BOX, wavelength).on(view.y, view.x)
    return fine


def _vessels(generator: np.random.Generator, view: View) -> Floats:
    """Veins in the fat under the skin: a few winding bands from the chest towards the nipple."""
    bright = np.zeros(view.inside.shape)
    for _ in range(int(generator.integers(2, 6))):
        start = np.array([generator.uniform(-5, 30), view.nipple[1] + generator.uniform(-120, 90)])
        end = np.array(view.nipple) + generator.normal(0, 1, 2) * (16, 30) - (22, 0)
        way = np.linspace(0, generator.uniform(0.6, 1), 240)[:, None]
        chord = end - start
        normal = np.array([-chord[1], chord[0]]) / np.hypot(*chord)
        waves = sum(
            generator.normal(0, 11 / order**1.5) * np.sin(order * np.pi * way + generator.uniform(0, 0.6) * order)
            for order in (1, 2, 3, 5, 9, 14)
        )
        course = start + way * chord + waves * normal
        radius = np.linspace(generator.uniform(0.7, 1.4), 0.5, len(course))
        pixels = np.maximum(radius / view.spacing, 0.5)
        inner, wide = draw(course / view.spacing, np.arange(-1, len(course) - 1), pixels, (len(view.y), len(view.x)))
        tube = np.sqrt(np.clip((inner + 1) / (wide + 1), 0, 1))
        bright = np.maximum(bright, generator.uniform(0.03, 0.07) * np.where(inner > -1, tube, 0))
    return bright


def _under_muscle(generator: np.random.Generator, breast: Breast, view: View, bright: Floats) -> Floats:
    """Lay the pectoral muscle over the tissue: bright, with fibres along its edge."""
    if not view.muscle.any():
        return bright
    far, low = breast.pectoral
    turn = np.arctan2(low, -far)
    y, x = np.meshgrid(view.y, view.x, indexing="ij")
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    fibres = draw_cloud(generator, (-360, -360), (360, 360), (70.0, 6.0)).at(along, across)
    broad = draw_cloud(generator, (-360, -360), (360, 360), (120.0, 30.0)).at(along, across)
    level = 0.15 + generator.uniform(0, 0.09) + 0.012 * fibres + 0.025 * broad + 0.05 * view.muscle
    return bright + ndimage.gaussian_filter(view.muscle, 0.8 / view.spacing) * (level - 0.35 * (bright - 0.3))


def _shadow(lesion: Lesion, view: View, position: str) -> Floats:
    """What a lesion adds to the brightness."""
    x0, y0 = place(lesion, view, position)
    x, y = view.x[None] - x0, view.y[:, None] - y0
    generator = np.random.default_rng([lesion.seed, len(position)])
    if lesion.finding == "mass":
        return _mass(generator, lesion, np.hypot(x, y), np.arctan2(y, x))
    return _calcifications(generator, lesion, x, y, view.spacing)


def _mass(generator: np.random.Generator, lesion: Lesion, distance: Floats, angle: Floats) -> Floats:
    """Benign: an oval with a sharp edge. Malignant: denser, ragged, with spicules."""
    edge = np.ones_like(angle)
    rough = 0.16 if lesion.malignant else 0.035
    for order in range(2, 9 if lesion.malignant else 4):
        edge += generator.normal(0, rough / order**0.6) * np.cos(order * angle + generator.uniform(0, 2 * np.pi))
    distance = distance / np.maximum(edge, 0.5)
    inner = 1 - np.minimum(distance / lesion.radius, 1) ** 2
    if not lesion.malignant:
        return 0.15 * np.sqrt(inner) * cover(distance - lesion.radius, 0.9)
    core = 0.20 * sigmoid((lesion.radius - distance) / (0.14 * lesion.radius)) * (0.75 + 0.25 * np.sqrt(inner))
    rays = np.zeros_like(angle)
    for _ in range(int(generator.integers(16, 30))):
        heading, length = generator.uniform(0, 2 * np.pi), generator.uniform(1.2, 2.3) * lesion.radius
        curl = generator.normal(0, 0.12)
        away = np.angle(np.exp(1j * (angle - heading - curl * distance / lesion.radius)))
        ray = np.exp(-((away * distance / generator.uniform(0.3, 0.7)) ** 2)) * (np.abs(away) < 1)
        rays = np.maximum(rays, ray * np.clip(1.15 - distance / length, 0, 1))
    return core + 0.075 * rays * (distance > 0.4 * lesion.radius)


def _calcifications(generator: np.random.Generator, lesion: Lesion, x: Floats, y: Floats, spacing: float) -> Floats:
    """Malignant: many tiny specks of many forms, crowded. Benign: a few coarse round grains."""
    bright = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    count = int(generator.integers(14, 34)) if lesion.malignant else int(generator.integers(3, 8))
    for _ in range(count):
        off = generator.normal(0, 0.45, 2) * lesion.radius
        size = generator.uniform(0.13, 0.33) if lesion.malignant else generator.uniform(0.4, 1.1)
        stretch, turn = (generator.uniform(1, 3.2) if lesion.malignant else 1.0), generator.uniform(0, np.pi)
        along = (x - off[0]) * np.cos(turn) + (y - off[1]) * np.sin(turn)
        across = (y - off[1]) * np.cos(turn) - (x - off[0]) * np.sin(turn)
        blur = np.hypot(size, 0.42 * spacing)  # a speck smaller than a pixel is dimmed, not lost
        speck = np.exp(-0.5 * ((along / (blur * stretch)) ** 2 + (across / blur) ** 2))
        bright = np.maximum(bright, generator.uniform(0.3, 0.55) * (size / blur) ** 1.2 * speck)
    return bright

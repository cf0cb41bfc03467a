"""The shape of a breast under compression, as a mammogram shows it, in millimetres.

x counts from the chest wall towards the nipple, y downwards from the upper edge of the detector.
"""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw
from scipy import interpolate, ndimage

from synthmed.phantoms._texture import cover
from synthmed.phantoms._vessels import Floats

FIELD_HEIGHT = 240.0
FIELD_WIDTH = 187.5
_MARGIN = 40.0


@dataclass(frozen=True, kw_only=True)
class Breast:
    """The shape of one breast.

    Args:
        depth: from the chest wall to the nipple.
        height: half the height of the breast at the chest wall.
        nipple: y of the nipple in an oblique view.
        axilla: x of the outline at the upper edge in an oblique view.
        pectoral: x where the pectoral muscle crosses the upper edge, y where it meets the chest wall.
        bow: how much the edge of the muscle is curved.
        thickness: of the breast under compression.
        density: 0 (fat) to 1 (extremely dense).
        tilt: how far the gland points upwards in an oblique view, in radians.
    """

    depth: float
    height: float
    nipple: float
    axilla: float
    pectoral: tuple[float, float]
    bow: float
    thickness: float
    density: float
    tilt: float


@dataclass(frozen=True, kw_only=True)
class View:
    """A breast seen in one view, on the grid of pixels.

    Args:
        x: [W] position of the columns.
        y: [H] position of the rows.
        nipple: x, y of the nipple.
        inside: [H W] distance to the outline, positive inside the breast, negative outside.
        muscle: [H W] share of the pixel that the pectoral muscle covers; 0 in a view from above.
        radius: [H W] distance from the nipple.
        angle: [H W] direction from the nipple: 0 straight to the chest wall, positive downwards.
    """

    x: Floats
    y: Floats
    nipple: tuple[float, float]
    inside: Floats
    muscle: Floats
    radius: Floats
    angle: Floats

    @property
    def spacing(self) -> float:
        """Size of a pixel."""
        return float(self.y[1] - self.y[0])


def draw_breast(generator: np.random.Generator) -> Breast:
    """Draw the shape of a patient's breasts."""
    depth = float(np.clip(generator.normal(96, 16), 66, 132))
    return Breast(
        depth=depth,
        height=float(min(depth * generator.uniform(0.85, 1.1), 110)),
        nipple=generator.uniform(116, 146),
        axilla=generator.uniform(48, 84),
        pectoral=(generator.uniform(38, 74), generator.uniform(90, 160)),
        bow=generator.uniform(-4, 9),
        thickness=float(np.clip(generator.normal(55, 11), 28, 85)),
        density=float(generator.choice([0.12, 0.38, 0.62, 0.88], p=[0.2, 0.35, 0.3, 0.15]) + generator.normal(0, 0.05)),
        tilt=generator.uniform(0.1, 0.4),
    )


def other_side(generator: np.random.Generator, breast: Breast) -> Breast:
    """The same patient's other breast: alike, not equal."""
    return replace(
        breast,
        depth=breast.depth * generator.normal(1, 0.03),
        height=breast.height * generator.normal(1, 0.03),
        nipple=breast.nipple + generator.normal(0, 5),
        axilla=breast.axilla + generator.normal(0, 5),
        pectoral=(breast.pectoral[0] + generator.normal(0, 6), breast.pectoral[1] + generator.normal(0, 10)),
        density=breast.density + generator.normal(0, 0.03),
    )


def look(breast: Breast, position: str, size: int) -> View:
    """The breast in a view, "MLO" or "CC", on ``size`` rows."""
    spacing = FIELD_HEIGHT / size
    y = np.arange(size, dtype=np.float64) * spacing
    x = np.arange(round(size * FIELD_WIDTH / FIELD_HEIGHT), dtype=np.float64) * spacing
    level = breast.nipple if position == "MLO" else FIELD_HEIGHT / 2
    outline = _oblique(breast) if position == "MLO" else _from_above(breast)
    inside = _distance_inside(outline, (len(y), len(x)), spacing)
    # The nipple in profile: a small knob on the outline.
    knob = np.hypot((x - breast.depth + 1.0) * 0.75, (y - level)[:, None])
    inside = np.maximum(inside, 3.4 - knob)
    muscle = np.zeros(inside.shape)
    if position == "MLO":
        far, low = breast.pectoral
        along = np.array([far, -low]) / np.hypot(far, low)
        beyond = (x - far) * along[1] * -1 + (y[:, None]) * along[0]
        way = np.clip((x * along[0] + (y[:, None] - low) * along[1]) / np.hypot(far, low), 0, 1)
        muscle = cover(beyond - breast.bow * 4 * way * (1 - way), 4.0)
    across, along_axis = breast.depth - x[None], y[:, None] - level
    tilt = breast.tilt if position == "MLO" else 0.0
    return View(
        x=x,
        y=y,
        nipple=(breast.depth, level),
        inside=inside,
        muscle=muscle,
        radius=np.hypot(across, along_axis),
        angle=np.arctan2(along_axis, across) + tilt,
    )


def _oblique(breast: Breast) -> Floats:
    """Points [N 2] of the outline from the axilla over the nipple to the fold below the breast."""
    d, level, top = breast.depth, breast.nipple, breast.axilla
    below = min(d * 0.98, FIELD_HEIGHT - 6 - level)
    waist = max(0.25 * top + 0.35 * d, 0.9 * top)
    upper = [
        (top, -1.5 * _MARGIN),
        (0.97 * top, 0.1 * level),
        (waist, 0.36 * level),
        (0.83 * d, 0.68 * level),
        (d, level),
    ]
    lower = [(0.93 * d, level + 0.33 * below), (0.66 * d, level + 0.7 * below), (0.26 * d, level + 0.95 * below)]
    return np.array([*upper, *lower, (-12.0, level + 1.03 * below)])


def _from_above(breast: Breast) -> Floats:
    """Points [N 2] of the outline, from the outer side over the nipple to the inner side."""
    d, h, middle = breast.depth, breast.height, FIELD_HEIGHT / 2
    half = [(-12.0, 1.03 * h), (0.2 * d, 0.99 * h), (0.58 * d, 0.8 * h), (0.88 * d, 0.45 * h)]
    outer = [(x, middle - y) for x, y in half]
    inner = [(x, middle + 0.97 * y) for x, y in reversed(half)]
    return np.array([*outer, (d, middle), *inner])


def _distance_inside(outline: Floats, shape: tuple[int, int], spacing: float) -> Floats:
    """Distance to a smooth curve through the points, positive on the side of the chest wall, [H W]."""
    along = np.append(0, np.hypot(*np.diff(outline, axis=0).T).cumsum())
    curve = interpolate.CubicSpline(along, outline)(np.linspace(0, along[-1], 400))
    # A margin around the picture, so that its edges are no outline.
    margin = round(_MARGIN / spacing)
    polygon = [(-2 * _MARGIN, curve[0, 1]), *map(tuple, curve), (-2 * _MARGIN, curve[-1, 1])]
    canvas = Image.new("1", (shape[1] + 2 * margin, shape[0] + 2 * margin))
    ImageDraw.Draw(canvas).polygon([(x / spacing + margin, y / spacing + margin) for x, y in polygon], fill=1)
    filled = np.array(canvas)
    depth = ndimage.distance_transform_edt(filled) - ndimage.distance_transform_edt(~filled)
    window: Floats = depth[margin : margin + shape[0], margin : margin + shape[1]]
    return (window - 0.5 * np.sign(window)) * spacing

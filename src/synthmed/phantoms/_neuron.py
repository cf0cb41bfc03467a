"""The shape of a nerve cell in culture: a body, and neurites that leave it, bend, fork and thin out.

Positions are x to the right and y down, in pixels of a photograph 480 pixels high and 640 wide.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synthmed.phantoms._vessels import Floats, Tree, draw

REFERENCE_HEIGHT = 480
REFERENCE_WIDTH = 640
_STEP = 4.0


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """A cell before it is photographed.

    Args:
        centre: x, y of the middle of the body.
        radii: [720] distance from the centre to the edge of the body, over the angle.
        neurites: all neurites; the first points lie inside the body.
        nucleus: x, y and radius.
    """

    centre: Floats
    radii: Floats
    neurites: Tree
    nucleus: tuple[float, float, float]


def draw_neuron(generator: np.random.Generator) -> Neuron:
    """Draw a cell somewhere in the middle of the field, with three to seven neurites."""
    centre = np.array([REFERENCE_WIDTH, REFERENCE_HEIGHT]) * generator.uniform(0.34, 0.66, 2)
    size = float(np.clip(generator.normal(56, 11), 36, 80))
    count = int(generator.integers(3, 8))
    spread = 2 * np.pi / count
    angles = generator.uniform(0, 2 * np.pi) + spread * (np.arange(count) + generator.uniform(-0.3, 0.3, count))
    thick = generator.uniform(5.0, 9.0, count)
    thick[0] = generator.uniform(10, 15)  # the apical dendrite
    radii = _outline(generator, size, angles, thick)
    points: list[Floats] = []
    parents: list[int] = []
    widths: list[float] = []
    for angle, width in zip(angles, thick, strict=True):
        length = generator.uniform(0.7, 2.2) * size * (2.6 if width > 9.5 else 1.0)
        start = centre + 0.5 * size * np.array([np.cos(angle), np.sin(angle)])
        _extend(generator, points, parents, widths, (start, angle, width, length + 0.5 * size, -1))
    neurites = Tree(points=np.array(points), parents=np.array(parents), radii=np.array(widths))
    offset = generator.normal(0, 0.09, 2) * size
    nucleus = (float(centre[0] + offset[0]), float(centre[1] + offset[1]), float(size * generator.uniform(0.36, 0.47)))
    return Neuron(centre=centre, radii=radii, neurites=neurites, nucleus=nucleus)


def _outline(generator: np.random.Generator, size: float, angles: Floats, thick: Floats) -> Floats:
    """The edge of the body: an irregular oval drawn out to where neurites leave, hollow between them."""
    around = np.arange(720) * np.pi / 360
    oval = 1 + generator.uniform(0, 0.18) * np.cos(2 * (around - angles[0]))
    for order in (2, 3, 4, 5):
        oval += generator.normal(0, 0.06 / order) * np.cos(order * around + generator.uniform(0, 2 * np.pi))
    edge = size * 0.92 * oval
    for angle, width in zip(angles, thick, strict=True):
        away = (around - angle + np.pi) % (2 * np.pi) - np.pi
        # The hillock: a cone as wide at its foot as half the body.
        edge += size * 0.045 * width**0.9 * 0.55 * np.exp(-np.abs(away) / 0.17) * np.cos(away)
    return ndimage.gaussian_filter1d(edge, 5, mode="wrap")


def _extend(
    generator: np.random.Generator,
    points: list[Floats],
    parents: list[int],
    widths: list[float],
    branch: tuple[Floats, float, float, float, int],
) -> None:
    """Append a neurite (start, heading, radius, length, parent) and its forks to the lists, in place."""
    place, heading, width, length, parent = branch
    aim, travelled, end = heading + generator.normal(0, 0.35), 0.0, width * generator.uniform(0.18, 0.42)
    phase = generator.uniform(0, 2 * np.pi)
    fork = length * generator.uniform(0.45, 1.3) if width > 3.4 else np.inf
    while travelled < length:
        heading += 0.03 * (aim - heading) + generator.normal(0, 0.045)
        place = place + _STEP * np.array([np.cos(heading), np.sin(heading)])
        travelled += _STEP
        points.append(place)
        parents.append(parent)
        # Neurites swell and narrow along their way.
        along = travelled / length
        widths.append(max((width + (end - width) * along**0.7) * (1 + 0.09 * np.sin(travelled / 13 + phase)), 1.5))
        parent = len(points) - 1
        if travelled > fork:
            turn = generator.uniform(0.25, 0.5)
            here = widths[-1]
            for side, share in ((1, 0.86), (-1, generator.uniform(0.5, 0.86))):
                rest = (length - travelled) * generator.uniform(0.5, 1.2) + 25
                _extend(generator, points, parents, widths, (place, heading + side * turn, here * share, rest, parent))
            return


def depth_of(neuron: Neuron, shape: tuple[int, int], scale: float) -> tuple[Floats, Floats]:
    """How deep each pixel lies in the body and in the neurites, in pixels of the reference, two [H W].

    Positive inside. Depth in neurites reaches from -1 / scale, in the body without limit.
    """
    y, x = np.mgrid[: shape[0], : shape[1]] / scale
    x, y = x - neuron.centre[0], y - neuron.centre[1]
    angle = (np.arctan2(y, x) % (2 * np.pi)) * 360 / np.pi
    edge = np.interp(angle, np.arange(721), np.append(neuron.radii, neuron.radii[0]))
    body = edge - np.hypot(x, y)
    slope = np.interp(angle, np.arange(720), np.gradient(neuron.radii) * 360 / np.pi)
    body = body / np.sqrt(1 + (slope / np.maximum(edge, 1)) ** 2)  # towards the edge, not towards the centre
    tree = neuron.neurites
    radii = np.maximum(tree.radii * scale, 0.8)
    neurites, _ = draw(tree.points * scale, tree.parents, radii, shape)
    return body, neurites / scale

"""Where things are in a photographed eye, and the course of its great vessels.

Two frames are used. Pixels of the photograph, x to the right and y down; and the frame of the eye, with the
optic disc at the origin, the first axis towards the fovea (temporal) and the second upwards (superior), in
units of a pixel of a photograph 584 pixels high, about 9 micrometres on the retina.
"""

from dataclasses import dataclass, replace

import numpy as np

from synthmed.phantoms._vessels import STEP, Floats, Habit, Tree, close_to, grow, meander, smooth

REFERENCE_HEIGHT = 584
REFERENCE_WIDTH = 565

# Both leave about one vessel pixel in eight; arteries are narrower by about a quarter.
_ARTERY = Habit(feeding=0.013)
_VEIN = Habit(feeding=0.026)


@dataclass(frozen=True, kw_only=True)
class Eye:
    """The geometry of one photograph.

    Args:
        height: rows of the photograph; all else follows from it.
        temporal_sign: 1 where temporal is to the right (a left eye), -1 where it is to the left.
        disc: x, y of the optic disc, in pixels of the reference photograph.
        tilt: angle by which the fovea lies below the disc, in radians.
        disc_radius: radius of the optic disc.
        fovea_distance: distance between disc and fovea.
        field_centre: x, y of the middle of the field of view, in pixels of the reference photograph.
        field_radius: radius of the field of view.
        has_notch: whether the camera marks the upper right of its field with a small bump.
    """

    height: int
    temporal_sign: int
    disc: tuple[float, float]
    tilt: float
    disc_radius: float
    fovea_distance: float
    field_centre: tuple[float, float] = (277.5, 299.0)
    field_radius: float = 267.5
    has_notch: bool = False

    @property
    def scale(self) -> float:
        """Pixels of this photograph to a pixel of the reference."""
        return self.height / REFERENCE_HEIGHT

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the photograph."""
        return self.height, round(REFERENCE_WIDTH * self.scale)

    def to_pixels(self, points: Floats) -> Floats:
        """Points [N 2] of the eye as x, y in pixels of this photograph."""
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        x = self.disc[0] + self.temporal_sign * (points[:, 0] * cosine + points[:, 1] * sine)
        y = self.disc[1] + points[:, 0] * sine - points[:, 1] * cosine
        return np.stack([x, y], axis=1) * self.scale

    def to_eye(self, points: Floats) -> Floats:
        """Points [N 2], x and y in pixels of this photograph, in the frame of the eye."""
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        x = (points[:, 0] / self.scale - self.disc[0]) * self.temporal_sign
        y = points[:, 1] / self.scale - self.disc[1]
        return np.stack([x * cosine + y * sine, x * sine - y * cosine], axis=1)

    @property
    def centre(self) -> Floats:
        """The middle of the field of view in the frame of the eye, [2]."""
        return self.to_eye(np.array([self.field_centre]) * self.scale)[0]


def draw_eye(generator: np.random.Generator, height: int) -> Eye:
    """Draw the geometry of an eye, left or right, looking nearly straight into the camera."""
    temporal_sign = int(generator.choice([-1, 1]))
    fovea_distance = float(np.clip(generator.normal(203, 9), 180, 225))
    tilt = float(np.radians(np.clip(generator.normal(6, 4), -4, 16)))
    fovea = np.array([277.5, 299.0]) + np.clip(generator.normal(0, (12, 16)), -35, 35)
    away = fovea_distance * np.array([temporal_sign * np.cos(tilt), np.sin(tilt)])
    x, y = fovea - away
    return Eye(
        height=height,
        temporal_sign=temporal_sign,
        disc=(float(x), float(y)),
        tilt=tilt,
        disc_radius=float(np.clip(generator.normal(38, 2.5), 32, 44)),
        fovea_distance=fovea_distance,
        has_notch=bool(generator.random() < 0.5),
    )


def grow_vessels(generator: np.random.Generator, eye: Eye) -> tuple[list[Tree], list[Tree]]:
    """Grow the retinal vessels of an eye, in the frame of the eye.

    Returns:
        Arterial trees and venous trees, a superior and an inferior one of each.
    """
    # Where the vessels enter the eye: in the disc, a little nasally, the artery beside the vein.
    hilum = np.array([-5.0, 0]) + generator.normal(0, 2.5, size=2)
    beside = np.array([generator.choice([-1, 1]) * generator.uniform(2.5, 5), generator.normal(0, 2)])
    density = generator.uniform(0.65, 1.3)
    arteries, veins = [], []
    for side in (1, -1):
        height = float(np.clip(generator.normal(150, 24), 112, 195))
        steepness = generator.uniform(65, 110)
        # The vein runs inside or outside the artery, and they may still cross.
        gap = generator.choice([-1, 1]) * generator.uniform(5, 18)
        artery, vein = replace(_ARTERY, clearance=27 / density), replace(_VEIN, clearance=27 / density)
        arcade = _arcade(generator, height - gap, steepness)
        arterial = _grow_side(generator, eye, side, arcade, artery, np.zeros((0, 2)), hilum + beside)
        arcade = _arcade(generator, height + gap, steepness)
        venous = _grow_side(generator, eye, side, arcade, vein, arterial.points, hilum - beside)
        arteries.append(_bend(generator, eye, arterial, 1.0))
        veins.append(_bend(generator, eye, venous, 0.8))
    return arteries, veins


def _grow_side(
    generator: np.random.Generator,
    eye: Eye,
    side: int,
    arcade: Floats,
    habit: Habit,
    taken: Floats,
    hilum: Floats,
) -> Tree:
    """Grow the tree of one kind on one side of the line from disc to fovea."""
    mirror = np.array([1, side])
    courses = (arcade, _nasal_trunk(generator))
    trunks = [_cut_to_field(eye, course * mirror + hilum) for course in courses]
    targets = _targets(generator, eye, side, count=760)
    if len(taken):
        # Arteries and veins alternate: a vein does not follow an artery closely.
        targets = targets[~close_to(targets, taken, 8.0)]
    # The macula comes last: only ends of vessels reach into it, from above and below.
    x, y = targets.T
    in_macula = (np.abs(y) < 62) & (x > 25) & (x < eye.fovea_distance + 75)
    return grow(trunks, [targets[~in_macula], targets[in_macula]], habit)


def _arcade(generator: np.random.Generator, height: float, steepness: float) -> Floats:
    """The superior temporal arcade: up from the disc, around the macula, on towards the raphe."""
    x = np.linspace(0, 1, 400) ** 2 * 460
    slope = generator.uniform(-0.5, 0.3)
    y = height * np.tanh(np.sqrt(x / steepness)) + slope * np.maximum(x - 130, 0) ** 1.3 / 5
    return _evenly(np.stack([x, y], axis=1))


def _nasal_trunk(generator: np.random.Generator) -> Floats:
    """A superior nasal trunk: from the disc up and away from the macula, in a shallow curve."""
    angle = np.radians(generator.uniform(98, 140))
    along = np.linspace(0, 330, 120)
    heading = angle + np.radians(generator.normal(0, 14)) * (along / 150 - 0.5)
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * (along[1] - along[0])
    return _evenly(np.cumsum(steps, axis=0))


def _evenly(course: Floats) -> Floats:
    """The same course with points ``STEP`` apart."""
    along = np.append(0, np.hypot(*np.diff(course, axis=0).T).cumsum())
    places = np.arange(0, along[-1], STEP)
    return np.stack([np.interp(places, along, course[:, axis]) for axis in range(2)], axis=1)


def _cut_to_field(eye: Eye, course: Floats) -> Floats:
    """The course until it has left the field of view; at least two points."""
    outside = np.hypot(*(course - eye.centre).T) > eye.field_radius + 12
    end = int(outside.argmax()) if outside.any() else len(course)
    return course[: max(end, 2)]


def _targets(generator: np.random.Generator, eye: Eye, side: int, count: int) -> Floats:
    """Points that one side's vessels should supply: its half of the field, without disc and fovea."""
    radius = (eye.field_radius + 12) * np.sqrt(generator.random(count))
    angle = generator.uniform(0, 2 * np.pi, count)
    points = eye.centre + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    to_fovea = np.hypot(points[:, 0] - eye.fovea_distance, points[:, 1])
    to_disc = np.hypot(points[:, 0], points[:, 1])
    # The raphe is no ruler: each side reaches a little over, at other places in each eye.
    border = 8 * np.sin(points[:, 0] / 40 + generator.uniform(0, 2 * np.pi))
    wanted = (side * points[:, 1] > side * border) & (to_fovea > 26) & (to_disc > 1.2 * eye.disc_radius)
    return points[wanted]


def _bend(generator: np.random.Generator, eye: Eye, tree: Tree, tortuosity: float) -> Tree:
    """Let a tree wind, and arch around the fovea, which has no vessels."""
    points = smooth(tree, passes=7).points
    for wavelength, amplitude in ((150, 6.0), (45, 2.2), (16, 0.9)):
        points = meander(points, generator, wavelength=wavelength, amplitude=tortuosity * amplitude)
    # Not so at the disc, where all trunks come out of one place.
    freedom = 1 - np.exp(-0.5 * (tree.points**2).sum(axis=1, keepdims=True) / 22**2)
    points = tree.points + freedom * (points - tree.points)
    fovea = np.array([eye.fovea_distance, 0])
    away = points - fovea
    distance = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-6)
    pushed = np.cbrt(distance**3 + 25.5**3)
    return Tree(points=fovea + away * (pushed / distance)[:, None], parents=tree.parents, radii=tree.radii)

"""Fundus photographs made by code: vessels, optic disc, macula, choroid, camera.

The written folder has the layout and the file formats of DRIVE (Staal et al. 2004), so that everything that
reads DRIVE reads it. No pixel comes from a photograph; only the overall statistics were compared with one.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from synthmed.phantoms._eye import Eye, draw_eye, grow_vessels
from synthmed.phantoms._texture import cloud, sigmoid
from synthmed.phantoms._vessels import Floats, Tree, draw, join

USUAL_NUM = 40
USUAL_SIZE = 584

# What a pixel of vessel depth takes from red, green and blue light (natural logarithm): vessels
# one and seven pixels wide become about 7 and 27 grey values darker than their surroundings in green.
_ARTERIAL_ABSORPTION = np.array([0.017, 0.054, 0.030])
_VENOUS_ABSORPTION = np.array([0.030, 0.060, 0.027])
_SMALLEST_RADIUS = 0.24  # pixels; thinner vessels are not resolved
_HALF_WIDTH = 0.6  # pixels; a mask never shows a vessel narrower than this, or it would fall to pieces


@dataclass(frozen=True, kw_only=True)
class Retina:
    """A fundus photograph and what is true of it.

    Args:
        photograph: [H W 3] uint8, red, green, blue.
        vessels: [H W] bool, true on arteries and veins inside the field.
        field: [H W] bool, true where the camera saw the eye.
    """

    photograph: NDArray[np.uint8]
    vessels: NDArray[np.bool_]
    field: NDArray[np.bool_]


def make_retina(generator: np.random.Generator, size: int = 584) -> Retina:
    """Make one fundus photograph.

    Args:
        generator: source of all randomness.
        size: height in pixels; the width is 565 / 584 of it. Finer vessels appear at larger sizes.

    Example:
        >>> retina = make_retina(np.random.default_rng(0), size=128)
        >>> retina.photograph.shape, retina.vessels.shape
        ((128, 124, 3), (128, 124))
    """
    eye = draw_eye(generator, size)
    arteries, veins = grow_vessels(generator, eye)
    places = _places(eye)
    arterial, artery_mask = _transmittance(eye, arteries, places, _ARTERIAL_ABSORPTION, reflex=0.2)
    venous, vein_mask = _transmittance(eye, veins, places, _VENOUS_ABSORPTION, reflex=0.04)
    rim = _depth_in_field(eye)
    light = _fundus(generator, eye, places) * _illumination(generator, eye, places)
    light[..., 1] = np.minimum(light[..., 1], 0.7 * light[..., 0])  # no fundus is green,
    light[..., 2] = np.minimum(light[..., 2], 0.66 * light[..., 1])  # and none is purple
    _add_disc(generator, eye, places, light)
    light *= arterial * venous
    photograph = _photograph(generator, eye, light, rim)
    field = rim > 0
    return Retina(photograph=photograph, vessels=(artery_mask | vein_mask) & field, field=field)


def write(out: Path, numbers: Iterable[int], seed: int, size: int) -> None:
    """Fill a folder with photographs, vessel masks and field masks, as DRIVE does.

    Image k depends on ``seed`` and k alone. Even k become training/, odd k test/; numbers are DRIVE's own
    (test from 1, training from 21) and go on after 40 without meeting.
    """
    for part in ("training", "test"):
        for folder in ("images", "1st_manual", "mask"):
            (out / part / folder).mkdir(parents=True)
    for k in numbers:
        part = "test" if k % 2 else "training"
        block, place = divmod(k // 2, 20)
        name = f"{40 * block + place + (1 if k % 2 else 21):02d}"
        retina = make_retina(np.random.default_rng([seed, k]), size)
        half = out / part
        picture = Image.fromarray(retina.photograph)
        picture.save(half / "images" / f"{name}_{part}.tif", compression="tiff_lzw")
        _save_mask(half / "1st_manual" / f"{name}_manual1.gif", retina.vessels)
        _save_mask(half / "mask" / f"{name}_{part}_mask.gif", retina.field)


def _save_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    # Optimised, the palette would shrink to two entries, and a reader of indices would find 1 for 255.
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, optimize=False)


def _places(eye: Eye) -> Floats:
    """Where each pixel lies in the frame of the eye, [2 H W]."""
    y, x = np.mgrid[: eye.shape[0], : eye.shape[1]]
    return eye.to_eye(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)).T.reshape(2, *eye.shape)


def _depth_in_field(eye: Eye) -> Floats:
    """How deep a pixel lies inside the field of view, in pixels of the reference; negative outside, [H W]."""
    y, x = np.mgrid[: eye.shape[0], : eye.shape[1]] / eye.scale
    depth = eye.field_radius - np.hypot(x - eye.field_centre[0], y - eye.field_centre[1])
    if eye.has_notch:
        along = eye.field_radius * np.sqrt(0.5)
        notch_x, notch_y = eye.field_centre[0] + along, eye.field_centre[1] - along
        depth = np.maximum(depth, 13 - np.hypot(x - notch_x, y - notch_y))
    return depth


def _transmittance(
    eye: Eye, trees: list[Tree], places: Floats, absorption: Floats, reflex: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """The share of light that comes back through vessels, [H W 3], and where the vessels are, [H W]."""
    tree = join(trees)
    radii = tree.radii * eye.scale
    resolved = radii >= _SMALLEST_RADIUS  # a tree never widens, so what is left is a tree again
    numbers = np.append(np.cumsum(resolved) - 1, -1)
    points = eye.to_pixels(tree.points[resolved])
    depth, radius = draw(points, numbers[tree.parents[resolved]], radii[resolved], eye.shape)
    mask = depth > np.minimum(radius - _HALF_WIDTH, 0)
    near = depth > -1
    radius, depth = radius[near], depth[near]
    across = radius - depth  # distance from the centre line
    # The chord of a round vessel, widened by half a pixel for what one pixel averages.
    wide = radius + 0.5
    chord = 2 * radius / wide * np.sqrt(np.maximum(wide**2 - across**2, 0)) / eye.scale
    shine = reflex * np.clip((radius / eye.scale - 1.2) / 1.5, 0, 1)
    shine *= np.exp(-0.5 * (across / np.maximum(0.26 * radius, 0.3)) ** 2)
    # Where it comes out of the nerve a vessel still lies deep, and is veiled.
    root = tree.points[tree.parents < 0].mean(axis=0)
    to_root = (places[0][near] - root[0]) ** 2 + (places[1][near] - root[1]) ** 2
    chord *= 1 - 0.75 * np.exp(-to_root / (2 * 8**2))
    transmitted = np.ones((*eye.shape, 3))
    transmitted[near] = np.exp(-chord[:, None] * absorption) * (1 + shine[:, None])
    return transmitted, mask


def _fundus(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """The light of the fundus without vessels, in grey values [H W 3]."""
    brightness = np.clip(generator.normal(1, 0.16), 0.65, 1.35)
    redness = np.clip(generator.normal(0, 1), -2, 2)
    colour = brightness * np.array([228 + 18 * redness, 114 - 8 * redness, 63 - 5 * redness])
    texture = _choroid(generator, eye, places)
    fundus = colour * np.exp(texture[..., None] * np.array([0.55, 1.0, 0.9]))
    fundus *= _macula(generator, eye, places)[..., None] ** np.array([0.8, 1.0, 0.9])
    fundus *= 1 + _nerve_fibres(generator, eye, places)[..., None] * np.array([0.5, 1.0, 1.3])
    return fundus


def _choroid(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """Relative brightness of pigment and choroidal vessels, natural logarithm, [H W]."""
    texture = np.zeros(eye.shape)
    for wavelength, amplitude in ((240, 0.07), (90, 0.04), (35, 0.02), (12, 0.012), (5, 0.012)):
        texture += amplitude * cloud(generator, eye.shape, wavelength * eye.scale)
    # Choroidal vessels show through where there is little pigment: broad, winding, more or less parallel.
    visibility = 0.07 * generator.random() ** 3
    if visibility < 0.008:
        return texture
    where = np.clip(0.4 + 0.8 * cloud(generator, eye.shape, 190 * eye.scale), 0, 1.5)
    angle = generator.uniform(0, np.pi)
    bands = sum(_bands(generator, eye, places, angle + turn) for turn in (-0.35, 0.35))
    return texture + visibility * where * bands


def _bands(generator: np.random.Generator, eye: Eye, places: Floats, angle: float) -> Floats:
    """Winding bands along one direction, mean 0, [H W]: noise that is long one way and short the other."""
    along = places[0] * np.cos(angle) + places[1] * np.sin(angle)
    across = places[1] * np.cos(angle) - places[0] * np.sin(angle)
    across = across + 20 * cloud(generator, eye.shape, 190 * eye.scale)
    across += 3 * cloud(generator, eye.shape, 60 * eye.scale)
    knots = ndimage.gaussian_filter(generator.standard_normal((40, 200)), 0.7) / 0.4
    where = np.stack([20 + along / 45, 100 + across / 7.5])
    bands = ndimage.map_coordinates(knots, where, order=2, mode="reflect")
    return np.tanh(bands)


def _macula(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """Relative brightness around the fovea, [H W]."""
    squared = (places[0] - eye.fovea_distance) ** 2 + places[1] ** 2
    wide, narrow = generator.uniform(32, 48), generator.uniform(10, 16)
    deep, core = generator.uniform(0.12, 0.3), generator.uniform(0.08, 0.2)
    macula = 1 - deep * np.exp(-squared / (2 * wide**2)) - core * np.exp(-squared / (2 * narrow**2))
    if generator.random() < 0.4:  # the foveal reflex
        macula += generator.uniform(0.05, 0.15) * np.exp(-squared / (2 * 2.5**2))
    return macula


def _nerve_fibres(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """The sheen of the nerve fibre layer: stripes that fan out from the disc along the arcades, [H W]."""
    distance = np.hypot(places[0], places[1])
    angle = np.arctan2(places[1], places[0])
    # Fibres bend around the macula: a stripe keeps one value of this warped angle.
    bent = np.abs(angle) + 0.35 * np.tanh(distance / 150) * np.sin(np.abs(angle))
    turn = generator.standard_normal((2, 512))
    stripes = ndimage.gaussian_filter1d(turn, 1.0, axis=1)[(angle > 0).astype(int), _wrap(bent, 512)]
    along = np.exp(-0.5 * ((np.abs(angle) - np.radians(68)) / np.radians(26)) ** 2)
    fading = np.exp(-0.5 * ((distance - 60) / 60) ** 2)
    strength = generator.uniform(0.01, 0.09)
    return strength * along * fading * (1 + 0.35 * stripes)


def _wrap(angle: Floats, count: int) -> NDArray[np.int64]:
    return np.clip(angle / (1.3 * np.pi) * count, 0, count - 1).astype(np.int64)


def _add_disc(generator: np.random.Generator, eye: Eye, places: Floats, whole: Floats) -> None:
    """Lay the optic disc and its cup over the light of the fundus [H W 3], in place."""
    window = _window(eye, 2.6 * eye.disc_radius)
    x, y = places[:, *window]
    light = whole[window]
    oval = generator.uniform(1.02, 1.14)
    wobble = 1.5 * cloud(generator, x.shape, 45 * eye.scale)
    outside = np.hypot(x * oval, y) - eye.disc_radius + wobble
    # The temporal edge is sharp, the nasal one blurred by the nerve fibres that leave there.
    softness = 1.2 + 2.0 / (1 + np.exp(np.clip(x / 8, -50, 50)))
    disc = sigmoid(-outside / softness)
    halo = generator.uniform(0.02, 0.12) * np.exp(-np.maximum(outside, 0) / 12)
    light = light * (1 + halo[..., None] * np.array([0.5, 1.0, 1.0]))
    pale = generator.normal(0, 1)
    tint = np.array([243, 165 + 14 * pale, 92 + 8 * pale + generator.normal(0, 5)])
    nasal = np.clip(-x / eye.disc_radius, -1, 1)  # the nasal rim is pinker
    rim = tint * (1 - nasal[..., None] * np.array([0.03, 0.12, 0.10]))
    cup_radius = eye.disc_radius * generator.uniform(0.3, 0.55)
    to_cup = np.hypot(x - generator.uniform(1, 7), y - generator.normal(0, 2))
    pallor = generator.uniform(0.18, 0.42) * sigmoid((cup_radius - to_cup) / 3)
    rim = rim * (1 + pallor[..., None] * np.array([0.15, 1.0, 1.1]))
    rim = rim * (1 + 0.03 * cloud(generator, x.shape, 10 * eye.scale))[..., None]
    whole[window] = light + 0.95 * disc[..., None] * (rim - light)


def _window(eye: Eye, radius: float) -> tuple[slice, slice]:
    """Rows and columns of the photograph up to ``radius`` around the disc."""
    low, high = ((np.array(eye.disc) + side * radius) * eye.scale for side in (-1, 1))
    first, last = np.maximum(low, 0).astype(int), np.maximum(high, 1).astype(int)
    return slice(first[1], last[1]), slice(first[0], last[0])


def _illumination(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """Relative light of the flash over the field, [H W 3]: off centre, weaker at the rim, and a crescent."""
    x, y = (places - eye.centre[:, None, None]) / eye.field_radius
    x0, y0 = generator.normal(0, 0.18, size=2)
    squared = (x - x0) ** 2 + (y - y0) ** 2
    # Red falls off most, so that the periphery looks greyer than the middle.
    fall = np.array([generator.uniform(0.22, 0.62), generator.uniform(0.06, 0.36), 0])
    fall[2] = 0.5 * fall[1]
    level = np.exp(-squared[..., None] * fall)
    toward = generator.uniform(0, 2 * np.pi)
    crescent = np.clip(x * np.cos(toward) + y * np.sin(toward) - 0.4, 0, None) * (x**2 + y**2)
    return level + crescent[..., None] * generator.uniform(0, 0.45) * np.array([0.8, 1.0, 0.8])


def _photograph(generator: np.random.Generator, eye: Eye, light: Floats, rim: Floats) -> NDArray[np.uint8]:
    """What the camera stores of the light [H W 3]: lens, edge of the field, noise, compression."""
    blur = generator.uniform(0.4, 0.75) * min(eye.scale, 1.5)
    pixels = np.empty_like(light)
    # The lens brings red to a slightly wider circle than green and blue.
    for channel, extra in enumerate((1.6, 0.3, 0.0)):
        seen = np.clip((rim + extra) / 1.6 + 0.5, 0, 1)
        pixels[..., channel] = ndimage.gaussian_filter(light[..., channel], blur) * seen + 6.5 * (1 - seen)
    grain = generator.standard_normal(pixels.shape, dtype=np.float32)
    shared = generator.standard_normal((*eye.shape, 1), dtype=np.float32)
    noise = generator.uniform(3.2, 4.3) * (0.8 * shared + 0.8 * grain) * np.sqrt(0.35 + pixels / 150)
    pixels = pixels + ndimage.gaussian_filter(noise, (0.5, 0.5, 0))
    # A shoulder instead of clipping: bright parts keep some of their texture.
    high = np.maximum(pixels - 225, 0)
    pixels = np.minimum(pixels, 225) + 31 * (1 - np.exp(-high / 31))
    stored = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return _through_jpeg(stored, quality=int(generator.integers(90, 97)))


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    return np.array(Image.open(file))

"""Fundus photographs made by code: vessels, optic disc, macula, choroid, camera.

The written folder has the layout and the file formats of DRIVE (Staal et al. 2004), so that everything that
reads DRIVE reads it. No pixel comes from a photograph; only the overall statistics were compared with one.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from synthmed.phantoms._eye import Eye, draw_eye, grow_vessels
from synthmed.phantoms._vessels import Floats, Tree, draw

# What a pixel of vessel depth takes from red, green and blue light (natural logarithm): vessels
# one and seven pixels wide become about 7 and 27 grey values darker than their surroundings in green.
_ARTERIAL_ABSORPTION = np.array([0.009, 0.046, 0.026])
_VENOUS_ABSORPTION = np.array([0.024, 0.054, 0.024])
_SMALLEST_RADIUS = 0.4  # pixels; thinner vessels are not resolved


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
    arterial, artery_mask = _transmittance(eye, arteries, _ARTERIAL_ABSORPTION, reflex=0.16)
    venous, vein_mask = _transmittance(eye, veins, _VENOUS_ABSORPTION, reflex=0.04)
    places = _places(eye)
    rim = _depth_in_field(eye)
    light = _fundus(generator, eye, places) * arterial * venous
    light *= _illumination(generator, eye, places)
    photograph = _photograph(generator, eye, light, rim)
    field = rim > 0
    return Retina(photograph=photograph, vessels=(artery_mask | vein_mask) & field, field=field)


def write(out: Path, num: int, seed: int, size: int) -> None:
    """Fill a folder with photographs, vessel masks and field masks, as DRIVE does.

    Image k depends on ``seed`` and k alone. Even k become training/, odd k test/; numbers are DRIVE's own
    (test from 1, training from 21) and go on after 40 without meeting.
    """
    for part in ("training", "test"):
        for folder in ("images", "1st_manual", "mask"):
            (out / part / folder).mkdir(parents=True)
    for k in range(num):
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
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


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
    eye: Eye, trees: list[Tree], absorption: Floats, reflex: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """The share of light that comes back through vessels, [H W 3], and where the vessels are, [H W]."""
    transmitted = np.ones((*eye.shape, 3))
    mask = np.zeros(eye.shape, dtype=bool)
    for tree in trees:
        radii = tree.radii * eye.scale
        resolved = radii >= _SMALLEST_RADIUS  # a tree never widens, so what is left is a tree again
        numbers = np.append(np.cumsum(resolved) - 1, -1)
        points = eye.to_pixels(tree.points[resolved])
        depth, radius = draw(points, numbers[tree.parents[resolved]], radii[resolved], eye.shape)
        mask |= depth > np.minimum(radius - 0.6, 0)
        across = radius - depth  # distance from the centre line
        # The chord of a round vessel, widened by half a pixel for what one pixel averages.
        wide = radius + 0.5
        chord = 2 * radius / wide * np.sqrt(np.maximum(wide**2 - across**2, 0))
        shine = reflex * np.clip((radius / eye.scale - 1.2) / 1.5, 0, 1)
        shine *= np.exp(-0.5 * (across / np.maximum(0.33 * radius, 0.3)) ** 2)
        transmitted *= np.exp(-(chord / eye.scale)[..., None] * absorption) * (1 + shine[..., None])
    return transmitted, mask


def _fundus(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """The light of the fundus without vessels, in grey values [H W 3]."""
    brightness = generator.normal(1, 0.13)
    redness = generator.normal(0, 1)
    colour = brightness * np.array([188 + 22 * redness, 100 - 7 * redness, 57 - 5 * redness])
    texture = _choroid(generator, eye)
    fundus = colour * np.exp(texture[..., None] * np.array([0.5, 1.0, 1.1]))
    fundus *= _macula(generator, eye, places)[..., None] ** np.array([0.7, 1.0, 0.9])
    fundus *= 1 + _nerve_fibres(generator, eye, places)[..., None] * np.array([0.5, 1.0, 1.3])
    return _with_disc(generator, eye, places, fundus, brightness)


def _choroid(generator: np.random.Generator, eye: Eye) -> Floats:
    """Relative brightness of pigment and choroidal vessels, natural logarithm, [H W]."""
    texture = np.zeros(eye.shape)
    for wavelength, amplitude in ((160, 0.035), (60, 0.025), (22, 0.018), (9, 0.014), (4, 0.012)):
        texture += amplitude * _cloud(generator, eye.shape, wavelength * eye.scale)
    # Choroidal vessels show through where there is little pigment: light bands between dark gaps.
    visibility = 0.05 * generator.random() ** 3 * 3
    winding = _cloud(generator, eye.shape, 34 * eye.scale) + 0.5 * _cloud(
        generator, eye.shape, 17 * eye.scale
    )
    bands = 1 - np.minimum(np.abs(winding) / 0.35, 1) ** 1.5
    where = np.clip(0.6 + 0.6 * _cloud(generator, eye.shape, 190 * eye.scale), 0, 1.5)
    return texture + visibility * bands * where


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


def _with_disc(
    generator: np.random.Generator, eye: Eye, places: Floats, fundus: Floats, brightness: float
) -> Floats:
    """The fundus [H W 3] with the optic disc and its cup laid over it."""
    x, y = places
    oval = generator.uniform(1.02, 1.14)
    wobble = 1.5 * _cloud(generator, eye.shape, 40 * eye.scale)
    outside = np.hypot(x * oval, y) - eye.disc_radius + wobble
    # The temporal edge is sharp, the nasal one blurred by the nerve fibres that leave there.
    softness = 1.8 + 2.2 * (1 / (1 + np.exp(x / 8)))
    disc = 1 / (1 + np.exp(np.clip(outside / softness, -50, 50)))
    halo = generator.uniform(0.03, 0.14) * np.exp(-np.maximum(outside, 0) / 14)
    fundus = fundus * (1 + halo[..., None] * np.array([0.5, 1.0, 1.0]))
    tint = np.array([228, 168, 96]) * (0.45 + 0.55 * brightness) * generator.normal(1, [0.03, 0.07, 0.1])
    nasal = np.clip(-x / eye.disc_radius, -1, 1)  # the nasal rim is pinker
    rim = tint * (1 - nasal[..., None] * np.array([0.03, 0.13, 0.12]))
    cup_radius = eye.disc_radius * generator.uniform(0.3, 0.55)
    cup_x = generator.uniform(1, 6)
    cup = 1 / (1 + np.exp(np.clip((np.hypot(x - cup_x, y) - cup_radius) / 3, -50, 50)))
    pallor = generator.uniform(0.12, 0.3)
    rim = rim * (1 + pallor * cup[..., None] * np.array([0.35, 1.0, 1.6]))
    rim = rim * (1 + 0.03 * _cloud(generator, eye.shape, 10 * eye.scale))[..., None]
    return fundus + 0.94 * disc[..., None] * (rim - fundus)


def _illumination(generator: np.random.Generator, eye: Eye, places: Floats) -> Floats:
    """Relative light of the flash over the field, [H W 3]: uneven, weaker at the rim, a stray crescent."""
    x, y = ((places.T - eye.centre) / eye.field_radius).T.transpose(0, 1, 2)
    angle = generator.uniform(0, 2 * np.pi)
    tilt = generator.uniform(0, 0.16) * (x * np.cos(angle) + y * np.sin(angle))
    squared = x**2 + y**2
    vignette = 1 - generator.uniform(0.06, 0.24) * squared
    level = (vignette + tilt)[..., None] ** np.array([1.0, 0.85, 0.8])
    toward = generator.uniform(0, 2 * np.pi)
    crescent = np.clip(x * np.cos(toward) + y * np.sin(toward) - 0.45, 0, None) * squared
    return level + crescent[..., None] * generator.uniform(0, 0.6) * np.array([0.5, 1.0, 0.9])


def _photograph(generator: np.random.Generator, eye: Eye, light: Floats, rim: Floats) -> NDArray[np.uint8]:
    """What the camera stores of the light [H W 3]: lens, edge of the field, noise, compression."""
    blur = generator.uniform(0.55, 0.95) * min(eye.scale, 1.5)
    pixels = np.empty_like(light)
    # The lens brings red to a slightly wider circle than green and blue.
    for channel, extra in enumerate((1.6, 0.3, 0.0)):
        seen = np.clip((rim + extra) / 1.6 + 0.5, 0, 1)
        pixels[..., channel] = ndimage.gaussian_filter(light[..., channel], blur) * seen + 6.5 * (1 - seen)
    grain = generator.normal(0, 1, size=pixels.shape)
    shared = generator.normal(0, 1, size=eye.shape)[..., None]
    noise = generator.uniform(1.7, 2.6) * (0.8 * shared + 0.8 * grain) * np.sqrt(0.35 + pixels / 150)
    pixels = pixels + ndimage.gaussian_filter(noise, (0.5, 0.5, 0))
    # A shoulder instead of clipping: the film of the eye saturates slowly.
    high = np.maximum(pixels - 215, 0)
    pixels = np.minimum(pixels, 215) + 40 * (1 - np.exp(-high / 40))
    stored = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return _through_jpeg(stored, quality=int(generator.integers(90, 97)))


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality)
    return np.array(Image.open(file))


def _cloud(generator: np.random.Generator, shape: tuple[int, int], wavelength: float) -> Floats:
    """Smooth noise [H W] with mean 0, standard deviation about 1 and the given wavelength in pixels."""
    cell = max(wavelength / 3, 1.0)
    coarse = tuple(int(np.ceil(side / cell)) + 5 for side in shape)
    knots = ndimage.gaussian_filter(generator.standard_normal(coarse), 0.8) / 0.36
    if cell == 1.0:
        return knots[: shape[0], : shape[1]]
    grid = [2 + np.arange(side) / cell for side in shape]
    where = np.meshgrid(*grid, indexing="ij")
    smooth: Floats = ndimage.map_coordinates(knots, where, order=2, mode="nearest")
    return smooth

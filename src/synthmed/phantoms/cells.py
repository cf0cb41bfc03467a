"""Photographs of nerve cells in culture, made by code: cell bodies, neurites, halos, dirt on the optics.

The written folder has the usual layout, ``images``, ``masks`` and ``metadata.csv``; the photographs are grey, in
16 bits, as cameras on microscopes store them. Four photographs in a row come from one culture: its light, its
dirt on the camera and its magnification stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from synthmed.files.tables import write_csv
from synthmed.phantoms._neuron import REFERENCE_HEIGHT, REFERENCE_WIDTH, Neuron, depth_of, draw_neuron
from synthmed.phantoms._texture import cloud, cover, ridges, sigmoid
from synthmed.phantoms._vessels import Floats

USUAL_NUM = 40
USUAL_SIZE = 480
_PER_CULTURE = 4


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """A photograph of a cell, and where the cell is.

    Args:
        pixels: [H W] uint16, phase contrast.
        cell: [H W] bool, body and neurites.
        body: [H W] bool, the body alone.
    """

    pixels: NDArray[np.uint16]
    cell: NDArray[np.bool_]
    body: NDArray[np.bool_]


def make_photograph(generator: np.random.Generator, culture: np.random.Generator, size: int = 480) -> Photograph:
    """Make one photograph.

    Args:
        generator: source of the cell and of what floats around it.
        culture: source of what all photographs of a culture share.
        size: height in pixels; the width is four thirds of it.

    Example:
        >>> photograph = make_photograph(np.random.default_rng(0), np.random.default_rng(1), size=96)
        >>> photograph.pixels.shape, photograph.pixels.dtype
        ((96, 128), dtype('uint16'))
    """
    scale = size / REFERENCE_HEIGHT
    shape = size, round(REFERENCE_WIDTH * scale)
    neuron = draw_neuron(generator)
    body, neurites = depth_of(neuron, shape, scale)
    inside = _signed(np.maximum(body, neurites), scale)
    light = _background(culture, shape, scale)
    light += _phase_contrast(generator, neuron, body, neurites, inside, scale)
    light += _debris(generator, shape, scale, inside)
    pixels = _camera(generator, culture, light, scale)
    return Photograph(pixels=pixels, cell=inside > 0, body=body > 0)


def write(out: Path, numbers: Iterable[int], seed: int, size: int) -> None:
    """Fill a folder with photographs, masks of the cells and ``metadata.csv``; a culture counts as a patient."""
    for folder in ("images", "masks"):
        (out / folder).mkdir()
    rows = []
    for k in numbers:
        number = k // _PER_CULTURE
        culture = np.random.default_rng([seed, 1, number])
        photograph = make_photograph(np.random.default_rng([seed, 0, k]), culture, size)
        name = f"cell_{k + 1:04d}"
        tifffile.imwrite(
            out / "images" / f"{name}.tif", photograph.pixels, photometric="minisblack", metadata=None, software=False
        )
        Image.fromarray(photograph.cell.astype(np.uint8) * 255).save(out / "masks" / f"{name}.png")
        rows.append((f"{name}.tif", f"culture-{number + 1:04d}"))
    write_csv(out / "metadata.csv", ("file_name", "patient_id"), rows)


def _background(culture: np.random.Generator, shape: tuple[int, int], scale: float) -> Floats:
    """The empty field, about 1: uneven light, and dirt on the optics that is far out of focus."""
    y, x = np.mgrid[: shape[0], : shape[1]] / (REFERENCE_HEIGHT * scale)
    toward = culture.uniform(0, 2 * np.pi)
    light = 1 + culture.uniform(0.02, 0.14) * ((x - 0.66) * np.cos(toward) + (y - 0.5) * np.sin(toward))
    light -= culture.uniform(0.02, 0.1) * ((x - 0.66) ** 2 + (y - 0.5) ** 2)
    light += 0.025 * cloud(culture, shape, 170 * scale) + 0.012 * cloud(culture, shape, 60 * scale)
    for _ in range(int(culture.integers(2, 7))):  # dark patches
        radius, depth = culture.uniform(14, 40), culture.uniform(0.05, 0.3)
        distance, _, _ = _around(culture, shape, scale)
        ring = 0.5 * np.exp(-(((distance - 0.85 * radius) / (0.2 * radius)) ** 2))
        light -= depth * (sigmoid((radius - distance) / (0.16 * radius)) + ring) / 1.5
    for _ in range(int(culture.integers(20, 60))):  # dust: thin rings of diffraction
        radius, depth = culture.uniform(5, 15), culture.uniform(0.01, 0.06)
        distance, _, _ = _around(culture, shape, scale)
        near = distance < 2.5 * radius
        wave = np.cos(distance[near] ** 2 / radius**2 * 4.2) * np.exp(-((distance[near] / radius) ** 2) * 0.8)
        light[near] += depth * wave
    return light


def _around(
    generator: np.random.Generator, shape: tuple[int, int], scale: float
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Distance [H W] to a random place in the field, in pixels of the reference; the place as row and column."""
    y0, x0 = generator.uniform(0, REFERENCE_HEIGHT), generator.uniform(0, REFERENCE_WIDTH)
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(y / scale - y0, x / scale - x0), y, x


def _signed(depth: Floats, scale: float) -> Floats:
    """The depth inside a thing, and outside of it the distance to it as a negative number, [H W]."""
    away: Floats = ndimage.distance_transform_edt(depth <= 0)
    return np.where(depth > 0, depth, (0.5 - away) / scale)


def _phase_contrast(
    generator: np.random.Generator, neuron: Neuron, body: Floats, neurites: Floats, inside: Floats, scale: float
) -> Floats:
    """What the cell adds to the light, [H W].

    A phase plate shows the difference between a thing and its blurred self: outside a bright halo, inside the
    shade fades towards the middle.
    """
    thickness = 12 * np.sqrt(np.clip(body, 0, 40) / 40) + 8 * np.sqrt(np.clip(neurites, 0, 9) / 9)
    thickness = np.minimum(thickness, 13)
    wide, narrow = (ndimage.gaussian_filter(thickness, sigma * scale) for sigma in (11.0, 2.5))
    light = -0.011 * (thickness - wide) - 0.012 * (thickness - narrow)
    # The membrane seen edge-on: a dark line, a bright one inside, and the halo outside.
    light -= generator.uniform(0.2, 0.36) * np.exp(-(((inside - 0.8) / 1.7) ** 2))
    light += generator.uniform(0.05, 0.14) * np.exp(-(((inside - 4.5) / 1.8) ** 2))
    light += generator.uniform(0.16, 0.34) * np.exp(-(((inside + 3.4) / 2.3) ** 2))
    light += generator.uniform(0.03, 0.08) * np.exp(-np.abs(inside + 6) / 9) * (inside < -1)
    light += _inner(generator, neuron, body, inside, scale)
    return ndimage.gaussian_filter(light, 0.7 * scale)


def _inner(generator: np.random.Generator, neuron: Neuron, body: Floats, inside: Floats, scale: float) -> Floats:
    """Granules, the nucleus with its nucleolus, and fibres along the edge, [H W]."""
    shape = body.shape
    in_body, in_cell = sigmoid((body - 5) / 2), cover(-inside + 1.5, 2.0)
    grains = cloud(generator, (shape[0], shape[1]), max(5.5 * scale, 2))
    coarse = cloud(generator, (shape[0], shape[1]), max(13 * scale, 2))
    light = in_cell * (0.06 * grains + 0.035 * coarse)
    granules = np.clip(cloud(generator, (shape[0], shape[1]), max(7 * scale, 2)) - 1.1, 0, 1.2)
    light += in_body * granules * generator.uniform(-0.1, 0.28)
    layers = ridges(np.sin(body / generator.uniform(2.6, 4.2) + coarse), 0.35) * np.exp(-body / 26)
    light += generator.uniform(0.0, 0.14) * in_body * layers
    x0, y0, radius = neuron.nucleus
    y, x = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot(x / scale - x0, y / scale - y0) + 1.2 * coarse
    seen = in_body * generator.uniform(0.3, 1.0)
    nucleus = sigmoid((radius - distance) / 1.6)
    light -= seen * nucleus * 0.7 * light  # clearer than its surroundings,
    light += seen * (0.05 * nucleus - 0.14 * np.exp(-(((distance - radius) / 1.8) ** 2)))
    off = generator.uniform(-0.35, 0.35, 2) * radius
    nucleolus = np.hypot(x / scale - x0 - off[0], y / scale - y0 - off[1]) / generator.uniform(4, 7)
    return light + seen * (0.12 * np.exp(-((nucleolus / 1.6) ** 2)) - 0.24 * np.exp(-(nucleolus**2)))


def _debris(generator: np.random.Generator, shape: tuple[int, int], scale: float, inside: Floats) -> Floats:
    """Particles in the medium, some in focus, dark with a bright edge, [H W]; none on the cell."""
    light = np.zeros(shape)
    for _ in range(int(generator.integers(8, 34))):
        radius, strength = generator.gamma(2.5, 1.6) + 1.5, generator.uniform(0.06, 0.5)
        blur = generator.choice([0.8, 2.5, 6.0], p=[0.4, 0.35, 0.25])
        distance, y, x = _around(generator, shape, scale)
        row, column = np.unravel_index(distance.argmin(), shape)
        if inside[row, column] > -2.5 * radius - 3 and blur < 3:
            continue
        angle = np.arctan2(y - row, x - column)
        distance = distance * (
            1 + generator.uniform(0, 0.2) * np.cos(int(generator.integers(1, 4)) * angle + generator.uniform(0, 6))
        )
        core = sigmoid((radius - distance) / blur)
        ring = np.exp(-(((distance - radius - 1.5 * blur) / (0.8 + blur)) ** 2))
        light += strength / (1 + 0.25 * blur**2) ** 0.5 * (0.8 * ring - core)
    return light


def _camera(
    generator: np.random.Generator, culture: np.random.Generator, light: Floats, scale: float
) -> NDArray[np.uint16]:
    """What a camera of 12 bits, stored in 16, makes of the light."""
    electrons = culture.uniform(5000, 11000)
    exposure = culture.uniform(0.42, 0.62) * 4095
    light = ndimage.gaussian_filter(np.clip(light, 0.02, None), culture.uniform(0.35, 0.6) * min(scale, 1.2))
    shot = generator.standard_normal(light.shape) * np.sqrt(light / electrons)
    film = ndimage.gaussian_filter(generator.standard_normal(light.shape), 0.8) * culture.uniform(0.012, 0.026)
    seen = np.clip(np.rint((light + shot + film) * exposure), 0, 4095).astype(np.uint16)
    return seen << 4

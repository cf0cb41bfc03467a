"""Smooth noise, from which the texture of tissue is made, and the brush that paints tissue.

A cloud is a random function of position in any unit of length. It is drawn once and looked at on any grid, so
the same anatomy can be shown on two grids, as two series of one examination are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

_DEVIATION = 0.479**0.5
"""What a uniform cubic B-spline leaves, along one axis, of the deviation 1 of its knots."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A smooth random function: mean 0, standard deviation about 1.

    Args:
        knots: the values of a cubic B-spline at its knots, one axis for each axis of space.
        start: position of the first knot along each axis.
        cells: distance between knots along each axis.
    """

    knots: Floats
    start: tuple[float, ...]
    cells: tuple[float, ...]

    def on(self, *axes: Floats) -> Floats:
        """The cloud on the grid that the positions along each axis span, [len(axis) ...]."""
        seen = self.knots
        for axis, (places, start, cell) in enumerate(zip(axes, self.start, self.cells, strict=True)):
            weights = spline_weights((places - start) / cell, self.knots.shape[axis])
            seen = np.moveaxis(np.tensordot(weights, seen, axes=(1, axis)), 0, axis)
        return seen / _DEVIATION ** len(axes)

    def at(self, *places: Floats) -> Floats:
        """The cloud at any positions, one array for each axis, all of one shape."""
        parts = zip(places, self.start, self.cells, strict=True)
        where = np.stack([(place - start) / cell + 1 for place, start, cell in parts])
        seen: Floats = ndimage.map_coordinates(self.knots, where, order=3, prefilter=False, mode="nearest")
        return seen / _DEVIATION ** len(places)


def draw_cloud(
    generator: np.random.Generator,
    low: Sequence[float],
    high: Sequence[float],
    wavelengths: float | Sequence[float],
) -> Cloud:
    """Draw a cloud over the box from ``low`` to ``high``.

    Args:
        generator: source of the knots.
        low: smallest position along each axis that will be looked at.
        high: largest position along each axis.
        wavelengths: typical length of a structure, one for all axes or one for each.
    """
    lengths = [wavelengths] * len(low) if isinstance(wavelengths, float | int) else list(wavelengths)
    cells = tuple(length / 3 for length in lengths)
    count = tuple(int((top - least) / cell) + 5 for least, top, cell in zip(low, high, cells, strict=True))
    return Cloud(knots=generator.standard_normal(count), start=tuple(low), cells=cells)


def cloud(generator: np.random.Generator, shape: tuple[int, int], wavelength: float) -> Floats:
    """Smooth noise [H W]: mean 0, standard deviation about 1, structures about ``wavelength`` pixels long."""
    cell = max(wavelength / 3, 1.0)
    sides = [np.arange(side) / cell for side in shape]
    rows, columns = (spline_weights(places, int(places[-1]) + 4) for places in sides)
    knots = generator.standard_normal((rows.shape[1], columns.shape[1]))
    smooth: Floats = rows @ knots @ columns.T / 0.479
    return smooth


def spline_weights(places: Floats, count: int) -> Floats:
    """Weights [places knots] of a uniform cubic B-spline with ``count`` knots, at places in units of knots."""
    places = np.clip(places, 0, count - 3)  # beyond the knots a cloud goes on as it ends
    first = np.clip(np.floor(places).astype(np.int64), 0, count - 4)
    t = places - first
    weights = np.zeros((len(places), count))
    basis = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for offset, value in enumerate(basis):
        weights[np.arange(len(places)), first + offset] = value / 6
    return weights


def ridges(noise: Floats, width: float) -> Floats:
    """Lines where smooth noise crosses zero, 1 on a line and 0 away from it.

    Sheets of tissue seen edge-on - septa, ligaments, membranes - run like this: without ends, joined and
    branching. ``width`` is in units of the noise.
    """
    return np.exp(-((noise / width) ** 2))


def sigmoid(value: Floats) -> Floats:
    """From 0 to 1, without overflow."""
    return 1 / (1 + np.exp(-np.clip(value, -50, 50)))


def cover(distance: Floats, softness: float = 1.0) -> Floats:
    """How much of a pixel lies inside, 0 to 1, from the signed distance (inside negative) to an edge.

    ``softness`` is the width of the edge in the unit of the distance.
    """
    return np.clip(0.5 - distance / softness, 0, 1)

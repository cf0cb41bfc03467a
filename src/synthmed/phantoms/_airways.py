"""Branching trees in the lungs: arteries, veins and bronchi, grown in space and seen in slices.

Positions are [N 3]: x to the left, y to the back, z to the head, in millimetres.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.phantoms._vessels import Floats

_STEPS = 4  # pieces of one branch, so that branches bend


@dataclass(frozen=True, kw_only=True)
class Branches:
    """Pieces of a tree, straight and short.

    Args:
        starts: [N 3].
        ends: [N 3].
        radii: [N].
    """

    starts: Floats
    ends: Floats
    radii: Floats


def grow(generator: np.random.Generator, roots: Floats, directions: Floats, radii: Floats, thinnest: float) -> Branches:
    """Grow trees that fork in two until they are as thin as ``thinnest``.

    Args:
        generator: source of lengths, turns and shares.
        roots: [N 3], where the trunks begin.
        directions: [N 3], where they go, of length 1.
        radii: [N] of the trunks; at forks Murray's law holds, r0^3 = r1^3 + r2^3.
        thinnest: where a tree ends.
    """
    starts, ends, widths = [], [], []
    while len(roots):
        length = radii * generator.uniform(5, 9, len(radii)) + 5
        place = roots
        for _ in range(_STEPS):
            directions = _unit(directions + generator.normal(0, 0.05, directions.shape))
            onward = place + directions * (length / _STEPS)[:, None]
            starts.append(place)
            ends.append(onward)
            widths.append(radii)
            place = onward
        across = _unit(np.cross(directions, generator.standard_normal(directions.shape)))
        share = generator.uniform(0.2, 0.8, len(radii))
        sons = []
        for part, side in ((share, 1), (1 - share, -1)):
            # The thinner branch turns more.
            turn = generator.uniform(0.5, 0.95, len(radii)) * (1.1 - part)
            heading = _unit(directions * np.cos(turn)[:, None] + side * across * np.sin(turn)[:, None])
            sons.append((place, heading, radii * np.cbrt(part)))
        roots, directions, radii = (np.concatenate(parts) for parts in zip(*sons, strict=True))
        alive = radii > thinnest
        roots, directions, radii = roots[alive], directions[alive], radii[alive]
    return Branches(starts=np.concatenate(starts), ends=np.concatenate(ends), radii=np.concatenate(widths))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def seen_in_slice(
    branches: Branches, z: float, thickness: float, x: Floats, y: Floats, swell: float = 0.0
) -> tuple[Floats, Floats]:
    """How a slice shows a tree.

    Args:
        branches: the tree.
        z: middle of the slice.
        thickness: of the slice; a branch that crosses it obliquely is seen along its way.
        x: [W] position of the columns, evenly spaced.
        y: [H] position of the rows, evenly spaced.
        swell: added to all radii.

    Returns:
        Share of a pixel's column that is filled, 0 to 1, and how deep the pixel lies inside, negative
        outside and at least -1.5 pixels, in millimetres; both [H W].
    """
    spacing = float(x[1] - x[0])
    radii = branches.radii + swell
    low = np.minimum(branches.starts[:, 2], branches.ends[:, 2]) - radii
    high = np.maximum(branches.starts[:, 2], branches.ends[:, 2]) + radii
    near = (low < z + thickness / 2) & (high > z - thickness / 2)
    start, end, radii = branches.starts[near], branches.ends[near], radii[near]
    along = end - start
    length = np.linalg.norm(along, axis=1)
    count = max(int(np.ceil(length.max(initial=0) / (0.6 * spacing))), 1)
    t = ((np.arange(count) + 0.5) / count)[:, None, None]
    centres = start + t * along  # [T N 3]
    off = np.abs(centres[..., 2] - z)
    beyond = np.maximum(off - thickness / 2, 0)
    chord = np.sqrt(np.maximum(radii**2 - beyond**2, 0))
    # A thin branch that lies in the slice fills only a part of its thickness, one that pierces it all.
    steep = np.abs(along[:, 2]) / np.maximum(length, 1e-9)
    filled = np.clip(np.maximum(1.6 * radii / thickness, steep**2), 0.05, 1)
    filled = filled * np.clip((thickness / 2 + radii - off) / (0.4 * thickness), 0, 1)  # it leaves the slice gradually
    chosen = chord > 0.1
    places = (centres[chosen][:, :2] - (x[0], y[0])) / spacing
    return _stamp(places, chord[chosen] / spacing, filled[chosen], (len(y), len(x)), spacing)


def _stamp(
    places: Floats, radii: Floats, filled: Floats, shape: tuple[int, int], spacing: float
) -> tuple[Floats, Floats]:
    share, depth = np.zeros(shape), np.full(shape, -1.5)
    reach = np.ceil(radii + 1).astype(np.int64)
    for far in np.unique(reach):
        chosen = reach == far
        offsets: NDArray[np.int64] = np.mgrid[-far : far + 1, -far : far + 1].reshape(2, 1, -1)
        column = np.rint(places[chosen, :1]).astype(np.int64) + offsets[1]
        row = np.rint(places[chosen, 1:]).astype(np.int64) + offsets[0]
        inner = radii[chosen, None] - np.hypot(column - places[chosen, :1], row - places[chosen, 1:])
        good = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0]) & (inner > -0.5)
        where = (row * shape[1] + column)[good]
        np.maximum.at(share.reshape(-1), where, (np.clip(inner + 0.5, 0, 1) * filled[chosen, None])[good])
        np.maximum.at(depth.reshape(-1), where, inner[good])
    return share, depth * spacing

"""What a mask of trees is like: its skeleton as branches that meet, and the numbers that describe it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

Mask = NDArray[np.bool_]

TITLES = (
    "largest tree", "pieces", "loops", "ends", "branch points", "branch angle", "tortuosity", "width, first order",
    "width, second order", "width, higher orders", "density near the trunk", "density halfway", "density far off",
)  # fmt: skip
"""Share of the skeleton in its largest piece; pieces, loops, ends and points where branches meet, each per 100 pixels
of skeleton; degrees between the two branches that part at a point; length of a branch by its chord; widths in
hundredths of the longest side, by the number of branch points from the trunk (0 or 1, 2 or 3, more); pixels of skeleton
by 100 pixels of area, up to a sixth of the longest side from the trunk, to a third, and beyond."""

_AROUND = np.ones((3, 3), bool)
_COUNT = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
_SHORTEST = 6
"""Pixels below which a branch has no course of its own."""
_AHEAD = 5
"""Pixels of a branch that say where it leads."""
_ORDERS = ((0, 1), (2, 3), (4, 10_000))
_RINGS = ((0, 1 / 6), (1 / 6, 1 / 3), (1 / 3, 2.0))


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A part of a skeleton between two points where branches meet, or an end.

    Args:
        pixels: [n 2] rows and columns, from one side to the other.
        joints: numbers of the branch points that it touches, none to two.
        width: mean, in pixels.
    """

    pixels: NDArray[np.intp]
    joints: tuple[int, ...]
    width: float

    @property
    def length(self) -> float:
        """In pixels, steps aslant counting their length."""
        return float(np.sqrt(np.square(np.diff(self.pixels, axis=0)).sum(1)).sum())


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """The middle lines of a mask.

    Args:
        lines: [H W].
        joints: [H W] the number of the branch point that a pixel belongs to, 0 = none.
        branches: all of them.
        widths: [H W] of the mask at its lines, in pixels; 0 elsewhere.
        trunk: row and column around which most of the widest lines lie.
    """

    lines: Mask
    joints: NDArray[np.int32]
    branches: tuple[Branch, ...]
    widths: NDArray[np.float64]
    trunk: tuple[int, int]


def skeleton_of(mask: Mask) -> Skeleton:
    """The skeleton of a mask [H W], its branches and its trunk."""
    lines = skeletonize(np.pad(mask, 1))[1:-1, 1:-1]
    widths = _widths(mask, lines)
    neighbours = ndimage.convolve(lines.astype(int), _COUNT, mode="constant") * lines
    joints, _ = ndimage.label(neighbours > 2, _AROUND)
    parts, count = ndimage.label(lines & (joints == 0), _AROUND)
    branches = []
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        corner = np.array([max(0, span.start - 1) for span in box])
        window = tuple(slice(int(at), span.stop + 1) for at, span in zip(corner, box, strict=True))
        own = parts[window] == number
        pixels = _in_order(own)
        met = ndimage.binary_dilation(own, _AROUND) & (joints[window] > 0)
        branches.append(
            Branch(
                pixels=pixels + corner,
                joints=tuple(int(one) for one in np.unique(joints[window][met])),
                width=float(widths[window][own].mean()),
            )
        )
    assert len(branches) == count
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * lines
    thick = ndimage.gaussian_filter(np.square(inside), max(mask.shape) / 24)
    trunk = np.unravel_index(int(np.argmax(thick)), thick.shape)
    return Skeleton(lines=lines, joints=joints, branches=tuple(branches), widths=widths,
                    trunk=(int(trunk[0]), int(trunk[1])))  # fmt: skip


def _widths(mask: Mask, lines: Mask) -> NDArray[np.float64]:
    """At each pixel of the lines how many pixels of the mask lie nearest to it: finer than a distance to the border."""
    if not lines.any():
        return np.zeros(mask.shape)
    nearest = ndimage.distance_transform_edt(~lines, return_distances=False, return_indices=True)
    flat = np.ravel_multi_index((nearest[0][mask], nearest[1][mask]), mask.shape)
    return np.bincount(flat, minlength=mask.size).reshape(mask.shape).astype(np.float64)


def described(mask: Mask) -> NDArray[np.float64]:
    """The numbers of a mask [H W], as ``TITLES`` names them; NaN where it has nothing to tell them from."""
    found = np.full(len(TITLES), np.nan)
    skeleton = skeleton_of(mask)
    pixels = int(skeleton.lines.sum())
    if not pixels:
        return found
    pieces, count = ndimage.label(skeleton.lines, _AROUND)
    neighbours = ndimage.convolve(skeleton.lines.astype(int), _COUNT, mode="constant")
    holes = ndimage.label(np.pad(~mask, 1, constant_values=True))[1] - 1
    ends = int((skeleton.lines & (neighbours == 1)).sum())
    per = 100 / pixels
    found[:5] = (np.bincount(pieces.ravel())[1:].max() / pixels, count * per, holes * per, ends * per,
                 int(skeleton.joints.max()) * per)  # fmt: skip
    long = [branch for branch in skeleton.branches if len(branch.pixels) >= _SHORTEST]
    if angles := _angles(skeleton):
        found[5] = np.mean(angles)
    chords = [(branch.length, float(np.linalg.norm(branch.pixels[-1] - branch.pixels[0]))) for branch in long]
    if apart := [length / chord for length, chord in chords if chord >= _SHORTEST / 2]:
        found[6] = np.mean(apart)
    longest = max(mask.shape)
    orders = _orders(skeleton)
    for place, (first, last) in enumerate(_ORDERS):
        some = [(branch.width, len(branch.pixels)) for branch, order in zip(skeleton.branches, orders, strict=True)
                if first <= order <= last]  # fmt: skip
        if some:
            widths, weights = np.array(some).T
            found[7 + place] = 100 * np.average(widths, weights=weights) / longest
    rows, columns = np.indices(mask.shape)
    far = np.hypot(rows - skeleton.trunk[0], columns - skeleton.trunk[1]) / longest
    for place, (near, end) in enumerate(_RINGS):
        ring = (far >= near) & (far < end)
        found[10 + place] = 100 * skeleton.lines[ring].sum() / max(1, ring.sum())
    return found


def _in_order(inside: Mask) -> NDArray[np.intp]:
    """The pixels of a line without branches [n 2], from one end to the other; of a ring from anywhere."""
    places = {(int(y), int(x)) for y, x in np.argwhere(inside)}

    def beside(at: tuple[int, int]) -> list[tuple[int, int]]:
        near = ((at[0] + y, at[1] + x) for y, x in _STEPS)
        return [one for one in near if one in places]

    at = min(places, key=lambda one: (len(beside(one)), one))
    walked = []
    while True:
        walked.append(at)
        places.discard(at)
        following = beside(at)
        if not following:
            return np.array(walked, np.intp)
        at = following[0]


def _angles(skeleton: Skeleton) -> list[float]:
    """At each branch point the smallest angle between two of its branches, in degrees."""
    centres = ndimage.center_of_mass(skeleton.lines, skeleton.joints, np.arange(1, skeleton.joints.max() + 1))
    ways: dict[int, list[NDArray[np.float64]]] = {}
    for branch in skeleton.branches:
        if len(branch.pixels) < _SHORTEST:
            continue
        for joint in branch.joints:
            centre = np.array(centres[joint - 1])
            ends = branch.pixels[0], branch.pixels[-1]
            begins = np.linalg.norm(ends[0] - centre) <= np.linalg.norm(ends[1] - centre)
            walked = branch.pixels if begins else branch.pixels[::-1]
            way = walked[min(_AHEAD, len(walked) - 1)] - centre
            ways.setdefault(joint, []).append(way / max(float(np.linalg.norm(way)), 1e-9))
    found = []
    for leading in ways.values():
        if len(leading) >= 3:
            pairs = [float(one @ other) for place, one in enumerate(leading) for other in leading[:place]]
            found.append(float(np.degrees(np.arccos(np.clip(max(pairs), -1, 1)))))
    return found


def _orders(skeleton: Skeleton) -> list[int]:
    """How many branch points lie between each branch and the trunk; of a piece without it, its widest branch."""
    at: dict[int, list[int]] = {}
    for place, branch in enumerate(skeleton.branches):
        for joint in branch.joints:
            at.setdefault(joint, []).append(place)
    orders = [-1] * len(skeleton.branches)
    near = [float(np.hypot(*(branch.pixels - skeleton.trunk).T).min()) for branch in skeleton.branches]
    inside = [place for place, apart in enumerate(near) if apart <= max(skeleton.lines.shape) / 12]
    widest = sorted(range(len(orders)), key=lambda place: -skeleton.branches[place].width)
    for begin in [inside, *([place] for place in widest)]:
        front = [place for place in begin if orders[place] < 0]
        for place in front:
            orders[place] = 0
        while front:
            following = []
            for place in front:
                for joint in skeleton.branches[place].joints:
                    for other in at[joint]:
                        if orders[other] < 0:
                            orders[other] = orders[place] + 1
                            following.append(other)
            front = following
    return orders

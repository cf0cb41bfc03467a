"""Vessel trees grown over the retina, and their drawing.

A tree starts as a few planted trunks and grows towards scattered targets, each joined where the new branch
is short, leaves forwards and is not far from the heart (the greedy tree of Cuntz et al. 2010, "One rule to
grow them all"). Radii follow from the growth: each visible piece of vessel feeds an invisible capillary bed
in proportion to its length, and at each bifurcation Murray's law (1926) holds, r0^3 = r1^3 + r2^3.

Points are [N 2], x and y, in any one unit of length; the retina uses pixels of a photograph 584 pixels high.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]

STEP = 3.0
"""Distance between neighbouring nodes of a tree."""


@dataclass(frozen=True, kw_only=True)
class Habit:
    """How a kind of vessel grows.

    Args:
        feeding: cubed radius that a unit of length feeds; sets the width of the whole tree.
        tip_radius: radius at the ends.
        clearance: targets closer than this to the tree are given up; sets how dense the tree becomes.
        forwardness: cost of leaving backwards; larger means sharper angles between branches.
        balance: cost of a long way from the root, as a share of its length.
        shortest_twig: ends shorter than this are cut off.
    """

    feeding: float
    tip_radius: float = 0.42
    clearance: float = 27.0
    forwardness: float = 0.6
    balance: float = 0.12
    shortest_twig: float = 28.0


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A rooted tree of vessel nodes; a parent always comes before its children.

    Args:
        points: [N 2].
        parents: [N], the index of the parent, -1 at a root.
        radii: [N], in the unit of the points.
    """

    points: Floats
    parents: NDArray[np.int64]
    radii: Floats


class _Growth:
    """The nodes of a growing tree."""

    def __init__(self, capacity: int = 6000) -> None:
        self.points = np.zeros((capacity, 2))
        self.headings = np.zeros((capacity, 2))
        self.parents = np.full(capacity, -1, dtype=np.int64)
        self.lengths = np.zeros(capacity)
        self.paths = np.zeros(capacity)
        self.closed = np.zeros(capacity, dtype=bool)
        self.is_tip = np.zeros(capacity, dtype=bool)
        self.count = 0

    def extend(self, parent: int, course: Floats) -> NDArray[np.int64]:
        """Append a chain of points [N 2] behind the node ``parent`` (-1 = a new root); returns its nodes."""
        nodes = np.arange(self.count, self.count + len(course))
        self.count += len(course)
        before = course[0] if parent < 0 else self.points[parent]
        steps = np.diff(np.vstack([before, course]), axis=0)
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        self.points[nodes] = course
        self.headings[nodes] = steps / np.maximum(lengths, 1e-9)[:, None]
        self.parents[nodes] = nodes - 1
        self.parents[nodes[0]] = parent
        self.lengths[nodes] = lengths
        self.paths[nodes] = lengths.cumsum() + (0 if parent < 0 else self.paths[parent])
        self.is_tip[nodes[-1]] = True
        if parent >= 0:
            # No second branch close to this one: a trifurcation looks wrong, and Murray's law is of two.
            if not self.is_tip[parent]:
                self.closed[max(parent - 3, 0) : parent + 4] = True
            self.is_tip[parent] = False
        return nodes


def grow(trunks: Sequence[Floats], stages: Sequence[Floats], habit: Habit) -> Tree:
    """Grow a tree from trunks towards targets, in stages.

    Args:
        trunks: courses [N 2] from the root outwards, with neighbours about ``STEP`` apart.
        stages: targets [N 2], where vessels should come near; those of one stage are all joined before the
            next is begun, so that no great vessel leads through the targets of the last.
        habit: how it grows.

    Returns:
        The tree; where two branches meet, the cubed radii of the daughters add up to that of the parent.
    """
    growth = _Growth()
    for trunk in trunks:
        growth.extend(-1, trunk)
    for targets in stages:
        _colonise(growth, targets, habit)
    count = growth.count
    points, parents, lengths = growth.points[:count], growth.parents[:count], growth.lengths[:count]
    return _with_radii(*_without_twigs(points, parents, lengths, habit.shortest_twig), habit)


def _colonise(growth: _Growth, targets: Floats, habit: Habit) -> None:
    """Join the cheapest target to the tree, again and again, until all are reached or given up."""
    cost = np.full(len(targets), np.inf)
    nearest = np.zeros(len(targets), dtype=np.int64)
    alive = np.ones(len(targets), dtype=bool)
    _give_up(growth.points[: growth.count], targets, alive, habit.clearance)
    _look(growth, np.arange(growth.count), targets, alive, habit, cost, nearest)
    while True:
        cost[~alive] = np.inf
        target = int(cost.argmin())
        if not np.isfinite(cost[target]):
            return
        alive[target] = False
        node = int(nearest[target])
        edge = _edge(growth.points[node], growth.headings[node], targets[target], bool(growth.is_tip[node]))
        if _touches(edge, growth.points[: growth.count], 5.0):
            continue
        nodes = growth.extend(node, edge)
        _give_up(edge, targets, alive, habit.clearance)
        orphans = alive & growth.closed[nearest]
        cost[orphans] = np.inf
        _look(growth, np.arange(growth.count), targets, orphans, habit, cost, nearest)
        _look(growth, nodes, targets, alive, habit, cost, nearest)


def _look(
    growth: _Growth,
    nodes: NDArray[np.int64],
    targets: Floats,
    which: NDArray[np.bool_],
    habit: Habit,
    cost: Floats,
    nearest: NDArray[np.int64],
) -> None:
    """Lower ``cost`` and ``nearest`` of the chosen targets where one of ``nodes`` is cheaper (in place)."""
    nodes = nodes[~growth.closed[nodes]]
    chosen = np.flatnonzero(which)
    if not len(nodes) or not len(chosen):
        return
    across = targets[chosen, :1] - growth.points[nodes, 0]  # [T N]
    along = targets[chosen, 1:] - growth.points[nodes, 1]
    distance = np.sqrt(across**2 + along**2) + 1e-9
    cosine = (across * growth.headings[nodes, 0] + along * growth.headings[nodes, 1]) / distance
    found = distance * (1 + habit.forwardness * (1 - cosine)) + habit.balance * growth.paths[nodes]
    best = found.argmin(axis=1)
    value = found[np.arange(len(chosen)), best]
    better = value < cost[chosen]
    cost[chosen[better]] = value[better]
    nearest[chosen[better]] = nodes[best[better]]


def _give_up(points: Floats, targets: Floats, alive: NDArray[np.bool_], clearance: float) -> None:
    chosen = np.flatnonzero(alive)
    alive[chosen[close_to(targets[chosen], points, clearance)]] = False


def close_to(first: Floats, second: Floats, distance: float) -> NDArray[np.bool_]:
    """Which of the first points [N 2] lie closer than ``distance`` to one of the second [M 2]."""
    across, along = first[:, :1] - second[:, 0], first[:, 1:] - second[:, 1]
    return np.any(across**2 + along**2 < distance**2, axis=1)


def _touches(edge: Floats, points: Floats, distance: float) -> bool:
    """Whether an edge runs into the tree; near its start it is close to its own parent, and may be."""
    beyond = edge[np.hypot(*(edge - edge[0]).T) > 1.6 * distance]
    return bool(len(beyond) and close_to(beyond, points, distance).any())


def _edge(start: Floats, heading: Floats, end: Floats, straight_on: bool) -> Floats:
    """A cubic Hermite curve [N 2] from ``start`` (left out) to ``end`` that leaves along ``heading``."""
    chord = end - start
    length = float(np.hypot(*chord))
    direction = chord / max(length, 1e-9)
    leave = heading if straight_on else 0.45 * heading + 0.55 * direction
    leave = leave / max(float(np.hypot(*leave)), 1e-9)
    t = np.linspace(0, 1, max(int(np.ceil(length / STEP)), 1) + 1)[1:, None]
    return (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * length * leave
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * length * direction
    )


def _without_twigs(
    points: Floats, parents: NDArray[np.int64], lengths: Floats, shortest: float
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Cut off the ends that are shorter than ``shortest`` between their last bifurcation and their tip."""
    children = np.bincount(parents[parents >= 0], minlength=len(parents))
    keep = np.ones(len(parents), dtype=bool)
    for tip in np.flatnonzero(children == 0):
        twig, node, length = [], int(tip), 0.0
        while parents[node] >= 0 and children[node] < 2:
            twig.append(node)
            length += lengths[node]
            node = int(parents[node])
        if length < shortest:
            keep[twig] = False
            children[node] -= 1
    renumbered = np.append(np.cumsum(keep) - 1, -1)  # parent -1 stays -1
    return points[keep], renumbered[parents[keep]], lengths[keep]


def _with_radii(points: Floats, parents: NDArray[np.int64], lengths: Floats, habit: Habit) -> Tree:
    cubes = lengths * habit.feeding
    children = np.bincount(parents[parents >= 0], minlength=len(parents))
    cubes[children == 0] += habit.tip_radius**3
    for node in range(len(parents) - 1, -1, -1):
        if parents[node] >= 0:
            cubes[parents[node]] += cubes[node]
    return Tree(points=points, parents=parents, radii=np.cbrt(cubes))


def join(trees: Sequence[Tree]) -> Tree:
    """Several trees as one with several roots."""
    starts = np.cumsum([0, *(len(tree.parents) for tree in trees)])
    parents = [np.where(tree.parents < 0, -1, tree.parents + start) for tree, start in zip(trees, starts, strict=False)]
    return Tree(
        points=np.concatenate([tree.points for tree in trees]),
        parents=np.concatenate(parents),
        radii=np.concatenate([tree.radii for tree in trees]),
    )


def smooth(tree: Tree, passes: int) -> Tree:
    """Take the corners out of a tree: each node moves towards the mean of its parent and its widest child."""
    children = np.flatnonzero(tree.parents >= 0)
    widest = np.full(len(tree.parents), -1)
    by_width = children[np.argsort(tree.radii[children])]
    widest[tree.parents[by_width]] = by_width
    inner = np.flatnonzero((tree.parents >= 0) & (widest >= 0))
    points = tree.points.copy()
    for _ in range(passes):
        between = (points[tree.parents[inner]] + points[widest[inner]]) / 2
        points[inner] = (points[inner] + between) / 2
    return Tree(points=points, parents=tree.parents, radii=tree.radii)


def draw(points: Floats, parents: NDArray[np.int64], radii: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Draw a tree with sub-pixel accuracy.

    Args:
        points: [N 2] x, y in pixels; the centre of the first pixel is 0, 0.
        parents: [N], -1 at a root.
        radii: [N] in pixels.
        shape: height, width of the picture.

    Returns:
        Depth [H W], how deep a pixel lies inside the nearest vessel, in pixels (negative outside, at least
        -1), and the radius [H W] of that vessel (0 far from any).
    """
    child = np.flatnonzero(parents >= 0)
    parent = parents[child]
    longest = np.hypot(*(points[child] - points[parent]).T).max(initial=0)
    count = max(int(np.ceil(longest / 0.6)), 1)  # discs 0.6 pixels apart make a smooth vessel
    t = (np.arange(count) / count)[:, None]
    centres = (points[child] + t[..., None] * (points[parent] - points[child])).reshape(-1, 2)
    widths = (radii[child] + t * (radii[parent] - radii[child])).reshape(-1)
    depth = np.full(shape, -1.0)
    radius = np.zeros(shape)
    stamps = [_stamp(centres, widths, reach, shape) for reach in np.unique(_reach(widths))]
    for where, value, _ in stamps:
        np.maximum.at(depth.reshape(-1), where, value)
    for where, value, width in stamps:
        deepest = value == depth.reshape(-1)[where]
        radius.reshape(-1)[where[deepest]] = width[deepest]
    return depth, radius


def _reach(widths: Floats) -> NDArray[np.int64]:
    return np.ceil(widths + 1.5).astype(np.int64)


def _stamp(
    centres: Floats, widths: Floats, reach: int, shape: tuple[int, int]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Pixels (flat index), depth and radius around all centres whose vessel reaches ``reach`` pixels far."""
    chosen = _reach(widths) == reach
    centres, widths = centres[chosen], widths[chosen]
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, 1, -1)
    x = np.rint(centres[:, :1]).astype(np.int64) + offsets[1]
    y = np.rint(centres[:, 1:]).astype(np.int64) + offsets[0]
    value = widths[:, None] - np.hypot(x - centres[:, :1], y - centres[:, 1:])
    inside = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0]) & (value > -1)
    radius = np.broadcast_to(widths[:, None], value.shape)
    return (y * shape[1] + x)[inside], value[inside], radius[inside]


def meander(points: Floats, generator: np.random.Generator, *, wavelength: float, amplitude: float) -> Floats:
    """Displace points [N 2] by a smooth random field, so that vessels wind and branches stay joined.

    Args:
        points: in any unit of length.
        generator: source of the field.
        wavelength: typical length of a winding, in the unit of the points.
        amplitude: standard deviation of the displacement.
    """
    cell = wavelength / 4
    low = points.min(axis=0) - 2 * cell
    extent = np.ceil((points.max(axis=0) - low) / cell).astype(int) + 3
    moved = points.copy()
    where = ((points - low) / cell).T
    for axis in range(2):
        field = ndimage.gaussian_filter(generator.standard_normal(tuple(extent)), 1.2)
        field *= amplitude / field.std()
        moved[:, axis] += ndimage.map_coordinates(field, where, order=1, mode="nearest")
    return moved

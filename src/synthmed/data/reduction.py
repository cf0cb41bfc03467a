"""Label maps made smaller so that thin structures stay whole and every label keeps its area.

The nearest neighbour of every new pixel tears what is thinner than a pixel into dots: of a vessel mask of 584 lines at
256 it makes hundreds of pieces. Here every label takes as many of the new pixels as it covered in all, those that it
covers most; where that breaks a piece, the parts are joined again by the way within it that the label covers most, and
as many pixels are given back where nothing breaks by it.
"""

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.uint8]
Plane = NDArray[np.float64]
Region = NDArray[np.bool_]

_AROUND = np.ones((3, 3), bool)
_NEIGHBOURS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x)
_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
_SPECK = 0.5
"""New pixels below which a piece of the source may vanish."""


def reduce_labels(labels: Labels, height: int, width: int) -> Labels:
    """A label map [h w] as [height width], neither side larger than before.

    The rarest label chooses first; what no label takes is background, or, where there was none, the label that covers
    it most.

    Args:
        labels: 0 = background.
        height: of the result, 1 or more.
        width: of the result, 1 or more.
    """
    if labels.shape == (height, width):
        return labels
    present, counts = np.unique(labels, return_counts=True)
    chosen = [int(label) for _, label in sorted(zip(counts, present, strict=True)) if label]
    out, free = np.zeros((height, width), np.uint8), np.ones((height, width), bool)
    shares = {label: coverage(labels == label, height, width) for label in chosen}
    for label in chosen:
        taken = _reduced(labels == label, np.where(free, shares[label], 0.0))
        out[taken] = label
        free &= ~taken
    if chosen:
        background = coverage(labels == 0, height, width)
        best = np.argmax(np.stack([shares[label] for label in chosen]), axis=0)
        bare = free & (background <= 0)
        out[bare] = np.array(chosen, np.uint8)[best[bare]]
    return out


def coverage(region: Region, height: int, width: int) -> Plane:
    """The share of each new pixel that a region [h w] covers, exactly: [height width] in [0, 1]."""
    total = np.zeros((region.shape[0] + 1, region.shape[1] + 1))
    total[1:, 1:] = region.astype(np.float64).cumsum(0).cumsum(1)
    rows = _between(total, np.linspace(0, region.shape[0], height + 1))
    both = _between(rows.T, np.linspace(0, region.shape[1], width + 1)).T
    covered = np.diff(np.diff(both, axis=0), axis=1)
    return covered * (height * width / region.size)


def _between(total: Plane, places: Plane) -> Plane:
    """Rows of a table at places between them, linearly."""
    lower = np.minimum(places.astype(int), len(total) - 2)
    share = (places - lower)[:, None]
    return total[lower] * (1 - share) + total[lower + 1] * share


def _reduced(region: Region, shares: Plane) -> Region:
    """The pixels that one label takes."""
    shares = np.where(shares < 1e-9, 0.0, shares)
    count = min(round(shares.sum()), int((shares > 0).sum()))
    # Of equally covered pixels those in fuller surroundings come first, so that no raster decides.
    order = np.argsort(-(shares + 1e-6 * ndimage.uniform_filter(shares, 3)), axis=None, kind="stable")
    taken = np.zeros(shares.shape, bool)
    taken.ravel()[order[:count]] = True
    scale = shares.size / region.size
    pieces, number = ndimage.label(region, _AROUND)
    boxes = ndimage.find_objects(pieces)
    sizes = np.bincount(pieces.ravel(), minlength=number + 1) * scale
    joins = np.zeros_like(taken)
    for piece in range(1, number + 1):
        if sizes[piece] >= _SPECK:
            _join(pieces, piece, boxes[piece - 1], shares, taken, joins)
    return _given_back(taken, joins, shares, count)


def _join(
    pieces: NDArray[np.int32], piece: int, box: tuple[slice, slice], shares: Plane, taken: Region, joins: Region
) -> None:
    """Let a piece of the source be one piece of the result, in place."""
    steps = [side / before for side, before in zip(shares.shape, pieces.shape, strict=True)]
    window = tuple(
        slice(int(span.start * step), min(side, int(np.ceil(span.stop * step)) + 1))
        for span, step, side in zip(box, steps, shares.shape, strict=True)
    )
    # Only the part of the source under the window is looked at.
    inner = tuple(
        slice(int(np.floor(span.start / step)), int(np.ceil(span.stop / step)))
        for span, step in zip(window, steps, strict=True)
    )
    ways = np.zeros(shares.shape, bool)
    ys, xs = np.nonzero(pieces[inner] == piece)
    ys, xs = ys + inner[0].start, xs + inner[1].start
    for down in (1e-6, 1 - 1e-6):  # the new pixels at all four corners of an old one
        for right in (1e-6, 1 - 1e-6):
            ways[((ys + down) * steps[0]).astype(int), ((xs + right) * steps[1]).astype(int)] = True
    ways, cover, here = ways[window] & (shares[window] > 0), shares[window], taken[window]
    if not ways.any():
        return
    if not (here & ways).any():
        best = np.unravel_index(np.argmax(np.where(ways, cover, -1)), cover.shape)
        here[best] = joins[window][best] = True
    cost = 1 / np.maximum(cover, 0.05)
    parts, _ = ndimage.label(here, _AROUND)
    sizes = dict(zip(*np.unique(parts[here & ways], return_counts=True), strict=True))
    while len(sizes) > 1:
        smallest = min(sizes, key=lambda part: (sizes[part], part))
        size, path = sizes.pop(smallest), _path(parts, smallest, set(sizes), ways | here, cost)
        if path is None:
            continue
        *between, end = path
        met = parts[end]
        for place in between:
            here[place] = joins[window][place] = True
            parts[place] = met
        parts[parts == smallest] = met
        sizes[met] += size + len(between)


def _path(
    parts: NDArray[np.int32], begin: int, goals: set[int], ways: Region, cost: Plane
) -> list[tuple[int, int]] | None:
    """The cheapest way from a part to any of others, with the pixel where it meets it (Dijkstra 1959); None = none."""
    far: dict[tuple[int, int], float] = {}
    came: dict[tuple[int, int], tuple[int, int]] = {}
    queue: list[tuple[float, tuple[int, int]]] = []
    for y, x in zip(*np.nonzero(parts == begin), strict=True):
        far[int(y), int(x)] = 0.0
        queue.append((0.0, (int(y), int(x))))
    height, width = ways.shape
    while queue:
        way, (y, x) = heapq.heappop(queue)
        if way > far[y, x]:
            continue
        if int(parts[y, x]) in goals:
            found, at = [(y, x)], came[y, x]
            while at in came:
                found.insert(0, at)
                at = came[at]
            return found
        for down, right in _NEIGHBOURS:
            there = (y + down, x + right)
            if not (0 <= there[0] < height and 0 <= there[1] < width) or not ways[there]:
                continue
            step = 0.0 if parts[there] else float(cost[there]) * (1.4 if down and right else 1.0)
            if way + step < far.get(there, np.inf):
                far[there], came[there] = way + step, (y, x)
                heapq.heappush(queue, (way + step, there))
    return None


def _given_back(taken: Region, joins: Region, shares: Plane, count: int) -> Region:
    """As many pixels as the label covered: those least covered go whose going breaks and shortens nothing."""
    spare = int(taken.sum()) - count
    if spare <= 0:
        return taken
    taken = taken.copy()
    border = taken & ~ndimage.binary_erosion(taken) & ~joins
    places = np.argwhere(border)
    for y, x in places[np.argsort(shares[border], kind="stable")]:
        if spare == 0:
            break
        if _is_simple(taken, int(y), int(x)):
            taken[y, x] = False
            spare -= 1
    return taken


def _is_simple(taken: Region, y: int, x: int) -> bool:
    """Whether a pixel may go without breaking what it touches, opening a hole or shortening an end."""
    height, width = taken.shape
    ring = [
        0 <= y + down < height and 0 <= x + right < width and bool(taken[y + down, x + right]) for down, right in _RING
    ]
    neighbours = sum(ring)
    if neighbours < 2 or all(ring[1::2]):
        return False
    # One run of neighbours around it, corners closed by the sides between them (8-connected; Yokoi et al. 1975).
    runs = sum(not ring[side] and (ring[(side + 1) % 8] or ring[(side + 2) % 8]) for side in (1, 3, 5, 7))
    return runs == 1

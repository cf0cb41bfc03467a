"""Are the masks trees as real ones are? Vessels, airways, nerve cells and ducts by their skeletons.

Of each mask thirteen numbers are taken: share of the largest tree, pieces, loops, ends and branch points per length,
branch angle, tortuosity, width by order, density by distance from the trunk (``_skeletons`` says each). Synthetic and
real masks are compared as distributions of each: the Wasserstein-1 distance in standard deviations of the real ones.
The number of the metric is their mean; each stands in the table beside its floor, two halves of the real patients.
Nothing but masks is needed, so those of any tool are measured alike.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.evaluation._contract import MasksMissing, Measurement, Setup, Table, number, require_masks
from synthmed.evaluation._featured import FeatureConfig, Judged, Sides, judge_points, own_groups
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._skeletons import TITLES, described, skeleton_of
from synthmed.pages.figures import Figure, picture
from synthmed.pictures import RGB, grid
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

_QUANTILES = (np.arange(100) + 0.5) / 100
_SHOWN = 4
_LEAST = 0.02
"""Of a number's mean: real masks are never taken to spread less, so that widths of a pixel are no ruler."""
_THICK = 0.12
"""Of the longest side: masks whose parts are wider in the mean are no trees."""


class Config(FeatureConfig):
    """Which label is a tree."""

    label: int = Field(default=0, ge=0)
    """The label whose shape is described; 0 = all above the background together."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """How far synthetic and real masks differ in topology and geometry of their trees, in standard deviations.

    Args:
        synthetic: the masks to judge.
        real: the reference.
        config: the settings.
        setup: seed, split, progress.

    Raises:
        MasksMissing: one of the sides has no masks, or the real ones are no trees.
    """
    reference = setup.reference_of(real)
    require_masks(synthetic, reference, "mask_topology")
    made, true = (_chosen(masks, config.label) for masks in (synthetic.masks(), reference.masks()))
    values = np.stack([described(mask) for mask in true])
    _refuse_no_trees(values)
    fresh = np.stack([described(mask) for mask in made])
    both = Sides(
        synthetic=Points(values=fresh, groups=own_groups(len(fresh))),
        real=Points(values=values, groups=np.array([row.patient_id for row in reference.rows])),
        extractor="",
        about="skeletons of the masks themselves",
    )
    spreads = np.nanstd(values, axis=0)
    spreads = np.maximum(spreads, _LEAST * np.maximum(np.abs(np.nanmean(values, axis=0)), 0.05))
    judged = judge_points(
        "mask_topology", lambda one, other: _distances(one.values, other.values, spreads), both, config, setup,
        bounds=(0, np.inf),
    )  # fmt: skip
    outside = _outside(judged)
    empty = int(np.isnan(fresh[:, 0]).sum())
    return judged.measurement(
        title="Topology of masks",
        unit="standard deviations of real masks",
        direction="lower is better",
        what="The mean distance of the shapes of synthetic trees to those of real ones",
        details={"numbers": _details(judged, fresh, values), "outside_the_floor": outside},
        figures=[_figure(made, true)],
        tables=[_table(judged, fresh, values)],
        warnings=[f"{empty} synthetic masks are empty."] if empty else [],
    )  # fmt: skip


def _chosen(masks: NDArray[np.uint8], label: int) -> NDArray[np.bool_]:
    return masks == label if label else masks > 0


def _refuse_no_trees(values: NDArray[np.float64]) -> None:
    """Discs, breasts and organs have a skeleton too, and it says nothing."""
    widths = values[:, TITLES.index("width, first order")]
    if np.isnan(widths).all() or np.nanmean(widths) > 100 * _THICK:
        raise MasksMissing("The real masks are no trees, so their skeletons say little. Leave out mask_topology.")


def _distances(
    made: NDArray[np.float64], true: NDArray[np.float64], spreads: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean over all numbers, then each of them: [1 + D]."""
    found = np.zeros(made.shape[1])
    for place in range(made.shape[1]):
        one, other = (side[~np.isnan(side[:, place]), place] for side in (made, true))
        if min(len(one), len(other)):
            gaps = np.quantile(one, _QUANTILES) - np.quantile(other, _QUANTILES)
            found[place] = np.abs(gaps).mean() / spreads[place]
        elif len(one) != len(other):
            found[place] = 10.0  # one side has what the other lacks altogether
    return np.concatenate([[found.mean()], found])


def _outside(judged: Judged) -> list[str]:
    """The numbers in which synthetic masks differ by more than any two halves of the real patients do.

    Thirteen numbers are looked at together, so the farthest of the halves is the border: by chance about one set in ten
    has a number beyond it.
    """
    found = judged.compared
    if not len(found.floors):
        return []
    tops = found.floors.max(axis=0)
    return [title for title, far, top in zip(TITLES, found.matched.mean(0)[1:], tops[1:], strict=True) if far > top]


def _details(judged: Judged, made: NDArray[np.float64], true: NDArray[np.float64]) -> dict[str, Any]:
    found = judged.compared
    told = {}
    for place, title in enumerate(TITLES):
        floors = found.floors[:, 1 + place]
        told[title] = {
            "synthetic": _mean(made[:, place]), "real": _mean(true[:, place]),
            "distance": round(float(found.value[1 + place]), 4),
            "floor": round(float(floors.mean()), 4) if len(floors) else None,
        }  # fmt: skip
    return told


def _mean(values: NDArray[np.float64]) -> float | None:
    return None if np.isnan(values).all() else round(float(np.nanmean(values)), 4)


def _table(judged: Judged, made: NDArray[np.float64], true: NDArray[np.float64]) -> Table:
    found, outside = judged.compared, _outside(judged)
    rows = []
    for place, title in enumerate(TITLES):
        ends = [float(side[1 + place]) for side in (found.low, found.high)]
        interval = "" if np.isnan(ends[0]) else f"({number(ends[0])} to {number(ends[1])})"
        floors, matched = found.floors[:, 1 + place], found.matched[:, 1 + place]
        rows.append([
            title, number(_mean(made[:, place])), number(_mean(true[:, place])),
            f"{number(float(found.value[1 + place]))} {interval}".strip(),
            *(number(float(some.mean()) if len(some) else None) for some in (matched, floors)),
            "no" if title in outside else "yes" if len(floors) else "",
        ])  # fmt: skip
    caption = (
        "Means of both sides, and the Wasserstein-1 distance in standard deviations of the real masks. Pieces, loops, "
        "ends and branch points: per 100 pixels of skeleton; angles in degrees; widths in hundredths of the longest "
        "side; densities in pixels of skeleton per 100 pixels"
    )
    columns = ["Of", "Synthetic", "Real", "Distance", "As many as the floor", "Floor", "Within the floor"]
    return Table(caption=caption, columns=columns, rows=rows)


def _figure(made: NDArray[np.bool_], true: NDArray[np.bool_]) -> Figure:
    rows: list[list[RGB]] = []
    for masks in (true, made):
        places: Sequence[int] = np.linspace(0, len(masks) - 1, min(_SHOWN, len(masks))).astype(int).tolist()
        rows.append([_drawn(masks[place]) for place in places])
    caption = (
        "Real masks above, synthetic ones below, with their skeletons: white in the largest tree, orange in other "
        "pieces; branch points are blue, the trunk is a green square."
    )
    return picture("Skeletons", caption, grid(rows))


def _drawn(mask: NDArray[np.bool_]) -> RGB:
    """A mask in grey under its skeleton."""
    from scipy import ndimage

    skeleton = skeleton_of(mask)
    shown = np.repeat((mask * 70).astype(np.uint8)[..., None], 3, axis=2)
    pieces, count = ndimage.label(skeleton.lines, np.ones((3, 3), bool))
    if count:
        largest = int(np.argmax(np.bincount(pieces.ravel())[1:])) + 1
        shown[skeleton.lines] = (255, 140, 0)
        shown[pieces == largest] = (255, 255, 255)
        shown[skeleton.joints > 0] = (60, 130, 255)
    y, x = skeleton.trunk
    shown[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = (0, 200, 80)
    return shown

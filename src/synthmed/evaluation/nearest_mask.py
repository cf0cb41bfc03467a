"""For each synthetic mask the nearest mask of the training set (Guibas, Virdi and Li 2017, figure 4).

The paper shows such pairs; here the overlap is counted as well, and compared with what two different real
patients reach. A synthetic mask that is nearer to a training mask than any two patients are to each other
raises an alarm. The absence of an alarm is no privacy audit: of thin structures, a copy that was bent by a
few of their widths overlaps as little as another patient does (measured on the vessels of DRIVE at 256 x 256
pixels: bends of 4 pixels are found in 17 of 20, of 8 pixels in 6 of 20; widening the masks does not help).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthmed.evaluation._contract import MasksMissing, Measurement, Setup, few_samples, plain
from synthmed.evaluation._intervals import percentiles, resampled
from synthmed.pages.figures import COLOURS, Figure, new_plot, overlap, picture, plot_figure
from synthmed.pictures import grid, image_to_rgb, mask_to_rgb
from synthmed.samples import OF_NOBODY, SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

_CHUNK = 64


class Config(BaseModel):
    """What is shown of the nearest masks."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    shown: int = Field(default=6, ge=1, le=24)
    """Synthetic masks in the picture: those nearest to a training mask."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The nearest reference of each query.

    Args:
        dice: [N] in [0, 1]; 1 = the same mask.
        index: [N] which reference.
        mirrored: [N] whether the query was nearest when mirrored left to right.
    """

    dice: NDArray[np.float32]
    index: NDArray[np.intp]
    mirrored: NDArray[np.bool_]


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The Dice of each synthetic mask with its nearest training mask; the number is their median.

    Args:
        synthetic: the set to judge; it must have masks.
        real: the prepared data set; the masks of its split train are searched.
        config: the settings.
        setup: seed and progress.

    Raises:
        MasksMissing: there are no masks on one of the sides.
    """
    train = real.split("train").where(lambda row: row.mask_source != "none")
    if not synthetic.has_masks or len(train.rows) == 0:
        side = "synthetic set" if len(train.rows) else "real training set"
        raise MasksMissing(f"The {side} has no masks; expected one for each image. Leave out nearest_mask.")
    references = train.masks()
    patients = [row.patient_id for row in train.rows]
    queries = synthetic.masks()
    found = nearest(queries, references)
    between = nearest(references, references, query_groups=patients, reference_groups=patients)
    several = len(set(patients)) > 1
    images = [str(index) for index in range(len(queries))]
    low, high = _median_interval(found.dice, images, setup.numbers(3))
    floor_low, floor_high = _median_interval(between.dice, patients, setup.numbers(4))
    most = float(between.dice.max()) if several else 1.0
    alarms = int((found.dice > most).sum())
    return Measurement(
        name="nearest_mask",
        title="Nearest training masks",
        value=float(np.median(found.dice)),
        low=low,
        high=high,
        floor=float(np.median(between.dice)) if several else None,
        floor_low=floor_low if several else None,
        floor_high=floor_high if several else None,
        unit="Dice",
        direction="no direction",
        n=len(queries),
        n_real=len(references),
        sentence=_sentence(alarms, len(queries), most),
        details={
            "highest": float(found.dice.max()),
            "highest_real_real": most if several else None,
            "above_highest_real_real": alarms,
            "dice": plain(found.dice),
            "nearest_row": [train.rows[index].id for index in found.index],
            "mirrored": [bool(flag) for flag in found.mirrored],
        },
        figures=[
            _picture(synthetic, train, queries, references, found, config.shown),
            _plot(found.dice, between.dice),
        ],
        warnings=_warnings(synthetic, queries, several, len(set(patients))),
    )


def nearest(
    queries: NDArray[np.uint8],
    references: NDArray[np.uint8],
    *,
    query_groups: Sequence[str] | None = None,
    reference_groups: Sequence[str] | None = None,
) -> Nearest:
    """Find for each query the reference of highest Dice, the query taken as it is and mirrored.

    Any label above 0 counts as foreground. An empty mask has Dice 0 with everything: it has no shape to copy.

    Args:
        queries: [N H W].
        references: [M H W].
        query_groups: the group (patient) of each query, or None.
        reference_groups: of each reference; one of the query's own group is left out.
    """
    flat = _flat(references)
    sizes = flat.sum(1)
    dice, index = np.zeros(len(queries), np.float32), np.zeros(len(queries), np.intp)
    mirrored = np.zeros(len(queries), bool)
    for first in range(0, len(queries), _CHUNK):
        part = slice(first, first + _CHUNK)
        both = np.stack(
            [_dice(_flat(queries[part]), flat, sizes), _dice(_flat(queries[part][..., ::-1]), flat, sizes)]
        )  # [2 n M]
        if query_groups is not None and reference_groups is not None:
            own = np.asarray(query_groups[part])[:, None] == np.asarray(reference_groups)[None]
            both[:, own] = 0
        best = both.max(0)
        index[part] = best.argmax(1)
        dice[part] = best.max(1)
        rows = np.arange(best.shape[0])
        mirrored[part] = both[1, rows, index[part]] > both[0, rows, index[part]]
    return Nearest(dice=dice, index=index, mirrored=mirrored)


def _flat(masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (masks > 0).reshape(len(masks), -1).astype(np.float32)


def _dice(
    queries: NDArray[np.float32], references: NDArray[np.float32], sizes: NDArray[np.float32]
) -> NDArray[np.float32]:
    total = queries.sum(1)[:, None] + sizes[None]
    return 2 * (queries @ references.T) / np.maximum(total, 1)  # 2 |A and B| / (|A| + |B|)


def _median_interval(
    dice: NDArray[np.float32], groups: Sequence[str], numbers: np.random.Generator
) -> tuple[float, float]:
    return percentiles(np.array([np.median(dice[rows]) for rows in resampled(groups, numbers)]))


def _sentence(alarms: int, count: int, most: float) -> str:
    if alarms:
        return (
            f"{alarms} of {count} synthetic masks are nearer to a training mask than any two training "
            f"patients are to each other (Dice above {most:.3f}): look at them before the set goes anywhere."
        )
    return (
        f"None of {count} synthetic masks is nearer to a training mask than two training patients are "
        f"to each other (Dice {most:.3f}). This is not a privacy audit: bent copies are not found."
    )


def _warnings(synthetic: SampleSet, queries: NDArray[np.uint8], several: bool, patients: int) -> list[str]:
    warnings = few_samples(len(queries), "synthetic masks") + few_samples(patients, "real patients")
    empty = int((queries.reshape(len(queries), -1).max(1) == 0).sum())
    if empty:
        warnings.append(f"{empty} synthetic masks are empty; they count as Dice 0.")
    taken = sum(sample.lineage not in OF_NOBODY | {"unknown"} for sample in synthetic.samples)
    if taken:
        warnings.append(f"{taken} synthetic images were made from real masks or images: nearness is expected.")
    if not several:
        warnings.append("There is one training patient, so no two patients can be compared and no alarm raised.")
    return warnings


def _picture(
    synthetic: SampleSet,
    train: "PreparedDataset",
    queries: NDArray[np.uint8],
    references: NDArray[np.uint8],
    found: Nearest,
    shown: int,
) -> Figure:
    top = np.argsort(-found.dice, kind="stable")[:shown]
    made = synthetic.images([int(index) for index in top])
    true = train.images([int(index) for index in found.index[top]])
    columns = []
    for place, index in enumerate(top):
        # Where the mirrored mask is the nearest, the training pair is shown mirrored, so that both can be
        # compared.
        turn = slice(None, None, -1) if found.mirrored[index] else slice(None)
        reference = references[found.index[index]][:, turn]
        columns.append(
            [
                mask_to_rgb(queries[index]),
                mask_to_rgb(reference),
                overlap(queries[index], reference),
                image_to_rgb(made[place]),
                image_to_rgb(true[place][:, :, turn]),
            ]
        )
    caption = (
        "The synthetic masks that are nearest to a training mask. Rows from the top: synthetic mask; "
        "its nearest "
        "training mask; both (white where they agree, orange only synthetic, blue only training); "
        "synthetic image; real image of that training mask. Dice: "
        + ", ".join(f"{found.dice[index]:.3f}" for index in top)
        + "."
    )
    return picture("Nearest masks", caption, grid(list(zip(*columns, strict=True))))


def _plot(made: NDArray[np.float32], between: NDArray[np.float32]) -> Figure:
    plot, (axis,) = new_plot(6, 2.6)
    edges = np.linspace(0, 1, 51).tolist()
    axis.hist(between, edges, density=True, color=COLOURS["real"], alpha=0.35, label="real to another patient")
    axis.hist(made, edges, density=True, color=COLOURS["synthetic"], histtype="step", label="synthetic to training")
    axis.axvline(float(between.max()), color=COLOURS["real"], linestyle="--", linewidth=1)
    axis.set(xlabel="Dice with the nearest training mask", ylabel="density", xlim=(0, 1))
    axis.legend(frameon=False)
    caption = (
        "How near the nearest training mask is: for synthetic masks (line), and for training masks "
        "among those of other patients (area; dashed line at its highest)."
    )
    return plot_figure("Distances to the nearest mask", caption, plot)

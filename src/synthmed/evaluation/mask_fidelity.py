"""Mask fidelity: does a synthetic image show the shape that was asked for?

Every image is segmented again by the rule that found the masks of the real ones: that of their kind, as mammograms have
one, else Otsu's threshold, the largest part, holes filled. The Dice of what is found and of the
mask asked for stands beside that of real images and their masks, which is what the rule can reach at this size. Beside
it stands the Dice with the mask of another image: where it is as high, the mask is ignored, and an alarm is raised.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage
from skimage.filters import threshold_otsu

from synthmed.artifacts import digest_of
from synthmed.data.kinds import find_kind, kind_names
from synthmed.data.kinds._contract import rule_of
from synthmed.evaluation._contract import (
    Estimate,
    MasksMissing,
    Measurement,
    Setup,
    beside_real,
    few_samples,
    number,
    plain,
    some_rows,
)
from synthmed.evaluation._intervals import percentiles, resampled
from synthmed.evaluation.features.store import stored
from synthmed.pages.figures import COLOURS, Figure, new_plot, overlap, picture, plot_figure
from synthmed.pictures import grid, image_to_rgb
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

Rule = Callable[[NDArray[np.float32]], NDArray[np.bool_]]
"""Picture [H W] in [0, 1] -> mask [H W]; all False where nothing is found."""

_RULE_HOLDS = 0.8
"""Below this median Dice on real images their masks are not what the rule finds, and nothing can be said."""
_IGNORED = 0.1
"""The mask is ignored where it tells own from other masks by less than this share of what it does in real images."""


class Config(BaseModel):
    """How many images are segmented, and shown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    images: int = Field(default=200, ge=2)
    """Images of a side, at most: random ones where there are more."""
    shown: int = Field(default=6, ge=1, le=24)
    """Synthetic images in the picture: those of lowest Dice."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The mean Dice of the masks asked for and of those found in the synthetic images.

    Args:
        synthetic: the set to judge; it must have masks.
        real: the data set; its reference images and their masks give the floor.
        config: the settings.
        setup: seed, progress.

    Raises:
        MasksMissing: there are no masks on one of the sides, or those of the real images are none that the rule finds.
    """
    reference = setup.reference_of(real).where(lambda row: row.mask_source != "none")
    if not synthetic.has_masks or not len(reference):
        side = "synthetic set" if len(reference) else "real reference"
        raise MasksMissing(f"The {side} has no masks; expected one for each image. Leave out mask_fidelity.")
    rule = _rule_for(real.info.kind)
    chosen = [some_rows(len(side), config.images, setup.numbers(20)) for side in (synthetic, reference)]
    patients = [reference.rows[index].patient_id for index in chosen[1]]
    true_found, drawn = _real_masks(reference, chosen[1], rule, setup), reference.masks(chosen[1])
    true_dice = dice_of_pairs(true_found, drawn)
    if np.median(true_dice) < _RULE_HOLDS:
        raise MasksMissing(
            f"The masks of the real images are not what the rule finds (median Dice {np.median(true_dice):.2f}), so it "
            "cannot judge synthetic ones. Leave out mask_fidelity."
        )
    asked, found = synthetic.masks(chosen[0]), _segmented(synthetic.images(chosen[0]), rule, setup, "synthetic")
    dice = dice_of_pairs(found, asked)
    other_dice = dice_of_pairs(found, asked[other_masks(asked, setup.numbers(21))])
    true_other = dice_of_pairs(true_found, drawn[other_masks(drawn, setup.numbers(22))])
    gap, true_gap = float((dice - other_dice).mean()), float((true_dice - true_other).mean())
    ignored = mask_is_ignored(gap, true_gap)
    low, high = _mean_interval(dice, [mask.tobytes() for mask in asked], setup.numbers(23))
    floor_low, floor_high = _mean_interval(true_dice, patients, setup.numbers(24))
    value, floor = float(dice.mean()), float(true_dice.mean())
    lost = int((~found.any((1, 2))).sum())
    return beside_real(
        Estimate(value, low, high),
        Estimate(floor, floor_low, floor_high),
        name="mask_fidelity",
        title="Mask fidelity",
        unit="Dice",
        direction="higher is better",
        n=len(dice),
        n_real=len(true_dice),
        sentence=f"What is found in the synthetic images overlaps the mask asked for by a Dice of {number(value)} on "
        f"average ({number(low)} to {number(high)}), with the mask of another image by {number(other_dice.mean())}; in "
        f"real images these are {number(floor)} and {number(true_other.mean())}.",
        details={
            "median": float(np.median(dice)),
            "lowest": float(dice.min()),
            "with_another_mask": float(other_dice.mean()),
            "with_another_mask_real": float(true_other.mean()),
            "nothing_found": lost,
            "mask_ignored": ignored,
            "dice": plain(dice),
        },
        figures=[_picture(synthetic, chosen[0], asked, found, dice, config.shown), _plot(dice, true_dice)],
        warnings=_warnings(ignored, lost, len(dice), len(set(patients))),
    )


def _rule_for(kind: str) -> Rule:
    """The rule of the kind, where it has one."""
    if kind in kind_names() and (own := rule_of(find_kind(kind), "mask_rule")):
        return own
    return otsu_rule


def otsu_rule(picture: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Above Otsu's threshold: the largest part, holes filled."""
    if picture.min() == picture.max():
        return np.zeros(picture.shape, bool)
    parts, _ = ndimage.label(picture > threshold_otsu(picture))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(parts == sizes.argmax())


def dice_of_pairs(found: NDArray, asked: NDArray) -> NDArray[np.float64]:
    """Dice of each mask with its partner, any label above 0 being foreground; 0 where one of the two is empty.

    Args:
        found: [N H W].
        asked: [N H W].

    Returns:
        [N] in [0, 1].

    Example:
        >>> mask = np.array([[[1, 1, 0]]])
        >>> dice_of_pairs(mask, np.array([[[0, 1, 0]]])).round(3).tolist()
        [0.667]
    """
    one, other = found.reshape(len(found), -1) > 0, asked.reshape(len(asked), -1) > 0
    both, sizes = (one & other).sum(1), one.sum(1) + other.sum(1)
    return np.where(sizes > 0, 2 * both / np.maximum(sizes, 1), 0.0)


def other_masks(masks: NDArray[np.uint8], numbers: np.random.Generator) -> NDArray[np.intp]:
    """For each mask [N H W] the row of a random one that differs from it; itself where all are alike."""
    names = [mask.tobytes() for mask in masks]
    order = numbers.permutation(len(masks))
    rows = np.arange(len(masks))
    for index, name in enumerate(names):
        rows[index] = next((row for row in np.roll(order, -index) if names[row] != name), index)
    return rows


def mask_is_ignored(gap: float, real_gap: float) -> bool:
    """Whether images follow their masks by less than a tenth of what real images do.

    Args:
        gap: mean Dice with the own mask less that with another one, of synthetic images.
        real_gap: the same of real ones.
    """
    return real_gap > 0 and gap < _IGNORED * real_gap


def _segmented(images: NDArray, rule: Rule, setup: Setup, side: str) -> NDArray[np.bool_]:
    top = np.iinfo(images.dtype).max
    masks = []
    for index, image in enumerate(images):
        setup.progress(index, len(images), f"mask_fidelity: {side} images")
        masks.append(rule(image[0].astype(np.float32) / top))
    return np.stack(masks)


def _real_masks(reference: "PreparedDataset", chosen: Sequence[int], rule: Rule, setup: Setup) -> NDArray[np.bool_]:
    """What the rule finds in the real images, kept with their features: every set is compared with the same ones."""

    def find() -> NDArray[np.float32]:
        masks = _segmented(reference.images(list(chosen)), rule, setup, "real")
        return masks.reshape(len(masks), -1).astype(np.float32)

    rows = digest_of([reference.rows[index].id for index in chosen])
    key = {
        "images": {"set": reference.digest, "rows": rows},
        "extractor": f"masks by {rule.__module__}.{rule.__name__}",
        "channels": [[0]],
    }
    flat = find() if setup.features is None else stored(setup.features, key, find)
    return flat.reshape(len(flat), reference.info.height, reference.info.width) > 0


def _mean_interval(
    values: NDArray[np.float64], groups: Sequence[str | bytes], numbers: np.random.Generator
) -> tuple[float | None, float | None]:
    if len(set(groups)) < 4:
        return None, None
    names = {group: str(index) for index, group in enumerate(dict.fromkeys(groups))}
    drawn = resampled([names[group] for group in groups], numbers)
    return percentiles(np.array([values[rows].mean() for rows in drawn]))


def _warnings(ignored: bool, lost: int, images: int, patients: int) -> list[str]:
    warnings = few_samples(images, "synthetic images") + few_samples(patients, "real patients")
    if ignored:
        warnings.insert(0, "ALARM: the mask is ignored. The images follow another image's mask as well as their own.")
    if lost:
        warnings.append(f"In {lost} synthetic images nothing was found; they count as Dice 0.")
    return warnings


def _picture(
    made: SampleSet, chosen: Sequence[int], asked: NDArray, found: NDArray, dice: NDArray[np.float64], shown: int
) -> Figure:
    worst = np.argsort(dice, kind="stable")[:shown]
    rows = [
        [image_to_rgb(image) for image in made.images([chosen[index] for index in worst])],
        [overlap(asked[index], found[index].astype(np.uint8)) for index in worst],
    ]
    caption = (
        "The synthetic images that follow their masks least. Below them both masks: white, in both; orange, asked for "
        f"only; blue, found only. Dice: {', '.join(number(dice[index]) for index in worst)}."
    )
    return picture("Masks asked for and found", caption, grid(rows))


def _plot(dice: NDArray[np.float64], true: NDArray[np.float64]) -> Figure:
    plot, (axis,) = new_plot(6, 2.6)
    edges = np.linspace(min(0.8, float(dice.min()), float(true.min())), 1, 41).tolist()
    axis.hist(true, edges, density=True, color=COLOURS["real"], alpha=0.35, label="real images")
    axis.hist(dice, edges, density=True, color=COLOURS["synthetic"], histtype="step", label="synthetic images")
    axis.set(xlabel="Dice of mask asked for and mask found", ylabel="density", xlim=(edges[0], 1))
    axis.tick_params(labelleft=False, left=False)
    axis.legend(frameon=False)
    return plot_figure("Mask fidelity", "Further to the right: images that show the shape asked for.", plot)

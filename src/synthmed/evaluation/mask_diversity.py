"""Diversity at a fixed mask: how much do images differ that were made under one mask?

The mean distance of features over pairs of synthetic images of one mask stands beside that over pairs of real images
of different patients with similar masks: each with the few whose masks overlap its own most. Pairs of real images also
differ a little in shape, so a generator that is as diverse as patients may lie slightly below. Where pairs of one mask
differ by less than a quarter of what pairs of real images do, the latents are ignored, and an alarm is raised: three
images that differ by one grey level reach a ninth of it.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.evaluation._contract import (
    Estimate,
    MasksMissing,
    Measurement,
    Setup,
    beside_real,
    few_samples,
    number,
    require_masks,
)
from synthmed.evaluation._featured import FeatureConfig, sides
from synthmed.evaluation._intervals import DRAWS, percentiles
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

Pairs = NDArray[np.intp]
"""[P 2] rows."""

_IGNORED = 0.25
"""Share of the real distance below which the latents are said to be ignored."""


class Config(FeatureConfig):
    """Which real images have similar masks."""

    neighbours: int = Field(default=3, ge=1)
    """Real images of other patients with the most similar masks that each is paired with."""
    pairs: int = Field(default=20, ge=1)
    """Pairs of synthetic images of one mask, at most."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The mean feature distance of synthetic images of one mask, beside that of real images of similar masks.

    Args:
        synthetic: the set to judge; it must have several images of a mask.
        real: the data set; its reference images with masks give the floor.
        config: the settings.
        setup: seed, extractor, progress.

    Raises:
        MasksMissing: there are no masks on one of the sides, or no two synthetic images have the same one.
    """
    reference = setup.reference_of(real)
    require_masks(synthetic, reference, "mask_diversity")
    masks = synthetic.masks()
    pairs = same_mask_pairs(masks, config.pairs, setup.numbers(30))
    if not len(pairs):
        raise MasksMissing(
            "No two synthetic images have the same mask; expected several under each. Make more images than there are "
            "masks, or leave out mask_diversity."
        )
    both = sides(synthetic, real, setup)
    made = distances(both.synthetic.values, pairs)
    true_pairs = similar_mask_pairs(reference.masks(), both.real.groups, config.neighbours)
    true = distances(both.real.values, true_pairs)
    low, high = _interval(made, _numbered([masks[row].tobytes() for row in pairs[:, 0]])[:, None],
                          setup.numbers(31))  # fmt: skip
    patients = _numbered(list(both.real.groups))
    floor_low, floor_high = _interval(true, patients[true_pairs], setup.numbers(32))
    value, floor = float(made.mean()), float(true.mean()) if len(true) else None
    ignored = floor is not None and latents_are_ignored(value, floor)
    warnings = few_samples(len(set(map(bytes, masks))), "masks") + few_samples(len(set(patients)), "real patients")
    if ignored:
        warnings.insert(0, "ALARM: the latents are ignored. Images of one mask are nearly the same image.")
    return beside_real(
        Estimate(value, low, high),
        None if floor is None else Estimate(floor, floor_low, floor_high),
        name="mask_diversity",
        title="Diversity at a fixed mask",
        unit="feature distance",
        direction="higher is better",
        n=len(synthetic),
        n_real=len(reference),
        extractor=both.extractor,
        sentence=f"Two synthetic images of one mask differ by {number(value)} on average ({number(low)} to "
        f"{number(high)}), two real patients with similar masks by {number(floor)} ({number(floor_low)} to "
        f"{number(floor_high)}).",
        details={
            "pairs_synthetic": len(made),
            "pairs_real": len(true),
            "share_of_real": value / floor if floor else None,
            "latents_ignored": ignored,
            "extractor": both.about,
        },
        warnings=warnings,
    )


def same_mask_pairs(masks: NDArray[np.uint8], most: int, numbers: np.random.Generator) -> Pairs:
    """Pairs of rows [P 2] whose masks [N H W] are equal, at most ``most`` of each mask, chosen at random.

    Example:
        >>> masks = np.array([[[1]], [[0]], [[1]]], np.uint8)
        >>> same_mask_pairs(masks, 5, np.random.default_rng(0)).tolist()
        [[0, 2]]
    """
    found = []
    groups = _numbered([mask.tobytes() for mask in masks])
    for group in range(groups.max() + 1):
        rows = np.flatnonzero(groups == group)
        first, second = np.triu_indices(len(rows), 1)
        pairs = np.stack([rows[first], rows[second]], 1)
        found.append(pairs[np.sort(numbers.permutation(len(pairs))[:most])])
    return np.concatenate(found)


def similar_mask_pairs(masks: NDArray[np.uint8], groups: NDArray[np.str_], neighbours: int) -> Pairs:
    """Each row with the rows of other groups whose masks overlap its own most, by Dice; every pair once.

    Args:
        masks: [N H W]; any label above 0 counts as foreground.
        groups: [N] patients.
        neighbours: how many for each row.

    Returns:
        [P 2], the smaller row first.
    """
    flat = (masks.reshape(len(masks), -1) > 0).astype(np.float32)
    sizes = flat.sum(1)
    dice = 2 * (flat @ flat.T) / np.maximum(sizes[:, None] + sizes[None], 1)
    dice[groups[:, None] == groups[None]] = -1
    nearest = np.argsort(-dice, axis=1, kind="stable")[:, :neighbours]
    found = {(min(i, j), max(i, j)) for i, row in enumerate(nearest) for j in row.tolist() if dice[i, j] >= 0}
    return np.array(sorted(found), np.intp).reshape(-1, 2)


def distances(features: NDArray[np.floating], pairs: Pairs) -> NDArray[np.float64]:
    """Euclidean distance [P] of the features [N D] of each pair, by the root of their number.

    Example:
        >>> distances(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0, 1]])).round(3).tolist()
        [3.536]
    """
    difference = features[pairs[:, 0]].astype(np.float64) - features[pairs[:, 1]]
    return np.sqrt(np.square(difference).mean(1))


def latents_are_ignored(diversity: float, real: float) -> bool:
    """Whether images of one mask differ by less than a quarter of what real images of similar masks do."""
    return diversity < _IGNORED * real


def _numbered(names: list[bytes] | list[str]) -> NDArray[np.intp]:
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], np.intp)


def _interval(
    values: NDArray[np.float64], groups: NDArray[np.intp], numbers: np.random.Generator
) -> tuple[float | None, float | None]:
    """The bootstrap of a mean over pairs [P]: a pair counts as often as all of its groups [P G] are drawn together."""
    count = int(groups.max(initial=-1)) + 1
    if count < 4:
        return None, None
    means = []
    for _ in range(DRAWS):
        drawn = np.bincount(numbers.integers(0, count, count), minlength=count)
        weights = drawn[groups].prod(1)
        if weights.sum():
            means.append((weights * values).sum() / weights.sum())
    return percentiles(np.array(means))

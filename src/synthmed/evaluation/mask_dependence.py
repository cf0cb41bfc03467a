"""Does the inside of an image follow its mask, as that of real images does?

How varied a breast is inside goes along with its outline, a little: small, cone-shaped breasts are often dense, large
ones fat. A distance between all synthetic and all real images does not see whether the right mask got the right
inside. Here a ridge regression (Hoerl and Kennard 1970) learns from the real reference images what a mask, by its
first principal components, says of four numbers: mean, standard deviation, 10th and 90th percentile of the grey values
inside. The slope of these numbers on what is predicted from the masks is the measure: 0 where the inside knows nothing
of the mask, and as large as the slope of real images (predicted by a regression that has not seen their patients)
where it knows as much.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthmed.evaluation._contract import (
    Estimate,
    MasksMissing,
    Measurement,
    Setup,
    beside_real,
    few_samples,
    number,
    require_masks,
    some_rows,
)
from synthmed.evaluation._intervals import percentiles, resampled
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

Numbers = NDArray[np.float64]
"""[N 4], one row an image."""
Masks = NDArray[np.uint8]
"""[N H W]; any label above 0 counts as inside."""

NAMES = ("mean", "standard deviation", "10th percentile", "90th percentile")
_LEAST = 20


class Config(BaseModel):
    """How the regression is made."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    components: int = Field(default=12, ge=1)
    """Principal components of the masks."""
    penalty: float = Field(default=10.0, gt=0)
    """Weight of the squared coefficients, in units of the first component."""
    folds: int = Field(default=5, ge=2)
    """Parts of the real patients, each predicted by the others."""
    images: int = Field(default=500, ge=_LEAST)
    """Images of a side, at most: all of their masks are in memory at once."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The slope of what is inside on what the mask says of it, beside that of real images.

    Args:
        synthetic: the set to judge, with masks.
        real: the data set; its reference images with masks say what goes along with a mask.
        config: the settings.
        setup: seed, reference.

    Raises:
        MasksMissing: there are no masks on one of the sides, fewer than 20 real images, or all masks are alike.
    """
    reference = setup.reference_of(real)
    require_masks(synthetic, reference, "mask_dependence")
    chosen, of_made = (some_rows(len(side), config.images, setup.numbers(53)) for side in (reference, synthetic))
    true_masks, patients = reference.masks(chosen), np.array([reference.rows[row].patient_id for row in chosen])
    true, full = inside(reference.images(chosen), true_masks)
    true_masks, patients = true_masks[full], patients[full]
    masks = synthetic.masks(of_made)
    made, full = inside(synthetic.images(of_made), masks)
    masks = masks[full]
    if min(len(true), len(made)) < _LEAST or len(np.unique(patients)) < config.folds:
        raise MasksMissing(
            f"There are {len(true)} real images of {len(np.unique(patients))} patients and {len(made)} synthetic ones "
            f"whose masks are not empty; expected {_LEAST} of each and {config.folds} patients. "
            "Leave out mask_dependence."
        )
    spread = true.std(0).clip(1e-6)
    true, made = true / spread, made / spread
    places: dict[bytes, int] = {}
    of_masks = [str(places.setdefault(mask.tobytes(), len(places))) for mask in masks]
    if len(places) < 2:
        raise MasksMissing(
            "All synthetic images have the same mask; expected several masks. Leave out mask_dependence."
        )
    predicted = predictor(true_masks, true, config)(masks)
    unseen = unseen_predictions(true_masks, true, patients, config, setup.numbers(50))

    value, floor = slope(predicted, made), slope(unseen, true)
    low, high = _interval(predicted, made, of_masks, setup.numbers(51))
    floor_low, floor_high = _interval(unseen, true, list(patients), setup.numbers(52))
    warnings = few_samples(len(places), "masks") + few_samples(len(set(patients)), "real patients")
    if floor_low <= 0:
        warnings.insert(0, "It is not shown that a mask says anything of the inside of these real images.")
    return beside_real(
        Estimate(value, low, high),
        Estimate(floor, floor_low, floor_high),
        comparable=False,
        name="mask_dependence",
        title="Inside follows the mask",
        unit="slope",
        direction="no direction",
        n=len(made),
        n_real=len(true),
        sentence=f"Where masks predict insides that differ by 1, those of synthetic images differ by "
        f"{number(value)} ({number(low)} to {number(high)}), those of real ones by {number(floor)} "
        f"({number(floor_low)} to {number(floor_high)}).",
        details={
            "slopes": {name: slope(predicted[:, [k]], made[:, [k]]) for k, name in enumerate(NAMES)},
            "slopes_real": {name: slope(unseen[:, [k]], true[:, [k]]) for k, name in enumerate(NAMES)},
        },
        warnings=warnings,
    )


def inside(images: NDArray[np.integer], masks: Masks) -> tuple[Numbers, NDArray[np.bool_]]:
    """The four numbers of each image [N C H W] with a mask that is not empty, and which images these are.

    Example:
        >>> image, mask = np.array([[[[5, 1, 3]]]]), np.array([[[0, 1, 1]]], np.uint8)
        >>> inside(image, mask)[0].tolist()
        [[2.0, 1.0, 1.2, 2.8]]
    """
    full: NDArray[np.bool_] = np.asarray(masks.reshape(len(masks), -1).any(1))
    found = np.zeros((int(full.sum()), len(NAMES)))
    for row, place in enumerate(np.flatnonzero(full)):
        values = images[place].mean(0)[masks[place] > 0]
        found[row] = values.mean(), values.std(), *np.percentile(values, [10, 90])
    return found, full


def predictor(masks: Masks, numbers: Numbers, config: Config) -> Callable[[Masks], Numbers]:
    """The function from masks to what they let expect, learned from real ones."""
    flat = (masks.reshape(len(masks), -1) > 0).astype(np.float64)
    mean, level = flat.mean(0), numbers.mean(0)
    _, sizes, axes = np.linalg.svd(flat - mean, full_matrices=False)
    scale = axes[: config.components].T / max(sizes[0] / np.sqrt(len(flat)), 1e-9)  # the first has variance 1
    known = (flat - mean) @ scale
    weights = np.linalg.solve(known.T @ known + config.penalty * np.eye(known.shape[1]), known.T @ (numbers - level))

    def predict(given: Masks) -> Numbers:
        return ((given.reshape(len(given), -1) > 0) - mean) @ scale @ weights + level

    return predict


def unseen_predictions(
    masks: Masks, numbers: Numbers, patients: NDArray[np.str_], config: Config, draws: np.random.Generator
) -> Numbers:
    """What the masks of each fold of patients let expect, learned from the others."""
    names, belongs = np.unique(patients, return_inverse=True)
    fold = draws.permutation(np.arange(len(names)) % config.folds)[belongs]
    found = np.empty_like(numbers)
    for one in range(config.folds):
        seen = fold != one
        found[~seen] = predictor(masks[seen], numbers[seen], config)(masks[~seen])
    return found


def slope(predicted: Numbers, numbers: Numbers) -> float:
    """The least-squares slope of the numbers on their predictions, all columns together, each about its own mean.

    Example:
        >>> slope(np.array([[0.0], [1.0]]), np.array([[5.0], [7.0]]))
        2.0
    """
    centred = predicted - predicted.mean(0)
    return float((centred * (numbers - numbers.mean(0))).sum() / max(np.square(centred).sum(), 1e-12))


def _interval(
    predicted: Numbers, numbers: Numbers, groups: list[str], draws: np.random.Generator
) -> tuple[float, float]:
    return percentiles(np.array([slope(predicted[rows], numbers[rows]) for rows in resampled(groups, draws)]))

"""Diversity: the multi-scale structural similarity of random pairs (Wang et al. 2003; Odena et al. 2017).

The mean over pairs of synthetic images stands beside that over pairs of real images of different patients. Above it the
synthetic images resemble each other more than patients do: the generator repeats itself. It says nothing about
whether they are plausible: noise is very diverse.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional

from synthmed.evaluation._contract import Estimate, Measurement, Setup, beside_real, few_samples, number
from synthmed.evaluation._intervals import DRAWS, percentiles
from synthmed.pages.figures import COLOURS, Figure, new_plot, plot_figure
from synthmed.running.devices import find_device
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, finest first (the paper's)."""
WINDOW, SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_CHUNK = 16


class Config(BaseModel):
    """How many pairs are compared."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    pairs: int = Field(default=400, ge=2)
    """Random pairs on each side; fewer where a side has not so many."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The mean MS-SSIM of pairs of synthetic images, beside that of real images of different patients.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, device, progress.
    """
    reference = setup.reference_of(real)
    patients = [row.patient_id for row in reference.rows]
    own = [str(index) for index in range(len(synthetic))]
    found = []
    both: list[tuple[SampleSet | PreparedDataset, list[str]]] = [(synthetic, own), (reference, patients)]
    for stream, (images, groups) in enumerate(both):
        numbers = setup.numbers(14 + stream)
        pairs = random_pairs(groups, config.pairs, numbers)
        values = _similarities(images, pairs, setup, "synthetic" if stream == 0 else "real")
        found.append((values, _interval(values, pairs, groups, numbers)))
    (made, (low, high)), (true, (floor_low, floor_high)) = found
    value, floor = float(made.mean()), float(true.mean()) if len(true) else None
    warnings = few_samples(len(synthetic), "synthetic images") + few_samples(len(set(patients)), "real patients")
    if floor is None:
        warnings.append("There is one real patient, so no two patients can be compared.")
    return beside_real(
        Estimate(value, low, high),
        None if floor is None else Estimate(floor, floor_low, floor_high),
        name="ms_ssim",
        title="Similarity among the images (MS-SSIM)",
        unit="mean over pairs",
        direction="no direction",
        n=len(synthetic),
        n_real=len(reference),
        sentence=_sentence(value, low, high, floor, floor_low, floor_high),
        details={"pairs_synthetic": len(made), "pairs_real": len(true), "scales": scales(*synthetic.shape[1:])},
        figures=[_plot(made, true)],
        warnings=warnings,
    )


def ms_ssim(one: Tensor, other: Tensor) -> Tensor:
    """Multi-scale structural similarity of images, mean of the channels.

    Five scales with the published weights where the sides allow (from 176 pixels on), otherwise as many as leave a
    whole window on the coarsest, with their weights brought to a sum of 1.

    Args:
        one: [N C H W] in [0, 1], sides of at least 11.
        other: the same.

    Returns:
        [N], at most 1; 1 for equal images.
    """
    count = scales(*one.shape[2:])
    weights = np.array(WEIGHTS[:count]) / sum(WEIGHTS[:count])
    result = torch.ones(one.shape[:2], dtype=one.dtype, device=one.device)
    for scale, weight in enumerate(weights):
        luminance, structure = _ssim_parts(one, other)  # [N C h w]
        term = (structure if scale < count - 1 else luminance * structure).mean((2, 3))  # [N C]
        # Structure may be negative for opposed images; a negative base has no power.
        result = result * term.clamp(min=0) ** weight
        one, other = functional.avg_pool2d(one, 2), functional.avg_pool2d(other, 2)
    return result.mean(1)


def scales(height: int, width: int) -> int:
    """How many scales an image allows, 1 to 5: the coarsest still holds a window of 11 pixels."""
    return max(1, min(len(WEIGHTS), int(np.log2(min(height, width) / WINDOW)) + 1))


def random_pairs(groups: Sequence[str], count: int, numbers: np.random.Generator) -> NDArray[np.intp]:
    """Up to ``count`` different pairs [P 2] of rows of different groups, in random order."""
    _, belongs = np.unique(np.asarray(groups), return_inverse=True)
    if len(groups) <= 2000:
        first, second = np.triu_indices(len(groups), 1)
    else:
        first, second = numbers.integers(0, len(groups), (2, 8 * count))
    apart = belongs[first] != belongs[second]
    pairs = np.stack([first, second], 1)[apart]
    return pairs[numbers.permutation(len(pairs))[:count]]


def _ssim_parts(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, in every window, [N C H-10 W-10] each."""
    channels = one.shape[1]
    places = torch.arange(WINDOW, dtype=one.dtype, device=one.device) - WINDOW // 2
    line = torch.exp(-places.square() / (2 * SIGMA**2))
    line = (line / line.sum()).expand(channels, 1, WINDOW)

    def blur(maps: Tensor) -> Tensor:
        maps = functional.conv2d(maps, line[..., None], groups=channels)
        return functional.conv2d(maps, line[:, :, None], groups=channels)

    mean_one, mean_other = blur(one), blur(other)
    variances = blur(one.square()) - mean_one.square() + blur(other.square()) - mean_other.square()
    covariance = blur(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one.square() + mean_other.square() + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return luminance, structure


@torch.no_grad()
def _similarities(
    images: "SampleSet | PreparedDataset", pairs: NDArray[np.intp], setup: Setup, side: str
) -> NDArray[np.float64]:
    device = find_device(setup.device)
    found = []
    for first in range(0, len(pairs), _CHUNK):
        setup.progress(first, len(pairs), f"ms_ssim: {side} pairs")
        both = [images.images(pairs[first : first + _CHUNK, place].tolist()) for place in (0, 1)]
        top = np.iinfo(both[0].dtype).max
        one, other = (torch.from_numpy(pixels.astype(np.float32) / top).to(device) for pixels in both)
        found.append(ms_ssim(one, other).cpu().numpy())
    return np.concatenate(found).astype(np.float64) if found else np.zeros(0)


def _interval(
    values: NDArray[np.float64], pairs: NDArray[np.intp], groups: Sequence[str], numbers: np.random.Generator
) -> tuple[float | None, float | None]:
    """The bootstrap of a mean over pairs: a pair counts as often as both of its patients are drawn together."""
    _, belongs = np.unique(np.asarray(groups), return_inverse=True)
    count = belongs.max() + 1
    if len(values) == 0 or count < 4:
        return None, None
    means = []
    for _ in range(DRAWS):
        drawn = np.bincount(numbers.integers(0, count, count), minlength=count)[belongs]
        weights = drawn[pairs[:, 0]] * drawn[pairs[:, 1]]
        if weights.sum():
            means.append((weights * values).sum() / weights.sum())
    return percentiles(np.array(means)) if means else (None, None)


def _sentence(
    value: float,
    low: float | None,
    high: float | None,
    floor: float | None,
    floor_low: float | None,
    floor_high: float | None,
) -> str:
    text = f"Two synthetic images have a structural similarity of {number(value)} on average"
    if floor is None or low is None or floor_low is None or high is None or floor_high is None:
        return text + "."
    text += f" ({number(low)} to {number(high)}), two real patients {number(floor)} "
    text += f"({number(floor_low)} to {number(floor_high)}): "
    if low > floor_high:
        return text + "the synthetic images are less diverse."
    if high < floor_low:
        return text + "the synthetic images differ more from each other."
    return text + "no difference in diversity is shown."


def _plot(made: NDArray[np.float64], true: NDArray[np.float64]) -> Figure:
    plot, (axis,) = new_plot(6, 2.6)
    edges = np.linspace(min([0.0, *made, *true]), 1, 41).tolist()
    if len(true):
        axis.hist(true, edges, density=True, color=COLOURS["real"], alpha=0.35, label="pairs of real patients")
    axis.hist(made, edges, density=True, color=COLOURS["synthetic"], histtype="step", label="synthetic pairs")
    axis.set(xlabel="MS-SSIM of a pair", ylabel="density", xlim=(edges[0], 1))
    axis.tick_params(labelleft=False, left=False)
    axis.legend(frameon=False)
    return plot_figure("Similarity among the images", "Further to the right: pairs that look more alike.", plot)

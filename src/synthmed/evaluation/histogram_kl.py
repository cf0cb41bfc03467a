"""Kullback-Leibler divergence of pixel-intensity histograms (Guibas, Virdi and Li 2017, sections 9 and 10).

    KL(P, Q) = sum_i P_i ln(P_i / Q_i)

The paper gives 4.759 for synthetic against real and 4.2e-4 for two halves of the real images, but neither the
direction, nor the bins, nor what is done with empty bins; all three are settings here. The number compares
colours and brightness alone: it says nothing about shapes, and nothing about copying.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthmed.evaluation._contract import Measurement, Setup, Table, few_samples, plain
from synthmed.evaluation._intervals import percentiles, resampled
from synthmed.pages.figures import COLOURS, Figure, new_plot, plot_figure
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

_CHUNK = 64


class Config(BaseModel):
    """How histograms are made and compared."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    bins: int = Field(default=256, ge=2, le=65536)
    """Bins of equal width over the whole stored range (0 to 255, or 0 to 65535)."""
    direction: Literal["synthetic_real", "real_synthetic"] = "synthetic_real"
    """P and Q: KL(synthetic || real), or KL(real || synthetic)."""
    smoothing: float = Field(default=1e-6, gt=0)
    """Added to each bin's share of the pixels before normalizing, so that empty bins give a finite number."""
    halves: int = Field(default=200, ge=1)
    """How often the real patients are split in random halves for the floor."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """KL of grey values (mean of the channels) between the synthetic images and the real reference images.

    Where the data set has a field of view, both sides are counted in one region: the pixels that at least
    half of the real images see. Synthetic images bring no field of view of their own.

    Args:
        synthetic: the images to judge.
        real: the prepared data set; the reference is one of its splits.
        config: the settings.
        setup: seed and progress.
    """
    train = setup.reference_of(real)
    region = common_region(train.fields_of_view())
    made = np.concatenate(
        [
            histograms(synthetic.images(range(first, min(first + _CHUNK, len(synthetic)))), region, config.bins)
            for first in range(0, len(synthetic), _CHUNK)
        ]
    )
    true = histograms(train.images(), region, config.bins)
    patients = [row.patient_id for row in train.rows]
    values = [_compare(made[:, plane].sum(0), true[:, plane].sum(0), config) for plane in range(made.shape[1])]
    low, high = _interval(made[:, 0], true[:, 0], patients, config, setup.numbers(1))
    floors = _floors(true[:, 0], patients, config, setup.numbers(2))
    floor_low, floor_high = percentiles(floors) if len(floors) else (None, None)
    floor = float(floors.mean()) if len(floors) else None
    warnings = few_samples(len(made), "synthetic images") + few_samples(len(set(patients)), "real patients")
    if floor is None:
        warnings.append("There is one real patient, so real cannot be compared with real.")
    planes = ["grey", *real.info.channels]
    return Measurement(
        name="histogram_kl",
        title="Divergence of pixel intensities",
        value=values[0],
        low=low,
        high=high,
        floor=floor,
        floor_low=floor_low,
        floor_high=floor_high,
        unit="nats",
        direction="lower is better",
        n=len(made),
        n_real=len(true),
        sentence=_sentence(values[0], floor),
        details={
            "per_plane": dict(zip(planes, values, strict=True)),
            "region_share": float(region.mean()),
            "histogram_synthetic": plain(_share(made[:, 0].sum(0))),
            "histogram_real": plain(_share(true[:, 0].sum(0))),
            "paper": {"synthetic_real": 4.759, "real_real": 4.212e-4},
        },
        figures=[_plot(made.sum(0), true.sum(0), planes)],
        tables=[
            Table(
                caption="The divergence of each channel",
                columns=["Channel", "KL (nats)"],
                rows=[[plane, f"{value:.4f}"] for plane, value in zip(planes, values, strict=True)],
            )
        ],
        warnings=[*warnings, "Colours and brightness only: this number says nothing about copying."],
    )


def histograms(images: NDArray[np.integer], region: NDArray[np.bool_], bins: int) -> NDArray[np.int64]:
    """Count the pixels of each image inside a region.

    Args:
        images: [N C H W] uint8 or uint16.
        region: [H W]; only pixels where it is true are counted.
        bins: of equal width over the whole stored range.

    Returns:
        [N C+1 bins]: first grey (mean of the channels), then each channel.
    """
    count, channels = images.shape[:2]
    levels = np.iinfo(images.dtype).max + 1
    counts = np.zeros((count, channels + 1, bins), np.int64)
    for index, image in enumerate(images):
        inside = image[:, region].astype(np.int64)
        # Whole numbers throughout: the mean of the channels is their sum over a range that many times as
        # wide.
        counts[index, 0] = np.bincount(inside.sum(0) * bins // (levels * channels), minlength=bins)
        for channel in range(channels):
            counts[index, channel + 1] = np.bincount(inside[channel] * bins // levels, minlength=bins)
    return counts


def kl_divergence(p: NDArray[np.number], q: NDArray[np.number], smoothing: float) -> float:
    """KL(P || Q) in nats of two histograms of counts, after adding ``smoothing`` to each bin's share.

    Example:
        >>> round(kl_divergence(np.array([1, 1]), np.array([1, 3]), 1e-12), 4)
        0.1438
    """
    p_share, q_share = _share(p) + smoothing, _share(q) + smoothing
    p_share, q_share = p_share / p_share.sum(), q_share / q_share.sum()
    return float(np.sum(p_share * np.log(p_share / q_share)))  # sum_i P_i ln(P_i / Q_i)


def common_region(fields_of_view: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels [H W] that lie in the field of view of at least half of the images; fields_of_view [N H W]."""
    return fields_of_view.mean(axis=0) >= 0.5


def _share(counts: NDArray[np.number]) -> NDArray[np.float64]:
    return counts / max(1, counts.sum())


def _compare(made: NDArray[np.int64], true: NDArray[np.int64], config: Config) -> float:
    if config.direction == "synthetic_real":
        return kl_divergence(made, true, config.smoothing)
    return kl_divergence(true, made, config.smoothing)


def _interval(
    made: NDArray[np.int64],
    true: NDArray[np.int64],
    patients: list[str],
    config: Config,
    numbers: np.random.Generator,
) -> tuple[float, float]:
    images = [str(index) for index in range(len(made))]
    draws = zip(resampled(images, numbers.spawn(1)[0]), resampled(patients, numbers.spawn(1)[0]), strict=True)
    return percentiles(np.array([_compare(made[p].sum(0), true[q].sum(0), config) for p, q in draws]))


def _floors(
    true: NDArray[np.int64], patients: list[str], config: Config, numbers: np.random.Generator
) -> NDArray[np.float64]:
    known, belongs = np.unique(patients, return_inverse=True)
    if len(known) < 2:
        return np.array([])
    results = []
    for _ in range(config.halves):
        first = np.isin(belongs, numbers.permutation(len(known))[: len(known) // 2])
        results.append(_compare(true[first].sum(0), true[~first].sum(0), config))
    return np.array(results)


def _sentence(value: float, floor: float | None) -> str:
    text = f"The pixel intensities of synthetic and real images differ by {value:.3f} nats"
    if not floor:
        return text + "."
    return text + f", {value / floor:.1f} times as much as those of two halves of the real patients ({floor:.3f})."


def _plot(made: NDArray[np.int64], true: NDArray[np.int64], planes: list[str]) -> Figure:
    plot, axes = new_plot(2.6 * len(planes) + 1, 2.6, len(planes))
    middle = (np.arange(made.shape[1]) + 0.5) / made.shape[1]
    for axis, plane, p, q in zip(axes, planes, made, true, strict=True):
        axis.fill_between(middle, _share(q), color=COLOURS["real"], alpha=0.35, linewidth=0, label="real")
        axis.plot(middle, _share(p), color=COLOURS["synthetic"], linewidth=1.3, label="synthetic")
        axis.set(title=plane, xlabel="stored value / largest value", xlim=(0, 1))
        # Black and saturated pixels would press all else to the axis.
        axis.set_ylim(0, 1.2 * max(_share(p)[1:-1].max(), _share(q)[1:-1].max(), 1e-9))
        axis.tick_params(labelleft=False, left=False)
    axes[0].set_ylabel("share of pixels")
    axes[0].legend(frameon=False)
    caption = (
        "Pixels inside the field of view: real images (area), synthetic images (line). The "
        "first and the last bin may reach above the plot."
    )
    return plot_figure("Pixel intensities", caption, plot)

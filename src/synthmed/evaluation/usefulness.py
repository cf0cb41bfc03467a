"""Is a network trained on synthetic pairs as good as one trained on real pairs?

Guibas, Virdi and Li (2017), sections 8 to 10. The same U-Net is trained on synthetic pairs alone, on real
training pairs alone, and on both, each several
times, and tested on the real test patients inside the field of view. The paper trains once and reports
F1 0.8877 (synthetic) and 0.8988 (real) on DRIVE; repeated trainings give the numbers their intervals.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from synthmed.evaluation._arms import ARMS, Pair, Trained, train_arms
from synthmed.evaluation._contract import MasksMissing, Measurement, Setup, Table, few_samples
from synthmed.evaluation._intervals import LEVEL, percentiles, resampled, t_interval
from synthmed.pages.figures import COLOURS, Figure, new_plot, picture, plot_figure
from synthmed.pictures import RGB, grid, image_to_rgb, mask_to_rgb
from synthmed.samples import SampleSet
from synthmed.segmentation.segmenter import SegmenterConfig, describe

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

SCORES = ("precision", "recall", "F1", "Dice")


class Config(BaseModel):
    """How the comparison is made; every arm is trained alike."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    seeds: int = Field(default=3, ge=1)
    """Trainings of each arm, with seeds 0, 1, 2, ... from the evaluation's seed on."""
    segmenter: SegmenterConfig = SegmenterConfig()
    """The network and its training."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One arm's F1 over that of the real arm, with its 95 % interval over trainings and test patients."""

    value: float
    low: float | None
    high: float | None


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """F1 of the arm trained on synthetic pairs over F1 of the arm trained on real pairs.

    A finished training is kept beside the report until that is written, so that a killed evaluation goes on.

    Args:
        synthetic: the set to judge; it must have masks.
        real: the prepared data set; manual masks of its splits train and test are used.
        config: the settings.
        setup: seed, device, progress, and where finished trainings are kept.

    Raises:
        MasksMissing: there are no masks on one of the sides.
    """
    train, test = _manual(real, "train"), _manual(real, "test")
    if not synthetic.has_masks:
        raise MasksMissing("The synthetic set has no masks; expected one for each image. Leave out usefulness.")
    made = Pair(images=synthetic.images(), masks=synthetic.masks())
    true = Pair(images=train.images(), masks=train.masks())
    key = {"synthetic": synthetic.digest, "real": real.digest}
    trained = train_arms(made, true, test, config.segmenter, config.seeds, key, setup)

    patients = [row.patient_id for row in test.rows]
    counts = {arm: np.stack([one.counts for one in trained if one.arm == arm]) for arm in ARMS}  # [seed N 3]
    draws = list(resampled(patients, setup.numbers(5)))
    ratios = {arm: f1_ratio(counts[arm], counts["real"], patients, draws) for arm in ("synthetic", "both")}
    ratio = ratios["synthetic"]
    arms = {arm: _summary(counts[arm], draws) for arm in ARMS}
    again = equal_arms(counts["real"], patients, draws)
    middle = arms["real"]["F1"]["mean"]
    return Measurement(
        name="usefulness",
        title="Usefulness for training",
        value=ratio.value,
        low=ratio.low,
        high=ratio.high,
        floor=1.0,
        floor_low=again[0] if again else None,
        floor_high=again[1] if again else None,
        unit="F1 trained on synthetic / F1 trained on real",
        direction="higher is better",
        n=len(made.images),
        n_real=len(true.images),
        sentence=_sentence(arms, ratio),
        details={
            "arms": arms,
            "ratio_synthetic": vars(ratio),
            "ratio_both": vars(ratios["both"]),
            "pairs": {"synthetic": len(made.images), "real": len(true.images), "test": len(test.rows)},
            "test_patients": len(set(patients)),
            "threshold": 0.5,
            "segmenter": describe(config.segmenter),
            "paper": {"F1_synthetic": 0.8877, "F1_real": 0.8988},
        },
        figures=[_plot(arms), _pictures(test, trained)],
        tables=[_table(arms), _ratio_table(ratios)],
        warnings=_warnings(config, len(set(patients)), real, middle),
    )


def scores(counts: NDArray[np.int64]) -> dict[str, float]:
    """Precision, recall and F1 of all pixels together, and the mean Dice of the images.

    Args:
        counts: [N 3] true positive, false positive and false negative pixels of each image.

    Example:
        >>> scores(np.array([[6, 2, 4]]))["F1"]
        0.6666666666666666
    """
    hits, alarms, misses = (int(total) for total in counts.sum(0))
    per_image = 2 * counts[:, 0] / np.maximum(1, 2 * counts[:, 0] + counts[:, 1] + counts[:, 2])
    per_image = np.where(counts.sum(1) == 0, 1.0, per_image)  # nothing there and nothing found
    return {
        "precision": hits / max(1, hits + alarms),
        "recall": hits / max(1, hits + misses),
        "F1": 2 * hits / max(1, 2 * hits + alarms + misses),
        "Dice": float(per_image.mean()),
    }


def f1_ratio(
    arm: NDArray[np.int64], reference: NDArray[np.int64], patients: list[str], draws: list[NDArray[np.intp]]
) -> Ratio:
    """The ratio of two arms' mean F1 with one interval for both sources of chance.

    On the logarithm, the variance is the sum of what repeated trainings show in each arm (s^2 / n, divided by
    the squared mean) and of what resampled test patients show; Student's t has Satterthwaite's degrees of
    freedom.

    Args:
        arm: [seeds N 3] counts of each training and test image.
        reference: [seeds N 3] of the arm below the line.
        patients: [N] patient of each test image.
        draws: resampled test images.

    Returns:
        The ratio; without an interval where an arm finds nothing at all, or there is one patient and one
        seed.
    """
    top, bottom = _f1_of_seeds(arm), _f1_of_seeds(reference)
    if top.mean() == 0 or bottom.mean() == 0:
        return Ratio(value=float(top.mean() / bottom.mean()) if bottom.mean() else float("nan"), low=None, high=None)
    parts: list[tuple[float, int]] = [
        (float(np.var(f1, ddof=1)) / len(f1) / float(f1.mean()) ** 2, len(f1) - 1)
        for f1 in (top, bottom)
        if len(f1) > 1
    ]
    if len(set(patients)) > 1:
        drawn = np.array(
            [_f1_of_seeds(arm[:, rows]).mean() / max(1e-12, _f1_of_seeds(reference[:, rows]).mean()) for rows in draws]
        )
        parts.append((float(np.var(np.log(np.maximum(drawn, 1e-12)))), len(set(patients)) - 1))
    value, variance = float(top.mean() / bottom.mean()), sum(part for part, _ in parts)
    if not parts:
        return Ratio(value=value, low=None, high=None)
    if variance == 0:
        return Ratio(value=value, low=value, high=value)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(variance))
    return Ratio(value=value, low=value * float(np.exp(-half)), high=value * float(np.exp(half)))


def equal_arms(
    arm: NDArray[np.int64], patients: list[str], draws: list[NDArray[np.intp]]
) -> tuple[float, float] | None:
    """Where the ratio of two arms lies 95 times of 100 that are trained alike: on real pairs, with other seeds.

    On the logarithm, both arms bring the variance of repeated trainings (s^2 / n, divided by the squared mean), and
    that by which two trainings differ from test patient to test patient.

    Args:
        arm: [seeds N 3] counts of each training and test image.
        patients: [N] patient of each test image.
        draws: resampled test images.

    Returns:
        None where one training tells nothing of chance, or the arm finds nothing.
    """
    f1, num = _f1_of_seeds(arm), len(arm)
    if num < 2 or f1.mean() == 0:
        return None
    parts: list[tuple[float, int]] = [(2 * float(np.var(f1, ddof=1)) / num / float(f1.mean()) ** 2, num - 1)]
    if len(set(patients)) > 1:
        drawn = np.log(np.maximum(np.array([_f1_of_seeds(arm[:, rows]) for rows in draws]), 1e-12))  # [draws seeds]
        pairs = [np.var(drawn[:, one] - drawn[:, other]) for one in range(num) for other in range(one)]
        parts.append((float(np.mean(pairs)) / num, len(set(patients)) - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return 1.0, 1.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(variance))
    return float(np.exp(-half)), float(np.exp(half))


def _f1_of_seeds(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    total = counts.sum(1)  # [seeds N 3] -> [seeds 3]
    return 2 * total[:, 0] / np.maximum(1, 2 * total[:, 0] + total[:, 1] + total[:, 2])


def _manual(real: "PreparedDataset", split: str) -> "PreparedDataset":
    rows = real.split(split).where(lambda row: row.mask_source == "manual")
    if len(rows.rows) == 0:
        raise MasksMissing(
            f"The real data set has no manual mask in its split {split}; expected at least one. Leave "
            "out usefulness, or prepare the data set with masks."
        )
    return rows


def _summary(counts: NDArray[np.int64], draws: list[NDArray[np.intp]]) -> dict[str, dict[str, Any]]:
    per_seed = [scores(one) for one in counts]
    result: dict[str, dict[str, Any]] = {}
    for name in SCORES:
        values = [one[name] for one in per_seed]
        result[name] = {"mean": float(np.mean(values)), "seeds": values, "interval_seeds": t_interval(values)}
    drawn = np.array([_f1_of_seeds(counts[:, rows]).mean() for rows in draws])
    result["F1"]["interval_patients"] = percentiles(drawn)
    return result


def _sentence(arms: dict[str, dict[str, Any]], ratio: Ratio) -> str:
    text = (
        "A segmentation network trained on the synthetic pairs alone reaches F1 "
        f"{arms['synthetic']['F1']['mean']:.3f} "
        f"on real test patients; trained on the real pairs it reaches {arms['real']['F1']['mean']:.3f}. "
        f"The ratio is {ratio.value:.2f}"
    )
    if ratio.low is None or ratio.high is None:
        return text + "; it has no interval."
    text += f" (95 % interval {ratio.low:.2f} to {ratio.high:.2f}): "
    if ratio.high < 1:
        return text + "the synthetic pairs teach less than the real ones."
    if ratio.low > 1:
        return text + "the synthetic pairs teach more than the real ones."
    return text + f"no difference is shown, and a loss down to the factor {ratio.low:.2f} is not excluded."


def _warnings(config: Config, patients: int, real: "PreparedDataset", reference: float) -> list[str]:
    warnings = few_samples(patients, "test patients")
    if reference < 0.5:
        warnings.append(
            f"Trained on real pairs the network reaches F1 {reference:.3f} only: it has not learned "
            "the task, and the ratio says little. Train it for more steps."
        )
    if config.seeds < 3:
        warnings.append(
            f"{config.seeds} training(s) of each arm: how much chance matters is hardly known. Use 3 seeds."
        )
    if len(real.info.mask_labels) > 2:
        warnings.append("The masks have several labels; they are compared as foreground against background.")
    return warnings


def _percent(interval: tuple[float, float] | None) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"


def _table(arms: dict[str, dict[str, Any]]) -> Table:
    return Table(
        caption="Scores on the real test patients; intervals are 95 %",
        columns=["Trained on", *SCORES, "F1 over trainings", "F1 over patients"],
        rows=[
            [
                arm,
                *(f"{summary[name]['mean']:.3f}" for name in SCORES),
                _percent(summary["F1"]["interval_seeds"]),
                _percent(summary["F1"]["interval_patients"]),
            ]
            for arm, summary in arms.items()
        ],
    )


def _ratio_table(ratios: dict[str, Ratio]) -> Table:
    return Table(
        caption="F1 over that of training on real pairs; the interval is over trainings and patients",
        columns=["Trained on", "Ratio", "95 % interval"],
        rows=[
            [arm, f"{one.value:.3f}", _percent((one.low, one.high) if one.low and one.high else None)]
            for arm, one in ratios.items()
        ],
    )


def _plot(arms: dict[str, dict[str, Any]]) -> Figure:
    plot, (axis,) = new_plot(6, 2.4)
    for place, (arm, summary) in enumerate(arms.items()):
        f1, y = summary["F1"], len(arms) - 1 - place
        axis.plot(f1["interval_patients"], [y - 0.12] * 2, color=COLOURS[arm], linewidth=2, alpha=0.5)
        if f1["interval_seeds"]:
            axis.plot(f1["interval_seeds"], [y + 0.12] * 2, color=COLOURS[arm], linewidth=2)
        axis.scatter(f1["seeds"], [y] * len(f1["seeds"]), color=COLOURS[arm], s=28, zorder=3)
    axis.set(yticks=range(len(arms)), yticklabels=[*reversed(arms)], xlabel="F1 on real test patients")
    axis.set_ylim(-0.5, len(arms) - 0.5)
    low, high = axis.get_xlim()
    axis.set_xlim(max(0, low), min(1, high))
    caption = (
        "F1 of each training (dots). Lines: 95 % interval over trainings (upper, full) and over test "
        "patients (lower, pale)."
    )
    return plot_figure("F1 by training data", caption, plot)


def _pictures(test: "PreparedDataset", trained: list[Trained]) -> Figure:
    shown = {arm: next(one.shown for one in trained if one.arm == arm) for arm in ARMS}
    count = len(shown["real"])
    images, truths = test.images(range(count)), test.masks(range(count))
    rows: list[list[RGB]] = [
        [image_to_rgb(images[index]), mask_to_rgb((truths[index] > 0).astype(np.uint8))]
        + [mask_to_rgb(shown[arm][index]) for arm in ("real", "synthetic")]
        for index in range(count)
    ]
    caption = (
        "Real test images the networks never saw. From left to right: image; mask drawn by a person; "
        "mask found by "
        "the network trained on real pairs; mask found by the network trained on synthetic pairs."
    )
    return picture("What the networks find", caption, grid(rows))

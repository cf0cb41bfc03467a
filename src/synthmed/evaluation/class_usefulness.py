"""Are synthetic images of classes of use to a classifier, and are they of the class that was asked for?

The same small classifier is trained on real training images, on synthetic ones, on both, and on real ones with plain
augmentation (mirrored, moved, lit otherwise), each several times with the same number of updates. All are tested on
the patients of the test split: the area under the ROC curve (AUC), of several classes the mean of each against the
rest. Plain augmentation is the rival: what synthetic images add must be more than what costs nothing.

The classifiers that were trained on real images alone also say of which class each synthetic image is. How often they
say the class that was asked for means something where they are right about real images of other patients.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from synthmed.evaluation._contract import ClassesMissing, Measurement, Setup, Table, few_samples, number
from synthmed.evaluation._intervals import percentiles, resampled
from synthmed.running.progress import titled
from synthmed.samples import SampleSet
from synthmed.segmentation.classifier import ClassifierConfig, describe, predict_classes, train_classifier

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

ARMS = ("real", "synthetic", "both", "real, augmented", "both, augmented")
RIVAL, OURS = "real, augmented", "both, augmented"


class Config(BaseModel):
    """How the comparison is made; every arm is trained alike."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    seeds: int = Field(default=3, ge=1)
    """Trainings of each arm, with seeds 0, 1, 2, ... from the evaluation's seed on."""
    share: float = Field(default=0.5, gt=0, lt=1)
    """Of what is drawn in the arms of both, the synthetic part."""
    classifier: ClassifierConfig = ClassifierConfig()
    """The network and its training."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Images [N C H W] as stored, with the places [N] of their classes."""

    images: NDArray[np.integer]
    labels: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.labels)


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """AUC of real and synthetic images together minus that of real ones alone, both with plain augmentation.

    Args:
        synthetic: the set to judge; its images have classes.
        real: the prepared data set; classes of its splits train and test are used.
        config: the settings.
        setup: seed, device, progress.

    Raises:
        ClassesMissing: there are no classes on one of the sides, or only one.
        DataError: a class is missing on one side, or the images are too small.
    """
    classes, made, train, test, patients = _sides(synthetic, real)
    probabilities, told, right = _trained(made, train, test, len(classes), config, setup)
    draws = list(resampled(patients, setup.numbers(21)))
    scores = {arm: np.array([auc(one, test.labels) for one in found]) for arm, found in probabilities.items()}
    drawn = {arm: _drawn_scores(found, test.labels, draws) for arm, found in probabilities.items()}
    arms = {arm: _summary(scores[arm], drawn[arm]) for arm in ARMS}
    gain = scores[OURS].mean() - scores[RIVAL].mean()
    gains = drawn[OURS] - drawn[RIVAL] + _of_trainings(scores[OURS], scores[RIVAL], len(draws))
    low, high = percentiles(gains[~np.isnan(gains)])
    obeyed = float(np.mean(told))
    return Measurement(
        name="class_usefulness",
        title="Usefulness for telling classes",
        value=float(gain),
        low=min(low, float(gain)),
        high=max(high, float(gain)),
        floor=0.0,
        unit="AUC with synthetic images minus AUC without, both with plain augmentation",
        direction="higher is better",
        n=len(made),
        n_real=len(train),
        sentence=_sentence(arms, gain, low, high, obeyed, float(np.mean(right))),
        details={
            "arms": arms,
            "obeyed": obeyed,
            "right_on_real": float(np.mean(right)),
            "obeyed_by_class": {
                name: float(np.mean(told[:, made.labels == place])) if (made.labels == place).any() else None
                for place, name in enumerate(classes)
            },
            "images": {"synthetic": len(made), "real": len(train), "test": len(test)},
            "test_patients": len(set(patients)),
            "classifier": describe(config.classifier),
        },
        tables=[_table(arms)],
        warnings=_warnings(config, patients, float(np.mean(right)), arms),
    )  # fmt: skip


def auc(probabilities: NDArray[np.floating], labels: NDArray[np.intp]) -> float:
    """The area under the ROC curve, of more than two classes the mean of each against the rest; NaN without two.

    Args:
        probabilities: [N K].
        labels: [N].

    Example:
        >>> auc(np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]), np.array([0, 0, 1]))
        1.0
    """
    areas = []
    for place in range(probabilities.shape[1]):
        positive = labels == place
        count, others = int(positive.sum()), int((~positive).sum())
        if count and others:
            ranks = stats.rankdata(probabilities[:, place])
            areas.append((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))
    return float(np.mean(areas)) if areas else float("nan")


def _sides(synthetic: SampleSet, real: "PreparedDataset") -> tuple[list[str], Labelled, Labelled, Labelled, list[str]]:
    train, test = real.split("train"), real.split("test")
    classes = sorted({row.label for row in train.rows} - {""})
    labels = [sample.label for sample in synthetic.samples]
    if len(classes) < 2 or not any(labels):
        side = "synthetic" if len(classes) > 1 else "real"
        raise ClassesMissing(
            f"The {side} images have no two classes; expected some. Leave out class_usefulness, or prepare them with "
            "classes."
        )
    places = {name: place for place, name in enumerate(classes)}
    strange = sorted({*labels, *(row.label for row in test.rows)} - {*classes, ""})
    if strange:
        raise ClassesMissing(
            f"There are images of the class {strange[0]!r}, of which no real training image is; expected "
            f"{', '.join(classes)}. Make and test images of these."
        )
    chosen = [place for place, label in enumerate(labels) if label]
    made = Labelled(images=synthetic.images(chosen), labels=np.array([places[labels[place]] for place in chosen]))
    train, test = (side.where(lambda row: bool(row.label)) for side in (train, test))
    true, unseen = (
        Labelled(images=side.images(), labels=np.array([places[row.label] for row in side.rows]))
        for side in (train, test)
    )
    return classes, made, true, unseen, [row.patient_id for row in test.rows]


def _trained(
    made: Labelled, train: Labelled, test: Labelled, classes: int, config: Config, setup: Setup
) -> tuple[dict[str, list[NDArray[np.float32]]], NDArray[np.bool_], NDArray[np.bool_]]:
    """Probabilities on the test images by arm and training; which synthetic, and which real ones were told right."""
    found: dict[str, list[NDArray[np.float32]]] = {arm: [] for arm in ARMS}
    told, right = [], []
    for number_ in range(config.seeds):
        for arm in ARMS:
            sides = {"real": (train,), "synthetic": (made,)}.get(arm.removesuffix(", augmented"), (train, made))
            images = np.concatenate([side.images for side in sides])
            labels = np.concatenate([side.labels for side in sides])
            chances = None if len(sides) == 1 else _shares(train, made, classes, config.share)
            network = train_classifier(
                images, labels, classes, config.classifier, setup.seed + number_, chances=chances,
                augment="augmented" in arm, device=setup.device,
                progress=titled(setup.progress, f"class_usefulness: {arm}, seed {setup.seed + number_}"),
            )  # fmt: skip
            found[arm].append(predict_classes(network, test.images))
            if arm == RIVAL:
                told.append(predict_classes(network, made.images).argmax(1) == made.labels)
                right.append(found[arm][-1].argmax(1) == test.labels)
    return found, np.array(told), np.array(right)


def _shares(train: Labelled, made: Labelled, classes: int, share: float) -> NDArray[np.float64]:
    """Chances of real, then of synthetic images: of each class ``share`` is synthetic."""
    parts = []
    for side, part in ((train, 1 - share), (made, share)):
        counts = np.maximum(1, np.bincount(side.labels, minlength=classes))
        parts.append(part / counts[side.labels])
    return np.concatenate(parts)


def _drawn_scores(
    found: list[NDArray[np.float32]], labels: NDArray[np.intp], draws: list[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Mean AUC of the trainings on each resampled set of patients; NaN where these have one class."""
    return np.array([np.mean([auc(one[rows], labels[rows]) for one in found]) for rows in draws])


def _of_trainings(ours: NDArray[np.float64], rival: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """What chance in training adds to a difference of means: ``count`` evenly spread values of Student's t."""
    seeds = len(ours)
    if seeds < 2:
        return np.zeros(count)
    error = np.sqrt((ours.var(ddof=1) + rival.var(ddof=1)) / seeds)
    evenly = (np.arange(count) * 0.618034 + 0.5) % 1  # in an order that has nothing to do with that of the patients
    return error * stats.t.ppf(evenly.clip(1e-3, 1 - 1e-3), 2 * seeds - 2)


def _summary(scores: NDArray[np.float64], drawn: NDArray[np.float64]) -> dict[str, Any]:
    return {
        "mean": float(scores.mean()),
        "seeds": scores.tolist(),
        "interval": list(percentiles(drawn[~np.isnan(drawn)])),
    }


def _sentence(
    arms: dict[str, dict[str, Any]], gain: float, low: float, high: float, obeyed: float, right: float
) -> str:
    verdict = "they help" if low > 0 else "they harm" if high < 0 else "no difference is shown"
    return (
        f"A classifier trained on real images with plain augmentation reaches an AUC of {arms[RIVAL]['mean']:.3f} on "
        f"other patients, with synthetic images besides {arms[OURS]['mean']:.3f}: a difference of {gain:+.3f} (95 % "
        f"interval {low:+.3f} to {high:+.3f}), {verdict}. On synthetic images alone it reaches "
        f"{arms['synthetic']['mean']:.3f}. It says the class that was asked for in {obeyed:.1%} of the synthetic "
        f"images, and the right one in {right:.1%} of the real ones."
    )


def _table(arms: dict[str, dict[str, Any]]) -> Table:
    rows = [
        [arm, number(one["mean"]), f"{number(one['interval'][0])} to {number(one['interval'][1])}",
         ", ".join(number(value) for value in one["seeds"])]
        for arm, one in arms.items()
    ]  # fmt: skip
    return Table(
        caption="AUC on the test patients; the interval is over patients",
        columns=["Trained on", "AUC", "95 % interval", "Each training"],
        rows=rows,
    )


def _warnings(config: Config, patients: list[str], right: float, arms: dict[str, dict[str, Any]]) -> list[str]:
    told = few_samples(len(set(patients)), "test patients")
    if config.seeds < 3:
        told.append(f"{config.seeds} training(s) of each arm: how much chance matters is hardly known. Use 3 seeds.")
    if right < 0.95:
        told.append(
            f"The classifier is right in {right:.1%} of the real test images only: how often it agrees with the "
            "class that was asked for says little."
        )
    if arms[RIVAL]["mean"] > 0.99:
        told.append("Without synthetic images the AUC is above 0.99: nothing is left that they could add.")
    return told

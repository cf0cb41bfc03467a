"""The classifier two-sample test (Lopez-Paz and Oquab 2017) as a model observer that reads real and synthetic images.

A logistic regression on the features is trained to tell the sides apart and reads images of patients it was not trained
on. The result has the form of a human reader study with one image at a time (yes-no): ROC curve, area under it (AUC),
d' = z(H) - z(F). An area of 0.5 means that this observer cannot tell them; another, or a person, still may. Pooled over
folds the area of a guessing observer is slightly below 0.5 in small sets; the floor shows by how much.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from synthmed.evaluation._contract import Measurement, Setup
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._observers import BOUNDS, NAMES, Reading, answers, logistic, read, reader_table, roc_figure
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


class Config(FeatureConfig):
    """How often the observer is trained anew."""

    draws: int = Field(default=30, ge=10)
    """Sub-samples for the interval, and halves of the real patients for the floor; each trains the observer anew."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The area under the ROC curve of a logistic regression that tells synthetic from real images.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.
    """
    judged = judge(
        "two_sample_test",
        lambda one, other: answers(classify(one, other)),
        synthetic,
        real,
        config,
        setup,
        bounds=BOUNDS,
    )
    reading = classify(judged.sides.synthetic, judged.sides.real)
    values = dict(zip(NAMES, judged.compared.value.tolist(), strict=True))
    return judged.measurement(
        title="Two-sample test (model observer)",
        unit="area under the ROC curve",
        direction="no direction",
        what=f"A model observer finds {values['hit_rate']:.0%} of the synthetic images and takes "
        f"{values['false_alarm_rate']:.0%} of the real ones for synthetic (d' {values['d_prime']:.2f}). Its area under "
        "the ROC curve",
        details={**values, "task": "yes_no"},
        figures=[roc_figure(reading, "The model observer", "a logistic regression on the features")],
        tables=[reader_table(judged.compared)],
    )


def classify(synthetic: Points, real: Points) -> Reading:
    """Out-of-fold scores of a logistic regression; above 0 it calls an image synthetic.

    Args:
        synthetic: features and groups of one side.
        real: of the other; folds hold whole patients.
    """
    return read(logistic, synthetic, real)

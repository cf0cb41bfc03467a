"""Usefulness for classes: a known AUC, obedience where the class shows, and sentences where it cannot be measured."""

import numpy as np
import pytest
from evaluation.test_coherence import dataset, samples

from synthmed.errors import DataError
from synthmed.evaluation._contract import ClassesMissing
from synthmed.evaluation.class_usefulness import ARMS, Config, auc, measure
from synthmed.segmentation.classifier import ClassifierConfig, predict_classes, train_classifier

QUICK = Config(seeds=2, classifier=ClassifierConfig(width=4, steps=40, batch_size=8))


def test_the_area_is_that_of_ranks():
    labels = np.array([0, 0, 1, 1])
    assert auc(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]), labels) == 0.75
    assert auc(np.full((4, 2), 0.5), labels) == 0.5
    assert np.isnan(auc(np.ones((2, 2)), np.array([1, 1])))
    three = np.eye(3)[[0, 1, 2, 0]]
    assert auc(three, np.array([0, 1, 2, 0])) == 1.0


def test_images_of_their_class_obey_and_teach_and_swapped_ones_do_neither(tmp_path, setup):
    real = dataset(tmp_path / "real", num=32)
    good = measure(samples(tmp_path / "good"), real, QUICK, setup)
    assert good.details["right_on_real"] > 0.95 and good.details["obeyed"] > 0.9
    assert set(good.details["arms"]) == set(ARMS) and good.details["arms"]["synthetic"]["mean"] > 0.95
    assert good.low <= good.value <= good.high and "nothing is left that they could add" in " ".join(good.warnings)
    swapped = measure(samples(tmp_path / "swapped", labels=("malignant", "benign")), real, QUICK, setup)
    assert swapped.details["obeyed"] < 0.1 and swapped.details["arms"]["synthetic"]["mean"] < 0.1


def test_a_classifier_depends_on_its_seed_alone(tmp_path):
    real = dataset(tmp_path / "real", num=8)
    labels = np.array([row.label == "benign" for row in real.rows]).astype(int)
    config = ClassifierConfig(width=2, steps=3, batch_size=4)
    one, again, other = (
        predict_classes(train_classifier(real.images(), labels, 2, config, seed, augment=True), real.images())
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    with pytest.raises(DataError, match="Class number 2 has no image"):
        train_classifier(real.images(), labels, 3, config, 0)


def test_sets_without_classes_or_with_one_that_was_never_seen_are_sentences(tmp_path, setup):
    real = dataset(tmp_path / "real", num=8)
    with pytest.raises(ClassesMissing, match="The synthetic images have no two classes"):
        measure(samples(tmp_path / "none", labels=("", "")), real, QUICK, setup)
    with pytest.raises(ClassesMissing, match="images of the class 'normal', of which no real training image is"):
        measure(samples(tmp_path / "strange", labels=("benign", "normal")), real, QUICK, setup)

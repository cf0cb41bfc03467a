import numpy as np
import pytest

from synthmed.evaluation._contract import MasksMissing
from synthmed.evaluation.mask_diversity import (
    Config,
    distances,
    latents_are_ignored,
    measure,
    same_mask_pairs,
    similar_mask_pairs,
)


def test_pairs_are_of_equal_masks_and_no_more_than_asked(rng):
    masks = np.zeros((6, 2, 2), np.uint8)
    masks[3:] = 1
    pairs = same_mask_pairs(masks, 10, rng)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)]
    assert len(same_mask_pairs(masks, 2, rng)) == 4


def test_similar_masks_are_those_of_highest_dice_of_other_patients():
    masks = np.zeros((4, 1, 10), np.uint8)
    for row, end in enumerate((4, 4, 5, 9)):
        masks[row, 0, :end] = 1
    groups = np.array(["a", "a", "b", "c"])
    assert similar_mask_pairs(masks, groups, 1).tolist() == [[0, 2], [1, 2], [2, 3]]


def test_distances_are_the_known_ones():
    features = np.array([[0, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 4]], np.float32)
    assert distances(features, np.array([[0, 1], [0, 2]])).tolist() == [2.0, 2.0]


def test_a_generator_as_diverse_as_patients_raises_no_alarm_and_one_that_repeats_itself_does(
    make_dataset, make_samples, setup, rng
):
    real = make_dataset(train=12)
    train = real.split("train")
    masks = np.repeat(train.masks([0, 1, 2, 3, 4, 5]), 2, 0)
    diverse = measure(make_samples(train.images(), masks, name="diverse"), real, Config(), setup)
    assert diverse.value > 0.5 * diverse.floor and not diverse.details["latents_ignored"]
    assert diverse.low <= diverse.value <= diverse.high
    twice = np.repeat(train.images([0, 1, 2, 3, 4, 5]), 2, 0)
    found = measure(make_samples(twice, masks, name="twice"), real, Config(), setup)
    assert found.value == pytest.approx(0) and found.differs
    assert found.warnings[0].startswith("ALARM: the latents are ignored")
    assert latents_are_ignored(0.114, 1.0) and latents_are_ignored(0.24, 1.0) and not latents_are_ignored(0.26, 1.0)


def test_a_set_with_one_image_a_mask_is_not_judged(make_dataset, make_samples, setup):
    real = make_dataset(train=8)
    train = real.split("train")
    with pytest.raises(MasksMissing, match="several under each"):
        measure(make_samples(train.images(), train.masks()), real, Config(), setup)
    with pytest.raises(MasksMissing, match="has no masks"):
        measure(make_samples(train.images(), name="bare"), real, Config(), setup)

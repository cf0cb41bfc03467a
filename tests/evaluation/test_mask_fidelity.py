import numpy as np
import pytest

from synthmed.data.kinds import mammogram
from synthmed.evaluation._contract import MasksMissing
from synthmed.evaluation.mask_fidelity import (
    Config,
    dice_of_pairs,
    mask_is_ignored,
    measure,
    other_masks,
    otsu_rule,
)


def breast(height=128, width=64, centre=64, radius=40):
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - centre) ** 2 + columns**2 < radius**2
    numbers = np.random.default_rng(0)
    picture = np.where(inside, 0.5 + 0.1 * numbers.random((height, width)), 0.02).astype(np.float32)
    return picture, inside


def test_the_dice_of_pairs_is_the_known_one():
    one, other = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4), np.uint8)
    one[0, :2], other[0, 1:3] = 1, 2  # any label above 0 counts
    assert dice_of_pairs(one, other).tolist() == [0.5, 0.0]


@pytest.mark.parametrize("rule", [mammogram.mask_rule, otsu_rule])
def test_a_breast_in_air_is_found_and_nothing_in_a_flat_picture(rule):
    picture, inside = breast()
    assert dice_of_pairs(rule(picture)[None], inside[None])[0] > 0.95
    assert not rule(np.full((128, 64), 0.3, np.float32)).any()


def test_another_mask_is_another_one_where_there_is_one(rng):
    masks = np.zeros((6, 4, 4), np.uint8)
    masks[:3, 0], masks[3:, 3] = 1, 1
    others = other_masks(masks, rng)
    assert (masks[others] != masks).any((1, 2)).all()
    assert other_masks(masks[:3], rng).tolist() == [0, 1, 2]


def test_images_that_follow_their_masks_reach_what_real_ones_do(make_dataset, make_samples, setup):
    real, others = make_dataset(train=8), make_dataset("other", train=8, seed=5)
    made = make_samples(others.split("train").images(), others.split("train").masks())
    found = measure(made, real, Config(), setup)
    assert found.value > 0.9 and found.floor > 0.9
    assert found.low <= found.value <= found.high
    assert not found.details["mask_ignored"] and not any("ALARM" in told for told in found.warnings)


def test_an_alarm_is_raised_where_masks_are_ignored(make_dataset, make_samples, setup, rng):
    real, others = make_dataset(train=8), make_dataset("other", train=8, seed=5)
    masks = others.split("train").masks()
    same = np.repeat(others.split("train").images([0]), 8, 0)  # one image, whatever the mask
    found = measure(make_samples(same, masks), real, Config(), setup)
    assert found.details["mask_ignored"] and found.warnings[0].startswith("ALARM: the mask is ignored")
    assert found.value < found.floor and found.differs
    assert mask_is_ignored(0.01, 0.5) and not mask_is_ignored(0.4, 0.5)


def test_masks_that_no_threshold_finds_are_not_judged(make_dataset, make_samples, setup):
    real = make_dataset(train=8)
    made = make_samples(real.split("train").images(), real.split("train").masks())
    blurred = make_dataset("noise", train=8, mask_source="none")
    with pytest.raises(MasksMissing, match="has no masks"):
        measure(made, blurred, Config(), setup)
    with pytest.raises(MasksMissing, match="has no masks"):
        measure(make_samples(real.images([0, 1]), name="bare"), real, Config(), setup)

import numpy as np
import pytest

from synthmed.evaluation._contract import MasksMissing
from synthmed.evaluation.mask_dependence import Config, inside, measure, predictor, slope, unseen_predictions

SIDE = 32


def discs(num, seed, follow=1.0):
    """Discs whose inside is as noisy as they are wide, as far as ``follow`` says: images [N 1 H W], masks [N H W]."""
    numbers = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    widths = numbers.uniform(4, 14, num)
    masks = (rows**2 + columns**2 < widths[:, None, None] ** 2).astype(np.uint8)
    spreads = 20 + follow * 2 * (widths - 9) + numbers.normal(size=num)
    images = 120 + spreads[:, None, None] * numbers.normal(size=(num, SIDE, SIDE))
    return (images * masks).clip(0, 255).round().astype(np.uint8)[:, None], masks


def test_an_inside_that_follows_the_mask_is_told_from_one_that_does_not(make_dataset, make_samples, setup):
    real = make_dataset(train=60, test=4, pairs=discs(64, 0))
    follows, ignores, half = (
        measure(make_samples(*discs(60, 1, follow), name=name), real, Config(), setup)
        for name, follow in (("follows", 1.0), ("ignores", 0.0), ("half", 0.5))
    )
    assert follows.low < follows.floor < follows.high and follows.floor_low > 0.8
    assert ignores.high < 0.2 and half.value == pytest.approx(0.5, abs=0.1)
    assert follows.details["slopes"]["standard deviation"] == pytest.approx(1, abs=0.25)
    assert f"{follows.floor:.3f}" in follows.sentence


def test_real_images_whose_masks_say_nothing_are_warned_of(make_dataset, make_samples, setup):
    real = make_dataset(train=60, test=4, pairs=discs(64, 0, follow=0.0))
    found = measure(make_samples(*discs(60, 1)), real, Config(), setup)
    assert found.floor_low <= 0 and found.warnings[0].startswith("It is not shown that a mask says anything")


def test_real_images_are_predicted_without_their_own_patient():
    numbers = np.random.default_rng(0)
    masks = (numbers.random((200, 8, 8)) < 0.5).astype(np.uint8)
    chance = numbers.normal(size=(200, 4))  # has nothing to do with the masks
    patients = np.repeat([f"P{number}" for number in range(100)], 2)
    config = Config(components=60, penalty=0.1)
    assert slope(predictor(masks, chance, config)(masks), chance) > 0.8  # learned by heart
    assert abs(slope(unseen_predictions(masks, chance, patients, config, numbers), chance)) < 0.3


def test_images_with_empty_masks_are_left_out():
    images, masks = discs(3, 0)
    masks[1] = 0
    found, full = inside(images, masks)
    assert full.tolist() == [True, False, True] and found.shape == (2, 4)
    assert found[0, 1] == pytest.approx(images[0, 0][masks[0] > 0].std())


def test_sets_that_cannot_be_judged_are_refused_in_a_sentence(make_dataset, make_samples, setup):
    real, few = make_dataset(train=24, pairs=discs(28, 0)), make_dataset(name="few", train=6)
    images, masks = discs(24, 1)
    for made, data, said in (
        (make_samples(images, name="bare"), real, "synthetic set has no masks"),
        (make_samples(images, masks, name="many"), few, "There are 6 real images of 6 patients"),
        (make_samples(images, masks[:1].repeat(24, 0), name="one"), real, "have the same mask"),
    ):
        with pytest.raises(MasksMissing, match=said):
            measure(made, data, Config(), setup)


def test_of_a_large_set_no_more_images_than_allowed_are_read(make_dataset, make_samples, setup):
    real = make_dataset(train=60, test=4, pairs=discs(64, 0))
    found = measure(make_samples(*discs(60, 1)), real, Config(images=30), setup)
    assert found.n == found.n_real == 30 and found.low > 0.5

import json

import numpy as np
import pytest

from synthmed.evaluation import _arms
from synthmed.evaluation._arms import Pair, arm_data, confusion
from synthmed.evaluation._contract import MasksMissing
from synthmed.evaluation._intervals import resampled, t_interval
from synthmed.evaluation.usefulness import Config, equal_arms, f1_ratio, measure, scores

TINY = Config(seeds=2, segmenter={"width": 4, "steps": 6, "crop": 0, "learning_rate": 1e-2})


def test_the_scores_of_a_known_confusion_are_known():
    found = scores(np.array([[6, 2, 4], [0, 0, 0]]))
    assert found["precision"] == 6 / 8
    assert found["recall"] == 6 / 10
    assert found["F1"] == pytest.approx(2 * 0.75 * 0.6 / 1.35)
    assert found["Dice"] == pytest.approx((12 / 18 + 1) / 2)


def test_pixels_outside_the_field_of_view_do_not_count():
    probabilities = np.array([[[0.9, 0.5, 0.4, 0.1, 0.9]]], np.float32)
    truth = np.array([[[1, 0, 1, 0, 1]]], np.uint8)
    field = np.array([[[1, 1, 1, 1, 0]]], np.uint8)
    assert confusion(probabilities, truth, field).tolist() == [[1, 1, 1]]


def test_students_interval_is_that_of_the_tables():
    low, high = t_interval([1.0, 2.0, 3.0, 4.0])
    assert (low, high) == (
        pytest.approx(2.5 - 3.1824 * 1.29099 / 2, abs=1e-3),
        pytest.approx(4.5543, abs=1e-3),
    )
    assert t_interval([1.0]) is None


def test_resampling_takes_whole_patients():
    for rows in resampled(["a", "b", "a"], np.random.default_rng(0), draws=50):
        assert (rows == 0).sum() == (rows == 2).sum()


def test_the_ratio_of_an_arm_with_itself_is_one_and_inside_its_interval():
    counts = np.random.default_rng(0).integers(50, 90, (3, 8, 3))
    patients = [str(index) for index in range(8)]
    draws = list(resampled(patients, np.random.default_rng(1), draws=100))
    same = f1_ratio(counts, counts, patients, draws)
    assert same.value == 1 and same.low < 1 < same.high
    worse = counts.copy()
    worse[..., 0] //= 4
    assert f1_ratio(worse, counts, patients, draws).high < 1


def test_more_seeds_that_agree_give_a_narrower_interval():
    counts = np.random.default_rng(0).integers(50, 90, (6, 8, 3))
    draws = list(resampled([str(i) for i in range(8)], np.random.default_rng(1), draws=100))
    few = f1_ratio(counts[:2], counts[2:4], [str(i) for i in range(8)], draws)
    many = f1_ratio(np.tile(counts[:2], (4, 1, 1)), np.tile(counts[2:4], (4, 1, 1)), [str(i) for i in range(8)], draws)
    assert many.value == pytest.approx(few.value)
    assert many.high - many.low < few.high - few.low


def trained_alike(numbers, seeds, patients=12):
    """Counts [seeds N 3] of trainings that differ by chance, of patients who are hard or easy for all of them."""
    hard = numbers.normal(0, 0.5, patients)
    chance = numbers.normal(0, 0.15, (seeds, 1)) + numbers.normal(0, 0.2, (seeds, patients))
    recall = 1 / (1 + np.exp(-(1 + hard + chance)))
    hits = (1000 * recall).round()
    return np.stack([hits, np.full_like(hits, 200), 1000 - hits], -1).astype(np.int64)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_ratio_of_equal_arms_lies_inside_the_floor_95_times_of_100(seeds):
    inside, names = 0, [f"P{index}" for index in range(12)]
    for number in range(300):
        numbers = np.random.default_rng((seeds, number))
        both = trained_alike(numbers, 2 * seeds)
        draws = list(resampled(names, numbers, draws=40))
        low, high = equal_arms(both[:seeds], names, draws)
        inside += low <= f1_ratio(both[seeds:], both[:seeds], names, draws[:2]).value <= high
    assert inside / 300 >= 0.93
    assert equal_arms(both[:1], names, draws) is None


def test_the_real_arms_are_trained_once_for_all_sets(make_dataset, make_samples, setup, monkeypatch):
    real, trained = make_dataset(train=3, test=2), []
    train = real.split("train")
    work = _arms.train_segmenter
    measure(make_samples(train.images(), train.masks(), name="one"), real, TINY, setup)
    monkeypatch.setattr(_arms, "train_segmenter", lambda *a, **k: trained.append(1) or work(*a, **k))
    measure(make_samples(train.images()[::-1].copy(), train.masks(), name="two"), real, TINY, setup)
    assert len(trained) == 4  # two seeds of "synthetic" and of "both"


def test_an_arm_that_finds_nothing_has_no_interval():
    nothing, something = np.zeros((2, 4, 3), np.int64), np.full((2, 4, 3), 5)
    nothing[..., 2] = 10
    assert f1_ratio(nothing, something, list("abcd"), []).value == 0
    assert f1_ratio(nothing, something, list("abcd"), []).low is None


def test_both_is_drawn_half_and_half_whatever_the_numbers():
    one = Pair(images=np.zeros((30, 1, 4, 4), np.uint8), masks=np.zeros((30, 4, 4), np.uint8))
    other = Pair(images=np.ones((2, 1, 4, 4), np.uint8), masks=np.ones((2, 4, 4), np.uint8))
    images, masks, chances = arm_data("both", one, other)
    assert chances[images[:, 0, 0, 0] == 0].sum() == pytest.approx(0.5)
    assert chances[masks[:, 0, 0] == 1].sum() == pytest.approx(0.5)


def test_a_killed_evaluation_goes_on_and_ends_with_the_same_numbers(make_dataset, make_samples, setup, monkeypatch):
    real = make_dataset()
    synthetic = make_samples(real.split("train").images(), real.split("train").masks())
    whole = measure(synthetic, real, TINY, setup)
    lines = setup.unfinished.read_text().strip().splitlines()
    assert len(lines) == 6
    # Killed while the third line was written.
    setup.unfinished.write_text("\n".join(lines[:2]) + "\n" + lines[2][:100])
    trainings = []
    train = _arms.train_segmenter
    monkeypatch.setattr(_arms, "train_segmenter", lambda *a, **k: trainings.append(1) or train(*a, **k))
    again = measure(synthetic, real, TINY, setup)
    assert len(trainings) == 4
    assert json.dumps(again.details) == json.dumps(whole.details)
    assert (again.value, again.low, again.high) == (whole.value, whole.low, whole.high)
    assert len(measure(synthetic, real, TINY, setup).figures) == 2 and len(trainings) == 4


def test_other_settings_do_not_take_finished_trainings(make_dataset, make_samples, setup):
    real = make_dataset(train=2, test=2)
    synthetic = make_samples(real.images(), real.masks())
    for steps in (1, 2):
        config = Config(seeds=1, segmenter={"width": 4, "steps": steps, "crop": 0})
        measure(synthetic, real, config, setup)
    assert len({json.loads(line)["key"] for line in setup.unfinished.read_text().strip().splitlines()}) == 6


def test_synthetic_pairs_equal_to_the_real_ones_are_as_useful(make_dataset, make_samples, setup):
    real = make_dataset()
    train = real.split("train")
    found = measure(make_samples(train.images(), train.masks()), real, TINY, setup)
    assert found.value == 1
    assert found.details["arms"]["real"]["F1"] == found.details["arms"]["synthetic"]["F1"]


def test_sets_without_manual_masks_are_refused(make_dataset, make_samples, setup):
    real = make_dataset(mask_source="segmenter")
    with pytest.raises(MasksMissing, match="manual mask"):
        measure(make_samples(real.images(), real.masks()), real, TINY, setup)

import numpy as np
import pytest

from synthmed.evaluation._contract import MasksMissing
from synthmed.evaluation.nearest_mask import Config, measure, nearest


def random_masks(count, seed):
    return (np.random.default_rng(seed).random((count, 9, 7)) < 0.3).astype(np.uint8)


def test_the_nearest_masks_are_those_of_a_plain_search():
    queries, references = random_masks(70, 0), random_masks(5, 1)
    found = nearest(queries, references)
    for index, query in enumerate(queries):
        dice = [
            2 * (turned & reference).sum() / (turned.sum() + reference.sum())
            for turned in (query, query[:, ::-1])
            for reference in references
        ]
        assert found.dice[index] == pytest.approx(max(dice), rel=1e-6)
        assert dice[found.index[index] + 5 * found.mirrored[index]] == pytest.approx(max(dice), rel=1e-6)


def test_a_copy_and_a_mirrored_copy_are_found():
    references = random_masks(4, 2)
    found = nearest(np.stack([references[2], references[1][:, ::-1]]), references)
    assert found.dice.tolist() == [1, 1]
    assert found.index.tolist() == [2, 1]
    assert found.mirrored.tolist() == [False, True]


def test_masks_of_the_same_patient_are_left_out():
    references = random_masks(3, 3)
    patients = ["a", "a", "b"]
    found = nearest(references, references, query_groups=patients, reference_groups=patients)
    assert found.index.tolist()[:2] == [2, 2] and found.dice.max() < 1


def test_an_empty_mask_is_near_to_nothing():
    references = random_masks(3, 4)
    references[1] = 0
    assert nearest(np.zeros((1, 9, 7), np.uint8), references).dice.tolist() == [0]


def test_a_planted_copy_raises_an_alarm(make_dataset, make_samples, setup):
    real = make_dataset(train=4)
    images = real.images([0] * 3)
    masks = np.zeros((3, 32, 32), np.uint8)
    masks[:, :2] = 1
    calm = measure(make_samples(images, masks), real, Config(), setup)
    masks[1] = real.masks([0])[0]
    alarm = measure(make_samples(images, masks, name="copied"), real, Config(), setup)
    assert calm.details["above_highest_real_real"] == 0
    assert alarm.details["above_highest_real_real"] == 1
    assert alarm.details["nearest_row"][1] == real.rows[0].id
    assert "1 of 3" in alarm.sentence


def test_masks_taken_from_real_patients_are_said_to_be(make_dataset, make_samples, setup):
    real = make_dataset()
    synthetic = make_samples(real.images(), real.masks(), lineage="mask_from_real")
    found = measure(synthetic, real, Config(), setup)
    assert any("real masks" in warning for warning in found.warnings)


def test_sets_without_masks_are_refused(make_dataset, make_samples, setup):
    real = make_dataset()
    with pytest.raises(MasksMissing, match="synthetic set"):
        measure(make_samples(real.images()), real, Config(), setup)
    bare = make_dataset("bare", mask_source="none")
    with pytest.raises(MasksMissing, match="real training set"):
        measure(make_samples(real.images(), real.masks(), name="other"), bare, Config(), setup)

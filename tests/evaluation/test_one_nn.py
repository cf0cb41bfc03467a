import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from synthmed.evaluation._featured import own_groups
from synthmed.evaluation._jackknife import Points, compare
from synthmed.evaluation.one_nn import Config, chance, measure, one_nn


def test_it_is_scikit_learns_leave_one_out(rng):
    made, true = rng.normal(size=(25, 4)).astype(np.float32) + 0.6, rng.normal(size=(25, 4)).astype(np.float32)
    points, sides = np.concatenate([made, true]), np.repeat([1, 0], 25)
    right = cross_val_score(KNeighborsClassifier(1), points, sides, cv=LeaveOneOut())
    found = one_nn(made, true)
    assert found["synthetic"] == pytest.approx(right[:25].mean())
    assert found["real"] == pytest.approx(right[25:].mean())
    assert found["both"] == pytest.approx(right.mean())


def test_neighbours_of_the_same_patient_are_left_out(rng):
    patients = np.repeat([f"P{index}" for index in range(20)], 3)
    true = (np.repeat(rng.normal(size=(20, 4)), 3, 0) + 1e-3 * rng.normal(size=(60, 4))).astype(np.float32)
    made = rng.normal(size=(60, 4)).astype(np.float32)
    assert one_nn(made, true)["real"] == 1  # each image finds its own patient
    assert one_nn(made, true, real_groups=patients)["real"] < 0.8


def test_copies_are_an_alarm_below_one_half(rng):
    true = rng.normal(size=(40, 6)).astype(np.float32)
    copies = true + 1e-3 * rng.normal(size=true.shape).astype(np.float32)
    assert one_nn(copies, true) == {"both": 0, "real": 0, "synthetic": 0}


def test_of_equally_near_neighbours_none_is_preferred(rng):
    """Images of few grey levels have many equal features: by chance half of the nearest are of either side."""
    made, true = rng.integers(0, 3, (2, 300, 2)).astype(np.float32)
    found = one_nn(made, true)
    assert found["both"] == pytest.approx(0.5, abs=0.06)
    assert abs(found["real"] - found["synthetic"]) < 0.12  # with the first of equals, one side would get them all


def test_sides_of_different_size_are_made_equal(rng):
    made, true = rng.normal(size=(90, 3)).astype(np.float32), rng.normal(size=(30, 3)).astype(np.float32)
    found = one_nn(made, true, numbers=rng, repeats=40)
    assert found["both"] == pytest.approx(0.5, abs=0.12)  # with 90 against 30 most neighbours would be synthetic


def test_the_interval_holds_one_half_for_sides_of_one_distribution(rng):
    held = 0
    for _ in range(20):
        made, true = (Points(values=v.astype(np.float32), groups=own_groups(20)) for v in rng.normal(size=(2, 20, 5)))
        found = compare(
            lambda one, other: np.array([one_nn(one.values, other.values)["both"]]), made, true, rng, draws=30
        )
        held += found.low[0] <= 0.5 <= found.high[0]
    assert held >= 17


def test_both_sides_are_reported_with_an_alarm(make_dataset, make_samples, setup):
    real = make_dataset(train=14)
    found = measure(make_samples(real.split("train").images()), real, Config(draws=10), setup)
    assert found.value == 0 and found.details["real"] == 0
    assert "copies" in found.details["alarms"]["both"] and "copies" in found.sentence
    assert any("copies" in warning for warning in found.warnings)


def test_the_exact_test_raises_as_many_alarms_as_it_says_and_knows_copies(rng):
    """Of 100 pairs of sets of one distribution about 1 in 20 has a two-sided p below 0.05."""
    low = 0
    for _ in range(100):
        made, true = (Points(values=v.astype(np.float32), groups=own_groups(20)) for v in rng.normal(size=(2, 20, 5)))
        low += 2 * min(chance(made, true, rng)["both"]) < 0.05
    assert low <= 11  # more in one of 200 tests
    copies = Points(values=true.values + 1e-4, groups=true.groups)
    assert chance(copies, true, rng)["both"][0] < 0.001


def test_patients_with_many_images_are_one_each_in_the_exact_test(rng):
    patients = np.repeat([f"P{index}" for index in range(20)], 5)
    alike = np.repeat(rng.normal(size=(20, 4)), 5, 0) + 1e-3 * rng.normal(size=(100, 4))
    true = Points(values=alike.astype(np.float32), groups=patients)
    made = Points(values=rng.normal(size=(100, 4)).astype(np.float32), groups=own_groups(100))
    assert min(chance(made, true, rng)["both"]) > 0.005

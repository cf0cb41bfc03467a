import numpy as np
import pytest

from synthmed.evaluation import _jackknife
from synthmed.evaluation._featured import in_real_units, own_groups
from synthmed.evaluation._jackknife import Points, compare, halves
from synthmed.evaluation._neighbours import nearest


def test_halves_share_no_patient(rng):
    points = Points(values=np.arange(30), groups=np.repeat([f"P{i}" for i in range(10)], 3))
    one, other = halves(points, rng)
    assert len(one) == len(other) == 15
    assert not set(one.groups) & set(other.groups)


def test_the_spread_of_a_mean_is_its_standard_error(rng):
    values = rng.normal(size=(400, 1))
    found = compare(
        lambda one, other: one.values.mean(0),
        Points(values=values, groups=own_groups(400)),
        Points(values=values, groups=own_groups(400)),
        rng,
        draws=400,
    )
    assert (found.high - found.low)[0] == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_a_smaller_share_gives_the_same_spread(rng, monkeypatch):
    monkeypatch.setattr(_jackknife, "LARGEST", 80)  # a fifth of the images instead of half
    test_the_spread_of_a_mean_is_its_standard_error(rng)


def test_few_patients_give_neither_interval_nor_floor(rng):
    points = Points(values=np.ones((6, 1)), groups=np.repeat(["a", "b", "c"], 2))
    found = compare(lambda one, other: one.values.mean(0), points, points, rng)
    assert np.isnan(found.low).all() and found.floors.shape == (0, 1)


def test_real_units_are_those_of_the_real_side_and_constants_still_count():
    made, true = in_real_units(np.array([[5.0, 2.0]], np.float32), np.array([[1.0, 1.0], [3.0, 1.0]], np.float32))
    assert true[:, 0].tolist() == [-1, 1]
    assert made[0].tolist() == [3, 1]


def test_nearest_is_exact_where_points_nearly_coincide(rng):
    points = (1000 + rng.normal(size=(50, 20))).astype(np.float32)
    moved = points + np.float32(0.01)
    found = nearest(moved, points)
    assert (found.index == np.arange(50)).all()
    assert found.distance == pytest.approx(np.linalg.norm(moved.astype(float) - points, axis=1))

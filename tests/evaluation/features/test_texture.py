import numpy as np
import pytest

from synthmed.evaluation.features.texture import features, names, texture


def test_every_feature_has_a_name_and_is_finite(rng):
    for plane in (rng.integers(0, 256, (40, 30)).astype(np.uint8), np.full((12, 12), 7, np.uint8)):
        found = features(plane)
        assert found.shape == (len(names()),) and np.isfinite(found).all()


def test_both_depths_of_one_picture_give_the_same_numbers(rng):
    plane = rng.integers(0, 256, (32, 32)).astype(np.uint8)
    assert features(plane.astype(np.uint16) * 257) == pytest.approx(features(plane), abs=1e-4)


def test_known_answers():
    checked = np.indices((32, 32)).sum(0) % 2 * np.uint8(255)
    found = dict(zip(names(), features(checked.astype(np.uint8)).tolist(), strict=True))
    assert found["mean"] == pytest.approx(0.5) and found["entropy"] == pytest.approx(1)
    # Straight neighbours are 31 levels apart, diagonal ones equal: mean of four directions, and their range.
    assert found["contrast 1 mean"] == pytest.approx(31**2 / 2)
    assert found["contrast 1 range"] == pytest.approx(31**2)


def test_an_image_is_measured_alone(rng):
    images = rng.integers(0, 256, (3, 1, 16, 16)).astype(np.uint8)
    together = texture().run(images)
    assert np.array_equal(together[1], texture().run(images[1:2])[0])

import numpy as np
import pytest

from synthmed.evaluation.features.extractor import open_extractor
from synthmed.evaluation.features.images import image_features


class Stack:
    def __init__(self, pixels):
        self.pixels = pixels

    def __len__(self):
        return len(self.pixels)

    def images(self, indices):
        return self.pixels[list(indices)]


def test_an_image_has_the_same_features_in_any_batch_and_depth_and_brightness_does_not_count(rng):
    images = rng.integers(40, 120, (5, 1, 48, 64)).astype(np.uint8)
    filters = open_extractor("random_filters")
    found = filters.run(images)
    assert found.shape == (5, 256)
    np.testing.assert_allclose(filters.run(images[3:4]), found[3:4], atol=1e-5)
    np.testing.assert_allclose(filters.run(images.astype(np.uint16) * 257), found, atol=1e-5)
    np.testing.assert_allclose(filters.run(images * 2), found, atol=1e-3)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_every_channel_is_seen_unless_some_are_named(rng):
    images, filters = Stack(rng.integers(0, 255, (3, 2, 32, 32)).astype(np.uint8)), open_extractor("random_filters")
    both = image_features(images, {}, ["T1", "T2"], filters)
    one = image_features(images, {}, ["T1", "T2"], filters, channels="T2")
    assert both.shape == (3, 512) and both[:, 256:] == pytest.approx(one)

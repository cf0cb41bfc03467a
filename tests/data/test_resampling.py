"""Resizing is Pillow's Lanczos, and keeps what is even even."""

import numpy as np
import pytest
from PIL import Image

from synthmed.data.resampling import resize_planes


@pytest.mark.parametrize("size", [(7, 5), (40, 64), (61, 90), (1, 1), (200, 130)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_pictures_are_resized_as_pillow_does_it(size, kind):
    top = 65535 if kind == np.uint16 else 255
    picture = np.random.default_rng(0).integers(0, top + 1, (2, 61, 90)).astype(kind)
    small = resize_planes(picture, *size)
    for plane, resized in zip(picture, small, strict=True):
        pillow = Image.fromarray(plane.astype(np.float32)).resize(size[::-1], Image.Resampling.LANCZOS)
        assert resized.dtype == np.float32 and np.abs(resized - np.asarray(pillow)).max() < 2e-6 * top


def test_an_even_picture_stays_even():
    assert np.allclose(resize_planes(np.full((1, 33, 47), 1234, np.uint16), 8, 300), 1234, rtol=1e-6)

"""Stored pixels go to [-1, 1] and come back, every one of them."""

import numpy as np
import pytest
import torch

from synthmed.data.intensity import to_stored, to_unit_range


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_every_stored_value_comes_back_exactly(bits, dtype):
    stored = np.arange(2**bits, dtype=dtype).reshape(1, 1, 16, -1)
    image = to_unit_range(stored)
    assert image.dtype == torch.float32
    assert image.min() == -1 and image.max() == 1
    back = to_stored(image, bits)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, stored)


def test_an_array_and_a_tensor_of_the_same_pixels_give_the_same_image():
    for dtype in (np.uint8, np.uint16):
        stored = np.arange(200, dtype=dtype).reshape(2, 1, 10, 10)
        assert torch.equal(to_unit_range(stored), to_unit_range(torch.from_numpy(stored)))


def test_the_array_itself_is_not_changed():
    stored = np.arange(100, dtype=np.uint8).reshape(1, 1, 10, 10)
    to_unit_range(stored)
    np.testing.assert_array_equal(stored.ravel(), np.arange(100))


def test_what_lies_outside_the_range_is_clipped():
    image = torch.tensor([-1.5, -1.0, 1.0, 7.0]).reshape(1, 1, 2, 2)
    assert to_stored(image, 8).ravel().tolist() == [0, 0, 255, 255]
    assert to_stored(image.double(), 16).ravel().tolist() == [0, 0, 65535, 65535]

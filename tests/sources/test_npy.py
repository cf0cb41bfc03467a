import numpy as np
import pytest

from synthmed.errors import SourceError
from synthmed.sources.pixels import read_header, read_image


@pytest.mark.parametrize("shape", [(5, 6), (1, 5, 6), (4, 5, 6), (7, 5, 6)])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "u1"])
def test_arrays_of_any_channels_are_read_without_losing_a_bit(shape, dtype, tmp_path, rng):
    array = rng.integers(0, 255, shape).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    header, pixels = read_header(tmp_path / "x.npy"), read_image(tmp_path / "x.npy")
    assert (header.channels, header.height, header.width, header.bits) == (*pixels.shape, pixels.dtype.itemsize * 8)
    assert pixels.dtype in (np.uint8, np.uint16) and np.array_equal(pixels, array.reshape(pixels.shape))


@pytest.mark.parametrize("channels", [1, 3, 7])
def test_channels_that_stand_last_are_channels(channels, tmp_path, rng):
    array = rng.integers(0, 255, (20, 30, channels)).astype(np.uint8)
    np.save(tmp_path / "x.npy", array)
    assert read_header(tmp_path / "x.npy").channels == channels
    np.testing.assert_array_equal(read_image(tmp_path / "x.npy"), array.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "array, words",
    [
        (np.zeros((4, 4), np.float32), "float32 pixels; expected"),
        (np.array([[np.nan, np.inf]]), "2 of them not a number"),
        (np.zeros((4, 4), np.int32), "int32"),
        (np.zeros((1, 2, 4, 4), np.uint8), "shape"),
        (np.array([[{}]], dtype=object), "damaged"),
    ],
)
def test_other_arrays_are_refused_with_a_sentence(array, words, tmp_path):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(SourceError, match=words):
        read_image(tmp_path / "x.npy")

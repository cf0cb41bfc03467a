"""Fitting keeps the aspect ratio, the values and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmed.data.geometry import Fit, fit_image, fit_mask, fit_of, image_to_source, mask_to_source


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(8, 2000), st.integers(8, 2000))
def test_the_aspect_ratio_is_kept_and_two_sides_are_touched(source_height, source_width, height, width):
    fit = fit_of(source_height, source_width, height, width)
    inner_height, inner_width = fit.inner
    assert inner_height <= height and inner_width <= width
    assert inner_height == height or inner_width == width
    # Both sides are the scaled ones, to within the rounding of half a pixel (and at least one pixel).
    assert abs(inner_height - max(1, source_height * fit.scale)) <= 0.5
    assert abs(inner_width - max(1, source_width * fit.scale)) <= 0.5
    assert abs((height - inner_height) - 2 * fit.pad_top) <= 1
    assert abs((width - inner_width) - 2 * fit.pad_left) <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_of_the_right_size_is_not_touched(dtype):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (3, 16, 24), dtype)
    np.testing.assert_array_equal(fit_image(image, fit_of(16, 24, 16, 24), 16, 24), image)


@pytest.mark.parametrize(("source", "stored"), [((20, 30), (60, 60)), ((20, 30), (41, 97)), ((7, 5), (35, 64))])
def test_an_enlarged_mask_comes_back_exactly(source, stored):
    mask = np.random.default_rng(0).integers(0, 2, source, np.uint8)
    fit = fit_of(*source, *stored)
    placed = fit_mask(mask, fit, *stored)
    assert placed.shape == stored
    np.testing.assert_array_equal(mask_to_source(placed, fit), mask)


def test_a_reduced_picture_comes_back_in_its_place():
    rows, columns = np.mgrid[:120, :200]
    image = (200 * rows + 100 * columns).astype(np.uint16)[None]
    fit = fit_of(120, 200, 64, 64)
    back = image_to_source(fit_image(image, fit, 64, 64), fit)
    assert back.shape == image.shape and back.dtype == np.uint16
    inner = (slice(None), slice(8, -8), slice(8, -8))
    # A ramp survives any symmetric filter: a shift of one source pixel would be a difference of 100 or more.
    assert np.abs(back[inner].astype(int) - image[inner].astype(int)).max() < 60


def test_16_bits_stay_16_bits_when_resized():
    image = np.full((1, 40, 40), 0x1234, np.uint16)
    fit = fit_of(40, 40, 16, 16)
    np.testing.assert_array_equal(fit_image(image, fit, 16, 16), np.full((1, 16, 16), 0x1234))


def test_sharp_edges_do_not_wrap_around():
    image = np.zeros((1, 64, 64), np.uint8)
    image[:, :, 32:] = 255
    stored = fit_image(image, fit_of(64, 64, 24, 24), 24, 24)[0]
    assert (stored[:, :10] < 30).all() and (stored[:, 14:] > 225).all()


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(8, 60), st.integers(8, 60))
def test_padding_is_zero_and_a_mask_gets_no_new_values(source_height, source_width, height, width):
    mask = np.ones((source_height, source_width), np.uint8)
    fit = fit_of(source_height, source_width, height, width)
    stored = fit_mask(mask, fit, height, width)
    assert stored.sum() == np.prod(fit.inner)


def test_a_picture_that_is_cut_comes_back_with_zeros_where_it_was_cut():
    image = np.random.default_rng(0).integers(1, 255, (1, 20, 30), np.uint8)
    fit = Fit(source_height=20, source_width=30, scale=1.0, pad_top=-4, pad_left=3)
    stored = fit_image(image, fit, 12, 40)
    np.testing.assert_array_equal(stored[0, :, 3:33], image[0, 4:16])
    assert not stored[0, :, :3].any() and not stored[0, :, 33:].any()
    back = image_to_source(stored, fit)
    np.testing.assert_array_equal(back[:, 4:16], image[:, 4:16])
    assert not back[:, :4].any() and not back[:, 16:].any()
    np.testing.assert_array_equal(mask_to_source(fit_mask(image[0], fit, 12, 40), fit), back[0])

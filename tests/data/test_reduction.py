"""Reducing label maps: area kept, pieces kept, nothing joined that was apart, every label its share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from synthmed.data.geometry import fit_mask, fit_of
from synthmed.data.reduction import coverage, reduce_labels
from synthmed.phantoms.retina import make_retina

AROUND = np.ones((3, 3), bool)


def pieces(region):
    return ndimage.label(region, AROUND)[1]


def thin_line(side=97):
    """A line one pixel wide across a square."""
    at = np.arange(side)
    mask = np.zeros((side, side), np.uint8)
    mask[at, np.rint(side / 2 + side / 8 * np.sin(at / 15)).astype(int)] = 1
    return mask


def test_a_line_thinner_than_a_pixel_stays_one_line_of_its_area():
    mask = thin_line()
    assert pieces(mask) == 1 and pieces(mask[::3, ::3]) > 5  # a third of it by nearest neighbour is dots
    assert pieces(reduce_labels(mask, 32, 32)) == 1
    grown = ndimage.binary_dilation(mask, AROUND).astype(np.uint8)
    made = reduce_labels(grown, 32, 32)
    assert pieces(made) == 1 and made.mean() == pytest.approx(grown.mean(), rel=0.1)


def test_vessels_of_a_phantom_keep_area_and_pieces():
    mask = vessels()
    for side, more in ((160, 0.02), (96, 0.15), (48, 0.15)):  # of many thin vessels joining takes room
        made = reduce_labels(mask, side, side)
        large = [size for size in np.bincount(ndimage.label(mask, AROUND)[0].ravel())[1:] if size > mask.size / side**2]
        assert pieces(made) <= len(large) + 2
        assert made.mean() == pytest.approx(mask.mean(), rel=more)


def vessels():
    return make_retina(np.random.default_rng(3), size=256).vessels.astype(np.uint8)


@given(st.integers(8, 40), st.integers(8, 40), st.integers(1, 8), st.integers(1, 8), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_coverage_is_exact(rows, columns, height, width, seed):
    region = np.random.default_rng(seed).random((rows, columns)) < 0.4
    found = coverage(region, height, width)
    # each new pixel counted finely: `height` and `width` copies of every old one lie wholly inside some new pixel
    fine = np.repeat(np.repeat(region, height, 0), width, 1).reshape(height, rows, width, columns)
    np.testing.assert_allclose(found, fine.mean((1, 3)), atol=1e-9)


@given(st.integers(0, 10_000), st.integers(2, 5))
@settings(max_examples=40, deadline=None)
def test_labels_keep_their_area_and_no_label_appears(seed, labels):
    numbers = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(numbers.normal(size=(60, 52)), 5) for _ in range(labels)]
    mask = np.argmax(np.stack(fields), axis=0).astype(np.uint8)
    made = reduce_labels(mask, 20, 26)
    assert made.shape == (20, 26) and set(np.unique(made)) <= set(np.unique(mask))
    for label in range(labels):
        assert abs((made == label).mean() - (mask == label).mean()) < 0.05


def test_a_thin_label_between_two_large_ones_survives():
    mask = np.ones((80, 80), np.uint8)
    mask[40:] = 2
    mask[39:41] = 3  # two of eighty rows: a tenth of a new row
    made = reduce_labels(mask, 20, 20)
    assert (made == 3).sum() == 10 and pieces(made == 3) == 1  # half a row, as much as it covered
    assert not (made == 0).any() and abs((made == 1).mean() - (mask == 1).mean()) < 0.03


def test_what_is_not_smaller_is_as_it_was():
    mask = thin_line()
    assert np.array_equal(reduce_labels(mask, 97, 97), mask)
    wide = fit_mask(mask, fit_of(97, 97, 194, 194), 194, 194)
    assert np.array_equal(wide[::2, ::2], mask)  # larger: pixels are repeated
    assert not reduce_labels(np.zeros((50, 50), np.uint8), 10, 10).any()
    assert reduce_labels(np.ones((50, 50), np.uint8), 10, 10).all()

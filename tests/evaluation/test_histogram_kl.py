import numpy as np
import pytest

from synthmed.evaluation.histogram_kl import Config, common_region, histograms, kl_divergence, measure


def test_the_divergence_of_known_histograms_is_known():
    p, q = np.array([36, 48, 16]), np.array([30, 30, 30])
    expected = 0.36 * np.log(0.36 * 3) + 0.48 * np.log(0.48 * 3) + 0.16 * np.log(0.16 * 3)
    assert kl_divergence(p, q, 1e-15) == pytest.approx(expected)
    assert kl_divergence(q, p, 1e-15) == pytest.approx(0.097455, abs=1e-6)


def test_a_histogram_does_not_differ_from_itself_or_its_double():
    p = np.array([0, 3, 5, 0, 9])
    assert kl_divergence(p, p, 1e-6) == 0
    assert kl_divergence(p, 2 * p, 1e-6) == pytest.approx(0, abs=1e-12)


def test_empty_bins_give_a_finite_number_that_smoothing_decides():
    p, q = np.array([1, 0]), np.array([0, 1])
    assert kl_divergence(p, q, 1e-6) == pytest.approx(np.log(1e6), rel=1e-3)
    assert kl_divergence(p, q, 1e-3) < kl_divergence(p, q, 1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bins_cover_the_whole_stored_range(dtype):
    top = np.iinfo(dtype).max
    image = np.array([[[0, top // 2, top // 2 + 1, top]]], dtype)[None]
    counts = histograms(image, np.ones((1, 4), bool), bins=4)
    assert counts[0].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1]]


def test_grey_is_the_mean_of_the_channels():
    image = np.zeros((1, 3, 1, 1), np.uint8)
    image[0, :, 0, 0] = [255, 255, 0]
    counts = histograms(image, np.ones((1, 1), bool), bins=256)
    assert counts[0, 0].argmax() == 170
    assert counts[0, 1:].argmax(1).tolist() == [255, 255, 0]


def test_only_pixels_inside_the_region_count():
    image = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    region = np.zeros((4, 4), bool)
    region[1, 2] = True
    assert np.flatnonzero(histograms(image, region, bins=256)[0, 0]).tolist() == [6]
    fields_of_view = np.stack([region, ~region, region]).astype(np.uint8)
    assert np.array_equal(common_region(fields_of_view), region)


def test_real_images_differ_from_themselves_by_less_than_from_dark_ones(make_dataset, make_samples, setup):
    real = make_dataset(channels=3)
    same = measure(make_samples(real.split("train").images()), real, Config(), setup)
    dark = measure(make_samples(real.split("train").images() // 2, name="dark"), real, Config(), setup)
    assert same.value == pytest.approx(0, abs=1e-9)
    assert dark.value > same.floor > 0
    assert dark.floor == same.floor
    assert dark.low <= dark.high and dark.floor_low <= dark.floor <= dark.floor_high
    assert list(dark.details["per_plane"]) == ["grey", "red", "green", "blue"]
    assert any("copying" in warning for warning in dark.warnings)


def test_the_direction_is_a_setting(make_dataset, make_samples, setup):
    real = make_dataset()
    dark = make_samples(real.images() // 2)
    one = measure(dark, real, Config(direction="synthetic_real"), setup)
    other = measure(dark, real, Config(direction="real_synthetic"), setup)
    assert one.value != other.value


def test_the_order_of_the_images_does_not_matter(make_dataset, make_samples, setup):
    real = make_dataset()
    images = real.images() // 2
    first = measure(make_samples(images), real, Config(), setup)
    second = measure(make_samples(images[::-1], name="reversed"), real, Config(), setup)
    assert first.value == second.value
    assert first.floor == second.floor

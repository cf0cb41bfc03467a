import numpy as np
import pytest
from scipy import linalg

from synthmed.evaluation._featured import own_groups
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation.frechet_distance import Config, extrapolated, frechet_distance, measure


def by_definition(x, y):
    s_x, s_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(s_x @ s_y)
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s_x) + np.trace(s_y) - 2 * np.trace(root).real)


@pytest.mark.parametrize("n, m, d", [(12, 15, 40), (200, 300, 20), (10, 60, 30), (41, 40, 40)])
def test_it_is_scipys_definition(n, m, d, rng):
    x, y = rng.normal(size=(n, d)), 1.5 * rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) / d**0.5 + 0.3
    assert frechet_distance(x, y) == pytest.approx(by_definition(x, y), rel=1e-3)


def test_gaussians_of_known_moments_have_a_known_distance(rng):
    x = rng.normal(size=(200_000, 3)) * [1, 2, 3]
    y = rng.normal(size=(200_000, 3)) * [2, 2, 1] + [1, 0, 0]
    assert frechet_distance(x, y) == pytest.approx(1 + 1 + 0 + 4, rel=0.02)  # |mean|^2 + sum of (s_x - s_y)^2


def test_a_set_has_no_distance_to_itself_and_order_does_not_matter(rng):
    x, y = rng.normal(size=(2, 30, 50))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y[::-1], x[rng.permutation(30)]))


def test_sets_without_spread_are_apart_by_their_means():
    x = np.zeros((5, 8))
    assert frechet_distance(x, x + 2) == pytest.approx(32)
    assert frechet_distance(np.zeros((9, 2)), np.zeros((9, 2)) + 2) == pytest.approx(8)


def test_more_images_do_not_move_the_limit_as_they_move_the_distance(rng):
    def sides(count):
        made, true = rng.normal(size=(2, count, 16))
        return Points(values=made, groups=own_groups(count)), Points(values=true, groups=own_groups(count))

    one, other = sides(400)
    biased, limit = frechet_distance(one.values, other.values), extrapolated(one, other, rng)
    assert abs(limit) < 0.4 * biased  # the truth is 0


def test_fewer_images_than_dimensions_are_flagged(make_dataset, make_samples, setup):
    real = make_dataset()
    found = measure(make_samples(real.images()), real, Config(draws=10), setup)
    assert not found.details["full_rank"]
    assert any("kernel_distance" in warning for warning in found.warnings)
    assert found.extractor == "random_vgg" and found.n == 10 and found.n_real == 6
    assert found.low <= found.value <= found.high and found.matched_n == 3


def test_the_limit_of_equal_sets_is_near_zero_where_it_is_given_and_not_given_elsewhere(
    rng, make_dataset, make_samples, setup
):
    limits, distances = [], []
    for _ in range(8):
        one, other = (Points(values=v, groups=own_groups(96)) for v in rng.normal(size=(2, 96, 32)))
        limits.append(extrapolated(one, other, rng))
        distances.append(frechet_distance(one.values, other.values))
    assert abs(np.mean(limits)) < 0.15 * np.mean(distances)
    real = make_dataset()
    found = measure(make_samples(real.images()), real, Config(draws=10), setup)
    assert found.details["FD_infinity"] is None
    assert any(told.startswith("There is no FD-infinity: it needs 3 times") for told in found.warnings)
    assert "too high for few images, and its interval with it" in found.sentence

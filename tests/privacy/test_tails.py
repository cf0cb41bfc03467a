import numpy as np
import pytest

from synthmed.privacy._tails import fit_tail, holm, more_than, proportion


def test_the_power_of_a_known_tail_is_found(rng):
    tail = fit_tail(rng.uniform(size=5000) ** (1 / 8))  # P(r < x) = x^8
    assert tail.power == pytest.approx(8, rel=0.1)
    assert tail.low_power < 8
    assert tail.threshold(1e-6) < 1e-6 ** (1 / 8)  # on the safe side
    assert tail.threshold(1e-6) == pytest.approx(1e-6 ** (1 / 8), rel=0.25)


def test_chance_stays_above_the_threshold_as_often_as_it_says():
    """Of 300 clean audits, 1 in 20 is asked to find something, and not more do, though the tail was estimated."""
    found = 0
    for seed in range(300):
        numbers = np.random.default_rng(seed)
        tail = fit_tail(numbers.uniform(size=100) ** (1 / 6))
        found += (numbers.uniform(size=500) ** (1 / 6)).min() < tail.threshold(0.05 / 500)
    assert found / 300 < 0.07


def test_a_tail_that_falls_off_more_slowly_than_the_rest_lowers_the_threshold(rng):
    """A seventh of the values has a fourth of the power: near the smallest the law is theirs."""
    body = rng.uniform(size=600) ** (1 / 12)
    mixed = np.r_[body, rng.uniform(size=100) ** (1 / 3)]
    assert fit_tail(body).low_power > 9
    assert fit_tail(mixed).low_power < 5
    assert fit_tail(mixed).threshold(1e-5) < 0.5 * fit_tail(body).threshold(1e-5)


def test_points_around_a_query_have_relative_distances_with_the_dimension_as_power(rng):
    powers = []
    for references in (100, 2000):
        away = np.sort(np.linalg.norm(rng.uniform(-1, 1, (500, references, 3)), axis=2), axis=1)
        powers.append(fit_tail(away[:, 0] / away[:, 1]).power)
    assert np.allclose(powers, 3, rtol=0.2)  # and not with their number


def test_intervals_and_tests_are_the_exact_ones():
    assert proportion(0, 1000) == (0, pytest.approx(1 - 0.025 ** (1 / 1000)))
    assert proportion(10, 10) == (pytest.approx(0.025 ** (1 / 10)), 1)
    assert more_than(0, 7) == 1
    assert more_than(5, 0) == pytest.approx(1 / 32)
    assert more_than(2, 1) == pytest.approx(0.5)
    assert holm([0.5, 0.01]) == [0.5, 0.02]

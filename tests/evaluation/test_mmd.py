import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from synthmed.evaluation.mmd import mmd, unit_length


@pytest.mark.parametrize("sigma", [0.7, 10.0])
def test_it_is_that_of_scikit_learns_kernel(sigma, rng):
    x, y = (unit_length(rng.normal(size=(n, 5)) + shift) for n, shift in ((20, 0), (30, 0.5)))
    k = [rbf_kernel(a, b, gamma=1 / (2 * sigma**2)).mean() for a, b in ((x, x), (y, y), (x, y))]
    assert mmd(x, y, sigma) == pytest.approx(1000 * (k[0] + k[1] - 2 * k[2]), rel=1e-3, abs=1e-4)


def test_at_the_published_width_it_is_nearly_the_distance_of_the_means(rng):
    x, y = (unit_length(rng.normal(size=(50, 8)) + shift) for shift in (0, 1))
    assert mmd(x, y) == pytest.approx(1000 / 100 * np.square(x.mean(0) - y.mean(0)).sum(), rel=0.03)


def test_a_set_has_no_distance_to_itself_and_rows_of_zeros_stay(rng):
    x = rng.normal(size=(9, 4)).astype(np.float32)
    assert mmd(x, x) == pytest.approx(0, abs=1e-4)
    assert np.isfinite(unit_length(np.zeros((2, 3)))).all()

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from synthmed.evaluation import kernel_distance as module
from synthmed.evaluation.kernel_distance import Config, kernel_distance, measure


def by_definition(x, y):
    def k(a, b):
        return polynomial_kernel(a, b, degree=3, gamma=1 / x.shape[1], coef0=1)

    def mean_of_others(a):
        kernel = k(a, a)
        return (kernel.sum() - np.trace(kernel)) / (len(a) * (len(a) - 1))

    return mean_of_others(x) + mean_of_others(y) - 2 * k(x, y).mean()


def test_it_is_that_of_scikit_learns_kernel(rng):
    x, y = rng.normal(size=(31, 12)), rng.normal(size=(17, 12)) + 0.4
    assert kernel_distance(x, y) == pytest.approx(by_definition(x, y))


def test_it_is_unbiased_also_for_few_images(rng):
    values = [kernel_distance(*rng.normal(size=(2, 8, 4))) for _ in range(600)]
    assert abs(np.mean(values)) < 3 * np.std(values) / len(values) ** 0.5
    assert min(values) < 0


def test_neither_order_nor_chunks_matter(rng, monkeypatch):
    x, y = rng.normal(size=(2, 40, 6))
    whole = kernel_distance(x, y)
    monkeypatch.setattr(module, "_ROWS", 7)
    assert kernel_distance(x[::-1], y[rng.permutation(40)]) == pytest.approx(whole)


def test_the_number_that_papers_print_is_told(make_dataset, make_samples, setup):
    real = make_dataset()
    found = measure(make_samples(real.images()), real, Config(draws=10), setup)
    assert found.details["times_1000"] == pytest.approx(1000 * found.value)
    assert "times 1,000 as most papers print it, is " in found.sentence and found.unit == "no unit"
    assert found.shown(found.value) in found.sentence and found.shown_unit == "times 1,000, no unit"

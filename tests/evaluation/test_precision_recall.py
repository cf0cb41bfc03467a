import numpy as np
import pytest

from synthmed.errors import DataError
from synthmed.evaluation import _neighbours
from synthmed.evaluation.precision_recall import Config, measure, precision_recall


def by_definition(fake, real, k):
    """Naeem et al. 2020, equations 1 to 5, one point after the other."""

    def radius(points, index):
        apart = np.linalg.norm(points - points[index], axis=1)
        return np.sort(np.delete(apart, index))[k - 1]

    balls_real = [radius(real, i) for i in range(len(real))]
    balls_fake = [radius(fake, j) for j in range(len(fake))]
    apart = np.linalg.norm(real[:, None] - fake[None], axis=2)  # [real fake]
    return {
        "precision": np.mean([any(apart[i, j] < balls_real[i] for i in range(len(real))) for j in range(len(fake))]),
        "recall": np.mean([any(apart[i, j] < balls_fake[j] for j in range(len(fake))) for i in range(len(real))]),
        "density": sum(apart[i, j] < balls_real[i] for i in range(len(real)) for j in range(len(fake))) / k / len(fake),
        "coverage": np.mean([any(apart[i, j] < balls_real[i] for j in range(len(fake))) for i in range(len(real))]),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
def test_it_is_the_printed_definition_in_chunks_of_any_size(k, rng, monkeypatch):
    fake, real = (1.3 * rng.normal(size=(40, 3)) + 0.5).astype(np.float32), rng.normal(size=(30, 3)).astype(np.float32)
    expected = by_definition(fake.astype(float), real.astype(float), k)
    assert precision_recall(fake, real, k) == pytest.approx(expected)
    monkeypatch.setattr(_neighbours, "CHUNK_BYTES", 700)
    assert precision_recall(fake[::-1], real[rng.permutation(30)], k) == pytest.approx(expected)


def test_known_answers(rng):
    real = rng.normal(size=(200, 2)).astype(np.float32)
    far = precision_recall(real + 1000, real)
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    one_kind = precision_recall(real[:1] + 1e-3 * rng.normal(size=(200, 2)).astype(np.float32), real)
    assert one_kind["precision"] == 1 and one_kind["coverage"] < 0.2


@pytest.mark.parametrize("dimensions", [2, 64, 512])
def test_exact_copies_have_density_one_whatever_is_rounded(dimensions, rng):
    """Each ball holds its own copy and k - 1 others; the k-th lies on its border, and a ball is open."""
    real = (rng.normal(size=(150, dimensions)) + 3).astype(np.float32)
    found = precision_recall(real[rng.permutation(150)], real, 5)
    assert found == {"precision": 1, "recall": 1, "density": 1, "coverage": 1}


def test_too_few_images_are_refused_with_what_to_do(make_dataset, make_samples, setup):
    real = make_dataset()
    with pytest.raises(DataError, match="Lower k"):
        measure(make_samples(real.images()), real, Config(k=10), setup)

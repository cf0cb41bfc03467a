import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from synthmed.evaluation import hotelling_observer, two_sample_test
from synthmed.evaluation._featured import own_groups
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._observers import Reading, answers, auc, d_prime, hotelling, logistic, read


def points(values):
    return Points(values=values, groups=own_groups(len(values)))


def test_the_area_is_that_of_scikit_learn_also_with_ties(rng):
    scores, made = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    assert auc(Reading(scores=scores, synthetic=made)) == pytest.approx(roc_auc_score(made, scores))


@pytest.mark.parametrize("fit", [logistic, hotelling])
def test_gaussians_a_known_d_prime_apart_are_read_with_it(fit, rng):
    one, other = rng.normal(size=(2, 3000, 3))
    found = answers(read(fit, points(one + np.array([1.5, 0, 0])), points(other)))
    assert found[1] == pytest.approx(1.5, abs=0.12)
    assert found[0] == pytest.approx(0.856, abs=0.015)  # Phi(1.5 / sqrt 2)


def test_d_prime_is_of_one_image_at_a_time():
    assert d_prime(0.8413447, 0.5) == pytest.approx(1, abs=1e-6)
    perfect = answers(Reading(scores=np.array([1.0, 1.0, -1.0]), synthetic=np.array([True, True, False])))
    assert np.isfinite(perfect).all() and perfect[0] == 1


def test_no_image_is_read_by_an_observer_that_knows_its_patient(rng):
    seen = []

    def fit(values, is_synthetic):
        known = set(values[:, 0].tolist())
        return lambda asked: seen.append(known & set(asked[:, 0].tolist())) or np.zeros(len(asked))

    patients = np.repeat(np.arange(10), 3)
    true = Points(values=patients[:, None].astype(float), groups=patients.astype(str))
    read(fit, points(np.arange(100, 120)[:, None].astype(float)), true)
    assert len(seen) == 5 and not any(seen)


def test_sides_of_one_kind_are_not_told_apart(rng):
    areas = [answers(read(hotelling, *map(points, rng.normal(size=(2, 40, 4)))))[0] for _ in range(20)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.06)


def test_blurred_images_are_found_by_both_observers(make_dataset, make_samples, setup):
    real = make_dataset(train=20, test=20)
    flat = real.split("test").images() // 2
    for module in (two_sample_test, hotelling_observer):
        found = module.measure(make_samples(flat, name=module.__name__), real, module.Config(draws=10), setup)
        assert found.value > 0.95 and found.differs and found.details["task"] == "yes_no"
        assert found.floor == pytest.approx(0.5, abs=0.2) and found.details["d_prime"] > 1


def test_channels_answer_to_their_own_stripes():
    side = np.arange(128)
    stripes = np.sin(2 * np.pi * side * 12 / 128)  # 3/32 cycles per pixel along the columns
    image = np.broadcast_to(np.uint8(127 + 100 * stripes), (128, 128))[None, None]
    found = hotelling_observer.responses(image)[0]
    assert found[:-1].argmax() == 2 * hotelling_observer.ORIENTATIONS  # third band, angle 0
    assert found[-1] == pytest.approx(image.mean() / 255)

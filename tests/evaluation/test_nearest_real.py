import numpy as np
import pytest

from synthmed.evaluation.nearest_real import Config, measure


def test_copies_are_nearer_than_any_two_patients(make_dataset, make_samples, setup):
    real = make_dataset(train=40)
    found = measure(make_samples(real.split("train").images()), real, Config(draws=20, shown=3), setup)
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.details["nearer_than_any_two_patients"] == 40
    assert found.details["nearest_row"] == [f"{index:06d}" for index in range(40)]
    assert any("privacy audit" in warning for warning in found.warnings)
    assert [figure.title.split(":")[0] for figure in found.figures] == [
        "Drawn at random",
        "Best",
        "Worst",
        "Distances to the nearest real image",
    ]


def test_other_patients_raise_no_warning_however_many_there_are(make_dataset, make_samples, setup):
    """Among many images some are nearer to a real one than any two of few patients are: that is chance."""
    real, others = make_dataset(train=20), make_dataset(name="others", train=120, seed=5)
    found = measure(make_samples(others.split("train").images()), real, Config(draws=20), setup)
    assert found.details["nearer_than_any_two_patients"] > 0
    assert not any("privacy audit" in warning for warning in found.warnings)


def test_noise_is_farther_than_other_patients_are(make_dataset, make_samples, setup, rng):
    real = make_dataset(train=8)
    noise = rng.integers(0, 255, (8, 1, 32, 32)).astype(np.uint8)
    found = measure(make_samples(noise), real, Config(draws=10), setup)
    assert found.differs and found.matched > found.floor_high

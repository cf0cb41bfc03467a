import numpy as np
import pytest

from synthmed.evaluation.nearest_real import Config, measure


def test_copies_are_nearer_than_any_two_patients(make_dataset, make_samples, conditions):
    real = make_dataset(train=8)
    found = measure(make_samples(real.split("train").images()), real, Config(draws=10, shown=3), conditions)
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.details["nearer_than_any_two_patients"] == 8
    assert found.details["nearest_row"] == [f"{index:06d}" for index in range(8)]
    assert any("privacy audit" in warning for warning in found.warnings)
    assert [figure.title.split(":")[0] for figure in found.figures] == [
        "Drawn at random",
        "Best",
        "Worst",
        "Distances to the nearest real image",
    ]


def test_noise_is_farther_than_other_patients_are(make_dataset, make_samples, conditions, rng):
    real = make_dataset(train=8)
    noise = rng.integers(0, 255, (8, 1, 32, 32)).astype(np.uint8)
    found = measure(make_samples(noise), real, Config(draws=10), conditions)
    assert found.differs and found.matched > found.floor_high

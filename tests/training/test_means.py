"""The log tells the mean of an interval, and a loss that is not finite is found before anything is saved."""

import pytest
import torch

from synthmed.errors import TrainingError
from synthmed.training.means import Means


def test_a_line_tells_the_mean_of_all_updates_since_the_last_one():
    means = Means()
    for value in (1.0, 2.0, 6.0):
        means.add("discriminator", {"adversarial": torch.tensor(value)})
    means.add("discriminator", {"r1": torch.tensor(4.0)})  # a lazy term, once
    means.add("generator+encoder", {"adversarial": torch.tensor(5.0)})
    assert means.taken("full", 12) == {
        "discriminator.adversarial": 3.0, "discriminator.r1": 4.0, "generator+encoder.adversarial": 5.0,
    }  # fmt: skip
    assert means.taken("full", 24) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_one_value_that_is_not_finite_is_not_forgotten(value):
    means = Means()
    for one in (1.0, value, 1.0):
        means.add("generator", {"pixel": torch.tensor(one), "style": torch.tensor(1.0)})
    with pytest.raises(TrainingError, match=r"not finite in stage full, some steps before 12 images \(generator.pixel"):
        means.refuse_non_finite("full", 12)

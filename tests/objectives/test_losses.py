"""Losses are what their formulas say."""

import math

import pytest
import torch

from synthmed.objectives import losses


def test_a_discriminator_at_chance_has_the_losses_of_a_coin() -> None:
    zero = torch.zeros(3, 1)
    assert torch.allclose(losses.logistic_discriminator(zero, zero), torch.full((3,), 2 * math.log(2)))
    assert torch.allclose(losses.logistic_generator(zero), torch.full((3,), math.log(2)))
    assert torch.allclose(losses.relativistic_discriminator(zero, zero), torch.full((3,), math.log(2)))


def test_logistic_losses_are_the_cross_entropies_of_torch() -> None:
    real, fake = torch.randn(5, 1, 3, 3), torch.randn(5, 1, 3, 3)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
    torch.testing.assert_close(losses.logistic_discriminator(real, fake).mean(), expected)


def test_the_relativistic_pair_looks_at_the_difference_only() -> None:
    real, fake = torch.randn(5, 1), torch.randn(5, 1)
    shifted = losses.relativistic_discriminator(real + 7, fake + 7)
    torch.testing.assert_close(losses.relativistic_discriminator(real, fake), shifted)
    torch.testing.assert_close(losses.relativistic_generator(real, fake), losses.relativistic_discriminator(fake, real))


def test_the_gradient_penalty_of_a_linear_function_is_its_squared_slope() -> None:
    slope = torch.tensor(3.0, requires_grad=True)
    penalty = losses.gradient_penalty(
        lambda images: slope * images.flatten(1).sum(1, keepdim=True), torch.rand(2, 1, 4, 4)
    )
    torch.testing.assert_close(penalty, torch.full((2,), 9.0 * 16))
    penalty.mean().backward()
    assert slope.grad is not None
    torch.testing.assert_close(slope.grad, torch.tensor(2 * 3.0 * 16))


def test_losses_are_per_sample_and_do_not_depend_on_order() -> None:
    real, fake = torch.randn(4, 1, 2, 2), torch.randn(4, 1, 2, 2)
    order = torch.tensor([2, 0, 3, 1])
    for loss in (
        losses.logistic_discriminator,
        losses.relativistic_discriminator,
        losses.relativistic_generator,
    ):
        torch.testing.assert_close(loss(real, fake)[order], loss(real[order], fake[order]))
    torch.testing.assert_close(losses.absolute_error(real, real), torch.zeros(4))


def test_the_wasserstein_pair_is_the_difference_of_means_and_drift_the_square_of_the_level() -> None:
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5], [-1.0]])
    assert losses.wasserstein_discriminator(real, fake).tolist() == [-0.5, -4.0]
    assert losses.wasserstein_generator(fake).tolist() == [-0.5, 1.0]
    assert losses.drift(real).tolist() == [1.0, 9.0]


def test_the_slope_penalty_of_a_linear_critic_is_its_known_value_wherever_it_is_taken() -> None:
    slope = torch.tensor(0.75, requires_grad=True)
    real, fake = torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)
    penalty = losses.slope_penalty(
        lambda images: slope * images.flatten(1).sum(1, keepdim=True), real, fake, torch.tensor([0.1, 0.9])
    )
    torch.testing.assert_close(penalty, torch.full((2,), (0.75 * 4 - 1) ** 2))  # ||0.75 * ones(16)|| = 3
    penalty.mean().backward()
    assert slope.grad is not None
    torch.testing.assert_close(slope.grad, torch.tensor(2 * 2.0 * 4))


def test_the_slope_is_taken_between_real_and_fake() -> None:
    """A critic whose slope is the value of the pixel: at a share of the way from 0 to 1 it is that share."""
    real, fake = torch.zeros(3, 1, 1, 1), torch.ones(3, 1, 1, 1)
    shares = torch.tensor([0.0, 0.25, 1.0])
    found = losses.slope_penalty(lambda images: images.flatten(1).square().sum(1, keepdim=True) / 2, real, fake, shares)
    torch.testing.assert_close(found, (shares - 1).square(), atol=1e-5, rtol=0)


def test_a_repetition_is_what_is_missing_of_the_target_in_the_foreground_and_grain_is_none() -> None:
    one, one_hot = torch.zeros(3, 1, 8, 8), torch.zeros(3, 1, 8, 8)
    one_hot[..., :4] = 1  # half of each image
    other = one.clone()
    other[1, ..., :4], other[2, ..., :4] = 0.1, 0.5
    torch.testing.assert_close(losses.repetition(one, other, one_hot, 0.25), torch.tensor([0.25, 0.15, 0.0]))
    grain = torch.ones(3, 1, 8, 8)
    grain[..., ::2] = -1
    torch.testing.assert_close(losses.repetition(one, grain, one_hot, 0.25), torch.full((3,), 0.25))
    assert losses.repetition(one, other, torch.zeros_like(one_hot), 0.25).isfinite().all()


@pytest.mark.parametrize("name", ["logistic_generator", "logistic_discriminator", "relativistic_generator", "drift"])
def test_sums_are_taken_in_float32_whatever_the_precision_of_the_logits(name: str) -> None:
    logits = torch.linspace(-0.4, 0.9, 2 * 4096).view(2, 1, 64, 64).bfloat16()
    loss = getattr(losses, name)
    given = [logits, logits.flip(2)][: 1 if name in ("logistic_generator", "drift") else 2]
    found = loss(*given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, loss(*[one.double() for one in given]).float(), rtol=1e-5, atol=1e-6)

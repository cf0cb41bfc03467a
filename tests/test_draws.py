"""Random numbers by counting: spread as they should be, apart from each other, the same on every device."""

import pytest
import torch

from synthmed.draws import Draws, ImageDraws, _inverse_normal, _uniform, seed_of


def test_seeds_of_two_purposes_have_nothing_in_common() -> None:
    one, other = (Draws(seed_of(purpose, 0, 0)).normal(100) for purpose in ("image", "step"))
    assert (one - other).abs().min() > 0
    assert abs(torch.corrcoef(torch.stack([one, other]))[0, 1]) < 0.35  # 3.5 standard deviations


def test_numbers_are_spread_as_they_should_be() -> None:
    draws = Draws(3)
    uniform = draws.uniform(1_000_000)
    counts = torch.histc(uniform, 100, 0, 1)
    assert ((counts - 1e4).square() / 1e4).sum() < 160  # chi-squared of 99 degrees: 160 is beyond 1 in 10,000
    noise = ImageDraws(draws.normal(10, 3)).normal(100_000)
    for normal in (draws.normal(1000, 1000), noise):
        moments = [(normal**power).mean().item() for power in (1, 2, 3, 4)]
        assert moments == pytest.approx([0, 1, 0, 3], abs=0.03)  # 3 standard deviations of the fourth
    assert len(noise.unique()) > 65_000 and noise.abs().max() < 4.4
    assert abs(torch.corrcoef(torch.stack([noise[:, ::2].flatten(), noise[:, 1::2].flatten()]))[0, 1]) < 0.006
    assert draws.integers(5, 1000).unique().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("lag", [1, 2, 7, 64, 1024])
def test_neighbours_know_nothing_of_each_other(lag: int) -> None:
    numbers = Draws(9).normal(200_000)
    assert abs(torch.corrcoef(torch.stack([numbers[lag:], numbers[:-lag]]))[0, 1]) < 0.009  # 4 standard deviations


def test_calls_and_seeds_give_other_numbers_and_the_same_calls_the_same() -> None:
    draws, again = Draws(1), Draws(1)
    first, second = draws.normal(50_000), draws.normal(50_000)
    for other in (second, Draws(2).normal(50_000), Draws(1 + 2**40).normal(50_000)):
        assert abs(torch.corrcoef(torch.stack([first, other]))[0, 1]) < 0.018
        assert not torch.isin(first[:-1], other).all()
    assert torch.equal(again.normal(5, 10_000).flatten(), first) and torch.equal(again.normal(50_000), second)


def test_an_image_s_numbers_depend_on_its_own_latents_alone() -> None:
    latents = Draws(5).normal(4, 6)
    together, alone = ImageDraws(latents), ImageDraws(latents[2:3])
    for _ in range(2):
        every = together.normal(3, 20, 20)
        assert torch.equal(every[2:3], alone.normal(3, 20, 20))
    flat = every.flatten(1)
    assert (torch.corrcoef(flat) - torch.eye(4)).abs().max() < 0.12
    assert ImageDraws(torch.zeros(2, 1)).normal(3, 3).shape == (2, 3, 3)


def test_nothing_is_copied_to_the_device() -> None:
    """On a device without memory every number would have to come from elsewhere if it were copied."""
    assert Draws(0, "meta").normal(3, 4).device.type == "meta"
    assert ImageDraws(torch.zeros(2, 3, device="meta")).normal(5).device.type == "meta"


def test_no_bits_give_a_number_that_is_not_finite() -> None:
    """One in 16 million would be enough: a step draws as many."""
    ends = torch.tensor([-1, 0, 1, 511, 512, 2**31 - 1, -(2**31), -512, -513], dtype=torch.int32)
    uniform = _uniform(ends.clone())
    normal = _inverse_normal(2 * uniform - 1)
    assert uniform.min() > 0 and uniform.max() < 1
    assert normal.isfinite().all() and 5 < normal.abs().max() < 5.4
    every = _uniform(torch.arange(2**23, dtype=torch.int32) << 9)
    assert len(every.unique()) == 2**23 and every.max() < 1 and every.min() > 0

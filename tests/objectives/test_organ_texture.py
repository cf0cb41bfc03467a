"""Textures of organs: known values, no place, no area, no loop."""

import pytest
import torch

from synthmed.objectives.organ_texture import (
    LEAST,
    content_distance,
    organ_grams,
    organ_levels,
    over_organs,
    style_distance,
    total_variation,
)


def halves(size=16):
    """Shares [1 2 size size]: the left half is one organ, the right half the other."""
    shares = torch.zeros(1, 2, size, size)
    shares[:, 0, :, : size // 2], shares[:, 1, :, size // 2 :] = 1, 1
    return shares


def plain_grams(maps, shares):
    """As one would write it: organ by organ, image by image."""
    found = torch.zeros(len(maps), shares.shape[1], maps.shape[1], maps.shape[1])
    weights = torch.nn.functional.adaptive_avg_pool2d(shares, maps.shape[2:])
    for image, organ in torch.cartesian_prod(torch.arange(len(maps)), torch.arange(shares.shape[1])).tolist():
        flat, weight = maps[image].flatten(1), weights[image, organ].flatten()
        found[image, organ] = (flat * weight) @ flat.T / max(float(weight.sum()), LEAST)
    return found


def test_matrices_of_all_organs_are_those_of_a_plain_loop():
    torch.manual_seed(0)
    maps, shares = torch.rand(3, 5, 8, 8), torch.rand(3, 4, 32, 32)
    grams, area = organ_grams(maps, shares)
    torch.testing.assert_close(grams, plain_grams(maps, shares), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(area, shares.mean((2, 3)) * 64)


def test_a_texture_knows_neither_place_nor_area():
    left, right = halves(), halves().flip(3)
    maps = torch.ones(1, 3, 16, 16)
    maps[..., :8] = 2
    assert style_distance([maps], left, [maps.flip(3)], right).abs().max() < 1e-6
    small = torch.zeros(1, 2, 16, 16)
    small[:, 0, :4, :4], small[:, 1, 8:, 8:] = 1, 1
    assert style_distance([maps], left, [maps], small)[0, 0] < 1e-6  # a smaller organ of the same texture


def test_an_organ_that_is_smaller_than_a_cell_is_left_out():
    shares = halves()
    tiny = torch.zeros(1, 2, 16, 16)
    tiny[:, 0, 0, 0] = 0.5
    maps, other = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    assert style_distance([maps], shares, [other], tiny).tolist() == [[0.0, 0.0]]
    assert over_organs(torch.tensor([[2.0, 8.0]]), shares).tolist() == [5.0]
    shares[:, 1] = 0
    assert over_organs(torch.tensor([[2.0, 8.0]]), shares).tolist() == [2.0]


def test_content_is_compared_within_each_organ():
    wanted, shares = torch.ones(1, 2, 16, 16), halves()
    made = wanted.clone()
    made[..., 8:] = 3
    assert content_distance(made, wanted, shares)[0].tolist() == pytest.approx([0, 4])


def test_levels_are_means_of_intensities():
    images = torch.zeros(1, 1, 16, 16)
    images[..., 8:] = 0.5
    assert organ_levels(images, halves()).flatten().tolist() == [0.0, 0.5]
    assert total_variation(images).item() == pytest.approx(0.25 / 15)


def test_the_distance_teaches():
    torch.manual_seed(0)
    maps, style, shares = torch.rand(1, 3, 16, 16, requires_grad=True), torch.rand(1, 3, 16, 16) * 2, halves()
    before = over_organs(style_distance([maps], shares, [style], shares), shares)
    before.backward()
    after = over_organs(style_distance([maps - 0.5 * maps.grad / maps.grad.norm()], shares, [style], shares), shares)
    assert after < before

"""The distance of patches: nothing for equal images, more for images that differ in what a mean hides."""

import torch
from torch.nn import functional

from synthmed.draws import Draws
from synthmed.objectives.patch_distance import (
    DIRECTIONS,
    NEIGHBOURHOOD,
    draw_patches,
    patch_distance,
    sorted_difference,
)


def drawn_from(seed: int = 0) -> Draws:
    return Draws(seed)


def textures(num: int = 2, seed: int = 0) -> torch.Tensor:
    return drawn_from(seed).uniform(num, 3, 64, 64) * 2 - 1


def discs(num: int = 2) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(64) - 32, torch.arange(64) - 32, indexing="ij")
    return ((rows**2 + columns**2) < 256).float().expand(num, 1, 64, 64)


FIELDS = torch.ones(2, 64, 64, dtype=torch.uint8)


def test_equal_images_have_no_distance():
    images = textures()
    assert patch_distance(images, images, discs(), FIELDS, drawn_from()).abs().max() == 0


def test_the_same_draws_give_the_same_distance_and_one_value_an_image():
    one, other = textures(seed=0), textures(seed=1)
    distances = [patch_distance(one, other, discs(), FIELDS, drawn_from()) for _ in range(2)]
    assert torch.equal(*distances)
    assert distances[0].shape == (2,)


def test_another_drawing_of_one_texture_is_nearer_than_its_mean():
    """What a pixel error gets wrong: for it the smooth mean is nearer than any other drawing."""
    target, again = textures(seed=0), textures(seed=1)
    mean = torch.zeros_like(target)
    assert functional.mse_loss(mean, target) < functional.mse_loss(again, target)
    near = patch_distance(again, target, discs(), FIELDS, drawn_from())
    far = patch_distance(mean, target, discs(), FIELDS, drawn_from())
    assert (near < 0.75 * far).all()


def test_dark_where_the_mask_is_differs_from_as_much_dark_elsewhere():
    masks = discs()
    noise = 0.05 * textures()
    target = noise - masks
    elsewhere = noise - masks.roll(12, dims=3)
    assert target.mean() == elsewhere.mean()
    same = patch_distance(noise.flip(2) - masks, target, masks, FIELDS, drawn_from())
    moved = patch_distance(elsewhere, target, masks, FIELDS, drawn_from())
    assert (same < 0.3 * moved).all()


def test_what_lies_outside_the_field_of_view_is_not_compared():
    fields_of_view = torch.zeros(2, 64, 64, dtype=torch.uint8)
    fields_of_view[:, 4:12, 4:12] = 1
    target = textures()
    changed = target.clone()
    changed[:, :, 28:, 28:] = 0
    assert patch_distance(changed, target, torch.zeros(2, 1, 64, 64), fields_of_view, drawn_from()).max() < 1e-6


def test_it_pulls_an_output_towards_its_target():
    target = textures(1)
    output = torch.zeros(1, 3, 64, 64, requires_grad=True)
    before = patch_distance(output, target, discs(1), FIELDS[:1], drawn_from())
    before.sum().backward()
    assert output.grad is not None
    moved = output.detach() - 20 * output.grad
    assert patch_distance(moved, target, discs(1), FIELDS[:1], drawn_from()) < before


def test_patches_are_drawn_near_the_foreground_and_for_every_direction():
    one_hot = torch.zeros(1, 1, 64, 64)
    one_hot[:, :, 10, 10] = 1
    drawn = draw_patches(textures(1), one_hot, torch.ones(1, 1, 64, 64), side=3, number=1000, draws=drawn_from())
    rows, columns = drawn.positions // 64, drawn.positions % 64
    near = ((rows - 10).abs() <= 1) & ((columns - 10).abs() <= 1)
    assert 0.4 < near.float().mean() < 0.6
    assert drawn.image_directions.shape == (3, 9, DIRECTIONS)
    assert sorted_difference(textures(1), textures(1), one_hot, 3, drawn).item() == 0


def test_all_patches_of_a_draw_come_from_one_neighbourhood():
    one_hot = torch.ones(4, 1, 64, 64)
    images = textures(4)
    drawn = draw_patches(images, one_hot, torch.ones(4, 1, 64, 64), side=3, number=1000, draws=drawn_from())
    places = torch.stack([drawn.positions // 64, drawn.positions % 64]).float()  # rows, columns
    reach = places.quantile(0.99, dim=2) - places.quantile(0.01, dim=2)
    assert (reach <= 2 * NEIGHBOURHOOD * 64).all()
    assert places.mean(2)[0].unique().numel() == 4  # another for each image


def test_all_together_no_output_has_to_be_like_its_own_target():
    """Two textures that change places are as far from their targets as can be, and the same collection."""
    fine, coarse = textures(1), functional.avg_pool2d(functional.pad(textures(1, seed=1), (4,) * 4), 9, 1) * 4
    target, swapped = torch.cat([fine, coarse]), torch.cat([coarse, fine])
    one_hot = torch.ones(2, 1, 64, 64)
    apart = patch_distance(swapped, target, one_hot, FIELDS, drawn_from())
    together = patch_distance(swapped, target, one_hot, FIELDS, drawn_from(), together=True)
    assert together.shape == (1,) and together < 0.5 * apart.mean()
    assert patch_distance(target, target, one_hot, FIELDS, drawn_from(), together=True) == 0
    twice_the_same = patch_distance(torch.cat([fine, fine]), target, one_hot, FIELDS, drawn_from(), together=True)
    assert twice_the_same > 1.2 * together  # but repeating one of the two is not the same collection

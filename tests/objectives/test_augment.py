"""Warps move image, mask and field together; differentiable changes let the gradient through."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmed.draws import Draws
from synthmed.objectives import augment
from synthmed.shapes import Batch, Given


def disc_batch(size: int = 64, num: int = 2) -> Batch:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    inside = ((rows - size / 2) ** 2 + (columns - size / 2) ** 2 < (0.45 * size) ** 2).to(torch.uint8)
    fields_of_view = inside[None].repeat(num, 1, 1)
    masks = torch.zeros(num, size, size, dtype=torch.uint8)
    masks[:, size // 3 : size // 2, size // 4 : size // 2] = 1
    images = masks[:, None].float().repeat(1, 3, 1, 1) * 2 - 1
    return Batch(
        images=images,
        given=Given(masks=masks),
        fields_of_view=fields_of_view,
        draws=Draws(0),
    )


@given(seed=st.integers(0, 1000), flip=st.booleans(), rotation=st.floats(0, 90), elastic=st.floats(0, 0.02))
@settings(max_examples=25, deadline=None)
def test_image_and_mask_move_together(seed: int, flip: bool, rotation: float, elastic: float) -> None:
    batch = replace(disc_batch(), draws=Draws(seed))
    config = augment.Warp(flip_horizontal=flip, rotation=rotation, elastic=elastic)
    moved = augment.warp(batch, config)
    bright = moved.images[:, 0] > 0
    agreement = (bright == moved.masks.bool()).float().mean()
    assert agreement > 0.97  # they differ only where interpolation rounds an edge


def test_a_warp_that_moves_nothing_returns_the_batch_itself() -> None:
    batch = disc_batch()
    assert augment.warp(batch, augment.Warp()) is batch


def test_the_round_field_stays_round_under_elastic_warps() -> None:
    batch = disc_batch(num=8)
    moved = augment.warp(batch, augment.Warp(elastic=0.03))
    assert not torch.equal(moved.masks, batch.masks)
    overlap = (moved.fields_of_view & batch.fields_of_view).sum() / (moved.fields_of_view | batch.fields_of_view).sum()
    assert overlap > 0.97


def test_masks_keep_their_labels() -> None:
    batch = disc_batch()
    moved = augment.warp(replace(batch, given=Given(masks=batch.masks * 3)), augment.Warp(rotation=30, elastic=0.01))
    assert set(moved.masks.unique().tolist()) <= {0, 3}


@pytest.mark.parametrize("change", ["colour", "translation", "cutout"])
def test_the_gradient_passes_through_every_change(change: augment.Change) -> None:
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    augment.differentiable(images, [change], Draws(0)).sum().backward()
    assert images.grad is not None and images.grad.abs().sum() > 0


def test_translation_moves_all_channels_alike_and_fills_with_black() -> None:
    images = torch.ones(4, 2, 32, 32)
    moved = augment.differentiable(images, ["translation"], Draws(3))
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert set(moved.unique().tolist()) == {-1.0, 1.0}


def test_the_same_draws_give_the_same_change() -> None:
    images = torch.rand(3, 3, 16, 16)
    once, again = (augment.differentiable(images, ["colour", "translation", "cutout"], Draws(5)) for _ in range(2))
    assert torch.equal(once, again)


def test_images_without_masks_are_moved_as_those_with_masks() -> None:
    batch = disc_batch()
    bare = replace(batch, given=Given())
    drawn = augment.draw_warp(augment.Warp(rotation=20, elastic=0.01), 2, batch.draws)
    moved, moved_bare = augment.apply_warp(batch, drawn), augment.apply_warp(bare, drawn)
    assert torch.equal(moved.images, moved_bare.images) and torch.equal(moved.fields_of_view, moved_bare.fields_of_view)
    assert moved_bare.given.masks is None

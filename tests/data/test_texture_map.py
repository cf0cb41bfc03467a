"""The texture map is scikit-image's Sobel filter over the mask."""

import numpy as np
import torch
from skimage.filters import sobel

from synthmed.data.texture import texture_map


def test_inside_the_mask_it_is_the_sobel_filter_of_scikit_image():
    pictures = np.random.default_rng(0).random((2, 24, 17), np.float32)
    masks = torch.ones(2, 24, 17, dtype=torch.uint8)
    made = texture_map(torch.from_numpy(pictures)[:, None] * 2 - 1, masks, full=2.0)
    expected = np.stack([sobel(picture) for picture in pictures]) / 2.0
    np.testing.assert_allclose(made[:, 0].numpy(), 0.5 + expected / 2, atol=1e-6)


def test_it_is_nothing_outside_half_where_flat_and_one_at_strong_edges():
    picture = torch.full((1, 1, 16, 16), -0.5)
    picture[..., 8:] = 0.5
    mask = torch.zeros(1, 16, 16, dtype=torch.uint8)
    mask[:, 4:12] = 3
    made = texture_map(picture, mask)[0, 0]
    assert not made[:4].any() and not made[12:].any()
    assert (made[4:12, :6] == 0.5).all() and (made[4:12, 7:9] == 1).all()


def test_the_edges_of_a_batch_are_those_of_its_images():
    pictures = torch.rand(3, 1, 12, 12) * 2 - 1
    masks = torch.ones(3, 12, 12)
    alone = torch.cat([texture_map(pictures[i : i + 1], masks[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(texture_map(pictures, masks), alone)


def test_the_map_is_the_same_inside_autocast():
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    masks = torch.ones(2, 32, 32, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        lowered = texture_map(images, masks)
    assert torch.equal(lowered, texture_map(images, masks))

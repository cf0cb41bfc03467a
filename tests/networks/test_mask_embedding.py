"""The networks of mask embedding: as printed, at every level of the growth, and continuous between levels."""

import pytest
import torch
from contracts.toys import tiny_method, toy_batch
from torch.nn import functional

from synthmed.config import parse, read_recipe
from synthmed.methods import find_method
from synthmed.networks.layers import EqualisedConv2d, EqualisedUpconv2d, MinibatchDeviation
from synthmed.networks.mask_embedding import MaskEmbeddingDiscriminator, MaskEmbeddingGenerator, growth_levels
from synthmed.networks.residual_mask import ResidualMaskGenerator
from synthmed.shapes import Given, ImageSpec


def built(recipe: str, height: int, width: int, **more):
    found = read_recipe(recipe)
    kind = find_method(found.method)
    torch.manual_seed(0)
    spec = ImageSpec(channels=1, size=(height, width), **more)
    return kind(parse(kind.Config, found.config, "config"), spec)


def generator(height=64, width=32, **changes):
    torch.manual_seed(0)
    settings = {"mask_channels": 1, "channels": 1, "latent_size": 10, "embedding_size": 6, "mask_features": 4}
    return MaskEmbeddingGenerator(height=height, width=width, sizes=[16, 12, 10, 8], **settings | changes)


def test_the_published_size_has_seven_levels_and_the_printed_kernels():
    assert growth_levels(512, 256) == 7 and growth_levels(128, 64) == 5
    method = built("mask_embedding_paper", 512, 256)
    network = method.networks["generator"]
    assert [layer.out_channels for layer in network.grow] == [128, 102, 82, 66, 52, 42, 34]
    assert {layer.kernel_size for layer in network.grow} == {(4, 4)}
    assert len(network.shrink) == 7 and {layer.stride for layer in network.shrink.values()} == {(2, 2)}
    assert {layer.out_channels for layer in network.shrink.values()} == {8}
    assert (network.embed.out_features, network.project.in_features, network.base) == (32, 132, (4, 2))
    assert len(method.stages()) == 13 and method.stages()[0].name == "8x4 stable"
    assert method.stages()[-1].name == "512x256 stable"


def test_without_embedding_the_latents_are_so_many_more_and_the_projection_is_as_large():
    paper, baseline = built("mask_embedding_paper", 128, 64), built("tub_gan", 128, 64)
    assert (paper.latent_shape, baseline.latent_shape) == ((100,), (132,))
    sizes = [method.networks["generator"].project.weight.shape for method in (paper, baseline)]
    assert sizes[0] == sizes[1]
    assert baseline.networks["generator"].embed is None
    stages = [[(s.name, s.images, s.batch_size) for s in method.stages()] for method in (paper, baseline)]
    assert stages[0] == stages[1]  # the exact same schedule


@pytest.mark.parametrize("halvings", range(4))
def test_every_level_makes_and_judges_images_of_the_size_of_its_masks(halvings):
    network = generator()
    one_hot = torch.ones(2, 1, 64 >> halvings, 32 >> halvings)
    images = network(one_hot, torch.randn(2, 10), 0.5)
    assert images.shape == one_hot.shape and images.abs().max() <= 1
    judge = MaskEmbeddingDiscriminator(channels=2, height=64, width=32, sizes=[16, 12, 10, 8])
    assert judge(torch.cat([images, one_hot], dim=1), 0.5).shape == (2, 1)


def test_a_level_that_is_not_faded_in_yet_is_the_one_before():
    network = generator()
    one_hot, latents = torch.zeros(2, 1, 32, 16), torch.randn(2, 10)
    one_hot[:, :, 4:20, :8] = 1
    before = network(functional.max_pool2d(one_hot, 2), latents)
    begun = network(one_hot, latents, 0.0)
    torch.testing.assert_close(begun, functional.interpolate(before, scale_factor=2), atol=1e-6, rtol=0)
    judge = MaskEmbeddingDiscriminator(channels=2, height=64, width=32, sizes=[16, 12, 10, 8])
    seen = torch.randn(4, 2, 32, 16)
    torch.testing.assert_close(judge(seen, 0.0), judge(functional.avg_pool2d(seen, 2)), atol=1e-5, rtol=1e-5)


def test_the_embedding_carries_the_mask_to_the_coarsest_features():
    """At the coarsest level there are no skips, so only the embedding can tell two masks apart."""
    one_hot = torch.zeros(2, 1, 8, 4)
    one_hot[0, :, :4], one_hot[1, :, 4:] = 1, 1
    latents = torch.randn(1, 10).repeat(2, 1)
    one, other = generator()(one_hot, latents)
    assert not torch.allclose(one, other, atol=1e-4)
    one, other = generator(latent_size=16, embedding_size=0)(one_hot, latents.repeat(1, 2)[:, :16])
    assert torch.equal(one, other)


def test_an_equalised_layer_keeps_the_size_of_its_input():
    torch.manual_seed(0)
    features = torch.randn(4, 64, 16, 16)
    for layer in (EqualisedConv2d(64, 64, 3, 1, 1), EqualisedUpconv2d(64, 64)):
        assert layer.weight.detach().std().item() == pytest.approx(1, rel=0.02)
        assert layer(features)[:, :, 2:-2, 2:-2].std().item() == pytest.approx(
            2**0.5, rel=0.1
        )  # He's gain for a leaky ReLU


def test_the_minibatch_deviation_is_zero_for_equal_images_only():
    same, other = torch.ones(4, 3, 2, 2), torch.randn(4, 3, 2, 2)
    assert MinibatchDeviation()(same)[:, 3].max() < 1e-3
    plane = MinibatchDeviation()(other)[:, 3]
    assert plane.shape == (4, 2, 2) and plane.min() == plane.max()
    assert plane[0, 0, 0] == pytest.approx(other.std(0, correction=0).mean().item(), rel=1e-4)
    assert MinibatchDeviation()(other[:3]).shape == (3, 4, 2, 2)  # a group of one where four do not divide it


def test_ours_has_widths_in_multiples_of_eight_and_no_grid_at_birth():
    network = built("mask_embedding", 128, 64).networks["generator"]
    assert {block.first.out_channels % 8 for block in network.blocks} == {0}
    assert isinstance(network, ResidualMaskGenerator)
    made = network(torch.ones(16, 1, 128, 64), torch.randn(16, 96))
    # A grid would be a difference of neighbours that changes its sign from pixel to pixel.
    difference = made[..., 4:-4].diff(dim=3)
    assert (difference[..., ::2].mean() - difference[..., 1::2].mean()).abs() < 0.01


def test_the_discriminator_tells_fine_grain_where_its_slope_is_bounded():
    """Grain moves what it sees further than a change of brightness; without bands it is the other way about."""
    method = built("mask_embedding", 64, 64)
    images, one_hot = torch.zeros(2, 1, 64, 64), torch.ones(2, 1, 64, 64)
    grain = 0.02 * torch.randn(2, 1, 64, 64)  # as large as a mammogram's

    def moved() -> list[float]:
        seen = [method._in_bands(torch.cat([one, one_hot], dim=1)) for one in (images, images + grain, images + 0.3)]
        return [(other - seen[0]).square().sum().item() for other in seen[1:]]

    of_grain, of_light = moved()
    assert of_grain > of_light
    method.config = method.config.model_copy(update={"detail": 0.0})
    of_grain, of_light = moved()
    assert of_grain < 0.01 * of_light


def test_ours_and_its_ablation_differ_in_the_embedding_only():
    ours, without = (read_recipe(name) for name in ("mask_embedding", "mask_embedding_without"))
    assert ours.config == {name: value for name, value in without.config.items() if name != "embedding"}
    assert ours.training == without.training and without.config["embedding"] is False
    networks = [built(name, 64, 64).networks["generator"] for name in ("mask_embedding", "mask_embedding_without")]
    shapes = [{name: value.shape for name, value in network.state_dict().items()} for network in networks]
    assert shapes[0].keys() - shapes[1].keys() == {"embed.weight", "embed.bias"}
    assert shapes[0] == shapes[0] | shapes[1]  # as many random numbers, layers as large


def test_ours_moves_the_last_latents_and_leaves_them_random():
    method = built("mask_embedding", 64, 64)
    network, latents = method.networks["generator"], torch.randn(2000, *method.latent_shape)
    with torch.no_grad():
        moved = network._moved(latents, 100 * torch.randn(1, 32).repeat(2000, 1))  # however large it is learned to be
    torch.testing.assert_close(moved[:, :-32], latents[:, :-32])
    assert moved.square().mean().item() == pytest.approx(1, rel=0.05)  # of the latents' size
    assert moved[:, -32:].std(0).mean().item() == pytest.approx(0.5**0.5, rel=0.05)  # half of it theirs, whatever z


def test_label_maps_are_taken_too():
    method = built("mask_embedding", 64, 64, num_labels=4)
    masks = torch.randint(0, 4, (2, 64, 64)).to(torch.uint8)
    assert method.generate(torch.randn(2, *method.latent_shape), Given(masks=masks)).images.shape == (2, 1, 64, 64)


def test_what_cannot_be_built_is_said_in_a_sentence():
    with pytest.raises(ValueError, match="have no masks"):
        built("mask_embedding", 64, 64, num_labels=1)
    with pytest.raises(ValueError, match="multiples of 16"):
        built("mask_embedding_paper", 128, 72)
    with pytest.raises(ValueError, match="needs 8 levels of growth; the recipe has 7"):
        built("mask_embedding_paper", 1024, 512)


def test_the_points_between_a_real_and_a_made_image_lie_under_one_mask():
    """WGAN-GP measures the slope between them; moved apart, one image would lie under the other's mask."""
    spec = ImageSpec(channels=1, size=(64, 32))
    method = tiny_method("mask_embedding", spec, changes=["translation"], detail=0.0)
    batch = toy_batch(4, spec=spec)
    real, fake = method._both_seen(batch, alike=True)
    assert torch.equal(real[:, -1], fake[:, -1]) and not torch.equal(real[:, 0], fake[:, 0])
    real, fake = method._both_seen(batch)
    assert not torch.equal(real[:, -1], fake[:, -1])

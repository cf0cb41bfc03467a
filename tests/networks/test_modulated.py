"""The generator with latents remembers the field of view and the latents of what it learned from."""

import torch
from torch.nn import functional

from synthmed.networks.modulated import ModulatedUNet


def small(**changes) -> ModulatedUNet:
    settings = dict(mask_channels=1, channels=3, height=32, width=32, latent_size=4, features=4, cap=8, levels=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ModulatedUNet(**(settings | changes))


def half_fields(num: int = 2) -> torch.Tensor:
    fields_of_view = torch.zeros(num, 32, 32, dtype=torch.uint8)
    fields_of_view[:, :16] = 1
    return fields_of_view


def test_the_usual_field_becomes_that_of_the_images_seen():
    network = small()
    assert network.usual_field.all()
    for _ in range(200):
        network.remember(half_fields())
    assert torch.equal(network.usual_field[0, 0], half_fields(1)[0].float())


def test_without_a_field_the_usual_one_is_used():
    network = small().eval()
    for _ in range(200):
        network.remember(half_fields())
    one_hot, latents = torch.zeros(2, 1, 32, 32), torch.randn(2, 4)
    with torch.no_grad():
        assert torch.equal(network(one_hot, latents), network(one_hot, latents, half_fields()))
        assert not torch.equal(network(one_hot, latents), network(one_hot, latents, torch.ones_like(half_fields())))


def test_usual_latents_have_the_mean_and_spread_of_the_encoded_ones():
    network = small(encoded=True)
    mean, log_variance = torch.full((8, 4), 3.0), torch.full((8, 4), -2.0)
    for _ in range(2000):
        network.remember(half_fields(8), mean, log_variance)
    usual = network.usual_latents(torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(usual.mean(0), torch.full((4,), 3.0), atol=0.02, rtol=0)
    torch.testing.assert_close(usual.var(0), torch.full((4,), -2.0).exp(), atol=0.02, rtol=0)


def test_without_an_encoder_latents_stay_as_they_are():
    normal = torch.randn(3, 4)
    assert torch.equal(small().usual_latents(normal), normal)


def test_latents_draw_noise():
    network = small().eval()
    torch.nn.init.zeros_(network.up[0].modulate.weight)
    torch.nn.init.zeros_(network.up[1].modulate.weight)
    one_hot = torch.ones(2, 1, 32, 32)
    with torch.no_grad():
        one, other = network(one_hot, torch.randn(2, 4, generator=torch.Generator().manual_seed(0)))
    assert not torch.equal(one, other)


def test_labels_are_displaced_in_what_is_made_and_not_in_what_is_learned_from():
    network = small(displacement=0.3)
    one_hot = (torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    seen: list[torch.Tensor] = []
    network.stem.register_forward_pre_hook(lambda _, given: seen.append(functional.pixel_shuffle(given[0][:, :4], 2)))
    with torch.no_grad():
        network.train()(one_hot, torch.ones(2, 4))
        network.eval()(one_hot, torch.ones(2, 4))
    learned, made = seen
    assert torch.equal(learned, one_hot)
    assert 0.01 < (made - one_hot).abs().mean() < 0.4

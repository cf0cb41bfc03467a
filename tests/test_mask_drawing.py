"""The decoder of mask codes goes on learning on made codes, and nothing else changes."""

from copy import deepcopy

import pytest
import torch

from synthmed.draws import Draws
from synthmed.methods._contract import Stage
from synthmed.methods.dual_gan import DualGAN, DualGANConfig
from synthmed.shapes import Batch, Given, ImageSpec
from synthmed.training.updates import optimizers_of, update

SPEC = ImageSpec(channels=3, size=(64, 64), num_labels=2)


def method(**drawing: float) -> DualGAN:
    config = DualGANConfig.model_validate(
        {
            "codes": {"channels": 4, "halvings": 3, "features": 8},
            "mask": {"makes": "masks", "latent_size": 8, "features": 8, "cap": 16, "discriminator_features": 8},
            "drawing": {"features": 8, "levels": 2, "images": 4} | drawing,
            "photograph": {"generator": "modulated", "levels": 3, "features": 4, "latent_size": 4},
        }
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DualGAN(config, SPEC)


def batch() -> Batch:
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)
    masks[:, 20:22] = 1
    masks[:, :, 40:43] = 1
    return Batch(images=torch.zeros(4, 0, 64, 64), given=Given(masks=masks), fields_of_view=torch.ones_like(masks),
                 draws=Draws(0))  # fmt: skip


def drawing(found: DualGAN) -> Stage:
    return next(stage for stage in found.stages() if stage.name == "drawing")


def step(found: DualGAN, optimizers: dict[str, torch.optim.Optimizer], learned_from: Batch) -> None:
    stage = drawing(found)
    optimizers |= optimizers_of(found.networks, stage) if not optimizers else {}
    for phase in stage.phases:
        update(phase, stage, learned_from, found.networks, optimizers)


def test_it_comes_after_the_codes_and_the_mask_gan_and_before_the_photographs():
    assert [stage.name for stage in method().stages()] == [
        "codes_codes", "mask_masks", "drawing", "photograph_translation"
    ]  # fmt: skip
    without = method(images=0)
    assert "drawing" not in [stage.name for stage in without.stages()]
    assert "drawing_discriminator" not in without.networks


def test_it_refuses_to_learn_on_another_mask_gan_than_the_one_that_is_kept():
    table = method().config.model_dump()
    table["mask"]["average_images"] = 100
    with pytest.raises(ValueError, match="averaged weights"):
        DualGANConfig.model_validate(table)


def test_only_the_decoder_and_its_discriminator_change():
    found = method()
    before = deepcopy(found.networks.state_dict())
    step(found, {}, batch())
    changed = {name for name, tensor in found.networks.state_dict().items() if not torch.equal(tensor, before[name])}
    assert any(name.startswith("codes_autoencoder.decoder") for name in changed)
    assert all(name.startswith(("codes_autoencoder.decoder", "drawing_discriminator")) for name in changed)


def test_made_masks_become_sure():
    found = method()
    latents = torch.randn(8, 8, generator=torch.Generator().manual_seed(1))

    def unsure() -> float:
        with torch.no_grad():
            chances = found.codes.chances(found.networks["mask_generator"].eval()(latents))
        return float(((chances > 0.1) & (chances < 0.9)).float().mean())

    first, optimizers = unsure(), {}
    for _ in range(40):
        step(found, optimizers, batch())
    assert unsure() < 0.6 * first


def test_the_discriminator_sees_no_steps():
    found = method()
    assert found.drawing is not None
    seen = found.drawing._seen(found.codes.one_hot(batch()))
    assert seen.min() >= -1.001 and seen.max() <= 1.001
    assert ((seen > -0.9) & (seen < 0.9)).float().mean() > 0.05

import numpy as np
import pytest
import torch
from contracts.toys import tiny_method
from torch import nn

import synthmed
from synthmed.draws import Draws
from synthmed.errors import ConfigError, DataError
from synthmed.methods._contract import Privacy, Stage, prefixed
from synthmed.shapes import Batch, Given
from synthmed.training.batches import Batches
from synthmed.training.private import epsilon, guarantee, private_gradients

TINY = ["config.batch_size=4", "config.images=12", "config.features=8", "config.cap=16", "training.log_images=4"]


def toy_batch(num, scale=1.0):
    images = scale * torch.randn(num, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    masks = torch.zeros(num, 0, 0, dtype=torch.uint8)
    return Batch(images=images, given=Given(masks=masks), fields_of_view=masks, draws=Draws(0))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 1))


def gradients(network, batch, noise=0.0, clip=1.0, expected=4):
    def objective(some):
        return {"adversarial": nn.functional.softplus(network(some.images)).flatten()}

    terms = private_gradients(objective, batch, list(network.parameters()), Privacy(noise=noise, clip=clip), expected)
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()]), terms


def test_without_clip_and_noise_it_is_the_plain_gradient(network):
    batch = toy_batch(4)
    private, terms = gradients(network, batch, clip=1e6)
    network.zero_grad()
    loss = nn.functional.softplus(network(batch.images)).mean()
    loss.backward()
    plain = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
    torch.testing.assert_close(private, plain)
    torch.testing.assert_close(terms["adversarial"], loss.detach())


def test_one_patient_changes_the_sum_by_no_more_than_the_clip(network):
    batch = toy_batch(5, scale=100)
    every, _ = gradients(network, batch, clip=0.3)
    for index in range(5):
        kept = [other for other in range(5) if other != index]
        part = Batch(images=batch.images[kept], given=batch.given[kept], fields_of_view=batch.fields_of_view[kept],
                     draws=batch.draws)  # fmt: skip
        assert (every - gradients(network, part, clip=0.3)[0]).norm() * 4 <= 0.3 + 1e-5


def test_the_noise_has_the_said_spread_and_no_seed_and_an_empty_batch_is_noise_alone(network):
    drawn = torch.stack([gradients(network, toy_batch(0), noise=2.0, clip=0.5)[0] for _ in range(200)])
    assert drawn.std().item() == pytest.approx(2.0 * 0.5 / 4, rel=0.1)
    assert not torch.equal(drawn[0], drawn[1])


def test_epsilon_is_below_that_of_the_first_paper_and_above_the_exact_one():
    pytest.importorskip("opacus")
    # Abadi et al. 2016, section 3.2: q = 0.01, noise 4, 10,000 steps, delta 1e-5 give 1.26 by their accounting;
    # by numerical composition of the privacy loss (Opacus' PRV accountant) it is 0.957.
    assert 0.957 < epsilon(4.0, 0.01, 10_000, 1e-5) < 1.26
    assert epsilon(1.0, 0.1, 100, 1e-5) > epsilon(2.0, 0.1, 100, 1e-5)


def test_patients_are_drawn_apart_with_one_image_each(toy_dataset):
    dataset = synthmed.PreparedDataset.open(toy_dataset).split("train")
    phaseless = Stage(name="x", phases=(), images=8, batch_size=2, private=("discriminator", Privacy(noise=1.0)))
    method = tiny_method("dcgan")
    batches = Batches(dataset, phaseless, 0, torch.device("cpu"), method)
    sizes = [len(batches.at(0, Draws(0))) for _ in range(400)]
    assert np.mean(sizes) == pytest.approx(2, abs=0.35)  # binomial: 8 patients with 1/4
    assert np.var(sizes) == pytest.approx(8 * 0.25 * 0.75, rel=0.35) and 0 in sizes
    many = Stage(name="x", phases=(), images=8, batch_size=99, private=("discriminator", Privacy(noise=1.0)))
    with pytest.raises(DataError, match="There are 8 training patients and batches of 99"):
        Batches(dataset, many, 0, torch.device("cpu"), method)


def test_a_private_model_says_epsilon_delta_and_unit_and_its_samples_too(toy_dataset, tmp_path):
    pytest.importorskip("opacus")
    model = synthmed.train("dcgan_private", toy_dataset, tmp_path / "run", overrides=TINY)
    told = synthmed.load_model(model).header["privacy"]
    assert told["unit"] == "patient" and told["delta"] == 1e-5
    assert (told["steps"], told["rate"], told["patients"]) == (3, 0.5, 8)
    assert told["epsilon"] == pytest.approx(epsilon(1.0, 0.5, 3, 1e-5))
    made = synthmed.generate(model, tmp_path / "samples", num=2)
    assert made.facts["model"]["privacy"] == told


@pytest.mark.parametrize(
    "override",
    ["config.discriminator_norm=batch", "config.loss=relativistic", "config.penalty=1.0", "config.norm=batch"],
)
def test_what_would_break_the_guarantee_is_refused(toy_dataset, tmp_path, override):
    with pytest.raises(ConfigError, match="A private discriminator needs logistic loss"):
        synthmed.train("dcgan_private", toy_dataset, tmp_path / "run", overrides=[*TINY, override])


def test_a_large_delta_is_refused_and_a_training_that_is_private_in_part_claims_nothing():
    private = Stage(
        name="x", phases=(), images=8, batch_size=2, private=("discriminator", Privacy(noise=1.0, delta=0.2))
    )
    with pytest.raises(ConfigError, match=r"needs a delta below 0\.1"):
        guarantee([private], [4], 10)
    assert guarantee([private, Stage(name="y", phases=(), images=8, batch_size=2)], [4, 4], 4) is None
    assert prefixed(private, "mask_").private == ("mask_discriminator", private.private[1])

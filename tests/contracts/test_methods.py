"""What holds for every method; a new file in synthmed/methods is tested here without a change."""

from copy import deepcopy

import pytest
import torch
from contracts.toys import SPEC, tiny_method, toy_batch

from synthmed.errors import ConfigError
from synthmed.methods import find_method, method_names
from synthmed.methods._contract import Method
from synthmed.shapes import Given

METHODS = method_names()


def given_for(method: Method, num: int, seed: int = 0) -> Given:
    return method.given(toy_batch(num, seed))


def test_the_known_methods_are_found_by_their_files() -> None:
    assert {"dual_gan", "pix2pix", "dcgan"} <= set(METHODS)
    with pytest.raises(ConfigError, match="dual_gan"):
        find_method("no_such_method")


@pytest.mark.parametrize("name", METHODS)
def test_a_phase_changes_its_own_network_and_no_other(name: str) -> None:
    method = tiny_method(name)
    for stage in method.stages():
        batch = stage.transform(toy_batch(stage.batch_size))
        for phase in stage.phases:
            before = {key: deepcopy(list(network.parameters())) for key, network in method.networks.items()}
            for key, network in method.networks.items():
                network.requires_grad_(key in phase.networks)
            optimizers = [phase.optimizer(method.networks[key].parameters()) for key in phase.networks]
            torch.stack([term.mean() for term in phase.objective(batch).values()]).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
            changed = {
                key
                for key, network in method.networks.items()
                if any(not torch.equal(a, b) for a, b in zip(before[key], network.parameters(), strict=True))
            }
            assert changed == set(phase.networks), f"stage {stage.name}"


@pytest.mark.parametrize("name", METHODS)
def test_every_network_is_trained_by_some_stage(name: str) -> None:
    method = tiny_method(name)
    named = {name for stage in method.stages() for name in stage.trains}
    assert named == set(method.networks)
    assert set(method.generator_networks) < set(method.networks)
    assert len({stage.name for stage in method.stages()}) == len(method.stages())


@pytest.mark.parametrize("name", METHODS)
def test_objectives_name_finite_terms_with_one_value_a_sample_or_one_in_all(name: str) -> None:
    method = tiny_method(name)
    for stage in method.stages():
        batch = stage.transform(toy_batch(stage.batch_size))
        for phase in stage.phases:
            terms = phase.objective(batch)
            assert terms
            for term, values in terms.items():
                assert torch.isfinite(values).all(), f"{stage.name}: {term}"
                assert values.dim() <= 1


@pytest.mark.parametrize("name", METHODS)
def test_images_have_the_asked_shape_and_range_and_masks_the_asked_labels(name: str) -> None:
    method = tiny_method(name)
    method.networks.eval()
    pairs = method.generate(torch.randn(3, *method.latent_shape), given_for(method, 3))
    assert pairs.images.shape[0] == 3 and pairs.images.shape[2:] == (SPEC.height, SPEC.width)
    assert pairs.images.min() >= -1 and pairs.images.max() <= 1
    if pairs.masks is not None:
        assert pairs.masks.shape == (3, SPEC.height, SPEC.width)
        assert pairs.masks.dtype == torch.uint8 and int(pairs.masks.max()) < SPEC.num_labels


@pytest.mark.parametrize("name", METHODS)
def test_latents_matter_and_equal_latents_give_equal_images(name: str) -> None:
    method = tiny_method(name)
    method.networks.eval()
    latents = torch.randn(2, *method.latent_shape, generator=torch.Generator().manual_seed(0))
    given = given_for(method, 1)[[0, 0]]
    with torch.no_grad():
        images = method.generate(latents, given).images
        again = method.generate(latents, given).images
    assert torch.equal(images, again)
    assert not torch.allclose(images[0], images[1], atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_given_matters_where_something_is(name: str) -> None:
    method = tiny_method(name)
    if not method.needs | method.accepts:
        assert given_for(method, 1) == Given()
        return
    method.networks.eval()
    latents = torch.randn(1, *method.latent_shape)
    with torch.no_grad():
        images = [method.generate(latents, given_for(method, 1, seed)).images for seed in (0, 1)]
    assert not torch.allclose(images[0], images[1], atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_an_image_does_not_depend_on_its_batch(name: str) -> None:
    method = tiny_method(name)
    method.networks.eval()
    latents = torch.randn(4, *method.latent_shape)
    given = given_for(method, 4)
    with torch.no_grad():
        together = method.generate(latents, given).images
        alone = method.generate(latents[2:3], given[2:3]).images
    torch.testing.assert_close(together[2:3], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", METHODS)
def test_a_penalty_reaches_the_discriminator(name: str) -> None:
    """A penalty that is lost on the way (as compilers have done) would leave these gradients at zero."""
    method = tiny_method(name)
    for stage in method.stages():
        for phase in stage.phases:
            terms = phase.objective(stage.transform(toy_batch(stage.batch_size)))
            penalty = next((terms[name] for name in ("r1", "slope") if name in terms), None)
            if penalty is None:
                continue
            penalty.mean().backward()
            gradients = [parameter.grad for key in phase.networks for parameter in method.networks[key].parameters()]
            assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)

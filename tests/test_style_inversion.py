"""Style inversion under classes and masks: what the codes are made of, and what is refused."""

import pytest
import torch

from synthmed.config import parse
from synthmed.draws import Draws
from synthmed.errors import ConfigError
from synthmed.methods._contract import build
from synthmed.methods.style_inversion import METHOD
from synthmed.shapes import Batch, Given, ImageSpec

SPEC = ImageSpec(channels=1, size=(32, 16), num_labels=2, classes=("benign", "malignant"))
SMALL = {"blocks": "residual", "latent_size": 8, "mapping": 2, "features": 4, "cap": 8, "discriminator_features": 4,
         "loss": "relativistic", "patches": 1.0, "detail": 10.0}  # fmt: skip


def _method(spec: ImageSpec = SPEC, **settings):
    torch.manual_seed(0)
    return build(METHOD, parse(METHOD.Config, SMALL | settings, "config"), spec)


def _given(under: str) -> list[Given]:
    """Two things that the same two images could be made under."""
    if under == "labels":
        return [Given(labels=torch.tensor([first, first])) for first in (0, 1)]
    masks = torch.zeros(2, 2, 32, 16, dtype=torch.uint8)
    masks[0, :, :8], masks[1, :, 8:] = 1, 1
    return [Given(masks=one) for one in masks]


@pytest.mark.parametrize("under", ["labels", "masks"])
def test_what_images_are_made_under_is_in_their_codes_and_before_the_discriminator(under):
    method, latents = _method(under=under), torch.randn(2, 8)
    assert method.needs == {under}
    one, other = _given(under)
    codes = [method.codes(latents, given) for given in (one, other)]
    assert not torch.allclose(*codes)
    torch.testing.assert_close(method.decode(codes[0], Given()).shape, torch.Size([2, 1, 32, 16]))
    batches = [Batch(images=torch.zeros(2, 1, 32, 16), given=given, draws=Draws(0),
                     fields_of_view=torch.ones(2, 32, 16, dtype=torch.uint8)) for given in (one, other)]  # fmt: skip
    logits = [method.discriminate(batch)["discriminator"] for batch in batches]
    assert not torch.allclose(*logits)
    terms = method.generator_objective(batches[0])
    assert set(terms) == {"adversarial", "patches"} and all(torch.isfinite(term).all() for term in terms.values())
    assert {bool(stage.mask_sources) for stage in method.stages()} == {under == "masks"}


def test_without_classes_or_masks_the_recipe_that_asks_for_them_is_refused():
    bare = ImageSpec(channels=1, size=(32, 16), num_labels=1)
    for under in ("labels", "masks"):
        with pytest.raises(ConfigError, match=f"The images have no {under}; the recipe makes images under {under}"):
            _method(bare, under=under)
    assert _method(bare).needs == frozenset()


def test_patches_of_all_images_are_compared_together_not_each_with_a_stranger():
    # One by one, the real images in another order would be 5 standard deviations off, and all would become the mean.
    method = _method(detail=0.0)
    levels = torch.linspace(-0.8, 0.8, 8).view(8, 1, 1, 1)
    images = levels + 0.1 * torch.randn(8, 1, 32, 16)
    batch = Batch(images=images, given=Given(), draws=Draws(0), fields_of_view=torch.ones(8, 32, 16, dtype=torch.uint8))
    method._sampled = lambda batch: (images.flip(0), None)
    assert float(method.generator_objective(batch)["patches"].mean()) < 0.5

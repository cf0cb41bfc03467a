"""What the dual GAN makes of the codes of masks."""

import pytest
import torch

from synthmed.draws import Draws
from synthmed.methods._mask_codes import MaskCodes, MaskCodesConfig
from synthmed.shapes import Batch, Given, ImageSpec

SPEC = ImageSpec(channels=3, size=(64, 64), num_labels=2)


class Decoded(torch.nn.Module):
    """An autoencoder whose codes are the logits themselves."""

    def __init__(self, coverage: torch.Tensor) -> None:
        super().__init__()
        self.mean_coverage = coverage

        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def decode(self, code):
        return code

    def encode(self, one_hot):
        return one_hot, one_hot


def decoded(chances: torch.Tensor, covered: int) -> torch.Tensor:
    """The mask of one image of these chances, if so many pixels are covered in the training masks."""
    codes = MaskCodes(MaskCodesConfig(channels=4, halvings=4, features=8, coverage=1.0), SPEC)
    codes.autoencoder = Decoded(torch.tensor([covered / chances.numel()]))
    decoded = codes.chances(torch.logit(chances, eps=1e-6)[None, None])
    return codes.masks(decoded, codes.thresholds(decoded))[0] > 0


def test_as_much_is_marked_as_in_the_training_masks():
    chances = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) * 0.8
    assert abs(int(decoded(chances, covered=300).sum()) - 300) <= 1


def test_the_mask_gan_learns_small_numbers_of_the_size_it_is_told():
    found = MaskCodes(MaskCodesConfig(channels=4, halvings=3, features=8), SPEC)
    batch = Batch(images=torch.zeros(2, 0, 64, 64), given=Given(masks=torch.zeros(2, 64, 64, dtype=torch.uint8)),
                  fields_of_view=torch.ones(2, 64, 64, dtype=torch.uint8), draws=Draws(0))  # fmt: skip
    coded = found.encode(batch).images
    assert coded.shape[1:] == found.shape == (4, 8, 8)
    assert not coded.requires_grad


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="multiples of 16"):
        MaskCodes(MaskCodesConfig(channels=4), ImageSpec(channels=3, size=(64, 72), num_labels=2))

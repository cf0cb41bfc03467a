"""Between the stages of our dual GAN: the decoder of codes learns to draw what the mask GAN means.

An autoencoder learns to decode the codes of masks, and a mask GAN's codes are never quite such: where they lie between
two masks it smears. So it goes on learning on made codes, against a discriminator of masks (the codes stay as they are;
Larsen et al. 2016 and Esser et al. 2021 train a decoder so on codes of real images), and draws thin vessels to their
end. It still gives training masks back from their codes, or it would draw what it likes.
"""

from functools import partial

import torch
from pydantic import Field
from torch import Tensor, nn

from synthmed.config import Settings
from synthmed.methods._adversarial import adversarial_phases, slope_terms
from synthmed.methods._contract import Adam, Stage
from synthmed.methods._mask_codes import MaskCodes
from synthmed.methods.dcgan import DCGAN
from synthmed.networks.layers import gaussian_blur
from synthmed.networks.patchgan import PatchDiscriminator
from synthmed.objectives import augment, losses
from synthmed.shapes import Batch, Image, Logits, OneHot


class MaskDrawingConfig(Settings):
    """Everything about the last training of the decoder."""

    features: int = Field(24, gt=0, description="Channels of the discriminator's first level.")
    levels: int = Field(3, gt=0, description="Halvings in the discriminator.")
    smoothing: float = Field(
        0.7, ge=0, description="Pixels by which masks are smoothed for the discriminator: made ones have no steps."
    )
    fidelity: float = Field(10.0, ge=0, description="Weight of the cross-entropy of training masks given back.")
    penalty: float = Field(1.0, ge=0, description="Weight of the zero-centred gradient penalties R1 and R2.")
    penalty_every: int = Field(8, gt=0, description="Steps between two penalties; the weight is multiplied by it.")
    warp: augment.Warp = Field(
        augment.Warp(flip_horizontal=True, flip_vertical=True),
        description="How training masks are moved; what interpolates would break thin vessels.",
    )
    images: int = Field(0, ge=0, description="Masks seen in training; 0 = the decoder stays as it is.")
    batch_size: int = Field(2, gt=0, description="Masks a step.")
    adam: Adam = Field(
        Adam(learning_rate=5e-4, beta1=0.0, beta2=0.99, cooling=0.4), description="Optimizer of both networks."
    )
    average_images: int = Field(200, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")


class MaskDrawing:
    """One stage more for the autoencoder of ``codes``, on what ``mask_gan`` makes."""

    def __init__(self, config: MaskDrawingConfig, codes: MaskCodes, mask_gan: DCGAN) -> None:
        self.config, self.codes, self.mask_gan = config, codes, mask_gan
        discriminator = PatchDiscriminator(
            channels=codes.spec.num_foreground,
            features=config.features,
            levels=config.levels,
            norm="none",
            positions=True,
        )
        self.networks = nn.ModuleDict({"discriminator": discriminator})

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Tell masks drawn by hand from the decoder's."""
        discriminate = self.networks["discriminator"]
        with torch.no_grad():
            fake = self._made(batch)
        real_logits, fake_logits = discriminate(self._seen(self.codes.one_hot(batch))), discriminate(fake)
        return {"adversarial": losses.relativistic_discriminator(real_logits, fake_logits)}

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Keep the discriminator's slope small at drawn and made masks: weight/2 * (R1 + R2)."""
        with torch.no_grad():
            fake = self._made(batch)
        return slope_terms(
            self.networks["discriminator"], self._seen(self.codes.one_hot(batch)), fake,
            weight=self.config.penalty, every=self.config.penalty_every,
        )  # fmt: skip

    def drawing_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Make what the discriminator takes for drawn by hand; give training masks back."""
        discriminate = self.networks["discriminator"]
        one_hot = self.codes.one_hot(batch)
        with torch.no_grad():
            real_logits = discriminate(self._seen(one_hot))
            code = self.codes.draw(one_hot, batch)[0]
        fake_logits = discriminate(self._made(batch))
        error = losses.cross_entropy(self.codes.autoencoder.decode(code), one_hot)
        return {
            "adversarial": losses.relativistic_generator(real_logits, fake_logits),
            "fidelity": self.config.fidelity * error,
        }

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of masks drawn by hand."""
        return {"discriminator": self.networks["discriminator"](self._seen(self.codes.one_hot(batch)))}

    def stages(self, *, autoencoder: str, discriminator: str) -> list[Stage]:
        """One stage, given the names of the networks that it trains."""
        config = self.config
        return [
            Stage(
                name="drawing",
                phases=adversarial_phases(
                    self.drawing_objective, self.discriminator_objective,
                    self.penalty_objective if config.penalty else None,
                    adam=config.adam, penalty_every=config.penalty_every,
                    networks=(autoencoder,), opponent=discriminator,
                ),
                images=config.images,
                batch_size=config.batch_size,
                mask_sources=frozenset({"manual"}),
                transform=partial(self.codes.moved, config=config.warp),
                average_images=config.average_images,
                cooling=config.adam.cooling,
            )
        ]  # fmt: skip

    def _made(self, batch: Batch) -> Image:
        """What the discriminator sees of fresh masks; only their drawing has a gradient."""
        generator = self.mask_gan.networks["generator"]
        latents = batch.latents(self.mask_gan.latent_shape)
        training = generator.training
        with torch.no_grad():
            code = generator.eval()(latents)  # as it is used: no statistics of a batch
        generator.train(training)
        return self._seen(self.codes.chances(code))

    def _seen(self, one_hot: OneHot) -> Image:
        return gaussian_blur(one_hot, self.config.smoothing) * 2 - 1

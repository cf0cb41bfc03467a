"""DCGAN: images, masks, or both at once, from noise.

Radford, Metz, Chintala 2015. In Guibas et al. 2017 (S4) it is stage one of the dual GAN, where it makes masks,
and the single-GAN baseline of their Figure 7, where it makes photographs; with ``makes = "pairs"`` the baseline
makes mask and photograph as one stack of channels and can be judged by the same segmentation network.

Ours beyond the papers: resize-convolution, relativistic pairing loss (Jolicoeur-Martineau 2018) with lazy R1
and R2, a patch discriminator that knows positions, joint warps, differentiable augmentation, averaged weights.
"""

from dataclasses import replace
from typing import Literal, Protocol, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from synthmed import augment
from synthmed.config import Settings
from synthmed.methods._adversarial import (
    Pairing,
    adversarial_phases,
    discriminator_loss,
    generator_loss,
    refuse_norm_of_batches,
    slope_terms,
)
from synthmed.methods._contract import Adam, MaskSource, Method, Privacy, Stage
from synthmed.networks.code_gan import CodeDiscriminator, CodeGenerator
from synthmed.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from synthmed.networks.layers import Norm
from synthmed.networks.patchgan import PatchDiscriminator
from synthmed.shapes import (
    Batch,
    Given,
    Image,
    ImageSpec,
    Latent,
    Logits,
    Pairs,
    from_one_hot,
    to_one_hot,
)


class DCGANConfig(Settings):
    """Everything about a DCGAN and its training."""

    makes: Literal["images", "masks", "pairs"] = Field("images", description="What it makes from noise.")
    latent_size: int = Field(100, gt=0, description="Numbers that make one image.")
    features: int = Field(32, gt=0, description="Channels of the generator's finest level.")
    cap: int = Field(256, gt=0, description="Most channels of any level.")
    kernel: int = Field(5, ge=3, le=31, description="Side of the generator's kernels; odd.")
    upsampling: Literal["transposed", "resize"] = Field("transposed", description="How the generator doubles.")
    norm: Norm = Field("batch", description="Normalisation in the generator.")
    discriminator: Literal["dense", "patch"] = Field("dense", description="One logit an image, or one a patch.")
    discriminator_features: int = Field(32, gt=0, description="Channels of the discriminator's finest level.")
    discriminator_norm: Norm = Field("batch", description="Normalisation in the discriminator.")
    loss: Pairing = Field("logistic", description="Adversarial pair.")
    penalty: float = Field(0.0, ge=0, description="Weight of the zero-centred gradient penalties R1 and R2.")
    penalty_every: int = Field(4, gt=0, description="Steps between two penalties; the weight is multiplied by it.")
    changes: tuple[augment.Change, ...] = Field((), description="What is changed in all the discriminator sees.")
    warp: augment.Warp = Field(augment.Warp(), description="How training images and masks are moved together.")
    images: int = Field(20_000, gt=0, description="Images seen in training.")
    batch_size: int = Field(64, gt=0, description="Images a step.")
    adam: Adam = Field(Adam(), description="Optimizer of both networks.")
    average_images: int = Field(0, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")
    privacy: Privacy = Field(Privacy(), description="Differential privacy of the discriminator.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.privacy.noise and not can_be_private(self):
            raise ValueError("A private discriminator needs logistic loss, no penalty and no norm over batches")
        if self.kernel % 2 == 0:
            raise ValueError("A kernel has an odd side")
        return self


class Codes(Protocol):
    """What stands between masks and what is made of them."""

    shape: tuple[int, int, int]

    def encode(self, batch: Batch) -> Batch:
        """The batch with the codes of its masks, of this shape, as its images; 0 where masks are empty."""


class DCGAN(Method):
    """Latents -> images, masks or pairs.

    Args:
        codes: what it makes in place of masks, with networks of their own kind: of the settings of networks only
            ``latent_size``, ``features``, ``discriminator_features`` and ``cap`` are theirs.
    """

    Config = DCGANConfig
    generator_networks = ("generator",)

    def __init__(self, config: DCGANConfig, spec: ImageSpec, codes: Codes | None = None) -> None:
        self.config, self.spec, self.codes = config, spec, codes
        self.latent_shape = (config.latent_size,)
        channels = {"images": spec.channels, "masks": spec.num_foreground, "pairs": spec.channels + spec.num_foreground}
        if config.makes != "images" and spec.num_labels < 2:
            raise ValueError("The images have no masks; this recipe learns masks")
        if not codes:  # networks of codes have no norms
            refuse_norm_of_batches(config.discriminator_norm, config.penalty)
        shape = codes.shape if codes else (channels[config.makes], spec.height, spec.width)
        size = dict(zip(("channels", "height", "width"), shape, strict=True))
        self.networks = nn.ModuleDict(_code_networks(config, size) if codes else _image_networks(config, size))

    def _real(self, batch: Batch) -> Image:
        """What the generator should make: channels in [-1, 1], masks one-hot, of -1 and 1."""
        if self.config.makes == "images" or self.codes:
            return batch.images
        one_hot = to_one_hot(batch.masks, self.spec.num_labels) * 2 - 1
        return one_hot if self.config.makes == "masks" else torch.cat([batch.images, one_hot], dim=1)

    def _seen(self, images: Image, batch: Batch) -> Image:
        outside = 0.0 if self.codes else -1.0  # nothing is there: black, or the code of an empty mask
        return augment.differentiable(images, self.config.changes, batch.draws, outside=outside)

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Tell real from fake."""
        with torch.no_grad():
            fake = self.networks["generator"](batch.latents(self.latent_shape))
        discriminate = self.networks["discriminator"]
        real_logits = discriminate(self._seen(self._real(batch), batch))
        fake_logits = discriminate(self._seen(fake, batch))
        return {"adversarial": discriminator_loss(self.config.loss, real_logits, fake_logits)}

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Keep the discriminator's slope small at real and fake images: weight/2 * (R1 + R2)."""
        with torch.no_grad():
            fake = self.networks["generator"](batch.latents(self.latent_shape))
        return slope_terms(
            self.networks["discriminator"], self._seen(self._real(batch), batch), self._seen(fake, batch),
            weight=self.config.penalty, every=self.config.penalty_every,
        )  # fmt: skip

    def generator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Make what the discriminator takes for real."""
        discriminate = self.networks["discriminator"]
        # The size of a private batch tells of the patients in it; the generator may not learn even that.
        num = self.config.batch_size if self.config.privacy.noise else None
        fake = self.networks["generator"](batch.latents(self.latent_shape, num))
        fake_logits = discriminate(self._seen(fake, batch))

        @torch.no_grad()
        def real_logits() -> Logits:
            return discriminate(self._seen(self._real(batch), batch))

        return {"adversarial": generator_loss(self.config.loss, real_logits, fake_logits)}

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of real images."""
        return {"discriminator": self.networks["discriminator"](self._real(batch))}

    def stages(self) -> list[Stage]:
        """One stage; masks made by hand only, where it learns from masks."""
        manual: frozenset[MaskSource] = frozenset() if self.config.makes == "images" else frozenset({"manual"})
        return [
            Stage(
                name=self.config.makes,
                phases=adversarial_phases(
                    self.generator_objective, self.discriminator_objective,
                    self.penalty_objective if self.config.penalty else None,
                    adam=self.config.adam, penalty_every=self.config.penalty_every,
                ),
                images=self.config.images,
                batch_size=self.config.batch_size,
                mask_sources=manual,
                transform=self.transform,
                average_images=self.config.average_images,
                cooling=self.config.adam.cooling,
                private=("discriminator", self.config.privacy) if self.config.privacy.noise else None,
            )
        ]  # fmt: skip

    def transform(self, batch: Batch) -> Batch:
        """Warp what is learned from, and nothing else: photographs are no part of masks."""
        if self.config.makes == "masks":
            batch = replace(batch, images=batch.images[:, :0])
        batch = augment.warp(batch, self.config.warp)
        return self.codes.encode(batch) if self.codes else batch

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """Images, with masks if it makes them; for ``makes = "masks"`` the images are the masks, one-hot."""
        stack = self.networks["generator"](latents)
        if self.config.makes == "images":
            return Pairs(images=stack)
        one_hot = stack[:, -self.spec.num_foreground :]
        images = stack if self.config.makes == "masks" else stack[:, : self.spec.channels]
        return Pairs(images=images, masks=from_one_hot((one_hot + 1) / 2))


def can_be_private(config: DCGANConfig) -> bool:
    """Whether every image reaches the discriminator's gradient alone and reaches nothing else."""
    alone = "batch" not in (config.norm, config.discriminator_norm)
    return alone and config.loss == "logistic" and not config.penalty


def _code_networks(config: DCGANConfig, size: dict[str, int]) -> dict[str, nn.Module]:
    generator = CodeGenerator(latent_size=config.latent_size, features=config.features, cap=config.cap, **size)
    discriminator = CodeDiscriminator(features=config.discriminator_features, cap=config.cap, **size)
    return {"generator": generator, "discriminator": discriminator}


def _image_networks(config: DCGANConfig, size: dict[str, int]) -> dict[str, nn.Module]:
    generator = DCGANGenerator(
        latent_size=config.latent_size, features=config.features, cap=config.cap, kernel=config.kernel,
        upsampling=config.upsampling, norm=config.norm, **size,
    )  # fmt: skip
    features, norm = config.discriminator_features, config.discriminator_norm
    discriminator: nn.Module
    if config.discriminator == "dense":
        discriminator = DCGANDiscriminator(features=features, cap=config.cap, norm=norm, **size)
    else:
        discriminator = PatchDiscriminator(
            channels=size["channels"], features=features, levels=4, norm=norm, positions=True
        )
    return {"generator": generator, "discriminator": discriminator}


METHOD = DCGAN

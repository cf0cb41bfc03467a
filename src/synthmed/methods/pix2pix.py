"""pix2pix: a photograph in the shape of a given mask.

Isola et al. 2017; in Guibas et al. 2017 (S4) the vessel-to-retina network of Costa et al. 2017 is this method
and stage two of the dual GAN. In Ren et al. 2019 (S1) it is a baseline twice: on the breast mask, and (``sees =
"texture"``) on the edges of a real mammogram laid over it.

Ours beyond the papers: latents that set what the mask does not say (colour, light), in training those that an encoder
reads from the real photograph (Zhu et al. 2017), so that pixel errors do not force the mean photograph on every latent;
a distance of patches under the mask (Elnekave and Weiss 2022) for contrast and texture; relativistic pairing loss
with lazy R1 and R2; differentiable augmentation of mask and image together; joint warps; averaged weights.
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from synthmed.config import Settings
from synthmed.data.texture import texture_map
from synthmed.methods._adversarial import (
    Pairing,
    adversarial_phases,
    discriminator_loss,
    generator_loss,
    refuse_norm_of_batches,
    slope_terms,
)
from synthmed.methods._contract import Adam, MaskSource, Method, Stage
from synthmed.networks.layers import Norm
from synthmed.networks.modulated import LatentEncoder, ModulatedUNet
from synthmed.networks.patchgan import PatchDiscriminator
from synthmed.networks.unet import UNet
from synthmed.objectives import augment, losses
from synthmed.objectives.patch_distance import patch_distance
from synthmed.shapes import Batch, Given, Image, ImageSpec, Latent, Logits, OneHot, Pairs, to_one_hot


class Pix2PixConfig(Settings):
    """Everything about the translation of masks to images and its training."""

    sees: Literal["mask", "texture"] = Field("mask", description="The mask, or edges of a real image inside it (S1).")
    generator: Literal["unet", "modulated"] = Field("unet", description="As published, or ours with latents.")
    latent_size: int = Field(1, gt=0, description="Numbers beside the mask that make one image.")
    features: int = Field(64, gt=0, description="Channels of the generator's first level.")
    cap: int = Field(256, gt=0, description="Most channels of any level of the modulated generator.")
    levels: int = Field(8, gt=0, description="Halvings in the generator.")
    kernel: int = Field(4, ge=3, description="Side of the published generator's kernels.")
    smoothing: float = Field(0.0, ge=0, description="Pixels by which the modulated generator's one_hot are smoothed.")
    displacement: float = Field(
        0.0, ge=0, description="Pixels that the modulated generator's image may lie beside its mask."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="The published generator's only noise.")
    norm: Norm = Field("instance", description="Normalisation (batch norm of one image is instance norm).")
    discriminator_features: int = Field(64, gt=0, description="Channels of the discriminator's first level.")
    discriminator_levels: int = Field(3, gt=0, description="Halvings in the discriminator.")
    discriminator_norm: Norm = Field("instance", description="Normalisation in the discriminator.")
    positions: bool = Field(False, description="Whether a patch of the discriminator knows where it lies.")
    loss: Pairing = Field("logistic", description="Adversarial pair.")
    adversarial: float = Field(1.0, ge=0, description="Weight of the adversarial term of the generator.")
    pixel: float = Field(100.0, ge=0, description="Weight of the mean error of pixels against the real image.")
    light: float = Field(0.0, ge=0, description="Weight of the mean absolute error of the means of small squares.")
    light_size: int = Field(16, gt=0, description="Side of these squares in pixels; it must divide both sides.")
    patches: float = Field(0.0, ge=0, description="Weight of the distance of patches under the mask.")
    style: float = Field(
        0.0, ge=0, description="Weight of the divergence of encoded latents from N(0, 1); 0 = no encoder."
    )
    penalty: float = Field(0.0, ge=0, description="Weight of the zero-centred gradient penalties R1 and R2.")
    penalty_every: int = Field(4, gt=0, description="Steps between two penalties; the weight is multiplied by it.")
    changes: tuple[augment.Change, ...] = Field((), description="What is changed in all the discriminator sees.")
    warp: augment.Warp = Field(augment.Warp(), description="How training images and masks are moved together.")
    masks: Literal["any", "manual", "segmenter", "derived"] = Field(
        "any", description="Origin of the masks to learn from."
    )
    images: int = Field(2_000, gt=0, description="Images seen in training (100 epochs of 20 as published).")
    batch_size: int = Field(1, gt=0, description="Images a step.")
    adam: Adam = Field(Adam(), description="Optimizer of both networks.")
    average_images: int = Field(0, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.style and self.generator != "modulated":
            raise ValueError("Only the modulated generator has latents that an encoder could give")
        return self


class Pix2Pix(Method):
    """Masks (and latents) -> images."""

    Config = Pix2PixConfig
    needs = frozenset({"masks"})
    generator_networks = ("generator",)

    def __init__(self, config: Pix2PixConfig, spec: ImageSpec) -> None:
        self.config, self.spec = config, spec
        multiple = 2 ** (config.levels + (config.generator == "modulated"))
        if spec.height % multiple or spec.width % multiple:
            raise ValueError(f"{spec.height}x{spec.width} cannot be halved; both sides must be multiples of {multiple}")
        if config.light and (spec.height % config.light_size or spec.width % config.light_size):
            raise ValueError(f"{spec.height}x{spec.width} cannot be cut into squares of {config.light_size}")
        if spec.num_labels < 2:
            raise ValueError("The images have no masks; this method translates masks to images")
        refuse_norm_of_batches(config.discriminator_norm, config.penalty)
        self.latent_shape = (config.latent_size,)
        if config.sees == "texture":
            self.needs = frozenset({"masks", "images"})
        guides = 1 if config.sees == "texture" else spec.num_foreground
        generator: nn.Module
        if config.generator == "unet":
            generator = UNet(
                mask_channels=guides, channels=spec.channels, features=config.features, levels=config.levels,
                kernel=config.kernel, dropout=config.dropout, norm=config.norm,
            )  # fmt: skip
        else:
            generator = ModulatedUNet(
                mask_channels=guides, channels=spec.channels, height=spec.height, width=spec.width,
                latent_size=config.latent_size, features=config.features, cap=config.cap, levels=config.levels,
                smoothing=config.smoothing, displacement=config.displacement,
                encoded=config.style > 0,
            )  # fmt: skip
        discriminator = PatchDiscriminator(
            channels=guides + spec.channels, features=config.discriminator_features,
            levels=config.discriminator_levels, norm=config.discriminator_norm, positions=config.positions,
        )  # fmt: skip
        self.networks = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
        if config.style:
            self.networks["encoder"] = LatentEncoder(channels=spec.channels, latent_size=config.latent_size)

    def _seen(self, images: Image, guide: OneHot, batch: Batch) -> Image:
        """What the discriminator sees: the image in changed colours, moved together with its mask."""
        return augment.stacked(images, guide, self.config.changes, batch.draws)

    def _guide_and_images(self, batch: Batch) -> tuple[OneHot, Image]:
        return self._guide(self.given(batch)), batch.images

    def _guide(self, given: Given) -> OneHot:
        """What the image is to follow: its mask, or its texture map in steps of 8 bits."""
        assert given.masks is not None, "pix2pix makes images under masks; none were given"
        if self.config.sees == "mask":
            return to_one_hot(given.masks, self.spec.num_labels)
        assert given.images is not None, "edges are those of real images; none were given"
        return (texture_map(given.images, given.masks) * 255).round() / 255

    def _make(self, guide: OneHot, batch: Batch) -> Image:
        """What is made of fresh latents, in the fields of view of the batch."""
        generator, latents = self.networks["generator"], batch.latents(self.latent_shape)
        if isinstance(generator, ModulatedUNet):
            return generator(guide, generator.usual_latents(latents), batch.fields_of_view)
        return generator(guide, latents)

    def _reconstruct(self, guide: OneHot, real: Image, batch: Batch) -> tuple[Image, dict[str, Tensor]]:
        """What is made of the latents of the real image, as far as there is an encoder that knows them."""
        generator = self.networks["generator"]
        if not isinstance(generator, ModulatedUNet):
            return self._make(guide, batch), {}
        if not self.config.style:
            generator.remember(batch.fields_of_view)
            return self._make(guide, batch), {}
        mean, log_variance = self.networks["encoder"](real)
        generator.remember(batch.fields_of_view, mean, log_variance)
        latents = mean + (log_variance / 2).exp() * batch.latents(self.latent_shape)
        divergence = losses.divergence_from_normal(mean, log_variance)
        return generator(guide, latents, batch.fields_of_view), {"style": self.config.style * divergence}

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Tell a real image from a made one, both under the same mask."""
        guide, real = self._guide_and_images(batch)
        with torch.no_grad():
            fake = self._make(guide, batch)
        discriminate = self.networks["discriminator"]
        real_logits = discriminate(self._seen(real, guide, batch))
        fake_logits = discriminate(self._seen(fake, guide, batch))
        return {"adversarial": discriminator_loss(self.config.loss, real_logits, fake_logits)}

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Keep the discriminator's slope small at real and made images: weight/2 * (R1 + R2)."""
        guide, real = self._guide_and_images(batch)
        with torch.no_grad():
            fake = self._make(guide, batch)
        discriminate = self.networks["discriminator"]
        return slope_terms(
            discriminate, self._seen(real, guide, batch), self._seen(fake, guide, batch),
            weight=self.config.penalty, every=self.config.penalty_every,
        )  # fmt: skip

    def generator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Convince the discriminator, stay near the real image, make its patches."""
        config = self.config
        guide, real = self._guide_and_images(batch)
        fake, terms = self._reconstruct(guide, real, batch)
        discriminate = self.networks["discriminator"]
        fake_logits = discriminate(self._seen(fake, guide, batch))

        @torch.no_grad()
        def real_logits() -> Logits:
            return discriminate(self._seen(real, guide, batch))

        terms["adversarial"] = config.adversarial * generator_loss(config.loss, real_logits, fake_logits)
        terms["pixel"] = config.pixel * losses.absolute_error(fake, real)
        if config.light:
            means = (functional.avg_pool2d(image, config.light_size) for image in (fake, real))
            terms["light"] = config.light * losses.absolute_error(*means)
        if config.patches:
            terms["patches"] = config.patches * patch_distance(fake, real, guide, batch.fields_of_view, batch.draws)
        return terms

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of real images under their masks."""
        guide, real = self._guide_and_images(batch)
        return {"discriminator": self.networks["discriminator"](torch.cat([real, guide * 2 - 1], dim=1))}

    def stages(self) -> list[Stage]:
        """One stage on pairs."""
        config = self.config
        sources: frozenset[MaskSource]
        sources = frozenset({"manual", "segmenter", "derived"} if config.masks == "any" else {config.masks})
        return [
            Stage(
                name="translation",
                phases=adversarial_phases(
                    self.generator_objective, self.discriminator_objective,
                    self.penalty_objective if config.penalty else None,
                    adam=config.adam, penalty_every=config.penalty_every,
                    networks=("generator", "encoder") if config.style else ("generator",),
                ),
                images=config.images,
                batch_size=config.batch_size,
                mask_sources=sources,
                transform=lambda batch: augment.warp(batch, config.warp),
                average_images=config.average_images,
                cooling=config.adam.cooling,
            )
        ]  # fmt: skip

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """One image a mask (or the edges of a real image inside it) and latent; the masks come back unchanged."""
        generator = self.networks["generator"]
        if isinstance(generator, ModulatedUNet):
            latents = generator.usual_latents(latents)
        return Pairs(images=generator(self._guide(given), latents), masks=given.masks)


METHOD = Pix2Pix

"""CT slices of a label map whose every organ has the texture of a chosen patient.

Krishna and Mueller (S3): an encoder-decoder makes a slice of a map of organs and 200 latents. Beside the adversarial
term, organ by organ, it is held to the Gram matrices of a style image and to the content of the map's own image, and to
little total variation. One style image a model, as published: ``generator = "published"``.

Ours (``generator = "organs"``): one model for any style image. An encoder reads a code of each organ from it, and the
decoder paints each organ by its code, so a texture that was never trained on can be asked for, and textures mix. Half
of every batch takes its own image's codes, which says what a pixel should be; the other half those of another patient,
of whom the organs' textures and levels are asked and nothing else. Beyond that patches like real ones, relativistic
pairing with lazy R1 and R2, augmentation, averaged weights, as in our other methods.
"""

from dataclasses import replace
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from synthmed.config import Settings
from synthmed.methods._adversarial import (
    Pairing,
    adversarial_phases,
    discriminator_loss,
    generator_loss,
    refuse_norm_of_batches,
    slope_terms,
)
from synthmed.methods._contract import Adam, Method, Stage
from synthmed.networks.layers import Norm
from synthmed.networks.organ_style import (
    OrganEncoder,
    OrganGenerator,
    OrganJudge,
    PublishedGenerator,
)
from synthmed.networks.textures import FeatureNetwork
from synthmed.objectives import augment, losses
from synthmed.objectives.organ_texture import (
    content_distance,
    organ_levels,
    over_organs,
    style_distance,
    total_variation,
)
from synthmed.objectives.patch_distance import patch_distance
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors
from synthmed.shapes import Batch, Given, Image, ImageSpec, LabelMap, Latent, Logits, OneHot, Pairs, to_one_hot


class OrganStyleConfig(Settings):
    """Everything about the networks and their training."""

    generator: Literal["published", "organs"] = Field("published", description="One style a model, or any style.")
    textures: FeatureNetwork = Field("random", description="What textures are compared by; VGG-19 as published.")
    latent_size: int = Field(200, gt=0, description="Numbers beside map and style that make one image.")
    code_size: int = Field(64, gt=1, description="Numbers that describe an organ of a style image.")
    features: int = Field(64, gt=0, description="Channels of the generator's first level.")
    cap: int = Field(512, gt=0, description="Most channels of any level of our generator.")
    levels: int = Field(6, gt=0, description="Halvings in the generator.")
    discriminator_features: int = Field(64, gt=0, description="Channels of the discriminator's first level.")
    discriminator_levels: int = Field(3, gt=0, description="Halvings in the discriminator.")
    discriminator_norm: Norm = Field("batch", description="Normalisation in the discriminator.")
    loss: Pairing = Field("logistic", description="Adversarial pair.")
    adversarial: float = Field(1.0, ge=0, description="Weight of the adversarial term of the generator.")
    style: float = Field(10.0, ge=0, description="Weight of the distance of textures, organ by organ.")
    content: float = Field(1.0, ge=0, description="Weight of the distance of content, organ by organ.")
    variation: float = Field(0.1, ge=0, description="Weight of total variation.")
    level: float = Field(0.0, ge=0, description="Weight of the difference of mean intensities, organ by organ.")
    pixel: float = Field(0.0, ge=0, description="Weight of the mean error of pixels of images in their own style.")
    patches: float = Field(0.0, ge=0, description="Weight of the distance of patches of images in their own style.")
    penalty: float = Field(0.0, ge=0, description="Weight of the zero-centred gradient penalties R1 and R2.")
    penalty_every: int = Field(4, gt=0, description="Steps between two penalties; the weight is multiplied by it.")
    generator_steps: int = Field(1, gt=0, description="Updates of the generator for one of the discriminator.")
    changes: tuple[augment.Change, ...] = Field((), description="What is changed in all the discriminator sees.")
    warp: augment.Warp = Field(augment.Warp(), description="How training images and maps are moved together.")
    images: int = Field(2_000, gt=0, description="Images seen in training (100 epochs of 20 as published).")
    batch_size: int = Field(1, gt=0, description="Images a step.")
    adam: Adam = Field(Adam(), description="Optimizer of all networks.")
    average_images: int = Field(0, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.generator == "published" and (self.pixel or self.patches):
            raise ValueError(
                "The published generator has one style, so no image is in its own; set pixel and patches to 0"
            )
        return self


class OrganStyle(Method):
    """Label maps, latents and, in ours, style images -> images."""

    Config = OrganStyleConfig
    needs = frozenset({"masks", "styles"})

    def __init__(self, config: OrganStyleConfig, spec: ImageSpec) -> None:
        self.config, self.spec = config, spec
        published = config.generator == "published"
        multiple = 2 ** (config.levels + (not published))
        if spec.height % multiple or spec.width % multiple:
            raise ValueError(f"{spec.height}x{spec.width} cannot be halved; both sides must be multiples of {multiple}")
        if spec.num_labels < 2:
            raise ValueError("The images have no label maps; this method paints the organs of a map")
        refuse_norm_of_batches(config.discriminator_norm, config.penalty)
        self.latent_shape = (config.latent_size,)
        common = {"organs": spec.num_labels, "channels": spec.channels, "latent_size": config.latent_size,
                  "features": config.features, "levels": config.levels}  # fmt: skip
        self.networks = nn.ModuleDict()
        if published:
            self.needs, self.generator_networks = frozenset({"masks"}), ("generator",)
            self.keeps_texture = True
            self.networks["generator"] = PublishedGenerator(height=spec.height, width=spec.width, **common)
        else:
            self.generator_networks = ("generator", "encoder")
            self.networks["generator"] = OrganGenerator(code_size=config.code_size, cap=config.cap, **common)
            self.networks["encoder"] = OrganEncoder(channels=spec.channels, features=config.features // 2 + 1,
                                                    code_size=config.code_size)  # fmt: skip
        self.networks["discriminator"] = OrganJudge(
            spec, textures=config.textures, features=config.discriminator_features,
            levels=config.discriminator_levels, norm=config.discriminator_norm,
        )  # fmt: skip

    @property
    def _judge(self) -> OrganJudge:
        judge = self.networks["discriminator"]
        assert isinstance(judge, OrganJudge)
        return judge

    def _organs(self, masks: LabelMap) -> OneHot:
        """Every label, what lies outside of all organs among them: [N K H W]."""
        foreground = to_one_hot(masks, self.spec.num_labels)
        return torch.cat([1 - foreground.sum(1, keepdim=True), foreground], dim=1)

    def _style_of(self, batch: Batch) -> Pairs:
        """Whose textures are asked for: the first half keep their own, the others take another patient's."""
        if self.config.generator == "published":
            return self._judge.style_of(batch)
        others, half = batch.given.styles, (len(batch) + 1) // 2
        assert others is not None and others.masks is not None, "styles are needed, and none were drawn"
        return Pairs(images=torch.cat([batch.images[:half], others.images[half:]]),
                     masks=torch.cat([batch.masks[:half], others.masks[half:]]))  # fmt: skip

    def _make(self, masks: LabelMap, styles: Pairs | None, latents: Latent, weights: Tensor | None = None) -> Image:
        generator, organs = self.networks["generator"], self._organs(masks)
        if not isinstance(generator, OrganGenerator):
            return generator(organs, latents)
        assert styles is not None and styles.masks is not None, "organ_style takes textures of styles; none were given"
        shares = self._organs(styles.masks)
        codes = self.networks["encoder"](styles.images, shares)
        if generator.training and torch.is_grad_enabled():
            generator.remember(codes, shares)
        return generator(organs, generator.mixed(codes, shares, weights), latents)

    def _seen(self, images: Image, batch: Batch) -> Image:
        """What the discriminator sees: the image in changed colours, moved together with its map."""
        organs = to_one_hot(batch.masks, self.spec.num_labels)
        return augment.stacked(images, organs, self.config.changes, batch.draws)

    def _fake(self, batch: Batch) -> Image:
        with torch.no_grad():
            return self._make(batch.masks, self._style_of(batch), batch.latents(self.latent_shape))

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Tell a real image from a made one, both under the same map."""
        discriminate = self.networks["discriminator"]
        fake = self._fake(batch)
        real_logits, fake_logits = (discriminate(self._seen(images, batch)) for images in (batch.images, fake))
        return {"adversarial": discriminator_loss(self.config.loss, real_logits, fake_logits)}

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Keep the discriminator's slope small at real and made images: weight/2 * (R1 + R2)."""
        real, fake = self._seen(batch.images, batch), self._seen(self._fake(batch), batch)
        return slope_terms(self.networks["discriminator"], real, fake,
                           weight=self.config.penalty, every=self.config.penalty_every)  # fmt: skip

    def generator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Convince the discriminator; have the style's textures, the map's content, little variation."""
        config, styles, discriminate = self.config, self._style_of(batch), self.networks["discriminator"]
        assert styles.masks is not None
        fake = self._make(batch.masks, styles, batch.latents(self.latent_shape))
        organs, style_organs = self._organs(batch.masks), self._organs(styles.masks)
        fake_logits = discriminate(self._seen(fake, batch))

        @torch.no_grad()
        def real_logits() -> Logits:
            return discriminate(self._seen(batch.images, batch))

        maps, content = self._judge.textures(fake)
        with torch.no_grad():
            wanted, _ = self._judge.textures(styles.images)
        terms = {
            "adversarial": config.adversarial * generator_loss(config.loss, real_logits, fake_logits),
            "style": config.style * over_organs(style_distance(maps, organs, wanted, style_organs), organs),
        }
        if config.content:
            with torch.no_grad():
                _, own = self._judge.textures(batch.images)
            terms["content"] = config.content * over_organs(content_distance(content, own, organs), organs)
        if config.variation:
            terms["variation"] = config.variation * total_variation(fake)
        if config.level:
            there = (style_organs.sum((2, 3)) >= 1).float()
            apart = organ_levels(fake, organs) - organ_levels(styles.images, style_organs)
            terms["level"] = config.level * over_organs(there * apart.abs().mean(2), organs)
        half = (len(batch) + 1) // 2
        own_style = batch[:half]
        if config.pixel:
            terms["pixel"] = config.pixel * losses.absolute_error(fake[:half], own_style.images)
        if config.patches:
            guide = to_one_hot(own_style.masks, self.spec.num_labels)
            terms["patches"] = config.patches * patch_distance(
                fake[:half], own_style.images, guide, own_style.fields_of_view, batch.draws
            )
        return terms

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of real images under their maps."""
        organs = to_one_hot(batch.masks, self.spec.num_labels)
        return {"discriminator": self.networks["discriminator"](torch.cat([batch.images, organs * 2 - 1], dim=1))}

    def stages(self) -> list[Stage]:
        """One stage on images with maps, each with another patient's image as its style."""
        config = self.config
        if config.textures != "random":
            self._judge.textures.read(read_tensors(checked_file(config.textures).path))
        phases = adversarial_phases(
            self.generator_objective, self.discriminator_objective,
            self.penalty_objective if config.penalty else None, adam=config.adam, penalty_every=config.penalty_every,
            networks=self.generator_networks,
        )  # fmt: skip
        phases = (*phases[:-1], replace(phases[-1], repeat=config.generator_steps))
        return [
            Stage(
                name="organs",
                phases=phases,
                images=config.images,
                batch_size=config.batch_size,
                mask_sources=frozenset({"manual", "segmenter", "derived"}),
                transform=lambda batch: augment.warp(batch, config.warp),
                average_images=config.average_images,
                cooling=config.adam.cooling,
            )
        ]

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """One image a map, style and latent; the maps come back unchanged."""
        assert given.masks is not None, "organ_style paints maps; none were given"
        return Pairs(images=self._make(given.masks, given.styles, latents, given.style_weights), masks=given.masks)


METHOD = OrganStyle

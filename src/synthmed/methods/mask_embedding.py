"""Mask embedding: images in the shape of a given mask, which enters as a vector beside the latents and by skips.

Ren, Zhu, Li, Kong, Hou, Grimm, Marks, Lo, MICCAI 2019 (S1): WGAN-GP, grown from 4x8 to 256x512. With ``embedding =
false`` the latents take the place of the embedding: the paper's baseline, Tub-GAN (Zhu et al. 2018).

Ours beyond the paper: the embedding moves latents of its own size; residual blocks with anti-aliased resampling whose
every level hears them; a discriminator that sees fine detail as large as the rest; relativistic pairing loss
(Jolicoeur-Martineau 2018) with lazy R1 and R2; patches of the batch like real ones (Elnekave and Weiss 2022) and images
of one mask that differ (Mao et al. 2019); joint warps, averaged weights, no growth.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from synthmed.config import Settings
from synthmed.draws import Draws
from synthmed.methods._adversarial import adversarial_phases, slope_terms
from synthmed.methods._contract import Adam, Method, Phase, Stage
from synthmed.networks.layers import detail_bands, frequency_bands
from synthmed.networks.mask_embedding import MaskEmbeddingDiscriminator, MaskEmbeddingGenerator, growth_levels
from synthmed.networks.residual_mask import ResidualMaskDiscriminator, ResidualMaskGenerator
from synthmed.objectives import augment, losses
from synthmed.objectives.patch_distance import patch_distance
from synthmed.shapes import Batch, Given, Image, ImageSpec, LabelMap, Latent, Logits, OneHot, Pairs, to_one_hot


class Level(Settings):
    """One level of the growth."""

    batch_size: int = Field(gt=0, description="Images a step.")
    learning_rate: float = Field(gt=0, description="Of both networks.")
    fade_images: int = Field(gt=0, description="Images seen while the level is faded in; of the first level none are.")
    stable_images: int = Field(gt=0, description="Images seen after that.")


class MaskEmbeddingConfig(Settings):
    """Everything about the networks and their training."""

    blocks: Literal["deconvolution", "residual"] = Field("deconvolution", description="As published, or ours.")
    latent_size: int = Field(100, gt=0, description="Random numbers that make one image.")
    embedding: bool = Field(True, description="Without it so many more random numbers take its place (Tub-GAN).")
    embedding_size: int = Field(32, gt=0, description="Numbers that the mask is embedded in.")
    mapping: int = Field(0, ge=0, description="Dense layers through which residual blocks hear the latents.")
    mask_features: int = Field(8, gt=0, description="Channels of the mask's path.")
    features: int = Field(128, gt=0, description="Channels of the coarsest level; of residual blocks of the finest.")
    decay: float = Field(0.8, gt=0, le=1, description="Each finer level has so many times the channels, as published.")
    cap: int = Field(128, gt=0, description="Most channels of any level of residual blocks.")
    discriminator_features: int = Field(32, gt=0, description="The same of the discriminator of residual blocks.")
    detail: float = Field(
        0.0, ge=0, description="How many times larger the discriminator sees fine detail, in bands; 0 = as it is."
    )
    loss: Literal["wasserstein", "relativistic"] = Field("wasserstein", description="Adversarial pair.")
    penalty: float = Field(10.0, gt=0, description="Weight of the slope penalty, or of R1 and R2.")
    penalty_every: int = Field(1, gt=0, description="Steps between two of R1 and R2; the weight is multiplied by it.")
    drift: float = Field(1e-4, ge=0, description="Weight of the square of the critic's level.")
    patches: float = Field(0.0, ge=0, description="Weight of the distance of all patches of a batch to the real ones.")
    variety: float = Field(0.0, ge=0, description="Weight of what two images under one mask differ too little by.")
    variety_target: float = Field(
        0.25, gt=0, description="How much they should differ; ``losses.repetition`` says how."
    )
    changes: tuple[augment.Change, ...] = Field((), description="What is changed in all the discriminator sees.")
    warp: augment.Warp = Field(augment.Warp(), description="How training images and masks are moved together.")
    levels: tuple[Level, ...] = Field((), description="The growth, from a short side of 4 on; none = no growth.")
    images: int = Field(20_000, gt=0, description="Images seen in a training without growth.")
    batch_size: int = Field(8, gt=0, description="Images a step without growth.")
    adam: Adam = Field(Adam(), description="Optimizer of both networks; the rate is the level's.")
    average_images: int = Field(0, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")


class MaskEmbedding(Method):
    """Masks and latents -> images."""

    Config = MaskEmbeddingConfig
    needs = frozenset({"masks"})
    generator_networks = ("generator",)

    def __init__(self, config: MaskEmbeddingConfig, spec: ImageSpec) -> None:
        self.config, self.spec = config, spec
        if spec.num_labels < 2:
            raise ValueError("The images have no masks; this method makes images under masks")
        if config.levels and config.blocks != "deconvolution":
            raise ValueError("Residual blocks do not grow; the recipe gives levels of growth")
        beside = config.embedding and config.blocks == "deconvolution"  # as published; ours moves latents
        self.latent_shape = (config.latent_size + (0 if beside else config.embedding_size),)
        detail = detail_bands(spec.height, spec.width) if config.detail else 0
        self.seen_channels = (1 + detail) * spec.channels  # of an image, as the discriminator sees it
        self.networks = nn.ModuleDict({"generator": self._generator(), "discriminator": self._discriminator()})
        self.fade = 1.0  # share of the finest level that is at work
        self.halvings = 0  # of the full size, to that level
        if config.levels:
            self._used_levels()

    def _generator(self) -> nn.Module:
        config, spec = self.config, self.spec
        shared = {
            "mask_channels": spec.num_foreground, "channels": spec.channels, "height": spec.height, "width": spec.width,
            "latent_size": self.latent_shape[0], "mask_features": config.mask_features,
            "embedding_size": config.embedding_size if config.embedding else 0,
        }  # fmt: skip
        if config.blocks == "residual":
            return ResidualMaskGenerator(mapping=config.mapping, features=config.features, cap=config.cap, **shared)
        return MaskEmbeddingGenerator(sizes=self._sizes(), **shared)

    def _discriminator(self) -> nn.Module:
        config, spec = self.config, self.spec
        shared = {"channels": self.seen_channels + spec.num_foreground, "height": spec.height, "width": spec.width}
        if config.blocks == "residual":
            return ResidualMaskDiscriminator(features=config.discriminator_features, cap=config.cap, **shared)
        return MaskEmbeddingDiscriminator(sizes=self._sizes(), **shared)

    def _sizes(self) -> list[int]:
        """Channels of each level, coarsest first: 128, 102, 82, 66, 52, 42, 34 as published."""
        levels = growth_levels(self.spec.height, self.spec.width)
        return [max(1, round(self.config.features * self.config.decay**level)) for level in range(levels)]

    def _used_levels(self) -> tuple[Level, ...]:
        """The levels from a short side of 4 to that of the images."""
        needed = growth_levels(self.spec.height, self.spec.width)
        if len(self.config.levels) < needed:
            raise ValueError(
                f"{self.spec.height}x{self.spec.width} needs {needed} levels of growth; the recipe has "
                f"{len(self.config.levels)}"
            )
        return self.config.levels[:needed]

    def _seen(self, images: Image, one_hot: OneHot, draws: Draws) -> Image:
        """What the discriminator sees: the image in changed colours, moved together with its mask, in bands."""
        return self._in_bands(augment.stacked(images, one_hot, self.config.changes, draws))

    def _in_bands(self, seen: Tensor) -> Tensor:
        """[N C+P H W] -> [N (1+B)C+P H W].

        Fine detail is a hundredth of the range of an image. A penalty on the discriminator's slope makes it as small
        a part of what can be told; in bands that are alike in size, texture counts as much as brightness.
        """
        if not self.config.detail:
            return seen
        images, one_hot = seen.split([self.spec.channels, self.spec.num_foreground], dim=1)
        return torch.cat([frequency_bands(images, self.config.detail), one_hot], dim=1)

    def _make(self, one_hot: OneHot, latents: Latent) -> Image:
        generator = self.networks["generator"]
        return generator(one_hot, latents, self.fade) if self.config.levels else generator(one_hot, latents)

    def _judge(self, seen: Image) -> Tensor:
        discriminate = self.networks["discriminator"]
        return discriminate(seen, self.fade) if self.config.levels else discriminate(seen)

    def _both_seen(self, batch: Batch, *, alike: bool = False) -> tuple[Image, Image]:
        """What the discriminator sees of the real images, and of images made under their masks.

        Changed by draws of their own, or ``alike``: then the points between an image and the made one lie under the
        mask of both.
        """
        one_hot = to_one_hot(batch.masks, self.spec.num_labels)
        with torch.no_grad():
            fake = self._make(one_hot, batch.latents(self.latent_shape))
        again = batch.draws.again() if alike else batch.draws
        return self._seen(batch.images, one_hot, batch.draws), self._seen(fake, one_hot, again)

    def critic_objective(self, batch: Batch) -> dict[str, Tensor]:
        """WGAN-GP with drift: minimise D(G) - D(x) + 10 (||grad D|| - 1)^2 + 1e-4 D(x)^2."""
        config = self.config
        real, fake = self._both_seen(batch, alike=True)
        shown = real[:, self.seen_channels :]  # the mask is not interpolated
        shares = batch.draws.uniform(len(batch))
        real_logits, fake_logits = self._judge(real), self._judge(fake)
        slope = losses.slope_penalty(
            lambda images: self._judge(torch.cat([images, shown], dim=1)),
            real[:, : self.seen_channels], fake[:, : self.seen_channels], shares,
        )  # fmt: skip
        return {
            "adversarial": losses.wasserstein_discriminator(real_logits, fake_logits),
            "slope": config.penalty * slope,
            "drift": config.drift * losses.drift(real_logits),
        }

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Ours: tell each real image from a made one, both under the same mask."""
        real, fake = self._both_seen(batch)
        return {"adversarial": losses.relativistic_discriminator(self._judge(real), self._judge(fake))}

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Ours: keep the discriminator's slope small at real and made images: weight/2 * (R1 + R2)."""
        real, fake = self._both_seen(batch)
        return slope_terms(
            self._judge, real, fake, weight=self.config.penalty, every=self.config.penalty_every
        )  # fmt: skip

    def generator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Convince the discriminator; ours: with patches like real ones, and another image for other latents."""
        config, one_hot = self.config, to_one_hot(batch.masks, self.spec.num_labels)
        made = self._make(one_hot, batch.latents(self.latent_shape))
        fake_logits = self._judge(self._seen(made, one_hot, batch.draws))
        if config.loss == "wasserstein":
            terms = {"adversarial": losses.wasserstein_generator(fake_logits)}
        else:
            with torch.no_grad():
                real_logits = self._judge(self._seen(batch.images, one_hot, batch.draws))
            terms = {"adversarial": losses.relativistic_generator(real_logits, fake_logits)}
        if config.patches:
            terms["patches"] = config.patches * patch_distance(
                made, batch.images, one_hot, batch.masks.clamp(max=1), batch.draws, together=True
            )
        if config.variety:
            few = one_hot[
                : max(1, len(one_hot) // 4)
            ]  # a second image under every mask would cost as much as the first
            other = self._make(few, batch.latents(self.latent_shape, len(few)))
            terms["variety"] = config.variety * losses.repetition(made[: len(few)], other, few, config.variety_target)
        return terms

    def _phases(self, adam: Adam) -> tuple[Phase, ...]:
        if self.config.loss == "relativistic":
            return adversarial_phases(
                self.generator_objective, self.discriminator_objective, self.penalty_objective,
                adam=adam, penalty_every=self.config.penalty_every,
            )  # fmt: skip
        # The slope penalty stands in the critic's own update, at every step.
        return adversarial_phases(self.generator_objective, self.critic_objective, adam=adam)

    def _grow(self, halvings: int, fade: Callable[[float], float], share: float) -> None:
        self.halvings, self.fade = halvings, fade(share)

    def _shrunk(self, batch: Batch, halvings: int) -> Batch:
        """The batch at a level of the growth: the mean of the pixels, the maximum of the masks."""
        return self._pooled(augment.warp(batch, self.config.warp), halvings)

    def _pooled(self, batch: Batch, halvings: int) -> Batch:
        times = 2**halvings
        return batch if times == 1 else replace(
            batch, images=functional.avg_pool2d(batch.images, times),
            given=replace(batch.given, masks=_pooled(batch.masks, times)),
            fields_of_view=_pooled(batch.fields_of_view, times),
        )  # fmt: skip

    def _stage(self, name: str, halvings: int, fade: Callable[[float], float], images: int, batch_size: int,
               adam: Adam) -> Stage:  # fmt: skip
        return Stage(
            name=name,
            phases=self._phases(adam),
            images=images,
            batch_size=batch_size,
            mask_sources=frozenset({"manual", "segmenter", "derived"}),
            transform=partial(self._shrunk, halvings=halvings),
            average_images=self.config.average_images,
            cooling=adam.cooling,
            on_progress=partial(self._grow, halvings, fade),
        )

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of real images under their masks, at the level that it has grown to."""
        batch = self._pooled(batch, self.halvings)
        one_hot = to_one_hot(batch.masks, self.spec.num_labels)
        return {"discriminator": self._judge(self._in_bands(torch.cat([batch.images, one_hot * 2 - 1], dim=1)))}

    def stages(self) -> list[Stage]:
        """As published a fading and a stable stage for each level; ours one stage at the full size."""
        config = self.config
        if not config.levels:
            return [self._stage("full", 0, _whole, config.images, config.batch_size, config.adam)]
        stages = []
        used = self._used_levels()
        for number, level in enumerate(used):
            halvings = len(used) - 1 - number
            adam = config.adam.model_copy(update={"learning_rate": level.learning_rate})
            name = f"{self.spec.height >> halvings}x{self.spec.width >> halvings}"
            if number:
                stages.append(self._stage(f"{name} fade", halvings, float, level.fade_images, level.batch_size, adam))
            stages.append(self._stage(f"{name} stable", halvings, _whole, level.stable_images, level.batch_size, adam))
        return stages

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """One image a mask and latent, at full size also while it grows; the masks come back unchanged."""
        assert given.masks is not None, "mask embedding makes images under masks; none were given"
        times = 2**self.halvings
        images = self._make(to_one_hot(_pooled(given.masks, times), self.spec.num_labels), latents)
        return Pairs(images=functional.interpolate(images, scale_factor=times), masks=given.masks)


def _whole(share: float) -> float:
    return 1.0


def _pooled(masks: LabelMap, times: int) -> LabelMap:
    """The largest label of each square."""
    return masks if times == 1 else functional.max_pool2d(masks[:, None].float(), times)[:, 0].to(torch.uint8)


METHOD = MaskEmbedding

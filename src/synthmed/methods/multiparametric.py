"""Multiparametric MR: small images of a class, all contrasts and points in time at once.

Haarburger, Horst, Truhn, Broeckmann, Schrading, Kuhl, Merhof, VCBM 2019 (S5): DCGAN and WGAN with seven output
channels, the class as a one-hot vector beside the latents. With ``loss = "wasserstein"`` and no ``clip`` the slope is
penalised instead (WGAN-GP), which the paper calls unstable.

Ours beyond the paper: the class in the discriminator (projection; Miyato and Koyama 2018) and at every level of a
residual generator; relativistic pairing loss (Jolicoeur-Martineau 2018) with lazy R1 and R2; a discriminator that sees
fine detail as large as the rest; patches of a class like real ones (Elnekave and Weiss 2022); each channel on a curve
of its own; the subtraction computed, never drawn; warps, averaged weights.
"""

from collections.abc import Callable, Iterable
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from synthmed.config import Settings, did_you_mean
from synthmed.methods._adversarial import (
    adversarial_phases,
    discriminator_loss,
    generator_loss,
    refuse_norm_of_batches,
    slope_terms,
)
from synthmed.methods._contract import Adam, Method, Phase, Stage
from synthmed.networks.dcgan import DCGANDiscriminator
from synthmed.networks.layers import Norm, detail_bands, frequency_bands
from synthmed.networks.multiparametric import ClassDiscriminator, ClassGenerator, ResizeGenerator
from synthmed.objectives import augment, losses
from synthmed.objectives.patch_distance import patch_distance
from synthmed.shapes import Batch, Given, Image, ImageSpec, Labels, Latent, Logits, Pairs

PRE, POST, SUB = "T1 pre", "T1 post1", "Sub"
"""Names of the channels that a subtraction is computed from, and its own."""


class RMSProp(Settings):
    """Settings of RMSProp with weight clipping (Arjovsky et al. 2017, algorithm 1)."""

    learning_rate: float = Field(5e-5, gt=0, description="Step size.")
    decay: float = Field(0.99, ge=0, lt=1, description="Decay of the mean of the squared gradients.")
    clip: float = Field(0.01, gt=0, description="Largest weight of the critic.")

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer for these parameters."""
        return torch.optim.RMSprop(parameters, lr=self.learning_rate, alpha=self.decay)

    def build_clipping(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The same for a critic: each step ends with all weights in [-clip, clip]."""
        return _Clipping(parameters, self.clip, lr=self.learning_rate, alpha=self.decay)


class _Clipping(torch.optim.RMSprop):
    def __init__(self, parameters: Iterable[nn.Parameter], clip: float, **settings: float) -> None:
        super().__init__(parameters, **settings)  # type: ignore[arg-type]
        self._clip = clip

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        super().step(closure)
        for group in self.param_groups:
            for weights in group["params"]:
                weights.clamp_(-self._clip, self._clip)


class MultiparametricConfig(Settings):
    """Everything about the networks and their training."""

    blocks: Literal["convolution", "residual"] = Field("convolution", description="As published, or ours.")
    latent_size: int = Field(100, gt=0, description="Random numbers that make one image.")
    mapping: int = Field(0, ge=0, description="Dense layers through which residual blocks hear latents and class.")
    features: int = Field(64, gt=0, description="Channels of the generator's finest level.")
    cap: int = Field(512, gt=0, description="Most channels of any level.")
    discriminator_features: int = Field(64, gt=0, description="Channels of the discriminator's finest level.")
    discriminator_norm: Norm = Field("batch", description="Normalisation in a discriminator of convolutions.")
    projection: bool = Field(False, description="Whether the discriminator is told the class; of residual blocks only.")
    detail: float = Field(
        0.0, ge=0, description="How many times larger the discriminator sees fine detail, in bands; 0 = as it is."
    )
    curve: float = Field(
        1.0, gt=0, le=4, description="Networks see the power of a channel's intensity, 0 to 1; 1 = as it is."
    )
    curves: dict[str, float] = Field({}, description="The same for single channels by name.")
    sub: Literal["learned", "computed"] = Field(
        "learned", description="The channel Sub: drawn like the others, or the difference of those it is made of."
    )
    loss: Literal["logistic", "wasserstein", "relativistic"] = Field("logistic", description="Adversarial pair.")
    clip: bool = Field(
        False, description="Whether a critic's weights are clipped, with RMSProp; else its slope is penalised."
    )
    critic_steps: int = Field(1, gt=0, description="Updates of the discriminator for one of the generator.")
    penalty: float = Field(0.0, ge=0, description="Weight of R1 and R2, or of a critic's slope penalty.")
    penalty_every: int = Field(1, gt=0, description="Steps between two of R1 and R2; the weight is multiplied by it.")
    patches: float = Field(0.0, ge=0, description="Weight of the distance of all patches of a batch to the real ones.")
    changes: tuple[augment.Change, ...] = Field((), description="What is changed in all the discriminator sees.")
    warp: augment.Warp = Field(augment.Warp(), description="How training images are moved.")
    images: int = Field(20_000, gt=0, description="Images seen in training.")
    batch_size: int = Field(64, gt=0, description="Images a step.")
    adam: Adam = Field(Adam(), description="Optimizer of both networks where weights are not clipped.")
    rmsprop: RMSProp = Field(RMSProp(), description="Optimizer of both networks where they are.")
    average_images: int = Field(0, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.clip and (self.loss != "wasserstein" or self.penalty):
            raise ValueError("Weights are clipped in place of a penalty, with loss wasserstein")
        if self.loss == "wasserstein" and not (self.clip or self.penalty):
            raise ValueError("A critic needs clipped weights or a penalty of its slope")
        if self.critic_steps > 1 and self.loss != "wasserstein":
            raise ValueError("Several steps of the discriminator for one of the generator go with loss wasserstein")
        if self.loss == "logistic" and self.penalty:
            raise ValueError("A penalty goes with loss relativistic or wasserstein")
        if self.projection and self.blocks != "residual":
            raise ValueError("A discriminator of convolutions, as published, is not told the class")
        if any(not 0 < value <= 4 for value in self.curves.values()):
            raise ValueError("The curve of a channel is above 0 and at most 4")
        return self


class Multiparametric(Method):
    """Classes and latents -> images."""

    Config = MultiparametricConfig
    needs = frozenset({"labels"})
    generator_networks = ("generator",)

    def __init__(self, config: MultiparametricConfig, spec: ImageSpec) -> None:
        self.config, self.spec, self.latent_shape = config, spec, (config.latent_size,)
        if not spec.classes:
            raise ValueError("The images have no classes; this recipe learns classes")
        if config.blocks == "convolution":
            refuse_norm_of_batches(config.discriminator_norm, config.penalty)
        self.curves = _curves(spec, config)
        detail = detail_bands(spec.height, spec.width) if config.detail else 0
        size = {"height": spec.height, "width": spec.width}
        made = {"latent_size": config.latent_size, "classes": len(spec.classes), "channels": len(self.curves), **size}
        seen = {"channels": (1 + detail) * len(self.curves), **size}
        widths = {"features": config.features, "cap": config.cap}
        generator: nn.Module
        discriminator: nn.Module
        if config.blocks == "residual":
            generator = ClassGenerator(mapping=config.mapping, **widths, **made)
            told = len(spec.classes) if config.projection else 0
            discriminator = ClassDiscriminator(
                classes=told, features=config.discriminator_features, cap=config.cap, **seen
            )
        else:
            generator = ResizeGenerator(**widths, **made)
            discriminator = DCGANDiscriminator(
                features=config.discriminator_features, cap=config.cap, norm=config.discriminator_norm, **seen
            )
        self.networks = nn.ModuleDict({"generator": generator, "discriminator": discriminator})

    def _learned(self, images: Image) -> Image:
        """The channels that are drawn, each on its curve, in [-1, 1]."""
        shares = ((images + 1) / 2).clamp(0, 1)
        drawn = [shares[:, place : place + 1] ** power for place, power in self.curves.items()]
        return torch.cat(drawn, dim=1) * 2 - 1

    def _classes(self, labels: Labels | None) -> Tensor:
        """One-hot, [N K]."""
        assert labels is not None, "this method makes images of classes; none were given"
        return (labels[:, None] == torch.arange(len(self.spec.classes), device=labels.device)).float()

    def _make(self, batch: Batch) -> Image:
        classes = self._classes(batch.given.labels)
        made: Image = self.networks["generator"](batch.latents(self.latent_shape), classes)
        return made

    def _judge(self, seen: Image, batch: Batch) -> Logits:
        discriminate = self.networks["discriminator"]
        return discriminate(seen, self._classes(batch.given.labels)) if self.config.projection else discriminate(seen)

    def _seen(self, images: Image, batch: Batch) -> Image:
        """What the discriminator sees, [N (1+B)C H W]: the image changed, in bands that are alike in size."""
        images = augment.differentiable(images, self.config.changes, batch.draws)
        return frequency_bands(images, self.config.detail) if self.config.detail else images

    def _both_seen(self, batch: Batch) -> tuple[Image, Image]:
        with torch.no_grad():
            fake = self._make(batch)
        return self._seen(self._learned(batch.images), batch), self._seen(fake, batch)

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Tell real from fake (equation 1); ours each real image from a made one of its class."""
        real, fake = (self._judge(seen, batch) for seen in self._both_seen(batch))
        assert self.config.loss != "wasserstein"
        return {"adversarial": discriminator_loss(self.config.loss, real, fake)}

    def critic_objective(self, batch: Batch) -> dict[str, Tensor]:
        """D(G) - D(x) (equation 2), without clipping + 10 (||grad D|| - 1)^2 (equation 3)."""
        real, fake = self._both_seen(batch)
        terms = {"adversarial": losses.wasserstein_discriminator(self._judge(real, batch), self._judge(fake, batch))}
        if not self.config.clip:
            shares = batch.draws.uniform(len(batch))
            slope = losses.slope_penalty(lambda images: self._judge(images, batch), real, fake, shares)
            terms["slope"] = self.config.penalty * slope
        return terms

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Ours: keep the discriminator's slope small at real and made images: weight/2 * (R1 + R2)."""
        real, fake = self._both_seen(batch)
        return slope_terms(
            lambda seen: self._judge(seen, batch), real, fake,
            weight=self.config.penalty, every=self.config.penalty_every,
        )  # fmt: skip

    def generator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Make what the discriminator takes for real; ours: with patches like those of the class."""
        config, made, learned = self.config, self._make(batch), self._learned(batch.images)
        fake_logits = self._judge(self._seen(made, batch), batch)

        @torch.no_grad()
        def real_logits() -> Logits:
            return self._judge(self._seen(learned, batch), batch)

        if config.loss == "wasserstein":
            terms = {"adversarial": losses.wasserstein_generator(fake_logits)}
        else:
            terms = {"adversarial": generator_loss(config.loss, real_logits, fake_logits)}
        if config.patches:
            # The class stands beside each patch as a mask does: patches are compared within it.
            planes = self._classes(batch.given.labels)[:, :, None, None].expand(-1, -1, *self.spec.size)
            distance = patch_distance(made, learned, planes, batch.fields_of_view, batch.draws, together=True)
            terms["patches"] = config.patches * distance
        return terms

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of real images of their classes."""
        seen = self._learned(batch.images)
        bands = frequency_bands(seen, self.config.detail) if self.config.detail else seen
        return {"discriminator": self._judge(bands, batch)}

    def _phases(self) -> tuple[Phase, ...]:
        config = self.config
        if config.loss != "wasserstein":
            penalty = self.penalty_objective if config.penalty else None
            return adversarial_phases(
                self.generator_objective, self.discriminator_objective, penalty,
                adam=config.adam, penalty_every=config.penalty_every,
            )  # fmt: skip
        builds: tuple[Callable[..., torch.optim.Optimizer], ...] = (config.adam.build, config.adam.build)
        if config.clip:
            builds = (config.rmsprop.build_clipping, config.rmsprop.build)
        critic = Phase(
            networks=("discriminator",), objective=self.critic_objective, optimizer=builds[0],
            repeat=config.critic_steps,
        )  # fmt: skip
        return critic, Phase(networks=("generator",), objective=self.generator_objective, optimizer=builds[1])

    def stages(self) -> list[Stage]:
        """One stage."""
        return [
            Stage(
                name="patches",
                phases=self._phases(),
                images=self.config.images,
                batch_size=self.config.batch_size,
                transform=lambda batch: augment.warp(batch, self.config.warp),
                average_images=self.config.average_images,
                cooling=self.config.adam.cooling,
            )
        ]

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """One image a class and latent, without a mask."""
        shares = (self.networks["generator"](latents, self._classes(given.labels)) + 1) / 2
        channels = {
            place: shares[:, number : number + 1].clamp(0, 1) ** (1 / power)
            for number, (place, power) in enumerate(self.curves.items())
        }
        if len(channels) < self.spec.channels:
            place_of = self.spec.channel_names.index
            channels[place_of(SUB)] = (channels[place_of(POST)] - channels[place_of(PRE)]).clamp_min(0)
        whole = torch.cat([channels[place] for place in range(self.spec.channels)], dim=1)
        return Pairs(images=whole * 2 - 1)


def _curves(spec: ImageSpec, config: MultiparametricConfig) -> dict[int, float]:
    """The places of the channels that the networks draw, and the power that each of them is seen with.

    Raises:
        ValueError: a curve for a channel that the images do not have.
    """
    names = spec.channel_names or ("",) * spec.channels
    for name in config.curves:
        if name not in names:
            raise ValueError(
                f"The recipe has a curve for the channel {name!r}{did_you_mean(name, names)}; those of the images are "
                f"{', '.join(spec.channel_names) or 'without names'}"
            )
    computed = config.sub == "computed" and {PRE, POST, SUB} <= set(names)
    return {
        place: config.curves.get(name, config.curve)
        for place, name in enumerate(names)
        if not (computed and name == SUB)
    }


METHOD = Multiparametric

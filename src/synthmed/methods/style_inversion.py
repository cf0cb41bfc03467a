"""A style generator, and an encoder that finds the codes of real images in it.

Ren, Yu and Whitney 2021 (S2) take StyleGAN (Karras et al. 2019) for mammograms and in-domain inversion (Zhu et al.
2020) to control them. Stage one trains the generator: latents become a code for every layer (W+), whose scales and
shifts are the styles; non-saturating loss with lazy R1, style mixing, averaged weights, truncation. Stage two freezes
it and trains an encoder into W+ by pixels, features and a discriminator that goes on from that of stage one.

Ours (``blocks = "residual"``): residual blocks normalised by pixel, relativistic pairing with R1 and R2 for both, bands
of equal size for the discriminator, patches like real ones, warps; the encoder also finds the codes of sampled images,
which are known, so that what it gives lies where the generator is at home.

Where the data have classes or masks, the mapping network and the discriminator can be told them (``under``). Codes then
hold the class or the shape: whoever has codes needs neither.
"""

from typing import Literal, Self, get_args

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from synthmed.config import Settings
from synthmed.draws import ImageDraws
from synthmed.methods._adversarial import (
    Pairing,
    adversarial_phases,
    discriminator_loss,
    generator_loss,
    slope_terms,
)
from synthmed.methods._contract import Adam, MaskSource, Method, Phase, Stage
from synthmed.networks.layers import detail_bands, frequency_bands
from synthmed.networks.style import PublishedSynthesis, ResidualSynthesis, StyleEncoder, StyleGenerator, StyleJudge
from synthmed.networks.textures import FeatureNetwork
from synthmed.objectives import augment
from synthmed.objectives.organ_texture import content_distance
from synthmed.objectives.patch_distance import patch_distance
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors
from synthmed.shapes import Batch, Given, Image, ImageSpec, Latent, Logits, Pairs, to_one_hot


class StyleInversionConfig(Settings):
    """Everything about the networks and their two trainings."""

    blocks: Literal["published", "residual"] = Field("published", description="As published, or ours.")
    latent_size: int = Field(512, gt=0, description="Numbers that make one image, and of each layer's code.")
    mapping: int = Field(8, gt=0, description="Dense layers between latents and codes.")
    under: Literal["nothing", "labels", "masks"] = Field(
        "nothing", description="What the codes of sampled images are made of beside latents: classes or masks."
    )
    features: int = Field(
        16, gt=0, description="Channels of the generator at full resolution; of residual blocks at half of it."
    )
    cap: int = Field(512, gt=0, description="Most channels of any level.")
    discriminator_features: int = Field(
        32, gt=0, description="Channels of discriminator and encoder at half resolution."
    )
    mixing: float = Field(0.9, ge=0, le=1, description="Share of images whose layers take the codes of two latents.")
    truncation: float = Field(1.0, gt=0, le=1, description="How far from the mean code images are sampled; 1 = freely.")
    detail: float = Field(
        0.0, ge=0, description="How many times larger the discriminator sees fine detail, in bands; 0 = as it is."
    )
    loss: Pairing = Field("logistic", description="Adversarial pair.")
    penalty: float = Field(10.0, ge=0, description="Weight of the zero-centred gradient penalties R1 and R2.")
    penalty_every: int = Field(16, gt=0, description="Steps between two penalties; the weight is multiplied by it.")
    patches: float = Field(0.0, ge=0, description="Weight of the distance of all patches of a batch to the real ones.")
    changes: tuple[augment.Change, ...] = Field((), description="What is changed in all the discriminator sees.")
    warp: augment.Warp = Field(augment.Warp(), description="How training images are moved.")
    textures: FeatureNetwork = Field("random", description="Features of reconstructions; all but random need a file.")
    pixel: float = Field(1.0, ge=0, description="Weight of the mean squared error of reconstructed pixels.")
    feature: float = Field(0.05, ge=0, description="Weight of the distance of their features.")
    adversarial: float = Field(0.1, ge=0, description="Weight of the adversarial term of the encoder.")
    code: float = Field(0.0, ge=0, description="Weight of the error of the codes of sampled images.")
    images: int = Field(20_000, gt=0, description="Images that the generator's training sees.")
    encoder_images: int = Field(20_000, gt=0, description="Images that the encoder's training sees.")
    batch_size: int = Field(8, gt=0, description="Images a step.")
    adam: Adam = Field(Adam(learning_rate=1e-3, beta1=0.0, beta2=0.99), description="Optimizer of all networks.")
    average_images: int = Field(0, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not (self.pixel or self.feature):
            raise ValueError("The encoder learns from pixels or features; set the weight of one of them")
        return self


_COARSE = 8
"""Shorter side of the grid of shares by which the mapping network is told a mask."""


class StyleInversion(Method):
    """Latents, told a class or mask or nothing -> images; images -> codes -> images."""

    Config = StyleInversionConfig
    generator_networks = ("generator", "encoder")

    def __init__(self, config: StyleInversionConfig, spec: ImageSpec) -> None:
        self.config, self.spec, self.latent_shape = config, spec, (config.latent_size,)
        size = {"height": spec.height, "width": spec.width}
        bands = 1 + detail_bands(spec.height, spec.width) if config.detail else 1
        planes, self.grid = self._asked()
        synthesis = (PublishedSynthesis if config.blocks == "published" else ResidualSynthesis)(
            code_size=config.latent_size, channels=spec.channels, features=config.features, cap=config.cap, **size
        )
        generator = StyleGenerator(latent_size=config.latent_size, mapping=config.mapping, synthesis=synthesis,
                                   told=planes * self.grid[0] * self.grid[1])  # fmt: skip
        encoder = StyleEncoder(
            channels=spec.channels, layers=synthesis.layers, code_size=config.latent_size,
            features=config.discriminator_features, cap=config.cap, **size,
        )  # fmt: skip
        judge = StyleJudge(channels=bands * spec.channels + planes, features=config.discriminator_features,
                           cap=config.cap, textures=config.textures, **size)  # fmt: skip
        self.networks = nn.ModuleDict({"generator": generator, "encoder": encoder, "discriminator": judge})

    @property
    def _generator(self) -> StyleGenerator:
        generator = self.networks["generator"]
        assert isinstance(generator, StyleGenerator)
        return generator

    @property
    def _judge(self) -> StyleJudge:
        judge = self.networks["discriminator"]
        assert isinstance(judge, StyleJudge)
        return judge

    def _asked(self) -> tuple[int, tuple[int, int]]:
        """Planes of what images are made under, and the grid of their shares that the mapping network is told."""
        under, spec = self.config.under, self.spec
        planes = {"nothing": 0, "labels": len(spec.classes), "masks": spec.num_foreground}[under]
        if under == "nothing":
            return 0, (1, 1)
        if not planes:
            raise ValueError(f"The images have no {under}; the recipe makes images under {under}")
        self.needs = frozenset({under})
        halvings = max(0, (min(spec.size) // _COARSE).bit_length() - 1)
        return planes, (1, 1) if under == "labels" else (spec.height >> halvings, spec.width >> halvings)

    def _planes(self, given: Given) -> Tensor | None:
        """[N P H W] the mask, a plane a label, or the class, a plane a class and the same everywhere."""
        if self.config.under == "masks":
            assert given.masks is not None, "this recipe makes images under masks; none were given"
            return to_one_hot(given.masks, self.spec.num_labels)
        if self.config.under == "labels":
            assert given.labels is not None, "this recipe makes images of classes; none were given"
            one_hot = functional.one_hot(given.labels, len(self.spec.classes)).float()
            return one_hot[:, :, None, None].expand(-1, -1, *self.spec.size)
        return None

    def _told(self, given: Given) -> Tensor | None:
        """[N T] the shares of the planes in each cell of the grid."""
        planes = self._planes(given)
        return None if planes is None else functional.adaptive_avg_pool2d(planes, self.grid).flatten(1)

    def _seen(self, images: Image, batch: Batch, changes: tuple[augment.Change, ...] | None = None) -> Image:
        """What the discriminator sees: changed images in bands of equal size; planes of what they are under."""
        planes, channels = self._planes(batch.given), self.spec.channels
        beside = images[:, :0] if planes is None else planes
        stack = augment.stacked(images, beside, self.config.changes if changes is None else changes, batch.draws)
        images, beside = stack[:, :channels], stack[:, channels:]
        bands = frequency_bands(images, self.config.detail) if self.config.detail else images
        return torch.cat([bands, beside], dim=1)

    def _sampled(self, batch: Batch) -> tuple[Image, Tensor]:
        """Images of fresh latents, the layers of some with the codes of two, and these codes."""
        generator, latents = self._generator, batch.latents(self.latent_shape)
        told = self._told(batch.given)
        codes = generator.codes(latents, told)
        if self.config.mixing:
            others = generator.codes(batch.latents(self.latent_shape), told)
            layers = torch.arange(codes.shape[1], device=codes.device)
            cut = batch.draws.integers(codes.shape[1] - 1, len(batch)) + 1
            cut = torch.where(batch.draws.uniform(len(batch)) < self.config.mixing, cut, codes.shape[1])
            codes = torch.where((layers < cut[:, None])[..., None], codes, others)
        return generator.paint(codes, ImageDraws(latents)), codes

    def discriminator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Tell real images from sampled ones."""
        with torch.no_grad():
            fake, _ = self._sampled(batch)
        real_logits, fake_logits = (self._judge(self._seen(images, batch)) for images in (batch.images, fake))
        return {"adversarial": discriminator_loss(self.config.loss, real_logits, fake_logits)}

    def penalty_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Keep the discriminator's slope small: at real images as published, at sampled ones too in ours."""
        with torch.no_grad():
            fake, _ = self._sampled(batch)
        terms = slope_terms(self._judge, self._seen(batch.images, batch), self._seen(fake, batch),
                            weight=self.config.penalty, every=self.config.penalty_every)  # fmt: skip
        return {"r1": terms["r1"]} if self.config.loss == "logistic" else terms

    def generator_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Convince the discriminator; have patches like those of the real images."""
        fake, _ = self._sampled(batch)

        @torch.no_grad()
        def real_logits() -> Logits:
            return self._judge(self._seen(batch.images, batch))

        terms = {"adversarial": generator_loss(self.config.loss, real_logits, self._judge(self._seen(fake, batch)))}
        if self.config.patches:
            planes = self._planes(batch.given)
            beside = fake[:, :1].detach() * 0 if planes is None else planes
            distance = patch_distance(fake, batch.images, beside, batch.fields_of_view, batch.draws, together=True)
            terms["patches"] = self.config.patches * distance
        return terms

    def _reconstructed(self, images: Image) -> Image:
        return self._generator.paint(self.encode(images, Given()))

    def judging_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Stage two: tell real images from reconstructed ones."""
        with torch.no_grad():
            fake = self._reconstructed(batch.images)
        real_logits, fake_logits = (self._judge(self._seen(images, batch)) for images in (batch.images, fake))
        return {"adversarial": discriminator_loss(self.config.loss, real_logits, fake_logits)}

    def encoder_objective(self, batch: Batch) -> dict[str, Tensor]:
        """Stage two: reconstruct pixels and features convincingly; find known codes."""
        config, judge = self.config, self._judge
        made = self._reconstructed(batch.images)

        @torch.no_grad()
        def real_logits() -> Logits:
            return judge(self._seen(batch.images, batch))

        terms = {
            "pixel": config.pixel * (made - batch.images).square().mean((1, 2, 3)),
            "feature": config.feature * self.feature_distance(made, batch.images),
            "adversarial": config.adversarial
            * generator_loss(config.loss, real_logits, judge(self._seen(made, batch))),
        }
        if config.code:
            with torch.no_grad():
                sampled, codes = self._sampled(batch)
            terms["code"] = config.code * (self.encode(sampled, Given()) - codes).square().mean((1, 2))
        return terms

    def feature_distance(self, images: Image, others: Image) -> Tensor:
        """[N] how unlike the features of images are, 0 = alike: mean over maps, as parts of the features' own size."""
        whole = torch.ones(len(images), 1, *images.shape[2:], device=images.device)
        pairs = zip(self._judge.textures(images)[0], self._judge.textures(others)[0], strict=True)
        return torch.stack([content_distance(one, other, whole)[:, 0] for one, other in pairs]).mean(0)

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator says of real images."""
        return {"discriminator": self._judge(self._seen(batch.images, batch, changes=()))}

    def stages(self) -> list[Stage]:
        """The generator, then, with it frozen, the encoder."""
        config = self.config
        if config.textures != "random":
            self._judge.textures.read(read_tensors(checked_file(config.textures).path))
        penalty = self.penalty_objective if config.penalty else None
        first = adversarial_phases(self.generator_objective, self.discriminator_objective, penalty, adam=config.adam,
                                   penalty_every=config.penalty_every)  # fmt: skip
        second = adversarial_phases(self.encoder_objective, self.judging_objective, penalty, adam=config.adam,
                                    penalty_every=config.penalty_every, networks=("encoder",))  # fmt: skip
        return [
            self._stage("generator", first, config.images),
            self._stage("encoder", second, config.encoder_images),
        ]

    def _stage(self, name: str, phases: tuple[Phase, ...], images: int) -> Stage:
        config = self.config
        sources = frozenset(get_args(MaskSource)) if config.under == "masks" else frozenset()
        return Stage(name=name, phases=phases, images=images, batch_size=config.batch_size,
                     mask_sources=sources, average_images=config.average_images, cooling=config.adam.cooling,
                     transform=lambda batch: augment.warp(batch, config.warp))  # fmt: skip

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """One image a latent."""
        return Pairs(images=self._generator.paint(self.codes(latents, given), ImageDraws(latents)), masks=None)

    def codes(self, latents: Latent, given: Given) -> Latent:
        """The codes [N L D] of drawn latents."""
        return self._generator.codes(latents, self._told(given), truncation=self.config.truncation)

    def encode(self, images: Image, given: Given) -> Latent:
        """The codes [N L D] of images, as the encoder finds them."""
        return self._generator.mean_code + self.networks["encoder"](images)

    def decode(self, latents: Latent, given: Given) -> Image:
        """The images of codes [N L D], all with the same noise, so that only the codes tell them apart."""
        return self._generator.paint(latents)


METHOD = StyleInversion

"""A style generator, and an encoder that finds the codes of real images in it.

Ren, Yu and Whitney 2021 (S2) take StyleGAN (Karras et al. 2019) for mammograms and in-domain inversion (Zhu et al.
2020) to control them. Stage one trains the generator: latents become a code for every layer (W+), whose scales and
shifts are the styles; non-saturating loss with lazy R1, style mixing, averaged weights, truncation. Stage two freezes
it and trains an encoder into W+ by pixels, features and a discriminator that goes on from that of stage one.

Ours (``blocks = "residual"``): residual blocks normalised by pixel, relativistic pairing with R1 and R2 for both, bands
of equal size for the discriminator, patches like real ones, warps; the encoder also finds the codes of sampled images,
which are known, so that what it gives lies where the generator is at home.
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from synthmed.config import Settings
from synthmed.draws import ImageDraws
from synthmed.methods._adversarial import (
    Pairing,
    adversarial_phases,
    discriminator_loss,
    generator_loss,
    slope_terms,
)
from synthmed.methods._contract import Adam, Method, Phase, Stage
from synthmed.networks.layers import detail_bands, frequency_bands
from synthmed.networks.style import PublishedSynthesis, ResidualSynthesis, StyleEncoder, StyleGenerator, StyleJudge
from synthmed.networks.textures import FeatureNetwork
from synthmed.objectives import augment
from synthmed.objectives.organ_texture import content_distance
from synthmed.objectives.patch_distance import patch_distance
from synthmed.pretrained.folder import checked_file
from synthmed.pretrained.reading import read_tensors
from synthmed.shapes import Batch, Given, Image, ImageSpec, Latent, Logits, Pairs


class StyleInversionConfig(Settings):
    """Everything about the networks and their two trainings."""

    blocks: Literal["published", "residual"] = Field("published", description="As published, or ours.")
    latent_size: int = Field(512, gt=0, description="Numbers that make one image, and of each layer's code.")
    mapping: int = Field(8, gt=0, description="Dense layers between latents and codes.")
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


class StyleInversion(Method):
    """Latents -> images, and images -> codes -> images."""

    Config = StyleInversionConfig
    generator_networks = ("generator", "encoder")

    def __init__(self, config: StyleInversionConfig, spec: ImageSpec) -> None:
        self.config, self.spec, self.latent_shape = config, spec, (config.latent_size,)
        size = {"height": spec.height, "width": spec.width}
        bands = 1 + detail_bands(spec.height, spec.width) if config.detail else 1
        synthesis = (PublishedSynthesis if config.blocks == "published" else ResidualSynthesis)(
            code_size=config.latent_size, channels=spec.channels, features=config.features, cap=config.cap, **size
        )
        generator = StyleGenerator(latent_size=config.latent_size, mapping=config.mapping, synthesis=synthesis)
        encoder = StyleEncoder(
            channels=spec.channels, layers=synthesis.layers, code_size=config.latent_size,
            features=config.discriminator_features, cap=config.cap, **size,
        )  # fmt: skip
        judge = StyleJudge(channels=bands * spec.channels, features=config.discriminator_features, cap=config.cap,
                           textures=config.textures, **size)  # fmt: skip
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

    def _seen(self, images: Image, batch: Batch) -> Image:
        """What the discriminator sees: the image in changed colours, in bands of equal size."""
        changed = augment.differentiable(images, self.config.changes, batch.draws)
        return frequency_bands(changed, self.config.detail) if self.config.detail else changed

    def _sampled(self, batch: Batch) -> tuple[Image, Tensor]:
        """Images of fresh latents, the layers of some with the codes of two, and these codes."""
        generator, latents = self._generator, batch.latents(self.latent_shape)
        codes = generator.codes(latents)
        if self.config.mixing:
            others = generator.codes(batch.latents(self.latent_shape))
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
            nothing = fake[:, :1].detach() * 0
            terms["patches"] = self.config.patches * patch_distance(
                fake, batch.images, nothing, batch.fields_of_view, batch.draws
            )
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
        bands = frequency_bands(batch.images, self.config.detail) if self.config.detail else batch.images
        return {"discriminator": self._judge(bands)}

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
        return Stage(name=name, phases=phases, images=images, batch_size=config.batch_size,
                     average_images=config.average_images, cooling=config.adam.cooling,
                     transform=lambda batch: augment.warp(batch, config.warp))  # fmt: skip

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """One image a latent."""
        return Pairs(images=self._generator.paint(self.codes(latents, given), ImageDraws(latents)), masks=None)

    def codes(self, latents: Latent, given: Given) -> Latent:
        """The codes [N L D] of drawn latents."""
        return self._generator.codes(latents, truncation=self.config.truncation)

    def encode(self, images: Image, given: Given) -> Latent:
        """The codes [N L D] of images, as the encoder finds them."""
        return self._generator.mean_code + self.networks["encoder"](images)

    def decode(self, latents: Latent, given: Given) -> Image:
        """The images of codes [N L D], all with the same noise, so that only the codes tell them apart."""
        return self._generator.paint(latents)


METHOD = StyleInversion

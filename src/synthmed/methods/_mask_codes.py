"""The first stage of our dual GAN: an autoencoder of masks, whose codes the mask GAN learns to make."""

from dataclasses import replace
from functools import partial

import torch
from pydantic import Field
from torch import Tensor, nn

from synthmed.config import Settings
from synthmed.methods._contract import Adam, Phase, Stage
from synthmed.networks.mask_autoencoder import Code, MaskAutoencoder
from synthmed.objectives import augment, losses
from synthmed.shapes import Batch, ImageSpec, LabelMap, OneHot, PerSample, from_one_hot, to_one_hot


class MaskCodesConfig(Settings):
    """Everything about the autoencoder of masks and its training."""

    channels: int = Field(0, ge=0, description="Numbers a cell of the code; 0 = the mask GAN makes whole masks.")
    halvings: int = Field(4, ge=2, description="How often a mask is halved until it is a code.")
    features: int = Field(32, gt=0, multiple_of=4, description="Channels at a quarter of the resolution.")
    divergence: float = Field(2e-4, ge=0, description="Weight of the divergence of the codes from N(0, 1).")
    coverage: float = Field(
        1.0, gt=0, description="How much is marked in made masks, as a multiple of what is in the training masks."
    )
    warp: augment.Warp = Field(augment.Warp(), description="How training masks are moved.")
    images: int = Field(6_400, gt=0, description="Masks seen in training.")
    batch_size: int = Field(2, gt=0, description="Masks a step.")
    adam: Adam = Field(Adam(learning_rate=1e-3, beta2=0.99), description="Optimizer.")
    average_images: int = Field(200, ge=0, description="Half-life of the averaged weights, in images; 0 = none.")


class MaskCodes:
    """Masks <-> codes: what ``Method`` is to a generator, without latents of its own.

    Raises:
        ValueError: masks of this size cannot be halved so often.
    """

    def __init__(self, config: MaskCodesConfig, spec: ImageSpec) -> None:
        self.config, self.spec = config, spec
        times = 2**config.halvings
        if spec.height % times or spec.width % times:
            raise ValueError(f"{spec.height}x{spec.width} cannot be halved; both sides must be multiples of {times}")
        self.shape = (config.channels, spec.height // times, spec.width // times)
        self.autoencoder = MaskAutoencoder(
            mask_channels=spec.num_foreground, code=config.channels, features=config.features, halvings=config.halvings
        )
        self.networks = nn.ModuleDict({"autoencoder": self.autoencoder})

    def encode(self, batch: Batch) -> Batch:
        """The batch with what the mask GAN learns to make as its images: codes, 0 where a mask is empty."""
        with torch.no_grad():
            return replace(batch, images=self.draw(self.one_hot(batch), batch)[0] - self._empty())

    def chances(self, code: Code) -> OneHot:
        """How likely each pixel is marked."""
        return self.autoencoder.decode(code + self._empty()).sigmoid()

    def thresholds(self, chances: OneHot) -> Tensor:
        """The chances above which these masks cover, all together, as much as they should: [P 1 1]."""
        every = chances.transpose(0, 1).flatten(1).sort(1, descending=True)[0]  # [P N*H*W]
        share = (self.config.coverage * self.autoencoder.mean_coverage).clamp(0, 1)
        marked = (share * (every.shape[1] - 1)).long()
        return every.gather(1, marked[:, None])[:, :, None]

    def masks(self, chances: OneHot, thresholds: Tensor) -> LabelMap:
        """What is above its threshold, the highest plane where several are."""
        return from_one_hot((chances - thresholds + 1) / 2)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Give back each mask from a code drawn near its own."""
        one_hot = self.one_hot(batch)
        self.autoencoder.remember(one_hot)
        code, divergence = self.draw(one_hot, batch)
        error = losses.cross_entropy(self.autoencoder.decode(code), one_hot)
        return {"error": error, "divergence": self.config.divergence * divergence}

    def stages(self) -> list[Stage]:
        """One stage on masks that were made by hand."""
        config = self.config
        return [
            Stage(
                name="codes",
                phases=(Phase(networks=("autoencoder",), objective=self.objective, optimizer=config.adam.build),),
                images=config.images,
                batch_size=config.batch_size,
                mask_sources=frozenset({"manual"}),
                transform=partial(self.moved, config=config.warp),
                average_images=config.average_images,
                cooling=config.adam.cooling,
            )
        ]

    def moved(self, batch: Batch, config: augment.Warp) -> Batch:
        """The masks moved; photographs are no part of them."""
        return augment.warp(replace(batch, images=batch.images[:, :0]), config)

    def draw(self, one_hot: OneHot, batch: Batch) -> tuple[Code, PerSample]:
        """Codes drawn near those of one-hot masks, and their divergence from the prior, a cell."""
        mean, log_variance = self.autoencoder.encode(one_hot)
        noise = batch.latents((mean[0].numel(),)).view(mean.shape)
        divergence = losses.divergence_from_normal(mean.flatten(1), log_variance.flatten(1)) / mean[0, 0].numel()
        return mean + (log_variance / 2).exp() * noise, divergence

    @torch.no_grad()
    def _empty(self) -> Code:
        """The code of an empty mask, [1 Z H W]."""
        one_hot = next(self.autoencoder.parameters()).new_zeros(
            1, self.spec.num_foreground, self.spec.height, self.spec.width
        )
        return self.autoencoder.encode(one_hot)[0]

    def one_hot(self, batch: Batch) -> OneHot:
        """The masks of a batch."""
        return to_one_hot(batch.masks, self.spec.num_labels)

"""The first stage of our dual GAN: an autoencoder of masks, whose codes the mask GAN learns to make."""

from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor, nn

from synthmed import augment, losses
from synthmed.config import Settings
from synthmed.methods._contract import Adam, Phase, Stage
from synthmed.networks.layers import gaussian_blur
from synthmed.networks.mask_autoencoder import Code, MaskAutoencoder
from synthmed.shapes import Batch, ImageSpec, LabelMap, Planes, from_planes, to_planes

SPREADS = 3.0
"""Standard deviations of the prior that a made code of 1 stands for."""
SURROUNDINGS = 0.7
"""Share of the mean of its surroundings that a pixel must exceed."""
REGION = 8.0
"""Standard deviation, in pixels, of the Gaussian that says how much is marked in a region."""


class MaskCodesConfig(Settings):
    """Everything about the autoencoder of masks and its training."""

    channels: int = Field(0, ge=0, description="Numbers a cell of the code; 0 = the mask GAN makes whole masks.")
    halvings: int = Field(4, ge=2, description="How often a mask is halved until it is a code.")
    features: int = Field(32, gt=0, multiple_of=4, description="Channels at a quarter of the resolution.")
    divergence: float = Field(2e-4, ge=0, description="Weight of the divergence of the codes from N(0, 1).")
    sharpening: float = Field(1.5, ge=0, description="Pixels around a pixel whose mean it must exceed; 0 = none.")
    threshold: float = Field(0.28, gt=0, lt=1, description="By how much, where all around is sure; see the method.")
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
            planes=spec.planes, code=config.channels, features=config.features, halvings=config.halvings
        )
        self.networks = nn.ModuleDict({"autoencoder": self.autoencoder})

    def encode(self, batch: Batch) -> Batch:
        """The batch with what the mask GAN learns to make as its images: codes, all but a few in [-1, 1]."""
        with torch.no_grad():
            return replace(batch, images=self.autoencoder.encode(self._planes(batch))[0] / SPREADS)

    def decode(self, code: Code) -> LabelMap:
        """The masks of codes that the mask GAN made.

        Where the autoencoder is not sure it smears: one threshold for all leaves blobs of what is sure and nothing of
        thin vessels. So a pixel is marked that exceeds most of the mean of its own surroundings, by less where
        little is marked in the region (a local threshold in the manner of Sauvola and Pietikainen 2000). The inside
        of a large object, all around which is sure, exceeds it too.
        """
        chances = self.autoencoder.decode(code * SPREADS).sigmoid()
        if not self.config.sharpening:
            return from_planes(chances / (2 * self.config.threshold))
        excess = chances - SURROUNDINGS * gaussian_blur(chances, self.config.sharpening)
        scale = (gaussian_blur(chances, REGION) + 0.1).sqrt()
        return from_planes((excess / (2 * self.config.threshold * scale)).clamp_min(0))

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Give back each mask from a code drawn near its own."""
        planes = self._planes(batch)
        mean, log_variance = self.autoencoder.encode(planes)
        noise = batch.latents(mean[0].numel()).view(mean.shape)
        logits = self.autoencoder.decode(mean + (log_variance / 2).exp() * noise)
        divergence = losses.divergence_from_normal(mean.flatten(1), log_variance.flatten(1)) / mean[0, 0].numel()
        return {"error": losses.cross_entropy(logits, planes), "divergence": self.config.divergence * divergence}

    def stages(self) -> list[Stage]:
        """One stage on masks that were made by hand."""
        config = self.config
        return [
            Stage(
                name="codes",
                phases=(Phase(network="autoencoder", objective=self.objective, optimizer=config.adam.build),),
                images=config.images,
                batch_size=config.batch_size,
                mask_sources=frozenset({"manual"}),
                transform=lambda batch: augment.warp(replace(batch, images=batch.images[:, :0]), config.warp),
                average_images=config.average_images,
            )
        ]

    def _planes(self, batch: Batch) -> Planes:
        return to_planes(batch.masks, self.spec.num_labels)

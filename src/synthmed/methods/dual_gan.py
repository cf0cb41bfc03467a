"""Dual GAN: a first GAN makes a segmentation mask, a second one the photograph that belongs to it.

Guibas, Virdi, Li 2017 (S4). Stage one is a DCGAN on masks drawn by hand (section 6), stage two the
vessel-to-retina network on pairs (section 7), whose masks may come from a segmenter (section 3: MESSIDOR).
The printed losses of section 6 have D and 1 - D swapped; we minimise the cross-entropy that the text describes.

Ours beyond the paper, apart from what is in the files it is made of: with ``codes.channels`` above 0 an autoencoder
learns the parts of masks first, and stage one makes its codes: a grid 16 times coarser than the masks. A DCGAN
learns these from 20 masks; thin vessels at full size it does not (docs/log.md).
"""

from typing import Self

from pydantic import Field, model_validator
from torch import nn

from synthmed.config import Settings
from synthmed.draws import Draws, seed_of
from synthmed.methods._contract import Method, Stage, prefixed
from synthmed.methods._mask_codes import MaskCodes, MaskCodesConfig
from synthmed.methods._mask_drawing import MaskDrawing, MaskDrawingConfig
from synthmed.methods.dcgan import DCGAN, DCGANConfig
from synthmed.methods.pix2pix import Pix2Pix, Pix2PixConfig
from synthmed.networks.modulated import ModulatedUNet
from synthmed.shapes import Batch, Given, ImageSpec, LabelMap, Latent, Logits, Pairs

CALIBRATED = 16
"""Masks of always the same latents that say from where on a pixel is marked: no mask depends on its batch."""


class DualGANConfig(Settings):
    """The stages; each stage's settings are those of the method that it is."""

    codes: MaskCodesConfig = Field(MaskCodesConfig(), description="Before stage one: masks to codes and back.")
    mask: DCGANConfig = Field(DCGANConfig(makes="masks"), description="Stage one: masks, or their codes, from noise.")
    drawing: MaskDrawingConfig = Field(MaskDrawingConfig(), description="After it: made codes to masks, if there are.")
    photograph: Pix2PixConfig = Field(Pix2PixConfig(), description="Stage two: photographs from masks.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.photograph.sees != "mask":
            raise ValueError(
                "Setting photograph.sees is not mask; stage two sees made masks, of which there are no real edges"
            )
        if self.codes.channels and self.drawing.images and self.mask.average_images:
            raise ValueError("The drawing learns on the mask GAN as trained; that one cannot have averaged weights")
        return self


class DualGAN(Method):
    """Latents -> mask and photograph."""

    Config = DualGANConfig
    accepts = frozenset({"masks"})

    def __init__(self, config: DualGANConfig, spec: ImageSpec) -> None:
        self.config, self.spec = config, spec
        self.photograph_gan = Pix2Pix(config.photograph, spec)
        self.codes = MaskCodes(config.codes, spec) if config.codes.channels else None
        self.mask_gan = DCGAN(config.mask, spec, self.codes)
        self.drawing: MaskDrawing | None = None
        if self.codes and config.drawing.images:
            self.drawing = MaskDrawing(config.drawing, self.codes, self.mask_gan)
        self.parts: dict[str, MaskCodes | DCGAN | MaskDrawing | Pix2Pix] = {
            **({"codes_": self.codes} if self.codes else {}),
            "mask_": self.mask_gan,
            **({"drawing_": self.drawing} if self.drawing else {}),
            "photograph_": self.photograph_gan,
        }
        self.latent_shape = (sum(self._latent_sizes),)
        self.generator_networks = (
            *(["codes_autoencoder"] if self.codes else []), "mask_generator", "photograph_generator",
        )  # fmt: skip
        self.networks = nn.ModuleDict(
            {prefix + name: network for prefix, part in self.parts.items() for name, network in part.networks.items()}
        )

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator of each stage says of real masks and photographs."""
        said = {"photograph_": self.photograph_gan.discriminate(batch)}
        said["mask_"] = self.mask_gan.discriminate(self.codes.encode(batch) if self.codes else batch)
        if self.drawing:
            said["drawing_"] = self.drawing.discriminate(batch)
        return {prefix + name: logits for prefix, part in said.items() for name, logits in part.items()}

    def stages(self) -> list[Stage]:
        """The codes, if there are any, then the masks, the drawing of made codes, then the photographs."""
        stages: list[Stage] = []
        for prefix, part in self.parts.items():
            if isinstance(part, MaskDrawing):
                stages += part.stages(autoencoder="codes_autoencoder", discriminator="drawing_discriminator")
            else:
                stages += [prefixed(stage, prefix) for stage in part.stages()]
        return stages

    def generate(self, latents: Latent, given: Given) -> Pairs:
        """A mask from the first latents, its photograph from the last; given masks take the place of the first."""
        own, photograph = latents.split(self._latent_sizes, dim=1)
        masks = self._masks(own) if given.masks is None else given.masks
        return self.photograph_gan.generate(photograph, Given(masks=masks))

    @property
    def _latent_sizes(self) -> list[int]:
        """Numbers of the mask, numbers of the photograph."""
        return [*self.mask_gan.latent_shape, *self.photograph_gan.latent_shape]

    def _masks(self, latents: Latent) -> LabelMap:
        if not self.codes:
            masks = self.mask_gan.generate(latents, Given()).masks
            assert masks is not None
            return masks
        make = self.networks["mask_generator"]
        usual = Draws(seed_of("calibration"), latents.device).normal(CALIBRATED, latents.shape[1])
        thresholds = self.codes.thresholds(self.codes.chances(make(usual)))
        masks = self.codes.masks(self.codes.chances(make(latents)), thresholds)
        photograph = self.networks["photograph_generator"]
        if isinstance(photograph, ModulatedUNet):  # nothing is marked where nothing is seen
            masks = masks * photograph.usual_field[:, 0].to(masks)
        return masks


METHOD = DualGAN

"""Dual GAN: a first GAN makes a segmentation mask, a second one the photograph that belongs to it.

Guibas, Virdi, Li 2017 (S4). Stage one is a DCGAN on masks drawn by hand (section 6), stage two the
vessel-to-retina network on pairs (section 7), whose masks may come from a segmenter (section 3: MESSIDOR).
The printed losses of section 6 have D and 1 - D swapped; we minimise the cross-entropy that the text describes.

Ours beyond the paper is in the two files it is made of.
"""

from pydantic import Field
from torch import nn

from synthmed.config import Settings
from synthmed.methods._contract import Method, Stage, prefixed
from synthmed.methods.dcgan import DCGAN, DCGANConfig
from synthmed.methods.pix2pix import Pix2Pix, Pix2PixConfig
from synthmed.shapes import ImageSpec, LabelMap, Latent, Pairs


class DualGANConfig(Settings):
    """The two stages; each stage's settings are those of the method that it is."""

    mask: DCGANConfig = Field(DCGANConfig(makes="masks"), description="Stage one: masks from noise.")
    photograph: Pix2PixConfig = Field(Pix2PixConfig(), description="Stage two: photographs from masks.")


class DualGAN(Method):
    """Latents -> mask and photograph."""

    Config = DualGANConfig
    condition = "nothing"
    generator_networks = ("mask_generator", "photograph_generator")

    def __init__(self, config: DualGANConfig, spec: ImageSpec) -> None:
        self.config = config
        self.mask_gan = DCGAN(config.mask, spec)
        self.photograph_gan = Pix2Pix(config.photograph, spec)
        self.latent_size = self.mask_gan.latent_size + self.photograph_gan.latent_size
        parts = {"mask_": self.mask_gan, "photograph_": self.photograph_gan}
        self.networks = nn.ModuleDict(
            {prefix + name: network for prefix, part in parts.items() for name, network in part.networks.items()}
        )

    def stages(self) -> list[Stage]:
        """First the masks, then the photographs."""
        return [
            *(prefixed(stage, "mask_") for stage in self.mask_gan.stages()),
            *(prefixed(stage, "photograph_") for stage in self.photograph_gan.stages()),
        ]

    def generate(self, latents: Latent, masks: LabelMap | None = None) -> Pairs:
        """A mask from the first latents and its photograph from the rest; given masks take the place of the first."""
        if masks is None:
            masks = self.mask_gan.generate(latents[:, : self.mask_gan.latent_size]).masks
        return self.photograph_gan.generate(latents[:, self.mask_gan.latent_size :], masks)


METHOD = DualGAN

"""Dual GAN: a first GAN makes a segmentation mask, a second one the photograph that belongs to it.

Guibas, Virdi, Li 2017 (S4). Stage one is a DCGAN on masks drawn by hand (section 6), stage two the
vessel-to-retina network on pairs (section 7), whose masks may come from a segmenter (section 3: MESSIDOR).
The printed losses of section 6 have D and 1 - D swapped; we minimise the cross-entropy that the text describes.

Ours beyond the paper, apart from what is in the two files it is made of: with ``mask.reduction`` above 1 stage
one makes the mask small, as shares of covered area, and a further translation makes it full size and sharp. A
DCGAN learns a small smooth map from 20 masks; thin vessels at full size it does not (docs/log.md).
"""

from dataclasses import replace

from pydantic import Field
from torch import nn

from synthmed import augment
from synthmed.config import Settings
from synthmed.methods._contract import Method, Stage, prefixed
from synthmed.methods.dcgan import DCGAN, DCGANConfig, enlarge, reduce
from synthmed.methods.pix2pix import Pix2Pix, Pix2PixConfig
from synthmed.networks.modulated import ModulatedUNet
from synthmed.shapes import Batch, Image, ImageSpec, LabelMap, Latent, Logits, Pairs, Planes, from_planes, to_planes


class DualGANConfig(Settings):
    """The stages; each stage's settings are those of the method that it is."""

    mask: DCGANConfig = Field(DCGANConfig(makes="masks"), description="Stage one: masks from noise.")
    refiner: Pix2PixConfig = Field(
        Pix2PixConfig(masks="manual"),
        description="Small masks to full size; used if mask.reduction is above 1.",
    )
    photograph: Pix2PixConfig = Field(Pix2PixConfig(), description="Stage two: photographs from masks.")


class DualGAN(Method):
    """Latents -> mask and photograph."""

    Config = DualGANConfig
    condition = "masks or nothing"

    def __init__(self, config: DualGANConfig, spec: ImageSpec) -> None:
        self.config, self.spec = config, spec
        self.mask_gan = DCGAN(config.mask, spec)
        self.photograph_gan = Pix2Pix(config.photograph, spec)
        self.parts: dict[str, DCGAN | Pix2Pix] = {"mask_": self.mask_gan}
        if config.mask.reduction > 1:
            mask_spec = replace(spec, channels=spec.planes)
            self.refiner = Pix2Pix(config.refiner, mask_spec, self._small_and_full_masks)
            self.parts["refiner_"] = self.refiner
        self.parts["photograph_"] = self.photograph_gan
        self.latent_size = sum(part.latent_size for part in self.parts.values())
        self.generator_networks = tuple(f"{prefix}generator" for prefix in self.parts)
        self.networks = nn.ModuleDict(
            {prefix + name: network for prefix, part in self.parts.items() for name, network in part.networks.items()}
        )

    def _small_and_full_masks(self, batch: Batch) -> tuple[Planes, Image]:
        """What the refiner learns: planes that were made small and large again, and the planes themselves."""
        planes = to_planes(batch.masks, self.spec.num_labels)
        times = self.config.mask.reduction
        return enlarge(reduce(planes, times), times), planes * 2 - 1

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """What the discriminator of each stage says of real masks and photographs."""
        return {
            prefix + name: logits
            for prefix, part in self.parts.items()
            for name, logits in part.discriminate(batch).items()
        }

    def stages(self) -> list[Stage]:
        """The masks, if they are small their refinement, then the photographs."""
        stages = [prefixed(stage, prefix) for prefix, part in self.parts.items() for stage in part.stages()]
        return [
            replace(stage, transform=self._masks_only) if stage.name.startswith("refiner_") else stage
            for stage in stages
        ]

    def _masks_only(self, batch: Batch) -> Batch:
        return augment.warp(replace(batch, images=batch.images[:, :0]), self.config.refiner.warp)

    def generate(self, latents: Latent, masks: LabelMap | None = None) -> Pairs:
        """A mask from the first latents, its photograph from the last; given masks take the place of the first."""
        own = dict(
            zip(
                self.parts,
                latents.split([part.latent_size for part in self.parts.values()], dim=1),
                strict=True,
            )
        )
        if masks is None:
            masks = self._masks(own)
        return self.photograph_gan.generate(own["photograph_"], masks)

    def _masks(self, latents: dict[str, Latent]) -> LabelMap:
        if "refiner_" not in self.parts:
            return self.mask_gan.generate(latents["mask_"]).masks
        small = (self.networks["mask_generator"](latents["mask_"]) + 1) / 2
        refiner = self.networks["refiner_generator"]
        full = refiner(enlarge(small, self.config.mask.reduction), latents["refiner_"])
        if isinstance(refiner, ModulatedUNet):
            full = (full + 1) * refiner.usual_field - 1  # nothing is marked where nothing is seen
        return from_planes((full + 1) / 2)


METHOD = DualGAN

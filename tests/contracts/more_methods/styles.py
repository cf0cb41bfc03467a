"""A toy with style images: inside the mask the style's mean inside its own map, outside black."""

import torch
from torch import nn
from toy_settings import ToyConfig, learned

from synthmed.methods._contract import Method
from synthmed.shapes import Pairs


class Styles(Method):
    Config = ToyConfig
    needs = frozenset({"masks", "styles"})
    generator_networks = ("gain",)

    def __init__(self, config, spec):
        self.config, self.spec, self.latent_shape = config, spec, (2,)
        gain = nn.Module()
        gain.value = nn.Parameter(torch.ones(1))
        self.networks = nn.ModuleDict({"gain": gain})

    def images_of(self, given):
        inside = (given.styles.masks > 0)[:, None].float()
        tone = (given.styles.images * inside).sum((2, 3)) / inside.sum((2, 3)).clamp_min(1)
        shape = (given.masks > 0)[:, None].float()
        return shape * self.networks["gain"].value * tone[:, :, None, None] + shape - 1

    def objective(self, batch):
        assert batch.given.styles is not None and len(batch.rows) == len(batch)
        return {"distance": (self.images_of(self.given(batch)) - batch.images).square().flatten(1).mean(1)}

    def stages(self):
        return learned(self.config, ("gain",), self.objective, mask_sources=frozenset({"manual"}))

    def generate(self, latents, given):
        moved = self.images_of(given) + 0.01 * latents[:, :1, None, None]
        return Pairs(images=moved.clamp(-1, 1), masks=given.masks)


METHOD = Styles

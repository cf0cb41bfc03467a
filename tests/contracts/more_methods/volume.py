"""A toy whose images have a third axis: the mean volume under a mask, shifted by the latents."""

import torch
from torch import nn
from toy_settings import ToyConfig, learned

from synthmed.methods._contract import Method
from synthmed.shapes import Pairs, to_one_hot


class Volume(Method):
    Config = ToyConfig
    needs = frozenset({"masks"})
    generator_networks = ("mean",)

    def __init__(self, config, spec):
        self.config, self.spec, self.latent_shape = config, spec, (2,)
        self.networks = nn.ModuleDict({"mean": nn.Conv3d(spec.num_foreground, spec.channels, 3, padding=1)})

    def images_of(self, given):
        return self.networks["mean"](to_one_hot(given.masks, self.spec.num_labels))

    def objective(self, batch):
        return {"distance": (self.images_of(self.given(batch)) - batch.images).square().flatten(1).mean(1)}

    def stages(self):
        return learned(self.config, ("mean",), self.objective, mask_sources=frozenset({"manual"}))

    def generate(self, latents, given):
        shift = 0.1 * latents[:, :1].view(-1, *[1] * (1 + len(self.spec.size)))
        return Pairs(images=torch.tanh(self.images_of(given) + shift), masks=given.masks)


METHOD = Volume

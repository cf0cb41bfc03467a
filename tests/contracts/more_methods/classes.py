"""A toy with classes: the mean image of each class, shifted by the latents."""

import torch
from torch import nn
from toy_settings import ToyConfig, learned

from synthmed.methods._contract import Method
from synthmed.shapes import Pairs


class Classes(Method):
    Config = ToyConfig
    needs = frozenset({"labels"})
    generator_networks = ("means",)

    def __init__(self, config, spec):
        if not spec.classes:
            raise ValueError("The images have no classes; this recipe learns classes")
        self.config, self.spec, self.latent_shape = config, spec, (2,)
        means = nn.Embedding(len(spec.classes), spec.channels * spec.height * spec.width)
        nn.init.zeros_(means.weight)
        self.networks = nn.ModuleDict({"means": means})

    def images_of(self, given):
        return self.networks["means"](given.labels).view(-1, self.spec.channels, *self.spec.size)

    def objective(self, batch):
        return {"distance": (self.images_of(self.given(batch)) - batch.images).square().flatten(1).mean(1)}

    def stages(self):
        return learned(self.config, ("means",), self.objective)

    def generate(self, latents, given):
        return Pairs(images=torch.tanh(self.images_of(given) + 0.1 * latents[:, :1, None, None]))


METHOD = Classes

"""A toy with an encoder: two linear networks that learn together in one phase."""

from torch import nn
from toy_settings import ToyConfig, learned

from synthmed.methods._contract import Method
from synthmed.shapes import Pairs


class Autoencoder(Method):
    Config = ToyConfig
    generator_networks = ("encoder", "decoder")

    def __init__(self, config, spec):
        self.config, self.spec, self.latent_shape = config, spec, (3, 4)  # as W+: a row for each layer
        pixels = spec.channels * spec.height * spec.width
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 12), nn.Unflatten(1, (3, 4)))
        decoder = nn.Sequential(
            nn.Flatten(), nn.Linear(12, pixels), nn.Tanh(), nn.Unflatten(1, (spec.channels, *spec.size))
        )
        self.networks = nn.ModuleDict({"encoder": encoder, "decoder": decoder})

    def encode(self, images, given):
        return self.networks["encoder"](images)

    def decode(self, latents, given):
        return self.networks["decoder"](latents)

    def objective(self, batch):
        again = self.decode(self.encode(batch.images, batch.given), batch.given)
        return {"distance": (again - batch.images).square().flatten(1).mean(1)}

    def stages(self):
        return learned(self.config, ("encoder", "decoder"), self.objective, rate=0.001)

    def generate(self, latents, given):
        return Pairs(images=self.decode(latents, given))


METHOD = Autoencoder

"""A fixed network whose feature maps tell textures and contents apart, for losses: nothing in it learns."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.networks.squeezenet import SqueezeNet
from synthmed.networks.vgg import Vgg
from synthmed.shapes import Image

FeatureNetwork = Literal["random", "squeezenet", "vgg16", "vgg19"]
"""What textures are compared by: a small network with fixed random weights, or one of ImageNet from a file."""
_LAYERS = {"vgg16": (1, 6, 11, 18, 25, 22), "vgg19": (1, 6, 11, 20, 29, 22)}
"""relu1_1, relu2_1, relu3_1, relu4_1, relu5_1; for content relu4_3 of VGG-16 and relu4_2 of VGG-19."""
_YARDSTICK = (1, 1, 64, 64)


class TextureNetwork(nn.Module):
    """Feature maps for textures [N C h w] of five depths, and for content. Nothing learns: its weights are buffers.

    Args:
        name: "random" draws its weights from a fixed seed; those of the others are read.
    """

    def __init__(self, name: FeatureNetwork) -> None:
        super().__init__()
        self.body: Vgg | SqueezeNet | nn.Sequential
        self.name = name
        if name in ("vgg16", "vgg19"):
            self.body = Vgg(16 if name == "vgg16" else 19, dense=False)
        elif name == "squeezenet":
            self.body = SqueezeNet()
        else:
            layers = [nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise((1, 16, 32, 48, 64, 64))]
            generator = torch.Generator().manual_seed(0)
            with torch.no_grad():
                for layer in layers:
                    spread = (2 / layer.weight[0].numel()) ** 0.5
                    layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * spread)
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
            self.body = nn.Sequential(*layers)
        for part in self.body.modules():
            for key, weight in list(part.named_parameters(recurse=False)):
                delattr(part, key)
                part.register_buffer(key, weight.detach())

    def read(self, weights: dict[str, Tensor]) -> None:
        """Take the convolutions' weights from those of a published file."""
        own = self.body.state_dict()
        self.body.load_state_dict({name: weights[name].to(own[name]) for name in own})

    def forward(self, images: Image) -> tuple[list[Tensor], Tensor]:
        """Images [N C H W] in [-1, 1] -> maps of textures, coarser and coarser, and a map of content."""
        if isinstance(self.body, nn.Sequential):
            maps, found = images.mean(1, keepdim=True), []
            for number, layer in enumerate(self.body):
                maps = functional.relu(layer(functional.avg_pool2d(maps, 2) if number else maps))
                found.append(maps)
            return found, found[3]
        colours = images if images.shape[1] == 3 else images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        shares = (colours + 1) / 2
        if isinstance(self.body, Vgg):
            mean, spread = shares.new_tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
            *found, content = self.body.maps((shares - mean) / spread, _LAYERS[self.name])
            return found, content
        found = self.body.maps(shares.flip(1) * 255 - shares.new_tensor([104.0, 117.0, 123.0])[:, None, None])
        return found, found[3]

    def embed(self, images: Image) -> Tensor:
        """Images [N C H W] in [-1, 1] -> features [N D], whose Euclidean distance says how unlike two images look.

        The maps of all depths, each counting the same: it is divided by its size on a fixed image of noise, and by its
        own length. Of VGG-16 conv4_3 alone, as published.
        """
        noise = torch.rand(_YARDSTICK, generator=torch.Generator().manual_seed(0)).to(images) * 2 - 1
        with torch.no_grad():
            sizes = [maps.square().mean().sqrt() for maps in self._compared(noise)]
        maps = self._compared(images)
        return torch.cat([
            one.flatten(1) / (size * (one[0].numel() * len(maps)) ** 0.5) for one, size in zip(maps, sizes, strict=True)
        ], dim=1)  # fmt: skip

    def _compared(self, images: Image) -> list[Tensor]:
        maps, content = self(images)
        return [content] if self.name == "vgg16" else maps

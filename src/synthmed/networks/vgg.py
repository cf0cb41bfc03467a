"""VGG-16 and VGG-19 (Simonyan and Zisserman 2014), with the names of torchvision's weight files."""

from typing import Literal

import torch
from torch import Tensor, nn

_STAGES = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class Vgg(nn.Module):
    """The convolutions, and the two dense layers before the classes.

    Args:
        depth: 16 or 19 layers with weights.
        dense: whether the dense layers are there; without them the network gives the means of its last maps.
    """

    def __init__(self, depth: Literal[16, 19] = 16, *, dense: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width, count in zip(_WIDTHS, _STAGES[depth], strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            *(
                [nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()]
                if dense
                else []
            )
        )

    def forward(self, images: Tensor) -> Tensor:
        """[N 3 H W], standardized -> [N 4096] of the second dense layer after its ReLU, or [N 512] without."""
        maps = self.features(images)  # [N 512 H/32 W/32]
        if len(self.classifier) == 0:
            return maps.mean((2, 3))
        return self.classifier(nn.functional.adaptive_avg_pool2d(maps, 7).flatten(1))

    def maps(self, images: Tensor, layers: tuple[int, ...]) -> list[Tensor]:
        """The outputs of some of ``features``, by index: 22 is the ReLU of conv4_3 in VGG-16."""
        found: dict[int, Tensor] = {}
        for index, layer in enumerate(list(self.features)[: max(layers) + 1]):
            images = layer(images)
            if index in layers:
                found[index] = images
        return [found[index] for index in layers]


def random_vgg(seed: int = 0, features: int = 64) -> nn.Module:
    """VGG-16 whose weights are drawn and fixed: no file is needed (Naeem et al. 2020).

    Convolutions are drawn from N(0, 2 / fan-in) (He et al. 2015), which keeps the size of features through ReLUs; a
    last dense layer from N(0, 1 / fan-in) reduces the means of the last maps to ``features`` numbers. The draws are
    made on the CPU by one generator: the same seed gives the same network everywhere.
    """
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(Vgg(16, dense=False), nn.Linear(512, features, bias=False))
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                fan_in = layer.weight[0].numel()
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * (2 / fan_in) ** 0.5)
                layer.bias.zero_()  # type: ignore[union-attr]
            elif isinstance(layer, nn.Linear):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 512**-0.5)
    return network

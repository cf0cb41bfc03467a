"""Residual blocks that several networks share: features scaled and shifted by numbers, doubled and halved."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthmed.draws import ImageDraws
from synthmed.networks.layers import PixelNorm, Upsample, white_noise


class Modulation(nn.Module):
    """Normalise every pixel, scale and shift by latents and embedding, add noise, leak."""

    def __init__(self, channels: int, numbers: int, noise: float = 0.1) -> None:
        super().__init__()
        self.normalise = PixelNorm()
        self.modulate = nn.Linear(numbers, 2 * channels)
        self.noise_strength = nn.Parameter(torch.full((channels, 1, 1), noise))

    def forward(self, features: Tensor, numbers: Tensor, draws: ImageDraws) -> Tensor:
        """[N C H W] and numbers [N M] -> [N C H W]."""
        scale, shift = self.modulate(numbers)[:, :, None, None].chunk(2, dim=1)
        features = self.normalise(features) * (1 + scale) + shift
        return functional.leaky_relu(features + self.noise_strength * white_noise(features[:, :1], draws), 0.2)


class GrowingBlock(nn.Module):
    """A modulated convolution, up, another one; beside them a straight way."""

    def __init__(self, before: int, after: int, numbers: int) -> None:
        super().__init__()
        self.resize = Upsample()
        self.straight = nn.Conv2d(before, after, 1, bias=False)
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.modulate_first, self.modulate_second = Modulation(after, numbers), Modulation(after, numbers)

    def forward(self, features: Tensor, first: Tensor, second: Tensor, draws: ImageDraws) -> Tensor:
        """[N C H W] and the numbers [N M] that each convolution hears -> [N C' 2H 2W]."""
        inner = self.modulate_first(self.first(features), first, draws)
        both = self.resize(torch.cat([inner, self.straight(features)], dim=1))  # [N 2C' 2H 2W]
        inner, straight = both.chunk(2, dim=1)
        inner = self.modulate_second(self.second(inner), second, draws)
        return (straight + inner) * 0.5**0.5


class ShrinkingBlock(nn.Module):
    """Two convolutions and a mean beside a straight way."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, before, 3, padding=1)
        self.second = nn.Conv2d(before, after, 3, padding=1)
        self.straight = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """[N C H W] -> [N C' H/2 W/2]."""
        inner = self.first(functional.leaky_relu(features, 0.2))
        inner = self.second(functional.avg_pool2d(functional.leaky_relu(inner, 0.2), 2))  # [N C' H/2 W/2]
        return (self.straight(functional.avg_pool2d(features, 2)) + inner) * 0.5**0.5

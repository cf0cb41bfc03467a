"""The vision transformer of DINOv2 (Oquab et al. 2023), with the names of its published weight files."""

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZES = {"small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
"""Name -> width, blocks, heads."""

_PATCH = 14
_TRAINED = 37  # positions were trained on 518 / 14 = 37 patches a side
_OFFSET = 0.1  # added to the number of patches before the scale is taken, as in the published code


class Scale(nn.Module):
    """One learned factor a channel (LayerScale)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """[N T W] -> [N T W]."""
        return tokens * self.gamma


class Attention(nn.Module):
    """Every token looks at every other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N T W] -> [N T W]."""
        n, t, w = tokens.shape
        query, key, value = self.qkv(tokens).reshape(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)  # [N heads T W/heads]
        return self.proj(seen.transpose(1, 2).reshape(n, t, w))


class Mlp(nn.Module):
    """Two dense layers on each token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N T W] -> [N T W]."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """Attention and dense layers, each normalized before and scaled after."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N T W] -> [N T W]."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        return tokens + self.ls2(self.mlp(self.norm2(tokens)))


class PatchEmbedding(nn.Module):
    """One token for each patch of 14 x 14 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, _PATCH, _PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """[N 3 H W] -> [N W H/14 W/14]."""
        return self.proj(images)


class VisionTransformer(nn.Module):
    """DINOv2 without registers.

    Args:
        size: "small", "base" or "large".
    """

    def __init__(self, size: str = "small") -> None:
        super().__init__()
        width, blocks, heads = SIZES[size]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + _TRAINED**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of the training only; part of the file
        self.patch_embed = PatchEmbedding(width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """[N 3 H W], sides multiples of 14, standardized -> [N W], the class token after the last norm."""
        maps = self.patch_embed(images)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), maps.flatten(2).transpose(1, 2)], 1)
        tokens = tokens + self._positions(maps.shape[2], maps.shape[3])
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)[:, 0]

    def _positions(self, rows: int, columns: int) -> Tensor:
        """The positions [1 1+rows*columns W], interpolated from those of the training."""
        if (rows, columns) == (_TRAINED, _TRAINED):
            return self.pos_embed
        width = self.pos_embed.shape[2]
        grid = self.pos_embed[:, 1:].reshape(1, _TRAINED, _TRAINED, width).permute(0, 3, 1, 2)
        scale = ((rows + _OFFSET) / _TRAINED, (columns + _OFFSET) / _TRAINED)
        grid = functional.interpolate(grid, scale_factor=scale, mode="bicubic")
        assert grid.shape[2:] == (rows, columns), "the interpolated positions are not those of the image"
        return torch.cat([self.pos_embed[:, :1], grid.permute(0, 2, 3, 1).reshape(1, rows * columns, width)], 1)

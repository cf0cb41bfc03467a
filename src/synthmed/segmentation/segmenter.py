"""A U-Net that finds masks in images: it judges synthetic pairs, and gives unlabelled images their masks.

Guibas, Virdi and Li (2017) train a U-Net (Ronneberger et al. 2015) on 50 synthetic pairs and test it on real
images (section 8), and they take the masks of unlabelled photographs from a segmentation network (section 3).
The paper gives no setting of either; ours are in `SegmenterConfig`. The network and the loss are MONAI's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from synthmed.devices import find_device
from synthmed.errors import DataError, TrainingError
from synthmed.progress import Progress, silence
from synthmed.shapes import Image

SMALLEST_SIDE = 32
"""The network halves a side four times, and instance normalization needs more than one pixel then."""


class SegmenterConfig(BaseModel):
    """How a segmentation network is trained; the same for every arm of a comparison."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    width: int = Field(default=16, ge=4)
    """Channels of the first level; the five levels have w, w, 2w, 4w, 8w, and the output level w."""
    steps: int = Field(default=300, ge=1)
    """Optimizer updates."""
    batch_size: int = Field(default=4, ge=1)
    """Images of one update."""
    crop: int = Field(default=128, ge=0)
    """Side in pixels of the random square that training sees of an image; 0 = the whole image."""
    learning_rate: float = Field(default=8e-3, gt=0)
    """Peak of the learning rate; it rises over the first tenth of the steps and falls to zero (one cycle)."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """AdamW's decoupled weight decay."""
    contrast: float = Field(default=0.2, ge=0, lt=1)
    """Each channel's contrast is multiplied by a factor between 1 - this and 1 + this."""
    brightness: float = Field(default=0.2, ge=0)
    """Each channel is shifted by up to this much of the range [-1, 1]."""
    gamma: float = Field(default=0.2, ge=0, lt=1)
    """An image's gamma lies between 1 - this and 1 + this."""
    flips: bool = True
    """Whether images and masks are flipped and rotated by quarter turns at random."""


@dataclass(frozen=True, kw_only=True)
class _Jitter:
    """What was drawn for one batch; all tensors on the CPU.

    Args:
        rows, columns: upper left corner of each crop, [N].
        turns: quarter turns of the batch, 0..3.
        flip: whether the batch is mirrored.
        contrast, brightness: one factor and one shift a channel, [N C 1 1].
        gamma: one exponent an image, [N 1 1 1].
    """

    rows: Tensor
    columns: Tensor
    turns: int
    flip: bool
    contrast: Tensor
    brightness: Tensor
    gamma: Tensor


def train_segmenter(
    images: NDArray[np.integer],
    masks: NDArray[np.uint8],
    config: SegmenterConfig,
    seed: int,
    *,
    weights: NDArray[np.floating] | None = None,
    device: str = "cpu",
    progress: Progress = silence,
) -> nn.Module:
    """Train a U-Net to tell foreground (any label above 0) from background.

    On the CPU the same arguments give the same weights; no global random state is read or changed.

    Args:
        images: [N C H W] stored pixels, uint8 or uint16.
        masks: [N H W] uint8, 0 = background.
        config: the settings.
        seed: source of all randomness: first weights, order, crops, jitter.
        weights: [N] how often an image is drawn, relative to the others; None = equally often.
        device: where to train.
        progress: hears of each step, with its loss.

    Returns:
        The network in evaluation mode: Image [-1, 1] -> logits [N 1 H W] of foreground.

    Raises:
        DataError: no images, unlike shapes, or sides under 32 pixels.
        TrainingError: the loss is not finite.

    Example:
        >>> pixels = np.zeros((2, 1, 32, 32), np.uint8)
        >>> config = SegmenterConfig(width=4, steps=1, batch_size=2, crop=0)
        >>> network = train_segmenter(pixels, pixels[:, 0], config, seed=0)
        >>> predict_masks(network, pixels).shape
        (2, 32, 32)
    """
    from monai.losses import DiceCELoss

    _check(images, masks)
    generator = torch.Generator().manual_seed(seed)
    where = find_device(device)
    network = _new_network(images.shape[1], config, seed).to(where)
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _one_cycle(step, config.steps))
    dice_and_cross_entropy = DiceCELoss(sigmoid=True, batch=True)
    chances = torch.ones(len(images)) if weights is None else torch.from_numpy(np.asarray(weights, np.float32))

    network.train()
    for step in range(1, config.steps + 1):
        chosen = torch.multinomial(chances, config.batch_size, replacement=True, generator=generator).numpy()
        pixels, truth = _unit_range(images[chosen]), torch.from_numpy(masks[chosen] > 0).float()[:, None]
        pixels, truth = _apply(_draw(pixels, config, generator), pixels, truth, _crop_sides(images, config))
        logits = network(pixels.to(where))
        loss = dice_and_cross_entropy(logits, truth.to(where))  # 1 - Dice + binary cross-entropy
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The segmenter's loss is {loss.item()} at step {step}; expected a finite number. "
                "Lower its learning rate."
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step, config.steps, numbers={"loss": loss.item()})
    return network.eval()


@torch.inference_mode()
def predict_masks(segmenter: nn.Module, images: NDArray[np.integer], *, batch_size: int = 4) -> NDArray[np.float32]:
    """The probability of foreground of every pixel.

    Args:
        segmenter: what `train_segmenter` returned.
        images: [N C H W] stored pixels, uint8 or uint16, of the kind it was trained on.
        batch_size: images at a time; it does not change the result.

    Returns:
        [N H W] in [0, 1].
    """
    device = next(segmenter.parameters()).device
    probabilities = np.empty((len(images), *images.shape[2:]), np.float32)
    for first in range(0, len(images), batch_size):
        part = slice(first, first + batch_size)
        logits = segmenter(_unit_range(images[part]).to(device))
        probabilities[part] = logits[:, 0].sigmoid().cpu().numpy()
    return probabilities


def describe(config: SegmenterConfig) -> dict[str, Any]:
    """The settings as JSON values, with the network and loss that they belong to."""
    return {"network": "monai BasicUNet", "loss": "Dice + cross-entropy", **config.model_dump()}


def _check(images: NDArray[np.integer], masks: NDArray[np.uint8]) -> None:
    if len(images) == 0 or images.shape[:1] + images.shape[2:] != masks.shape:
        raise DataError(
            f"Found images of shape {list(images.shape)} and masks of shape {list(masks.shape)}; expected "
            "[N C H W] and [N H W] of the same N, H and W, N at least 1. Give one mask an image."
        )
    if min(images.shape[2:]) < SMALLEST_SIDE:
        raise DataError(
            f"Found images of {images.shape[2]} x {images.shape[3]} pixels; the segmentation network needs "
            f"sides of at least {SMALLEST_SIDE}. Prepare the data set at a larger size."
        )


def _new_network(channels: int, config: SegmenterConfig, seed: int) -> nn.Module:
    from monai.networks.nets import BasicUNet

    w = config.width
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Instance normalization: an image's own colours matter less, and one image's result never depends
        # on the others of its batch.
        return BasicUNet(spatial_dims=2, in_channels=channels, out_channels=1, features=(w, w, 2 * w, 4 * w, 8 * w, w))


def _one_cycle(step: int, steps: int) -> float:
    warm_up = max(1, steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm_up) / max(1, steps - warm_up))))


def _unit_range(images: NDArray[np.integer]) -> Image:
    from synthmed.data.intensity import to_unit_range

    return to_unit_range(images)


def _crop_sides(images: NDArray[np.integer], config: SegmenterConfig) -> tuple[int, int]:
    height, width = images.shape[2:]
    return (min(config.crop, height), min(config.crop, width)) if config.crop else (height, width)


def _draw(pixels: Tensor, config: SegmenterConfig, generator: torch.Generator) -> _Jitter:
    n, channels, height, width = pixels.shape
    side = config.crop or max(height, width)

    def uniform(spread: float, *shape: int) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) * spread

    return _Jitter(
        rows=torch.randint(0, max(1, height - side + 1), (n,), generator=generator),
        columns=torch.randint(0, max(1, width - side + 1), (n,), generator=generator),
        # One turn for the whole batch: a quarter turn swaps the sides, and a batch needs one shape.
        turns=int(torch.randint(0, 4, (), generator=generator)) if config.flips else 0,
        flip=bool(torch.randint(0, 2, (), generator=generator)) and config.flips,
        contrast=1 + uniform(config.contrast, n, channels, 1, 1),
        brightness=uniform(config.brightness, n, channels, 1, 1),
        gamma=1 + uniform(config.gamma, n, 1, 1, 1),
    )


def _apply(jitter: _Jitter, pixels: Tensor, truth: Tensor, sides: tuple[int, int]) -> tuple[Tensor, Tensor]:
    height, width = sides
    corners = list(zip(jitter.rows.tolist(), jitter.columns.tolist(), strict=True))

    def cut(tensor: Tensor) -> Tensor:
        parts = [t[:, y : y + height, x : x + width] for t, (y, x) in zip(tensor, corners, strict=True)]
        turned = torch.rot90(torch.stack(parts), jitter.turns, (2, 3))
        return turned.flip(3) if jitter.flip else turned

    pixels, truth = cut(pixels), cut(truth)
    pixels = ((pixels + 1) / 2) ** jitter.gamma * 2 - 1  # gamma acts on [0, 1]
    return pixels * jitter.contrast + jitter.brightness, truth

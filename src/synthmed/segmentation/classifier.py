"""A small network that tells classes of images: it judges whether synthetic images of classes are of use.

Haarburger et al. (2019) leave the influence of their patches on a lesion classifier to later work. The network is
MONAI's; every arm of a comparison is trained alike.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.nn import functional

from synthmed.data.intensity import to_unit_range
from synthmed.errors import DataError, TrainingError
from synthmed.running.devices import find_device
from synthmed.running.progress import Progress, silence
from synthmed.shapes import Image

SMALLEST_SIDE = 16
"""The network halves a side four times."""


class ClassifierConfig(BaseModel):
    """How a classifier is trained; the same for every arm of a comparison."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    width: int = Field(default=8, ge=2)
    """Channels of the first of four levels; each coarser one has twice as many."""
    steps: int = Field(default=300, ge=1)
    """Optimizer updates."""
    batch_size: int = Field(default=16, ge=2)
    """Images of one update."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Peak of the learning rate; it rises over the first tenth of the steps and falls to zero (one cycle)."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's decoupled weight decay."""
    shift: float = Field(default=0.06, ge=0, lt=0.5)
    """Plain augmentation moves an image by up to this share of its sides, and mirrors half of them left to right."""
    light: float = Field(default=0.1, ge=0, lt=1)
    """Plain augmentation multiplies all channels of an image by a factor between 1 - this and 1 + this."""


def train_classifier(
    images: NDArray[np.integer],
    labels: NDArray[np.integer],
    classes: int,
    config: ClassifierConfig,
    seed: int,
    *,
    chances: NDArray[np.floating] | None = None,
    augment: bool = False,
    device: str = "cpu",
    progress: Progress = silence,
) -> nn.Module:
    """Train a residual classifier; classes are drawn equally often, whatever their numbers.

    On the CPU the same arguments give the same weights; no global random state is read or changed.

    Args:
        images: [N C H W] stored pixels, uint8 or uint16.
        labels: [N] from 0 to ``classes`` - 1.
        classes: how many there are.
        config: the settings.
        seed: source of all randomness.
        chances: [N] how often an image is drawn among those of its class; None = equally often.
        augment: whether images are mirrored, moved and lit otherwise at random.
        device: where to train.
        progress: hears of each step, with its loss.

    Returns:
        The network in evaluation mode: Image [-1, 1] -> logits [N classes].

    Raises:
        DataError: sides under 16 pixels, or a class without an image.
        TrainingError: the loss is not finite.
    """
    if min(images.shape[2:]) < SMALLEST_SIDE:
        raise DataError(
            f"Found images of {images.shape[2]} x {images.shape[3]} pixels; the classifier needs sides of at least "
            f"{SMALLEST_SIDE}. Prepare the data set at a larger size."
        )
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise DataError(f"Class number {int(counts.argmin())} has no image to train on; expected some of each.")
    generator = torch.Generator().manual_seed(seed)
    network = _new_network(images.shape[1:], classes, config, seed).to(find_device(device))
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps + 1, pct_start=0.1
    )
    drawn = _balanced(labels, np.ones(len(labels)) if chances is None else np.asarray(chances, np.float64))

    network.train()
    for step in range(1, config.steps + 1):
        chosen = torch.multinomial(drawn, config.batch_size, replacement=True, generator=generator).numpy()
        pixels, truth = to_unit_range(images[chosen]), torch.from_numpy(labels[chosen]).long()
        if augment:
            pixels = _changed(pixels, config, generator)
        loss = functional.cross_entropy(network(pixels.to(device)), truth.to(device))
        if not torch.isfinite(loss):
            raise TrainingError(
                f"The classifier's loss is {loss.item()} at step {step}; expected a finite number. Lower its learning "
                "rate."
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step, config.steps, numbers={"loss": loss.item()})
    return network.eval()


@torch.inference_mode()
def predict_classes(network: nn.Module, images: NDArray[np.integer], *, batch_size: int = 64) -> NDArray[np.float32]:
    """The probability of each class, [N classes].

    Args:
        network: what ``train_classifier`` returned.
        images: [N C H W] stored pixels of the kind it was trained on.
        batch_size: images at a time; it does not change the result.
    """
    device = next(network.parameters()).device
    parts = [
        network(to_unit_range(images[first : first + batch_size]).to(device)).softmax(1).cpu().numpy()
        for first in range(0, len(images), batch_size)
    ]
    return np.concatenate(parts).astype(np.float32)


def describe(config: ClassifierConfig) -> dict[str, Any]:
    """The settings as JSON values, with the network that they belong to."""
    return {"network": "monai Classifier", "loss": "cross-entropy", **config.model_dump()}


def _balanced(labels: NDArray[np.integer], chances: NDArray[np.float64]) -> torch.Tensor:
    """Chances that sum to the same in each class."""
    sums = np.bincount(labels, weights=chances)
    return torch.from_numpy(chances / sums[labels])


def _new_network(shape: tuple[int, ...], classes: int, config: ClassifierConfig, seed: int) -> nn.Module:
    from monai.networks.nets import Classifier

    widths = tuple(config.width * 2**level for level in range(4))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Instance normalization, so that an image's result never depends on the others of its batch.
        return Classifier(in_shape=shape, classes=classes, channels=widths, strides=(2, 2, 2, 2), norm="INSTANCE")


def _changed(images: Image, config: ClassifierConfig, generator: torch.Generator) -> Image:
    """Mirror half of the images, move each, and change its light; [N C H W] in [-1, 1]."""
    count = len(images)
    mirror = torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1
    moves = (torch.rand(count, 2, generator=generator) * 2 - 1) * 2 * config.shift
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1], maps[:, :, 2] = mirror, 1.0, moves
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    factors = 1 + (torch.rand(count, 1, 1, 1, generator=generator) * 2 - 1) * config.light
    return ((moved + 1) * factors - 1).clamp(-1, 1)

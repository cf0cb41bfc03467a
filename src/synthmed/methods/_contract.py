"""What a method is: networks by name, stages of phases, and a way from latents to images.

The training loop knows this page and nothing else of a method; a method knows this page and nothing of the
loop. A sixth method is one file beside this one with a class that it names ``METHOD``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor, nn

from synthmed.config import Settings
from synthmed.errors import ConfigError
from synthmed.shapes import Batch, Given, Image, ImageSpec, Input, Latent, Logits, Pairs

MaskSource = Literal["manual", "segmenter", "derived"]
"""Drawn by hand, by a trained segmenter, or by a rule from the image itself."""


class Adam(Settings):
    """Settings of the Adam optimizer (Kingma and Ba 2015)."""

    learning_rate: float = Field(2e-4, gt=0, description="Step size.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Decay of the mean of the gradients.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Decay of the mean of their squares.")
    cooling: float = Field(
        0.0, ge=0, le=1, description="Share of a stage, its last, in which the step size falls to 0."
    )

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer for these parameters."""
        return torch.optim.Adam(parameters, lr=self.learning_rate, betas=(self.beta1, self.beta2), fused=True)


class Privacy(Settings):
    """Differential privacy of a discriminator (Abadi et al. 2016): each patient's gradient is clipped, noise added."""

    noise: float = Field(0.0, ge=0, description="Noise multiplier: spread of the noise by ``clip``; 0 = not private.")
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient of one patient.")
    delta: float = Field(1e-5, gt=0, lt=1, description="Probability that epsilon does not hold; below 1 / patients.")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One optimizer update of one network, or of several that learn together.

    Args:
        networks: names in ``Method.networks``; only these change.
        objective: batch -> {name: weighted term}, each a scalar or one value per sample; their sum is minimised.
        optimizer: parameters -> optimizer. Phases of one network in one stage share the first one's.
        every: run in each ``every``-th step only (lazy penalties).
        repeat: updates in a row, each on a fresh batch.
    """

    networks: tuple[str, ...]
    objective: Callable[[Batch], dict[str, Tensor]]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    every: int = 1
    repeat: int = 1


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training run inside a method; progressive growing is more of them.

    Args:
        name: unique in the method; the log and the checkpoints carry it.
        phases: run in this order in every step.
        images: how many images the stage sees.
        batch_size: images a step.
        mask_sources: which origins of masks it may learn from; empty = it needs no masks.
        transform: what is done to a batch before the phases see it (augmentation).
        average_images: half-life, in images, of the averaged weights that are kept of its generator-side
            networks (0 = the last weights as they are).
        cooling: share of the stage, its last, in which every step size falls to 0 in a straight line.
        on_progress: called before each step with the share of the stage that is done, 0 to 1.
        private: name of the only network that sees real images, and how it is kept private; None = not private.
            Then a step sees each patient with the same small probability, batches vary in size and may be empty,
            and the network's objective must treat every sample on its own.
    """

    name: str
    phases: tuple[Phase, ...]
    images: int
    batch_size: int
    mask_sources: frozenset[MaskSource] = frozenset()
    transform: Callable[[Batch], Batch] = lambda batch: batch
    average_images: int = 0
    cooling: float = 0.0
    on_progress: Callable[[float], None] = lambda share: None
    private: tuple[str, Privacy] | None = None

    @property
    def trains(self) -> frozenset[str]:
        """Names of the networks that learn in it."""
        return frozenset(name for phase in self.phases for name in phase.networks)


class Method(ABC):
    """One paper's networks and how they are trained and used.

    Args:
        config: the method's own ``Config``.
        spec: the images of the training split.

    Attributes:
        needs: what ``generate`` must be given beside latents.
        accepts: what it may be given besides; what is in neither is refused.
        keeps_texture: whether its weights hold the texture of one training image, which every image of it shows.
        spec: as it was built with.
        networks: all networks by name; what a checkpoint holds.
        generator_networks: names of those that a model file holds; never a discriminator.
        latent_shape: of the numbers that make one image, such as (100,).
    """

    Config: ClassVar[type[Settings]]
    needs: frozenset[Input] = frozenset()
    accepts: frozenset[Input] = frozenset()
    keeps_texture: bool = False

    spec: ImageSpec
    networks: nn.ModuleDict
    generator_networks: tuple[str, ...]
    latent_shape: tuple[int, ...]

    @abstractmethod
    def __init__(self, config: Settings, spec: ImageSpec) -> None: ...

    @abstractmethod
    def stages(self) -> list[Stage]:
        """The training, in order."""

    def given(self, batch: Batch) -> Given:
        """What ``generate`` would be given to make the images of a batch anew: what it needs or accepts of it."""
        taken = self.needs | self.accepts
        return replace(batch.given, images=batch.images).only(taken)

    @abstractmethod
    def generate(self, latents: Latent, given: Given) -> Pairs:
        """Make one image a latent, each under its row of ``given`` and depending on nothing else."""

    def discriminate(self, batch: Batch) -> dict[str, Logits]:
        """How real each discriminator takes real images to be, by its name, unchanged: what an audit of the run asks.

        {} where a method does not tell.
        """
        return {}


@runtime_checkable
class Encodes(Protocol):
    """What a method can do besides, if it has an encoder: find the latents of images. Inversion and editing need it."""

    def encode(self, images: Image, given: Given) -> Latent:
        """The latents that the images could have been made with, of the shape that ``decode`` takes."""

    def decode(self, latents: Latent, given: Given) -> Image:
        """The images of encoded latents."""


@runtime_checkable
class Codes(Encodes, Protocol):
    """An encoder whose codes are not the latents that are drawn: those become codes, and ``decode`` takes codes."""

    def codes(self, latents: Latent, given: Given) -> Latent:
        """The codes of drawn latents."""


def prefixed(stage: Stage, prefix: str) -> Stage:
    """The stage with its own name and its networks' names prefixed, for a method that is made of others."""
    phases = tuple(replace(phase, networks=tuple(prefix + name for name in phase.networks)) for phase in stage.phases)
    private = stage.private and (prefix + stage.private[0], stage.private[1])
    return replace(stage, name=prefix + stage.name, phases=phases, private=private)


MOST_NUMBERS = 1 << 32
"""Weights of all networks of a method together, 16 GiB: more than any of them needs by far."""


def build(kind: type[Method], config: Settings, spec: ImageSpec) -> Method:
    """A method with its networks, whose weights are counted before anything is allocated.

    Raises:
        ConfigError: the settings do not fit the images, or the networks would be absurdly large.
    """
    try:
        numbers = _count(kind, config, spec)
        if numbers > MOST_NUMBERS:
            raise ValueError(f"The networks would hold {numbers:.3g} weights; expected {MOST_NUMBERS:.3g} at most")
        return kind(config, spec)
    except (ValueError, RuntimeError, OverflowError, MemoryError) as error:
        said = str(error).strip().split("\n")[0].rstrip(".")
        raise ConfigError(f"{said}. Change the recipe, or prepare the images in another way.") from error


def _count(kind: type[Method], config: Settings, spec: ImageSpec) -> float:
    """Weights of all networks; 0 where they cannot be counted without being made."""
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            networks = kind(config, spec).networks
    except (TypeError, OverflowError) as error:
        raise ValueError("A setting of the networks is beyond any number of weights") from error
    except RuntimeError as error:
        if "overflow" in str(error).lower():
            raise ValueError("A setting of the networks is beyond any number of weights") from error
        return 0  # a method may look at its weights while it makes them
    return sum(float(weights.numel()) for weights in networks.parameters())

"""How fast a recipe trains here: what a schedule would take is measured on a few steps of each of its stages."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from synthmed.config import Recipe, parse
from synthmed.data.dataset import PreparedDataset
from synthmed.draws import Draws
from synthmed.errors import ConfigError
from synthmed.methods import find_method
from synthmed.methods._contract import Method, Stage, build
from synthmed.pages.numbers import duration
from synthmed.running.devices import find_device
from synthmed.training.batches import Batches
from synthmed.training.checkpoint import KEPT
from synthmed.training.updates import optimizers_of, update


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What a training takes.

    Args:
        images: that each stage sees, by its name.
        seconds: with nothing else on the machine, checkpoints and sample grids left out.
        memory: bytes of the process, or of the device, at the peak; 0 where the system does not tell.
        disk: bytes of the checkpoints and the model at the end.
    """

    images: dict[str, int]
    seconds: float
    memory: int
    disk: int

    @property
    def sentence(self) -> str:
        """For people."""
        images = "; ".join(f"{name}: {count} images" for name, count in self.images.items())
        memory = f"{self.memory / 1e9:.1f} GB of memory and " if self.memory else ""
        return (
            f"It would train {images}. With nothing else at work here that takes about {duration(self.seconds)}, "
            f"{memory}{max(1, round(self.disk / 1e6))} MB on the disk."
        )


def rehearse(
    method: Method, images: Mapping[str, int], training_set: PreparedDataset, device: torch.device, *,
    lowered: bool = False, least: float = 1.0,
) -> Takes:  # fmt: skip
    """Make a few steps of every stage, and measure what a training will take.

    Args:
        method: just built; afterwards it has learned a little.
        images: that each stage will see, by its name.
        training_set: what it learns from.
        device: where it would train.
        lowered: whether convolutions and products run in bfloat16.
        least: seconds of steps that each stage is measured for, after one to warm up.

    Raises:
        ConfigError: a stage's networks do not fit the images or the memory.
    """
    method.networks.to(device)
    begun = deepcopy(method.networks.state_dict())
    seconds, moments = 0.0, 0
    for stage in method.stages():
        method.networks.load_state_dict(begun)
        optimizers = optimizers_of(method.networks, stage)
        batches = Batches(training_set, stage, 0, device, method)
        with fitting(stage):
            pace = _seconds_per_image(method.networks, stage, batches, optimizers, least, lowered)
        seconds += images[stage.name] * pace
        states = (state for optimizer in optimizers.values() for state in optimizer.state.values())
        moments = max(moments, sum(_bytes(state.values()) for state in states))
    weights = _bytes(begun.values())
    # A checkpoint holds networks, their averages and the moments of the optimizers; the last of every stage is kept.
    checkpoints = KEPT + len(images) - 1
    return Takes(
        images=dict(images),
        seconds=seconds,
        memory=peak_memory(device),
        disk=checkpoints * (2 * weights + moments) + weights,
    )


@contextmanager
def fitting(stage: Stage, *, begins: bool = True) -> Iterator[None]:
    """In a stage's first step, tell what torch cannot do with the images as what it is: a recipe that does not fit."""
    try:
        yield
    except (RuntimeError, ValueError, OverflowError) as error:
        if not begins:
            raise
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise ConfigError(
            f"Stage {stage.name} cannot make its first step ({said}). Its networks do not fit the images or the "
            "memory: change the recipe, or prepare the images in another size."
        ) from error


def seconds_of_schedule(recipe: Recipe, data: Path, *, device: str = "cpu", least: float = 5.0) -> float:
    """Seconds that the whole schedule of a recipe would take on this machine, with nothing else on it.

    On the CPU the processor time of this thread is measured, so that other work on the machine does not count. It has
    a part in everything that several threads do, and does alone what cannot be shared; time of all threads, divided by
    their number, would halve the latter, and count threads that sleep as if they had worked.

    Args:
        recipe: as ``config.read_recipe`` gives it.
        data: a prepared data set.
        device: where it would train.
        least: seconds of steps that each stage is measured for, after one to warm up.

    Raises:
        ConfigError, DataError, ArtifactError: as ``train`` would; call ``plan`` before for better messages.
    """
    kind = find_method(recipe.method)
    dataset = PreparedDataset.open(data).split("train")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = build(kind, parse(kind.Config, recipe.config, "config"), dataset.spec)
    images = {stage.name: stage.images for stage in method.stages()}
    lowered = recipe.training.get("precision") == "bfloat16"
    return rehearse(method, images, dataset, find_device(device), lowered=lowered, least=least).seconds


def _seconds_per_image(
    networks: torch.nn.ModuleDict, stage: Stage, batches: Batches, optimizers: Mapping[str, torch.optim.Optimizer],
    least: float, lowered: bool,
) -> float:  # fmt: skip
    costs = torch.zeros(len(stage.phases), dtype=torch.float64)
    steps = 0
    while steps < 2 or costs.sum() < least:
        stage.on_progress(0.5)
        batch = stage.transform(batches.at(steps * stage.batch_size, Draws(steps, batches.device)))
        for place, phase in enumerate(stage.phases):
            began = _clock(batches.device)
            update(phase, stage, batch, networks, optimizers, lowered=lowered)
            costs[place] += _clock(batches.device) - began if steps else 0.0  # the first step warms up
        steps += 1
    shares = torch.tensor([phase.repeat / phase.every for phase in stage.phases], dtype=torch.float64)
    return float((costs * shares).sum()) / (steps - 1) / stage.batch_size


def _clock(device: torch.device) -> float:
    if device.type == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def _bytes(tensors: Iterable[object]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors if isinstance(one, Tensor))


def peak_memory(device: torch.device) -> int:
    """Bytes that this process, or its device, held at the most so far; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

"""How fast a recipe trains here: what a schedule would take is measured on a few steps of each of its stages."""

import time
from copy import deepcopy
from pathlib import Path

import torch

from synthmed.config import Recipe, parse
from synthmed.data.dataset import PreparedDataset
from synthmed.devices import find_device
from synthmed.draws import Draws
from synthmed.methods import find_method
from synthmed.methods._contract import Stage, build
from synthmed.training.batches import Batches
from synthmed.training.updates import optimizers_of, update


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
    lowered = recipe.training.get("precision") == "bfloat16"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = build(kind, parse(kind.Config, recipe.config, "config"), dataset.spec)
        method.networks.to(find_device(device))
        begun = deepcopy(method.networks.state_dict())
        total = 0.0
        for stage in method.stages():
            method.networks.load_state_dict(begun)
            batches = Batches(dataset, stage, 0, find_device(device), method)
            total += stage.images * _seconds_per_image(method.networks, stage, batches, least, lowered)
    return total


def _seconds_per_image(
    networks: torch.nn.ModuleDict, stage: Stage, batches: Batches, least: float, lowered: bool
) -> float:  # fmt: skip
    optimizers = optimizers_of(networks, stage)
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

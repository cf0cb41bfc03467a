"""Checkpoints: a new directory each, whole or not there, tensors in safetensors and the rest in JSON.

::

    checkpoints/s0-000001000/   networks.safetensors averages.safetensors optimizers.safetensors
                                manifest.json
    checkpoints/LATEST          the name of the newest

The newest two are kept, and the last of every stage (milestones).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from synthmed import artifacts
from synthmed.errors import ArtifactError, TrainingError
from synthmed.generation.model_file import first_not_finite

KIND = "checkpoint"
_FILES = ("networks.safetensors", "averages.safetensors", "optimizers.safetensors")
KEPT = 2


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """How far a training is: the stage's number and the images it has seen; the end is stage N with 0 images."""

    stage: int
    images: int

    @property
    def is_milestone(self) -> bool:
        """Whether a stage has just ended here."""
        return self.images == 0

    @property
    def name(self) -> str:
        """Sorts as the positions do."""
        return f"s{self.stage}-{self.images:09d}"


@dataclass(frozen=True, kw_only=True)
class State:
    """All that changes in a training.

    Args:
        networks: all networks of the method.
        averages: averaged weights by network name; may hold fewer networks.
        optimizers: by network name, those of the current stage.
    """

    networks: nn.ModuleDict
    averages: nn.ModuleDict
    optimizers: Mapping[str, torch.optim.Optimizer]


def save(folder: Path, position: Position, state: State) -> Path:
    """Write a checkpoint, point LATEST at it, then remove old ones that are neither kept nor milestones.

    Raises:
        TrainingError: a weight is not finite; the previous checkpoint is intact.
        StorageError: the disk is full; the previous checkpoint is intact.
    """
    if name := first_not_finite(state.networks.state_dict()) or first_not_finite(state.averages.state_dict()):
        raise TrainingError(
            f"The weights {name} are not finite in stage {position.stage} after {position.images} images. The last "
            "checkpoint is good; lower the learning rate, and train to another RUN."
        )
    with artifacts.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    place = folder / position.name
    if not place.is_dir():
        facts = {"stage": position.stage, "images": position.images}
        with artifacts.new_directory(place, KIND, facts=facts) as directory:
            _save_tensors(directory / "networks.safetensors", dict(state.networks.state_dict()))
            _save_tensors(directory / "averages.safetensors", dict(state.averages.state_dict()))
            _save_tensors(directory / "optimizers.safetensors", _optimizer_tensors(state.optimizers))
    artifacts.write_file(folder / "LATEST", position.name + "\n")
    for old in _positions(folder)[:-KEPT]:
        if not old.is_milestone:
            artifacts.remove(folder / old.name)
    return place


def latest(folder: Path) -> Position | None:
    """The position of the newest checkpoint, or None where there is none yet.

    Raises:
        ArtifactError: the newest checkpoint is damaged; says which older one is whole.
    """
    positions = _positions(folder)
    if not positions:
        return None
    try:
        _verify(folder, positions[-1])
    except ArtifactError as error:
        older = next((old.name for old in reversed(positions[:-1]) if _is_whole(folder, old)), "")
        advice = f"Remove {folder / positions[-1].name} to go on from {older}." if older else "Train anew elsewhere."
        raise ArtifactError(f"{error} {advice}") from error
    return positions[-1]


def load_networks(folder: Path, position: Position, state: State) -> None:
    """Fill the networks and the averages from a checkpoint, in place.

    Raises:
        ArtifactError: it does not hold these networks, or weights that are not finite.
    """
    load_trained(folder, position, state.networks)
    _fill(state.averages, folder / position.name / "averages.safetensors")


def load_trained(folder: Path, position: Position, networks: nn.ModuleDict) -> None:
    """Fill the networks alone, as they were trained, from a checkpoint, in place; raises as ``load_networks`` does."""
    _fill(networks, folder / position.name / "networks.safetensors")


def load_optimizers(folder: Path, position: Position, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    """Fill the optimizers of the stage that the checkpoint stands in, in place.

    Raises:
        ArtifactError: it does not hold the state of these optimizers.
    """
    with _unfit(file := folder / position.name / "optimizers.safetensors"):
        _fill_optimizers(load_file(file), optimizers)


def _fill_optimizers(tensors: Mapping[str, Tensor], optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
    for name, optimizer in optimizers.items():
        state: dict[int, dict[str, Any]] = {}
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for key, tensor in tensors.items():
            network, number, field = key.split("/")
            if network == name:
                like = parameters[int(number)]
                # A fused optimizer walks through memory and takes for granted that both lie in it in the same order.
                fits = tensor.shape == like.shape
                state.setdefault(int(number), {})[field] = torch.empty_like(like).copy_(tensor) if fits else tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _optimizer_tensors(optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, optimizer in optimizers.items():
        for number, entries in optimizer.state_dict()["state"].items():
            for field, value in entries.items():
                tensors[f"{name}/{number}/{field}"] = torch.as_tensor(value)
    return tensors


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    # Not save_file: it says "disk full" in an exception of its own that nobody expects.
    path.write_bytes(to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))


def _positions(folder: Path) -> list[Position]:
    """All checkpoints that were finished, oldest first; a temporary directory begins with a dot."""
    found = []
    for place in folder.glob("s*-*"):
        stage, _, images = place.name[1:].partition("-")
        if place.is_dir() and stage.isdigit() and images.isdigit():
            found.append(Position(stage=int(stage), images=int(images)))
    return sorted(found)


def _verify(folder: Path, position: Position) -> None:
    """Compare a checkpoint with its manifest, and its name with where it says that it stands."""
    facts = artifacts.verify(folder / position.name, KIND, _FILES).facts
    if facts != {"stage": position.stage, "images": position.images}:
        raise ArtifactError(
            f"{folder / position.name} says of itself that it stands at {facts}; expected what its name says. Give "
            "it its name back."
        )


def _is_whole(folder: Path, position: Position) -> bool:
    try:
        _verify(folder, position)
    except ArtifactError:
        return False
    return True


def _fill(networks: nn.ModuleDict, file: Path) -> None:
    with _unfit(file):
        tensors = load_file(file)
        if name := first_not_finite(tensors):
            raise ValueError(f"{name} is not finite")
        networks.load_state_dict(tensors)


@contextmanager
def _unfit(file: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, RuntimeError, ValueError, LookupError) as error:
        said = " ".join(str(error).split())
        raise ArtifactError(
            f"{file} does not fit the networks of this training ({said[:200]}). Remove its checkpoint to go on from "
            "an older one, or train anew to another RUN."
        ) from error

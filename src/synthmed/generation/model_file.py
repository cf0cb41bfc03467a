"""The file of a model: tensors as safetensors, and a sealed JSON header. The one writer and the one reader.

Everything the header says is compared with its seal and checked before a network is made of it: a header that asks
for more than the file holds is refused before anything is allocated.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from synthmed import __version__, artifacts
from synthmed.config import Settings
from synthmed.errors import ArtifactError, TrainingError
from synthmed.files.seals import read_json, sealed, unsealed
from synthmed.shapes import ImageSpec

KEY = "synthmed"
FORMAT: Literal[3] = 3


class _Images(Settings):
    """The fields of ``ImageSpec``, within what an image of ours can be."""

    channels: int = Field(ge=1, le=1 << 12)
    size: tuple[Annotated[int, Field(ge=1, le=1 << 16)], ...] = Field(min_length=2, max_length=3)
    num_labels: int = Field(ge=1, le=256)
    classes: tuple[str, ...]
    channel_names: tuple[str, ...]


class _Header(Settings):
    """What every header says; of the rest the seal alone speaks."""

    model_config = ConfigDict(extra="allow")

    format: Literal[3]
    version: str
    method: str = Field(max_length=100)
    config: dict[str, Any]
    images: _Images
    tensors: str
    recipe: str = ""
    bits: Literal[8, 16]
    classes: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    kind: str = ""
    intensity: dict[str, Any] = Field(default_factory=dict)
    mask_labels: dict[str, str] = Field(default_factory=dict)
    privacy: dict[str, Any] = Field(default_factory=dict)


def write(
    path: Path, *, method: str, config: Mapping[str, Any], spec: ImageSpec, networks: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> str:  # fmt: skip
    """Write a model file and return its digest.

    Args:
        path: where, ending in .safetensors.
        method: the method's name.
        config: its settings.
        spec: the images it makes.
        networks: state of the generator networks, ``network.parameter`` -> tensor.
        facts: further entries of the header: bits, intensity mapping, classes, recipe, lineage.

    Raises:
        TrainingError: a weight is not finite.
        StorageError: the disk is full or may not be written.
    """
    if name := first_not_finite(networks):
        raise TrainingError(
            f"The weights {name} are not finite; the model was not written. Lower the learning rate, and train to "
            "another RUN."
        )
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(networks.items())}
    header = {
        "format": FORMAT, "version": __version__, "method": method, "config": config, "images": asdict(spec),
        "tensors": _digest(tensors), "bits": 8, **facts,
    }  # fmt: skip
    content = to_bytes(tensors, metadata={KEY: json.dumps(sealed(header), sort_keys=True)})
    artifacts.write_file(path, content)
    return hashlib.sha256(content).hexdigest()


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a model file.

    Raises:
        ArtifactError: no such file, no model of ours, one of another format, or a damaged one.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file; expected a model such as RUN/model.safetensors. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            said = read_json((file.metadata() or {})[KEY])
            found = said.get("format") if isinstance(said, dict) else None
            if isinstance(found, int) and found < FORMAT:
                raise ArtifactError(
                    f"{path} is of format {found}; this synthmed reads format {FORMAT}. Train the model anew, or "
                    "generate with the synthmed that wrote it."
                )
            header = unsealed(said)
            checked = _Header.model_validate_json(json.dumps(header))
            if checked.images.classes and set(checked.images.classes) != set(checked.classes):
                raise ValueError("its classes are not those of its images")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if _digest(tensors) != header["tensors"]:
            raise ValueError("its tensors are not those it was written with")
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"{path} is damaged or not a whole synthmed model ({_said(error)}). Train it anew or fetch it again."
        ) from error
    if name := first_not_finite(tensors):
        raise ArtifactError(f"{path} holds weights that are not finite ({name}); expected numbers. Train it anew.")
    return header, tensors


def fill(networks: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load the tensors ``network.parameter`` of a model file into its networks, in place.

    Raises:
        ArtifactError: they are not those that the networks have.
    """
    for name, network in networks.items():
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        expected = {key: value.shape for key, value in network.state_dict().items()}
        if {key: value.shape for key, value in own.items()} != expected:
            raise ArtifactError(
                f"{path} does not hold the network {name} that its settings describe. Train it anew or fetch it again."
            )
        network.load_state_dict(own)


def first_not_finite(tensors: Mapping[str, Tensor]) -> str:
    """The name of the first tensor that holds an infinite number or none; "" = all are finite."""
    return next((name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()), "")


def _digest(tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(to_bytes(dict(sorted(tensors.items())))).hexdigest()


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)

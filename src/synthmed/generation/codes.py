"""Codes of images in one model, as a file: numbers as safetensors, and a sealed header that says whose they are."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from synthmed import artifacts
from synthmed.config import Settings
from synthmed.errors import ArtifactError, DataError
from synthmed.files.seals import digest_of, read_json, sealed, unsealed
from synthmed.samples import OF_NOBODY, Lineage

CODES = "codes.safetensors"
"""Their name beside the images that they make."""
_KEY, _TENSOR = "synthmed-codes", "codes"


class _Header(Settings):
    """What the header of a file of codes says."""

    format: Literal[1]
    model: str = Field(max_length=64)
    names: tuple[str, ...]
    lineages: tuple[Lineage, ...]
    numbers: str


@dataclass(frozen=True, kw_only=True)
class CodeFile:
    """Codes [N *shape] and what is known of each.

    Args:
        values: the codes, as ``Model.encode`` gives them and ``Model.decode`` takes them.
        names: where each comes from, such as "test/000012".
        lineages: whose the images of them are.
        model: digest of the model that they are codes of.
    """

    values: Tensor
    names: tuple[str, ...]
    lineages: tuple[Lineage, ...]
    model: str

    def __len__(self) -> int:
        return len(self.values)

    @property
    def digest(self) -> str:
        """SHA-256 of codes and header."""
        return digest_of(self._header())

    def _header(self) -> dict[str, Any]:
        numbers = digest_of({"shape": list(self.values.shape), "bytes": self.values.numpy().tobytes().hex()})
        return {"format": 1, "model": self.model, "names": list(self.names), "lineages": list(self.lineages),
                "numbers": numbers}  # fmt: skip

    def write(self, path: Path) -> None:
        """Write them.

        Raises:
            StorageError: the disk is full or may not be written.
        """
        metadata = {_KEY: json.dumps(sealed(self._header()), sort_keys=True)}
        artifacts.write_file(path, save({_TENSOR: self.values.contiguous()}, metadata=metadata))

    @classmethod
    def read(cls, path: Path, *, model: str) -> Self:
        """Read a file of codes, or that of a folder that ``invert`` or ``interpolate`` wrote.

        Args:
            path: the file or the folder.
            model: digest of the model that is to decode them.

        Raises:
            ArtifactError: no such file, not one of ours, or damaged.
            DataError: they are codes of another model.
        """
        path = path / CODES if path.is_dir() else path
        if not path.is_file():
            raise ArtifactError(f"{path} is not a file; expected codes that invert or interpolate wrote, {CODES}.")
        try:
            with safe_open(path, framework="pt") as file:
                said = unsealed(read_json((file.metadata() or {})[_KEY]))
                header = _Header.model_validate_json(json.dumps(said))
                values = file.get_tensor(_TENSOR)
            found = cls(values=values, names=header.names, lineages=header.lineages, model=header.model)
            count = (len(values), len(header.names), len(header.lineages))
            if len(set(count)) > 1 or values.dtype != torch.float32 or found._header()["numbers"] != header.numbers:
                raise ValueError("its codes are not those it was written with")
        except (SafetensorError, KeyError, ValueError, TypeError, ValidationError) as error:
            raise ArtifactError(f"{path} is no whole file of codes. Invert the images anew.") from error
        if header.model != model:
            raise DataError(
                f"{path} holds codes of the model {header.model[:12]}; this one is {model[:12]}, in which they mean "
                "something else. Give the model that they were found in."
            )
        return found


def of_all(lineages: list[Lineage]) -> Lineage:
    """The lineage of what is made of several: of a patient as soon as one of them is."""
    order = [*(one for one in get_args(Lineage) if one not in OF_NOBODY), "mask_from_phantom", "sampled"]
    return min(lineages, key=order.index)

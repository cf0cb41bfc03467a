"""One model, one file: the generator side as safetensors, and a JSON header that says what it is.

The header holds the method's name and settings, the images' shape and intensity mapping, and the lineage (the
digests of what it was trained on). There is no code in the file, no discriminator and no optimizer state:
those would tell more about the patients than the images do.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from synthmed import __version__, artifacts
from synthmed.config import parse
from synthmed.devices import find_device
from synthmed.errors import ArtifactError, DataError
from synthmed.methods import find_method
from synthmed.methods._contract import Method
from synthmed.shapes import ImageSpec, LabelMap, Pairs

_KEY = "synthmed"
_FORMAT = 1
_CHUNK = 8
"""Images are always made in the same groups of eight, so that neither their number nor where a run starts
changes a single bit of any of them."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained generator.

    Args:
        method: the method with its trained generator networks.
        header: what the file says of itself.
        digest: SHA-256 of the file.
    """

    method: Method
    header: dict[str, Any]
    digest: str

    @property
    def spec(self) -> ImageSpec:
        """The images it makes."""
        return ImageSpec(**self.header["images"])

    @torch.no_grad()
    def generate(self, num: int, *, seed: int = 0, first: int = 0, masks: LabelMap | None = None) -> Pairs:
        """Make images number ``first`` to ``first + num - 1`` of the given seed.

        Args:
            num: how many.
            seed: the run seed; image i depends on (seed, i) and its mask alone.
            first: number of the first.
            masks: [num H W], for a method that makes images under masks: what its ``conditions`` gives.

        Raises:
            DataError: masks are missing or empty, or of another size, number or labels than the model was trained on.
        """
        self._check(masks, num)
        start, end = first - first % _CHUNK, first + num
        parts: list[Pairs] = []
        for chunk in range(start, end, _CHUNK):
            latents = torch.stack([self._latents(seed, index) for index in range(chunk, chunk + _CHUNK)])
            conditions = None
            if masks is not None:
                conditions = torch.zeros(_CHUNK, *masks.shape[1:], dtype=torch.uint8)
                inside = range(max(chunk, first), min(chunk + _CHUNK, end))
                conditions[inside.start - chunk : inside.stop - chunk] = masks[
                    inside.start - first : inside.stop - first
                ]
                conditions = conditions.to(self._device)
            parts.append(self.method.generate(latents.to(self._device), conditions))
        wanted = slice(first - start, first - start + num)
        return Pairs(
            images=torch.cat([part.images for part in parts])[wanted].cpu(),
            masks=torch.cat([part.masks for part in parts])[wanted].cpu(),
        )

    @property
    def _device(self) -> torch.device:
        return next(self.method.networks.parameters()).device

    def _latents(self, seed: int, index: int) -> Tensor:
        generator = torch.Generator().manual_seed(image_seed(seed, index))
        return torch.randn(self.method.latent_size, generator=generator)

    def _check(self, masks: LabelMap | None, num: int) -> None:
        spec = self.spec
        if masks is None:
            if self.method.condition in ("masks", "masks with images"):
                raise DataError(f"A {self.header['method']} model makes images under masks; give some by --masks.")
            return
        if self.method.condition == "nothing":
            raise DataError(f"A {self.header['method']} model makes images from noise alone; generate without --masks.")
        if tuple(masks.shape) != (num, spec.height, spec.width):
            raise DataError(
                f"The masks are {tuple(masks.shape)}; expected {(num, spec.height, spec.width)}. Prepare them alike."
            )
        if self.method.condition != "masks with images" and int(masks.max()) >= spec.num_labels:
            raise DataError(
                f"A mask has label {int(masks.max())}; the model was trained with labels 0 to {spec.num_labels - 1}."
            )
        empty = (masks.flatten(1).amax(1) == 0).nonzero()
        if len(empty):
            raise DataError(
                f"Mask {int(empty[0])} is empty ({len(empty)} of {num} are); expected a shape to fill. Leave it out."
            )


def image_seed(seed: int, index: int) -> int:
    """The seed of one image: a hash of the run seed and the image's number, below 2**63."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def save_model(path: Path, *, method: str, config: Mapping[str, Any], spec: ImageSpec, networks: Mapping[str, Tensor],
               facts: Mapping[str, Any]) -> str:  # fmt: skip
    """Write a model file and return its digest.

    Args:
        path: where, ending in .safetensors.
        method: the method's name.
        config: its settings.
        spec: the images it makes.
        networks: state of the generator networks, ``network.parameter`` -> tensor.
        facts: further entries of the header: intensity mapping, recipe, lineage.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(networks.items())}
    header = {
        "format": _FORMAT, "version": __version__, "method": method, "config": config, "images": asdict(spec),
        "tensors": _tensors_digest(tensors), **facts,
    }  # fmt: skip
    content = to_bytes(tensors, metadata={_KEY: json.dumps(header, sort_keys=True)})
    artifacts.write_file(path, content)
    return hashlib.sha256(content).hexdigest()


def load_model(path: Path | str, device: str = "cpu") -> Model:
    """Open a model file.

    Raises:
        ArtifactError: no such file, not a model of ours, or a damaged one.

    Example:
        ``load_model("RUN/model.safetensors").generate(16, seed=0)``
    """
    path = Path(path)
    if not path.is_file():
        raise ArtifactError(f"{path} is not a file; expected a model such as RUN/model.safetensors. Check the path.")
    found: object = None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        found = header["format"]
        damaged = found == _FORMAT and _tensors_digest(tensors) != header["tensors"]
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(
            f"{path} is not a whole synthmed model ({error}). Train it anew or fetch it again."
        ) from error
    if found != _FORMAT:
        raise ArtifactError(f"{path} is of format {found}; this synthmed reads format {_FORMAT}. Train the model anew.")
    if damaged:
        raise ArtifactError(f"{path} is damaged: its tensors are not those it was written with. Fetch it again.")
    kind = find_method(header["method"])
    method = kind(parse(kind.Config, header["config"], "config"), ImageSpec(**header["images"]))
    for name in method.generator_networks:
        own = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
        method.networks[name].load_state_dict(own)
    method.networks.to(find_device(device)).eval().requires_grad_(False)
    return Model(method=method, header=header, digest=artifacts.file_digest(path))


def _tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(to_bytes(dict(sorted(tensors.items())))).hexdigest()

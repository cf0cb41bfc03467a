"""The index of models: a sealed JSON file that names each model, its file and its SHA-256. Nothing in it is executed.

An index lies beside its models, in a folder or at a web address. It names files below its own place and no others.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError

from synthmed.artifacts import file_digest, write_json
from synthmed.config import Settings
from synthmed.errors import ArtifactError
from synthmed.files.fetching import TROUBLES, download, is_address
from synthmed.files.paths import inside
from synthmed.files.seals import read_json, sealed, unsealed

INDEX = "models.json"
SHIPPED = Path(str(resources.files("synthmed.zoo"))) / "shipped"
"""The index inside the package and its models."""
NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
_MOST_BYTES = 1 << 24
"""Beyond what any index takes."""

Name = Annotated[str, Field(pattern=NAME)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(Settings):
    """One model of an index.

    Args:
        name: how it is asked for.
        file: of the model, below the place of the index, with / between folders.
        sha256: of that file.
        bytes: its size.
        licence: under which it is published.
        about: what it makes, in a sentence.
        method: name of its method.
        recipe: name of its recipe.
        version: of the model.
    """

    name: Name
    file: str
    sha256: Digest
    bytes: int = Field(ge=1)
    licence: str
    about: str
    method: str
    recipe: str = ""
    version: str = "1.0"


class _Index(Settings):
    format: Literal[1] = 1
    models: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index as read.

    Args:
        where: its folder or address, without its own name.
        models: what it names.
        digest: SHA-256 of the index file.
    """

    where: str
    models: tuple[Entry, ...]
    digest: str

    def place(self, entry: Entry) -> str:
        """The path or the address of a model's file."""
        if is_address(self.where):
            return f"{self.where}/{quote(entry.file)}"
        return str(inside(Path(self.where), entry.file))


def read_index(where: str | Path = "") -> Index:
    """Read an index.

    Args:
        where: a folder, an index file, or the https address of either; "" = the index inside the package.

    Raises:
        ArtifactError: no index is there, it cannot be fetched, it is damaged, or it names a file outside of its place.
    """
    where = str(where) or str(SHIPPED)
    if is_address(where):
        base = where.removesuffix(f"/{INDEX}").rstrip("/")
        with TemporaryDirectory() as folder:
            file = Path(folder) / INDEX
            try:
                download(f"{base}/{INDEX}", file, INDEX, most=_MOST_BYTES)
            except (*TROUBLES, ValueError) as error:
                raise ArtifactError(
                    f"The index {base}/{INDEX} could not be fetched ({error}). Check the address, and run it again."
                ) from error
            return _read(file, base)
    path = Path(where)
    file = path / INDEX if path.is_dir() else path
    if not file.is_file():
        raise ArtifactError(f"{path} holds no {INDEX}; expected an index of models. Make one: synthmed models index.")
    return _read(file, str(file.parent))


def write_index(folder: Path, models: tuple[Entry, ...]) -> Path:
    """Write the index of the models in a folder, whole or not at all, in place of an older one."""
    write_json(folder / INDEX, sealed(_Index(models=models).model_dump(mode="json")))
    return folder / INDEX


def _read(file: Path, where: str) -> Index:
    if file.stat().st_size > _MOST_BYTES:
        raise ArtifactError(f"{where} has an index larger than {_MOST_BYTES} bytes; expected {INDEX}. Check the place.")
    try:
        found = _Index.model_validate(unsealed(read_json(file.read_bytes())), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        told = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise ArtifactError(f"The index of {where} is none of ours ({told}). Make it anew.") from error
    except ValueError as error:
        raise ArtifactError(f"The index of {where} is damaged ({error}). Fetch it again or make it anew.") from error
    base = Path() if is_address(where) else Path(where)
    for entry in found.models:
        if "\\" in entry.file or urlsplit(entry.file).scheme or urlsplit(entry.file).netloc:
            raise ArtifactError(
                f"The index of {where} names the file {entry.file!r} of {entry.name}, which is outside of it; expected "
                "names below its own place. Do not use this index."
            )
        inside(base, entry.file)
    return Index(where=where, models=found.models, digest=file_digest(file))

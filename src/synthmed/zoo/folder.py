"""``models list``, ``fetch`` and ``verify``, and how a model is found by its name.

A fetched model is kept by name in the models folder, beside a sealed note of the digest that its index pinned. A file
with another digest is never opened.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synthmed.artifacts import file_digest, storage_errors, write_json
from synthmed.config import did_you_mean
from synthmed.errors import ArtifactError, ConfigError
from synthmed.files.fetching import TROUBLES, download, is_address
from synthmed.files.paths import takes_paths
from synthmed.files.seals import read_json, sealed, unsealed
from synthmed.running.progress import Progress, silence
from synthmed.zoo.index import SHIPPED, Entry, Index, read_index

State = Literal["shipped", "fetched", "absent", "wrong"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A model of an index and how it stands on this machine.

    Args:
        entry: the model as its index names it.
        path: the file that ``generate`` opens, or would.
        state: "shipped" (inside the package), "fetched", "absent", or "wrong" (another file than the index pins).
    """

    entry: Entry
    path: Path
    state: State


def models_folder() -> Path:
    """The folder that is used where none is named: ``$SYNTHMED_MODELS``, else below the user's cache."""
    return Path(os.environ.get("SYNTHMED_MODELS", Path.home() / ".cache" / "synthmed" / "models"))


@takes_paths
def models_list(index: str | Path = "", *, folder: Path | None = None, pin: str = "") -> list[Found]:
    """The models of an index, and how each stands on this machine.

    Args:
        index: a folder, an index file, or an https address; "" = the models inside the package.
        folder: the models folder; None = ``models_folder()``.
        pin: SHA-256 that the index file must have; "" = whatever it has.

    Raises:
        ArtifactError: there is no index, a damaged one, one that points outside, or another than pinned.
    """
    found = _pinned(index, pin)
    return [_status(entry, found, folder or models_folder()) for entry in found.models]


@takes_paths
def models_fetch(
    names: Sequence[str], index: str | Path = "", *, folder: Path | None = None, pin: str = "",
    progress: Progress | None = None,
) -> list[Found]:  # fmt: skip
    """Fetch models of an index into the models folder; a download that was cut off goes on.

    Args:
        names: of the index.
        index: a folder, an index file, or an https address.
        folder: the models folder; None = ``models_folder()``.
        pin: SHA-256 that the index file must have; "" = whatever it has.
        progress: hears how far a download is, in bytes.

    Raises:
        ConfigError: no name, or an unknown one.
        ArtifactError: the index cannot be used, a file cannot be fetched, or what came is not the file it pins.
        StorageError: the disk is full or may not be written.
    """
    found, folder = _pinned(index, pin), folder or models_folder()
    if not names:
        raise ConfigError(f"No model is named; expected one or more of {_known(found)}.")
    fetched = []
    for entry in _chosen(found, names):
        status = _status(entry, found, folder)
        if status.state == "wrong":
            raise _not_right(status)
        if status.state == "absent":
            _fetch(entry, found.place(entry), folder, progress or silence)
        fetched.append(_status(entry, found, folder))
    return fetched


@takes_paths
def models_verify(
    names: Sequence[str] = (), index: str | Path = "", *, folder: Path | None = None, pin: str = ""
) -> list[Found]:
    """Compare models with the digests that their index pins.

    Args:
        names: of the index; () = all that are there.
        index: a folder, an index file, or an https address; "" = the models inside the package.
        folder: the models folder; None = ``models_folder()``.
        pin: SHA-256 that the index file must have; "" = whatever it has.

    Raises:
        ConfigError: an unknown name.
        ArtifactError: the index cannot be used, a named model is absent, or one is not the file that is pinned.
    """
    found, folder = _pinned(index, pin), folder or models_folder()
    stand = [_status(entry, found, folder) for entry in _chosen(found, names)]
    for one in stand:
        if one.state == "wrong" or (names and one.state == "absent"):
            raise _not_right(one)
    return stand


def find_model(model: Path | str, folder: Path | None = None) -> Path:
    """The file of a model that is given by its path, or by the name of a shipped or a fetched one.

    Raises:
        ArtifactError: there is no such file and no such name, or the file is not the one that its index pins.
    """
    path = Path(model)
    if path.exists() or path.suffix == ".safetensors" or len(path.parts) != 1:
        return path
    name, folder = str(model), folder or models_folder()
    shipped = read_index()
    for entry in shipped.models:
        if entry.name == name:
            return _right(_status(entry, shipped, folder)).path
    note, file = _note(folder, name), _file(folder, name)
    if note.is_file():
        try:
            pinned = unsealed(read_json(note.read_bytes()))["sha256"]
        except (ValueError, KeyError) as error:
            raise ArtifactError(f"{note} is damaged ({error}). Remove it and fetch {name} again.") from error
        if not file.is_file() or file_digest(file) != pinned:
            raise ArtifactError(f"{file} is not the model that was fetched. Remove it and fetch {name} again.")
        return file
    known = [entry.name for entry in shipped.models] + sorted(one.stem for one in folder.glob("[!.]*.json"))
    raise ArtifactError(
        f"{name} is no file and no known model{did_you_mean(name, known)}; expected a path such as "
        f"RUN/model.safetensors, or one of {', '.join(known)}. Check the name, or fetch it: synthmed models fetch."
    )


def _pinned(index: str | Path, pin: str) -> Index:
    found = read_index(index)
    if pin and found.digest != pin.lower():
        raise ArtifactError(
            f"The index of {found.where} has the SHA-256 {found.digest}; expected {pin}. It was changed: ask its "
            "publisher for the right digest."
        )
    return found


def _known(index: Index) -> str:
    return ", ".join(entry.name for entry in index.models) or "none"


def _chosen(index: Index, names: Sequence[str]) -> list[Entry]:
    known = {entry.name: entry for entry in index.models}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"There is no model {name!r}{did_you_mean(name, known)}; the index of {index.where} has "
                f"{_known(index)}. Check the name."
            )
    return [known[name] for name in names] or list(index.models)


def _status(entry: Entry, index: Index, folder: Path) -> Found:
    is_shipped = index.where == str(SHIPPED)
    path = Path(index.place(entry)) if is_shipped else _file(folder, entry.name)
    if not path.is_file():
        return Found(entry=entry, path=path, state="absent")
    right = path.stat().st_size == entry.bytes and file_digest(path) == entry.sha256
    return Found(entry=entry, path=path, state="wrong" if not right else "shipped" if is_shipped else "fetched")


def _right(found: Found) -> Found:
    if found.state in ("absent", "wrong"):
        raise _not_right(found)
    return found


def _fetch(entry: Entry, place: str, folder: Path, progress: Progress) -> None:
    file = _file(folder, entry.name)
    partial = file.with_name(f".{file.name}.part")
    with storage_errors(file):
        folder.mkdir(parents=True, exist_ok=True)
        if is_address(place):
            try:
                download(place, partial, entry.name, progress, most=entry.bytes)
            except TROUBLES as error:
                raise ArtifactError(
                    f"The model {entry.name} could not be fetched from {place} ({error}). What came is kept and the "
                    "same command goes on."
                ) from error
        else:
            _copy(Path(place), partial, entry)
        sha256 = file_digest(partial)
        if sha256 != entry.sha256:
            partial.unlink()
            raise ArtifactError(
                f"What was fetched for {entry.name} has the SHA-256 {sha256}; the index pins {entry.sha256}. It was "
                "removed. Try again; if it stays so, the file or the index was changed."
            )
        # The note first: a file without one is unknown, a note without its file is said to be incomplete.
        write_json(_note(folder, entry.name), sealed(entry.model_dump(mode="json")))
        os.replace(partial, file)


def _copy(source: Path, partial: Path, entry: Entry) -> None:
    from synthmed.files.paths import open_own

    if not source.is_file() or source.stat().st_size != entry.bytes:
        raise ArtifactError(f"{source} is not there in full; the index names it for {entry.name}. Fetch it again.")
    with open_own(partial, "wb") as file, source.open("rb") as content:
        while block := content.read(1 << 20):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def _note(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _not_right(found: Found) -> ArtifactError:
    name = found.entry.name
    if found.state == "wrong":
        return ArtifactError(
            f"{found.path} is not the file that the index pins for {name}. Move it away, then: synthmed models fetch "
            f"{name}."
        )
    return ArtifactError(f"The model {name} is not at {found.path}. Run: synthmed models fetch {name}.")

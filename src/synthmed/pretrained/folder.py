"""The weights folder: ``list``, ``fetch`` and ``verify``. Nothing is ever downloaded unless ``fetch`` is asked to.

A download is written beside its place, goes on where it was cut off, and gets its name only when its SHA-256 is right.
No file is read whose SHA-256 is not known.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from synthmed.artifacts import file_digest, storage_errors
from synthmed.errors import ConfigError, WeightsError
from synthmed.files.fetching import TROUBLES, download
from synthmed.files.paths import takes_paths
from synthmed.pretrained.catalogue import CATALOGUE, Weights, find_weights
from synthmed.running.progress import Progress, silence

State = Literal["absent", "right", "wrong", "unknown digest"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """One known file and how it stands in the folder.

    Args:
        weights: the file as published.
        path: where it is, or would be.
        state: "right" (its digest is the expected one), "wrong", "absent", or "unknown digest" (it is there, and there
            is none to compare it with).
        sha256: of the file that is there, "" where there is none.
        expected: the published one, or that of the file's own ``.sha256`` where none is published; "" = unknown.
    """

    weights: Weights
    path: Path
    state: State
    sha256: str
    expected: str


def weights_folder() -> Path:
    """The folder that is used where none is named: ``$SYNTHMED_WEIGHTS``, else below the user's cache."""
    return Path(os.environ.get("SYNTHMED_WEIGHTS", Path.home() / ".cache" / "synthmed" / "weights"))


@takes_paths
def weights(
    action: str,
    names: Sequence[str] = (),
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> list[Status]:
    """List, fetch or verify files of pretrained weights.

    Args:
        action: "list" says what is known and what is there; "fetch" downloads the named files; "verify" compares the
            named ones, or all that are there, with their digests.
        names: of known weights; () = all, for list and verify.
        folder: the weights folder; None = ``weights_folder()``.
        progress: hears how far a download is, in bytes.

    Raises:
        ConfigError: an unknown action or name, or nothing named to fetch.
        WeightsError: a file cannot be fetched, or is not the published one.
    """
    folder = folder or weights_folder()
    chosen = [find_weights(name) for name in names] or list(CATALOGUE.values())
    if action == "fetch":
        if not names:
            raise ConfigError(f"No weights are named; expected one or more of {', '.join(CATALOGUE)}.")
        for one in chosen:
            fetch(one, folder, progress or silence)
    elif action not in ("list", "verify"):
        raise ConfigError(f"The action {action!r} is unknown; expected list, fetch or verify.")
    found = [status(one, folder) for one in chosen]
    if action == "verify":
        wrong = next((one for one in found if one.state != "right" and (names or one.state != "absent")), None)
        if wrong is not None:
            raise _not_right(wrong)
    return found


def status(weights: Weights, folder: Path) -> Status:
    """How a known file stands in the folder; its bytes are read.

    Where no digest is published, the one in the file's name + ".sha256" is compared, as ``sha256sum`` writes it.
    """
    path = folder / weights.file_name
    expected = weights.sha256 or _noted_digest(path)
    if not path.is_file():
        return Status(weights=weights, path=path, state="absent", sha256="", expected=expected)
    sha256 = file_digest(path)
    state: State = "unknown digest" if not expected else "right" if sha256.startswith(expected) else "wrong"
    return Status(weights=weights, path=path, state=state, sha256=sha256, expected=expected)


def _noted_digest(path: Path) -> str:
    """The digest beside a file, in full; "" where there is none that can be read."""
    try:
        words = _beside(path).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return ""
    return words[0].lower() if words and re.fullmatch("[0-9a-fA-F]{64}", words[0]) else ""


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def checked_file(name: str, folder: Path | None = None) -> Status:
    """The file of known weights, its digest compared.

    Raises:
        WeightsError: it is absent, not the published one, or nobody says which it should be; the message says what to
            do.
    """
    found = status(find_weights(name), folder or weights_folder())
    if found.state != "right":
        raise _not_right(found)
    return found


def fetch(weights: Weights, folder: Path, progress: Progress) -> Path:
    """Download a file unless the right one is there; a download that was cut off goes on.

    Raises:
        WeightsError: there is no address, the server cannot be reached or refuses, or what came is another file.
        StorageError: the disk is full or may not be written.
    """
    found = status(weights, folder)
    if found.state == "right":
        return found.path
    if found.state != "absent" or not weights.url or not weights.sha256:
        raise _not_right(found)
    partial = found.path.with_name(f".{found.path.name}.part")
    with storage_errors(found.path):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            download(weights.url, partial, weights.name, progress)
        except TROUBLES as error:
            raise WeightsError(
                f"The weights {weights.name} could not be fetched from {urlsplit(weights.url).hostname} ({error}). "
                f"What came is kept and the same command goes on; or put the file at {found.path} yourself."
            ) from error
        sha256 = file_digest(partial)
        if not sha256.startswith(weights.sha256):
            partial.unlink()
            raise WeightsError(
                f"What was fetched for {weights.name} has the SHA-256 {sha256}; expected {weights.sha256}. It was "
                "removed. Try again; if it stays so, the published file has changed."
            )
        os.replace(partial, found.path)
    return found.path


def _not_right(found: Status) -> WeightsError:
    how = f"Run: synthmed weights fetch {found.weights.name}"
    if not found.weights.url:
        how = "It has no fixed address: get it from its publishers and put it there"
    if found.state == "unknown digest":
        return WeightsError(
            f"{found.path} cannot be told from a damaged or another file: no digest of {found.weights.name} is "
            f"published; expected it in {_beside(found.path)}. If you trust the file as it is, run in its folder: "
            f"sha256sum {found.path.name} > {_beside(found.path).name}."
        )
    if found.state == "wrong":
        return WeightsError(
            f"{found.path} has the SHA-256 {found.sha256}; expected {found.expected}. Move it away. {how}."
        )
    return WeightsError(f"The weights {found.weights.name} are not at {found.path}. {how}.")

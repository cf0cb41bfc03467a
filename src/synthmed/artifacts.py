"""Directories with a manifest: written whole or not at all, named by a digest of what is in them.

A directory is filled under a temporary name beside its place, every file is flushed to the disk, a
``manifest.json`` with the SHA-256 of each file is added, and one rename makes it appear. Whatever happens
before the rename leaves the old state; whatever happens after it leaves the new one.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmed import __version__
from synthmed.errors import ArtifactError, StorageError

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an artifact says of itself.

    Args:
        kind: "dataset", "checkpoint", "samples", "report", ...
        version: the synthmed that wrote it.
        inputs: name -> digest of each artifact it was made from.
        facts: anything else its kind records (JSON values).
        files: relative path -> {"sha256": ..., "bytes": ...}.
    """

    kind: str
    version: str
    inputs: dict[str, str]
    facts: dict[str, Any]
    files: dict[str, dict[str, Any]]

    @property
    def digest(self) -> str:
        """SHA-256 over kind and files: equal content, equal digest, whenever and wherever written."""
        return digest_of({"kind": self.kind, "files": self.files})


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: temporary name, flush to disk, rename.

    Raises:
        StorageError: the disk is full or may not be written; the old file is intact.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with storage_errors(path):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, indented, whole or not at all."""
    write_file(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def new_directory(
    path: Path,
    kind: str,
    *,
    inputs: dict[str, str] | None = None,
    facts: dict[str, Any] | None = None,
    known: dict[str, dict[str, Any]] | None = None,
) -> Iterator[Path]:
    """Fill a directory that appears at ``path`` only when all of it is on the disk.

    Yields the temporary directory to write into. ``inputs``, ``facts`` and ``known`` are read when the block ends,
    so the block may still add to them. An exception inside the block removes the temporary directory.

    Args:
        path: a new place.
        kind: of the artifact.
        inputs: name -> digest of each artifact it is made from.
        facts: anything else to record.
        known: relative path -> entry of the manifest, for files that are on the disk already and were digested.

    Raises:
        ArtifactError: something with content already stands at ``path``.
        StorageError: the disk is full or may not be written.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "greeting"
        >>> with new_directory(place, "example") as directory:
        ...     _ = (directory / "hello.txt").write_text("hello")
        >>> read_manifest(place, "example").kind
        'example'
    """
    refuse_existing(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with storage_errors(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            _write_manifest(temporary, kind, inputs or {}, facts or {}, known or {})
            if path.is_dir():
                path.rmdir()
            os.rename(temporary, path)
            _sync_directory(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def refuse_existing(path: Path) -> None:
    """Raise ArtifactError where something with content already stands: nothing is ever overwritten."""
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise ArtifactError(
            f"{path} already exists and is not empty; expected a new place. "
            "Give another path, or move the old one away."
        )


def sweep(folder: Path) -> None:
    """Remove what killed writers left half done in a folder that no one else writes to now."""
    for entry in filter(is_leftover, folder.glob(".*.tmp")):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a name is one that a writer of ours gives to what is not finished."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", path.name) is not None


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read the manifest of an artifact of the given kind, without reading its files.

    Raises:
        ArtifactError: no manifest, a damaged one, or one of another kind.
    """
    file = path / MANIFEST
    if not file.is_file():
        raise ArtifactError(f"{path} has no {MANIFEST}; expected a {kind} written by synthmed. Check the path.")
    try:
        manifest = Manifest(**json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise ArtifactError(
            f"{file} is damaged ({error}); expected a {kind} written by synthmed. Make it anew."
        ) from error
    if manifest.kind != kind:
        raise ArtifactError(f"{path} is a {manifest.kind}; expected a {kind}. Check the path.")
    return manifest


def phantom_kind(path: Path) -> str:
    """Which kind of phantom stands at a path, made by code and of no patient; "" = it is none."""
    try:
        return str(read_manifest(path, "phantom").facts["phantom"])
    except ArtifactError:
        return ""


def verify(path: Path, kind: str) -> Manifest:
    """Read the manifest and compare every file with it.

    Raises:
        ArtifactError: a file is missing, or differs by as little as one bit.
    """
    manifest = read_manifest(path, kind)
    for name, entry in manifest.files.items():
        file = path / name
        if not file.is_file():
            raise ArtifactError(f"{file} is missing; the {kind} lists it. Make the {kind} anew.")
        if file.stat().st_size != entry["bytes"] or file_digest(file) != entry["sha256"]:
            raise ArtifactError(
                f"{file} is damaged: its SHA-256 is not the one in {MANIFEST}. Restore it or make the {kind} anew."
            )
    return manifest


def link(source: Path, place: Path) -> None:
    """Let a finished file stand at a second place without copying it, where the file system can; else copy it."""
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EEXIST):
            raise
        shutil.copyfile(source, place)
        _sync_file(place)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's words about a full or forbidden disk into a StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"The disk is full while writing {path}; what was there before is intact. "
                "Free some space and run the same command again."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StorageError(
                f"{path} may not be written ({error.strerror}). Choose a place where you may write."
            ) from error
        raise


def _write_manifest(
    directory: Path,
    kind: str,
    inputs: dict[str, str],
    facts: dict[str, Any],
    known: dict[str, dict[str, Any]],
) -> None:
    files: dict[str, dict[str, Any]] = {}
    for file in sorted(directory.rglob("*")):
        name = file.relative_to(directory).as_posix()
        if name in known:
            files[name] = known[name]
        elif file.is_file():
            _sync_file(file)
            files[name] = {"sha256": file_digest(file), "bytes": file.stat().st_size}
    manifest = {"kind": kind, "version": __version__, "inputs": inputs, "facts": facts, "files": files}
    write_json(directory / MANIFEST, manifest)
    for folder in [directory, *(entry for entry in directory.rglob("*") if entry.is_dir())]:
        _sync_directory(folder)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    # Windows cannot open a directory; there the rename itself is the best there is.
    if os.name == "posix":
        _sync_file(path)

"""Directories with a manifest: written whole or not at all, named by a digest of what is in them.

A directory is filled under a temporary name beside its place, every file is flushed to the disk, a
``manifest.json`` with the SHA-256 of each file is added, and one rename makes it appear. Whatever happens
before the rename leaves the old state; whatever happens after it leaves the new one. The manifest carries a seal,
the digest of what it says itself, so every byte that is read back is compared with a digest.
"""

import errno
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthmed import __version__
from synthmed.errors import ArtifactError, StorageError
from synthmed.files.paths import inside
from synthmed.files.seals import SEAL, read_json, sealed, unsealed
from synthmed.files.seals import digest_of as digest_of
from synthmed.files.seals import file_digest as file_digest

MANIFEST = "manifest.json"
_FORMAT = 2
"""Of a manifest. Those of format 1 say no format and have no seal; they are read, their files compared as ever."""
_PARTS = ("kind", "version", "inputs", "facts", "files")


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


def write_file(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all: temporary name, flush to disk, rename.

    Raises:
        StorageError: the disk is full or may not be written; the old file is intact.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with storage_errors(path):
        try:
            with temporary.open("xb") as file:
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
    """Raise ArtifactError where something with content, or a link, already stands: nothing is ever overwritten."""
    with storage_errors(path):
        is_free = not os.path.lexists(path) or (path.is_dir() and not path.is_symlink() and not any(path.iterdir()))
    if not is_free:
        raise ArtifactError(
            f"{path} already exists and is not empty; expected a new place. "
            "Give another path, or move the old one away."
        )


def sweep(folder: Path) -> None:
    """Remove what killed writers left half done in a folder that no one else writes to now."""
    for entry in filter(is_leftover, folder.glob(".*.tmp")):
        remove(entry)


def remove(path: Path) -> None:
    """Remove a file, a directory with all that is in it, or a link, but not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """Whether a name is one that a writer of ours gives to what is not finished."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", path.name) is not None


def read_manifest(path: Path, kind: str, needs: Iterable[str] = ()) -> Manifest:
    """Read the manifest of an artifact of the given kind, without reading its files.

    Args:
        path: the artifact.
        kind: which kind it must be.
        needs: names of the files that its reader opens: a file that no manifest lists is under no digest.

    Raises:
        ArtifactError: no manifest, a damaged one, one of another kind, or one that does not list what is needed.
    """
    file = path / MANIFEST
    if not file.is_file():
        raise ArtifactError(f"{path} has no {MANIFEST}; expected a {kind} written by synthmed. Check the path.")
    try:
        manifest = _manifest(read_json(file.read_bytes()))
    except ValueError as error:
        raise ArtifactError(
            f"{file} is damaged ({error}); expected a {kind} written by synthmed. Make it anew."
        ) from error
    if manifest.kind != kind:
        raise ArtifactError(f"{path} is a {manifest.kind}; expected a {kind}. Check the path.")
    for name in needs:
        if name not in manifest.files:
            raise ArtifactError(f"{file} does not list {name}; expected it in every {kind}. Make the {kind} anew.")
    return manifest


def _manifest(said: Any) -> Manifest:
    """A manifest as read from its file.

    Raises:
        ValueError: a part is missing, unknown or of another type, or it is not what was sealed.
    """
    if isinstance(said, dict) and {"format", SEAL} & said.keys():
        said = unsealed(said)
        if said.pop("format", None) != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
    if not isinstance(said, dict) or sorted(said) != sorted(_PARTS):
        raise ValueError(f"its parts are not {', '.join(_PARTS)}")
    texts = [said["kind"], said["version"]]
    if not all(isinstance(said[part], dict) for part in ("inputs", "facts", "files")):
        raise ValueError("its inputs, facts and files are not tables")
    texts += said["inputs"].values()
    for name, entry in said["files"].items():
        if not isinstance(entry, dict) or sorted(entry) != ["bytes", "sha256"] or type(entry["bytes"]) is not int:
            raise ValueError(f"its entry of {name} is not a size and a digest")
        texts.append(entry["sha256"])
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a kind, version, input or digest is no text")
    return Manifest(**said)


def kind_of(path: Path) -> str:
    """The kind of the artifact that stands at a path; "" where nothing of ours does.

    Raises:
        ArtifactError: its manifest is damaged.
    """
    file = path / MANIFEST
    try:
        said = read_json(file.read_bytes())
    except OSError:
        return ""
    except ValueError as error:
        raise ArtifactError(
            f"{file} is damaged ({error}). Restore it, or move it away if it is not of synthmed."
        ) from error
    # Another tool may have a file of that name; one changed letter makes none of ours look like it.
    is_ours = isinstance(said, dict) and len(said.keys() & set(_PARTS)) > len(_PARTS) // 2
    return read_manifest(path, str(said.get("kind"))).kind if is_ours else ""


def verify(path: Path, kind: str, needs: Iterable[str] = ()) -> Manifest:
    """Read the manifest and compare every file with it.

    Args:
        path: the artifact.
        kind: which kind it must be.
        needs: names of the files that its reader opens.

    Raises:
        ArtifactError: a file is missing, outside, not listed, or differs by as little as one bit.
    """
    manifest = read_manifest(path, kind, needs)
    for name, entry in manifest.files.items():
        file = inside(path, name)
        size = _size(file)
        if size is None:
            raise ArtifactError(f"{file} is missing; the {kind} lists it. Make the {kind} anew.")
        if size != entry["bytes"] or file_digest(file) != entry["sha256"]:
            raise ArtifactError(
                f"{file} is damaged: its SHA-256 is not the one in {MANIFEST}. Restore it or make the {kind} anew."
            )
    return manifest


def link(source: Path, place: Path) -> None:
    """Let a finished file stand at a second place without copying it, where the file system can; else copy it."""
    try:
        os.link(source, place)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EEXIST):
            raise
        shutil.copyfile(source, place)
        _sync_file(place)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's words about a full or forbidden disk into a StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(
                f"The disk is full, or a limit on the size of files is reached, while writing {path}; what was there "
                "before is intact. Free some space and run the same command again."
            ) from error
        if error.errno is None and "writing" in str(error):  # Pillow's encoders keep to themselves what the disk said
            raise StorageError(
                f"{path} could not be written whole ({error}); what was there before is intact. Look whether the disk "
                "is full, and run the same command again."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise StorageError(
                f"{path} may not be written ({error.strerror}). Choose a place where you may write."
            ) from error
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
            raise StorageError(
                f"{path} cannot be written ({error.strerror}): a file stands where a folder is needed, or the name "
                "is too long. Give another place."
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
    said = {"format": _FORMAT, "kind": kind, "version": __version__, "inputs": inputs, "facts": facts, "files": files}
    write_json(directory / MANIFEST, sealed(said))
    for folder in [directory, *(entry for entry in directory.rglob("*") if entry.is_dir())]:
        _sync_directory(folder)


def _size(file: Path) -> int | None:
    """Bytes of a regular file; None where there is none."""
    try:
        found = file.stat()
    except PermissionError:
        raise
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


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

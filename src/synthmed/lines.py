"""Files that grow line by line: each line is a sealed JSON table, written at once.

A process that is killed leaves at most the beginning of its last line. Anything else that is not as it was written
is damage, and is told from that.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthmed.artifacts import storage_errors, write_file
from synthmed.errors import ArtifactError
from synthmed.paths import open_own
from synthmed.seals import read_json, sealed, unsealed


def append(path: Path, entry: Mapping[str, Any], *, flush: bool = False) -> None:
    """Add a line.

    Args:
        path: the file; new if there is none.
        entry: JSON values.
        flush: wait until it is on the disk.

    Raises:
        ArtifactError: a link, or something that is no file, stands at ``path``.
        StorageError: the disk is full or may not be written.
    """
    with storage_errors(path), open_own(path, "a") as file:
        file.write(json.dumps(sealed(entry)) + "\n")
        file.flush()
        if flush:
            os.fsync(file.fileno())


def read(path: Path) -> list[dict[str, Any]]:
    """What the lines say, without their seals; [] where there is no file. A last line that was cut short is left out.

    Raises:
        ArtifactError: a line is not as it was written.
    """
    said = []
    for number, line in enumerate(_lines(path)[0], start=1):
        try:
            said.append(unsealed(read_json(line)))
        except ValueError as error:
            raise ArtifactError(
                f"{path} is damaged in line {number} ({error}); expected lines as this synthmed writes them. Restore "
                "it, or move it away."
            ) from error
    return said


def keep(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Leave only some lines in the file, which is written anew; nothing where there is no file.

    Raises:
        ArtifactError: a line is not as it was written.
    """
    if path.is_file():
        _write(path, [entry for entry in read(path) if wanted(entry)])


def salvage(path: Path) -> list[dict[str, Any]]:
    """What the lines say that are as they were written; the others are taken out of the file."""
    found, rest = _lines(path)
    said = []
    for line in found:
        with suppress(ValueError):
            said.append(unsealed(read_json(line)))
    if rest or len(said) < len(found):
        _write(path, said)
    return said


def _lines(path: Path) -> tuple[list[bytes], bytes]:
    """The lines of a file, and what stands there of one that was cut short.

    A line whose end was changed is no such beginning: a whole table stands in it.
    """
    if not path.is_file():
        return [], b""
    *whole, rest = path.read_bytes().split(b"\n")
    try:
        json.JSONDecoder().raw_decode(rest.decode(errors="replace"))
    except (ValueError, RecursionError):
        return whole, rest
    return [*whole, rest], b""


def _write(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    write_file(path, "".join(json.dumps(sealed(entry)) + "\n" for entry in entries))

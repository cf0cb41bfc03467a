"""Names that stay inside of a directory, and files that are written through no link."""

import os
import stat
from pathlib import Path
from typing import IO, Any, Literal

from synthmed.errors import ArtifactError


def inside(path: Path, name: str) -> Path:
    """The file of that name in a directory of ours.

    Args:
        path: the directory.
        name: relative, with / between folders, as a table or a manifest names it.

    Raises:
        ArtifactError: the name, or a link at its place, leads out of the directory.

    Example:
        >>> inside(Path("set"), "images/00000.png").as_posix()
        'set/images/00000.png'
    """
    if not _is_below(name) or not _stays_inside(os.fspath(path), name):
        raise ArtifactError(
            f"{path} names the file {name!r}, which is outside of it; expected names of its own files and no links "
            "that lead out. Copy the file itself, or make it anew."
        )
    return path / name


def open_own(path: Path, mode: Literal["a", "ab", "wb"]) -> IO[Any]:
    """Open a file of ours to write in place, where no other file may be written through a link.

    Args:
        path: the file.
        mode: as of ``open``; "a" changes nothing that is there.

    Raises:
        ArtifactError: a link, or something that is no file, stands at ``path``.
    """
    refuse_link(path)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666)  # where a link has come in the meantime

    return open(path, mode, encoding=None if "b" in mode else "utf-8", opener=opener)


def refuse_link(path: Path) -> None:
    """Raise ArtifactError where a link, or something else that is no regular file, stands."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise ArtifactError(
            f"{path} is a link or no regular file; expected a file of synthmed or nothing. It was left as it is. "
            "Remove it, or give another place."
        )


def _is_below(name: str) -> bool:
    """Whether a name can only be that of a file below: not absolute, no way up, no name that none can have."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name and {"", ".", ".."}.isdisjoint(name.split("/"))


def _stays_inside(path: str, name: str) -> bool:
    """Whether no link on the way from a directory to a file below it leads out of the directory."""
    step = path
    for part in name.split("/"):
        step = f"{step}/{part}"
        if os.path.islink(step):
            return Path(os.path.realpath(f"{path}/{name}")).is_relative_to(os.path.realpath(path))
    return True

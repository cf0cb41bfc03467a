"""Every file below a folder, without ever leaving it."""

import os
from pathlib import Path

from synthmed.errors import SourceError


def list_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """All files below a folder, sorted by name, and what is left out: name relative to the folder -> reason.

    Links to folders are not followed; links to files only inside. Each file below is in one of the two.

    Raises:
        SourceError: not a folder.
    """
    names, rejected = list_names(folder)
    base = os.fspath(folder)
    return [Path(os.path.join(base, name)) for name in names], rejected


def list_names(folder: Path) -> tuple[list[str], dict[str, str]]:
    """The same with names relative to the folder, with / between folders, as the disk spells them.

    Raises:
        SourceError: not a folder.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder; expected a folder of images. Check the path.")
    names: list[str] = []
    rejected: dict[str, str] = {}
    inside = folder.resolve()
    waiting = [("", False)]
    while waiting:
        place, hidden = waiting.pop()
        try:
            entries = list(os.scandir(folder / place))
        except OSError:
            rejected[written(place) or "."] = "The folder may not be read. Change its permissions."
            continue
        for entry in entries:
            name = f"{place}/{entry.name}" if place else entry.name
            is_hidden = hidden or entry.name.startswith(".")
            if entry.is_dir(follow_symlinks=False):
                waiting.append((name, is_hidden))
            elif reason := _why_not(entry, is_hidden, inside):
                rejected[written(name)] = reason
            else:
                names.append(name)
    return sorted(names), rejected


def relative(path: Path, folder: Path) -> str:
    """The name of a file below a folder, with / between folders, in characters that can be written down."""
    return written(path.relative_to(folder).as_posix())


def written(name: str) -> str:
    """A name in characters that can be written down."""
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def _why_not(entry: os.DirEntry[str], hidden: bool, inside: Path) -> str:
    if hidden:
        return "It is hidden: its name, or that of a folder above it, begins with a dot. Rename it if it is an image."
    if not entry.name.isascii() and any("\ud800" <= character <= "\udfff" for character in entry.name):
        return "Its name is not UTF-8; expected a name that can be written down. Rename it."
    if entry.is_symlink() and (reason := _why_no_link(Path(entry.path), inside)):
        return reason
    if entry.name.upper() == "DICOMDIR":
        return "It is the index of a DICOM medium, not an image; the images are found without it."
    if not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
        return "It is no regular file. Copy the file itself."
    return ""


def _why_no_link(path: Path, inside: Path) -> str:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links that lead round in a circle
        return "It is a broken link. Copy the file itself."
    if not target.is_relative_to(inside):
        return "It is a symbolic link out of the folder; expected a file inside it. Copy it."
    if target.is_dir():
        return "It is a symbolic link to a folder. Its files are found where they are."
    return "" if target.is_file() else "It is no regular file. Copy the file itself."

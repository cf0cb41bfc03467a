"""Every file below a folder, without ever leaving it."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from synthmed.errors import SourceError

_PARTICULAR = re.compile(r"\S+\.\w+|\d[\d.,]*")
"""Names of files and numbers, in which two reasons of one kind differ."""
_NO_IMAGE = re.compile(r"is the index of|does not begin like|extension is not one|is hidden|is a table")


def list_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """All files below a folder, sorted, and what is left out: name relative to the folder -> reason.

    Hidden files and folders are passed over. Links to folders are not followed; links to files only inside.

    Raises:
        SourceError: not a folder.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder; expected a folder of images. Check the path.")
    files: list[Path] = []
    rejected: dict[str, str] = {}
    inside = folder.resolve()
    for place, folders, names in os.walk(folder, onerror=lambda error: _unreadable(error, folder, rejected)):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in [*names, *links] if not name.startswith(".")):
            path = Path(place) / name
            if reason := _why_not(path, inside):
                rejected[relative(path, folder)] = reason
            else:
                files.append(path)
    return sorted(files), rejected


def real_reason(rejected: Iterable[tuple[str, str]]) -> str:
    """The reason that most files of a folder are left out for, as the end of a message; "" where none is.

    What is no image in the first place, such as the index of a medium or a text beside the images, counts only where
    there is nothing else.

    Args:
        rejected: file and reason.

    Example:
        >>> real_reason([("D", "It is the index of a medium."), ("a", "It has 9 masks."), ("b", "It has 2 masks.")])
        ' Of 3 files left out 2 share this reason, such as a: It has 9 masks.'
    """
    alike: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file, reason in sorted(rejected):
        general = re.sub(rf"(?<!\w){re.escape(file)}(?!\w)", "", reason)
        alike[_PARTICULAR.sub("", general)].append((file, reason))
    if not alike:
        return ""
    rows = max(alike.values(), key=lambda rows: (not _NO_IMAGE.search(rows[0][1]), len(rows)))
    file, reason = rows[0]
    total = sum(len(rows) for rows in alike.values())
    if total == 1:
        return f" One file is left out, {file}: {reason}"
    share = "all share" if len(rows) == total else "one has" if len(rows) == 1 else f"{len(rows)} share"
    return f" Of {total} files left out {share} this reason, such as {file}: {reason}"


def relative(path: Path, folder: Path) -> str:
    """The name of a file below a folder, with / between folders, in characters that can be written down."""
    return path.relative_to(folder).as_posix().encode(errors="backslashreplace").decode()


def wrong_link(path: Path, inside: Path) -> str:
    """Why a link below a folder is not followed, as a sentence; "" = it may be, or it is none.

    Args:
        path: a file or folder below it.
        inside: the folder, its own links followed.
    """
    try:
        # What is beside a broken link is followed as far as it goes.
        leads_out = not path.resolve().is_relative_to(inside)
    except (RuntimeError, OSError):
        return "It is a symbolic link that leads back to itself. Remove it, or copy the file that was meant."
    return "It is a symbolic link out of the folder; expected a file inside it. Copy it." if leads_out else ""


def _why_not(path: Path, inside: Path) -> str:
    if reason := wrong_link(path, inside):
        return reason
    if path.is_symlink() and path.is_dir():
        return "It is a symbolic link to a folder. Its files are found where they are."
    if any("\ud800" <= character <= "\udfff" for character in path.name):
        return "Its name is not UTF-8; expected a name that can be written down. Rename it."
    if not path.is_file():
        return "It is no regular file or a broken link. Copy the file itself."
    if path.name.upper() == "DICOMDIR":
        return "It is the index of a DICOM medium, not an image; the images are found without it."
    return ""


def _unreadable(error: OSError, folder: Path, rejected: dict[str, str]) -> None:
    rejected[relative(Path(error.filename), folder)] = "The folder may not be read. Change its permissions."

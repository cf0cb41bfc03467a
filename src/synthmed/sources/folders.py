"""Every file below a folder. Links to folders are never followed; a link to a file is read as that file.

A link is how git-annex and DataLad keep images, and how a set is chosen from an archive without copying it. The source
is only read; what is written goes through no link (``files.paths``).
"""

import errno
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from synthmed.errors import SourceError

_PARTICULAR = re.compile(r"\S+\.\w+|\d[\d.,]*")
"""Names of files and numbers, in which two reasons of one kind differ."""
_NO_IMAGE = re.compile(
    r"is the index of|does not begin like|extension is not one|is hidden|is a table|image is left out"
)


def list_files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """All files below a folder, sorted by name, and what is left out: name relative to the folder -> reason.

    Links to folders are not followed; a link to a regular file is that file, wherever it lies. Each file below is in
    one of the two.

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
            elif reason := _why_not(entry, is_hidden, folder):
                rejected[written(name)] = reason
            else:
                names.append(name)
    return sorted(names), rejected


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
    return written(path.relative_to(folder).as_posix())


def written(name: str) -> str:
    """A name in characters that can be written down."""
    return name if name.isascii() else name.encode(errors="backslashreplace").decode()


def leads_out(path: str | Path, folder: Path) -> bool:
    """Whether a file below a folder is a link to one that lies elsewhere."""
    return os.path.islink(path) and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _why_not(entry: os.DirEntry[str], hidden: bool, folder: Path) -> str:
    if hidden:
        return "It is hidden: its name, or that of a folder above it, begins with a dot. Rename it if it is an image."
    if not entry.name.isascii() and any("\ud800" <= character <= "\udfff" for character in entry.name):
        return "Its name is not UTF-8; expected a name that can be written down. Rename it."
    if entry.is_symlink() and (reason := _why_no_link(Path(entry.path), folder)):
        return reason
    if entry.name.upper() == "DICOMDIR":
        return "It is the index of a DICOM medium, not an image; the images are found without it."
    if not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
        return "It is no regular file. Copy the file itself."
    return ""


def _why_no_link(path: Path, folder: Path) -> str:
    """Why a link is not read, as a sentence; "" where it leads to a regular file."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "It is a symbolic link to nothing. Fetch the file (for git-annex: git annex get), or remove the link."
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "It is a symbolic link that leads back to itself. Remove it, or copy the file that was meant."
        return "It is a symbolic link to a file that may not be read. Change its permissions, or copy the file."
    if stat.S_ISDIR(mode) and leads_out(path, folder):
        return "It is a symbolic link to a folder elsewhere, which is not followed. Copy that folder, or prepare it."
    if stat.S_ISDIR(mode):
        return "It is a symbolic link to a folder. Its files are found where they are."
    return "" if stat.S_ISREG(mode) else "It is a symbolic link to what is no regular file. Copy the file itself."

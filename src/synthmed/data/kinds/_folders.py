"""Folders of series and volumes: which files there are, which is the mask of which, and whose they are."""

import re
import unicodedata
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from synthmed.data.kinds._contract import Map, Rejection
from synthmed.errors import ConfigError, SourceError
from synthmed.sources import folders, open_header
from synthmed.sources.folders import relative
from synthmed.sources.image import SourceHeader
from synthmed.sources.names import file_key

_ENDINGS = (
    ".nii.gz",
    ".nii",
    ".nrrd",
    ".dcm",
    ".ima",
    ".png",
    ".tiff",
    ".tif",
    ".jpeg",
    ".jpg",
    ".bmp",
    ".gif",
    ".pgm",
)
IMAGE_FOLDERS, MASK_FOLDERS = ("images",), ("masks", "labels")
"""How the names of folders of images and of masks begin."""

_SLICE_OF_A_PATIENT = re.compile(r"(\d+)_\d+")


def list_files(source: Path) -> tuple[list[Path], list[Rejection]]:
    """All files below a folder, sorted, and what is left out, as ``sources.folders`` finds them."""
    files, reasons = folders.list_files(source)
    return files, [Rejection(file=file, reason=reason) for file, reason in reasons.items()]


def read_headers(files: list[Path], source: Path, run: Map) -> tuple[list[SourceHeader], list[Rejection]]:
    """The headers of all files, in order; a file that cannot be read is rejected with its reason."""
    headers: list[SourceHeader] = []
    rejected: list[Rejection] = []
    for path, header in zip(files, run(_header_or_error, files), strict=True):
        if isinstance(header, SourceError):
            rejected.append(Rejection(file=relative(path, source), reason=str(header)))
        else:
            headers.append(header)
    return headers, rejected


def _header_or_error(path: Path) -> SourceHeader | SourceError:
    try:
        return open_header(path)
    except SourceError as error:
        return error


def chosen(files: list[Path], source: Path, pattern: str) -> list[Path]:
    """The files whose relative name matches a pattern such as ``*/FLAIR*``; all for an empty pattern."""
    return [path for path in files if not pattern or fnmatch(relative(path, source), pattern)]


def roles(
    files: list[Path], source: Path, *, images: str = "", masks: str = "", table: str = ""
) -> tuple[list[Path], list[Path]]:
    """Which files are images and which are masks: by patterns, or by the folder they lie in.

    Args:
        files: all of the source.
        source: the source folder.
        images: pattern for images; "" = all that are no masks.
        masks: pattern for masks; "" = those in folders that begin with ``masks`` or ``labels``.
        table: the user's table, which is neither; "" = none.
    """
    files = [path for path in files if not table or path.resolve() != Path(table).resolve()]
    if masks:
        found = set(chosen(files, source, masks))
    else:
        found = {path for path in files if place_of(path, source, MASK_FOLDERS)}
    return chosen([path for path in files if path not in found], source, images), sorted(found)


def stem(name: str) -> str:
    """A file name without the ending of an image.

    Example:
        >>> stem("liver 7.nii.gz"), stem("IM.1.2.840")
        ('liver 7', 'IM.1.2.840')
    """
    ending = next((ending for ending in _ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def place_of(path: Path, source: Path, words: tuple[str, ...]) -> tuple[str, str] | None:
    """Where a file lies in the layout of ``images`` beside ``masks``: the folder of both, and its name in there.

    Args:
        path: the file, or the folder of a series.
        source: the source folder.
        words: beginnings of the folder's name, such as ("images",).

    Returns:
        (folder that holds ``images`` and ``masks``, path below without the ending), or None outside such a folder.
    """
    parts = PurePosixPath(path.relative_to(source).as_posix()).parts
    for depth in reversed(range(len(parts) - 1)):
        if parts[depth].lower().startswith(words):
            below = "/".join([*parts[depth + 1 : -1], stem(parts[-1])])
            return file_key("/".join(parts[:depth])), file_key(below)
    return None


def patient_of(name: str, header: SourceHeader, pattern: str) -> str:
    """Whose an item is: by the user's pattern, by its header, or by its name; "" where nobody says.

    Without a header that says it: of ``10007_575.png`` the number before the slice; else the folder that the file
    lies in, unless that is ``images`` or the source itself; else the file's own name.

    Args:
        name: of the item relative to the source.
        header: of its first file.
        pattern: a regular expression whose first group is the patient; "" = none.

    Raises:
        ConfigError: the pattern is not a regular expression with a group.
    """
    if pattern:
        return in_name(name, pattern)
    if header.patient_id or header.format == "DICOM":
        return header.patient_id
    path = PurePosixPath(name)
    file = stem(path.name)
    if match := _SLICE_OF_A_PATIENT.fullmatch(file):
        return match[1]
    folder = path.parent.name
    return file if not folder or folder.lower().startswith("images") else folder


def in_name(name: str, pattern: str) -> str:
    """The patient that a pattern finds in the name of an item; "" where it does not fit.

    Raises:
        ConfigError: as ``patient_of``.
    """
    try:
        match = re.search(pattern, unicodedata.normalize("NFC", name))
        return (match[1] or "") if match else ""
    except (re.error, IndexError) as error:
        raise ConfigError(
            f"The setting patient is {pattern!r}; expected a regular expression with one group, such as "
            r"'(\d+)_' for the number before an underscore."
        ) from error


def is_said(header: SourceHeader, pattern: str) -> bool:
    """Whether ``patient_of`` knows whose an item is, and does not take its name or folder for want of better."""
    return bool(pattern or header.patient_id) or header.format == "DICOM"


NO_PATIENT = (
    "It does not say whose it is; the split into training and test is by patient. Name the patient by the setting "
    "patient, a pattern for the file names."
)

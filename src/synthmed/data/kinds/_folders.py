"""Folders of series and volumes: which files there are, which is the mask of which, and whose they are."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from synthmed.data.kinds._contract import Item, Map, Rejection
from synthmed.errors import ConfigError, SourceError
from synthmed.sources import folders, open_header
from synthmed.sources.folders import relative
from synthmed.sources.image import SourceHeader
from synthmed.sources.layouts import IMAGE_LEFT_OUT
from synthmed.sources.metadata import EMPTY_PATIENT, METADATA, NOT_READ, Metadata, common_folder, find_table, set_apart
from synthmed.sources.partners import choose, pair, refuse_strangers
from synthmed.sources.words import place_of, stem

_SLICE_OF_A_PATIENT = re.compile(r"(\d+)_\d+")
_NO_IMAGES = (
    ".txt",
    ".md",
    ".csv",
    ".tsv",
    ".json",
    ".xml",
    ".html",
    ".pdf",
    ".yaml",
    ".yml",
    ".zip",
    ".xlsx",
    ".docx",
)
"""Endings of files that are no masks, whatever their names say."""


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


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which files are what.

    Args:
        images: to be read.
        masks: by folder or by name.
        tables: the user's table and the folder's own, where they lie among the files.
        metadata: the folder's own table, or None.
        root: the folder where the images begin (``metadata.common_folder``).
    """

    images: list[Path]
    masks: list[Path]
    tables: tuple[Path, ...]
    metadata: Path | None
    root: str


def roles(
    files: list[Path], source: Path, rejected: list[Rejection], *, images: str = "", masks: str = "", table: str = ""
) -> Roles:
    """Which files are images and which are masks: by patterns, or by the names of folders and files.

    Args:
        files: all of the source.
        source: the source folder.
        rejected: files that fit no pattern are added.
        images: pattern for images; "" = all that are no masks.
        masks: pattern for masks; "" = by names.
        table: the user's table, which is neither; "" = none.
    """
    by_name, tables = set_apart({relative(path, source): path for path in files}, Path(table) if table else None)
    texts = [name for name in by_name if name.lower().endswith(_NO_IMAGES)]
    root = common_folder(by_name.keys() - set(texts))
    metadata = find_table(by_name, root)
    by_name, own = set_apart(by_name, metadata)
    others = [name for name in by_name if PurePosixPath(name).name == METADATA]
    rejected += [Rejection(file=name, reason=NOT_READ) for name in others]
    texts = [name for name in texts if name in by_name and name not in others]
    known = {*texts, *others}
    found, left_out = choose([name for name in by_name if name not in known], images=images, masks=masks)
    rejected += [Rejection(file=name, reason=reason) for name, reason in left_out.items()]
    read = [*found.images, *found.fields, *texts]
    return Roles(
        images=[by_name[name] for name in sorted(read)],
        masks=[by_name[name] for name in found.masks],
        tables=(*tables, *own),
        metadata=metadata,
        root=root,
    )


def masks_of(
    items: Iterable[Item], masks: list[Path], source: Path, rejected: list[Rejection], *, told: bool
) -> dict[str, tuple[Path, ...]]:
    """Name of an item -> its masks; a mask that belongs to none, or to several, is rejected with its reason.

    ``told`` says whether the user said by a pattern which files are masks.

    Raises:
        SourceError: there are masks, and none belongs to an item.
    """
    by_name = {relative(path, source): path for path in masks}
    names = [item.name for item in items]
    pairs = pair(names, by_name, told=told)
    refuse_strangers(pairs, names, list(by_name))
    rejected += [Rejection(file=name, reason=reason) for name, reason in pairs.alone.items()]
    return {name: tuple(by_name[mask] for mask in mine) for name, mine in pairs.of.items()}


def with_rows(items: list[Item], chosen: Roles, source: Path, rejected: list[Rejection]) -> list[Item]:
    """The items with what the folder's own table says of them: it goes before patterns, headers and names.

    The row of a series or study names its folder or any of its files. An item without a row is rejected with its masks.
    """
    names = [(item.name, *(relative(path, source) for path in item.files)) for item in items]
    table = Metadata(chosen.metadata, {name for mine in names for name in mine}, chosen.root)
    found = []
    for item, mine in zip(items, names, strict=True):
        try:
            row = table.row(*mine)
            said, own = row.get("patient_id", ""), item.patient_id
            if not said and (("patient_id" in row and not item.patient_said) or not own):
                raise SourceError(EMPTY_PATIENT if "patient_id" in row else NO_PATIENT)
        except SourceError as error:
            reject_all(item.files, str(error), source, rejected)
            reject_all(item.partners, IMAGE_LEFT_OUT, source, rejected)
            continue
        found.append(
            replace(
                item,
                patient_id=said or own,
                split=row.get("split") or item.split,
                label=row.get("label") or item.label,
                patient_said=item.patient_said or bool(said),
            )
        )
    told = {one.file for one in rejected}
    rejected += [Rejection(file=name, reason=reason) for name, reason in table.unused() if name not in told]
    return found


def reject_all(paths: Iterable[Path], reason: str, source: Path, rejected: list[Rejection]) -> None:
    """A row for each file of a series, a study or an item."""
    rejected += [Rejection(file=relative(path, source), reason=reason) for path in paths]


def rejections_of(item: Item, reason: str) -> list[Rejection]:
    """A row for an item of one file, and one for each of its masks, named as the item is."""
    above = len(str(item.files[0])) - len(item.name)
    return [Rejection(file=item.name, reason=reason)] + [
        Rejection(file=str(path)[above:], reason=IMAGE_LEFT_OUT) for path in item.partners
    ]


def patient_of(name: str, header: SourceHeader, pattern: str) -> str:
    """Whose an item is: by the user's pattern, by its header, or by its name; "" where nobody says.

    Without a header that says it: of ``10007_575.png`` the number before the slice; else the folder that the file
    lies in, unless its name says what its files are, or it is the source itself; else the file's own name.

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
    owners = place_of(path.parent.as_posix()).owners
    return owners[-1] if owners else file


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

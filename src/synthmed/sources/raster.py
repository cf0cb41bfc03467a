"""Folders of pictures -> which image, masks and field of view belong together, to which patient, in which split.

DRIVE's own layout is read as such (``training|test/{images,1st_manual,mask}``). In every other folder names say what is
what (``synthmed.sources.partners``): folders of images beside folders of masks, once or in halves such as ``train``,
``valid`` and ``test``; masks beside their images; a folder for each patient or image. Nothing is decoded here, and no
file outside the folder is ever followed. Every file is an image, a mask, a field of view or a table, or is left out
with a reason.
"""

import csv
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmed.errors import SourceError
from synthmed.sources.folders import list_files, real_reason, relative
from synthmed.sources.layouts import IMAGE_LEFT_OUT, arrange
from synthmed.sources.names import file_key, identity, person
from synthmed.sources.pixels import EXTENSIONS
from synthmed.sources.words import place_of, stem

METADATA = "metadata.csv"
COLUMNS = ("file_name", "patient_id", "split", "label")
_SPLITS = ("train", "holdout", "test")
_DRIVE_HALVES = {"training": "train", "test": "test"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """One photograph and what belongs to it.

    Args:
        path: the image file.
        mask_paths: its binary masks; what is foreground in any of them is foreground.
        field_path: its field of view (1 where the camera saw something), or None.
        patient_id: whose image it is, in the words of the source, in one form (``names.person``).
        split: "train", "holdout" or "test" where the source declares it, else "".
        label: its class, "" for none.
        patient_said: whether the layout or a table says whose it is; else it counts as its own patient, by its name.
    """

    path: Path
    mask_paths: tuple[Path, ...]
    field_path: Path | None
    patient_id: str
    split: str
    label: str
    patient_said: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient_id", person(self.patient_id))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """A file that is left out, named relative to the source folder, and the reason as a sentence."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImages:
    """What a folder holds, both lists sorted by file name.

    Args:
        images: what can be used.
        rejected: what cannot.
        layout: "drive", "folders", "patients" or "plain".
        tables: the tables that were read.
    """

    images: list[FoundImage]
    rejected: list[Rejection]
    layout: str
    tables: tuple[Path, ...] = ()


def find(
    folder: Path,
    *,
    table: Path | None = None,
    images: str = "",
    masks: str = "",
    extensions: Sequence[str] = EXTENSIONS,
) -> FoundImages:
    """Find the pictures of a folder with their masks, fields of view, patients and declared splits.

    Args:
        folder: the source folder; see the module for the layouts.
        table: a CSV file to read instead of the folder's ``metadata.csv``, with the same columns.
        images: pattern for the files that are images, such as ``*_flair.png``; "" = by names.
        masks: pattern for the files that are masks; "" = by names.
        extensions: endings of the files to look at, in small letters.

    Raises:
        SourceError: not a folder, no images, masks of which none belongs to an image, an unknown column or split in
            the table, or one patient in two declared splits.
    """
    search = _Search(Path(folder), table, tuple(extensions))
    if search.is_drive():
        layout, found = "drive", _find_drive(search)
    else:
        layout, found = _find_by_names(search, images, masks)
    if not found:
        raise SourceError(_nothing_found(search.folder, search.rejected))
    _check_splits(found)
    return FoundImages(
        images=sorted(found, key=lambda image: image.path.as_posix()),
        rejected=sorted(search.rejected, key=lambda rejection: (rejection.file, rejection.reason)),
        layout=layout,
        tables=tuple(path for path in (search.table,) if path is not None),
    )


class _Search:
    """The folder being searched, its image files, and what was rejected in it so far.

    Args:
        folder: the source.
        table: the user's table, or None.
        extensions: endings of image files.
    """

    def __init__(self, folder: Path, table: Path | None, extensions: tuple[str, ...]) -> None:
        self.folder = folder
        files, left_out = list_files(folder)
        self.rejected = [Rejection(file=name, reason=reason) for name, reason in left_out.items()]
        base = len(os.fspath(folder).rstrip("/")) + 1
        names = {os.fspath(path)[base:]: path for path in files}
        self.files = {
            name: path
            for name, path in names.items()
            if name.lower().endswith(extensions) or (".dcm" in extensions and _is_dicom(path))
        }
        others = names.keys() - self.files.keys()
        self.root = _common_folder(self.files)
        self.table = table or self._metadata(names)
        own = None if self.table is None else self.table.resolve()
        for name in others:
            if names[name].name == METADATA and names[name].resolve() != own:
                self.reject(name, f"It is a table that is not read; expected one {METADATA}, above all images.")
            elif names[name].resolve() != own:
                self.reject(name, f"Its extension is not one of {', '.join(extensions)}.")

    def _metadata(self, names: dict[str, Path]) -> Path | None:
        """The folder's own table: in it, or where its images begin."""
        places = dict.fromkeys((METADATA, f"{self.root}{METADATA}"))
        return next((names[name] for name in places if name in names), None)

    def is_drive(self) -> bool:
        """Whether it has DRIVE's folders and DRIVE's names in them."""
        wanted = re.compile(rf"{re.escape(self.root)}(?:training|test)/images/\d+_(?:training|test)\.\w+", re.I)
        return any(wanted.fullmatch(name) for name in self.files)

    def reject(self, name: str, reason: str) -> None:
        """Leave a file out; ``name`` is relative to the source."""
        self.rejected.append(Rejection(file=relative(self.folder / name, self.folder), reason=reason))

    def one_a_stem(self, names: Iterable[str]) -> list[str]:
        """The names that no other of the same folder and stem makes ambiguous."""
        stems: dict[str, list[str]] = defaultdict(list)
        for name in names:
            key = stem(name)
            stems[key if key.isascii() else unicodedata.normalize("NFC", key)].append(name)
        for alike in stems.values():
            for name in alike if len(alike) > 1 else []:
                others = ", ".join(other.rpartition("/")[2] for other in alike if other != name)
                self.reject(name, f"Another file has the same stem ({others}); expected one. Rename or remove one.")
        return [alike[0] for alike in stems.values() if len(alike) == 1]

    def paired(
        self, images: dict[str, str], partners: dict[str, str] | None, what: str
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Keep the images that have a partner; None: there are no such partners at all."""
        if partners is None:
            return images, {}
        for key in sorted(partners.keys() - images.keys()):
            self.reject(partners[key], f"It is a {what} without its image. Add the image or remove the {what}.")
        for key in sorted(images.keys() - partners.keys()):
            self.reject(images[key], f"It has no {what}, and other images here have one. Add the {what}.")
        return {key: name for key, name in images.items() if key in partners}, partners


def _is_dicom(path: Path) -> bool:
    """Whether a file of any name is DICOM: scanners write IM0001 and 1.2.840.113."""
    from synthmed.sources.dicom_file import is_dicom

    try:
        return is_dicom(path)
    except OSError:
        return False


def _common_folder(names: Iterable[str]) -> str:
    """The folder that all files lie in, with a / at its end; "" where that is the source, or a folder with a role."""
    folders = {name.rpartition("/")[0] for name in names}
    shared = "" if "" in folders or not folders else os.path.commonpath(folders)
    kept = []
    for part in filter(None, shared.split("/")):
        if place_of(part).role or place_of(part).split:
            break
        kept.append(part)
    return "".join(f"{part}/" for part in kept)


def _find_drive(search: _Search) -> list[FoundImage]:
    found: list[FoundImage] = []
    seen: set[str] = set()
    for half, split in _DRIVE_HALVES.items():
        roles = {"images": half, "1st_manual": "manual1", "mask": f"{half}_mask"}
        files = {role: _drive_files(search, f"{half}/{role}", suffix, seen) for role, suffix in roles.items()}
        # A half without 1st_manual is unlabelled; one without mask gets its fields of view computed.
        photographs, masks = search.paired(files["images"] or {}, files["1st_manual"], "manual mask")
        photographs, fields = search.paired(photographs, files["mask"], "field of view")
        found += [
            FoundImage(
                path=search.files[name],
                mask_paths=(search.files[masks[number]],) if number in masks else (),
                field_path=search.files[fields[number]] if number in fields else None,
                patient_id=number,
                split=split,
                label="",
                patient_said=True,
            )
            for number, name in photographs.items()
        ]
    for name in search.files.keys() - seen:
        search.reject(name, "It lies outside of the folders images, 1st_manual and mask of this layout.")
    return found


def _drive_files(search: _Search, place: str, suffix: str, seen: set[str]) -> dict[str, str] | None:
    """Number -> file of one of DRIVE's folders, or None where it holds nothing."""
    inside = [name for name in search.files if name.rpartition("/")[0].lower() == f"{search.root}{place}".lower()]
    if not inside:
        return None
    seen.update(inside)
    numbered: dict[str, str] = {}
    for name in search.one_a_stem(inside):
        match = re.fullmatch(rf"(\d+)_{suffix}", stem(name.rpartition("/")[2]))
        if match is None:
            search.reject(name, "Its name is not of this layout; expected names like 21_training.tif.")
        else:
            numbered[match[1]] = name
    return numbered


def _find_by_names(search: _Search, images: str, masks: str) -> tuple[str, list[FoundImage]]:
    """Layout and pictures of a folder whose names say what is what."""
    below = {name.removeprefix(search.root): name for name in search.one_a_stem(search.files)}
    arranged = arrange(list(below), images=images, masks=masks)
    for name, reason in arranged.left_out.items():
        search.reject(below[name], reason)
    rows = _rows_of(search, {entry.image: below[entry.image] for entry in arranged.entries})
    found = []
    for entry in arranged.entries:
        partners = [search.files[below[name]] for name in entry.masks]
        field = search.files[below[entry.field]] if entry.field else None
        if (row := rows.get(entry.image)) is None:
            for name in (*entry.masks, *([entry.field] if entry.field else [])):
                search.reject(below[name], IMAGE_LEFT_OUT)
            continue
        found.append(
            FoundImage(
                path=search.files[below[entry.image]],
                mask_paths=tuple(partners),
                field_path=field,
                patient_id=row.get("patient_id") or unicodedata.normalize("NFC", entry.owner),
                split=row.get("split") or entry.split,
                label=row.get("label") or entry.label,
                patient_said="patient_id" in row,
            )
        )
    return arranged.layout, found


def _rows_of(search: _Search, images: dict[str, str]) -> dict[str, dict[str, str]]:
    """Image -> its row of the table, {} without a table; images without a row, and rows without images, are told."""
    if search.table is None:
        return {image: {} for image in images}
    table = read_metadata(search.table)
    mentioned = {file_key(Path(rejection.file).name) for rejection in search.rejected}
    rows: dict[str, dict[str, str]] = {}
    for image, name in images.items():
        keys = dict.fromkeys(map(file_key, (name.rpartition("/")[2], name, image)))
        known = [row for key in keys if (row := table.pop(key, None)) is not None]
        if not known:
            search.reject(name, f"{search.table.name} has no row for it. Add one with its file_name.")
        elif not person(known[0].get("patient_id", image)):
            search.reject(name, f"Its row in {search.table.name} has an empty patient_id. Fill it in.")
        else:
            rows[image] = known[0]
    for name in table:
        if Path(name).name not in mentioned:
            search.rejected.append(Rejection(file=name, reason=f"{search.table.name} names it, but it is not there."))
    return rows


def read_metadata(path: Path, columns: Sequence[str] = COLUMNS) -> dict[str, dict[str, str]]:
    """file_name, as ``names.file_key`` gives it -> the row's other columns, of a table in CSV.

    Args:
        path: the table, UTF-8, separated by commas.
        columns: what its columns may be called; ``file_name`` is needed.

    Raises:
        SourceError: it cannot be read, has another column, names a file twice or a split that is none.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise SourceError(
            f"{path} cannot be read ({type(error).__name__}); expected a comma-separated table in UTF-8. Save it anew."
        ) from error
    unknown = [column for column in found if column not in columns]
    if unknown or "file_name" not in found:
        raise SourceError(
            f"{path} has the columns {', '.join(found) or 'of an empty file'}; expected file_name and any "
            f"of {', '.join(columns[1:])}, separated by commas. Rename or remove the others."
        )
    return _rows_by_name(rows, path)


def _rows_by_name(rows: list[dict[str, str]], path: Path) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise SourceError(f"{path} has too many or too few values in row {number}. Correct the row.")
        values = {column: value.strip() for column, value in row.items()}
        name = file_key(values.pop("file_name"))
        if name in table:
            raise SourceError(f"{path} names {name} twice; expected one row an image. Remove one.")
        if values.get("split", "") not in ("", *_SPLITS):
            raise SourceError(
                f"{path} has the split {values['split']!r} in row {number}; expected {', '.join(_SPLITS)} or nothing."
            )
        table[name] = values
    return table


def _check_splits(images: Iterable[FoundImage]) -> None:
    splits: dict[str, str] = {}
    for image in images:
        if image.split and (known := splits.setdefault(identity(image.patient_id), image.split)) != image.split:
            raise SourceError(
                f"The patient of {image.path.name} is in the splits {known} and {image.split}; expected one split a "
                "patient, or images that were trained on would be tested on. Correct the declared splits."
            )


def _nothing_found(folder: Path, rejected: list[Rejection]) -> str:
    entries = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    content = ", ".join(entries[:5]) + (f" and {len(entries) - 5} more" if len(entries) > 5 else "")
    why = real_reason((one.file, one.reason) for one in rejected)
    return (
        f"{folder} holds no usable images (found: {content or 'nothing'}); expected photographs in it, a "
        f"folder whose name starts with images, or DRIVE's training and test folders.{why} Check the path."
    )

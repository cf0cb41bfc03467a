"""Folders of photographs -> which image, mask and field of view belong together, and to which patient.

Three layouts are recognised: DRIVE's own (``training|test/{images,1st_manual,mask}``); sub-folders whose
names start with ``images``, ``masks`` and ``fields``, with files paired by stem and an optional
``metadata.csv``; and a plain folder of photographs. Nothing is decoded here, and no file outside the folder
is ever followed.
"""

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthmed.errors import SourceError
from synthmed.sources.folders import real_reason, wrong_link
from synthmed.sources.names import file_key, identity, person
from synthmed.sources.pixels import EXTENSIONS

METADATA = "metadata.csv"
COLUMNS = ("file_name", "patient_id", "split", "label")
_SPLITS = ("train", "holdout", "test")
_DRIVE_HALVES = {"training": "train", "test": "test"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """One photograph and what belongs to it.

    Args:
        path: the image file.
        mask_path: its binary mask, or None.
        field_path: its field of view (1 where the camera saw something), or None.
        patient_id: whose image it is, in the words of the source, in one form (``names.person``).
        split: "train", "holdout" or "test" where the source declares it, else "".
        label: its class, "" for none.
        patient_said: whether the layout or a table says whose it is; else it counts as its own patient, by its name.
    """

    path: Path
    mask_path: Path | None
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
        layout: "drive", "folders" or "plain".
    """

    images: list[FoundImage]
    rejected: list[Rejection]
    layout: str


def find(folder: Path, *, table: Path | None = None, extensions: Sequence[str] = EXTENSIONS) -> FoundImages:
    """Find the photographs of a folder with their masks, fields of view, patients and declared splits.

    Args:
        folder: the source folder; see the module for the layouts.
        table: a CSV file to read instead of the folder's ``metadata.csv``, with the same columns.
        extensions: endings of the files to look at, in small letters.

    Raises:
        SourceError: not a folder, no images, an unknown column or split in the table, or one patient in two
            declared splits.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder; expected a folder of photographs. Check the path.")
    search = _Search(folder, table, tuple(extensions))
    subfolders = {entry.name.lower(): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    if any((subfolders[half] / "images").is_dir() for half in _DRIVE_HALVES if half in subfolders):
        layout, images = "drive", _find_drive(search, subfolders)
    elif any(name.startswith("images") for name in subfolders):
        layout, images = "folders", _find_folders(search, subfolders)
    else:
        layout, images = "plain", _find_plain(search)
    if not images:
        raise SourceError(_nothing_found(folder, search.rejected))
    _check_splits(images)
    return FoundImages(
        images=sorted(images, key=lambda image: image.path.as_posix()),
        rejected=sorted(search.rejected, key=lambda rejection: (rejection.file, rejection.reason)),
        layout=layout,
    )


class _Search:
    """The folder being searched and what was rejected in it so far."""

    def __init__(self, folder: Path, table: Path | None, extensions: tuple[str, ...]) -> None:
        self.folder = folder
        self.resolved = folder.resolve()
        self.table = table
        self.table_name = METADATA if table is None else table.name
        self.extensions = extensions
        self.rejected: list[Rejection] = []

    def reject(self, path: Path, reason: str) -> None:
        name = path.relative_to(self.folder).as_posix()
        self.rejected.append(Rejection(file=name.encode(errors="backslashreplace").decode(), reason=reason))

    def files(self, folder: Path, key_of: Callable[[str], str | None]) -> dict[str, Path]:
        """Key -> image file of one folder; what cannot be an image of ours is rejected with its reason."""
        found: dict[str, list[Path]] = defaultdict(list)
        outside = wrong_link(folder, self.resolved)
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or path.name == METADATA:
                continue
            extension = self._extension(path.name)
            stem = unicodedata.normalize("NFC", path.name[: len(path.name) - len(extension)])
            if reason := outside or (wrong_link(path, self.resolved) if path.is_symlink() else ""):
                self.reject(path, reason)
            elif not _is_utf8(path.name):
                self.reject(path, "Its name is not UTF-8; expected a name that can be written down. Rename it.")
            elif path.is_dir():
                self.reject(path, "It is a folder; images are read from one level. Move its files up.")
            elif not path.is_file():
                self.reject(path, "It is no regular file or a broken link. Copy the file itself.")
            elif path.name.upper() == "DICOMDIR":
                self.reject(path, "It is the index of a DICOM medium, not an image; the images are found without it.")
            elif not extension and not self._is_dicom(path):
                self.reject(path, f"Its extension is not one of {', '.join(self.extensions)}.")
            elif (key := key_of(stem)) is None:
                self.reject(path, "Its name is not of this layout; expected names like 21_training.tif.")
            else:
                found[key].append(path)
        for paths in found.values():
            for path in paths if len(paths) > 1 else []:
                others = ", ".join(other.name for other in paths if other != path)
                self.reject(path, f"Another file has the same stem ({others}); expected one. Rename or remove one.")
        return {key: paths[0] for key, paths in found.items() if len(paths) == 1}

    def _is_dicom(self, path: Path) -> bool:
        """Whether a file of any name is DICOM, where that is looked for: scanners write IM0001 and 1.2.840.113."""
        if ".dcm" not in self.extensions:
            return False
        from synthmed.sources.dicom_file import is_dicom

        try:
            return is_dicom(path)
        except OSError:
            return False

    def _extension(self, name: str) -> str:
        """The ending of a name that is one of ours, as it is written there, or ""."""
        known = next((ending for ending in self.extensions if name.lower().endswith(ending)), "")
        return name[len(name) - len(known) :] if known else ""

    def paired(
        self, images: dict[str, Path], partners: dict[str, Path] | None, what: str
    ) -> tuple[dict[str, Path], dict[str, Path]]:
        """Keep the images that have a partner; None: the folder has no such partners at all."""
        if partners is None:
            return images, {}
        for key in sorted(partners.keys() - images.keys()):
            self.reject(partners[key], f"It is a {what} without its image. Add the image or remove the {what}.")
        for key in sorted(images.keys() - partners.keys()):
            self.reject(images[key], f"It has no {what}, and other images here have one. Add the {what}.")
        return {key: path for key, path in images.items() if key in partners}, partners


def _is_utf8(name: str) -> bool:
    # Python keeps bytes of a file name that are not UTF-8 as lone surrogates, which no file can hold.
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _find_drive(search: _Search, subfolders: dict[str, Path]) -> list[FoundImage]:
    images: list[FoundImage] = []
    for half, split in _DRIVE_HALVES.items():
        if half not in subfolders or not (subfolders[half] / "images").is_dir():
            continue
        place = subfolders[half]
        photographs = search.files(place / "images", _number_before(half))
        # A half without 1st_manual is unlabelled; one without mask gets its fields of view computed.
        for name, suffix in (("1st_manual", "manual1"), ("mask", f"{half}_mask")):
            partners = search.files(place / name, _number_before(suffix)) if (place / name).is_dir() else None
            what = "manual mask" if name == "1st_manual" else "field of view"
            photographs, found = search.paired(photographs, partners, what)
            if name == "1st_manual":
                masks = found
        images += [
            FoundImage(
                path=path,
                mask_path=masks.get(number),
                field_path=found.get(number),
                patient_id=number,
                split=split,
                label="",
                patient_said=True,
            )
            for number, path in photographs.items()
        ]
    return images


def _number_before(suffix: str) -> Callable[[str], str | None]:
    pattern = re.compile(rf"(\d+)_{suffix}")

    def number(stem: str) -> str | None:
        match = pattern.fullmatch(stem)
        return match[1] if match else None

    return number


def _find_folders(search: _Search, subfolders: dict[str, Path]) -> list[FoundImage]:
    files: dict[str, dict[str, Path] | None] = {}
    for prefix in ("images", "masks", "fields"):
        names = [name for name in subfolders if name.startswith(prefix)]
        if len(names) > 1:
            raise SourceError(
                f"{search.folder} has {len(names)} folders whose names start with {prefix} "
                f"({', '.join(names)}); expected one. Move the others away."
            )
        files[prefix] = search.files(subfolders[names[0]], lambda stem: stem) if names else None
    images, masks = search.paired(files["images"] or {}, files["masks"], "mask")
    images, fields = search.paired(images, files["fields"], "field of view")
    return _with_metadata(search, images, masks, fields)


def _find_plain(search: _Search) -> list[FoundImage]:
    return _with_metadata(search, search.files(search.folder, lambda stem: stem), {}, {})


def _with_metadata(
    search: _Search, images: dict[str, Path], masks: dict[str, Path], fields: dict[str, Path]
) -> list[FoundImage]:
    table = _metadata_of(search)
    found: list[FoundImage] = []
    for stem, path in images.items():
        entry = {"patient_id": stem}
        if table is not None:
            names = (file_key(path.name), file_key(path.relative_to(search.folder).as_posix()))
            known = [row for name in dict.fromkeys(names) if (row := table.pop(name, None)) is not None]
            if not known:
                search.reject(path, f"{search.table_name} has no row for it. Add one with its file_name.")
                continue
            entry |= known[0]
        if not person(entry["patient_id"]):
            search.reject(path, f"Its row in {search.table_name} has an empty patient_id. Fill it in.")
            continue
        found.append(
            FoundImage(
                path=path,
                mask_path=masks.get(stem),
                field_path=fields.get(stem),
                patient_id=entry["patient_id"],
                split=entry.get("split", ""),
                label=entry.get("label", ""),
                patient_said=table is not None and "patient_id" in known[0],
            )
        )
    mentioned = {file_key(Path(rejection.file).name) for rejection in search.rejected}
    for name in table or {}:
        if Path(name).name not in mentioned:
            search.rejected.append(Rejection(file=name, reason=f"{search.table_name} names it, but it is not there."))
    return found


def _metadata_of(search: _Search) -> dict[str, dict[str, str]] | None:
    """file_name -> the row's other columns, or None without a metadata.csv."""
    if search.table is not None:
        return read_metadata(search.table)
    path = search.folder / METADATA
    if not path.is_file():
        return None
    if wrong_link(path, search.resolved):
        raise SourceError(f"{path} is a symbolic link out of the folder. Copy the file itself.")
    return read_metadata(path)


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

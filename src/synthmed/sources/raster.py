"""Folders of pictures -> which image, masks and field of view belong together, to which patient, in which split.

DRIVE's own layout is read as such (``training|test/{images,1st_manual,mask}``). In every other folder names say what is
what (``synthmed.sources.partners``): folders of images beside folders of masks, once or in halves such as ``train``,
``valid`` and ``test``; masks beside their images; a folder for each patient or image. Nothing is decoded here, and no
file outside the folder is ever followed. Every file is an image, a mask, a field of view or a table, or is left out
with a reason.
"""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthmed.errors import SourceError
from synthmed.sources.folders import list_files, real_reason, relative
from synthmed.sources.layouts import IMAGE_LEFT_OUT, arrange
from synthmed.sources.metadata import METADATA, NOT_READ, Metadata, common_folder, find_table, set_apart
from synthmed.sources.names import file_key, identity, person
from synthmed.sources.pixels import EXTENSIONS
from synthmed.sources.words import stem

_DRIVE_HALVES = {"training": "train", "test": "test"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImage:
    """One photograph and what belongs to it.

    Args:
        path: the image file.
        mask_paths: its binary masks; what is foreground in any of them is foreground.
        field_path: its field of view (1 where the camera saw something), or None.
        patient_id: whose image it is, in the words of the source, in one form (``names.person``); "" where the table
            has an empty place for it, so that only the file itself can say it.
        split: "train", "holdout" or "test" where the source declares it, else "".
        label: its class, "" for none.
        patient_said: whether the layout or a table says whose it is; else it counts as its own patient, by its name.
        view: laterality and view by the table, such as "L MLO"; "" = it does not say.
    """

    path: Path
    mask_paths: tuple[Path, ...]
    field_path: Path | None
    patient_id: str
    split: str
    label: str
    patient_said: bool
    view: str = ""

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
    if not (found := _with_rows(search, found)):
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
        self.root = common_folder(self.files)
        self.table = table or find_table(names, self.root)
        others, _ = set_apart(names, self.table)
        for name in others.keys() - self.files.keys():
            is_table = others[name].name == METADATA
            self.reject(name, NOT_READ if is_table else f"Its extension is not one of {', '.join(extensions)}.")

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


def _find_drive(search: _Search) -> list[FoundImage]:
    found: list[FoundImage] = []
    seen: set[str] = set()
    for half, split in _DRIVE_HALVES.items():
        roles = {"images": half, "1st_manual": "manual1", "mask": f"{half}_mask"}
        files = {role: _drive_files(search, f"{half}/{role}", suffix, seen) for role, suffix in roles.items()}
        # A half without 1st_manual is unlabelled; one without mask gets its fields of view computed.
        with_masks, masks = search.paired(files["images"] or {}, files["1st_manual"], "manual mask")
        photographs, fields = search.paired(with_masks, files["mask"], "field of view")
        for number in masks.keys() & (with_masks.keys() - photographs.keys()):
            search.reject(masks[number], IMAGE_LEFT_OUT)
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
    found = [
        FoundImage(
            path=search.files[below[entry.image]],
            mask_paths=tuple(search.files[below[name]] for name in entry.masks),
            field_path=search.files[below[entry.field]] if entry.field else None,
            patient_id=unicodedata.normalize("NFC", entry.owner),
            split=entry.split,
            label=entry.label,
            patient_said=False,
        )
        for entry in arranged.entries
    ]
    return arranged.layout, found


def _with_rows(search: _Search, images: Sequence[FoundImage]) -> list[FoundImage]:
    """The images with what the table says of them; images without a row, and rows without images, are told."""
    names = [relative(image.path, search.folder) for image in images]
    table = Metadata(search.table, names, search.root)
    found = []
    for name, image in zip(names, images, strict=True):
        try:
            row = table.row(name)
        except SourceError as error:
            search.reject(name, str(error))
            for partner in (*image.mask_paths, *([image.field_path] if image.field_path else [])):
                search.reject(relative(partner, search.folder), IMAGE_LEFT_OUT)
            continue
        found.append(
            replace(
                image,
                patient_id=row.get("patient_id", image.patient_id),
                split=row.get("split") or image.split,
                label=row.get("label") or image.label,
                patient_said=bool(person(row["patient_id"])) if "patient_id" in row else image.patient_said,
                view=f"{row.get('laterality', '')} {row.get('view', '')}".strip(),
            )
        )
    told = {file_key(Path(rejection.file).name) for rejection in search.rejected}
    for name, reason in table.unused():
        if Path(name).name not in told:
            search.rejected.append(Rejection(file=name, reason=reason))
    return found


def _check_splits(images: Iterable[FoundImage]) -> None:
    splits: dict[str, str] = {}
    for image in images:
        patient = identity(image.patient_id)
        if image.split and patient and (known := splits.setdefault(patient, image.split)) != image.split:
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

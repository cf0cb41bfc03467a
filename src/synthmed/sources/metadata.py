"""The table of a folder, ``metadata.csv``: patients, declared splits, classes and views of files, for every kind."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from synthmed.errors import SourceError
from synthmed.sources.names import file_key
from synthmed.sources.words import place_of

METADATA = "metadata.csv"
COLUMNS = ("file_name", "patient_id", "split", "label", "view", "laterality")
SPLITS = ("train", "holdout", "test")
EMPTY_PATIENT = "Its row of the table has an empty patient_id, and it does not say itself whose it is. Fill it in."
NOT_READ = f"It is a table that is not read; expected one {METADATA}, above all images."


def common_folder(names: Iterable[str]) -> str:
    """The folder that all files lie in, with a / at its end; "" where that is the source, or a folder with a role.

    Example:
        >>> common_folder(["set/a/1.png", "set/b/1.png"]), common_folder(["images/1.png"])
        ('set/', '')
    """
    folders = {name.rpartition("/")[0] for name in names}
    shared = "" if "" in folders or not folders else os.path.commonpath(folders)
    kept = []
    for part in filter(None, shared.split("/")):
        if place_of(part).role or place_of(part).split:
            break
        kept.append(part)
    return "".join(f"{part}/" for part in kept)


def find_table(files: Mapping[str, Path], root: str) -> Path | None:
    """A folder's own table: in it, or where its images begin.

    Args:
        files: name relative to the source -> file.
        root: ``common_folder`` of the images.
    """
    return next((files[name] for name in dict.fromkeys((METADATA, f"{root}{METADATA}")) if name in files), None)


def set_apart(files: Mapping[str, Path], table: Path | None) -> tuple[dict[str, Path], tuple[Path, ...]]:
    """The files that are not this table, and those that are it, whatever links lead to it."""
    own = None if table is None else table.resolve()
    is_own = {name for name, path in files.items() if own and path.name == own.name and path.resolve() == own}
    return {name: path for name, path in files.items() if name not in is_own}, tuple(files[name] for name in is_own)


class Metadata:
    """The rows of a table, by the files that they are of.

    Args:
        path: the table; None = there is none, and every row is empty.
        images: names of all images relative to the source, and of folders that are one image each.
        root: ``common_folder`` of them.

    Raises:
        SourceError: as ``read_metadata``.
    """

    def __init__(self, path: Path | None, images: Iterable[str], root: str = "") -> None:
        self.path = path
        self._rows = {} if path is None else read_metadata(path)
        self._root = root
        self._alike = Counter(_last(name) for name in images) if path else Counter[str]()
        self._used: set[str] = set()

    def row(self, *names: str) -> dict[str, str]:
        """What the table says of an image: its row by name below the source, below ``root``, or by the last part.

        Args:
            names: of the image, and of all files that it is made from.

        Raises:
            SourceError: it has no row, rows that differ, or a row that others could have.
        """
        if self.path is None:
            return {}
        keys = dict.fromkeys(key for name in names for key in self._keys(name))
        rows = [self._rows[key] for key in keys]
        self._used.update(keys)
        if not rows:
            raise SourceError(self._why_none(names))
        if any(row != rows[0] for row in rows):
            raise SourceError(f"{self.path.name} says different things of its files; expected one. Correct the rows.")
        return rows[0]

    def unused(self) -> Iterator[tuple[str, str]]:
        """The names of rows that no image has, and why."""
        for name in self._rows:
            if name not in self._used and self.path is not None:
                yield name, f"{self.path.name} names it, but it is not there."

    def _keys(self, name: str) -> list[str]:
        """The key of the row of one file, the exactest that is there; [] for none."""
        whole, last = file_key(name), _last(name)
        exact = [key for key in (whole, whole.removeprefix(self._root)) if key in self._rows]
        return exact[:1] or [last] * (last in self._rows and self._alike[last] <= 1)

    def _why_none(self, names: Iterable[str]) -> str:
        assert self.path is not None
        if any(_last(name) in self._rows for name in names):
            return (
                f"Its row in {self.path.name} could be that of several files of this name; expected one. Write the "
                "folder before the name."
            )
        return f"{self.path.name} has no row for it. Add one with its file_name."


def _last(name: str) -> str:
    return file_key(name.rpartition("/")[2])


def read_metadata(path: Path) -> dict[str, dict[str, str]]:
    """file_name, as ``names.file_key`` gives it -> the row's other columns, of a table in CSV.

    Args:
        path: the table, UTF-8, separated by commas; ``file_name`` is needed, ``COLUMNS`` are known.

    Raises:
        SourceError: it cannot be read, has another column, names a file twice or a split that is none.
    """
    return _rows_by_name(read_table(path, COLUMNS), path)


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table that a user wrote: CSV in UTF-8, ``file_name`` and any of the other columns.

    Args:
        path: the table.
        columns: those that are known; the first is ``file_name``, which must be there.

    Raises:
        SourceError: it cannot be read, has another column, or a row of more or fewer values.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found, rows = list(reader.fieldnames or ()), list(reader)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise SourceError(
            f"{path} cannot be read ({type(error).__name__}); expected a comma-separated table in UTF-8. Save it anew."
        ) from error
    if "file_name" not in found or any(column not in columns for column in found):
        raise SourceError(
            f"{path} has the columns {', '.join(found) or 'of an empty file'}; expected file_name and any "
            f"of {', '.join(columns[1:])}, separated by commas. Rename or remove the others."
        )
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise SourceError(f"{path} has too many or too few values in row {number}. Correct the row.")
    return rows


def _rows_by_name(rows: list[dict[str, str]], path: Path) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        values = {column: value.strip() for column, value in row.items()}
        name = file_key(values.pop("file_name")).rstrip("/")
        if name in table:
            raise SourceError(f"{path} names {name} twice; expected one row an image. Remove one.")
        if values.get("split", "") not in ("", *SPLITS):
            raise SourceError(
                f"{path} has the split {values['split']!r} in row {number}; expected {', '.join(SPLITS)} or nothing."
            )
        table[name] = values
    return table

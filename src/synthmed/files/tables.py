"""Tables in CSV: the one writer, and the one reader of what it wrote.

Whatever a table holds, no cell of it is a formula to a spreadsheet or commands a terminal; the reader gives back what
was written.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from synthmed.harmless import cell, from_cell


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as text, its texts made harmless; quoted and ended alike on every machine.

    Example:
        >>> print(as_csv(("reader", "rating"), [("=cmd", -2)]), end="")
        reader,rating
        '=cmd,-2
    """
    text = io.StringIO()
    _write(text, columns, rows)
    return text.getvalue()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table row by row into a directory that is being filled; see ``as_csv``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        _write(file, columns, rows)


def read_csv(path: Path) -> Iterator[list[str]]:
    """The columns, then row after row, of a table as ``write_csv`` writes it.

    Raises:
        ValueError: it is no CSV in UTF-8, or a row has more or fewer values than there are columns.
    """
    with path.open(encoding="utf-8", newline="") as file:
        width = 0
        try:
            for number, row in enumerate(csv.reader(file, strict=True), start=1):
                width = width or len(row)
                if len(row) != width:
                    raise ValueError(f"{path.name} has too many or too few values in row {number}")
                yield [from_cell(text) if text[:1] == "'" else text for text in row]  # a call for each is slow
        except csv.Error as error:
            raise ValueError(f"{path.name} is no table in CSV: {error}") from error
        if not width:
            raise ValueError(f"{path.name} is empty")


def _write(file: IO[str], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(value) if isinstance(value, str) else value for value in row] for row in rows)

"""The table that every statistic starts from: reader, case, modality, truth, rating.

A modality is what is compared: a generator, a device, a way to show images. Truth is 1 for the cases that a high
rating should go to (synthetic, diseased) and 0 for the others. A table need not be crossed: what a reader did not
rate is missing, and every statistic says what it does about that.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from synthmed.config import did_you_mean
from synthmed.errors import DataError
from synthmed.harmless import from_cell

COLUMNS = ("reader", "case", "modality", "truth", "rating")


@dataclass(frozen=True, kw_only=True)
class Cube:
    """The ratings of a table on the axes modality, reader, case.

    Args:
        modalities: [M] names, in the order of their first row.
        readers: [R] names.
        cases: [N] names.
        truth: [N] of {0, 1}.
        ratings: [M R N]; NaN where a reader did not rate a case in a modality.
    """

    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    truth: NDArray[np.int64]
    ratings: NDArray[np.float64]

    @property
    def readers_crossed(self) -> bool:
        """Whether every reader rated cases of each truth in every modality."""
        rated = ~np.isnan(self.ratings)
        return all(bool(rated[:, :, self.truth == truth].any(2).all()) for truth in np.unique(self.truth))

    @property
    def crossed(self) -> bool:
        """Whether every reader rated every case in every modality."""
        return not bool(np.isnan(self.ratings).any())


@dataclass(frozen=True, kw_only=True)
class ReaderTable:
    """Readings, one a row, checked.

    Args:
        reader: [n] names.
        case: [n] names; the same name in two modalities is the same case.
        modality: [n] names.
        truth: [n] of {0, 1}.
        rating: [n] finite numbers, higher for what should have truth 1.
    """

    reader: tuple[str, ...]
    case: tuple[str, ...]
    modality: tuple[str, ...]
    truth: NDArray[np.int64]
    rating: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, object]], where: str = "The table") -> Self:
        """Check rows with the five columns; others are left alone.

        Raises:
            DataError: a truth that is not 0 or 1, a rating that is no number, two ratings of one reader for one case in
                one modality, a case with two truths, or no rows.
        """
        found = [_checked(row, number, where) for number, row in enumerate(rows, 1)]
        if not found:
            raise DataError(f"{where} holds no reading; expected one row for each answer. Check the file.")
        seen: set[tuple[str, str, str]] = set()
        truths: dict[str, int] = {}
        for reader, case, modality, truth, _ in found:
            if (reader, case, modality) in seen:
                raise DataError(
                    f"{where} has two ratings of reader {reader} for case {case} in modality {modality}; expected one. "
                    "Keep one of them; repeats are analysed by themselves."
                )
            seen.add((reader, case, modality))
            if truths.setdefault(case, truth) != truth:
                raise DataError(
                    f"{where} gives case {case} the truth 0 in one row and 1 in another; expected one truth for a "
                    "case. Name the cases apart, or mend the truth."
                )
        columns = list(zip(*found, strict=True))
        return cls(reader=columns[0], case=columns[1], modality=columns[2],
                   truth=np.array(columns[3], np.int64), rating=np.array(columns[4], float))  # fmt: skip

    def __len__(self) -> int:
        return len(self.reader)

    def where(self, kept: Sequence[bool] | NDArray[np.bool_]) -> "ReaderTable":
        """The rows that are kept, in their order."""
        rows = [row for row, keep in enumerate(kept) if keep]
        return ReaderTable(
            reader=tuple(self.reader[row] for row in rows),
            case=tuple(self.case[row] for row in rows),
            modality=tuple(self.modality[row] for row in rows),
            truth=self.truth[rows],
            rating=self.rating[rows],
        )

    def one(self, *, modality: str, reader: str | None = None) -> "ReaderTable":
        """The rows of one modality, and of one reader."""
        return self.where([m == modality and reader in (None, r)
                           for m, r in zip(self.modality, self.reader, strict=True)])  # fmt: skip

    @property
    def readers(self) -> tuple[str, ...]:
        """The readers, in the order of their first row."""
        return tuple(dict.fromkeys(self.reader))

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities, in the order of their first row."""
        return tuple(dict.fromkeys(self.modality))

    def cube(self) -> Cube:
        """The ratings on the axes modality, reader, case."""
        modalities, readers, cases = self.modalities, self.readers, tuple(dict.fromkeys(self.case))
        at = [{name: place for place, name in enumerate(names)} for names in (modalities, readers, cases)]
        ratings = np.full((len(modalities), len(readers), len(cases)), np.nan)
        truth = np.zeros(len(cases), np.int64)
        rows = zip(self.modality, self.reader, self.case, self.truth, self.rating, strict=True)
        for modality, reader, case, true, rating in rows:
            ratings[at[0][modality], at[1][reader], at[2][case]] = rating
            truth[at[2][case]] = true
        return Cube(modalities=modalities, readers=readers, cases=cases, truth=truth, ratings=ratings)

    def missing(self) -> list[str]:
        """A sentence for each reader and modality whose cases are not all those that others rated in that modality."""
        told = []
        for modality in self.modalities:
            part = self.one(modality=modality)
            every = set(part.case)
            for reader in part.readers:
                lacking = sorted(every - set(part.one(modality=modality, reader=reader).case))
                if lacking:
                    shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
                    told.append(f"Reader {reader} has no rating for {len(lacking)} of {len(every)} cases of {modality} "
                                f"({shown}).")  # fmt: skip
        return told


def read_table(path: Path) -> ReaderTable:
    """Read a CSV file with the columns reader, case, modality, truth, rating, in any order; others are left alone.

    Raises:
        DataError: not such a file, or a table that ``ReaderTable.of`` refuses.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = [name.strip().lower() for name in rows.fieldnames or ()]
            rows.fieldnames = names
            for column in COLUMNS:
                if column not in names:
                    raise DataError(
                        f"{path.name} has no column {column!r}{did_you_mean(column, names)}; it has "
                        f"{', '.join(names) or 'no header'}. Expected {', '.join(COLUMNS)}. Name the columns so."
                    )
            # As our own tables are written; in those of others no cell begins so.
            told = ({name: from_cell(value) if isinstance(value, str) else value for name, value in row.items()}
                    for row in rows)  # fmt: skip
            return ReaderTable.of(told, path.name)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a CSV file in UTF-8 ({error}); export the table anew.") from error


def _checked(row: Mapping[str, object], number: int, where: str) -> tuple[str, str, str, int, float]:
    words = [str(row.get(column) if row.get(column) is not None else "").strip() for column in COLUMNS]
    for column, word in zip(COLUMNS, words, strict=True):
        if not word:
            raise DataError(f"{where}, row {number}: {column} is empty; expected a value. Mend or leave out the row.")
    if words[3] not in ("0", "1", "0.0", "1.0"):
        raise DataError(f"{where}, row {number}: truth is {words[3]!r}; expected 0 or 1.")
    try:
        rating = float(words[4])
    except ValueError:
        rating = np.nan
    if not np.isfinite(rating):
        raise DataError(f"{where}, row {number}: rating is {words[4]!r}; expected a number.")
    return words[0], words[1], words[2], int(float(words[3])), rating

"""``index.csv``: one row an image, read and written so that every number comes back exactly."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import numpy as np

from synthmed.data.geometry import Fit
from synthmed.data.split import SPLITS
from synthmed.files.tables import read_csv

LOOK_AT = "look at it: "
"""How a note begins that says what the program cannot know; the summary of a set counts them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One image in ``index.csv``.

    Args:
        id: its name in this set.
        patient_id: pseudonym of the patient.
        split: "train", "holdout" or "test".
        label: its class, "" for none.
        mask_source: "manual", "derived" (by a rule, from the image itself), "segmenter" or "none".
        source_digest: SHA-256 of the source file.
        source_height: rows of the source, pixels.
        source_width: columns of the source, pixels.
        scale: stored pixels per source pixel.
        pad_top: rows of zeros above the picture.
        pad_left: columns of zeros left of it.
        part: which picture of its source it is, such as "slice 0017"; "" where the source is one picture.
        view: laterality and view such as "L MLO"; "" = none.
        spacing_mm: millimetres between stored pixels: rows, columns; () = unknown.
        low: physical value of stored 0: one for all channels, or one for each.
        high: physical value of the largest stored number, likewise.
        curve: how stored numbers lie between them: "linear", "sigmoid" or "table".
        notes: what was changed in the picture beside its size, such as "mirrored"; "" = nothing. What a person has to
            judge begins with ``LOOK_AT``.
    """

    id: str
    patient_id: str
    split: str
    label: str
    mask_source: str
    source_digest: str
    source_height: int
    source_width: int
    scale: float
    pad_top: int
    pad_left: int
    part: str = ""
    view: str = ""
    spacing_mm: tuple[float, ...] = ()
    low: tuple[float, ...]
    high: tuple[float, ...]
    curve: str = "linear"
    notes: str = ""

    @property
    def fit(self) -> Fit:
        """The geometry of the row, to lay the stored picture over its source again."""
        return Fit(**{field.name: getattr(self, field.name) for field in fields(Fit)})

    def cells(self) -> tuple[str, ...]:
        """The row as it stands in ``index.csv``; numbers come back exactly."""
        return tuple(_written(getattr(self, field.name)) for field in fields(self))


COLUMNS = tuple(field.name for field in fields(Row))


class Item(NamedTuple):
    """One image of a prepared set.

    Args:
        image: stored pixels [C H W], uint8 or uint16.
        mask: label map [H W], uint8; None for a set without masks.
        field_of_view: [H W], uint8 of {0, 1}.
        row: all that the set's table says of it.
    """

    image: np.ndarray
    mask: np.ndarray | None
    field_of_view: np.ndarray
    row: Row


def read_rows(path: Path) -> tuple[Row, ...]:
    """All rows of an ``index.csv``.

    Raises:
        ValueError: not a table, other columns, or a cell that is not what its column holds.
    """
    types: dict[str, Any] = get_type_hints(Row)
    by_type: dict[Any, Callable[[str], Any]] = {
        str: sys.intern, int: _count, float: _number,
    }  # fmt: skip
    parsers = {name: by_type.get(kind, _numbers) for name, kind in types.items()}
    parsers |= {"split": _split, "pad_top": int, "pad_left": int}  # what was cut off is a padding below 0
    # Most columns repeat themselves: each value is kept once, so that half a million rows stay small.
    known: dict[str, dict[str, Any]] = {name: {} for name in types if name not in ("id", "source_digest")}

    def parsed(name: str, text: str) -> Any:
        if name not in known:
            return text
        if text not in known[name]:
            known[name][text] = parsers[name](text)
        return known[name][text]

    lines = read_csv(path)
    columns = next(lines)
    if tuple(columns) != COLUMNS:
        raise ValueError(f"the columns of {path.name} are {columns}; expected {list(COLUMNS)}")
    return tuple(Row(**{name: parsed(name, text) for name, text in zip(COLUMNS, line, strict=True)}) for line in lines)


def _written(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text!r} is not finite")
    return number


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(_number, text.split("x"))) if text else ()


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError(f"{text!r} is below 0")
    return number


def _split(text: str) -> str:
    if text not in SPLITS:
        raise ValueError(f"the split {text!r} is none of {', '.join(SPLITS)}")
    return sys.intern(text)

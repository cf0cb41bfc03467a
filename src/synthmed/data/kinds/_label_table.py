"""Label maps by a table that the user gives: what each value or colour of a mask is called."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmed.errors import ConfigError, SourceError

COLUMNS = ("value", "name")
_BACKGROUND = "background"
_MOST_LABELS = 255
_EXAMPLE = "a table with the columns value and name, such as the rows 50,liver or #FF00FF,liver"


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """Which values of a mask become which label.

    Args:
        names: of the labels 1, 2, ...
        numbers: value -> label; colours are 0xRRGGBB. The value 0 is background where nothing else is said.
        coloured: whether the values are colours.
    """

    names: tuple[str, ...]
    numbers: Mapping[int, int]
    coloured: bool

    @property
    def mask_labels(self) -> dict[str, str]:
        """What ``dataset.json`` says of the labels."""
        return {str(number): name for number, name in enumerate((_BACKGROUND, *self.names))}

    def apply(self, values: np.ndarray, name: str, *, others: str) -> np.ndarray:
        """Turn a mask into a label map.

        Args:
            values: whole numbers of any shape, as ``values_of`` gives them.
            name: of the file, for messages.
            others: "reject" or "background": what becomes of values that are not in the table.

        Returns:
            uint8 of the same shape.

        Raises:
            SourceError: values that the table does not name, and they are to be rejected.
        """
        labels = np.zeros(values.shape, np.uint8)
        known = np.zeros(values.shape, bool)
        for value, number in self.numbers.items():
            here = values == value
            labels[here] = number
            known |= here
        if others == "reject" and not known.all():
            unknown = [int(value) for value in np.unique(values[~known])]
            expected = ", ".join(self.word(value) for value in list(self.numbers)[:8])
            found = ", ".join(self.word(value) for value in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
            raise SourceError(
                f"{name} holds {found}, which the table does not name; expected {expected}. Add rows, or set "
                "others=background."
            )
        return labels

    def word(self, value: int) -> str:
        """A value as it stands in the table."""
        return f"#{value:06X}" if self.coloured else str(value)

    def values_of(self, pixels: np.ndarray, name: str) -> np.ndarray:
        """The values of a decoded mask [F C H W] as whole numbers [F H W], colours packed as 0xRRGGBB.

        Raises:
            SourceError: colours where the table has numbers, or values that are not whole.
        """
        if pixels.dtype.kind == "f":
            raise SourceError(f"{name} holds values that are not whole numbers; expected labels. Save labels.")
        planes = pixels.astype(np.int64)
        if self.coloured:
            red, green, blue = (planes[:, channel if planes.shape[1] == 3 else 0] for channel in range(3))
            return (red << 16) | (green << 8) | blue
        if planes.shape[1] == 3 and not ((planes[:, 0] == planes[:, 1]) & (planes[:, 0] == planes[:, 2])).all():
            raise SourceError(f"{name} is coloured and the table has numbers; expected colours such as #FF00FF in it.")
        return planes[:, 0]


def read_table(path: Path) -> LabelTable:
    """Read a table of labels. Rows of one name become one label; a row named background is background.

    Raises:
        ConfigError: it cannot be read, lacks a column, mixes colours and numbers, names a value twice, or has more
            than 255 names.
    """
    numbers: dict[int, int] = {}
    names: list[str] = []
    kinds: set[bool] = set()
    for line, (text, name) in enumerate(read_columns(path, COLUMNS, _EXAMPLE), start=2):
        value = _value(text)
        if value is None or not name:
            raise ConfigError(f"{path} has {text!r},{name!r} in row {line}; expected {_EXAMPLE}. Correct the row.")
        if value in numbers:
            raise ConfigError(f"{path} names the value {text} twice; expected one row a value. Remove one.")
        kinds.add(text.startswith("#"))
        if name != _BACKGROUND and name not in names:
            names.append(name)
        numbers[value] = 0 if name == _BACKGROUND else 1 + names.index(name)
    if not names or len(kinds) > 1 or len(names) > _MOST_LABELS:
        raise ConfigError(
            f"{path} names {len(names)} labels{', by colours and by numbers' * (len(kinds) > 1)}; expected 1 to "
            f"{_MOST_LABELS}, all by colours or all by numbers."
        )
    return LabelTable(names=tuple(names), numbers={0: 0, **numbers}, coloured=kinds == {True})


def read_columns(path: Path, columns: tuple[str, str], example: str) -> list[tuple[str, str]]:
    """The two named columns of a comma-separated table in UTF-8, its other columns passed over.

    Raises:
        ConfigError: it cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            found = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = found
            rows = list(reader) if set(columns) <= set(found) else None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise ConfigError(
            f"{path} cannot be read as a table ({type(error).__name__}); expected {example}, in UTF-8."
        ) from error
    if rows is None:
        raise ConfigError(f"{path} has the columns {', '.join(found) or 'of an empty file'}; expected {example}.")
    return [((row[columns[0]] or "").strip(), (row[columns[1]] or "").strip()) for row in rows]


def _value(text: str) -> int | None:
    try:
        return int(text[1:], 16) if text.startswith("#") and len(text) == 7 else int(text)
    except ValueError:
        return None

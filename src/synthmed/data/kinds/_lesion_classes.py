"""The classes of a table: of patients, or of single lesions by their value in the mask."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthmed.errors import ConfigError
from synthmed.sources.names import identity

HEALTHY = "healthy"

_EXAMPLE = (
    "a table with the columns patient and class, such as the row 0042,benign, and perhaps label for single lesions"
)
_NAMES = {"patient": "patient", "patient_id": "patient", "class": "class", "label": "label"}


@dataclass(frozen=True, kw_only=True)
class LesionClasses:
    """Classes by patient (``names.identity``) and, where the table has them, by the value of a lesion in the mask.

    Args:
        patients: patient -> class.
        lesions: patient -> value in the mask -> class.
    """

    patients: Mapping[str, str] = field(default_factory=dict)
    lesions: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


def read_classes(path: Path) -> LesionClasses:
    """Read a table of classes; its other columns are passed over.

    Raises:
        ConfigError: it cannot be read, lacks a column, has an empty value, or contradicts itself.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise ConfigError(f"{path} cannot be read as a table ({type(error).__name__}); expected {_EXAMPLE}.") from error
    columns = [_NAMES.get(name.strip(), "") for name in lines[0]] if lines else []
    if columns.count("patient") != 1 or columns.count("class") != 1:
        raise ConfigError(
            f"{path} has the columns {', '.join(lines[0]) if lines else 'of an empty file'}; expected {_EXAMPLE}."
        )
    patients: dict[str, str] = {}
    lesions: dict[str, dict[int, str]] = {}
    for number, line in enumerate(lines[1:], start=2):
        row = {name: value.strip() for name, value in zip(columns, line, strict=False) if name}
        label = row.get("label", "")
        if not row.get("patient") or not row.get("class") or (label and not label.isdecimal()):
            raise ConfigError(f"{path} has an empty or wrong value in row {number}; expected {_EXAMPLE}. Correct it.")
        patient = identity(row["patient"])
        if label:
            known = lesions.setdefault(patient, {}).setdefault(int(label), row["class"])
        else:
            known = patients.setdefault(patient, row["class"])
        if known != row["class"]:
            raise ConfigError(f"{path} gives two classes for one patient or lesion in row {number}. Remove one.")
    return LesionClasses(patients=patients, lesions=lesions)

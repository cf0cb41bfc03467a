"""The page of a comparison of recipes: one table of numbers, one of pictures, complete in itself."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from synthmed.evaluation._contract import number
from synthmed.evaluation._html import page
from synthmed.pictures import RGB


def as_page(
    found: Mapping[str, Mapping[str, Any]],
    trainings: Mapping[str, tuple[int, float]],
    columns: Sequence[str],
    picture: RGB,
) -> str:
    """The page as HTML.

    Args:
        found: name of a recipe -> name of a metric -> its entry in ``report.json``.
        trainings: name of a recipe -> images it saw, minutes it took.
        columns: what each column of the picture shows.
        picture: [H W 3], one row a mask.
    """
    head, rows = table(found, trainings)
    shown = _counted(columns)
    alt = f"Real images and what {' and '.join(found)} made under their masks: {', '.join(shown)}, one row a mask"
    return page("comparison.html", ("synthmed.comparison",), names=list(found), head=head, rows=rows, alt=alt,
                picture=_data_uri(picture), columns=shown)  # fmt: skip


def table(
    found: Mapping[str, Mapping[str, Any]], trainings: Mapping[str, tuple[int, float]]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table: a row for each recipe, a column for each metric, the real floor last."""
    known: dict[str, Mapping[str, Any]] = {}
    for measurements in found.values():
        for name, entry in measurements.items():
            known.setdefault(name, entry)
    head = ["recipe", "images seen", "minutes", *(f"{e['title']} ({e['direction']})" for e in known.values())]
    rows = []
    for name, measurements in found.items():
        images, minutes = trainings[name]
        rows.append([name, str(images), f"{minutes:.1f}", *(_cell(measurements.get(one)) for one in known)])
    floors = [_interval(entry, "floor", "floor_low", "floor_high") for entry in known.values()]
    return head, [*rows, ["real against real", "", "", *floors]]


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "-"
    alarm = any(warning.startswith("ALARM") for warning in entry["warnings"])
    return _interval(entry, "value", "low", "high") + (" ALARM" if alarm else "")


def _interval(entry: Mapping[str, Any], value: str, low: str, high: str) -> str:
    text = number(entry[value])
    return text if entry[low] is None else f"{text} ({number(entry[low])} to {number(entry[high])})"


def _counted(columns: Sequence[str]) -> list[str]:
    """Equal neighbours as one: "three of a"."""
    told: list[str] = []
    for name in dict.fromkeys(columns):
        count = columns.count(name)
        told.append(name if count == 1 else f"{name} with {count} latents")
    return told


def _data_uri(picture: RGB) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()

"""The page of a comparison of recipes: one table of numbers, one of pictures, complete in itself."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from synthmed.evaluation._contract import interval_text
from synthmed.evaluation._html import page
from synthmed.pictures import RGB


def as_page(
    found: Mapping[str, Mapping[str, Any]],
    trainings: Mapping[str, tuple[int, float]],
    columns: Sequence[str],
    picture: RGB,
    copier: Mapping[str, Any],
) -> str:
    """The page as HTML.

    Args:
        found: name of a recipe -> name of a metric -> its entry in ``report.json``.
        trainings: name of a recipe -> images it saw, minutes it took.
        columns: what each column of the picture shows.
        picture: [H W 3], one row a mask.
        copier: the entry "copier" of ``report.json``.
    """
    head, rows = table(found, trainings, copier["measurements"])
    shown = _counted(columns)
    alt = f"Real images and what {' and '.join(found)} made under their masks: {', '.join(shown)}, one row a mask"
    return page("comparison.html", ("synthmed.comparison",), names=list(found), head=head, rows=rows, alt=alt,
                picture=_data_uri(picture), columns=shown, copier=copier)  # fmt: skip


def table(
    found: Mapping[str, Mapping[str, Any]], trainings: Mapping[str, tuple[int, float]], copier: Mapping[str, Any]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table: a row for each recipe, a column for each metric; then both controls."""
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
    copied = ["a copier", "", "", *(_cell(copier.get(one)) for one in known)]
    told = ["tells a copier from real patients", "", "", *(_told(copier.get(one)) for one in known)]
    return head, [*rows, copied, ["real against real", "", "", *floors], told]


def _told(entry: Mapping[str, Any] | None) -> str:
    return {None: "not known", True: "yes", False: "no"}[None if entry is None else entry["told_from_real"]]


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "-"
    alarm = any(warning.startswith("ALARM") for warning in entry["warnings"])
    return _interval(entry, "value", "low", "high") + (" ALARM" if alarm else "")


def _interval(entry: Mapping[str, Any], value: str, low: str, high: str) -> str:
    return interval_text(entry[value], entry[low], entry[high])


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

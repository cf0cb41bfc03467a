"""The page of a comparison of recipes: one table of numbers, one of pictures, complete in itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from synthmed.pages.figures import picture as picture_figure
from synthmed.pages.frame import page
from synthmed.pages.numbers import interval_text
from synthmed.pictures import RGB

_CAPTION = (
    "Value (95 % interval). Two controls stand below the recipes: a copier, which bends training images until they fit "
    "a mask, and real images compared with real images."
)


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
    caption = f"From left to right: {', '.join(shown)}. One row a mask."
    return page(
        "comparison.html", "synthmed.comparison", names=list(found), sentences=_sentences(found, copier), head=head,
        rows=rows, caption=_CAPTION, figure=picture_figure("Under the same masks", caption, picture),
    )  # fmt: skip


def _sentences(found: Mapping[str, Mapping[str, Any]], copier: Mapping[str, Any]) -> list[str]:
    """Which recipe comes nearest to real images, as far as that is shown; what this page cannot say."""
    differs = {}
    for name, measurements in found.items():
        judged = [one["differs_beyond_floor"] for one in measurements.values()]
        judged = [one for one in judged if one is not None]
        differs[name] = (sum(judged), len(judged))
    told = "; ".join(f"{name} in {count} of {of} measures" for name, (count, of) in differs.items())
    begins = "They differ from real images by more than patients do"
    if not any(count for count, _ in differs.values()):
        begins = "No difference from real images is shown"
    return [
        f"{begins}: {told}.",
        "Fewer are better, and with few images few are shown. This page compares recipes trained for the same time; "
        "whether images are usable for a purpose is measured by synthmed evaluate.",
        *filter(None, [copier["sentence"] or copier["reason"]]),
    ]


def table(
    found: Mapping[str, Mapping[str, Any]], trainings: Mapping[str, tuple[int, float]], copier: Mapping[str, Any]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table: a row for each recipe, a column for each metric; then both controls."""
    known: dict[str, Mapping[str, Any]] = {}
    for measurements in found.values():
        for name, entry in measurements.items():
            known.setdefault(name, entry)
    head = ["recipe", "images seen", "minutes", *map(_title, known.values())]
    rows = []
    for name, measurements in found.items():
        images, minutes = trainings[name]
        rows.append([name, str(images), f"{minutes:.1f}", *(_cell(measurements.get(one)) for one in known)])
    floors = [_interval(entry, "floor", "floor_low", "floor_high") for entry in known.values()]
    copied = ["a copier", "", "", *(_cell(copier.get(one)) for one in known)]
    told = ["tells a copier from real patients", "", "", *(_told(copier.get(one)) for one in known)]
    return head, [*rows, copied, ["real against real", "", "", *floors], told]


def _title(entry: Mapping[str, Any]) -> str:
    times = entry.get("times", 1)
    return entry["title"] + (f", times {times:,}" if times != 1 else "") + f" ({entry['direction']})"


def _told(entry: Mapping[str, Any] | None) -> str:
    return {None: "not known", True: "yes", False: "no"}[None if entry is None else entry["told_from_real"]]


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "-"
    alarm = any(warning.startswith("ALARM") for warning in entry["warnings"])
    return _interval(entry, "value", "low", "high") + (" ALARM" if alarm else "")


def _interval(entry: Mapping[str, Any], value: str, low: str, high: str) -> str:
    times = entry.get("times", 1)
    shown = [None if entry[name] is None else entry[name] * times for name in (value, low, high)]
    return interval_text(*shown)


def _counted(columns: Sequence[str]) -> list[str]:
    """Equal neighbours as one: "three of a"."""
    told: list[str] = []
    for name in dict.fromkeys(columns):
        count = columns.count(name)
        told.append(name if count == 1 else f"{name} with {count} latents")
    return told

"""``training.html``: how a training went, from what its run holds: the log, the sample grids, the settings."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthmed import __version__
from synthmed.artifacts import write_file
from synthmed.config import to_toml
from synthmed.files import lines
from synthmed.pages.figures import WIDEST, Figure, new_plot, picture, plot_figure
from synthmed.pages.frame import page
from synthmed.pages.numbers import duration
from synthmed.sources.exact import from_png_bytes
from synthmed.training.claim import read_claim

PAGE = "training.html"
_SETTINGS = ("method", "training", "config", "data", "machine")
_EARLIER = 8
"""Grids shown beside the last one, over all stages."""
_POINTS = 200
"""Of a curve; a longer log is averaged."""
_NARROW = 700
"""Pixels that the earlier grids are wide at most."""
_CURVES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def write_page(run: Path) -> Path:
    """Write the page of a finished training beside its model.

    Args:
        run: the directory of the run.

    Returns:
        The page, complete in itself.

    Raises:
        ArtifactError: the log or the settings are not as they were written.
    """
    asked = read_claim(run)
    log = lines.read(run / "log.jsonl")
    last = {entry["stage"]: entry for entry in log}
    grids = _grids(run, {number: entry["name"] for number, entry in last.items()})
    places = np.linspace(0, len(grids) - 2, min(_EARLIER, max(0, len(grids) - 1))).astype(int)
    html = page(
        "training.html", "synthmed.training", asked=asked, sentences=_sentences(last),
        last=[_figure(*one, WIDEST) for one in grids[-1:]],
        earlier=[_figure(*grids[place], _NARROW) for place in map(int, np.unique(places))],
        losses=[_curves(name, [entry for entry in log if entry["stage"] == number])
                for number, name in ((number, entry["name"]) for number, entry in last.items())],
        took=_took(last), took_columns=["Stage", "Images seen", "Images a second", "Time", "Most memory"],
        took_caption=f"By the clock, with whatever else the machine did meanwhile. synthmed {__version__}",
        settings=to_toml({part: asked[part] for part in _SETTINGS if part in asked}),
    )  # fmt: skip
    write_file(run / PAGE, html)
    return run / PAGE


def seconds_of(entry: Mapping[str, Any]) -> float:
    """Seconds that a stage took until a line of the log; of a log of before, by the rate that the line tells."""
    return float(entry.get("seconds", entry["images"] / max(entry["images_per_second"], 1e-9)))


def _sentences(last: Mapping[int, Mapping[str, Any]]) -> list[str]:
    seen = sum(entry["images"] for entry in last.values())
    took = duration(sum(seconds_of(entry) for entry in last.values()))
    return [
        f"The training is finished: {seen:,} images seen in {took}.",
        "Not judged yet. Whether the images are good enough for a purpose is measured by synthmed evaluate; whether "
        "they show patients is looked for by synthmed audit.",
    ]


def _grids(run: Path, names: Mapping[int, str]) -> list[tuple[Path, str, int]]:
    """The sample grids in the order in which they were made: file, name of the stage, images seen in it."""
    found = []
    for file in sorted((run / "samples").glob("s*-*.png")):
        stage, _, seen = file.stem[1:].partition("-")
        if stage.isdigit() and seen.isdigit() and int(stage) in names:
            found.append((int(stage), int(seen), file))
    return [(file, names[stage], seen) for stage, seen, file in sorted(found)]


def _figure(file: Path, stage: str, seen: int, width: int) -> Figure:
    pixels = from_png_bytes(file.read_bytes()).transpose(1, 2, 0).astype(np.uint8)
    caption = "A row of generated images; below it their masks, where the method has masks."
    return picture(f"{stage}, after {seen:,} images", caption, pixels, widest=width)


def _took(last: Mapping[int, Mapping[str, Any]]) -> list[list[str]]:
    rows = [
        [entry["name"], f"{entry['images']:,}", f"{entry['images'] / max(seconds_of(entry), 1e-9):.3g}",
         duration(seconds_of(entry)), _memory(entry.get("memory", 0))]
        for entry in last.values()
    ]  # fmt: skip
    if len(rows) > 1:
        seen, seconds = sum(e["images"] for e in last.values()), sum(seconds_of(e) for e in last.values())
        most = max(entry.get("memory", 0) for entry in last.values())
        rows.append(["all", f"{seen:,}", f"{seen / max(seconds, 1e-9):.3g}", duration(seconds), _memory(most)])
    return rows


def _memory(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count else "not known"


def _curves(stage: str, log: Sequence[Mapping[str, Any]]) -> Figure:
    """The terms of one stage, a plot for the networks that learn together."""
    terms = [key for key in dict.fromkeys(key for entry in log for key in entry) if "." in key]
    learners = list(dict.fromkeys(key.split(".")[0] for key in terms))
    plot, axes = new_plot(8.4, 2.3 * max(1, len(learners)), rows=max(1, len(learners)))
    for axis, learner in zip(axes, learners, strict=False):
        own = [key for key in terms if key.split(".")[0] == learner]
        for place, key in enumerate(own):
            points = [(entry["images"], entry[key]) for entry in log if key in entry]
            seen, values = _averaged(points)
            axis.plot(seen, values, color=_CURVES[place % len(_CURVES)], linewidth=1.4,
                      linestyle=("-", "--", ":")[place // len(_CURVES) % 3], label=key.partition(".")[2])  # fmt: skip
            if len(seen) == 1:
                axis.plot(seen, values, "o", color=_CURVES[place % len(_CURVES)], markersize=4)
        axis.set_title(learner.replace("+", " and "), fontsize=10, loc="left")
        axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
    axes[-1].set_xlabel("images seen")
    caption = "Lines: the terms that these networks were trained to lower, with their weights."
    return plot_figure(f"Losses of the stage {stage}", caption, plot)


def _averaged(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """As many points as can be told apart; more are averaged in groups that follow each other."""
    size = math.ceil(len(points) / _POINTS) or 1
    groups = [np.mean(points[first : first + size], axis=0) for first in range(0, len(points), size)]
    return [float(group[0]) for group in groups], [float(group[1]) for group in groups]

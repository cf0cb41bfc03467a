"""The two files of a report: ``report.json`` for programs, ``report.html`` for people, complete in itself."""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthmed import __version__
from synthmed.evaluation._answers import Answer, answers
from synthmed.evaluation._contract import Measurement, Table
from synthmed.evaluation._control import Control, as_entries, copier_table, sentence
from synthmed.evaluation.proof import Proof
from synthmed.pages.band import band
from synthmed.pages.figures import COLOURS, Figure, new_plot, picture, plot_figure
from synthmed.pages.frame import page
from synthmed.pictures import RGB, grid, image_to_rgb, mask_to_rgb
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found.

    Args:
        path: the folder with ``report.html`` and ``report.json``.
        verdict: the result in a few plain sentences.
        measurements: one of each metric, in the order asked for.
        proof: whether it is shown that no test patient was seen.
        skipped: metrics that could not be taken, each with the reason.
        compared: name of a further set -> its measurements.
        warnings: about the images as a whole.
        control: what the copier of the real images scores.
    """

    path: Path
    verdict: str
    measurements: tuple[Measurement, ...]
    proof: Proof
    skipped: Mapping[str, str]
    compared: Mapping[str, tuple[Measurement, ...]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    control: Control = dataclasses.field(default_factory=Control)

    @property
    def answers(self) -> list[Answer]:
        """What the images may be used for, the most important first."""
        return answers(ordered(self.measurements), unseen=self.proof.shown)

    def __getitem__(self, name: str) -> Measurement:
        return next(measurement for measurement in self.measurements if measurement.name == name)


ORDER = (
    "usefulness",
    "class_usefulness",
    "kernel_distance",
    "frechet_distance",
    "precision_recall",
    "one_nn",
    "coherence",
    "two_sample_test",
    "style_transfer",
    "mask_topology",
    "mask_fidelity",
    "mask_diversity",
    "mask_dependence",
    "hotelling_observer",
    "mmd",
    "nearest_real",
    "ms_ssim",
    "histogram_kl",
    "nearest_mask",
)
"""What matters most to a user of the images comes first; the unbiased distance stands before the Frechet distance."""

_SHOWN = 6


def ordered(measurements: Sequence[Measurement]) -> list[Measurement]:
    """The measurements in the order of the report; metrics that are not in ``ORDER`` come last."""
    return sorted(measurements, key=lambda one: ORDER.index(one.name) if one.name in ORDER else len(ORDER))


def verdict(
    measurements: Sequence[Measurement], compared: Mapping[str, Sequence[Measurement]], proof: str, control: Control
) -> list[str]:
    """The result in a few plain sentences: alarms, use, differences, what a copier scores, were test patients seen."""
    sets = {"synthetic": measurements, **compared}
    alarms = [f"Alarm, {name}: {one.alarm}" for name, found in sets.items() for one in ordered(found) if one.alarm]
    told = [_difference(found, name) for name, found in sets.items()]
    first = next(iter(ordered(measurements)), None)
    if first is not None and (first.name == "usefulness" or not any(told)):
        told.insert(0, first.sentence)
    return [*alarms, *filter(None, (*told, sentence(control))), proof]


def grouped_warnings(measurements: Sequence[Measurement]) -> list[tuple[str, str]]:
    """Every warning once, with the titles of those it concerns; "All numbers" where these are all."""
    titles: dict[str, list[str]] = {}
    for one in measurements:
        for warning in one.warnings:
            titles.setdefault(warning, []).append(one.title)
    return [
        ("All numbers" if 1 < len(measurements) == len(named) else ", ".join(named), warning)
        for warning, named in titles.items()
    ]


def warnings_of(sets: Mapping[str, Sequence[Measurement]]) -> list[tuple[str, str]]:
    """The grouped warnings of every set, under its name where there are several."""
    return [
        (titles if len(sets) == 1 else f"{name}, {titles}", warning)
        for name, measured in sets.items()
        for titles, warning in grouped_warnings(ordered(measured))
    ]


def _difference(measurements: Sequence[Measurement], name: str) -> str:
    judged = [one for one in ordered(measurements) if one.differs is not None]
    worse = [one.title for one in judged if one.differs]
    if not judged:
        return ""
    if not worse:
        return (
            f"In none of {len(judged)} measures do {name} and real images differ by more than two halves of the real "
            "patients do. That shows no difference; it does not show that there is none."
        )
    return (
        f"In {len(worse)} of {len(judged)} measures {name} and real images differ by more than two halves of the real "
        f"patients do: {', '.join(worse)}."
    )


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    packages = ("torch", "monai", "numpy", "scipy", "scikit-image", "scikit-learn", "matplotlib")
    return {
        "synthmed": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


def as_json(report: Report, method: dict[str, Any]) -> dict[str, Any]:
    """The content of ``report.json``."""
    return {
        "answers": [{**dataclasses.asdict(one), "sentence": one.sentence} for one in report.answers],
        "verdict": report.verdict,
        "measurements": _entries(report.measurements),
        "compared": {name: _entries(found) for name, found in report.compared.items()},
        "copier": as_entries(
            {str(method["synthetic"]["name"]): report.measurements, **report.compared}, report.control
        ),
        "proof": dataclasses.asdict(report.proof),
        "skipped": dict(report.skipped),
        "warnings": list(report.warnings),
        "method": method,
    }


def as_html(report: Report, method: dict[str, Any], pairs: list[Figure], left_out: Sequence[str]) -> str:
    """The page ``report.html``."""
    measurements = ordered(report.measurements)
    sets = {str(method["synthetic"]["name"]): measurements, **report.compared}
    overview = [overview_figure(sets)] if any(one.floor_low is not None for one in measurements) else []
    return page(
        "report.html",
        "synthmed.evaluation",
        report=report,
        sentences=verdict(report.measurements, report.compared, report.proof.sentence, report.control),
        method=method,
        measurements=measurements,
        overview=overview,
        bands={one.name: _band(one) for one in measurements},
        comparison=comparison_table(sets) if report.compared else None,
        control=report.control,
        copier=copier_table(sets, report.control) if report.control.measurements else None,
        warnings=warnings_of(sets),
        pairs=pairs,
        pictures=figures_of(sets, "png"),
        plots=figures_of(sets, "svg"),
        left_out=left_out,
        settings=json.dumps({key: method[key] for key in ("settings", "versions")}, indent=2),
    )


def _band(one: Measurement) -> str:
    """The number beside its floor, at one size; "" without a floor."""
    if one.floor_low is None or one.floor_high is None:
        return ""
    value, low, high = _comparable(one)
    told = f"{one.title}: {one.shown_interval(value, low, high)}"
    floor = f"real against real {one.shown(one.floor_low)} to {one.shown(one.floor_high)}"
    return band((value, low, high), (one.floor_low, one.floor_high), told=f"{told}; {floor}")


def comparison_table(sets: Mapping[str, Sequence[Measurement]]) -> Table:
    """All sets in one table: a row for each metric, a column for each set, the floor last."""
    names = [one.name for one in ordered([one for found in sets.values() for one in found])]
    rows = []
    for name in dict.fromkeys(names):
        of_sets = [next((one for one in found if one.name == name), None) for found in sets.values()]
        known = next(one for one in of_sets if one is not None)
        rows.append([f"{known.shown_title} ({known.direction})", *map(_cell, of_sets), _floor_cell(known)])
    return Table(
        caption="All sets against the same real images: value (95 % interval), number of images. Numbers that depend "
        "on the number of images are comparable between sets of one size only",
        columns=["", *sets, "real against real"],
        rows=rows,
    )


def overview_figure(sets: Mapping[str, Sequence[Measurement]]) -> Figure:
    """Every number beside its floor, one row a metric, each on a scale of its own."""
    first = next(iter(sets.values()))
    shown = [one for one in first if one.floor is not None and one.floor_low is not None]
    plot, axes = new_plot(7.5, 0.55 * len(shown) * max(1, 0.6 * len(sets)) + 0.4, rows=len(shown))
    for axis, known in zip(axes, shown, strict=True):
        assert known.floor is not None and known.floor_low is not None and known.floor_high is not None
        times = known.times
        axis.axvspan(times * known.floor_low, times * known.floor_high, color=COLOURS["real"], alpha=0.25, linewidth=0)
        axis.axvline(times * known.floor, color=COLOURS["real"], linewidth=1)
        found = [next((one for one in of_set if one.name == known.name), None) for of_set in sets.values()]
        for place, one in enumerate(found):
            if one is not None:
                value, low, high = _comparable(one)
                if low is not None and high is not None:
                    axis.plot([times * low, times * high], [-place] * 2, color=COLOURS["synthetic"], linewidth=2)
                axis.plot([times * value], [-place], "o", color=COLOURS["synthetic"], markersize=5)
        axis.set_ylim(-len(sets) + 0.4, 0.6)
        names = list(sets)
        labels = [known.shown_title if len(names) == 1 else f"{known.shown_title}: {names[0]}", *names[1:]]
        axis.set_yticks([-place for place in range(len(labels))], labels)
        axis.spines["left"].set_visible(False)
        axis.tick_params(left=False, labelsize=8)
        axis.margins(x=0.1)
        axis.locator_params(axis="x", nbins=6)
    caption = (
        "Dots: the synthetic images, in as many as half of the real patients have, with 95 % of the draws. Areas: 95 % "
        "of what two halves of the real patients give, line at the mean. A dot inside its area shows no difference."
    )
    return plot_figure("Every number beside its floor", caption, plot)


def figures_of(
    sets: Mapping[str, Sequence[Measurement]], kind: Literal["png", "svg"]
) -> list[tuple[str, list[Figure]]]:
    """The pictures or the plots of every set, under its name; sets without any are left out."""
    found = {
        name: [figure for one in ordered(measured) for figure in one.figures if getattr(figure, kind)]
        for name, measured in sets.items()
    }
    return [(name, figures) for name, figures in found.items() if figures]


def example_pairs(sets: Mapping[str, SampleSet], true: "PreparedDataset", numbers: np.random.Generator) -> list[Figure]:
    """Random images of every set and of the real side, each beside its mask where there are masks."""
    drawn: list[tuple[str, str, SampleSet | PreparedDataset]] = [
        ("Synthetic" if len(sets) == 1 else f"Synthetic: {name}", "synthetic", made) for name, made in sets.items()
    ]
    figures = []
    for title, kind, images in [*drawn, ("Real", "real", true)]:
        rows = [int(row) for row in np.sort(numbers.permutation(len(images))[:_SHOWN])]
        shown = _pair_picture(images.images(rows), images.masks(rows) if images.has_masks else None)
        beside = ", each beside its mask" if images.has_masks else ""
        figures.append(picture(title, f"{len(rows)} {kind} images drawn at random{beside}.", shown))
    return figures


def _pair_picture(images: NDArray[np.integer], masks: NDArray[np.uint8] | None) -> RGB:
    pairs = [
        [image_to_rgb(image), *([] if masks is None else [mask_to_rgb(masks[index])])]
        for index, image in enumerate(images)
    ]
    half = (len(pairs) + 1) // 2
    return grid([[*pairs[row], *(pairs[row + half] if row + half < len(pairs) else [])] for row in range(half)])


def _entries(measurements: Sequence[Measurement]) -> dict[str, Any]:
    entries = {}
    for one in measurements:
        entry = dataclasses.asdict(dataclasses.replace(one, figures=(), tables=()))
        entry["differs_beyond_floor"] = one.differs
        entries[one.name] = {key: value for key, value in entry.items() if key not in ("figures", "tables")}
    return entries


def _comparable(one: Measurement) -> tuple[float, float | None, float | None]:
    """The value at the size of the floor where there is one."""
    if one.matched is None:
        return one.value, one.low, one.high
    return one.matched, one.matched_low, one.matched_high


def _cell(one: Measurement | None) -> str:
    if one is None:
        return "-"
    return f"{one.shown_interval(one.value, one.low, one.high)}, n = {one.n}"


def _floor_cell(one: Measurement) -> str:
    return one.shown_interval(one.floor, one.floor_low, one.floor_high) + (
        f", n = {one.matched_n}" if one.matched_n else ""
    )

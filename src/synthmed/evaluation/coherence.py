"""Do the channels of an image belong together? Curves of contrast enhancement, and structure that channels share.

Curves. In the middle of an image, where a lesion's patch shows the lesion, the quarter of the pixels that takes up most
contrast medium is the region; S_0 is its mean signal before contrast medium, S_k at point k after it. As read in breast
MR (Kuhl et al. 1999; Hylton et al. 2012)::

    E1        (S_1 - S_0) / S_0                 enhancement at the first point
    Tpeak     seconds from injection to the largest S_k
    SER       (S_1 - S_0) / (S_last - S_0)      signal enhancement ratio
    wash-in   the steepest rise between two points, in S_0 a minute
    wash-out  (S_last - P) / S_0 a minute, P the largest of the first two points after contrast medium
    type III  whether S_last lies more than 10 % below P: a curve of wash-out

Structure. For each pair of channels the correlation of their edges (gradients' magnitudes), and their mutual
information in bits.

Each is a number an image. Synthetic and real are compared as distributions, class by class: the Wasserstein-1 distance
in standard deviations of the real images. Nothing but images, the names of their channels and their classes is needed,
so images of any tool are measured alike.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synthmed.errors import DataError
from synthmed.evaluation._contract import ChannelsMissing, Measurement, Setup, Table, number
from synthmed.evaluation._dynamic import CURVES, DARK, Times, curves, described, image_row, structure, times_of
from synthmed.evaluation._featured import FeatureConfig, Judged, Sides, judge_points, own_groups
from synthmed.evaluation._jackknife import Points
from synthmed.pages.figures import COLOURS, Figure, new_plot, picture, plot_figure
from synthmed.pictures import RGB, grid
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

HEADLINE = 3
"""E1, Tpeak and SER are the number of the metric; the others stand in its tables."""
_QUANTILES = (np.arange(100) + 0.5) / 100
_SHOWN = 3


class Config(FeatureConfig):
    """Where curves are read, and when their points were taken."""

    region: int = Field(default=16, ge=4)
    """Side in pixels of the square in the middle of an image in which the region lies."""
    share: float = Field(default=0.25, gt=0, le=1)
    """Share of the square's pixels, those that enhance most, that are the region."""
    seconds: float = Field(default=70.0, gt=0)
    """From one point in time to the next, the first of them from injection."""
    change: float = Field(default=0.1, gt=0, lt=1)
    """Share of the early peak by which the last signal must lie below it in a curve of wash-out."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """How far synthetic and real images differ in curves (or, without a dynamic, in structure), in deviations.

    Args:
        synthetic: the images to judge, with their classes where they have some.
        real: the reference.
        config: the settings.
        setup: seed, split, progress.

    Raises:
        ChannelsMissing: the images have one channel.
        DataError: points in time are missing or not in order, a channel is constant, points in time are on different
            scales, or a synthetic image is of a class that no real one is of.
    """
    reference, names = setup.reference_of(real), real.info.channels
    if len(names) < 2:
        raise ChannelsMissing("The images have one channel; expected two or more. Leave out coherence.")
    times = times_of(names)
    made, true = synthetic.images(), reference.images()
    for side, images in (("synthetic", made), ("real", true)):
        _refuse_constant(side, images, names)
    if times.posts:
        _refuse_scales(reference, times, names)
    labels = [sample.label for sample in synthetic.samples]
    classes, of_made, of_true = _classes(labels, [row.label for row in reference.rows])
    both = Sides(
        synthetic=Points(values=_described(made, times, config, of_made), groups=own_groups(len(made))),
        real=Points(
            values=_described(true, times, config, of_true),
            groups=np.array([row.patient_id for row in reference.rows]),
        ),
        extractor="",
        about="curves and structure of the images themselves",
    )
    kinds = _kinds(times, names)
    spreads = _spreads(both.real.values, len(classes))
    judged = judge_points(
        "coherence",
        lambda one, other: _distances(one.values, other.values, spreads, kinds),
        both, config, setup, bounds=(0, np.inf),
    )  # fmt: skip
    rest = _subtraction(made, true, times)
    return judged.measurement(
        title="Coherence of channels",
        unit="standard deviations of real images",
        direction="lower is better",
        what=_what(times),
        details={**_details(judged, kinds, classes), **rest, "seconds": config.seconds},
        figures=[*_curve_figures(made, true, of_made, of_true, classes, times, config),
                 _rows_figure(made, true, of_made, of_true, classes, names, times)],
        tables=_tables(judged, kinds, classes, names),
        warnings=_warnings(rest, classes, labels),
    )  # fmt: skip


def _described(images: NDArray[np.integer], times: Times, config: Config, classes: NDArray) -> NDArray[np.float64]:
    """All numbers of each image, [N D], the place of its class the last."""
    parts = [structure(images), classes[:, None].astype(float)]
    if times.posts:
        parts.insert(0, described(curves(images, times, config.region, config.share), config.seconds, config.change))
    return np.column_stack(parts)


def _kinds(times: Times, names: Sequence[str]) -> list[str]:
    """What each of the numbers of ``_described`` is, without the class."""
    pairs = len(list(combinations(names, 2)))
    return [*(CURVES if times.posts else ()), *["edges"] * pairs, *["information"] * pairs]


def _spreads(values: NDArray[np.float64], classes: int) -> NDArray[np.float64]:
    """Standard deviation of each number among the real images of each class, [classes D]."""
    found = np.array([values[values[:, -1] == place, :-1].std(0) for place in range(classes)])
    # A number that all real images share is measured in the spread of all of them, else in itself.
    whole = values[:, :-1].std(0)
    return np.where(found > 1e-9, found, np.where(whole > 1e-9, whole, 1.0))


def _distances(
    made: NDArray[np.float64], true: NDArray[np.float64], spreads: NDArray[np.float64], kinds: Sequence[str]
) -> NDArray[np.float64]:
    """The headline, then every number of every class: [1 + classes D]; NaN where a class has less than two images."""
    found = np.full(spreads.shape, np.nan)
    for place in range(len(spreads)):
        one, other = (side[side[:, -1] == place, :-1] for side in (made, true))
        if min(len(one), len(other)) > 1:
            gaps = np.quantile(one, _QUANTILES, axis=0) - np.quantile(other, _QUANTILES, axis=0)
            found[place] = np.abs(gaps).mean(0) / spreads[place]
    shown = found[:, :HEADLINE] if CURVES[0] in kinds else found
    known = shown[~np.isnan(shown)]
    return np.concatenate([[known.mean() if known.size else 0.0], found.ravel()])


def _classes(made: Sequence[str], true: Sequence[str]) -> tuple[list[str], NDArray[np.intp], NDArray[np.intp]]:
    """The classes of both sides; one for all where a side has none. Real images of other classes are at place -1."""
    if not any(made) or not any(true):
        return [""], np.zeros(len(made), np.intp), np.zeros(len(true), np.intp)
    classes = sorted(set(made))
    if strange := [name for name in classes if name not in set(true)]:
        known = ", ".join(sorted(set(true) - {""}))
        raise DataError(
            f"Synthetic images are of the class {strange[0]!r}, and no real one is; expected {known}. Compare with "
            "real images of the same classes, by --reference or another set."
        )
    places = {name: place for place, name in enumerate(classes)}
    return classes, np.array([places[name] for name in made]), np.array([places.get(name, -1) for name in true])


def _refuse_constant(side: str, images: NDArray[np.integer], names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        if images[:, place].min() == images[:, place].max():
            raise DataError(
                f"The channel {name} has one value everywhere in all {side} images; expected pictures. Leave it out, "
                "or look at how the images were made."
            )


def _refuse_scales(reference: "PreparedDataset", times: Times, names: Sequence[str]) -> None:
    dynamic = [times.pre, *times.posts]
    for row in reference.rows:
        ends = {(row.low[place], row.high[place]) for place in dynamic} if len(row.low) > 1 else {(0.0, 1.0)}
        if len(ends) > 1 or next(iter(ends))[0] != 0:
            raise DataError(
                f"In the real image {row.id} {names[times.pre]} and {names[times.posts[0]]} are stored on different "
                "scales, or not from 0 on; enhancement cannot be read. Prepare them as one dynamic series."
            )


def _subtraction(made: NDArray, true: NDArray, times: Times) -> dict[str, Any]:
    """How far the channel Sub lies from post1 - pre (0 where it falls), as a share of its mean; both sides."""
    if times.sub is None or not times.posts:
        return {}
    found = {}
    for side, images in (("synthetic", made), ("real", true)):
        planes = images[:, [times.sub, times.posts[0], times.pre]].astype(np.float64)
        difference = (planes[:, 1] - planes[:, 2]).clip(0)
        found[side] = float(np.abs(planes[:, 0] - difference).mean() / max(difference.mean(), 1e-9))
    return {"sub_error": found}


def _what(times: Times) -> str:
    if times.posts:
        return "The mean distance of E1, Tpeak and SER of synthetic to those of real images, class by class,"
    return "The mean distance of edges and mutual information of all pairs of channels, class by class,"


def _cells(judged: Judged, kinds: Sequence[str], classes: int) -> dict[tuple[str, int], tuple[float, ...]]:
    """(kind, place of the class) -> value, low, high, with as many as the floor, floor; means over pairs."""
    found, told = judged.compared, {}
    for kind in dict.fromkeys(kinds):
        for place in range(classes):
            columns = [1 + place * len(kinds) + index for index, one in enumerate(kinds) if one == kind]
            value = float(found.value[columns].mean())
            ends = [float(side[columns].mean()) for side in (found.low, found.high)]
            known = [float(np.nanmean(side[:, columns])) if np.isfinite(side[:, columns]).any() else float("nan")
                     for side in (found.matched, found.floors)]  # fmt: skip
            told[kind, place] = (value, *ends, *known)
    return told


def _details(judged: Judged, kinds: Sequence[str], classes: Sequence[str]) -> dict[str, Any]:
    names = ("value", "low", "high", "matched", "floor")
    table: dict[str, Any] = {}
    for (kind, place), cell in _cells(judged, kinds, len(classes)).items():
        known = {name: None if np.isnan(one) else one for name, one in zip(names, cell, strict=True)}
        table.setdefault(kind, {})[classes[place] or "all"] = known
    return {"distances": table}


def _tables(judged: Judged, kinds: Sequence[str], classes: Sequence[str], names: Sequence[str]) -> list[Table]:
    rows = [
        [
            kind,
            classes[place] or "all",
            number(value),
            f"{number(low)} to {number(high)}",
            number(matched),
            number(floor),
        ]
        for (kind, place), (value, low, high, matched, floor) in _cells(judged, kinds, len(classes)).items()
    ]
    caption = (
        "Wasserstein-1 distances in standard deviations of real images of the class; edges and information: means over "
        f"all pairs of {', '.join(names)}. Beside the floor, between two halves of the real patients, the same for as "
        "many synthetic images"
    )
    columns = ["Of", "Class", "Distance", "95 % interval", "As many as the floor", "Floor"]
    return [Table(caption=caption, columns=columns, rows=rows)]


def _warnings(rest: dict[str, Any], classes: Sequence[str], labels: Sequence[str]) -> list[str]:
    told = []
    error = rest.get("sub_error", {})
    if error and error["synthetic"] > max(0.02, 2 * error["real"]):
        told.append(
            f"The channel Sub of the synthetic images is not the first point after contrast medium minus the one "
            f"before: they differ by {error['synthetic']:.0%} of its mean (real images {error['real']:.1%})."
        )
    if classes == [""]:
        told.append("There are no classes on one of the sides: all images are compared as one.")
    return told


def _curve_figures(
    made: NDArray, true: NDArray, of_made: NDArray, of_true: NDArray, classes: Sequence[str], times: Times,
    config: Config,
) -> list[Figure]:  # fmt: skip
    if not times.posts:
        return []
    plot, axes = new_plot(3.2 * len(classes), 2.6, len(classes))
    minutes = np.arange(1 + len(times.posts)) * config.seconds / 60
    for place, (name, axis) in enumerate(zip(classes, axes, strict=True)):
        for side, images, of in (("real", true, of_true), ("synthetic", made, of_made)):
            signals = curves(images[of == place], times, config.region, config.share)
            if len(signals):
                rise = signals / signals[:, :1].clip(DARK) - 1
                low, middle, high = np.quantile(rise, (0.1, 0.5, 0.9), axis=0)
                axis.fill_between(minutes, low, high, color=COLOURS[side], alpha=0.2, linewidth=0)
                axis.plot(minutes, middle, color=COLOURS[side], marker="o", markersize=3, label=side)
        axis.set(title=name or "all", xlabel="minutes after injection", ylabel="enhancement (S - S0) / S0")
        axis.legend(frameon=False)
    caption = "Enhancement of the region in the middle of each image: median, and the band of the middle 80 %."
    return [plot_figure("Enhancement curves", caption, plot)]


def _rows_figure(
    made: NDArray, true: NDArray, of_made: NDArray, of_true: NDArray, classes: Sequence[str], names: Sequence[str],
    times: Times,
) -> Figure:  # fmt: skip
    white = np.array([max(1.0, float(np.quantile(true[:, place], 0.998))) for place in range(len(names))])
    rows: list[list[RGB]] = []
    for place in range(len(classes)):
        for images, of in ((true, of_true), (made, of_made)):
            found = np.flatnonzero(of == place)
            for index in found[np.linspace(0, len(found) - 1, min(_SHOWN, len(found))).astype(int)]:
                rows.append(image_row(images[index], white, times))
    subtractions = [f"post{number + 1} - pre" for number in range(len(times.posts))]
    caption = (
        f"A row is one image: {', '.join([*names, *subtractions])}. For each class ({', '.join(classes) or 'all'}) up "
        f"to {_SHOWN} real ones, then as many synthetic ones. Each channel is shown on its own scale, the same for all."
    )
    return picture("All channels of single images", caption, grid(rows, gap=2))

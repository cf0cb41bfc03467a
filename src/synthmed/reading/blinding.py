"""The blinding audit: does anything trivial tell synthetic from real images?

Readers who find out that all real images have a black border, or that all synthetic ones lack every second grey level,
judge that and not realism. So before a study is frozen, numbers that nobody would call an impression of an image are
asked how well they tell the two kinds apart: alone, and together in a classifier that never reads what it learned from.

The size of an image's compressed pixels only warns: it follows noise and sharpness, which readers may well judge.
"""

import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._observers import logistic, read
from synthmed.reading.analysis.roc import delong
from synthmed.reading.protocol import Cue

SIZE = "file size"
WARN, REFUSE = 0.6, 0.9
"""Areas above these warn and refuse; the lower bound of the interval must lie above 0.5 and 0.7."""

_WHAT = {
    SIZE: "compressed, the one kind is larger than the other",
    "grey levels": "the one kind uses more grey levels than the other",
    "histogram gaps": "the one kind leaves grey levels out between its darkest and its brightest",
    "darkest value": "the darkest values differ",
    "brightest value": "the brightest values differ",
    "padding": "the one kind has wider plain borders",
    "field of view": "the shares of the image that are not background differ",
    "all together": "a classifier on these numbers tells them apart",
}


def cues(image: NDArray[np.integer]) -> dict[str, float]:
    """The trivial numbers of an image [C H W], uint8 or uint16."""
    used = np.unique(image)
    low, high = int(used[0]), int(used[-1])
    rows, columns = (image == image[:, :, :1]).all((0, 2)), (image == image[:, :1]).all((0, 1))
    return {
        SIZE: float(len(zlib.compress(np.ascontiguousarray(image).tobytes(), 6))),
        "grey levels": float(len(used)),
        "histogram gaps": 1 - len(used) / (high - low + 1),
        "darkest value": float(low),
        "brightest value": float(high),
        "padding": float(_plain_border(rows, columns)),
        "field of view": float((image > low).any(0).mean()),
    }


def blinding(real: Sequence[NDArray[np.integer]], synthetic: Sequence[NDArray[np.integer]]) -> list[Cue]:
    """Ask every cue how well it tells the kinds apart.

    Args:
        real: images [C H W], two at least.
        synthetic: likewise, of the same size and depth.

    Returns:
        One entry a cue, the most telling first.
    """
    tables = [[cues(image) for image in images] for images in (real, synthetic)]
    names = list(tables[0][0])
    truth = np.repeat([0, 1], [len(real), len(synthetic)])
    values = np.array([[row[name] for name in names] for table in tables for row in table])
    found = [_cue(name, truth, values[:, column]) for column, name in enumerate(names)]
    told = [column for column, name in enumerate(names) if name != SIZE and np.ptp(values[:, column]) > 0]
    if told and min(len(real), len(synthetic)) >= 10:
        found.append(_cue("all together", truth, _scores(values[:, told], truth), folded=False))
    return sorted(found, key=lambda cue: -cue.auc)


def _cue(name: str, truth: NDArray, values: NDArray, *, folded: bool = True) -> Cue:
    area = delong(truth, values)
    if folded and area.value < 0.5:
        area = delong(truth, -values)
    verdict: Literal["fine", "warn", "refuse"] = "fine"
    if area.value > WARN and area.low > 0.5:
        verdict = "refuse" if area.value > REFUSE and area.low > 0.7 and name != SIZE else "warn"
    told = f"{_WHAT[name]} (AUC {area.value:.2f})" if verdict != "fine" else ""
    return Cue(name=name, auc=area.value, low=area.low, verdict=verdict, told=told)


def _scores(values: NDArray, truth: NDArray) -> NDArray:
    """Scores of a logistic regression read in folds."""
    order = np.random.default_rng(0).permutation(len(truth))
    names = np.array([f"{rank:06d}" for rank in range(len(truth))])
    sides = [order[truth[order] == kind] for kind in (1, 0)]
    made, true = (Points(values=values[side], groups=names[: len(side)]) for side in sides)
    reading = read(logistic, made, true)
    scores = np.empty(len(truth))
    scores[np.concatenate(sides)] = reading.scores
    return scores


def _plain_border(rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> int:
    """Rows and columns at the edges that hold one value alone."""
    return sum(int(np.argmin(side)) if not side.all() else len(side)
               for side in (rows, rows[::-1], columns, columns[::-1]))  # fmt: skip

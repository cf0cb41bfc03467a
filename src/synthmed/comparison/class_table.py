"""``class_table``: the protocol of Haarburger et al. 2019, section 4.1, on finished trainings, as their Table 2.

For each training the best of its kept models is chosen by the lowest Frechet distance, as there, but on patients that
are neither trained on nor tested on: a third of the patients of the test split chooses, the others test. (The holdout
stays sealed for the audit.) The chosen model makes N images of a class and N real ones of it are drawn, ten times;
means of the Frechet distance over the named channels, of the kernel distance (not in the paper; it does not depend on
N) and of the 1-nearest-neighbour accuracy of either side stand in the table. N is the same on both sides and for all,
at most 1,000; the Frechet distance depends on it.

Floors compare N real training images with N real test images, of other patients: what even a perfect generator shows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthmed import artifacts
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_stored
from synthmed.draws import seed_of
from synthmed.errors import ConfigError, DataError
from synthmed.evaluation._featured import in_real_units
from synthmed.evaluation._intervals import percentiles
from synthmed.evaluation.features._contract import Extractor
from synthmed.evaluation.features.channels import channel_views, select
from synthmed.evaluation.features.extractor import open_extractor
from synthmed.evaluation.frechet_distance import frechet_distance
from synthmed.evaluation.kernel_distance import kernel_distance
from synthmed.evaluation.one_nn import one_nn
from synthmed.files.paths import takes_paths
from synthmed.generation.model import Model, load_model
from synthmed.pages.frame import page
from synthmed.pages.numbers import number
from synthmed.running.progress import Progress, silence, titled
from synthmed.shapes import Given
from synthmed.training.loop import MODELS

COLUMNS = ("frechet_distance", "kernel_distance", "one_nn_real", "one_nn_synthetic")
CHOOSING = 1 / 3
"""Share of the test patients, of those with the same classes, that choose the model."""
FLOOR = "real training images"
_FEWEST = 8
_CHUNK = 64
_MEASURED = 512
"""Real training images, at most, whose spread is the unit of features that have none."""

Features = Callable[[NDArray[np.integer]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Means over the draws of one training (or the floor) in one class, each with the middle 95 % of the draws.

    Args:
        name: of the training.
        label: the class.
        num: images of a side, N.
        chosen: the model that was taken; "" for the floor.
        values: column -> (mean, low, high).
    """

    name: str
    label: str
    num: int
    chosen: str
    values: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class _Real:
    """Features of real images of one class [N D] and whose they are."""

    features: NDArray[np.float32]
    patients: NDArray[np.str_]

    def drawn(self, num: int, numbers: np.random.Generator) -> "_Real":
        rows = numbers.permutation(len(self.features))[:num]
        return _Real(features=self.features[rows], patients=self.patients[rows])


@takes_paths
def class_table(
    data: Path, out: Path, *, runs: Sequence[Path], channels: str = "auto", num: int = 1000, draws: int = 10,
    extractor: str = "random_vgg", weights: Path | None = None, seed: int = 0, device: str = "cpu",
    progress: Progress | None = None,
) -> list[Cell]:  # fmt: skip
    """Compare trainings class by class, each by its best model, and write the table as a page.

    Args:
        data: the prepared data set that all of them were trained on.
        out: a new folder for ``class_table.html`` and ``class_table.json``.
        runs: directories of trainings; models that were kept on the way (``training.model_images``) are candidates
            beside the last, and alone where a training is not finished.
        channels: which channels the extractor sees, such as "T2,T1 pre,T1 post1"; see ``evaluate``.
        num: images of a side, at most; as many as there are real ones to test on where these are fewer.
        draws: sets of images of a side.
        extractor: what makes the features; "inception" for the FID of the paper.
        weights: folder of pretrained weights.
        seed: of everything random.
        device: where networks run.
        progress: hears how far it is.

    Returns:
        The rows of the table: of each class the trainings, then the floor.

    Raises:
        ConfigError: no trainings, two of one name, numbers out of range, an unknown extractor or channel.
        DataError: a model of other channels or data, one without classes, or too few patients of a class.
        ArtifactError: there is no model in a training, or something stands at ``out``.
    """
    artifacts.refuse_existing(out)
    progress = progress or silence
    names = [run.name for run in runs]
    if not runs or len(set(names)) < len(names) or num < _FEWEST or draws < 1:
        raise ConfigError(
            f"The trainings are {', '.join(names) or 'none'}, with {num} images and {draws} draws; expected one or "
            f"more, each name once, {_FEWEST} images or more and 1 draw or more."
        )
    dataset = PreparedDataset.open(data)
    found = open_extractor(extractor, device=device, weights=weights)
    views = channel_views(channels, dataset.info.channels, found.planes)
    models = {run.name: _models(run, dataset, device) for run in runs}
    features = _features(found, views, dataset.split("train"))
    sides = _sides(dataset, features, seed)
    cells: dict[str, list[Cell]] = {label: [] for label in sides}
    for name, candidates in models.items():
        best = _best(candidates, sides, num, features, seed, titled(progress, f"choosing of {name}"))
        for label, (_, _, testing) in sides.items():
            progress(len(cells[label]), len(runs), f"{name}, {label}")
            count = min(num, len(testing.features))
            numbers = np.random.default_rng((seed, 31))
            scores = []
            for draw in range(draws):
                made = features(_made(candidates[best], label, count, seed_of("class table", seed, draw)))
                scores.append(_scores(made, None, testing.drawn(count, numbers)))
            cells[label].append(_cell(name, label, count, best, scores))
    for label, (training, _, testing) in sides.items():
        count = min(num, len(testing.features), len(training.features))
        numbers = np.random.default_rng((seed, 32))
        scores = []
        for _ in range(draws):
            one = training.drawn(count, numbers)
            scores.append(_scores(one.features, one.patients, testing.drawn(count, numbers)))
        cells[label].append(_cell(FLOOR, label, count, "", scores))
    table = [cell for rows in cells.values() for cell in rows]
    settings = {"extractor": found.name, "channels": channels, "draws": draws, "num": num, "seed": seed}
    _write(out, table, dataset, settings)
    return table


def _models(run: Path, dataset: PreparedDataset, device: str) -> dict[str, Model]:
    """The models of a training by name: those that were kept, and the last where it is finished."""
    kept, last = sorted((run / MODELS).glob("*.safetensors")), run / "model.safetensors"
    files = [*kept, *([last] if last.is_file() or not kept else [])]
    models = {file.stem if file.parent.name == MODELS else "last": load_model(file, device) for file in files}
    for model in models.values():
        known = model.header.get("channels", [])
        if known != dataset.info.channels:
            raise DataError(
                f"The models of {run} make the channels {', '.join(known)}; the data set has "
                f"{', '.join(dataset.info.channels)}. Compare trainings with the data that they were trained on."
            )
        if model.header.get("data", {}).get("digest") != dataset.digest:
            raise DataError(
                f"{run} was trained on another data set than {dataset.path}; the patients that test it could be those "
                "it was trained on. Give the set that it was trained on."
            )
        if "labels" not in model.method.needs | model.method.accepts:
            raise DataError(
                f"The models of {run} make images of no class; expected trainings that learn classes. Leave it out."
            )
    return models


def _features(extractor: Extractor, views: Sequence[tuple[int, ...]], real: PreparedDataset) -> Features:
    """From images to features; those without a common unit are divided by their spread among the real images."""

    def raw(images: NDArray[np.integer]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(images), extractor.batch):
            chunk = images[first : first + extractor.batch]
            parts.append(np.concatenate([extractor.run(select(chunk, view)) for view in views], 1))
        return np.concatenate(parts)

    if not extractor.arbitrary_units:
        return raw
    measured = raw(real.images(np.unique(np.linspace(0, len(real) - 1, _MEASURED).astype(int))))
    return lambda images: in_real_units(raw(images), measured)[0]


def _sides(dataset: PreparedDataset, features: Features, seed: int) -> dict[str, tuple[_Real, _Real, _Real]]:
    """Of each class the real images of training, of choosing and of testing.

    Raises:
        DataError: a class has too few patients or images for it.
    """
    training, rest = dataset.split("train"), dataset.split("test")
    choosing = _choosing(rest, seed)
    sides = {}
    for label in dataset.spec.classes:
        mine = rest.where(lambda row, label=label: row.label == label)  # type: ignore[misc]
        parts = (
            training.where(lambda row, label=label: row.label == label),  # type: ignore[misc]
            mine.where(lambda row: row.patient_id in choosing),
            mine.where(lambda row: row.patient_id not in choosing),
        )
        if min(map(len, parts)) < _FEWEST:
            raise DataError(
                f"The class {label} has {len(parts[0])} images to train on, {len(parts[1])} to choose by and "
                f"{len(parts[2])} to test with; expected {_FEWEST} or more of each, of different patients. Prepare "
                "more patients, or a larger share by --test."
            )
        first, second, third = (
            _Real(features=features(part.images()), patients=np.array([row.patient_id for row in part.rows]))
            for part in parts
        )
        sides[label] = (first, second, third)
    return sides


def _choosing(rest: PreparedDataset, seed: int) -> set[str]:
    """The test patients that choose: a share of those who have images of the same classes."""
    classes: dict[str, set[str]] = {}
    for row in rest.rows:
        classes.setdefault(row.patient_id, set()).add(row.label)
    groups: dict[tuple[str, ...], list[str]] = {}
    for patient in sorted(classes):
        groups.setdefault(tuple(sorted(classes[patient])), []).append(patient)
    numbers, chosen = np.random.default_rng((seed, 30)), set()
    for _, people in sorted(groups.items()):
        chosen |= set(numbers.permutation(people)[: round(CHOOSING * len(people))].tolist())
    return chosen


def _best(
    candidates: Mapping[str, Model], sides: Mapping[str, tuple[_Real, _Real, _Real]], num: int, features: Features,
    seed: int, progress: Progress,
) -> str:  # fmt: skip
    """The name of the model with the lowest mean distance, over the classes, to the images that choose."""
    if len(candidates) == 1:
        return next(iter(candidates))
    found = {}
    for place, (name, model) in enumerate(candidates.items()):
        progress(place, len(candidates))
        distances = []
        for label, (_, choosing, _) in sides.items():
            count = min(num, len(choosing.features))
            made = features(_made(model, label, count, seed_of("class table, choosing", seed)))
            distances.append(frechet_distance(made, choosing.drawn(count, np.random.default_rng(seed)).features))
        found[name] = float(np.mean(distances))
    return min(found, key=lambda name: found[name])


def _made(model: Model, label: str, num: int, seed: int) -> NDArray[np.integer]:
    """Images of a class as they would be stored, [num C H W]."""
    place, parts = model.label(label), []
    for first in range(0, num, _CHUNK):
        count = min(_CHUNK, num - first)
        given = Given(labels=torch.full((count,), place))
        parts.append(to_stored(model.generate(count, seed=seed, first=first, given=given).images, model.header["bits"]))
    return np.concatenate(parts)


def _scores(made: NDArray[np.float32], owners: NDArray[np.str_] | None, real: _Real) -> tuple[float, ...]:
    """The values of ``COLUMNS``."""
    answers = one_nn(made, real.features, owners, real.patients)
    distances = frechet_distance(made, real.features), kernel_distance(made, real.features)
    return *distances, answers["real"], answers["synthetic"]


def _cell(name: str, label: str, num: int, chosen: str, scores: Sequence[tuple[float, ...]]) -> Cell:
    table = np.array(scores)
    values = {
        column: (float(table[:, place].mean()), *percentiles(table[:, place])) for place, column in enumerate(COLUMNS)
    }
    return Cell(name=name, label=label, num=num, chosen=chosen, values=values)


def _write(out: Path, table: Sequence[Cell], dataset: PreparedDataset, settings: Mapping[str, Any]) -> None:
    head = [
        "class",
        "training",
        "model",
        "N",
        "Frechet distance (FD)",
        "kernel distance (KID)",
        "1-NN real",
        "1-NN synthetic",
    ]
    rows = [
        [cell.label, cell.name, cell.chosen, str(cell.num), *(_told(*cell.values[column]) for column in COLUMNS)]
        for cell in table
    ]
    with artifacts.new_directory(out, "class_table", inputs={"data": dataset.digest}) as directory:
        artifacts.write_json(
            directory / "class_table.json",
            {**settings, "rows": [{**vars(cell), "values": dict(cell.values)} for cell in table]},
        )
        artifacts.write_file(
            directory / "class_table.html",
            page("class_table.html", "synthmed.comparison", head=head, rows=rows, settings=dict(settings)),
        )


def _told(value: float, low: float, high: float) -> str:
    return f"{number(value)} ({number(low)} to {number(high)})"


def as_text(table: Sequence[Cell]) -> str:
    """The table for a terminal, a line a row."""
    lines = [
        f"{'class':12} {'training':28} {'model':16} {'N':>5} {'FD':>9} {'KID':>9} {'1-NN real':>10} {'1-NN synth':>11}"
    ]
    for cell in table:
        values = [cell.values[column][0] for column in COLUMNS]
        lines.append(
            f"{cell.label:12} {cell.name:28} {cell.chosen or '-':16} {cell.num:5d} {values[0]:9.3f} {values[1]:9.4f} "
            f"{values[2]:10.3f} {values[3]:11.3f}"
        )
    return "\n".join(lines)

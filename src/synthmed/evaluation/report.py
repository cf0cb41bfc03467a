"""``evaluate``: measure a set of synthetic images against a prepared data set, and write the report."""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from synthmed import __version__
from synthmed.artifacts import new_directory, refuse_existing, write_file, write_json
from synthmed.errors import ConfigError, DataError
from synthmed.evaluation._contract import (
    Conditions,
    MasksMissing,
    Measurement,
    Progress,
    find_metric,
    known_metrics,
)
from synthmed.evaluation._figures import Figure, picture
from synthmed.evaluation.proof import Proof, prove
from synthmed.pictures import RGB, grid, image_to_rgb, mask_to_rgb
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

_SHOWN = 6


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found.

    Args:
        path: the folder with ``report.html`` and ``report.json``.
        verdict: the result in a few plain sentences.
        measurements: one of each metric, in the order asked for.
        proof: whether it is shown that no test patient was seen.
        skipped: metrics that could not be taken, each with the reason.
    """

    path: Path
    verdict: str
    measurements: tuple[Measurement, ...]
    proof: Proof
    skipped: Mapping[str, str]

    def __getitem__(self, name: str) -> Measurement:
        return next(measurement for measurement in self.measurements if measurement.name == name)


def evaluate(
    synthetic: Path,
    real: Path,
    out: Path,
    *,
    metrics: Sequence[str] = (),
    seeds: int = 3,
    steps: int = 300,
    seed: int = 0,
    device: str = "cpu",
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure synthetic images against real ones, each number with its interval and its real-to-real floor.

    Killed and started again with the same arguments, it goes on: trainings that are finished stand in a file
    beside ``out``, which is removed when the report is written.

    Args:
        synthetic: a sample set, or any folder with ``images`` and perhaps ``masks``.
        real: a prepared data set of the same size, channels and bit depth.
        out: a new folder for ``report.html`` (complete in itself) and ``report.json``.
        metrics: names of metrics; () = all that the two sets allow.
        seeds: trainings of each arm of usefulness.
        steps: optimizer updates of each of these trainings.
        seed: source of all randomness.
        device: where networks run.
        settings: metric -> its settings by name, beyond ``seeds`` and ``steps``.
        progress: called with how much is done, how much there is, and what is being done.

    Raises:
        ConfigError: an unknown metric or setting.
        DataError: the two sets differ in size, channels or bit depth, or a metric asked for lacks masks.
        ArtifactError: an input is damaged, or something stands at ``out``.
    """
    from synthmed.data.dataset import PreparedDataset

    synthetic, real, out = Path(synthetic), Path(real), Path(out)
    refuse_existing(out)
    own = _with_shortcuts(settings or {}, seeds, steps)
    names = list(metrics) or known_metrics()
    configs = {name: _config(name, own.get(name, {})) for name in names}
    for name in set(settings or {}) - set(names):
        find_metric(name)
        raise ConfigError(f"There are settings for {name}, which is not among the metrics {', '.join(names)}.")
    made, true = SampleSet.open(synthetic), PreparedDataset.open(real)
    _check_alike(made, true)

    out.parent.mkdir(parents=True, exist_ok=True)
    conditions = Conditions(
        seed=seed,
        device=device,
        unfinished=out.with_name(f"{out.name}.unfinished.jsonl"),
        progress=progress or (lambda done, total, what: None),
    )
    measurements, skipped = [], {}
    for number, (name, config) in enumerate(configs.items()):
        conditions.progress(number, len(configs), name)
        try:
            measurements.append(find_metric(name).measure(made, true, config, conditions))
        except MasksMissing as error:
            if name in metrics:
                raise
            skipped[name] = str(error)
    proof = prove(made, true)
    report = Report(
        path=out,
        verdict=_verdict(measurements, proof),
        measurements=tuple(measurements),
        proof=proof,
        skipped=skipped,
    )
    method = _method(synthetic, real, out, made, true, names, configs, seed, seeds, steps, device)
    with new_directory(out, "report", inputs={"synthetic": made.digest, "real": true.digest}) as directory:
        write_json(directory / "report.json", _as_json(report, method))
        write_file(directory / "report.html", _as_html(report, method, _pairs(made, true), made))
    conditions.unfinished.unlink(missing_ok=True)
    return report


def _with_shortcuts(settings: Mapping[str, Mapping[str, Any]], seeds: int, steps: int) -> dict[str, dict[str, Any]]:
    """The settings of every metric, with the two that have arguments of their own."""
    own = {name: dict(values) for name, values in settings.items()}
    usefulness = own.setdefault("usefulness", {})
    usefulness.setdefault("seeds", seeds)
    usefulness["segmenter"] = {"steps": steps, **usefulness.get("segmenter", {})}
    return own


def _config(name: str, settings: Mapping[str, Any]) -> BaseModel:
    kind = find_metric(name).Config
    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"The setting {name}.{place} is {first.get('input')!r}: {first['msg']}. "
            f"Expected settings: {', '.join(kind.model_fields)}."
        ) from error


def _check_alike(made: SampleSet, true: "PreparedDataset") -> None:
    first = made.images([0])
    found = (*made.shape, first.dtype.itemsize * 8)
    expected = (len(true.info.channels), true.info.height, true.info.width, true.info.bits)
    if found != expected:
        raise DataError(
            "The synthetic images have {} channels, {} x {} pixels and {} bits; ".format(*found)
            + "the real ones have {}, {} x {} and {}. ".format(*expected)
            + "Nothing is resized or converted silently: bring both to one kind first."
        )


def _verdict(measurements: Sequence[Measurement], proof: Proof) -> str:
    return " ".join([*(one.sentence for one in _ordered(measurements)[:1]), proof.sentence])


def _ordered(measurements: Sequence[Measurement]) -> list[Measurement]:
    """What matters most to a user of the images comes first: whether they are of use."""
    return sorted(measurements, key=lambda one: one.name != "usefulness")


def _pairs(made: SampleSet, true: "PreparedDataset") -> list[Figure]:
    train = true.split("train")
    shown = range(min(_SHOWN, len(made)))
    left = _pair_picture(made.images(shown), made.masks(shown) if made.has_masks else None)
    rows = range(min(_SHOWN, len(train.rows)))
    right = _pair_picture(train.images(rows), train.masks(rows) if train.has_masks else None)
    return [
        picture("Synthetic", f"The first {len(shown)} synthetic images, each beside its mask.", left),
        picture("Real", f"The first {len(rows)} real training images, each beside its mask.", right),
    ]


def _pair_picture(images: NDArray[np.integer], masks: NDArray[np.uint8] | None) -> RGB:
    pairs = [
        [image_to_rgb(image), *([] if masks is None else [mask_to_rgb(masks[index])])]
        for index, image in enumerate(images)
    ]
    half = (len(pairs) + 1) // 2
    return grid([[*pairs[row], *(pairs[row + half] if row + half < len(pairs) else [])] for row in range(half)])


def _method(
    synthetic: Path,
    real: Path,
    out: Path,
    made: SampleSet,
    true: "PreparedDataset",
    names: Sequence[str],
    configs: Mapping[str, BaseModel],
    seed: int,
    seeds: int,
    steps: int,
    device: str,
) -> dict[str, Any]:
    command = f"synthmed evaluate {synthetic.name} {real.name} {out.name} --metrics {','.join(names)}"
    packages = ("torch", "monai", "numpy", "scipy", "matplotlib")
    return {
        "command": f"{command} --seeds {seeds} --steps {steps} --seed {seed} --device {device}",
        "synthetic": {
            "name": synthetic.name,
            "digest": made.digest,
            "images": len(made),
            "facts": made.facts,
        },
        "real": {
            "name": real.name,
            "digest": true.digest,
            "splits": {name: split.model_dump() for name, split in true.info.splits.items()},
        },
        "settings": {name: config.model_dump() for name, config in configs.items()},
        "seed": seed,
        "device": device,
        "versions": {
            "synthmed": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def _as_json(report: Report, method: dict[str, Any]) -> dict[str, Any]:
    measurements = {}
    for one in report.measurements:
        entry = dataclasses.asdict(dataclasses.replace(one, figures=(), tables=()))
        measurements[one.name] = {key: value for key, value in entry.items() if key not in ("figures", "tables")}
    return {
        "verdict": report.verdict,
        "measurements": measurements,
        "proof": dataclasses.asdict(report.proof),
        "skipped": dict(report.skipped),
        "method": method,
    }


def _as_html(report: Report, method: dict[str, Any], pairs: list[Figure], made: SampleSet) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("synthmed.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["number"] = _number
    measurements = _ordered(report.measurements)
    figures = [figure for one in measurements for figure in one.figures]
    return pages.get_template("report.html").render(
        report=report,
        method=method,
        measurements=measurements,
        pairs=pairs,
        pictures=[figure for figure in figures if figure.png],
        plots=[figure for figure in figures if figure.svg],
        left_out=made.left_out,
        settings=json.dumps({key: method[key] for key in ("settings", "versions")}, indent=2),
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2e}" if value and abs(value) < 0.001 else f"{value:.3f}"

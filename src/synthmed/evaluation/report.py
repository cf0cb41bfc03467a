"""``evaluate``: measure sets of synthetic images against real ones, and write the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from synthmed.artifacts import new_directory, refuse_existing, write_file, write_json
from synthmed.errors import ConfigError
from synthmed.evaluation._contract import (
    Measurement,
    PartMissing,
    Setup,
    find_metric,
    known_metrics,
)
from synthmed.evaluation._control import measure_copier
from synthmed.evaluation._page import Report, as_html, as_json, example_pairs, ordered, verdict, versions
from synthmed.evaluation.inputs import check_sides, open_real
from synthmed.evaluation.proof import prove
from synthmed.files.paths import takes_paths
from synthmed.running.progress import Progress, silence
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

QUICK = "quick"
"""A name for all metrics but those that train networks."""
TRAIN_NETWORKS = ("usefulness", "class_usefulness")


@takes_paths
def evaluate(
    synthetic: Path,
    real: Path,
    out: Path,
    *,
    metrics: Sequence[str] = (),
    compare: Sequence[Path] = (),
    extractor: str = "random_vgg",
    channels: str = "auto",
    reference: str = "train",
    seeds: int = 3,
    steps: int = 300,
    seed: int = 0,
    device: str = "cpu",
    features: Path | None = None,
    weights: Path | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure synthetic images against real ones, each number with its interval and two controls: the real-to-real
    floor, and what a copier of the training images scores (``copier``).

    Killed and started again with the same arguments, it goes on: trainings that are finished stand in a file
    beside ``out``, which is removed when the report is written. Features stay in their folder for the next
    evaluation.

    Args:
        synthetic: a sample set, or any folder with ``images`` and perhaps ``masks``.
        real: a prepared data set of the same size, channels and bit depth, or a folder of real images.
        out: a new folder for ``report.html`` (complete in itself) and ``report.json``.
        metrics: names of metrics; "quick" = all that train no networks; () = all that the two sets allow.
        compare: further synthetic sets, measured alike and shown in one table.
        extractor: what makes the features that most metrics compare; see ``docs/evaluation.md``.
        channels: which channels it sees: "auto", "each", or one or three names or numbers joined by commas.
        reference: the split of the real images that distributions are compared with, or "all".
        seeds: trainings of each arm of the metrics that train networks.
        steps: optimizer updates of each of these trainings.
        seed: source of all randomness.
        device: where networks run.
        features: folder of stored features, and of the copier; None = ``features`` beside ``out``. They are made from
            real images: treat them like these.
        weights: folder of pretrained weights; None = the usual one.
        settings: metric -> its settings by name, beyond ``seeds`` and ``steps``.
        progress: hears how far it is.

    Raises:
        ConfigError: an unknown metric, extractor, channel or setting.
        DataError: the sets differ in size, channels or bit depth, are too small or empty of content, or a metric
            asked for lacks masks.
        ArtifactError: an input is damaged, a feature file is of another extractor, or something stands at ``out``.
        WeightsError: the extractor's weights are not there.
    """
    synthetic, real, out = Path(synthetic), Path(real), Path(out)
    refuse_existing(out)
    names = chosen_metrics(metrics)
    configs = _configs(names, _with_shortcuts(settings or {}, seeds, steps), settings or {})
    if reference != "all":
        _check_reference(reference)
    true = open_real(real)
    sets = [SampleSet.open(path) for path in (synthetic, *map(Path, compare))]
    titles = _titles([made.path for made in sets])
    warnings = [
        f"{title}: {told}" for made, title in zip(sets, titles, strict=True) for told in check_sides(made, true)
    ]

    out.parent.mkdir(parents=True, exist_ok=True)
    setup = Setup(
        seed=seed,
        device=device,
        unfinished=out.with_name(f"{out.name}.unfinished.jsonl"),
        progress=progress or silence,
        reference=reference,
        extractor=extractor,
        channels=channels,
        features=features or out.parent / "features",
        weights=weights,
    )
    taken = [_measure_all(made, true, configs, set(metrics), setup) for made in sets]
    measurements, skipped = taken[0]
    measured = {one.name for found, _ in taken for one in found}
    of_copier = {name for name in measured if name in metrics or name not in TRAIN_NETWORKS}  # it would double the time
    control = measure_copier(true, {name: one for name, one in configs.items() if name in of_copier}, setup)
    proof = prove(sets[0], true)
    compared = {title: tuple(ordered(found)) for title, (found, _) in zip(titles[1:], taken[1:], strict=True)}
    report = Report(
        path=out,
        verdict=" ".join(verdict(measurements, compared, proof.sentence, control)),
        measurements=tuple(measurements),
        proof=proof,
        skipped=skipped,
        compared=compared,
        warnings=tuple(warnings),
        control=control,
    )
    flags = {"seeds": seeds, "steps": steps, "seed": seed, "device": device}
    flags |= {"extractor": extractor, "channels": channels, "reference": reference}
    method = _method(sets, titles, true, real, out, configs, flags)
    pairs = example_pairs(dict(zip(titles, sets, strict=True)), setup.reference_of(true), setup.numbers(16))
    inputs = {"synthetic": sets[0].digest, "real": true.digest}
    inputs |= {f"compared {title}": made.digest for title, made in zip(titles[1:], sets[1:], strict=True)}
    with new_directory(out, "report", inputs=inputs) as directory:
        write_json(directory / "report.json", as_json(report, method))
        write_file(directory / "report.html", as_html(report, method, pairs, _left_out(sets, titles)))
    setup.unfinished.unlink(missing_ok=True)
    return report


def _left_out(sets: Sequence[SampleSet], titles: Sequence[str]) -> list[str]:
    return [f"{title}: {told}" for made, title in zip(sets, titles, strict=True) for told in made.left_out]


def chosen_metrics(metrics: Sequence[str]) -> list[str]:
    """The names of the metrics to take: all, "quick" written out, or the given ones, each once."""
    names: list[str] = []
    for name in metrics or known_metrics():
        names += [one for one in known_metrics() if one not in TRAIN_NETWORKS] if name == QUICK else [name]
    return list(dict.fromkeys(names))


def _measure_all(
    made: SampleSet,
    true: "PreparedDataset",
    configs: Mapping[str, BaseModel],
    asked: set[str],
    setup: Setup,
) -> tuple[list[Measurement], dict[str, str]]:
    measurements, skipped = [], {}
    for number, (name, config) in enumerate(configs.items()):
        setup.progress(number, len(configs), name)
        try:
            measurements.append(find_metric(name).measure(made, true, config, setup))
        except PartMissing as error:
            if name in asked:
                raise
            skipped[name] = str(error)
    return measurements, skipped


def _configs(
    names: Sequence[str], own: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> dict[str, BaseModel]:
    configs = {name: _config(name, own.get(name, {})) for name in names}
    for name in set(given) - set(names):
        find_metric(name)
        raise ConfigError(f"There are settings for {name}, which is not among the metrics {', '.join(names)}.")
    return configs


def _with_shortcuts(settings: Mapping[str, Mapping[str, Any]], seeds: int, steps: int) -> dict[str, dict[str, Any]]:
    """The settings of every metric, with the two that have arguments of their own."""
    own = {name: dict(values) for name, values in settings.items()}
    for name, network in zip(TRAIN_NETWORKS, ("segmenter", "classifier"), strict=True):
        settings_of = own.setdefault(name, {})
        settings_of.setdefault("seeds", seeds)
        settings_of[network] = {"steps": steps, **settings_of.get(network, {})}
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


def _check_reference(reference: str) -> None:
    from synthmed.data.split import SPLITS

    if reference not in SPLITS:
        raise ConfigError(f"The reference {reference!r} is unknown; expected one of {', '.join(SPLITS)}, or all.")


def _titles(paths: Sequence[Path]) -> list[str]:
    """A short name for each set: that of its folder, or its path where two folders are called alike."""
    names = [path.name for path in paths]
    return [name if names.count(name) == 1 else str(path) for name, path in zip(names, paths, strict=True)]


def _method(
    sets: Sequence[SampleSet],
    titles: Sequence[str],
    true: "PreparedDataset",
    real: Path,
    out: Path,
    configs: Mapping[str, BaseModel],
    flags: Mapping[str, Any],
) -> dict[str, Any]:
    command = f"synthmed evaluate {titles[0]} {real.name} {out.name} --metrics {','.join(configs)}"
    command += "".join(f" --compare {title}" for title in titles[1:])
    first = sets[0]
    return {
        "command": command + "".join(f" --{name} {value}" for name, value in flags.items()),
        "synthetic": {"name": titles[0], "digest": first.digest, "images": len(first), "facts": first.facts},
        "compared": {
            title: {"digest": made.digest, "images": len(made)}
            for title, made in zip(titles[1:], sets[1:], strict=True)
        },
        "real": {
            "name": real.name,
            "digest": true.digest,
            "splits": {name: split.model_dump() for name, split in true.info.splits.items()},
        },
        "settings": {name: config.model_dump() for name, config in configs.items()},
        **flags,
        "versions": versions(),
    }

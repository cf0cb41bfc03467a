"""``compare``: train several recipes on one data set with one budget, and show and measure what they make.

The layout is that of figures 2 and 3 of Ren et al. 2019: one row a mask; the mask, the original, then for each recipe
images of several latents. Everything stands in one folder and is made once: killed and started again with the same
arguments it goes on where it was.

::

    OUT/compare.toml        what was asked for, and each recipe's budget once it is known
    OUT/runs/RECIPE         the trainings
    OUT/samples/RECIPE      images under the masks of one split, each mask several times
    OUT/report              what ``evaluate`` says of all of them
    OUT/comparison          comparison.html (complete in itself), comparison.json, pictures.png
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synthmed import artifacts
from synthmed.comparison.page import as_page
from synthmed.config import Recipe, parse, read_recipe, read_toml, to_toml
from synthmed.data.dataset import PreparedDataset
from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.evaluation._contract import find_metric
from synthmed.evaluation.report import evaluate
from synthmed.files import lines
from synthmed.files.paths import takes_paths
from synthmed.files.seals import read_json, sealed, unsealed
from synthmed.generation.generate import generate
from synthmed.generation.given import filled
from synthmed.methods import find_method
from synthmed.methods._contract import build
from synthmed.pictures import RGB, grid, image_to_rgb, mask_to_rgb, save_png
from synthmed.running.progress import Progress, Say, silence, titled, unsaid
from synthmed.samples import SampleSet
from synthmed.training.loop import plan, train
from synthmed.training.pace import seconds_of_schedule

METRICS = ("kernel_distance", "mask_fidelity", "mask_diversity", "one_nn", "precision_recall")
"""How near to real images, how true to the mask, how different under one mask; and what tells a copier from a
generator: the side of the nearest neighbour, and coverage."""
_SETTINGS = "compare.toml"
_SHOWN = 6


class _Entry(NamedTuple):
    """A recipe: what it was asked for by, what it says, and the settings that are meant for it."""

    given: str
    recipe: Recipe
    settings: tuple[str, ...]


@takes_paths
def compare(
    data: Path, out: Path, *, recipes: Sequence[str], minutes: float = 10.0, images: int = 0, latents: int = 3,
    split: str = "test", leave_out_empty: bool = False, overrides: Iterable[str] = (),
    metrics: Sequence[str] = METRICS, extractor: str = "random_vgg", weights: Path | None = None, seed: int = 0,
    device: str = "cpu", progress: Progress | None = None, say: Say = unsaid,
) -> Path:  # fmt: skip
    """Train recipes that make images under masks, each with the same budget, and compare what they make.

    Args:
        data: a prepared data set with masks.
        out: the folder of the comparison; the same call again goes on there.
        recipes: names of shipped recipes or paths that end in .toml, at least one.
        minutes: of training for each recipe on this machine, were nothing else on it: its whole schedule is scaled
            by one number, which is measured before the training and then kept.
        images: how many images each recipe sees, in place of ``minutes``; 0 = by time.
        latents: images under each mask.
        split: of the data set, under whose masks the images are made.
        leave_out_empty: go on without masks that are background alone, which are an error otherwise.
        overrides: ``RECIPE.key=value`` changes one recipe, ``key=value`` all.
        metrics: names of metrics of ``evaluate``.
        extractor: what makes the features.
        weights: folder of pretrained weights.
        seed: of everything random.
        device: where networks run.
        progress: hears how far it is.
        say: hears what else there is to know, such as which recipe is trained.

    Returns:
        The page, an HTML file.

    Raises:
        ConfigError: an unknown recipe or setting, one that takes no masks, or another comparison in ``out``.
        DataError: the data set has no masks, or empty ones.
        ArtifactError: something else stands at ``out``, or a part of it is damaged.
        TrainingError: a loss is not finite; what was done before stays.
        Interrupted: a signal asked to stop; all that was done is saved.
    """
    progress = progress or silence
    overrides = tuple(overrides)
    named = _read(recipes, overrides)
    dataset = PreparedDataset.open(data)
    originals = _originals(dataset, split, leave_out_empty)
    _check(named, data, minutes, images, latents, metrics)
    asked = {
        "data": dataset.digest, "recipes": list(named), "minutes": minutes, "images": images, "latents": latents,
        "split": split, "leave_out_empty": leave_out_empty, "metrics": list(metrics), "extractor": extractor,
        "seed": seed,
        "settings": {name: {"method": one.recipe.method, "config": one.recipe.config, "training": one.recipe.training}
                     for name, one in named.items()},
    }  # fmt: skip
    budgets = _claim(out, asked)
    page = out / "comparison" / "comparison.html"
    if page.parent.exists():
        artifacts.verify(page.parent, "comparison", (page.name,))
        say(f"{out} is finished; its page is {page}.")
        return page
    for name, one in named.items():
        if name not in budgets:
            budgets[name] = _budget(one.recipe, dataset, data, minutes, images, device)
            _note(out, asked, budgets)
        say(f"Training {name}, its schedule times {budgets[name]:.3g}.")
        told = [*one.settings, f"training.budget={budgets[name]!r}", f"training.seed={seed}"]
        model = train(one.given, data, out / "runs" / name, overrides=told, device=device, progress=progress,
                      say=say)  # fmt: skip
        if not (out / "samples" / name).exists():
            generate(model, out / "samples" / name, num=latents * len(originals), seed=seed, masks=data, split=split,
                     leave_out_empty=leave_out_empty, device=device,
                     progress=titled(progress, f"generating by {name}"))  # fmt: skip
    first, *others = [out / "samples" / name for name in named]
    if not (out / "report").exists():
        evaluate(first, data, out / "report", metrics=metrics, compare=others, extractor=extractor, weights=weights,
                 seed=seed, device=device, progress=progress)  # fmt: skip
    _write_page(out, originals, list(named), budgets, latents)
    say(f"The comparison is {page}.")
    return page


def _read(recipes: Sequence[str], overrides: Sequence[str]) -> dict[str, _Entry]:
    """Each recipe by its name, with the settings that are meant for it."""
    names = [Path(one).stem for one in recipes]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"The recipes are {', '.join(names) or 'none'}; expected one or more, each once.")
    found = {}
    for name, given in zip(names, recipes, strict=True):
        own = [word for word in overrides if word.split(".")[0] not in set(names) - {name}]
        settings = [word.removeprefix(f"{name}.") for word in own]
        recipe = read_recipe(given, settings)
        kind = find_method(recipe.method)
        if "masks" not in kind.needs | kind.accepts:
            raise ConfigError(
                f"Recipe {name} makes images from noise alone; expected recipes that make images under masks, so that "
                "all can be shown under the same ones."
            )
        found[name] = _Entry(given, recipe, tuple(settings))
    return found


def _check(
    named: Mapping[str, _Entry], data: Path, minutes: float, images: int, latents: int, metrics: Sequence[str]
) -> None:
    if minutes <= 0 or images < 0 or latents < 1:
        raise ConfigError(
            f"The budget is {minutes} minutes or {images} images, with {latents} latents; expected minutes above 0, "
            "images of 0 or more, 1 latent or more."
        )
    if latents < 2 and "mask_diversity" in metrics:
        raise ConfigError(
            "With 1 latent no two images have the same mask, so mask_diversity cannot be measured; expected 2 latents "
            "or more. Give more, or name the other metrics."
        )
    for name in metrics:
        find_metric(name)
    for one in named.values():
        plan(one.given, data, overrides=one.settings)


def _originals(dataset: PreparedDataset, split: str, leave_out_empty: bool) -> PreparedDataset:
    """The images of a split under whose masks images can be made."""
    if split not in dataset.info.splits:
        raise ConfigError(f"There is no split {split!r}; expected one of {', '.join(dataset.info.splits)}.")
    usable = dataset.split(split).where(lambda row: row.mask_source != "none")
    if not dataset.has_masks or not len(usable):
        raise DataError(f"{dataset.path} has no masks in its split {split}; expected some to make images under.")
    ids = {usable.rows[place].id for place in filled(usable.masks, len(usable))}
    empty = [row.id for row in usable.rows if row.id not in ids]
    if empty and not (ids and leave_out_empty):
        go_on = "Go on without them by --leave-out-empty, or name another split by --split." if ids else (
            "Name another split by --split."
        )  # fmt: skip
        raise DataError(
            f"{len(empty)} of the {len(usable)} masks of {dataset.path} in its split {split} are empty, the first is "
            f"that of image {empty[0]}; expected a shape to fill. {go_on}"
        )
    return usable.where(lambda row: row.id in ids)


def _budget(
    recipe: Recipe, dataset: PreparedDataset, data: Path, minutes: float, images: int, device: str
) -> float:  # fmt: skip
    """By what the schedule is multiplied."""
    if not images:
        return float(f"{60 * minutes / seconds_of_schedule(recipe, data, device=device):.4g}")
    kind = find_method(recipe.method)
    stages = build(kind, parse(kind.Config, recipe.config, "config"), dataset.split("train").spec).stages()
    return images / sum(stage.images for stage in stages)


def _claim(out: Path, asked: Mapping[str, Any]) -> dict[str, float]:
    """The budgets that are known already of the comparison at ``out``, which must be this one."""
    file = out / _SETTINGS
    if not file.is_file():
        artifacts.refuse_existing(out)
        out.mkdir(parents=True, exist_ok=True)
        _note(out, asked, {})
        return {}
    try:
        found = unsealed(read_toml(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ArtifactError(f"{file} is not as it was written ({error}). Give another OUT to begin anew.") from error
    budgets: dict[str, float] = found.pop("budgets")
    found = {"leave_out_empty": False, **found}  # comparisons of before left none out
    changed = [key for key in asked if found.get(key) != asked[key]]
    if changed:
        raise ConfigError(
            f"{out} holds another comparison: {', '.join(f'{key} was {found.get(key)!r}' for key in changed)}. "
            "Give the same arguments to go on, or another OUT to begin anew."
        )
    return budgets


def _note(out: Path, asked: Mapping[str, Any], budgets: Mapping[str, float]) -> None:
    artifacts.write_file(out / _SETTINGS, to_toml(sealed({**asked, "budgets": dict(budgets)})))


def trained(run: Path) -> tuple[int, float]:
    """Images that a finished training saw, and about how many minutes it took, from its log."""
    last: dict[int, dict[str, Any]] = {}
    for entry in lines.read(run / "log.jsonl"):
        last[entry["stage"]] = entry
    seconds = sum(entry["images"] / max(entry["images_per_second"], 1e-9) for entry in last.values())
    return sum(entry["images"] for entry in last.values()), seconds / 60


def _write_page(
    out: Path, originals: PreparedDataset, names: Sequence[str], budgets: Mapping[str, float], latents: int
) -> None:
    artifacts.verify(out / "report", "report", ("report.json",))
    report = read_json((out / "report" / "report.json").read_bytes())
    found = {names[0]: report["measurements"], **{name: report["compared"][name] for name in names[1:]}}
    trainings = {name: trained(out / "runs" / name) for name in names}
    picture = pictures(originals, {name: SampleSet.open(out / "samples" / name) for name in names}, latents)
    columns = ["mask", "original", *(name for name in names for _ in range(latents))]
    with artifacts.new_directory(out / "comparison", "comparison", facts={"budgets": dict(budgets)}) as directory:
        save_png(directory / "pictures.png", picture)
        artifacts.write_json(
            directory / "comparison.json",
            {
                name: {"images_seen": trainings[name][0], "minutes": round(trainings[name][1], 2),
                       "budget": budgets[name], "measurements": found[name]}
                for name in names
            },
        )  # fmt: skip
        artifacts.write_file(
            directory / "comparison.html", as_page(found, trainings, columns, picture, report["copier"])
        )


def pictures(originals: PreparedDataset, sets: Mapping[str, SampleSet], latents: int) -> RGB:
    """One row a mask: the mask, the original, then of each set the images of the first latents under it.

    Args:
        originals: the images whose masks were used, in the order of these masks.
        sets: sample sets that hold every mask ``latents`` times, one round of all masks after the other.
        latents: images of each set in a row.
    """
    count = len(originals)
    rows = []
    for place in np.unique(np.linspace(0, count - 1, min(_SHOWN, count)).astype(int)).tolist():
        shown = [mask_to_rgb(originals.masks([place])[0]), image_to_rgb(originals.images([place])[0])]
        for made in sets.values():
            indices = [place + round_ * count for round_ in range(latents)]
            shown += [image_to_rgb(image) for image in made.images(indices)]
        rows.append(shown)
    return grid(rows)

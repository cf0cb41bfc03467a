"""The one training loop, top to bottom: it knows stages and phases, never losses or papers.

Progress is counted in images seen. Everything random in a step is drawn from the seed, the stage and the
number of images seen, so that resuming is the same command again and ends, on the CPU, in the same bits.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from synthmed import artifacts
from synthmed.config import Recipe, Settings, parse, read_recipe
from synthmed.data.dataset import PreparedDataset
from synthmed.data.typical import common_view, typical_spacing
from synthmed.draws import Draws, seed_of
from synthmed.errors import ArtifactError, ConfigError, Interrupted
from synthmed.files.paths import takes_paths
from synthmed.generation import model_file as models
from synthmed.generation.model import load_model
from synthmed.methods import find_method
from synthmed.methods._contract import Method, Stage, build
from synthmed.running.devices import find_device
from synthmed.running.progress import Progress, Say, silence, unsaid
from synthmed.running.threads import kept_by
from synthmed.training import averages, checkpoint
from synthmed.training.batches import Batches, class_counts, rows_for
from synthmed.training.board import Board
from synthmed.training.checkpoint import Position, State
from synthmed.training.claim import agrees, claim
from synthmed.training.log import JsonLines
from synthmed.training.means import Means
from synthmed.training.pace import fitting, peak_memory, rehearse
from synthmed.training.page import PAGE, write_page
from synthmed.training.private import guarantee
from synthmed.training.run import exclusive, one_at_a_time, stop_on_signal, write_sample_grid
from synthmed.training.updates import optimizers_of, update

MODELS = "models"
"""Folder of a run that holds the models which were kept on the way; each is named by its position."""
_MOST_BATCH, _MOST_IMAGES = 1 << 14, 10**12
"""Beyond what any training takes; without them a slip of the finger would fill the memory, or never end."""


class TrainingSettings(Settings):
    """How long, how often; the same for every method."""

    seed: int = Field(0, ge=0, lt=1 << 63, description="Seed of everything random.")
    budget: float = Field(1.0, gt=0, le=1e6, description="Multiplies the images of every stage.")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Of convolutions and products; weights and optimizers stay in float32."
    )
    log_images: int = Field(100, gt=0, description="Images between two lines of the log.")
    checkpoint_images: int = Field(1000, gt=0, description="Images between two checkpoints.")
    sample_images: int = Field(1000, gt=0, description="Images between two sample grids.")
    model_images: int = Field(
        0, ge=0, description="Images between two models that are kept, to choose the best of; 0 = only the last."
    )


@takes_paths
@one_at_a_time
def train(
    recipe: str, data: Path, run: Path, *, overrides: Iterable[str] = (), device: str = "cpu",
    progress: Progress | None = None, say: Say = unsaid, dry_run: bool = False, tensorboard: bool = False,
) -> Path:  # fmt: skip
    """Train a recipe on a prepared data set; the same command again goes on where it stopped.

    Args:
        recipe: name of a shipped recipe, or a path that ends in .toml.
        data: a prepared data set; only its training split is read.
        run: directory of the run: config.toml, log.jsonl, checkpoints/, samples/, models/, at its end
            model.safetensors and training.html.
        overrides: ``key=value`` pairs such as ``training.seed=1``.
        device: "cpu", "cuda", "cuda:1".
        progress: hears how far it is.
        say: hears what else there is to know, such as where it goes on.
        dry_run: check everything, RUN and the device too; make a few steps to measure what the training will take, say
            it, and write nothing.
        tensorboard: also write losses and sample grids to ``run/tensorboard``; needs the extra of that name.

    Returns:
        The model file; of a dry run, where it would be.

    Raises:
        ConfigError: an unknown setting, a run directory that belongs to another recipe or data set, or no TensorBoard.
        DataError: the data set lacks what the recipe needs.
        ArtifactError: a damaged data set or checkpoint.
        TrainingError: a loss is not finite; the last good checkpoint stays.
        Interrupted: a signal asked to stop; the state was saved.
    """
    progress = progress or silence
    found = read_recipe(recipe, overrides)
    kind = find_method(found.method)
    settings = parse(TrainingSettings, found.training, "training")
    config = parse(kind.Config, found.config, "config")
    dataset = PreparedDataset.open(data)
    training_set = dataset.split("train")
    where = find_device(device)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        method = build(kind, config, training_set.spec)
    stages = _stages(method, settings, training_set)
    privacy = _privacy(stages, settings, training_set)
    if dry_run:
        with kept_by(run, say) as threads:
            begun = agrees(run, _asked(found, config, settings, dataset) | threads)
            lengths = {stage.name: _length(stage, settings) for stage in stages}
            takes = rehearse(method, lengths, training_set, where, lowered=settings.precision == "bfloat16")
        finished = begun and (run / "model.safetensors").is_file()
        say(f"{run} {'is finished' if finished else 'goes on where it stopped' if begun else 'is free'}.")
        say(takes.sentence)
        return run / "model.safetensors"
    with artifacts.storage_errors(run):
        run.mkdir(parents=True, exist_ok=True)
    with exclusive(run), stop_on_signal() as stopped, kept_by(run, say) as threads, torch.random.fork_rng():
        claim(run, _asked(found, config, settings, dataset) | threads)
        model_file = run / "model.safetensors"
        if model_file.is_file():
            _refuse_other(model_file, found, config, dataset)
            if not (run / PAGE).is_file():
                write_page(run)
            say(f"{run} is finished; its model is {model_file}.")
            return model_file

        # Networks, their averages, and where an earlier run stopped.
        method.networks.to(where)
        state = State(networks=method.networks, averages=_averages(method, stages), optimizers={})
        folder = run / "checkpoints"
        artifacts.sweep(run)
        artifacts.sweep(folder)
        start = checkpoint.latest(folder)
        if start:
            checkpoint.load_networks(folder, start, state)
            say(f"Going on from checkpoint {start.name}.")
        board = Board(run) if tensorboard else None
        log = JsonLines(run / "log.jsonl", *((start.stage, start.images) if start else (-1, 0)))

        for number, stage in enumerate(stages):
            if start and number < start.stage:
                continue
            done = start.images if start and number == start.stage else 0
            total = _length(stage, settings)
            optimizers = optimizers_of(method.networks, stage)
            state = State(networks=method.networks, averages=state.averages, optimizers=optimizers)
            if done and start:
                checkpoint.load_optimizers(folder, start, optimizers)
            batches = Batches(training_set, stage, settings.seed, where, method)
            progress(done, total, stage.name, unit="images")
            terms = Means()
            losses: dict[str, float] = {}
            began, first, earlier = time.monotonic(), done, log.seconds(number)

            while done < total:
                draws = Draws(seed_of("step", settings.seed, number, done), where)
                stage.on_progress(done / total)
                _cool(optimizers, stage, done / total)
                step = done // stage.batch_size
                batch = batches.at(done, draws)
                batch = stage.transform(batch) if len(batch) else batch
                for phase in stage.phases:
                    if step % phase.every:
                        continue
                    for turn in range(phase.repeat):
                        if turn:
                            batch = stage.transform(batches.at(done + turn * total, draws))
                        with fitting(stage, begins=done == first):
                            terms.add("+".join(phase.networks), update(
                                phase, stage, batch, method.networks, optimizers,
                                lowered=settings.precision == "bfloat16"
                            ))  # fmt: skip
                before, done = done, done + stage.batch_size
                for name in _averaged(state.averages, stage):
                    averages.update(state.averages[name], method.networks[name], half_life=stage.average_images,
                                    seen=done, batch_size=stage.batch_size)  # fmt: skip

                # Tell, show, save; nothing is saved before the terms of all steps are known to be finite.
                ended = done >= total
                if ended or _passes(before, done, settings.log_images):
                    losses = terms.taken(stage.name, done)
                    took = time.monotonic() - began
                    entry = {
                        "stage": number, "name": stage.name, "images": done, "memory": peak_memory(where),
                        "images_per_second": round((done - first) / took, 2), "seconds": round(earlier + took, 2),
                    } | losses  # fmt: skip
                    log.write(entry)
                    if board:
                        board.numbers(entry)
                progress(done, total, stage.name, unit="images", numbers=losses)
                stopping = stopped()
                saving = stopping or _passes(before, done, settings.checkpoint_images)
                if ended or saving:
                    terms.refuse_non_finite(stage.name, done)
                if ended or _passes(before, done, settings.sample_images):
                    shown = run / "samples" / f"s{number}-{done:09d}.png"
                    with _exported(method, state.averages):
                        write_sample_grid(shown, method, training_set, where)
                    if board:
                        board.grid(shown, stage.name, done)
                if settings.model_images and not ended and _passes(before, done, settings.model_images):
                    with _exported(method, state.averages), artifacts.storage_errors(run):
                        (run / MODELS).mkdir(exist_ok=True)
                        kept = run / MODELS / f"{Position(stage=number, images=done).name}.safetensors"
                        _write_model(kept, found, config, method, training_set, privacy)
                if saving and not ended:
                    checkpoint.save(folder, Position(stage=number, images=done), state)
                if stopping and not ended:
                    raise Interrupted(f"Stopped in stage {stage.name} after {done} of {total} images; all of it is "
                                      f"saved in {run}. The same command goes on from there.", stopping)  # fmt: skip
            # The next stage begins with fresh optimizers, from a checkpoint that stays.
            state = State(networks=method.networks, averages=state.averages, optimizers={})
            checkpoint.save(folder, Position(stage=number + 1, images=0), state)

        with _exported(method, state.averages):
            _write_model(model_file, found, config, method, training_set, privacy)
        page = write_page(run)
        if board:
            board.close()
    say(f"How it went: {page}.")
    say(f"The model is {model_file}.")
    return model_file


@takes_paths
def plan(recipe: str, data: Path, *, overrides: Iterable[str] = ()) -> dict[str, int]:
    """What ``train`` would do, after all its checks of recipe and data: images by stage.

    Raises:
        ConfigError, DataError, ArtifactError: as ``train`` would.
    """
    found = read_recipe(recipe, overrides)
    kind = find_method(found.method)
    settings = parse(TrainingSettings, found.training, "training")
    training_set = PreparedDataset.open(data).split("train")
    method = build(kind, parse(kind.Config, found.config, "config"), training_set.spec)
    stages = _stages(method, settings, training_set)
    _privacy(stages, settings, training_set)
    return {stage.name: _length(stage, settings) for stage in stages}


def _stages(method: Method, settings: TrainingSettings, training_set: PreparedDataset) -> list[Stage]:
    """The stages of a method, which must be able to learn from the training set, and to end."""
    stages = method.stages()
    for stage in stages:
        rows_for(training_set, stage, method)
        if stage.batch_size > _MOST_BATCH or _length(stage, settings) > _MOST_IMAGES:
            raise ConfigError(
                f"Stage {stage.name} would see {_length(stage, settings):.3g} images in batches of "
                f"{stage.batch_size:.3g}; expected at most {_MOST_IMAGES:.0e} in batches of {_MOST_BATCH}. Set less."
            )
    return stages


def _length(stage: Stage, settings: TrainingSettings) -> int:
    return max(stage.batch_size, round(stage.images * settings.budget))


def _privacy(stages: list[Stage], settings: TrainingSettings, training_set: PreparedDataset) -> dict[str, Any] | None:
    """The guarantee of a private training, known before it begins."""
    if settings.precision != "float32" and any(stage.private for stage in stages):
        raise ConfigError("training.precision is bfloat16; expected float32 in a private training. Leave it out.")
    steps = [-(-_length(stage, settings) // stage.batch_size) for stage in stages]
    return guarantee(stages, steps, len({row.patient_id for row in training_set.rows}))


def _asked(recipe: Recipe, config: Settings, settings: Settings, dataset: PreparedDataset) -> dict[str, Any]:
    """Every setting with its value, for config.toml."""
    return {
        "method": recipe.method,
        "description": recipe.description,
        "data": {"digest": dataset.digest},
        "training": settings.model_dump(mode="json"),
        "config": config.model_dump(mode="json"),
    }


def _refuse_other(file: Path, recipe: Recipe, config: Settings, dataset: PreparedDataset) -> None:
    """A model that stands in a run must be the one that its training makes."""
    header = load_model(file).header
    found = [header["method"], header["config"], header.get("data", {}).get("digest")]
    if found != [recipe.method, config.model_dump(mode="json"), dataset.digest]:
        raise ArtifactError(f"{file} is not the model of this training. Move it away: the training then goes on.")


def _averages(method: Method, stages: list[Stage]) -> nn.ModuleDict:
    """Copies of the generator networks whose weights some stage averages."""
    trained = {name for stage in stages if stage.average_images for name in stage.trains}
    names = [name for name in method.generator_networks if name in trained]
    return nn.ModuleDict({name: deepcopy(method.networks[name]).requires_grad_(False) for name in names})


def _averaged(kept: nn.ModuleDict, stage: Stage) -> list[str]:
    return [name for name in kept if stage.average_images and name in stage.trains]


def _cool(optimizers: dict[str, torch.optim.Optimizer], stage: Stage, progress: float) -> None:
    """Set the step sizes of this moment: as they began, then down to 0 in the stage's last part."""
    share = min(1.0, (1 - progress) / stage.cooling) if stage.cooling else 1.0
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = share * group.setdefault("initial_lr", group["lr"])


def _passes(before: int, after: int, interval: int) -> bool:
    return before // interval < after // interval


@contextmanager
def _exported(method: Method, kept: nn.ModuleDict) -> Iterator[None]:
    """Put the averaged weights in their places for a while, ready to generate."""
    trained = {name: deepcopy(method.networks[name].state_dict()) for name in kept}
    for name, average in kept.items():
        method.networks[name].load_state_dict(average.state_dict())
    method.networks.eval()
    try:
        yield
    finally:
        for name, state in trained.items():
            method.networks[name].load_state_dict(state)
        method.networks.train()


def _write_model(
    file: Path, recipe: Recipe, config: Settings, method: Method, training_set: PreparedDataset,
    privacy: dict[str, Any] | None,
) -> None:  # fmt: skip
    info = training_set.info
    networks = {
        f"{name}.{key}": tensor
        for name in method.generator_networks
        for key, tensor in method.networks[name].state_dict().items()
    }
    facts: dict[str, Any] = {
        "recipe": recipe.name,
        "kind": info.kind,
        "channels": info.channels,
        "bits": info.bits,
        "intensity": info.intensity.model_dump(),
        "mask_labels": info.mask_labels,
        "spacing_mm": typical_spacing(training_set.rows),
        "view": common_view(training_set.rows),
        "classes": class_counts(training_set),
        "data": {
            "digest": training_set.digest,
            "phantom": info.provenance.get("phantom", ""),
            "splits": {name: split.model_dump() for name, split in info.splits.items()},
        },
    } | ({"privacy": privacy} if privacy else {})
    models.write(file, method=recipe.method, config=config.model_dump(mode="json"), spec=training_set.spec,
                 networks=networks, facts=facts)  # fmt: skip

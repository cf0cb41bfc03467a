"""``interpolate``: images between images, in steps that look alike, as stimuli for experiments (S2).

A path leads from anchor to anchor, straight between codes or along the sphere between latents. Steps of equal length in
codes are not equal to the eye, so the path is walked densely, features measured, and images placed at equal distances
of features; what the steps were before and after is told. Beside the images lie tables for PsychoPy, Psychtoolbox and
jsPsych.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthmed.artifacts import refuse_existing, write_file
from synthmed.data.intensity import to_stored
from synthmed.errors import ConfigError, DataError
from synthmed.evaluation.features.perception import perception
from synthmed.files.paths import takes_paths
from synthmed.files.tables import write_csv
from synthmed.formats.meaning import Meaning
from synthmed.generation.codes import CODES, CodeFile, of_all
from synthmed.generation.given import Source, read_given
from synthmed.generation.model import Model, load_model
from synthmed.networks.textures import TextureNetwork
from synthmed.running.progress import Progress, silence
from synthmed.samples import Drawn, FileFormat, Lineage, Sample, SampleSet, write_samples

Along = Literal["codes", "latents"]
"""What a path is straight in: codes, or latents, where it follows the sphere."""

_DENSE, _LEAST = 4, 96
"""Points of the dense walk for one image between anchors, and at least in all."""
_ROUNDS, _ENOUGH = 8, 0.02
"""Rounds of moving images until their steps vary by no more than that."""
_TABLE, _LIST = "conditions.csv", "conditions.json"
_COLUMNS = ("stimulus", "continuum", "step", "position", "angle", "distance", "from_anchor", "to_anchor")


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """An image that a path leads through.

    Args:
        name: for the table.
        point: latents [Z] or codes [L D].
        lineage: whose it is.
        source: digest of the file of codes that it is from; "" = it is sampled.
    """

    name: str
    point: Tensor
    lineage: Lineage
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Continuum:
    """A path of images.

    Args:
        positions: of each image, 0 at the first anchor, 1 at the second ...
        codes: of each.
        distances: from each to the next, of features; of a loop the last leads back to the first.
        before, after: coefficient of variation of the distances at equal steps, and at these.
        closes: whether a loop's end has the same bytes as its beginning; None = it is no loop.
    """

    positions: NDArray[np.float64]
    codes: Tensor
    distances: NDArray[np.float64]
    before: float
    after: float
    closes: bool | None


@takes_paths
def interpolate(
    model: Path | str, out: Path, anchors: Iterable[str] = (), *, steps: int = 20, loop: bool = False,
    continua: int = 1, through: int = 3, along: str = "codes", even: bool = True, masks: Path | None = None,
    label: str = "", split: str = "train", extractor: str = "random", weights: Path | None = None, seed: int = 0,
    device: str = "cpu", progress: Progress | None = None,
) -> SampleSet:  # fmt: skip
    """Make the images between images, in steps that look alike.

    Args:
        model: a model with an encoder, such as style_inversion's.
        out: a new sample set: ``images`` in the order of their tables; ``conditions.csv`` for PsychoPy and
            Psychtoolbox, ``conditions.json`` for jsPsych (with a list for preloading); their codes.
        anchors: two or more, in order: the number of a sampled image of ``seed``, such as "12", or an image that was
            inverted, such as "inverted:3". None = sampled ones, fresh for each continuum.
        steps: images from one anchor to the next.
        loop: lead back from the last anchor to the first.
        continua: how many paths through sampled anchors.
        through: anchors of each.
        along: "codes", straight; or "latents", along the sphere, between sampled anchors only.
        even: place images at equal distances of features; otherwise at equal steps of codes or latents.
        masks: of a model that makes images under masks: where those of sampled anchors are, as for ``generate``.
        label: of a model that makes images of classes: the class of all sampled anchors; "" = as in training.
        split: of a data set whose masks these are.
        extractor: features by which steps are measured: "random", "squeezenet", "vgg16" or "vgg19".
        weights: folder of pretrained weights.
        seed: whose sampled images the anchors are.
        device: "cpu", "cuda".
        progress: hears how far it is.

    Raises:
        ConfigError: fewer than two anchors, a number out of range, unknown words.
        DataError: the model has no encoder, codes are of another model, an anchor is not there, or masks are missing
            or do not fit.
        ArtifactError: the model or codes are damaged, or ``out`` exists.
        WeightsError: the extractor's weights are absent.
    """
    refuse_existing(out)
    names = list(anchors)
    if along not in get_args(Along):
        raise ConfigError(f"--along is {along!r}; expected codes or latents.")
    count = len(names) or through
    if count < 2:
        raise ConfigError(f"There is nothing between fewer than two images, and {count} was given; expected 2 or more.")
    if steps < 2 or continua < 1 or (names and continua > 1):
        raise ConfigError(
            f"--steps is {steps} and --continua {continua}; expected 2 steps or more, and one continuum through "
            "anchors that are named, or 1 or more without any."
        )
    progress, loaded, network = progress or silence, load_model(model, device), perception(extractor, weights)
    loaded.encoder  # noqa: B018 - refuses a model without one before anything is made
    every = names or [str(number) for number in range(continua * through)]
    source = _source(loaded, every, along, masks, label, split)
    known = [_anchor(name, loaded, source, along == "latents", seed) for name in every]
    paths: list[Continuum] = []
    for number in range(continua):
        some = known[number * count : (number + 1) * count]
        paths.append(walk(loaded, [one.point for one in some], network.to(loaded.device), steps, loop, even, along))
        progress(number + 1, continua, "Walking")
    lineages = [of_all([one.lineage for one in known[number * count : (number + 1) * count]])
                for number in range(continua)]  # fmt: skip
    ending: FileFormat = "png" if loaded.spec.channels in (1, 3) else "npy"
    rows = list(_rows(paths, [one.name for one in known], count, loop, ending))
    bits = loaded.header["bits"]

    def drawn() -> Iterator[Drawn]:
        for number, path in enumerate(paths):
            stored = to_stored(loaded.decode(path.codes), bits)
            yield from ((Sample(seed=0, label="", lineage=lineages[number]), one, None) for one in stored)

    def beside(folder: Path, samples: Iterable[Drawn]) -> Iterator[Drawn]:
        yield from samples
        write_csv(folder / _TABLE, _COLUMNS, rows)
        trials = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        told = {"preload": [row[0] for row in rows], "trials": trials}
        write_file(folder / _LIST, json.dumps(told, indent=1).encode())
        each = [lineages[number] for number, path in enumerate(paths) for _ in path.positions]
        CodeFile(values=torch.cat([path.codes for path in paths]), names=tuple(str(row[0]) for row in rows),
                 lineages=tuple(each), model=loaded.digest).write(folder / CODES)  # fmt: skip

    facts: dict[str, Any] = {
        "images": Meaning.of_model(loaded.header).facts(),
        "model": {"digest": loaded.digest, "method": loaded.header["method"]},
        "run_seed": seed,
        "continua": {
            "number": continua, "steps": steps, "loop": loop, "along": along, "even": even, "extractor": extractor,
            "anchors": [one.name for one in known],
            "variation_before": round(float(np.mean([path.before for path in paths])), 4),
            "variation_after": round(float(np.mean([path.after for path in paths])), 4),
            "largest_variation_after": round(max(path.after for path in paths), 4),
            "closed": sum(path.closes is True for path in paths),
        },
    }  # fmt: skip
    inputs = {"model": loaded.digest, **source.inputs, **_sources(known)}
    return write_samples(out, drawn(), file_format=ending, inputs=inputs, facts=facts | source.facts, beside=beside)


def walk(
    model: Model, points: Sequence[Tensor], network: TextureNetwork, steps: int, loop: bool, even: bool, along: str
) -> Continuum:
    """A path through points, its images placed.

    Args:
        model: decodes.
        points: latents or codes of the anchors, two or more.
        network: measures how unlike neighbours look.
        steps: images from one anchor to the next.
        loop: whether it leads back.
        even: whether steps are to look alike.
        along: what the points are.
    """
    legs = len(points) if loop else len(points) - 1
    count = legs * steps + (not loop)

    def codes_at(positions: NDArray[np.float64]) -> Tensor:
        return _codes_at(model, points, positions, along)

    def distances_at(positions: NDArray[np.float64]) -> NDArray[np.float64]:
        features = _features(model, codes_at(positions), network)
        return (features[1:] - features[:-1]).norm(dim=1).double().numpy()

    ends = np.linspace(0, legs, legs * steps + 1)  # of a loop the last is the first again
    found = distances_at(ends)
    before = after = _variation(found)
    places = ends
    if even:
        dense = np.linspace(0, legs, max(_LEAST, _DENSE * count) + 1)
        places = _equal(dense, distances_at(dense), len(ends))
        best = (after, ends, found)
        for _ in range(_ROUNDS):
            found = distances_at(places)
            best = min(best, (_variation(found), places, found), key=lambda one: one[0])
            if best[0] <= _ENOUGH:
                break
            places = _equal(places, found, len(ends))
        after, places, found = best
    closes = None
    if loop:
        first, last = (to_stored(model.decode(codes_at(places[end:][:1])), 16) for end in (0, -1))
        closes = bool((first == last).all())
    kept = places[:count]
    return Continuum(positions=kept, codes=codes_at(kept), distances=found, before=before, after=after, closes=closes)


def _source(model: Model, names: Sequence[str], along: str, masks: Path | None, label: str, split: str) -> Source:
    """What sampled anchors are made under; number i as image i of ``generate``."""
    numbers = [int(name) for name in names if name.isdecimal()]
    if not numbers and (masks or label):
        raise ConfigError("No anchor is sampled; --masks and --label are for those that are.")
    if along == "latents" and (needed := sorted(model.method.needs)):
        raise ConfigError(f"The model makes images under {needed[0]}, and latents alone make none; lead along codes.")
    return read_given(model, most=max(numbers) + 1, masks=masks, label=label, split=split) if numbers else Source()


def _anchor(name: str, model: Model, source: Source, latents: bool, seed: int) -> Anchor:
    if name.isdecimal():
        number = int(name)
        drawn = model.latents(1, seed=seed, first=number)
        given = model.completed(source.at(range(number, number + 1)), 1, seed, number)
        return Anchor(name=name, point=drawn[0] if latents else model.codes(drawn, given)[0], lineage=source.lineage)
    place, colon, row = name.rpartition(":")
    if not colon or not row.isdecimal():
        raise ConfigError(f"{name!r} names no image; expected a number such as 12, or PLACE:NUMBER such as inverted:3.")
    if latents:
        raise ConfigError(f"{name} is a code and has no latents; lead along codes, or between sampled images.")
    file = CodeFile.read(Path(place), model=model.digest)
    if int(row) >= len(file):
        raise DataError(f"{place} holds {len(file)} codes, 0 to {len(file) - 1}; there is no {row}.")
    return Anchor(name=name, point=file.values[int(row)], lineage=file.lineages[int(row)], source=file.digest)


def _sources(anchors: Sequence[Anchor]) -> dict[str, str]:
    """Digests of the files of codes that anchors are from."""
    found = dict.fromkeys(one.source for one in anchors if one.source)
    return {f"codes_{place}": digest for place, digest in enumerate(found)}


def _codes_at(model: Model, points: Sequence[Tensor], positions: NDArray[np.float64], along: str) -> Tensor:
    """The codes at positions of a path: 0 at its first point, 1 at its second ..."""
    found = []
    for position in positions.tolist():
        leg = int(position)
        share = position - leg
        one, other = points[leg % len(points)], points[(leg + 1) % len(points)]
        found.append(one if share == 0 else _between(one, other, share, along))
    drawn = torch.stack(found)
    return model.codes(drawn) if along == "latents" else drawn


def _between(one: Tensor, other: Tensor, share: float, along: str) -> Tensor:
    """Straight between codes; between latents along the great circle (Shoemake 1985), lengths in proportion."""
    if along == "codes":
        return one + share * (other - one)
    flat = [point.flatten() / point.norm() for point in (one, other)]
    angle = torch.arccos((flat[0] @ flat[1]).clamp(-1, 1))
    if float(angle.sin()) < 1e-4:
        return one + share * (other - one)
    turned = (((1 - share) * angle).sin() * flat[0] + (share * angle).sin() * flat[1]) / angle.sin()
    return (turned * ((1 - share) * one.norm() + share * other.norm())).view_as(one)


@torch.no_grad()
def _features(model: Model, codes: Tensor, network: TextureNetwork) -> Tensor:
    images = model.decode(codes)
    return torch.cat([network.embed(some.to(model.device)).cpu() for some in images.split(64)])


def _variation(distances: NDArray[np.float64]) -> float:
    """Standard deviation by mean."""
    return float(distances.std() / max(distances.mean(), 1e-12))


def _equal(positions: NDArray[np.float64], distances: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Positions between which the way, as measured at some, is equally long."""
    way = np.concatenate([[0.0], distances.cumsum()])
    found = np.interp(np.linspace(0, way[-1], count), way, positions)
    found[0], found[-1] = positions[0], positions[-1]
    return found


def _rows(
    paths: Sequence[Continuum], names: Sequence[str], count: int, loop: bool, ending: str
) -> Iterator[tuple[Any, ...]]:
    """The table of conditions; every title is an identifier, as PsychoPy needs it."""
    number = 0
    for continuum, path in enumerate(paths):
        anchors = names[continuum * count : (continuum + 1) * count]
        legs = count if loop else count - 1
        for step, position in enumerate(path.positions):
            leg = min(int(position), legs - 1)
            angle = round(360 * step / len(path.positions), 4) if loop else ""
            apart = round(float(path.distances[step]), 6) if step < len(path.distances) else ""
            yield (f"images/{number:05d}.{ending}", continuum, step, round(float(position), 6), angle, apart,
                   anchors[leg % count], anchors[(leg + 1) % count])  # fmt: skip
            number += 1

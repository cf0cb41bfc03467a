"""From a model to a folder of synthetic images: seeds, what they are made under, lineage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from synthmed.artifacts import refuse_existing
from synthmed.data.intensity import to_stored
from synthmed.errors import ConfigError
from synthmed.generation.given import read_given
from synthmed.generation.model import image_seed, load_model
from synthmed.running.progress import Progress
from synthmed.samples import Sample, SampleSet, write_samples

_CHUNK = 64
_CARRIED = ("method", "recipe", "version", "config", "classes", "data", "privacy")
"""What a sample set repeats of its model's header."""


def generate(
    model: Path | str, out: Path, *, num: int, seed: int = 0, masks: Path | None = None, styles: Path | None = None,
    label: str = "", split: str = "train", file_format: Literal["png", "tiff", "npy"] = "png", device: str = "cpu",
    progress: Progress | None = None,
) -> SampleSet:  # fmt: skip
    """Make synthetic images, with their masks where the model makes or takes them.

    Args:
        model: a model file, or the name of a model of the package or of one that was fetched.
        out: a new directory for the sample set.
        num: how many.
        seed: the run seed; image i depends on (seed, i) and what it is made under alone.
        masks: a prepared data set, a sample set or a folder whose masks are used, in order and again from the
            first when they run out; see ``generation.given``.
        styles: the same for images whose texture is used, with their label maps.
        label: the class of all images; "" = of each class as many as its share of the training images asks for.
        split: of the data set, whose masks and styles these are.
        file_format: of the images; masks are always PNG.
        device: "cpu", "cuda".
        progress: hears how far it is.

    Raises:
        ConfigError: ``num`` is below 1.
        DataError: something that the model needs is missing, or what is given does not fit it.
        ArtifactError: the model or what is given is damaged, or ``out`` exists.
    """
    if num < 1:
        raise ConfigError(f"--num is {num}; expected at least 1.")
    refuse_existing(out)
    loaded = load_model(model, device)
    source = read_given(loaded, most=num, masks=masks, styles=styles, label=label, split=split)
    inputs = {"model": loaded.digest} | source.inputs
    facts = {
        "run_seed": seed,
        "model": {"digest": loaded.digest} | {key: loaded.header[key] for key in _CARRIED if key in loaded.header},
    } | source.facts

    def drawn() -> Iterator[tuple[Sample, np.ndarray, np.ndarray | None]]:
        for first in range(0, num, _CHUNK):
            numbers = range(first, min(first + _CHUNK, num))
            given = loaded.completed(source.at(numbers), len(numbers), seed, first)
            pairs = loaded.generate(len(numbers), seed=seed, first=first, given=given)
            images = to_stored(pairs.images, loaded.header["bits"])
            for place, number in enumerate(numbers):
                sample = Sample(
                    seed=image_seed(seed, number),
                    label="" if given.labels is None else loaded.spec.classes[int(given.labels[place])],
                    lineage=source.lineage,
                    **source.names(number),
                )
                yield sample, images[place], None if pairs.masks is None else pairs.masks[place].numpy()
            if progress:
                progress(numbers.stop, num)

    return write_samples(out, drawn(), file_format=file_format, num_labels=max(2, loaded.spec.num_labels),
                         inputs=inputs, facts=facts)  # fmt: skip

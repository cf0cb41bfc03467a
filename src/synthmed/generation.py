"""From a model to a folder of synthetic images: seeds, conditions, lineage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from synthmed.artifacts import refuse_existing
from synthmed.conditions import read_given_masks
from synthmed.data.intensity import to_stored
from synthmed.errors import ConfigError
from synthmed.model import image_seed, load_model
from synthmed.samples import Sample, SampleSet, write_samples

_CHUNK = 64
_CARRIED = ("method", "recipe", "version", "data", "privacy")
"""What a sample set repeats of its model's header."""


def generate(
    model: Path, out: Path, *, num: int, seed: int = 0, masks: Path | None = None, split: str = "train",
    file_format: Literal["png", "tiff", "npy"] = "png", device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> SampleSet:  # fmt: skip
    """Make synthetic images, with their masks where the model makes or takes them.

    Args:
        model: a model file.
        out: a new directory for the sample set.
        num: how many.
        seed: the run seed; image i depends on (seed, i) and its mask alone.
        masks: a prepared data set, a sample set or a folder whose masks are used, in order and again from the
            first when they run out; see ``conditions``.
        split: of the data set, whose masks these are.
        file_format: of the images; masks are always PNG.
        device: "cpu", "cuda".
        progress: called with the number made and ``num``.

    Raises:
        ConfigError: ``num`` is below 1.
        DataError: masks are missing or do not fit the model.
        ArtifactError: the model or the masks are damaged, or ``out`` exists.
    """
    if num < 1:
        raise ConfigError(f"--num is {num}; expected at least 1.")
    refuse_existing(out)
    loaded = load_model(model, device)
    given = read_given_masks(masks, loaded.method, loaded.spec, most=num, split=split) if masks else None
    inputs = {"model": loaded.digest} | ({"masks": given.digest} if given else {})
    facts = {
        "run_seed": seed,
        "model": {"digest": loaded.digest} | {key: loaded.header[key] for key in _CARRIED if key in loaded.header},
    } | ({"masks": given.about} if given else {})

    def drawn() -> Iterator[tuple[Sample, np.ndarray, np.ndarray | None]]:
        for first in range(0, num, _CHUNK):
            count = min(_CHUNK, num - first)
            places = [index % len(given) for index in range(first, first + count)] if given else []
            pairs = loaded.generate(count, seed=seed, first=first, masks=given.maps[places] if given else None)
            images = to_stored(pairs.images, loaded.header["bits"])
            for offset in range(count):
                sample = Sample(
                    seed=image_seed(seed, first + offset),
                    label="",
                    lineage=given.lineage if given else "sampled",
                    mask_from=given.names[places[offset]] if given else "",
                )
                yield sample, images[offset], pairs.masks[offset].numpy() if pairs.has_masks else None
            if progress:
                progress(first + count, num)

    return write_samples(out, drawn(), file_format=file_format, num_labels=max(2, loaded.spec.num_labels),
                         inputs=inputs, facts=facts)  # fmt: skip

"""From a model to a folder of synthetic images: seeds, conditions, lineage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from synthmed.artifacts import refuse_existing
from synthmed.data.dataset import KIND as DATASET
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_stored
from synthmed.errors import ConfigError, DataError
from synthmed.model import image_seed, load_model
from synthmed.samples import Sample, SampleSet, write_samples

_CHUNK = 64
_CARRIED = ("method", "recipe", "version", "data", "privacy")
"""What a sample set repeats of its model's header."""


def generate(
    model: Path, out: Path, *, num: int, seed: int = 0, masks: Path | None = None,
    file_format: Literal["png", "tiff", "npy"] = "png", device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> SampleSet:  # fmt: skip
    """Make synthetic images, with their masks where the model makes or takes them.

    Args:
        model: a model file.
        out: a new directory for the sample set.
        num: how many.
        seed: the run seed; image i depends on (seed, i) and its mask alone.
        masks: a prepared data set (its training masks) or a sample set whose masks are used, in order and
            again from the first when they run out.
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
    conditions, origin, digest = _conditions(masks)
    inputs = {"model": loaded.digest} | ({"masks": digest} if masks else {})
    lineage: Literal["sampled", "mask_from_real"] = "mask_from_real" if origin == DATASET else "sampled"
    facts = {
        "run_seed": seed,
        "model": {"digest": loaded.digest}
        | {
            key: loaded.header[key]
            for key in ("method", "recipe", "version", "data", "privacy")
            if key in loaded.header
        },
    }

    def drawn() -> Iterator[tuple[Sample, np.ndarray, np.ndarray | None]]:
        for first in range(0, num, _CHUNK):
            count = min(_CHUNK, num - first)
            chosen = None
            if conditions is not None:
                indices = [index % len(conditions) for index in range(first, first + count)]
                chosen = torch.from_numpy(conditions[indices])
            pairs = loaded.generate(count, seed=seed, first=first, masks=chosen)
            images = to_stored(pairs.images, loaded.header["bits"])
            for offset in range(count):
                sample = Sample(seed=image_seed(seed, first + offset), label="", lineage=lineage)
                yield sample, images[offset], pairs.masks[offset].numpy() if pairs.has_masks else None
            if progress:
                progress(first + count, num)

    return write_samples(out, drawn(), file_format=file_format, num_labels=max(2, loaded.spec.num_labels),
                         inputs=inputs, facts=facts)  # fmt: skip


def _conditions(masks: Path | None) -> tuple[np.ndarray | None, str, str]:
    """The masks to generate under, the kind of artifact they come from, and its digest."""
    if masks is None:
        return None, "", ""
    if (masks / "dataset.json").is_file():
        dataset = PreparedDataset.open(masks).split("train")
        if not dataset.info.mask_labels:
            raise DataError(f"{masks} has no masks. Prepare a folder with masks, or generate without --masks.")
        return dataset.masks(), DATASET, dataset.digest
    samples = SampleSet.open(masks)
    origin = "samples" if samples.is_ours and all(s.lineage == "sampled" for s in samples.samples) else DATASET
    return samples.masks(), origin, samples.digest

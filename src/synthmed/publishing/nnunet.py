"""The layout of nnU-Net: ``imagesTr``, ``labelsTr`` and ``dataset.json``, in archives that add up when unpacked."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import ConfigError
from synthmed.publishing.facts import Images
from synthmed.publishing.shards import SHARD_BYTES, Shards
from synthmed.samples import SampleSet
from synthmed.sources.exact import png_bytes


def write_nnunet(folder: Path, name: str, images: Images, samples: SampleSet, most_bytes: int = SHARD_BYTES,
                 most_shards: int = 40) -> list[str]:  # fmt: skip
    """Write the archives and give their names.

    A photograph of three colours is one file, as nnU-Net's reader of natural images expects; any other channel is a
    file of its own, ``CASE_0000.png``, ``CASE_0001.png``. Labels are consecutive, 0 = background.

    Args:
        folder: where they are written.
        name: of the release, which begins the name of every case.
        images: what the images are.
        samples: the images with their masks.
        most_bytes: of one archive.
        most_shards: archives beyond which it is refused.

    Raises:
        ConfigError: there are no masks.
    """
    if not samples.has_masks:
        raise ConfigError("--format nnunet needs a mask for each image; these samples have none. Leave it out.")
    with Shards(folder, "nnunet", most_bytes, most_shards) as shards:
        highest = 1
        for place in range(len(samples)):
            pixels, labels = samples.images([place])[0], samples.masks([place])[0]
            highest = max(highest, int(labels.max()))
            case = f"{name}_{place:06d}"
            files = {f"imagesTr/{case}_{number:04d}.png": png_bytes(one) for number, one in enumerate(_split(pixels))}
            files[f"labelsTr/{case}.png"] = png_bytes(labels[None])
            shards.before(sum(map(len, files.values())) + 400 * len(files))
            for file, content in files.items():
                shards.add(file, content)
        # In the last archive, when it is known which labels occur.
        shards.add("dataset.json", json.dumps(_dataset(images, highest), indent=2).encode())
        return shards.names


def _split(pixels: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    return [pixels] if len(pixels) == 3 else [plane[None] for plane in pixels]


def _dataset(images: Images, highest: int) -> dict[str, object]:
    known = {int(label): name for label, name in images.mask_labels.items()}
    highest = max(highest, *known) if known else highest
    names = {known.get(label, f"label {label}" if label else "background"): label for label in range(highest + 1)}
    names = {"background": 0} | {name: label for name, label in names.items() if label}
    return {
        "channel_names": {str(number): name for number, name in enumerate(images.channels)},
        "labels": names,
        "numTraining": images.num,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }

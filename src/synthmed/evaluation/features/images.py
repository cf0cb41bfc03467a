"""The features of a set of images, read from the disk where they are stored."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthmed.evaluation.features._contract import Extractor
from synthmed.evaluation.features.channels import channel_views, select
from synthmed.evaluation.features.store import stored
from synthmed.running.progress import Progress, silence

_READ = 64


class Images(Protocol):
    """What a sample set and a prepared data set have in common: stored pixels on request."""

    def __len__(self) -> int: ...

    def images(self, indices: Sequence[int], /) -> NDArray[np.integer]:
        """The pixels [n C H W] of some of the images."""


def chunks(images: Images, size: int = _READ) -> Iterator[tuple[int, NDArray[np.integer]]]:
    """Some images [n C H W] after the other, each with how many came before."""
    for first in range(0, len(images), size):
        yield first, images.images(range(first, min(first + size, len(images))))


def image_features(
    images: Images,
    key: dict[str, Any],
    names: Sequence[str],
    extractor: Extractor,
    *,
    channels: str = "auto",
    folder: Path | None = None,
    progress: Progress = silence,
) -> NDArray[np.float32]:
    """The features [N D] of a set, a few images at a time.

    Args:
        images: the set.
        key: names its content, as JSON values.
        names: of its channels.
        extractor: makes the features.
        channels: which of them it sees; see ``channels.py``.
        folder: of stored features; None = they are not kept.
        progress: hears how far it is.

    Raises:
        ConfigError: an unknown channel.
        ArtifactError: a stored file is damaged or of another extractor.
    """
    views = channel_views(channels, names, extractor.planes)

    def make() -> NDArray[np.float32]:
        parts = []
        for done, chunk in chunks(images, extractor.batch):
            progress(done, len(images))
            parts.append(np.concatenate([extractor.run(select(chunk, view)) for view in views], 1))
        return np.concatenate(parts)

    if folder is None:
        return make()
    return stored(folder, {"images": key, "extractor": extractor.key, "channels": [list(view) for view in views]}, make)

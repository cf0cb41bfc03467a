"""What an extractor is, and all extractors by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import ConfigError

VERSION = 1
"""Raised when the numbers of an extractor change, so that stored features are made anew."""


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A way from pixels to features.

    Args:
        name: how it is asked for.
        about: what it is and what it does to an image, in a sentence.
        planes: channels it looks at: 3, or 1.
        key: all that decides its numbers, as JSON values.
        arbitrary_units: its features have no common unit: each is divided by its spread among the real images.
        run: pixels [N planes H W], uint8 or uint16, to features [N D] float32. An image's features do not depend on
            the images beside it.
        batch: images to give at once.
    """

    name: str
    about: str
    planes: int
    key: dict[str, Any]
    arbitrary_units: bool
    run: Callable[[NDArray[np.integer]], NDArray[np.float32]]
    batch: int = 16


def extractor_names() -> list[str]:
    """The names of all extractors."""
    from synthmed.evaluation.features.networks import NETWORKS

    return ["random_vgg", "texture", "random_filters", *(name for name in NETWORKS if name != "random_vgg")]


def open_extractor(name: str, *, device: str = "cpu", weights: Path | None = None) -> Extractor:
    """The extractor of that name, its weights read and checked.

    Args:
        name: one of ``extractor_names()``.
        device: where networks run.
        weights: the weights folder; None = the usual one.

    Raises:
        ConfigError: an unknown name; the message lists the known ones.
        WeightsError: its weights are absent or not the published ones; the message says how to get them.
    """
    if name not in extractor_names():
        raise ConfigError(
            f"The extractor {name!r} is unknown; expected one of {', '.join(extractor_names())}. Check the name."
        )
    if name == "texture":
        from synthmed.evaluation.features.texture import texture

        return texture()
    if name == "random_filters":
        from synthmed.evaluation.features.filters import random_filters

        return random_filters()
    from synthmed.evaluation.features.networks import network_extractor

    return network_extractor(name, device=device, weights=weights)

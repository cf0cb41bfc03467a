"""What an extractor of features is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

"""Which channels of an image an extractor sees: said by the user, never guessed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import ConfigError

AUTO, EACH = "auto", "each"


def channel_views(channels: str, names: Sequence[str], planes: int) -> list[tuple[int, ...]]:
    """The views of an image that an extractor sees one after the other; their features are joined.

    Args:
        channels: "auto": grey is repeated, red, green and blue are taken as they are, and an extractor of single
            planes sees each. "each": every channel alone, repeated. Otherwise names or numbers (from 0) of one or
            three channels, joined by commas.
        names: of the channels of the images.
        planes: what the extractor looks at, 1 or 3.

    Returns:
        The channels of each view, ``planes`` of them.

    Raises:
        ConfigError: an unknown channel, or "auto" for images that are neither grey nor red, green, blue.

    Example:
        >>> channel_views("auto", ["grey"], 3)
        [(0, 0, 0)]
        >>> channel_views("T2,T1,post", ["T1", "post", "T2"], 3)
        [(2, 0, 1)]
    """
    count = len(names)
    if channels == EACH or (channels == AUTO and planes == 1):
        return [(index,) * planes for index in range(count)]
    if channels == AUTO:
        if count not in (1, 3):
            raise ConfigError(
                f"The images have {count} channels ({', '.join(names)}), and the extractor takes 3; expected a choice. "
                "Name one or three of them, such as --channels 0,1,2, or take --channels each."
            )
        return [tuple(range(3)) if count == 3 else (0, 0, 0)]
    chosen = [_index(word.strip(), names) for word in channels.split(",")]
    if len(chosen) not in (1, 3):
        raise ConfigError(f"{len(chosen)} channels were named ({channels}); expected one or three, or each.")
    if planes == 1:
        return [(index,) for index in chosen]
    return [tuple(chosen) if len(chosen) == 3 else (chosen[0],) * 3]


def select(images: NDArray[np.integer], view: tuple[int, ...]) -> NDArray[np.integer]:
    """The channels of a view, [N C H W] -> [N planes H W]."""
    return np.ascontiguousarray(images[:, list(view)])


def _index(word: str, names: Sequence[str]) -> int:
    if word in names:
        return list(names).index(word)
    if word.isdigit() and int(word) < len(names):
        return int(word)
    known = ", ".join(f"{index} ({name})" for index, name in enumerate(names))
    raise ConfigError(f"There is no channel {word!r}; expected one of {known}, or auto, or each.")

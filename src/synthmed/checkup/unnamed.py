"""Masks whose names do not say so: pictures of two values among the others, and the pattern that names them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from synthmed import sources
from synthmed.data.kinds._contract import Map
from synthmed.data.masks import holds_two_values
from synthmed.sources.words import stem


def unnamed_masks(names: Sequence[str], number: int, source: Path, run: Map) -> list[str]:
    """Those of some of the pictures, evenly spread, that hold two values.

    Args:
        names: of pictures relative to the source.
        number: how many are looked at.
        source: the folder.
        run: like ``map``.
    """
    places = {round(place) for place in np.linspace(0, len(names) - 1, min(number, len(names)))}
    some = [names[place] for place in sorted(places)]
    seen = run(_holds_two_values, [source / name for name in some])
    return [name for name, two in zip(some, seen, strict=True) if two is True]


def pattern_of(masks: Sequence[str], names: Sequence[str]) -> str:
    """A pattern for masks: what their names have beyond those of other pictures, or their folder; "" = none is found.

    Example:
        >>> pattern_of(["a_gland.png", "b_gland.png"], ["a.png", "a_gland.png", "b.png", "b_gland.png"])
        '*_gland.png'
    """
    stems: dict[str, list[str]] = {}
    for name in names:
        place = PurePosixPath(name)
        stems.setdefault(place.parent.as_posix(), []).append(stem(place.name))
    votes: Counter[str] = Counter()
    for name in masks:
        place = PurePosixPath(name)
        own = stem(place.name)
        longest = max((other for other in stems[place.parent.as_posix()] if other != own and own.startswith(other)),
                      key=len, default="")  # fmt: skip
        if longest:
            votes[f"*{place.name[len(longest) :]}"] += 1
    folders = {PurePosixPath(name).parent.as_posix() for name in masks}
    if votes and votes.most_common(1)[0][1] >= 0.9 * len(masks):
        return votes.most_common(1)[0][0]
    others = {PurePosixPath(name).parent.as_posix() for name in set(names) - set(masks)}
    return f"{next(iter(folders))}/*" if len(folders) == 1 and "." not in folders and not folders & others else ""


def _holds_two_values(path: Path) -> bool:
    return holds_two_values(sources.read(path).pixels)

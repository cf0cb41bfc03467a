"""What ``prepare`` would do with a folder: its plan, and some of its items made into images by the same code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from synthmed.data.dataset import DatasetInfo
from synthmed.data.kinds import find_kind, measured
from synthmed.data.kinds._contract import Found, Item, KindSettings, Map
from synthmed.data.planning import Plan, plan
from synthmed.errors import SourceError

_SMALLEST, _MOST = 3, 16  # items that are made
_FILES, _BYTES = 600, 2**29
"""That are read for it at most, but for the smallest items, so that ten thousand files take less than a minute."""
_NO_KEY = bytes(32)
"""The pseudonyms of a plan that is thrown away."""
_SPLITS = {"holdout": 0.1, "test": 0.2, "seed": 0, "from_train": ()}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of it.

    Args:
        plan: of the whole folder, by headers and names.
        tried: items that were made into images.
        failed: name and reason of those of them that cannot be used.
    """

    plan: Plan
    tried: int
    failed: list[tuple[str, str]]


def try_out(source: Path, kind: str, found: Found, settings: KindSettings, run: Map) -> Trial:
    """Plan a preparation, measure some items and make them.

    Args:
        source: the folder.
        kind: name of a kind.
        found: what it found there.
        settings: its settings.
        run: like ``map``.

    Raises:
        SourceError: nothing can be used.
    """
    module = find_kind(kind)
    height, width = module.DEFAULT_SIZE
    planned = plan(source, found, module.describe(found, settings, height, width), settings, _NO_KEY, _SPLITS, run)
    if not planned.items:
        raise SourceError("It finds nothing that it can use.")
    some = _some(planned.items)
    seen = measured(module, replace(found, items=some, rejected=[]), settings, run)
    own = {item.name for item in some}
    failed = [(one.file, one.reason) for one in seen.rejected if one.file in own]
    made = partial(_made, kind, module.describe(seen, settings, height, width), settings)
    for item, outcome in zip(seen.items, run(made, seen.items), strict=True):
        if isinstance(outcome, SourceError):
            failed.append((item.name, str(outcome)))
    return Trial(plan=planned, tried=len(some), failed=failed)


def _some(items: Sequence[Item]) -> list[Item]:
    """The smallest items, and others evenly spread, as far as their files are not too large together."""
    smallest = sorted(range(len(items)), key=lambda place: (len(items[place].files), items[place].name))[:_SMALLEST]
    spread = {round(place) for place in np.linspace(0, len(items) - 1, min(_MOST, len(items)))}
    chosen, number, size = list(smallest), 0, 0
    for place in sorted(spread - set(smallest)):
        files = (*items[place].files, *items[place].partners)
        number, size = number + len(files), size + sum(path.stat().st_size for path in files)
        if number <= _FILES and size <= _BYTES and len(chosen) < _MOST:
            chosen.append(place)
    return [items[place] for place in sorted(chosen)]


def _made(kind: str, info: DatasetInfo, settings: KindSettings, item: Item) -> int:
    """How many images an item gives; in a process of its own where there are several."""
    return len(find_kind(kind).make(item, info, settings))

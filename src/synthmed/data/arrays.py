"""The pixels of a prepared set: ``.npy`` files in shards, mapped to memory."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, MASKS, FIELDS_OF_VIEW = "images", "masks", "fields"


class Shards:
    """The shard files of one set.

    Args:
        path: the set, which holds the folder ``shards``.
        arrays: what is stored of each image -> its shape and type; every file must be so.
        names: of the set's files; only these are read.

    Raises:
        ValueError: a file is not listed, or is not as ``arrays`` says.
    """

    def __init__(
        self, path: Path, arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]], names: Iterable[str]
    ) -> None:
        self._path = path
        known, end = set(names), f"-{IMAGES}.npy"
        self._prefixes = sorted(
            name.removesuffix(f"{IMAGES}.npy") for name in known if name.startswith("shards/") and name.endswith(end)
        )
        self._maps: dict[tuple[str, int], np.ndarray] = {}
        counts = []
        for shard, prefix in enumerate(self._prefixes):
            counts.append(len(self._map(IMAGES, shard)))
            for what, (shape, dtype) in arrays.items():
                if f"{prefix}{what}.npy" not in known:
                    raise ValueError(f"{prefix}{what}.npy is not listed")
                found, expected = self._map(what, shard), (counts[-1], *shape)
                if found.shape != expected or found.dtype != dtype:
                    raise ValueError(
                        f"{prefix}{what}.npy holds {found.dtype} of shape {found.shape}; expected {dtype} of {expected}"
                    )
        self._starts = np.cumsum([0, *counts])
        self.total = int(self._starts[-1])

    def __getstate__(self) -> dict[str, Any]:
        # Other processes map the files themselves; a pickled map would carry the pixels.
        return {**self.__dict__, "_maps": {}}

    def gather(self, what: str, positions: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Copy the pictures at ``positions`` of the whole set, in that order, into one array [N ...]."""
        gathered = np.empty((len(positions), *shape), dtype)
        shard_of = np.searchsorted(self._starts, positions, side="right") - 1
        inside = positions - self._starts[shard_of]
        # Picture by picture, so that each is copied once: indexing by an array would copy it twice.
        for place, (shard, index) in enumerate(zip(shard_of.tolist(), inside.tolist(), strict=True)):
            gathered[place] = self._map(what, shard)[index]
        return gathered

    def _map(self, what: str, shard: int) -> np.ndarray:
        if (what, shard) not in self._maps:
            file = self._path / f"{self._prefixes[shard]}{what}.npy"
            # A plain view of the map: indexing an np.memmap costs microseconds more.
            found = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
            if not found.ndim:
                raise ValueError(f"{file.name} holds a single number")
            self._maps[what, shard] = found
        return self._maps[what, shard]

"""Preparing in shards: a fixed run of items becomes one finished directory, whoever makes it and however often.

Finished shards stand in a hidden working folder beside the set until the set is whole. The same command again finds
them there and goes on; another source, another setting or another key has another working folder.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synthmed import artifacts
from synthmed.data.arrays import IMAGES
from synthmed.data.dataset import DatasetInfo
from synthmed.data.duplicates import SIDE
from synthmed.data.index import COLUMNS, Row
from synthmed.data.keyed_names import OwnNames
from synthmed.data.kinds import find_kind
from synthmed.data.kinds._contract import Item, KindSettings, Made
from synthmed.data.limits import Limits, attempt
from synthmed.data.store import SHARD_BYTES, SHARD_IMAGES, ShardWriter, bytes_per_image
from synthmed.errors import ArtifactError, DataError, SourceError
from synthmed.files.locks import try_lock
from synthmed.files.paths import open_own
from synthmed.files.tables import read_csv, write_csv

KIND = "shard"
_LEAST_WORK, _SHARDS = 8 << 20, 256
"""A shard reads and writes at least so many bytes, or its part of so many shards."""
_LOCK = ".lock"
_ROWS, _LEFT_OUT, _PRINTS = "rows.csv", "left_out.csv", "prints.npy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One job of a preparation.

    Args:
        number: from 0, in the order of the items.
        folder: the working folder.
        kind: name of the kind.
        items: what is decoded; their patients are pseudonyms, their splits are decided.
        info: of the set.
        settings: of the kind.
        limits: what one item may cost.
        crashing: places of the items that made their workers die -> the reason to reject them.
    """

    number: int
    folder: Path
    kind: str
    items: tuple[Item, ...]
    info: DatasetInfo
    settings: KindSettings
    limits: Limits
    crashing: dict[int, str] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Where it stands when it is finished."""
        return self.folder / f"{self.number:05d}"


def cut(sizes: Sequence[int], numbers: Sequence[int], info: DatasetInfo) -> list[range]:
    """Cut the planned items, in their order, into shards; the number of workers plays no part.

    Args:
        sizes: bytes of the source files of each item.
        numbers: files of each item: it gives at least about as many images.
        info: of the set.

    Returns:
        Places of the items in each shard.
    """
    stored = [bytes_per_image(info) * number for number in numbers]
    most_work = max(_LEAST_WORK, (sum(sizes) + sum(stored)) // _SHARDS)
    shards: list[range] = []
    first = work = kept = 0
    for place, (size, result) in enumerate(zip(sizes, stored, strict=True)):
        full = place - first == SHARD_IMAGES or kept + result > SHARD_BYTES or work + size + result > most_work
        if full and place > first:
            shards.append(range(first, place))
            first, work, kept = place, 0, 0
        work, kept = work + size + result, kept + result
    return [*shards, range(first, len(sizes))] if len(sizes) > first else shards


def make(shard: Shard) -> None:
    """Decode the items of a shard and write it; a worker process calls this.

    An item that cannot be used becomes a line of the shard's ``left_out.csv``: its place, and the reason without names,
    for what a preparation leaves behind when it is killed lies beside the set.

    Raises:
        StorageError: the disk is full or may not be written; nothing of the shard is left.
    """
    if is_whole(shard.place):
        return
    try:
        _write(shard)
    except (ArtifactError, OSError):
        # A worker that a cluster gave up for lost may have finished it in the meantime.
        if not is_whole(shard.place):
            raise


def _write(shard: Shard) -> None:
    rejected: list[tuple[int, str]] = []
    facts: dict[str, Any] = {}
    with artifacts.new_directory(shard.place, KIND, facts=facts) as directory:
        writer = ShardWriter(f"{directory}/", shard.info)
        try:
            write_csv(directory / _ROWS, COLUMNS, _rows(shard, writer, rejected))
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        write_csv(directory / _LEFT_OUT, ("item", "reason"), rejected)
        np.save(directory / _PRINTS, np.array(writer.prints, np.int8).reshape(-1, SIDE, SIDE))
        facts |= {"images": len(writer), "rejected": len(rejected)}


def is_whole(place: Path) -> bool:
    """Whether a finished shard stands there, every byte as it was written; what is damaged is removed."""
    if not os.path.lexists(place):
        return False
    try:
        artifacts.verify(place, KIND, (f"{IMAGES}.npy", _ROWS, _LEFT_OUT, _PRINTS))
    except ArtifactError:
        artifacts.remove(place)
        return False
    return True


def probe(shard: Shard) -> None:
    """Decode a shard's items and keep nothing: for a shard of one item, to learn whether it kills its worker."""
    for item in shard.items:
        find_kind(shard.kind).make(item, shard.info, shard.settings)


def source_digest(item: Item) -> str:
    """SHA-256 of an item's one file, or over those of its files in their order."""
    digests = [artifacts.file_digest(file) for file in item.files]
    return digests[0] if len(digests) == 1 else artifacts.digest_of(digests)


@contextmanager
def working_folder(out: Path, digest: str) -> Iterator[Path]:
    """The hidden folder beside a set where its shards stand until it is whole; removed when the block ends well.

    It stays where the block fails and a shard is finished, unless the source itself is to blame.

    Args:
        out: place of the set.
        digest: of the plan; another plan has another folder.

    Raises:
        ArtifactError: another process works in it.
        StorageError: it may not be written.
    """
    folder = out.with_name(f".{out.name}.{digest[:12]}.preparing")
    if folder.is_symlink():
        raise ArtifactError(f"{folder} is a link; expected a working folder of synthmed or nothing. Remove the link.")
    with artifacts.storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open_own(folder / _LOCK, "a")
    with lock:
        if not try_lock(lock):
            raise ArtifactError(f"Another process is preparing {out}. Wait for it, or give another place.")
        artifacts.sweep(folder)
        try:
            yield folder
        except BaseException as error:
            if isinstance(error, (SourceError, DataError)) or not any(folder.glob(f"*/{artifacts.MANIFEST}")):
                artifacts.remove(folder)
            raise
        # What was begun with other settings can never become this set.
        for other in out.parent.iterdir():
            is_working = other.name.startswith(f".{out.name}.") and other.name.endswith(".preparing")
            if is_working and other.is_dir() and not other.is_symlink():
                with open_own(other / _LOCK, "a") as theirs:
                    if other == folder or try_lock(theirs):
                        artifacts.remove(other)


class FinishedShards:
    """The finished shards of a preparation, read one after the other.

    Args:
        folder: the working folder.
        count: how many there are.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._places = [folder / f"{number:05d}" for number in range(count)]
        manifests = [artifacts.read_manifest(place, KIND) for place in self._places]
        self.images: int = sum(manifest.facts["images"] for manifest in manifests)
        filled = [pair for pair in zip(self._places, manifests, strict=True) if pair[1].facts["images"]]
        self._arrays = {
            f"shards/{number:05d}-{name}": (place / name, entry)
            for number, (place, manifest) in enumerate(filled)
            for name, entry in manifest.files.items()
            if name.endswith(".npy") and name != _PRINTS
        }

    def rows(self) -> Iterator[list[str]]:
        """Cells of the rows of ``index.csv``, not numbered yet."""
        for place in self._places:
            yield from _read_lines(place / _ROWS)

    def left_out(self) -> list[tuple[int, int, str]]:
        """Number of the shard, place of the item in it, and reason without names, of what could not be used."""
        return [
            (number, int(item), reason)
            for number, place in enumerate(self._places)
            for item, reason in _read_lines(place / _LEFT_OUT)
        ]

    def prints(self) -> np.ndarray:
        """Fingerprints of the images, int8 [N 16 16]."""
        return np.concatenate([np.load(place / _PRINTS, allow_pickle=False) for place in self._places])

    def manifest_entries(self) -> dict[str, dict[str, Any]]:
        """Path in the set -> what its manifest says of it, for every array."""
        return {name: entry for name, (_, entry) in self._arrays.items()}

    def link_into(self, directory: Path) -> None:
        """Let the arrays stand in the set as well, without copying them."""
        (directory / "shards").mkdir()
        for name, (file, _) in self._arrays.items():
            artifacts.link(file, directory / name)


def _rows(shard: Shard, writer: ShardWriter, rejected: list[tuple[int, str]]) -> Iterator[Sequence[str]]:
    """Decode item after item, hand the pixels to the writer, and give the rows."""
    kind = find_kind(shard.kind)

    def decode(item: Item) -> tuple[str, list[Made]]:
        return source_digest(item), kind.make(item, shard.info, shard.settings)

    for place, item in enumerate(shard.items):
        crash = shard.crashing.get(place)
        outcome = SourceError(crash) if crash else attempt(decode, item, shard.limits)
        if not isinstance(outcome, SourceError) and not outcome[1]:
            outcome = SourceError("It holds no picture that can be used.")
        if isinstance(outcome, SourceError):
            rejected.append((place, OwnNames(item).hidden(str(outcome))))
            continue
        digest, pictures = outcome
        for made in pictures:
            writer.add(made.image, made.mask, made.field)
            yield _row(item, digest, made).cells()


def _row(item: Item, digest: str, made: Made) -> Row:
    return Row(
        id="",
        patient_id=item.patient_id,
        split=item.split,
        label=made.label or item.label,
        mask_source="none" if made.mask is None else made.mask_source,
        source_digest=digest,
        **{name: getattr(made.fit, name) for name in made.fit.__dataclass_fields__},
        part=made.part,
        view=made.view,
        spacing_mm=made.spacing_mm,
        low=made.low if isinstance(made.low, tuple) else (made.low,),
        high=made.high if isinstance(made.high, tuple) else (made.high,),
        curve=made.curve,
        notes=made.notes,
    )


def _read_lines(path: Path) -> Iterator[list[str]]:
    lines = read_csv(path)
    next(lines)
    yield from lines

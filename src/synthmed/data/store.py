"""The only writer of prepared data sets: shards that grow image by image, then index, seals and manifest."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from synthmed import artifacts, pictures
from synthmed.data import duplicates
from synthmed.data.arrays import FIELDS_OF_VIEW, IMAGES, MASKS, Shards
from synthmed.data.dataset import DUPLICATES_FILE, INDEX_FILE, INFO_FILE, KIND, REJECTED_FILE, DatasetInfo, SplitInfo
from synthmed.data.index import COLUMNS, LOOK_AT, Row
from synthmed.data.split import SPLITS
from synthmed.errors import DataError
from synthmed.files.tables import write_csv

SHARD_IMAGES = 1024
SHARD_BYTES = 256 << 20
_PREVIEW_IMAGES = 8


def bytes_per_image(info: DatasetInfo) -> int:
    """What one image takes in a shard, with its mask and field."""
    planes = len(info.channels) * info.dtype.itemsize + bool(info.mask_labels) + info.has_fields
    return info.height * info.width * planes


class ShardWriter:
    """Write the arrays of one shard, image by image, so that memory does not grow with it.

    Args:
        prefix: beginning of the files' names: ``prefix`` + "images.npy" and so on.
        info: of the set.
    """

    def __init__(self, prefix: str, info: DatasetInfo) -> None:
        self._info = info
        size = (info.height, info.width)
        self._files = {IMAGES: _GrowingArray(prefix, IMAGES, (len(info.channels), *size), info.dtype)}
        if info.mask_labels:
            self._files[MASKS] = _GrowingArray(prefix, MASKS, size, np.dtype(np.uint8))
        if info.has_fields:
            self._files[FIELDS_OF_VIEW] = _GrowingArray(prefix, FIELDS_OF_VIEW, size, np.dtype(np.uint8))
        self.prints: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._files[IMAGES])

    def add(self, image: np.ndarray, mask: np.ndarray | None, field: np.ndarray | None) -> None:
        """Add an image [C H W] of the set's type, its mask [H W] (None = zeros) and field [H W] (None = ones)."""
        shape = (self._info.height, self._info.width)
        expected = (len(self._info.channels), *shape)
        assert image.shape == expected and image.dtype == self._info.dtype, "the image is not of this set's shape"
        self._files[IMAGES].append(image)
        if MASKS in self._files:
            self._files[MASKS].append(np.zeros(shape, np.uint8) if mask is None else mask)
        if FIELDS_OF_VIEW in self._files:
            self._files[FIELDS_OF_VIEW].append(np.ones(shape, np.uint8) if field is None else field)
        self.prints.append(duplicates.fingerprint(image))

    def close(self) -> None:
        """Complete the files."""
        for file in self._files.values():
            file.close()

    def abandon(self) -> None:
        """Close the files as they are; they will be removed."""
        for file in self._files.values():
            file.abandon()


class DatasetWriter:
    """Write a prepared set that appears at ``path`` only when all of it is on the disk, in one process.

    The same rows and pixels in the same order give the same bytes. An exception inside the block leaves nothing
    behind.

    Args:
        path: a new place.
        info: everything of ``dataset.json`` but the splits, which the writer adds from the rows.
        inputs: name -> digest of each artifact the set is made from.
        shard_images: images in a shard, at most.

    Raises:
        ArtifactError: something with content already stands at ``path``.
        DataError: one patient, or one source file, in two splits; no image at all.
        StorageError: the disk is full or may not be written.

    Example:
        >>> with DatasetWriter(path, info) as writer:  # doctest: +SKIP
        ...     writer.add(row, image, mask, field)
        ...     writer.reject("F0c1d2e3f4a5b", "It is cut short.")
    """

    def __init__(
        self,
        path: Path,
        info: DatasetInfo,
        *,
        inputs: dict[str, str] | None = None,
        shard_images: int = SHARD_IMAGES,
    ) -> None:
        self.path = Path(path)
        self.info = info
        self.rows: list[Row] = []
        self.rejected: list[tuple[str, str]] = []
        self._inputs = inputs or {}
        self._shard_images = min(shard_images, max(1, SHARD_BYTES // bytes_per_image(info)))
        self._stack = ExitStack()
        self._shard: ShardWriter | None = None
        self._num_shards = 0
        self._prints: list[np.ndarray] = []

    def __enter__(self) -> Self:
        self._directory = self._stack.enter_context(artifacts.new_directory(self.path, KIND, inputs=self._inputs))
        (self._directory / "shards").mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Raising inside the stack's block removes the temporary directory; finishing completes it.
        with self._stack:
            if error is not None:
                if self._shard:
                    self._shard.abandon()
                raise error
            self._close_shard()
            if not self.rows:
                raise DataError(f"No image was added to {self.path}; expected at least one. See the reasons given.")
            lines = (row.cells() for row in self.rows)
            finish_set(self._directory, self.info, lines, self.rejected, np.stack(self._prints))

    def add(self, row: Row, image: np.ndarray, mask: np.ndarray | None, field: np.ndarray | None) -> None:
        """Add one image.

        Args:
            row: its line in ``index.csv``.
            image: [C H W] of the set's type.
            mask: [H W] uint8, or None (stored as zeros where the set has masks).
            field: [H W] uint8 of {0, 1}, or None (stored as ones where the set has fields).
        """
        if self._shard is None or len(self._shard) == self._shard_images:
            self._close_shard()
            self._shard = ShardWriter(f"{self._directory}/shards/{self._num_shards:05d}-", self.info)
            self._num_shards += 1
        self._shard.add(image, mask, field)
        self.rows.append(row)

    def reject(self, file: str, reason: str) -> None:
        """Note in ``rejected.csv`` that a source file is left out, and why; by then without names (``keyed_names``)."""
        self.rejected.append((file, reason))

    def _close_shard(self) -> None:
        if self._shard:
            self._shard.close()
            self._prints += self._shard.prints


def finish_set(
    directory: Path,
    info: DatasetInfo,
    lines: Iterable[Sequence[str]],
    rejected: Iterable[tuple[str, str]],
    prints: np.ndarray,
) -> None:
    """Add everything but the shards and the manifest to a set.

    Args:
        directory: holds ``shards`` already.
        info: everything of ``dataset.json`` but the splits.
        lines: cells of the rows in the order of the shards; they are numbered here.
        rejected: file and reason.
        prints: int8 [N 16 16] fingerprints, in the same order.

    Raises:
        DataError: one patient, or one source file, in two splits.
    """
    index = _Index(info)
    write_csv(directory / INDEX_FILE, COLUMNS, index.numbered(lines))
    write_csv(directory / REJECTED_FILE, ("file", "reason"), sorted(rejected))
    noted = {**info.provenance, **({"look_at": dict(sorted(index.doubts.items()))} if index.doubts else {})}
    info = info.model_copy(update={"splits": index.splits(), "provenance": noted})
    artifacts.write_json(directory / INFO_FILE, info.model_dump())
    shards = Shards(directory, info.arrays, [f"shards/{file.name}" for file in (directory / "shards").iterdir()])
    candidates = duplicates.candidates(prints, np.array(index.patients))
    columns = ("id", "other_id", "similarity", "identical", "turned")
    write_csv(directory / DUPLICATES_FILE, columns, _alike(candidates, shards, info))
    _write_preview(directory / "preview.png", info, shards, np.array(index.split_numbers))


class _Index:
    """What is gathered while the rows pass by: numbers, not rows, so that half a million stay small."""

    def __init__(self, info: DatasetInfo) -> None:
        self._info = info
        self._number_of: dict[str, int] = {}
        self._split_of: dict[str, dict[str, str]] = {"patient": {}, "source file": {}}
        self._digests: dict[str, list[str]] = {name: [] for name in SPLITS}
        self.patients = array("l")
        self.split_numbers = array("b")
        self.doubts: Counter[str] = Counter()

    def numbered(self, lines: Iterable[Sequence[str]]) -> Iterable[tuple[str, ...]]:
        places = [COLUMNS.index(name) for name in ("patient_id", "split", "source_digest", "notes")]
        for number, line in enumerate(lines):
            patient, split, digest, notes = (line[place] for place in places)
            self.doubts.update(note.removeprefix(LOOK_AT) for note in notes.split("; ") if note.startswith(LOOK_AT))
            self._check("patient", patient, split)
            self._check("source file", digest, split)
            self.patients.append(self._number_of.setdefault(patient, len(self._number_of)))
            self.split_numbers.append(SPLITS.index(split))
            self._digests[split].append(digest)
            yield (f"{number:06d}", *line[1:])

    def _check(self, what: str, value: str, split: str) -> None:
        known = self._split_of[what].setdefault(value, split)
        if split != known:
            raise DataError(
                f"The {what} {value} is in the splits {known} and {split}; expected one split, or what was trained "
                "on would be tested on. Correct the declared splits, or remove one of the images."
            )

    def splits(self) -> dict[str, SplitInfo]:
        patients, numbers = np.array(self.patients), np.array(self.split_numbers)
        return {
            name: SplitInfo(
                images=len(self._digests[name]),
                patients=len(np.unique(patients[numbers == number])),
                digest=artifacts.digest_of(sorted(self._digests[name])),
            )
            for number, name in enumerate(SPLITS)
        }


def _alike(pairs: Iterable[duplicates.Pair], shards: Shards, info: DatasetInfo) -> Iterator[tuple[str, ...]]:
    """The pairs that are still alike on a closer look."""
    shape = (len(info.channels), info.height, info.width)
    for pair in pairs:
        one, other = shards.gather(IMAGES, np.array([pair.first, pair.second]), shape, info.dtype)
        closer = [duplicates.fingerprint(image, 2 * duplicates.SIDE) for image in (one, other)]
        similarity, turn = duplicates.likeness(closer[0], closer[1])
        if similarity >= duplicates.ALIKE:
            identical = "yes" if np.array_equal(one, duplicates.TURNS[turn](other)) else "no"
            yield f"{pair.first:06d}", f"{pair.second:06d}", f"{similarity:.4f}", identical, turn


def _write_preview(path: Path, info: DatasetInfo, shards: Shards, split_numbers: np.ndarray) -> None:
    """A few images spread over train; over whatever is there where train is empty."""
    train = np.flatnonzero(split_numbers == SPLITS.index("train"))
    among = train if len(train) else np.arange(len(split_numbers))
    shown = among[:: max(1, len(among) // _PREVIEW_IMAGES)][:_PREVIEW_IMAGES]
    size = (info.height, info.width)
    images = shards.gather(IMAGES, shown, (len(info.channels), *size), info.dtype)
    masks = np.zeros((len(shown), 0, 0), np.uint8)
    if info.mask_labels:
        masks = shards.gather(MASKS, shown, size, np.dtype(np.uint8))
    pictures.save_png(path, pictures.pairs_grid(images, masks))


class _GrowingArray:
    """A ``.npy`` file that grows by one picture at a time along its first axis."""

    def __init__(self, prefix: str, what: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._shape = shape
        self._dtype = dtype.newbyteorder("<")
        self._count = 0
        place = Path(f"{prefix}{what}.npy")
        self._file = place.open("wb")
        self._write_header()

    def __len__(self) -> int:
        return self._count

    def append(self, picture: np.ndarray) -> None:
        assert picture.shape == self._shape, f"found {picture.shape}, expected {self._shape}"
        self._file.write(np.ascontiguousarray(picture, self._dtype).data)
        self._count += 1

    def close(self) -> None:
        try:
            # NumPy pads the header so that the first axis can grow without moving the pixels.
            length = self._file.tell()
            self._file.seek(0)
            self._write_header()
            assert length == self._file.tell() + self._count * int(np.prod(self._shape)) * self._dtype.itemsize
        finally:
            self._file.close()

    def abandon(self) -> None:
        # The first error is the one to tell, not what closing an unfinished file adds to it.
        with suppress(OSError):
            self._file.close()

    def _write_header(self) -> None:
        shape = (self._count, *self._shape)
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

"""The only writer of prepared data sets: streams images into shards, seals the splits, adds the manifest."""

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from synthmed import artifacts, pictures
from synthmed.data.dataset import (
    FIELDS,
    IMAGES,
    INDEX_FILE,
    INFO_FILE,
    KIND,
    MASKS,
    DatasetInfo,
    Row,
    split_infos,
)
from synthmed.data.split import SPLITS
from synthmed.errors import DataError

REJECTED_FILE = "rejected.csv"
SHARD_IMAGES = 1024
SHARD_BYTES = 256 << 20
_PREVIEW_IMAGES = 8


class DatasetWriter:
    """Write a prepared set that appears at ``path`` only when all of it is on the disk.

    Images go straight into the open shard, so memory does not grow with the set. The same rows and pixels in
    the same order give the same bytes. An exception inside the block leaves nothing behind.

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
        ...     writer.reject("scan 7.png", "It is cut short.")
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
        self._shard_images = min(shard_images, max(1, SHARD_BYTES // self._bytes_per_image()))
        self._stack = ExitStack()
        self._files: dict[str, _GrowingArray] = {}
        self._num_shards = 0
        self._preview: list[tuple[np.ndarray, np.ndarray]] = []
        self._preview_is_train = False
        self._split_of: dict[tuple[str, str], str] = {}

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
                self._abandon_shard()
                raise error
            self._close_shard()
            self._finish()

    def add(self, row: Row, image: np.ndarray, mask: np.ndarray | None, field: np.ndarray | None) -> None:
        """Add one image.

        Args:
            row: its line in ``index.csv``.
            image: [C H W] of the set's type.
            mask: [H W] uint8, or None (stored as zeros where the set has masks).
            field: [H W] uint8 of {0, 1}, or None (stored as ones where the set has fields).
        """
        self._check(row, image)
        shape = image.shape[1:]
        if not self._files or len(self._files[IMAGES]) == self._shard_images:
            self._open_shard()
        self._files[IMAGES].append(image)
        mask = np.zeros(shape, np.uint8) if mask is None else mask
        if MASKS in self._files:
            self._files[MASKS].append(mask)
        if FIELDS in self._files:
            self._files[FIELDS].append(np.ones(shape, np.uint8) if field is None else field)
        self._keep_for_preview(row, image, mask)
        self.rows.append(row)

    def reject(self, file: str, reason: str) -> None:
        """Note in ``rejected.csv`` that a source file, named relative to the source, is left out, and why."""
        self.rejected.append((file, reason))

    def _check(self, row: Row, image: np.ndarray) -> None:
        expected = (len(self.info.channels), self.info.height, self.info.width)
        assert image.shape == expected and image.dtype == self.info.dtype, "the image is not of this set's shape"
        assert row.split in SPLITS, f"unknown split {row.split!r}"
        for what, value in (("patient", row.patient_id), ("source file", row.source_digest)):
            split = self._split_of.setdefault((what, value), row.split)
            if split != row.split:
                raise DataError(
                    f"The {what} {value} is in the splits {split} and {row.split}; expected one split, or "
                    "what was trained on would be tested on. Correct the declared splits, or remove one of "
                    "the images."
                )

    def _keep_for_preview(self, row: Row, image: np.ndarray, mask: np.ndarray) -> None:
        # The first images of train; of whatever is there where train is empty.
        is_train = row.split == "train"
        if is_train and not self._preview_is_train:
            self._preview, self._preview_is_train = [], True
        if is_train == self._preview_is_train and len(self._preview) < _PREVIEW_IMAGES:
            self._preview.append((image.copy(), mask.copy()))

    def _bytes_per_image(self) -> int:
        info = self.info
        planes = len(info.channels) * info.dtype.itemsize + bool(info.mask_labels) + info.has_fields
        return info.height * info.width * planes

    def _open_shard(self) -> None:
        self._close_shard()
        info, prefix = self.info, self._directory / "shards" / f"{self._num_shards:05d}"
        size = (info.height, info.width)
        self._files = {IMAGES: _GrowingArray(prefix, IMAGES, (len(info.channels), *size), info.dtype)}
        if info.mask_labels:
            self._files[MASKS] = _GrowingArray(prefix, MASKS, size, np.dtype(np.uint8))
        if info.has_fields:
            self._files[FIELDS] = _GrowingArray(prefix, FIELDS, size, np.dtype(np.uint8))
        self._num_shards += 1

    def _close_shard(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def _abandon_shard(self) -> None:
        for file in self._files.values():
            file.abandon()

    def _finish(self) -> None:
        if not self.rows:
            raise DataError(f"No image was added to {self.path}; expected at least one. See the reasons given.")
        _write_table(self._directory / INDEX_FILE, [field.name for field in fields(Row)], map(astuple, self.rows))
        _write_table(self._directory / REJECTED_FILE, ("file", "reason"), sorted(self.rejected))
        info = self.info.model_copy(update={"splits": split_infos(self.rows)})
        artifacts.write_json(self._directory / INFO_FILE, info.model_dump())
        images, masks = (np.stack(pixels) for pixels in zip(*self._preview, strict=True))
        grid = pictures.pairs_grid(images, masks if info.mask_labels else masks[:, :0, :0])
        pictures.save_png(self._directory / "preview.png", grid)


class _GrowingArray:
    """A ``.npy`` file that grows by one picture at a time along its first axis."""

    def __init__(self, prefix: Path, what: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._shape = shape
        self._dtype = dtype.newbyteorder("<")
        self._count = 0
        self._file = prefix.with_name(f"{prefix.name}-{what}.npy").open("wb")
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


def _write_table(path: Path, columns: Sequence[str], lines: Iterable[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    artifacts.write_file(path, text.getvalue())

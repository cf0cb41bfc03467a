"""Archives of images: few large ZIP files without compression, each of which can be used alone.

Zenodo takes fewer than 100 files and 50 GB, Hugging Face fewer than 10,000 files in a folder. In an archive images
and masks lie in folders of at most 5,000, beside a ``metadata.csv`` that Hugging Face's ImageFolder reads; unpacked
into one place, archives add up. The same images give the same bytes.
"""

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from synthmed.errors import DataError
from synthmed.files.tables import as_csv, read_csv

SHARD_BYTES = 50 * 10**9 - 10**8
"""The most bytes of an archive: what Zenodo takes, less room for the rest of a release."""
MOST_FILES = 100
"""A record of Zenodo takes as many at most; a release has fewer."""
MOST_SHARDS = 90
"""So that there is room for what stands beside the archives."""
IN_FOLDER = 5000
METADATA = "metadata.csv"
_OVERHEAD = 400
"""Bytes that a file takes in an archive beside its content, names and directory included."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One image in ``index.csv``.

    Args:
        file_name: in its archive, with / between folders.
        mask_file_name: likewise, "" where there is no mask.
        shard: name of the archive.
        sha256: of the image file.
        mask_sha256: of the mask file, "" where there is none.
        seed: its latents were drawn with; "" where it is unknown.
        label: its class, "" for none.
        lineage: where it comes from.
    """

    file_name: str
    mask_file_name: str
    shard: str
    sha256: str
    mask_sha256: str
    seed: str
    label: str
    lineage: str


COLUMNS = tuple(field.name for field in fields(Row))
_SHOWN = ("file_name", "mask_file_name", "seed", "label", "lineage")
"""Columns of ``metadata.csv``."""


class Shards:
    """Writes archives one after the other. A context manager.

    Args:
        folder: where they are written.
        prefix: of their names: "images" gives ``images-00000.zip``.
        most_bytes: of one archive.
        most_shards: archives beyond which the release is refused.
    """

    def __init__(self, folder: Path, prefix: str, most_bytes: int = SHARD_BYTES, most_shards: int = MOST_SHARDS):
        self._folder, self._prefix, self._most_bytes, self._most_shards = folder, prefix, most_bytes, most_shards
        self._file: IO[bytes] | None = None
        self._archive: zipfile.ZipFile | None = None
        self._used = 0
        self.names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._end()
            return
        # What was written is thrown away; an archive that cannot be ended must not hide why.
        with suppress(Exception):
            if self._archive is not None:
                self._archive.close()
        with suppress(Exception):
            self._close()

    def before(self, size: int) -> str:
        """Begin a new archive if ``size`` more bytes in some files do not fit into this one; gives its name."""
        if self._archive is None or self._used + size + 4 * _OVERHEAD > self._most_bytes:
            self._begin()
        return self.names[-1]

    def add(self, name: str, content: bytes) -> None:
        """Write a file into the archive."""
        assert self._archive is not None
        self._archive.writestr(zipfile.ZipInfo(name), content)
        self._used += len(content) + _OVERHEAD + 2 * len(name)

    def _begin(self) -> None:
        self._end()
        if len(self.names) == self._most_shards:
            raise DataError(
                f"The images fill more than {self._most_shards} archives of {self._most_bytes / 1e9:.3g} GB; a record "
                "takes fewer than 100 files. Publish them as several releases."
            )
        self.names.append(f"{self._prefix}-{len(self.names):05d}.zip")
        self._file = (self._folder / self.names[-1]).open("xb")
        self._archive, self._used = zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED), _OVERHEAD

    def _end(self) -> None:
        if self._archive is None or self._file is None:
            return
        self.ending(self)
        self._archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._archive = None

    def ending(self, archive: "Shards") -> None:
        """Is called before an archive is ended, to add what belongs to all of it."""


class ImageShards(Shards):
    """Archives of images and masks that ImageFolder loads."""

    def __init__(self, folder: Path, most_bytes: int = SHARD_BYTES, most_shards: int = MOST_SHARDS):
        super().__init__(folder, "images", most_bytes, most_shards)
        self._rows: list[Row] = []

    def image(
        self, number: int, ending: str, content: bytes, mask: bytes | None, about: Mapping[str, str]
    ) -> Row:  # fmt: skip
        """Add image ``number`` with its mask.

        Args:
            number: its place in the release, which gives its name.
            ending: of the image's file name.
            content: of the image file.
            mask: of the mask file, a PNG; None = it has none.
            about: seed, label and lineage.
        """
        shard = self.before(len(content) + len(mask or b"") + 200)
        place = f"{number // IN_FOLDER:03d}/{number:06d}"
        row = Row(
            file_name=f"images/{place}.{ending}", mask_file_name=f"masks/{place}.png" if mask else "", shard=shard,
            sha256=sha256(content).hexdigest(), mask_sha256=sha256(mask).hexdigest() if mask else "", **about,
        )  # fmt: skip
        self.add(row.file_name, content)
        if mask:
            self.add(row.mask_file_name, mask)
        self._rows.append(row)
        self._used += 200
        return row

    def ending(self, archive: Shards) -> None:
        """Write the table that ImageFolder reads."""
        columns = [name for name in _SHOWN if any(getattr(row, name) for row in self._rows)]
        self.add(METADATA, table_of(columns, self._rows).encode())
        self._rows = []


def table_of(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """Some columns of rows as CSV."""
    return as_csv(columns, ([getattr(row, name) for name in columns] for row in rows))


def read_index(file: Path) -> list[Row]:
    """The rows of ``index.csv``.

    Raises:
        ValueError: it is not as we write it.
    """
    lines = read_csv(file)
    columns = next(lines)
    if tuple(columns) != COLUMNS:
        raise ValueError(f"its columns are {columns}; expected {list(COLUMNS)}")
    return [Row(**dict(zip(COLUMNS, line, strict=True))) for line in lines]

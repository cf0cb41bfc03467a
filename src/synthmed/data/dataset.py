"""The only reader of prepared data sets: ``dataset.json``, ``index.csv`` and memory-mapped shards."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synthmed import artifacts
from synthmed.data.account import Account
from synthmed.data.arrays import FIELDS_OF_VIEW, IMAGES, MASKS, Shards
from synthmed.data.cautions import cautions
from synthmed.data.geometry import fit_mask
from synthmed.data.index import Item, Row, read_rows
from synthmed.data.split import SPLITS
from synthmed.errors import ArtifactError, DataError
from synthmed.files.tables import read_csv

if TYPE_CHECKING:
    from synthmed.data.as_torch import TorchImages
    from synthmed.shapes import ImageSpec

KIND = "dataset"
SCHEMA: Literal[2] = 2
"""Version of ``dataset.json`` and ``index.csv``. Older sets are refused: they are made anew from their source."""
INFO_FILE = "dataset.json"
INDEX_FILE = "index.csv"
REJECTED_FILE = "rejected.csv"
DUPLICATES_FILE = "duplicates.csv"
_TABLES = (INFO_FILE, INDEX_FILE, REJECTED_FILE, DUPLICATES_FILE)

Indices = Sequence[int] | np.ndarray
Count = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=1, le=1 << 20)]
"""Pixels."""


class _Info(BaseModel):
    # Strict: a number that stands there as text was not written by us.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Intensity(_Info):
    """What stored numbers mean: 0 is ``low``, the largest stored number is ``high``, linear between.

    This is the set's nominal meaning; where images differ, ``low``, ``high`` and ``curve`` of their rows hold.
    """

    low: float
    high: float
    unit: str


class SplitInfo(_Info):
    """One split: how much it holds, and a digest of its source files that seals it."""

    images: Count
    patients: Count
    digest: str


class DatasetInfo(_Info):
    """The content of ``dataset.json``.

    Args:
        schema_version: of this file.
        kind: name of a kind, such as "retina".
        channels: names of the channels, in stored order.
        height: rows of every image.
        width: columns of every image.
        bits: 8 or 16.
        intensity: what stored numbers mean.
        mask_labels: label as text -> its name, background included; empty = no masks.
        has_fields: whether fields of view are stored.
        spacing_mm: millimetres per source pixel, [row, column]; empty = unknown.
        splits: train, holdout and test, with their digests.
        provenance: layout, counts and settings of the preparation.
    """

    schema_version: Literal[2] = SCHEMA
    kind: str
    channels: Annotated[list[str], Field(min_length=1)]
    height: Side
    width: Side
    bits: Literal[8, 16]
    intensity: Intensity
    mask_labels: dict[str, str]
    has_fields: bool
    spacing_mm: list[float] = []
    splits: dict[str, SplitInfo] = {}
    provenance: dict[str, Any] = {}

    @property
    def dtype(self) -> np.dtype:
        """The type of stored pixels."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def arrays(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """What is stored of each image -> its shape and type."""
        size, byte = (self.height, self.width), np.dtype(np.uint8)
        found: dict[str, tuple[tuple[int, ...], np.dtype]] = {IMAGES: ((len(self.channels), *size), self.dtype)}
        if self.mask_labels:
            found[MASKS] = (size, byte)
        if self.has_fields:
            found[FIELDS_OF_VIEW] = (size, byte)
        return found


def split_infos(rows: Iterable[Row]) -> dict[str, SplitInfo]:
    """Counts and digests of the three splits; a digest is over the sorted source digests of the images."""
    digests: dict[str, list[str]] = {name: [] for name in SPLITS}
    patients: dict[str, set[str]] = {name: set() for name in SPLITS}
    for row in rows:
        digests[row.split].append(row.source_digest)
        patients[row.split].add(row.patient_id)
    return {
        name: SplitInfo(
            images=len(digests[name]), patients=len(patients[name]), digest=artifacts.digest_of(sorted(digests[name]))
        )
        for name in SPLITS
    }


class Pixels(Protocol):
    """Where the pictures of a set lie."""

    def gather(self, what: str, positions: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Copy the pictures at ``positions`` of the whole set, in that order, into one array [N ...]."""
        ...


class PreparedDataset:
    """Images, masks and fields of view of a prepared set, or of some rows of it.

    Pixels stay on the disk until asked for. ``split`` and ``where`` give views that share the shards.
    """

    def __init__(
        self,
        path: Path,
        info: DatasetInfo,
        rows: tuple[Row, ...],
        digest: str,
        positions: np.ndarray,
        shards: Pixels,
    ) -> None:
        self.path = path
        self.info = info
        self.rows = rows
        self.digest = digest
        self._positions = positions
        self._shards = shards

    @classmethod
    def open(cls, path: Path | str, *, verify: bool = True) -> Self:
        """Open a prepared set.

        Args:
            path: a directory written by ``prepare``.
            verify: compare every file with the manifest first; one flipped bit is found.

        Raises:
            ArtifactError: not a prepared set, or a damaged one.
        """
        path = Path(path)
        manifest = (artifacts.verify if verify else artifacts.read_manifest)(path, KIND, _TABLES)
        try:
            info = DatasetInfo.model_validate_json((path / INFO_FILE).read_bytes())
            rows = read_rows(path / INDEX_FILE)
            shards = Shards(path, info.arrays, manifest.files)
        except (OSError, ValueError, TypeError, ValidationError) as error:
            raise ArtifactError(
                f"{path} cannot be read as a prepared data set of schema {SCHEMA} ({type(error).__name__}: "
                f"{error}). Prepare it anew, or use the synthmed that wrote it."
            ) from error
        if shards.total != len(rows):
            raise ArtifactError(
                f"{path} has {len(rows)} rows in {INDEX_FILE} and {shards.total} images; expected as many. "
                "Prepare it anew."
            )
        return cls(path, info, rows, manifest.digest, np.arange(len(rows)), shards)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        """One image with its mask, its field of view and its row; from the end where ``index`` is below 0."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no image {index}; {self.path} holds {len(self)} here")
        place = [index % len(self)]
        mask = self.masks(place)[0] if self.has_masks else None
        return Item(
            image=self.images(place)[0], mask=mask, field_of_view=self.fields_of_view(place)[0], row=self.rows[place[0]]
        )

    def __repr__(self) -> str:
        counts = ", ".join(f"{sum(row.split == name for row in self.rows)} {name}" for name in SPLITS)
        size = f"{len(self.info.channels)}x{self.info.height}x{self.info.width}"
        masks = f", masks of {', '.join(list(self.info.mask_labels.values())[1:])}" if self.has_masks else ""
        return f"<PreparedDataset {str(self.path)!r}: {counts}; {self.info.kind} {size}, {self.info.bits} bits{masks}>"

    def as_torch(self) -> "TorchImages":
        """The same images as a ``torch.utils.data.Dataset`` for a ``DataLoader``; see ``TorchImages``."""
        from synthmed.data.as_torch import TorchImages

        return TorchImages(self, self.spec.classes)

    def split(self, *names: str) -> Self:
        """The images of the named splits.

        Raises:
            DataError: an unknown split, or splits without a single image.
        """
        for name in names:
            if name not in SPLITS:
                raise DataError(f"There is no split {name!r}; expected one of {', '.join(SPLITS)}.")
        view = self.where(lambda row: row.split in names)
        if not len(view):
            counts = ", ".join(f"{name} {sum(row.split == name for row in self.rows)}" for name in SPLITS)
            raise DataError(
                f"{self.path} has no image in {' or '.join(names) or 'no split'} (it has: {counts}). "
                "Choose another split, or prepare with another fraction."
            )
        return view

    def where(self, predicate: Callable[[Row], bool]) -> Self:
        """The images whose rows satisfy ``predicate``, in the same order; may be none."""
        chosen = [index for index, row in enumerate(self.rows) if predicate(row)]
        rows = tuple(self.rows[index] for index in chosen)
        positions = self._positions[np.array(chosen, dtype=int)]
        return type(self)(self.path, self.info, rows, self.digest, positions, self._shards)

    @property
    def has_masks(self) -> bool:
        """Whether masks are stored; single rows may still be without one (``mask_source`` "none")."""
        return bool(self.info.mask_labels)

    @property
    def num_rejected(self) -> int:
        """Files of the source that were left out; ``rejected.csv`` says why."""
        return _count_lines(self.path / REJECTED_FILE)

    @property
    def num_alike(self) -> int:
        """Pairs of images that look alike though they are of different patients; see ``duplicates.csv``."""
        return _count_lines(self.path / DUPLICATES_FILE)

    @property
    def summary(self) -> str:
        """What a person wants to know of a set that was just made."""
        splits = ", ".join(f"{split.images} {name}" for name, split in self.info.splits.items())
        told = f"{self.path} holds {len(self)} images ({splits}); {self.num_rejected} rejected, see {REJECTED_FILE}."
        if account := self.info.provenance.get("account"):
            told += f" {Account(**account).sentence}"
        return "\n".join([told, *self.cautions])

    @property
    def cautions(self) -> list[str]:
        """What to know before going on: patients that may be fewer, and commands that will refuse this set."""
        patients = {name: split.patients for name, split in self.info.splits.items()}
        return cautions(patients, self.info.provenance, self.num_alike)

    @property
    def spec(self) -> "ImageSpec":
        """What a network must know of these images; the classes are those that they are of."""
        from synthmed.shapes import ImageSpec

        return ImageSpec(
            channels=len(self.info.channels),
            size=(self.info.height, self.info.width),
            num_labels=max(1, len(self.info.mask_labels)),
            classes=tuple(sorted({row.label for row in self.rows} - {""})),
            channel_names=tuple(self.info.channels),
        )

    def images(self, indices: Indices | None = None) -> np.ndarray:
        """Stored pixels [N C H W], uint8 or uint16, of the rows ``indices`` in that order (None = all)."""
        shape = (len(self.info.channels), self.info.height, self.info.width)
        return self._shards.gather(IMAGES, self._chosen(indices), shape, self.info.dtype)

    def masks(self, indices: Indices | None = None) -> np.ndarray:
        """Label maps [N H W], uint8; all zeros for a row without a mask and for a set without masks."""
        chosen, shape = self._chosen(indices), (self.info.height, self.info.width)
        if not self.has_masks:
            return np.zeros((len(chosen), *shape), np.uint8)
        return self._shards.gather(MASKS, chosen, shape, np.dtype(np.uint8))

    def fields_of_view(self, indices: Indices | None = None) -> np.ndarray:
        """Fields of view [N H W], uint8 of {0, 1}; for a set without them the picture itself, without its padding."""
        chosen, shape = self._chosen(indices), (self.info.height, self.info.width)
        if self.info.has_fields:
            return self._shards.gather(FIELDS_OF_VIEW, chosen, shape, np.dtype(np.uint8))
        rows = self.rows if indices is None else [self.rows[index] for index in indices]
        pictures = [fit_mask(np.ones(row.fit.inner, np.uint8), row.fit, *shape) for row in rows]
        return np.stack(pictures) if pictures else np.zeros((0, *shape), np.uint8)

    def _chosen(self, indices: Indices | None) -> np.ndarray:
        return self._positions if indices is None else self._positions[np.asarray(indices, dtype=int)]


def _count_lines(path: Path) -> int:
    return sum(1 for _ in read_csv(path)) - 1

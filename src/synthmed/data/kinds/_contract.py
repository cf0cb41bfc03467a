"""What a kind of data set is: how its files are found, and how one item becomes images.

A kind is a file of this folder with these names; preparing knows this page and nothing else of a kind::

    DEFAULT_SIZE                                    (height, width) of its images
    class Settings(KindSettings)                    what a user may set (--set key=value), a sentence under each
    def find(source, settings, run) -> Found        which items a folder holds; headers only, nothing is decoded
    def describe(found, settings, height, width) -> DatasetInfo
    def make(item, info, settings) -> list[Made]    decode one item; a worker process calls it

A kind may also have, where its pictures ask for it or allow it::

    def measure(found, settings, run) -> Found      what only the pixels of the whole set say
    def field_of_view(picture) -> field      [C H W] pixels -> [H W] uint8 of {0, 1}: where the camera saw something
    def mask_rule(picture) -> mask           [H W] float32 in [0, 1] -> [H W] bool: the rule that finds its masks

``find`` and ``measure`` may use many processes through ``run``. ``measure`` adds facts to what was found, such as which
numbers become black and white; a doctor measures some of the items. ``make`` depends on its arguments alone, so that
any number of workers gives the same bytes, and raises SourceError for an item that cannot be used: it becomes a row of
``rejected.csv``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import Field

from synthmed.config import Settings
from synthmed.data.dataset import DatasetInfo
from synthmed.data.geometry import Fit
from synthmed.harmless import printable
from synthmed.sources.names import person

Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Like ``map``, in order, but over the workers of a preparation.

Where the function raises a SourceError, takes too long or kills its worker again and again, that SourceError stands
in the place of the result: ask with ``isinstance``. The function and its values must be sendable to a process.
"""


class KindSettings(Settings):
    """The settings of one kind; ``prepare`` passes them to every function of it."""

    table: str = Field("", description="CSV file with labels, classes or patients; empty = none. Set by --table.")
    fast_j2k: bool = Field(False, description="Read JPEG 2000 at a lower resolution where that is enough.")
    patient: str = Field(
        "", description=r"Regular expression on the file name whose group is the patient, such as '(\d+)_'."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """The unit of work: one photograph, one CT series, one MR study. Its images belong to one patient.

    Args:
        name: of its main file or folder relative to the source, for ``rejected.csv`` and for the order.
        patient_id: in the words of the source, in one form (``names.person``); replaced by a pseudonym before it is
            written down.
        files: every file that it is made from, the first one its main file. Their digests make ``source_digest``.
        split: "train", "holdout" or "test" where the source declares it, else "".
        label: its class, "" for none.
        partners: masks and the like that belong to it: not part of ``source_digest``, so that a picture is known
            again whatever its mask; like ``files`` they are made anew where they changed.
        facts: what ``make`` needs besides (small; sent to worker processes).
        patient_said: whether a header, a table, a pattern or the layout says whose it is; else it counts as a patient
            of its own, by its name.
    """

    name: str
    patient_id: str
    files: tuple[Path, ...]
    split: str = ""
    label: str = ""
    partners: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    patient_said: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient_id", person(self.patient_id))
        object.__setattr__(self, "label", printable(self.label))


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """A file that is left out, named relative to the source folder, and the reason as a sentence."""

    file: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a folder holds: items and rejections sorted by name, the layout, and facts that ``describe`` needs.

    Every file below the source is one of an item, a table, or in a rejection of its own.
    """

    items: list[Item]
    rejected: list[Rejection]
    layout: str
    tables: tuple[Path, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Made:
    """One image of the set.

    Args:
        image: [C H W] of the set's size and type.
        mask: [H W] uint8 labels, or None.
        field: [H W] uint8 of {0, 1} (field of view), or None.
        fit: where the source picture lies in it.
        part: which picture of the item it is, such as "slice 0017"; "" where the item is one image.
        label: its class where it differs from the item's, else "".
        spacing_mm: of the stored pixels: rows, columns; () = unknown.
        view: laterality and view such as "L MLO"; "" = none.
        mask_source: where the mask comes from: "manual", or "derived" where a rule made it from the image itself.
        notes: what was changed in the picture beside its size, such as "mirrored"; "" = nothing.
        low, high: physical values of stored 0 and of the largest stored number; a tuple has one for each channel.
        curve: how stored numbers lie between them: "linear", "sigmoid" or "table".
    """

    image: np.ndarray
    mask: np.ndarray | None = None
    field: np.ndarray | None = None
    fit: Fit
    part: str = ""
    label: str = ""
    spacing_mm: tuple[float, ...] = ()
    view: str = ""
    mask_source: Literal["manual", "derived"] = "manual"
    notes: str = ""
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    curve: str = "linear"


class Kind(Protocol):
    """The names of a kind's file, as ``find_kind`` gives them."""

    DEFAULT_SIZE: tuple[int, int]
    Settings: type[KindSettings]

    def find(self, source: Path, settings: Any, run: Map) -> Found:
        """Items, rejections and facts of a folder; raises SourceError where it holds nothing of this kind."""

    def describe(self, found: Found, settings: Any, height: int, width: int) -> DatasetInfo:
        """What ``dataset.json`` says, without splits and provenance."""

    def make(self, item: Item, info: DatasetInfo, settings: Any) -> list[Made]:
        """The images of one item; raises SourceError where it cannot be used."""


def rule_of(kind: Kind, name: Literal["field_of_view", "mask_rule"]) -> Callable[[np.ndarray], np.ndarray] | None:
    """One of the rules that a kind may have, or None."""
    return getattr(kind, name, None)

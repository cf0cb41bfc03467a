"""Values of DICOM elements as plain numbers and text; what is malformed counts as missing.

Functional groups of enhanced objects are searched as the standard says: those of the frame, those that all frames
share, and then the object itself, so that one question serves old and enhanced objects.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

_NOTHING = Dataset()


def text(dataset: Dataset, keyword: str) -> str:
    """The (first) value as text without surrounding blanks; "" where there is none."""
    values = texts(dataset, keyword)
    return values[0] if values else ""


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values as text without surrounding blanks; () where there are none."""
    return tuple(str(value).strip(" \0\t\r\n") for value in _values(dataset, keyword))


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values as numbers; () where there are none or where one of them is not a finite number."""
    found = []
    for value in _values(dataset, keyword):
        try:
            found.append(float(value))
        except (TypeError, ValueError, OverflowError):
            return ()
    return tuple(found) if all(math.isfinite(value) for value in found) else ()


def number(dataset: Dataset, keyword: str, missing: float) -> float:
    """The (first) value as a number, or ``missing``."""
    found = numbers(dataset, keyword)
    return found[0] if found else missing


def integer(dataset: Dataset, keyword: str, missing: int) -> int:
    """The (first) value as a whole number, or ``missing``."""
    found = numbers(dataset, keyword)
    return int(found[0]) if found and found[0] == int(found[0]) else missing


def words(dataset: Dataset, keyword: str, *, little_endian: bool) -> np.ndarray:
    """A value of 16-bit words [K] uint16, whatever kind of element it is stored as; empty where there is none.

    Look-up tables are US, SS or OW depending on other elements that are often wrong; their bits are the same in all.
    """
    raw = octets(dataset, keyword)
    if raw is not None:
        kind = "<u2" if little_endian else ">u2"
        return np.frombuffer(raw[: len(raw) // 2 * 2], kind).astype(np.uint16)
    return np.array([int(value) & 0xFFFF for value in numbers(dataset, keyword)], np.uint16)


def octets(dataset: Dataset, keyword: str) -> bytes | None:
    """The bytes of a value as stored; None where it is missing or was read as numbers already."""
    tag = _tag(keyword)
    value = dataset.get_item(tag).value if tag in dataset else None
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """The items of a sequence; () where it is missing or damaged."""
    return tuple(value for value in _values(dataset, keyword) if isinstance(value, Dataset))


def item(dataset: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence; an empty one where there is none."""
    found = items(dataset, keyword)
    return found[0] if found else _NOTHING


class FrameValues:
    """What an object says of its frames, each question asked by the sequence that holds the answer."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._shared = item(dataset, "SharedFunctionalGroupsSequence")
        self._frames = items(dataset, "PerFrameFunctionalGroupsSequence")

    @property
    def described(self) -> int:
        """Frames that have functional groups of their own."""
        return len(self._frames)

    def holders(self, frame: int, sequence: str) -> Iterator[Dataset]:
        """Where to look for a value, the most particular first."""
        if frame < len(self._frames):
            yield item(self._frames[frame], sequence)
        yield item(self._shared, sequence)
        yield self._dataset

    def numbers(self, frame: int, sequence: str, keyword: str) -> tuple[float, ...]:
        """The values of a frame as numbers; () where nothing says them."""
        return next((found for one in self.holders(frame, sequence) if (found := numbers(one, keyword))), ())

    def texts(self, frame: int, sequence: str, keyword: str) -> tuple[str, ...]:
        """The values of a frame as text; () where nothing says them."""
        return next((found for one in self.holders(frame, sequence) if (found := texts(one, keyword))), ())


def _values(dataset: Dataset, keyword: str) -> tuple[Any, ...]:
    tag = _tag(keyword)
    if tag not in dataset:
        return ()
    try:
        value = dataset[tag].value
    except Exception:  # a malformed value makes pydicom raise a dozen kinds of exceptions
        return ()
    if value is None or value == "":
        return ()
    return tuple(value) if isinstance(value, MultiValue | Sequence | list) else (value,)


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)

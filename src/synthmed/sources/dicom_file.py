"""Open a DICOM file without trusting it: its parts, its header elements and the bytes of its pixels.

Only the elements that are asked for are read, through pydicom. No value is ever evaluated and nothing outside the
file is followed. A promised length is compared with the file before anything of that length is read.
"""

import logging
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID

from synthmed.errors import SourceError

IMPLICIT, EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PIXEL_ELEMENTS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}

_PREFIX = 132  # 128 bytes of anything, then "DICM"
_UNDEFINED_LENGTH = 0xFFFFFFFF
_INFLATED_HEADER = 64 * 2**20
"""Bytes that the elements before the pixels may have once they are unpacked."""
_HEADER_BUDGET, _READ_COST = 32 * 2**20, 16
"""Bytes of elements that are read, a few added for each reading; enhanced objects of 5,000 frames take a third."""
_LONG_VALUES = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_ENCODINGS = {IMPLICIT: (True, True), BIG_ENDIAN: (False, False)}

_logger = logging.getLogger("pydicom")


@dataclass(frozen=True, kw_only=True)
class PixelElement:
    """Where the pixels stand: keyword, offset and length in ``DicomFile.stream``.

    Args:
        keyword: "PixelData", "FloatPixelData" or "DoubleFloatPixelData".
        offset: of the first byte of its value.
        length: of its value in bytes; negative = encapsulated, it ends with a delimiter.
        in_words: whether the value is 16-bit words (OW), which matters for bytes of big-endian files.
    """

    keyword: str
    offset: int
    length: int
    in_words: bool


class BoundedReader(BufferedReader):
    """A stream that never reserves memory for more bytes than it has, and that ends a parser's endless loops.

    A length in a header may promise anything, and a few mebibytes of zeros are millions of empty elements.
    """

    def __init__(self, raw: FileIO | BytesIO, size: int) -> None:
        super().__init__(raw)
        self.size = size
        self._budget = _HEADER_BUDGET

    def read(self, size: int | None = -1) -> bytes:
        """Bytes of the header, within its budget."""
        size = self.size if size is None or size < 0 else size
        if size > 2**16:
            size = max(0, min(size, self.size - self.tell()))
        self._budget -= size + _READ_COST
        if self._budget < 0:
            raise _TooManyElements
        return super().read(size)

    def read_pixels(self, size: int) -> bytearray:
        """Bytes that are there, whatever they cost; a negative size means all that follow."""
        rest = max(0, self.size - self.tell())
        found = bytearray(rest if size < 0 else min(size, rest))
        del found[self.readinto(found) :]  # no second copy of what may be a volume
        return found


@dataclass(frozen=True, kw_only=True)
class DicomFile:
    """An open file: the elements before the pixels, and the stream to read the pixels from.

    Args:
        path: the file.
        stream: its bytes; for a deflated file the first of them, unpacked.
        syntax: UID of the transfer syntax; "" where the file does not say.
        kind: UID of the kind of object by the file's own first group; "" where it does not say.
        little_endian: byte order of its numbers.
        dataset: the elements that were asked for.
        pixels: where the pixels stand; None = there are none.
        packed: the elements of a deflated file as they are stored, else b"".
    """

    path: Path
    stream: BoundedReader
    syntax: str
    kind: str
    little_endian: bool
    dataset: Dataset
    pixels: PixelElement | None
    packed: bytes = b""


class _TooManyElements(Exception):
    """More elements than any image has."""


def is_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM: with the preamble and "DICM", or at once with elements of group 2 or 8.

    Raises:
        OSError: it cannot be opened.
    """
    with open(path, "rb") as file:
        start = file.read(_PREFIX)
    return start[128:] == b"DICM" or _begins_with_elements(start)


def _begins_with_elements(start: bytes) -> bool:
    if len(start) < 12:
        return False
    if start[:2] in (b"\x02\0", b"\x08\0") and start[3] == 0:  # little endian, a small element number
        explicit = start[4:6].isalpha() and start[4:6].isupper()
        return explicit or int.from_bytes(start[4:8], "little") <= 2**16
    return start[:3] == b"\0\x08\0" and start[4:6].isalpha() and start[4:6].isupper()


@contextmanager
def open_dicom(path: Path, keywords: tuple[str, ...]) -> Iterator[DicomFile]:
    """Read the named elements that stand before the pixels, and find the pixels.

    Args:
        path: the file.
        keywords: DICOM keywords of the elements to read; all others are skipped.

    Raises:
        SourceError: not DICOM, or damaged, as a sentence without any value of the file.
    """
    with quiet(), FileIO(path) as raw, BoundedReader(raw, os.fstat(raw.fileno()).st_size) as file:
        if file.size == 0:
            raise SourceError(f"{path.name} is empty; expected a DICOM file. Copy it again.")
        syntax, kind, start = _meta(file, path)
        stream, packed, more = file, b"", False
        if syntax == DEFLATED:
            file.seek(start)
            packed = bytes(file.read_pixels(-1))
            head, more = _unpack(packed, _INFLATED_HEADER, path)
            stream, start = BoundedReader(BytesIO(head), len(head)), 0
        implicit, little = _ENCODINGS.get(syntax, (False, True)) if syntax else _guess(stream, start)
        stream.seek(start)
        try:
            dataset = read_dataset(stream, implicit, little, stop_when=_at_pixels, specific_tags=_tags(keywords))
        except _TooManyElements as error:
            raise SourceError(
                f"{path.name} has a header of more elements than an image has; expected at most "
                f"{_HEADER_BUDGET // 2**20} MiB of them. Leave it out: it is damaged, or made to stop a program."
            ) from error
        pixels = _pixel_element(stream, implicit=bool(dataset.original_encoding[0]), little=little)
        if pixels is None and more:
            raise SourceError(
                f"{path.name} unpacks to more than {_INFLATED_HEADER // 2**20} MiB before its pixels begin; expected "
                "an image. Leave it out: it is made to fill the memory."
            )
        if pixels is None and stream.tell() > stream.size:
            raise cut_short(path)
        yield DicomFile(
            path=path,
            stream=stream,
            syntax=syntax,
            kind=kind,
            little_endian=little,
            dataset=dataset,
            pixels=pixels,
            packed=packed,
        )


def pixel_bytes(file: DicomFile, length: int) -> bytearray:
    """The first bytes of the pixel element; of a deflated file no more than these is unpacked.

    Args:
        file: an open file with pixels.
        length: bytes to read; for encapsulated pixels negative: all that the file has.

    Raises:
        SourceError: the file has fewer.
    """
    assert file.pixels is not None
    if file.packed and file.pixels.offset + length > file.stream.size:
        unpacked, _ = _unpack(file.packed, file.pixels.offset + length, file.path)
        value = bytearray(unpacked[file.pixels.offset :])
    else:
        file.stream.seek(file.pixels.offset)
        value = file.stream.read_pixels(length)
    if len(value) < length:
        raise SourceError(
            f"{file.path.name} is cut short: its header promises {length} bytes of pixels, {len(value)} are there. "
            "Copy it again."
        )
    return value


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning and logging: its words may hold values of the file, such as a patient's name."""
    level = _logger.level
    _logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        _logger.setLevel(level)


def cut_short(path: Path) -> SourceError:
    """The error for a file that ends too early."""
    return SourceError(f"{path.name} is cut short: it ends before its last element. Copy it again.")


def syntax_name(syntax: str) -> str:
    """DICOM's name of a transfer syntax or of a kind of object; "unknown" for what the standard does not list."""
    uid = UID(syntax)
    return uid.name if uid.name != syntax else "unknown"


@cache
def _tags(keywords: tuple[str, ...]) -> list[int]:
    found = [tag_for_keyword(keyword) for keyword in keywords]
    assert None not in found, keywords[found.index(None)]
    return [tag for tag in found if tag is not None]


def _at_pixels(tag: int, vr: str | None, length: int) -> bool:
    if tag < 0x10000:
        raise _TooManyElements  # group 0 is for messages on a network; in a file it is a sea of zeros
    return int(tag) in PIXEL_ELEMENTS


def _meta(stream: BinaryIO, path: Path) -> tuple[str, str, int]:
    """Transfer syntax, kind of object, and where the elements begin: after group 2, always explicit little endian."""
    start = stream.read(_PREFIX)
    if start[128:] == b"DICM":
        offset = _PREFIX
    elif _begins_with_elements(start):
        offset = 0
    else:
        raise SourceError(f"{path.name} does not begin like a DICOM file. Leave it out, or export it again.")
    values = {b"\x10\0": "", b"\x02\0": ""}
    stream.seek(offset)
    while (head := stream.read(8))[:2] == b"\x02\0" and len(head) == 8:
        if head[4:6] in _LONG_VALUES:
            length = int.from_bytes(stream.read(4), "little")
            offset += 12 + length
        else:
            length = int.from_bytes(head[6:], "little")
            offset += 8 + length
        if head[2:4] in values:
            values[head[2:4]] = stream.read(min(length, 64)).decode("ascii", "replace").strip(" \0")
        stream.seek(offset)
    return values[b"\x10\0"], values[b"\x02\0"], offset


def _guess(stream: BinaryIO, start: int) -> tuple[bool, bool]:
    """Implicit and little endian or not, of a file that does not name its transfer syntax."""
    stream.seek(start)
    head = stream.read(8)
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return not explicit, not (explicit and head[:1] == b"\0" and head[1:2] != b"\0")


def _pixel_element(stream: BinaryIO, *, implicit: bool, little: bool) -> PixelElement | None:
    """The pixel element that the stream stands before, or None."""
    order: Literal["little", "big"] = "little" if little else "big"
    head = stream.read(8)
    if len(head) < 8:
        return None
    tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
    if tag not in PIXEL_ELEMENTS:
        return None
    if implicit:
        length = int.from_bytes(head[4:], order)
    elif head[4:6] in _LONG_VALUES:
        length = int.from_bytes(stream.read(4), order)
    else:
        length = int.from_bytes(head[6:], order)
    return PixelElement(
        keyword=PIXEL_ELEMENTS[tag],
        offset=stream.tell(),
        length=-1 if length == _UNDEFINED_LENGTH else length,
        in_words=implicit or head[4:6] == b"OW",
    )


def _unpack(packed: bytes, limit: int, path: Path) -> tuple[bytes, bool]:
    """At most ``limit`` bytes of a raw deflate stream, and whether there are more."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(packed, limit)
        more = not unpacker.eof and bool(unpacker.decompress(unpacker.unconsumed_tail, 1))
        if not more and not unpacker.eof:
            raise cut_short(path)
    except zlib.error as error:
        raise SourceError(f"{path.name} is damaged: its deflated part cannot be unpacked. Copy it again.") from error
    return unpacked, more

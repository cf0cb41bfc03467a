"""JPEG pictures that are whole: a decoder's warnings are reasons to refuse, because it fills what is broken with grey.

libjpeg warns of a broken picture and decodes it all the same; most programs never hear of it. simplejpeg raises on
these warnings. It reads 8 bits, and here it also judges what it does not read: 12 bits and the lossless process have
the same entropy code, so a copy that claims 8 bits gives the same warnings. JPEG has no checksum: damage after which
the code happens to fit again goes unnoticed, but for stretches of zeros, as lost sectors leave them.
"""

import numpy as np
import simplejpeg

from synthmed.errors import SourceError
from synthmed.sources.dicom_codestreams import jpeg_segments

_HARMLESS = ("Unknown Adobe color transform", "unknown JFIF revision", "bad ICC marker")
"""Warnings that say nothing about the picture."""
_SEQUENTIAL, _LOSSLESS, _TABLES, _SCAN = (0xC0, 0xC1), 0xC3, 0xC4, 0xDA
_END = b"\xff\xd9"
_WIPED = bytes(16)
"""So many zeros are a sector that was lost, unless the code of an even picture is all zeros."""


def decode(data: bytes, name: str, *, grey: bool) -> np.ndarray:
    """An 8-bit picture [H W C], one channel or three (red, green, blue).

    Raises:
        SourceError: it is broken; ``name`` is how the message calls the file.
    """
    colours = "GRAY" if grey else "RGB"
    _refuse_wiped(data, name)
    try:
        return simplejpeg.decode_jpeg(data, colours)
    except ValueError as error:
        _judge(error, name)
    return simplejpeg.decode_jpeg(data, colours, strict=False)


def refuse_broken(data: bytes, name: str) -> None:
    """Refuse a JPEG picture of any process and depth that makes its decoder warn.

    That takes half as long as decoding it, of the lossless process as long.

    Raises:
        SourceError: it is broken.
    """
    _refuse_wiped(data, name)
    judged = bytearray(data)
    for marker, place, _ in jpeg_segments(data):
        if marker in (*_SEQUENTIAL, 0xC2, _LOSSLESS):
            judged[place] = 8
    try:
        simplejpeg.decode_jpeg(judged, "GRAY", min_factor=8)
    except ValueError as error:
        _judge(error, name)


def refuse_runaway(pixels: np.ndarray, bits: int, data: bytes, name: str) -> None:
    """Refuse a picture of the lossless process by its values: after a broken place they run out of their bits.

    Each value is the one before plus a difference, so an error stays and grows; where the code ends too early libjpeg
    goes on with the middle of the range. That costs next to nothing, and shows more damage than warnings do.

    Args:
        pixels: as decoded, unsigned, of more bits than they use.
        bits: that they use.
        data: what they were decoded from.
        name: how the message calls the file.

    Raises:
        SourceError: it is broken.
    """
    if int(pixels.max()) >> bits:
        raise _broken(name)
    if (pixels[-1] == 1 << (bits - 1)).all():
        refuse_broken(data, name)


def _refuse_wiped(data: bytes, name: str) -> None:
    """Refuse a stretch of zeros that cannot be code: of coefficients that are all -1, or of an endless slope."""
    start = data.find(_WIPED)
    if start < 0:
        return
    process, components = 0, 0
    tables: dict[int, int] = {}
    for marker, place, body in jpeg_segments(data):
        if marker in (*_SEQUENTIAL, _LOSSLESS):
            process, components = marker, body[5]
        elif marker == _TABLES:
            tables |= _first_symbols(body)
        elif marker == _SCAN and body[0] == components and data.find(_WIPED, place, data.find(_END, place)) >= 0:
            # The code of zeros alone belongs to the first symbol of a table; 0 ends a block, or is no difference.
            which = [symbol for table, symbol in tables.items() if (table >> 4) == (process != _LOSSLESS)]
            if any(which):
                raise _broken(name)


def _first_symbols(body: bytes) -> dict[int, int]:
    """Class and number of each Huffman table -> the symbol of its first code."""
    symbols, place = {}, 0
    while place + 17 < len(body):
        symbols[body[place]] = body[place + 17]
        place += 17 + sum(body[place + 1 : place + 17])
    return symbols


def _judge(error: ValueError, name: str) -> None:
    if not any(words in str(error) for words in _HARMLESS):
        raise _broken(name) from error


def _broken(name: str) -> SourceError:
    return SourceError(
        f"{name} is damaged: its JPEG code breaks off or makes no sense, and decoders would fill the rest with grey. "
        "Copy it again; if it looks whole, save it as PNG or TIFF."
    )

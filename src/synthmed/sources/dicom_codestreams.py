"""What a compressed picture says of itself before it is decoded: size, depth and colours of JPEG's family.

A few bytes can promise a picture that fills the memory, so the promise is compared with the DICOM header first.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Codestream:
    """The header of one compressed picture.

    Args:
        height, width: pixels.
        components: 1 (grey) or 3.
        bits: of a value, 1 to 38.
        signed: whether values may be negative (JPEG 2000 only).
        lossless: whether it is lossless JPEG (a process without colour transforms).
        ycbcr: whether its markers say that colours are stored as luminance and chrominance; None = they do not say.
    """

    height: int
    width: int
    components: int
    bits: int
    signed: bool = False
    lossless: bool = False
    ycbcr: bool | None = None


_FRAME_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}
"""JPEG baseline, extended, progressive and lossless, and JPEG-LS; arithmetic and hierarchical codes are not read."""
_ALONE = {0x01, *range(0xD0, 0xD9)}


def jpeg_header(data: bytes) -> Codestream | None:
    """The header of a JPEG or JPEG-LS picture; None where it is not one that can be decoded."""
    jfif, adobe = False, None
    for marker, _, body in jpeg_segments(data):
        if marker in _FRAME_MARKERS and len(body) >= 6:
            return _jpeg_frame(marker, body, jfif, adobe)
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return None
        if marker == 0xE0 and body[:4] == b"JFIF":
            jfif = True
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            adobe = body[11]
    return None


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, place and content of each part up to the first scan, as far as they make sense."""
    position = 2 if data[:2] == b"\xff\xd8" else len(data)
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF or marker in _ALONE:
            position += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield marker, position + 4, data[position + 4 : position + 2 + length]
        if marker == 0xDA:
            return
        position += 2 + max(2, length)


def _jpeg_frame(marker: int, body: bytes, jfif: bool, adobe: int | None) -> Codestream:
    bits, height, width, components = struct.unpack_from(">BHHB", body)
    names = bytes(body[6 : 6 + 3 * components : 3])
    if names in (b"RGB", b"rgb"):
        ycbcr: bool | None = False
    elif adobe is not None:
        ycbcr = adobe != 0
    else:
        ycbcr = True if jfif else None
    return Codestream(
        height=height,
        width=width,
        components=components,
        bits=bits,
        lossless=marker in (0xC3, 0xF7),
        ycbcr=ycbcr,
    )


def jpeg2000_header(data: bytes) -> Codestream | None:
    """The header of a JPEG 2000 or HTJ2K picture, with or without the boxes of a JP2 file; None for anything else."""
    start = 0 if data[:4] == b"\xff\x4f\xff\x51" else data.find(b"\xff\x4f\xff\x51", 0, 2**16)
    if start < 0 or len(data) < start + 45:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    (components,) = struct.unpack_from(">H", data, start + 40)
    sizes = data[start + 42 : start + 42 + 3 * components]
    if len(sizes) < 3 * components or not 1 <= components <= 4 or right <= left or bottom <= top:
        return None
    if any(sizes[i] != sizes[0] for i in range(0, len(sizes), 3)) or any(
        sizes[i] != 1 for i in range(len(sizes)) if i % 3
    ):
        return None  # components of different depth or size
    return Codestream(
        height=bottom - top,
        width=right - left,
        components=components,
        bits=(sizes[0] & 0x7F) + 1,
        signed=bool(sizes[0] & 0x80),
        lossless=True,
    )


def jpeg_is_whole(data: bytes) -> bool:
    """Whether a JPEG picture has its end marker: decoders fill what is missing with grey and say nothing."""
    return data.rfind(b"\xff\xd9", max(0, len(data) - 64)) >= 0

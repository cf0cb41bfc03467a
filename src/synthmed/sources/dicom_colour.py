"""Colours of DICOM as red, green and blue: luminance with chrominance, and palettes."""

import numpy as np
from pydicom.dataset import Dataset

from synthmed.errors import SourceError
from synthmed.sources.dicom_elements import octets, words

_COLOURS = ("Red", "Green", "Blue")
PALETTE_ELEMENTS = tuple(
    f"{segmented}{colour}PaletteColorLookupTable{part}"
    for colour in _COLOURS
    for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
_ALREADY_RGB = ("RGB", "YBR_ICT", "YBR_RCT")  # the last two are undone by the JPEG 2000 decoder


def to_rgb(pixels: np.ndarray, photometric: str) -> np.ndarray:
    """[... 3] in a photometric interpretation of DICOM -> the same shape and type as red, green, blue.

    PS3.3 C.7.6.3.1.2; values of fewer than 8 bits do not occur there.

    Example:
        >>> to_rgb(np.array([[76, 85, 255]], np.uint8), "YBR_FULL").tolist()
        [[254, 0, 0]]
    """
    if photometric in _ALREADY_RGB:
        return pixels
    half = 2 ** (8 * pixels.dtype.itemsize - 1)
    largest = 2 * half - 1
    luminance, blue, red = (pixels[..., i].astype(np.float32) for i in range(3))
    blue, red = blue - half, red - half
    if photometric.startswith("YBR_PARTIAL"):  # luminance in 16..235, chrominance in 16..240
        step = half / 128
        luminance, blue, red = (luminance - 16 * step) * (255 / 219), blue * (255 / 224), red * (255 / 224)
    planes = (
        luminance + 1.402 * red,
        luminance - (0.114 * 1.772 / 0.587) * blue - (0.299 * 1.402 / 0.587) * red,
        luminance + 1.772 * blue,
    )
    return np.stack([np.floor(plane + 0.5).clip(0, largest) for plane in planes], axis=-1).astype(pixels.dtype)


def palette_of(dataset: Dataset, *, little_endian: bool, name: str) -> np.ndarray:
    """The colours of a palette [K 3], plain or segmented (PS3.3 C.7.9): uint8 where nothing is lost by it, else uint16.

    Args:
        dataset: the elements of the file.
        little_endian: its byte order.
        name: of the file, for the message.

    Raises:
        SourceError: the palette is missing or damaged.
    """
    tables = []
    for colour in _COLOURS:
        descriptor = words(dataset, f"{colour}PaletteColorLookupTableDescriptor", little_endian=little_endian)
        if len(descriptor) != 3 or descriptor[2] not in (8, 16):
            raise _bad_palette(name)
        entries = int(descriptor[0]) or 2**16
        tables.append(_palette_table(dataset, colour, entries, int(descriptor[2]), little_endian, name))
    if len({len(table) for table in tables}) != 1:
        raise _bad_palette(name)
    colours = np.stack(tables, axis=-1)
    if colours.dtype == np.uint16 and not ((colours % 257).any() and (colours % 256).any()):
        colours = (colours >> 8).astype(np.uint8)  # colours of 8 bits, written with 16
    return colours


def apply_palette(stored: np.ndarray, colours: np.ndarray, first: int) -> np.ndarray:
    """Palette indices [F H W 1] -> colours [F H W 3] of the palette [K 3] whose first entry is for index ``first``."""
    indices = stored[..., 0].astype(np.int32) - first
    return colours[indices.clip(0, len(colours) - 1)]


def palette_start(dataset: Dataset, *, little_endian: bool, signed: bool) -> int:
    """The stored value that the first entry of the palette is for."""
    first = words(dataset, "RedPaletteColorLookupTableDescriptor", little_endian=little_endian)[1]
    return int(first.view(np.int16)) if signed else int(first)


def _palette_table(
    dataset: Dataset, colour: str, entries: int, bits: int, little_endian: bool, name: str
) -> np.ndarray:
    keyword = f"{colour}PaletteColorLookupTableData"
    if (raw := octets(dataset, f"Segmented{keyword}")) is not None:
        table = _expand_segments(raw, bits, little_endian, entries)
    else:
        raw = octets(dataset, keyword) or b""
        if len(raw) >= 2 * entries:
            table = np.frombuffer(raw, "<u2" if little_endian else ">u2", entries)
            small = bits == 8 and (table <= 255).all()  # old files keep entries of 8 bits in words of 16
            table = table.astype(np.uint8 if small else np.uint16)
        else:
            table = np.frombuffer(raw, np.uint8)[:entries]
    if len(table) < entries:
        raise _bad_palette(name)
    return table[:entries]


def _expand_segments(raw: bytes, bits: int, little_endian: bool, entries: int) -> np.ndarray:
    """Discrete, linear and indirect segments -> one table of at most ``entries`` values (PS3.3 C.7.9.2)."""
    kind = np.dtype(np.uint8 if bits == 8 else ("<u2" if little_endian else ">u2"))
    codes = [int(code) for code in np.frombuffer(raw[: len(raw) // kind.itemsize * kind.itemsize], kind)]
    table: list[int] = []

    def expand(position: int, segments: int, nested: bool) -> None:
        while position + 1 < len(codes) and segments > 0 and len(table) < entries:
            operation, length = codes[position : position + 2]
            position, segments = position + 2, segments - 1
            if operation == 0:
                table.extend(codes[position : position + length])
                position += length
            elif operation == 1 and table and position < len(codes):
                steps = np.linspace(table[-1], codes[position], length + 1)[1:]
                table.extend(int(step) for step in np.around(steps))
                position += 1
            elif operation == 2 and not nested:
                width = 4 if bits == 8 else 2
                parts = codes[position : position + width]
                if bits == 8 and not little_endian:
                    parts = [parts[place] for place in (1, 0, 3, 2) if place < len(parts)]
                offset = sum(part << bits * place for place, part in enumerate(parts))
                position += width
                expand(offset // kind.itemsize if bits == 16 else offset, length, nested=True)
            else:
                return

    expand(0, len(codes), nested=False)
    return np.array(table[:entries], np.uint8 if bits == 8 else np.uint16)


def _bad_palette(name: str) -> SourceError:
    return SourceError(
        f"{name} has palette colours and no whole palette; expected three tables of one length. Export it as RGB."
    )

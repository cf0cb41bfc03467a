"""TIFF files with one picture of 8 or 16 bits; the header is checked before a pixel is decoded."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tifffile import TiffFile, TiffPage

from synthmed.errors import SourceError

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_JPEG = 7
_JPEG_COMPRESSIONS = (6, _JPEG)


@dataclass(frozen=True)
class TiffLayout:
    """What the header of a TIFF says: sizes in pixels as stored, the Exif orientation still to be applied."""

    height: int
    width: int
    channels: int
    bits: int
    orientation: int


def layout(path: Path) -> TiffLayout:
    """Read the header only.

    Raises:
        SourceError: more than one picture, or pixels that are not 8- or 16-bit grey, RGB or palette.
    """
    with TiffFile(path) as file:
        return _layout(_only_page(file, path), path)


def read(path: Path) -> np.ndarray:
    """Pixels [C H W], uint8 or uint16, an opaque or unknown further channel still there; not yet oriented.

    Raises:
        SourceError: as for ``layout``, or the file is cut short.
    """
    with TiffFile(path) as file:
        page = _only_page(file, path)
        _layout(page, path)
        _check_whole(file, page, path)
        pixels = page.asarray()
        planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, page.axes.index("S"), 0)
        if page.photometric == _PALETTE:
            return _palette(page)[:, planes[0]]
        if planes.dtype == bool:
            planes = planes.astype(np.uint8) * 255
        if page.photometric == _WHITE_IS_ZERO:
            planes = (255 if page.bitspersample == 1 else 2**page.bitspersample - 1) - planes
        return np.ascontiguousarray(planes)


def _only_page(file: TiffFile, path: Path) -> TiffPage:
    pictures = max(len(file.pages), int((file.imagej_metadata or {}).get("images", 1)))
    if pictures != 1:
        raise SourceError(
            f"{path.name} holds {pictures} pictures; expected one picture a file. Save each page as its own file."
        )
    page = file.pages[0]
    assert isinstance(page, TiffPage)
    return page


def _layout(page: TiffPage, path: Path) -> TiffLayout:
    samples, photometric = page.samplesperpixel, int(page.photometric)
    extra = len(page.extrasamples)
    expected = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _YCBCR: 3}.get(photometric, 0)
    # One further sample may be opacity; more are channels of their own, whatever the colour kind says.
    known_colour = (
        samples - extra == expected
        and extra <= 1
        and (photometric != _YCBCR or int(page.compression) in _JPEG_COMPRESSIONS)
    )
    if not known_colour or page.axes.strip("S") != "YX" or page.imagedepth != 1:
        raise SourceError(
            f"{path.name} has {samples} channels of colour kind {photometric} with axes {page.axes}; "
            "expected one grey, RGB or palette picture. Save it as RGB or grey."
        )
    kind = page.dtype
    if kind is None or kind.name not in ("bool", "uint8", "uint16"):
        raise SourceError(
            f"{path.name} has {kind.name if kind is not None else 'unknown'} pixels; expected unsigned "
            "integers of 8 or 16 bits. Convert it, and note the factor you used."
        )
    bits = 16 if kind.name == "uint16" else 8
    channels = expected
    if photometric == _PALETTE:
        table = _palette(page)
        channels, bits = len(table), table.dtype.itemsize * 8
    orientation = page.tags.valueof(274, 1)
    return TiffLayout(page.imagelength, page.imagewidth, channels, bits, int(orientation))


def _palette(page: TiffPage) -> np.ndarray:
    """The colours of a palette [C K]: 8 bits where nothing is lost by it, one channel where all are grey."""
    colours = np.asarray(page.colormap, dtype=np.uint16)  # [3 K], 16 bits by the standard
    if not (colours % 257).any() or not (colours % 256).any():
        colours = (colours >> 8).astype(np.uint8)
    grey = (colours[0] == colours[1]).all() and (colours[0] == colours[2]).all()
    return colours[:1] if grey else colours


def _check_whole(file: TiffFile, page: TiffPage, path: Path) -> None:
    # tifffile fills what a strip or tile lacks with zeros; a photograph with a black half is worse than none.
    size = path.stat().st_size
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset <= 0 or count <= 0 or offset + count > size:
            raise SourceError(
                f"{path.name} is cut short: its header names pixels beyond its {size} bytes. Copy it again."
            )
        if int(page.compression) == _JPEG:
            from synthmed.sources.jpeg import refuse_broken

            file.filehandle.seek(offset)
            strip, tables = file.filehandle.read(count), page.jpegtables or b""
            refuse_broken(tables[:-2] + strip[2:] if tables else strip, path.name)

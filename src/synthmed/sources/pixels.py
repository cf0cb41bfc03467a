"""Read one image file without losing a bit: PNG, JPEG, TIFF, GIF, PGM/PPM, BMP, NPY; 8 or 16 bits.

The kind of file is told from its first bytes, never from its name. Its size is checked from the header before
anything is decoded. Messages carry the file's name and nothing of its content, so they may be written down.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from synthmed.errors import SourceError
from synthmed.sources import netpbm, npy, tiff
from synthmed.sources.dicom_codestreams import jpeg_header
from synthmed.sources.image import SourceHeader, SourceImage

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".bmp", ".npy")
PIXEL_LIMIT = 89_478_485
"""Pixels a picture may have (Pillow's own limit): beyond it a small file could fill the memory."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF8", "GIF"),
    (b"P5", "PPM"),
    (b"P6", "PPM"),
    (b"BM", "BMP"),
    (b"\x93NUMPY", "NPY"),
)
_MODE_CHANNELS = {"1": 1, "L": 1, "LA": 1, "RGB": 3, "RGBA": 3}
_ORIENTATION_TAG = 274


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """What a file says before its pixels are decoded; height and width before the orientation is applied."""

    height: int
    width: int
    channels: int
    bits: int
    format: str
    orientation: int = 1


def read_header(path: Path) -> SourceHeader:
    """Size, channels (1 or 3) and depth (8 or 16) of an image file, upright, without decoding it.

    Palettes count as expanded and an opaque alpha channel as dropped.

    Raises:
        SourceError: not a known image file, damaged, too large, or of a kind that cannot be read whole.
    """
    with _source_errors(path):
        return _header(path, _layout(path))


def read(path: Path) -> SourceImage:
    """An image file as every source gives it: pixels [1 C H W], uint8 or uint16, upright.

    Raises:
        SourceError: the file cannot be read whole; what was found, what was expected, what to do.
    """
    with _source_errors(path):
        layout = _layout(path)
        pixels = _decoder(layout)(path)
        if layout.format != "NPY":  # an array has channels, and no transparency
            pixels = _drop_opaque_alpha(pixels, path)
        pixels = np.ascontiguousarray(_upright(pixels, layout.orientation))
        return SourceImage(header=_header(path, layout), pixels=pixels[None])


def read_image(path: Path) -> np.ndarray:
    """Pixels [C H W], uint8 or uint16, upright; C is 1 (grey), 3 (red, green, blue), or any of an npy file.

    Raises:
        SourceError: the file cannot be read whole; what was found, what was expected, what to do.
    """
    return read(path).pixels[0]


def read_mask(path: Path) -> np.ndarray:
    """A binary mask [H W], uint8 of {0, 1}: 0 where the file is black, 1 where it has its one other value.

    A file of one value only is background where that value is 0 and foreground where it is 1 or the largest.

    Raises:
        SourceError: the file cannot be read whole, or holds more than two values.
    """
    return binary_mask(read_image(path), path.name)


def binary_mask(planes: np.ndarray, name: str) -> np.ndarray:
    """The mask [H W], uint8 of {0, 1}, that pixels [C H W] of an unsigned type stand for; see ``read_mask``.

    Raises:
        SourceError: more than two values, or no 0; ``name`` is how the message calls the file.
    """
    largest = int(np.iinfo(planes.dtype).max)
    packed = np.zeros(planes.shape[1:], dtype=np.uint64)
    for plane in planes:
        packed = (packed << np.uint64(16)) | plane
    values = [int(value) for value in np.unique(packed)]
    if len(values) > 2:
        raise SourceError(
            f"{name} holds {len(values)} different values, for example {_words(values[1], planes)}; "
            "expected a binary mask of two values, 0 and one other. Threshold it and save it as PNG, not "
            "JPEG."
        )
    whole = (1, *(sum(value << 16 * c for c in range(len(planes))) for value in (1, largest)))
    if values[0] != 0 and not (len(values) == 1 and values[0] in whole):
        raise SourceError(
            f"{name} holds no 0 (its values: "
            f"{' and '.join(_words(value, planes) for value in values)}); "
            "expected 0 for the background. Save the background as 0 (black)."
        )
    return (packed != 0).astype(np.uint8)


def refuse_odd_palette(path: Path) -> None:
    """Refuse a mask whose palette shows number 0 in another colour than black: is its colour meant, or its number?

    Files without palettes, of whatever format, pass.

    Raises:
        SourceError: it is so.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if any(start.startswith(magic) for magic, kind in _MAGIC if kind in ("PNG", "GIF", "BMP", "TIFF")):
        with _source_errors(path), Image.open(path) as picture:
            colour = tuple((picture.getpalette("RGB") or [])[:3]) if picture.mode == "P" else ()
            several = any(colour) and len(picture.getcolors(256) or ()) > 1  # of one colour, it is that of the mask
        if several:
            raise SourceError(
                f"{path.name} has a palette that shows number 0 in the colour {colour}, so that it cannot be told "
                "whether its numbers or its colours are meant; expected 0 shown black. Save it as grey."
            )


def _words(packed: int, planes: np.ndarray) -> str:
    """A packed colour as a person writes it: ``128`` or ``(128, 0, 0)``."""
    numbers = [packed >> 16 * c & 0xFFFF for c in reversed(range(len(planes)))]
    return str(numbers[0]) if len(set(numbers)) == 1 else str(tuple(numbers))


@contextmanager
def _source_errors(path: Path) -> Iterator[None]:
    """Whatever a decoder throws at a broken file becomes a SourceError without the decoder's words.

    The decoders raise a dozen kinds of exceptions, some with memory addresses or paths in their text; the
    reasons are written to files that must be the same twice.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except SourceError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SourceError(
            f"{path.name} claims more than the limit of {PIXEL_LIMIT} pixels. Cut or reduce it first."
        ) from error
    except PermissionError as error:
        raise SourceError(f"{path.name} may not be read. Change its permissions.") from error
    except FileNotFoundError as error:
        raise SourceError(f"{path.name} is not there; expected an image file. Check the path.") from error
    except Exception as error:
        raise SourceError(
            f"{path.name} is damaged or cut short ({type(error).__name__} while decoding); expected a whole "
            "image file. Copy it again, or save it as PNG or TIFF."
        ) from error


def _kind_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise SourceError(f"{path.name} is empty; expected an image file. Copy it again.")
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    raise SourceError(
        f"{path.name} does not begin like an image file; expected PNG, JPEG, TIFF, GIF, PGM/PPM (binary) or "
        "BMP, or NPY. Save it as one of these."
    )


def _header(path: Path, layout: _Layout) -> SourceHeader:
    # Orientations 5 to 8 lie on their side.
    turned = layout.orientation >= 5
    return SourceHeader(
        path=path,
        format=layout.format,
        height=layout.width if turned else layout.height,
        width=layout.height if turned else layout.width,
        channels=layout.channels,
        bits=layout.bits,
        exif_orientation=layout.orientation if layout.orientation in range(1, 9) else 1,
    )


def _layout(path: Path) -> _Layout:
    kind = _kind_of(path)
    if kind == "TIFF":
        found = tiff.layout(path)
        layout = _Layout(
            height=found.height,
            width=found.width,
            channels=found.channels,
            bits=found.bits,
            format=kind,
            orientation=found.orientation,
        )
    elif kind == "PPM":
        height, width, channels, bits, _ = netpbm.layout(path)
        layout = _Layout(height=height, width=width, channels=channels, bits=bits, format=kind)
    elif kind == "NPY":
        array = npy.layout(path)
        layout = _Layout(height=array.height, width=array.width, channels=array.channels, bits=array.bits, format=kind)
    else:
        layout = _pillow_layout(path, kind)
    if layout.height * layout.width > PIXEL_LIMIT:
        raise SourceError(
            f"{path.name} claims {layout.width} x {layout.height} pixels; expected at most {PIXEL_LIMIT}. "
            "Cut or reduce it first."
        )
    return layout


def _pillow_layout(path: Path, kind: str) -> _Layout:
    if kind == "JPEG":
        _refuse_deep_jpeg(path)
    with Image.open(path, formats=[kind]) as picture:
        frames = getattr(picture, "n_frames", 1) if kind in ("GIF", "PNG") else 1
        if frames > 1:
            raise SourceError(f"{path.name} holds {frames} pictures; expected one. Save each as its own file.")
        width, height = picture.size
        bits = 16 if kind == "PNG" and _png_depth(path) == 16 else 8
        if picture.mode == "P":
            channels = 1 if _has_grey_palette(picture) else 3
        elif bits == 16 and picture.mode.startswith("I"):
            channels = 1
        else:
            channels = _MODE_CHANNELS.get(picture.mode, 0)
        if channels == 0:
            raise SourceError(
                f"{path.name} has pixels of mode {picture.mode}; expected grey or RGB. Save it as RGB or grey."
            )
        orientation = picture.getexif().get(_ORIENTATION_TAG, 1) if kind in ("JPEG", "PNG") else 1
    return _Layout(
        height=height,
        width=width,
        channels=channels,
        bits=bits,
        format=kind,
        orientation=orientation if orientation in range(1, 9) else 1,
    )


def _refuse_deep_jpeg(path: Path) -> None:
    with path.open("rb") as file:
        header = jpeg_header(file.read(2**20))
    if header is not None and header.bits != 8:
        raise SourceError(
            f"{path.name} is a JPEG of {header.bits} bits; expected 8, or DICOM. Convert it to PNG or TIFF of 16 bits."
        )


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[24]


def _has_grey_palette(picture: Image.Image) -> bool:
    colours = np.array(picture.getpalette("RGB") or []).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _decoder(layout: _Layout) -> Callable[[Path], np.ndarray]:
    if layout.format == "TIFF":
        return tiff.read
    if layout.format == "PPM":
        return netpbm.read
    if layout.format == "NPY":
        return npy.read
    if layout.format == "PNG" and layout.bits == 16:
        return _read_deep_png
    if layout.format == "JPEG":
        return partial(_read_jpeg, grey=layout.channels == 1)
    return _read_pillow


def _read_deep_png(path: Path) -> np.ndarray:
    # Pillow reduces 16-bit RGB to 8 bits without a word; libpng does not.
    import imagecodecs

    pixels = imagecodecs.png_decode(path.read_bytes())
    if pixels.dtype != np.uint16:
        raise SourceError(f"{path.name} was not decoded to its 16 bits. Save it as TIFF.")
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _read_jpeg(path: Path, *, grey: bool) -> np.ndarray:
    from synthmed.sources import jpeg

    return jpeg.decode(path.read_bytes(), path.name, grey=grey).transpose(2, 0, 1)


def _read_pillow(path: Path) -> np.ndarray:
    """Pixels [C H W] uint8; alpha, where the file has one, as the last channel."""
    with Image.open(path, formats=[_kind_of(path)]) as picture:
        picture.load()
        grey = picture.mode in ("1", "L", "LA") or (picture.mode == "P" and _has_grey_palette(picture))
        if picture.mode in ("LA", "RGBA") or "transparency" in picture.info:
            planes = np.asarray(picture.convert("RGBA")).transpose(2, 0, 1)
            return planes[[0, 3]] if grey else planes
        if picture.mode == "P":
            planes = np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
            return planes[:1] if grey else planes
        pixels = np.asarray(picture)
        if pixels.dtype == bool:
            pixels = pixels.astype(np.uint8) * 255
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _drop_opaque_alpha(pixels: np.ndarray, path: Path) -> np.ndarray:
    channels = len(pixels)
    if channels in (1, 3):
        return pixels
    if channels not in (2, 4):
        raise SourceError(f"{path.name} has {channels} channels; expected 1 to 3. Save it as RGB or grey.")
    if (pixels[-1] != np.iinfo(pixels.dtype).max).any():
        raise SourceError(
            f"{path.name} is partly transparent; expected opaque pixels. Save it without an alpha channel."
        )
    return pixels[:-1]


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Apply an Exif orientation to [C H W]: 5 to 8 swap rows and columns."""
    if orientation >= 5:
        pixels = pixels.transpose(0, 2, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1, :]
    return pixels

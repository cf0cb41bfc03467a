"""The frames of a DICOM file as they are stored: raw or encapsulated bytes -> one array a frame.

JPEG is decoded by libjpeg-turbo, JPEG-LS by CharLS, JPEG 2000 and HTJ2K by OpenJPEG, all through imagecodecs. Each was
the fastest of those that give the reference decoder's values (``benchmarks/reading_speed.py``). OpenJPH is three times
as fast for HTJ2K and not used: imagecodecs hides its errors and returns pictures with holes.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import imagecodecs
import numpy as np
from PIL import Image

from synthmed.errors import SourceError
from synthmed.sources import jpeg
from synthmed.sources.dicom_codestreams import Codestream, jpeg2000_header, jpeg_header, jpeg_is_whole
from synthmed.sources.dicom_colour import to_rgb
from synthmed.sources.dicom_elements import octets
from synthmed.sources.dicom_file import DicomFile, cut_short, pixel_bytes, syntax_name

RLE, DEFLATED_FRAMES = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"
JPEG = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70)}
JPEG_LS = {"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"}
JPEG_2000 = {f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203)}
"""The last three are HTJ2K: the same pictures with a faster entropy coder."""
RAW = {"", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
ENCAPSULATED = {RLE, DEFLATED_FRAMES} | JPEG | JPEG_LS | JPEG_2000


@dataclass(frozen=True, kw_only=True)
class PixelLayout:
    """How the pixels of a file are stored.

    Args:
        frames, height, width: pictures, and pixels of each.
        samples: values of a pixel, 1 or 3.
        allocated: bits that a value takes: 1, 8, 16, 32, for floating point 32 or 64.
        stored: bits of them that count.
        high_bit: the highest of these.
        signed: whether values may be negative.
        floating: whether values are floating-point numbers.
        planar: whether all red values come before all green ones.
        photometric: DICOM's photometric interpretation.
    """

    frames: int
    height: int
    width: int
    samples: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    floating: bool
    planar: bool
    photometric: str

    @property
    def kind(self) -> np.dtype:
        """The NumPy type of a stored value in native byte order."""
        if self.floating:
            return np.dtype(f"f{self.allocated // 8}")
        return np.dtype(f"{'i' if self.signed else 'u'}{max(1, self.allocated // 8)}")

    @property
    def subsampled(self) -> bool:
        """Whether two neighbours share their chrominance when stored raw."""
        return self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422")

    def raw_bytes(self, frames: int, *, subsampled: bool) -> int:
        """Bytes of some frames without compression."""
        per_pixel = 2 if subsampled else self.samples
        return (frames * self.height * self.width * per_pixel * self.allocated + 7) // 8


def read_frames(file: DicomFile, layout: PixelLayout, reduce: int = 0) -> np.ndarray:
    """All frames as stored values [F H W S]: S samples of a pixel, unused bits removed, three samples as RGB.

    Args:
        file: an open file whose sizes were checked and whose transfer syntax is in RAW or ENCAPSULATED.
        layout: how its pixels are stored.
        reduce: halvings of both axes, for JPEG 2000 only.

    Raises:
        SourceError: pixels are missing, cut short, damaged, or compressed in a way that cannot be read.
    """
    if file.syntax in RAW:
        return _read_raw(file, layout)
    pixels: np.ndarray | None = None
    for index, data in enumerate(split_frames(file, layout.frames)):
        frame = _decode(data, file, layout, reduce)
        if layout.frames == 1:
            return frame[None]
        if pixels is None:
            pixels = np.empty((layout.frames, *frame.shape), frame.dtype)
        if frame.dtype != pixels.dtype:
            raise _damaged(file, "its frames are of different depth")
        pixels[index] = frame
    assert pixels is not None
    return pixels


def check_raw_length(file: DicomFile, layout: PixelLayout) -> int:
    """Bytes of the pixels where they are not compressed, compared with what the file has of them.

    Raises:
        SourceError: the file has fewer.
    """
    assert file.pixels is not None
    if file.pixels.length < 0:
        raise _damaged(file, "its pixels are packed in fragments, and it says that they are not compressed")
    length = layout.raw_bytes(layout.frames, subsampled=_shares_chrominance(file, layout))
    if file.pixels.length < length:
        raise SourceError(
            f"{file.path.name} holds {file.pixels.length} bytes of pixels; its header promises {length}. "
            "Export it again."
        )
    if not file.packed and file.pixels.offset + length > file.stream.size:
        raise cut_short(file.path)
    return length


def _shares_chrominance(file: DicomFile, layout: PixelLayout) -> bool:
    # Some writers store all three samples of each pixel and keep the name of the subsampled kind.
    assert file.pixels is not None
    return layout.subsampled and file.pixels.length < layout.raw_bytes(layout.frames, subsampled=False)


def _read_raw(file: DicomFile, layout: PixelLayout) -> np.ndarray:
    assert file.pixels is not None
    length, subsampled = check_raw_length(file, layout), _shares_chrominance(file, layout)
    swapped = not file.little_endian and file.pixels.in_words and layout.allocated <= 8
    data = pixel_bytes(file, length + length % 2 if swapped else length)
    if swapped:
        data = bytearray(np.frombuffer(data, "u2").byteswap().tobytes())
    return _unpack_raw(data, layout, layout.frames, little_endian=file.little_endian, subsampled=subsampled)


def _unpack_raw(
    data: bytes | bytearray, layout: PixelLayout, frames: int, *, little_endian: bool, subsampled: bool = False
) -> np.ndarray:
    """Uncompressed bytes -> [F H W S]."""
    height, width, samples = layout.height, layout.width, layout.samples
    if layout.allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little", count=frames * height * width * samples)
        return bits.reshape(frames, height, width, samples)
    kind = layout.kind.newbyteorder("<" if little_endian else ">")
    values = np.frombuffer(data, kind, count=layout.raw_bytes(frames, subsampled=subsampled) // kind.itemsize)
    values = values.astype(layout.kind, copy=False)
    if subsampled:
        pixels = _share_chrominance(values.reshape(frames, height, width // 2, 4))
    elif layout.planar and samples > 1:
        pixels = values.reshape(frames, samples, height, width).transpose(0, 2, 3, 1)
    else:
        pixels = values.reshape(frames, height, width, samples)
    return to_rgb(_used_bits(pixels, layout), layout.photometric) if samples == 3 else _used_bits(pixels, layout)


def _share_chrominance(pairs: np.ndarray) -> np.ndarray:
    """Two luminances, then the chrominances they share [F H W/2 4] -> [F H W 3]."""
    frames, height, half, _ = pairs.shape
    pixels = np.empty((frames, height, half, 2, 3), pairs.dtype)
    pixels[..., 0] = pairs[..., :2]
    pixels[..., 1:] = pairs[..., None, 2:]
    return pixels.reshape(frames, height, half * 2, 3)


def _used_bits(pixels: np.ndarray, layout: PixelLayout) -> np.ndarray:
    """Drop what stands above and below the bits that count (old overlays, scanner's flags), and extend the sign."""
    if layout.floating or layout.stored >= layout.allocated:
        return pixels
    above = layout.allocated - 1 - layout.high_bit
    drop = layout.allocated - layout.stored
    if not layout.signed and above == drop and int(pixels.max()) >> layout.stored == 0:
        return pixels
    return (pixels << above) >> drop


def split_frames(file: DicomFile, frames: int) -> Iterator[bytes]:
    """The compressed bytes of each frame: fragments joined by the offset tables, else by where pictures begin.

    Raises:
        SourceError: the fragments are cut short or cannot be told apart.
    """
    assert file.pixels is not None
    if file.pixels.length >= 0:
        raise _damaged(file, "its pixels are said to be compressed, but stand there in one piece")
    data = memoryview(pixel_bytes(file, -1))
    table, fragments = _fragments(file, data)
    if not fragments:
        raise SourceError(f"{file.path.name} has no pixels; expected {frames} frames. Export it again.")
    extended = octets(file.dataset, "ExtendedOffsetTable")
    starts = list(np.frombuffer(extended, "<u8")) if extended and len(extended) == 8 * frames else table
    groups = _group_by_table(fragments, starts) if len(starts) == frames > 1 else None
    if groups is None and len(fragments) == frames:
        groups = [[fragment] for _, fragment in fragments]
    if groups is None and frames == 1:
        groups = [[fragment for _, fragment in fragments]]
    if groups is None:
        groups = _group_by_beginning(fragments)
    if len(groups) < frames:
        raise _damaged(file, f"it promises {frames} frames and holds {len(groups)}")
    for group in groups[:frames]:
        yield b"".join(group)


def _fragments(file: DicomFile, data: memoryview) -> tuple[list[int], list[tuple[int, memoryview]]]:
    """The basic offset table, and every fragment with its offset from the end of that table."""
    position, first, table, found = 0, 0, [], []  # type: ignore[var-annotated]
    while position + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHI", data, position)
        if (group, element) == (0xFFFE, 0xE0DD):
            return table, found
        if (group, element) != (0xFFFE, 0xE000):
            raise _damaged(file, "a fragment of its pixels does not begin as one")
        if position + 8 + length > len(data):
            raise cut_short(file.path)
        value = data[position + 8 : position + 8 + length]
        if position == 0:
            table = [int(start) for start in np.frombuffer(value[: length // 4 * 4], "<u4")]
            first = 8 + length
        else:
            found.append((position - first, value))
        position += 8 + length
    raise cut_short(file.path)


def _group_by_table(fragments: list[tuple[int, memoryview]], starts: list[int]) -> list[list[memoryview]] | None:
    """Fragments by frame; None where the table does not name the beginnings of fragments in rising order."""
    offsets = [offset for offset, _ in fragments]
    if starts[0] != 0 or sorted(set(starts)) != list(starts) or not set(starts) <= set(offsets):
        return None
    groups: list[list[memoryview]] = []
    named = set(starts)
    for offset, fragment in fragments:
        if offset in named:
            groups.append([])
        groups[-1].append(fragment)
    return groups


def _group_by_beginning(fragments: list[tuple[int, memoryview]]) -> list[list[memoryview]]:
    groups: list[list[memoryview]] = []
    for _, fragment in fragments:
        if not groups or bytes(fragment[:2]) in (b"\xff\xd8", b"\xff\x4f"):
            groups.append([])
        groups[-1].append(fragment)
    return groups


def _decode(data: bytes, file: DicomFile, layout: PixelLayout, reduce: int) -> np.ndarray:
    """One frame [H W S]."""
    try:
        if file.syntax == RLE:
            return _decode_rle(data, file, layout)
        if file.syntax == DEFLATED_FRAMES:
            length = layout.raw_bytes(1, subsampled=False)
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            raw = unpacker.decompress(data, length)
            if not unpacker.eof and (unpacker.decompress(unpacker.unconsumed_tail, 1) or not unpacker.eof):
                raise _damaged(file, "a deflated frame of it does not end where it should")
            return _unpack_raw(raw, layout, 1, little_endian=True)[0]
        return _decode_codestream(data, file, layout, reduce)
    except SourceError:
        raise
    except Exception as error:  # each codec has its own kinds of errors, and memory addresses in their words
        raise _damaged(file, f"its pixels ({syntax_name(file.syntax)}) cannot be decoded") from error


def _decode_rle(data: bytes, file: DicomFile, layout: PixelLayout) -> np.ndarray:
    """Planes of bytes, the most significant first, each packed by runs."""
    count, *offsets = struct.unpack_from("<16I", data)
    size = max(1, layout.allocated // 8)
    if count != layout.samples * size:
        raise _damaged(file, f"its run-length code has {count} parts where {layout.samples * size} were expected")
    ends = [*offsets[1:count], len(data)]
    length = layout.raw_bytes(1, subsampled=False) // (layout.samples * size)
    length = (layout.height * layout.width + 7) // 8 if layout.allocated == 1 else length
    planes = np.empty((layout.samples, length, size), np.uint8)
    for part in range(count):
        # Writers pad a part to an even length, which decodes to a few bytes more.
        unpacked = imagecodecs.packbits_decode(data[offsets[part] : ends[part]], out=bytearray(length + 256))
        if len(unpacked) < length:
            raise _damaged(file, "its run-length code ends too early")
        planes[part // size, :, size - 1 - part % size] = np.frombuffer(unpacked, np.uint8, length)
    planar = replace(layout, planar=True)
    return _unpack_raw(planes.tobytes(), planar, 1, little_endian=True)[0]


def _decode_codestream(data: bytes, file: DicomFile, layout: PixelLayout, reduce: int) -> np.ndarray:
    wavelets = file.syntax in JPEG_2000
    header = jpeg2000_header(data) if wavelets else jpeg_header(data)
    if header is None:
        raise _damaged(file, f"its pixels do not begin like {syntax_name(file.syntax)}, or are a kind that is not read")
    found = (header.width, header.height, header.components)
    if found != (layout.width, layout.height, layout.samples):
        raise _damaged(
            file,
            f"its header promises {layout.width} x {layout.height} pixels of {layout.samples} values and its "
            f"compressed picture has {header.width} x {header.height} of {header.components}",
        )
    if header.bits > max(8, layout.allocated):
        raise _damaged(file, f"its compressed picture has {header.bits} bits, its header allows {layout.allocated}")
    if not wavelets and not jpeg_is_whole(data):
        raise cut_short(file.path)
    if file.syntax in JPEG:
        pixels, rgb = _decode_jpeg(data, header, layout, file.path.name)
    elif file.syntax in JPEG_LS:
        pixels, rgb = imagecodecs.jpegls_decode(data), False
    else:
        pixels, rgb = _decode_jpeg2000(data, header, reduce), False
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    expected = (*reduced_size(layout.height, layout.width, reduce), layout.samples)
    if pixels.shape != expected:
        raise _damaged(file, "its compressed picture has another shape than its header says")
    pixels = _proper_sign(pixels, header, layout)
    return pixels if rgb or layout.samples == 1 else to_rgb(pixels, layout.photometric)


def _decode_jpeg(data: bytes, header: Codestream, layout: PixelLayout, name: str) -> tuple[np.ndarray, bool]:
    """Pixels, and whether they are red, green and blue already."""
    if header.components == 1 and header.bits == 8 and not header.lossless:
        return jpeg.decode(data, name, grey=True), False
    if header.lossless and 8 < header.bits < 16 and not layout.signed:
        pixels = imagecodecs.jpeg8_decode(data)
        jpeg.refuse_runaway(pixels, header.bits, data, name)
        return pixels, False
    jpeg.refuse_broken(data, name)
    if header.components == 1 or header.lossless:
        return imagecodecs.jpeg8_decode(data), False
    ycbcr = layout.photometric.startswith("YBR") if header.ycbcr is None else header.ycbcr
    return imagecodecs.jpeg8_decode(data, colorspace="YCBCR" if ycbcr else "RGB", outcolorspace="RGB"), True


def _decode_jpeg2000(data: bytes, header: Codestream, reduce: int) -> np.ndarray:
    if reduce == 0:
        return imagecodecs.jpeg2k_decode(data, planar=False, numthreads=1)
    with Image.open(BytesIO(data), formats=["JPEG2000"]) as picture:
        setattr(picture, "reduce", reduce)  # noqa: B010 - of JPEG 2000 pictures; others have a method of that name
        picture.load()
        pixels = np.asarray(picture)
    if header.components > 1 or header.bits == 8:
        return pixels
    # Pillow moves signed values up by half their range and widens all to 8 or 16 bits.
    wide = 8 * pixels.dtype.itemsize
    pixels = pixels >> (wide - header.bits)
    return pixels.astype(np.int32) - 2 ** (header.bits - 1) if header.signed else pixels


def reduced_size(height: int, width: int, reduce: int) -> tuple[int, int]:
    """Height and width after some halvings of JPEG 2000, which rounds up.

    Example:
        >>> reduced_size(3328, 2563, 2)
        (832, 641)
    """
    return -(-height >> reduce), -(-width >> reduce)


def _proper_sign(pixels: np.ndarray, header: Codestream, layout: PixelLayout) -> np.ndarray:
    """The values as the DICOM header means them: signed where the codec took them for unsigned, no unused bits."""
    if header.signed == layout.signed and header.bits <= layout.stored:
        return pixels
    unused = 8 * pixels.dtype.itemsize - min(header.bits, max(layout.stored, 1))
    kind = np.dtype(f"{'i' if layout.signed else 'u'}{pixels.dtype.itemsize}")
    return (pixels.view(kind) << unused) >> unused


def _damaged(file: DicomFile, what: str) -> SourceError:
    return SourceError(f"{file.path.name} is damaged: {what}. Copy it again, or export it uncompressed.")

"""DICOM files: the values of every compression and kind of pixel, or a sentence that says why not."""

import zlib

import imagecodecs
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from sources.dicom_files import compress, dataset_of, write

from synthmed.errors import SourceError
from synthmed.sources.dicom import fast_reduction, is_dicom, read, read_header


def noise(*shape, dtype=np.uint16, low=0, top=4095, seed=0):
    return np.random.default_rng(seed).integers(low, top + 1, shape).astype(dtype)


def smooth(height=64, width=48, top=4095):
    y, x = np.mgrid[:height, :width]
    return (top * (0.5 + 0.4 * np.sin(x / 9) * np.cos(y / 11))).astype(np.uint16)


def twelve_bits(pixels, **elements):
    return dataset_of(pixels, BitsStored=12, HighBit=11, **elements)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (5, 7, 3), (2, 5, 7, 3)])
def test_raw_pixels_come_as_they_are(tmp_path, syntax, shape):
    pixels = noise(*shape)
    dataset = dataset_of(pixels.byteswap() if syntax == ExplicitVRBigEndian else pixels)
    image = read(write(tmp_path / "a.dcm", dataset, syntax))
    frames = pixels.reshape(-1, *shape[-3:]) if shape[-1] == 3 else pixels.reshape(-1, 5, 7, 1)
    assert np.array_equal(image.pixels, np.moveaxis(frames, -1, 1)) and image.pixels.dtype == np.uint16
    assert image.pixels.flags.writeable and image.pixels.flags.c_contiguous
    assert (image.header.frames, image.header.channels) == image.pixels.shape[:2]
    assert image.header == read_header(tmp_path / "a.dcm")


def test_bytes_of_big_endian_files_stand_in_words_only_where_they_are_said_to(tmp_path):
    pixels = noise(4, 6, dtype=np.uint8, top=255)
    for vr, stored in (("OB", pixels), ("OW", pixels.view(np.uint16).byteswap().view(np.uint8))):
        dataset = dataset_of(stored)
        dataset["PixelData"].VR = vr
        assert np.array_equal(read(write(tmp_path / "a.dcm", dataset, ExplicitVRBigEndian)).pixels[0, 0], pixels)


def test_a_file_without_a_preamble_is_read_and_told(tmp_path):
    whole = write(tmp_path / "a.dcm", dataset_of(noise(5, 7)), ImplicitVRLittleEndian).read_bytes()
    bare = tmp_path / "bare"
    bare.write_bytes(whole[whole.index(b"\x08\0\x16\0") :])
    assert is_dicom(bare) and is_dicom(tmp_path / "a.dcm")
    assert np.array_equal(read(bare).pixels, read(tmp_path / "a.dcm").pixels)
    (tmp_path / "text").write_text("\b\0 a text of more than a dozen letters")
    assert not is_dicom(tmp_path / "text")


CODECS = {
    JPEGLosslessSV1: lambda frame: imagecodecs.ljpeg_encode(frame, bitspersample=12),
    JPEGLSLossless: lambda frame: imagecodecs.jpegls_encode(frame),
    JPEG2000Lossless: lambda frame: imagecodecs.jpeg2k_encode(frame, level=0, codecformat="j2k", bitspersample=12),
    HTJ2KLossless: lambda frame: imagecodecs.htj2k_encode(frame),
    RLELossless: lambda frame: rle(frame),
}


def rle(frame):
    """One frame [H W] or [H W 3]: its bytes by significance, each part of literal runs."""
    planes = frame[..., None] if frame.ndim == 2 else frame
    size = frame.dtype.itemsize
    parts = [
        imagecodecs.packbits_encode(
            np.ascontiguousarray(planes[..., channel]).view(np.uint8)[:, size - 1 - byte :: size].tobytes()
        )
        for channel in range(planes.shape[-1])
        for byte in range(size)
    ]
    parts = [part + b"\0" * (len(part) % 2) for part in parts]
    offsets = 64 + np.cumsum([0, *map(len, parts)])[:-1]
    header = np.zeros(16, "<u4")
    header[0], header[1 : 1 + len(parts)] = len(parts), offsets
    return header.tobytes() + b"".join(parts)


@pytest.mark.parametrize("syntax", CODECS)
@pytest.mark.parametrize("table, fragments", [("basic", 1), ("none", 1), ("extended", 1), ("basic", 3)])
def test_lossless_compression_loses_nothing(tmp_path, syntax, table, fragments):
    pixels = np.stack([smooth(), smooth()[::-1], noise(64, 48)])
    encoded = [CODECS[syntax](np.ascontiguousarray(frame)) for frame in pixels]
    dataset = compress(twelve_bits(pixels), encoded, table=table, fragments=fragments)
    assert np.array_equal(read(write(tmp_path / "a.dcm", dataset, syntax)).pixels[:, 0], pixels)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_fragments_without_a_table_are_joined_where_pictures_begin(tmp_path, syntax):
    pixels = np.stack([smooth(), smooth()[::-1]])
    encoded = [CODECS[syntax](np.ascontiguousarray(frame)) for frame in pixels]
    dataset = compress(twelve_bits(pixels), encoded, table="none", fragments=2)
    assert np.array_equal(read(write(tmp_path / "a.dcm", dataset, syntax)).pixels[:, 0], pixels)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_signed_pixels_survive_a_codec_that_knows_only_unsigned_ones(tmp_path, syntax):
    pixels = noise(16, 20, dtype=np.int16, low=-2000, top=2047)
    if syntax == JPEGLSLossless:
        encoded = imagecodecs.jpegls_encode(pixels.view(np.uint16) & 0xFFF)
    else:
        encoded = imagecodecs.jpeg2k_encode(
            pixels.view(np.uint16) & 0xFFF, level=0, codecformat="j2k", bitspersample=12
        )
    dataset = compress(twelve_bits(pixels), [encoded])
    assert np.array_equal(read(write(tmp_path / "a.dcm", dataset, syntax)).pixels[0, 0], pixels)


def test_near_lossless_and_lossy_pictures_are_near(tmp_path):
    pixels = smooth()
    near = compress(twelve_bits(pixels), [imagecodecs.jpegls_encode(pixels, level=3)])
    read_near = read(write(tmp_path / "a.dcm", near, JPEGLSNearLossless)).pixels[0, 0]
    assert 0 < np.abs(read_near.astype(int) - pixels).max() <= 3
    lossy = compress(twelve_bits(pixels), [imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=12)])
    read_lossy = read(write(tmp_path / "b.dcm", lossy, JPEGExtended12Bit)).pixels[0, 0]
    assert np.abs(read_lossy.astype(int) - pixels).max() < 40


@pytest.mark.parametrize("photometric, colour", [("YBR_FULL_422", "YCBCR"), ("RGB", "RGB")])
def test_jpeg_colours_are_undone_as_the_file_says(tmp_path, photometric, colour):
    pixels = np.stack([smooth(top=255), smooth(top=255)[::-1], smooth(top=120)], axis=-1).astype(np.uint8)
    encoded = imagecodecs.jpeg8_encode(pixels, level=98, colorspace="RGB", outcolorspace=colour)
    dataset = compress(dataset_of(pixels, PhotometricInterpretation=photometric), [encoded])
    image = read(write(tmp_path / "a.dcm", dataset, JPEGBaseline8Bit))
    assert np.abs(image.pixels[0].transpose(1, 2, 0).astype(int) - pixels).max() < 12


def test_packed_bits_are_unpacked_across_frames(tmp_path):
    mask = noise(3, 5, 7, dtype=np.uint8, top=1)
    dataset = dataset_of(mask, BitsAllocated=1, BitsStored=1, HighBit=0)
    dataset.PixelData = np.packbits(mask.reshape(-1), bitorder="little").tobytes()
    assert np.array_equal(read(write(tmp_path / "a.dcm", dataset)).pixels[:, 0], mask)


@pytest.mark.parametrize("keyword, dtype", [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_floating_point_pixels_are_read(tmp_path, keyword, dtype):
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(dtype)
    dataset = dataset_of(np.zeros((5, 7), np.uint16), BitsAllocated=8 * values.itemsize)
    for gone in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, gone)
    setattr(dataset, keyword, values.tobytes())
    image = read(write(tmp_path / "a.dcm", dataset))
    assert image.pixels.dtype == np.float32 and np.array_equal(image.pixels[0, 0], values.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int32])
def test_planes_and_pixels_and_depths(tmp_path, dtype):
    top = np.iinfo(dtype).max
    pixels = noise(4, 6, 3, dtype=dtype, top=top) if dtype != np.int16 else noise(4, 6, 3, dtype=dtype, low=-5)
    planar = dataset_of(pixels, PlanarConfiguration=1)
    planar.PixelData = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()
    for dataset in (dataset_of(pixels), planar):
        assert np.array_equal(read(write(tmp_path / "a.dcm", dataset)).pixels[0], pixels.transpose(2, 0, 1))


def test_a_picture_is_read_at_half_its_size_only_when_asked(tmp_path):
    pixels = smooth(256, 192)
    encoded = CODECS[JPEG2000Lossless](pixels)
    path = write(
        tmp_path / "a.dcm", compress(twelve_bits(pixels, PixelSpacing=[0.1, 0.2]), [encoded]), JPEG2000Lossless
    )
    whole = read(path)
    times = fast_reduction(whole.header, 64, 48)
    small = read(path, reduce=times)
    assert times == 2 and fast_reduction(whole.header, 129, 97) == 0
    assert small.pixels.shape == (1, 1, 64, 48) and (small.header.height, small.header.width) == (64, 48)
    assert small.header.spacing_mm == (0.4, 0.8) and (small.header.reduced, whole.header.reduced) == (2, 0)
    assert np.abs(small.pixels[0, 0].astype(int) - pixels[::4, ::4]).max() < 0.03 * 4096
    raw = read(write(tmp_path / "b.dcm", twelve_bits(pixels)), reduce=2)
    assert raw.pixels.shape == (1, 1, 256, 192) and raw.header.reduced == 0


def bad(path, says):
    """The file is refused by both readers, in a sentence that names the file and no patient."""
    for reader in (read_header, read):
        with pytest.raises(SourceError, match=says) as caught:
            reader(path)
    assert str(caught.value).startswith(path.name) and "Secret" not in str(caught.value)
    assert "P-17" not in str(caught.value)


def only_pixels_bad(path, says):
    read_header(path)
    with pytest.raises(SourceError, match=says) as caught:
        read(path)
    assert str(caught.value).startswith(path.name) and "Secret" not in str(caught.value)


def test_what_holds_no_image_is_refused_with_what_it_is(tmp_path):
    report = dataset_of(None, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR")
    bad(write(tmp_path / "sr.dcm", report), "holds no image .Basic Text SR Storage.")
    document = dataset_of(None, SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1", EncapsulatedDocument=b"%PDF")
    bad(write(tmp_path / "pdf.dcm", document), "Encapsulated PDF")
    folder = dataset_of(None, SOPClassUID="1.2.840.10008.1.3.10")
    entry = Dataset()
    entry.ReferencedFileID = ["IMAGES", "ELSEWHERE"]
    folder.DirectoryRecordSequence = Sequence([entry])
    bad(write(tmp_path / "DICOMDIR", folder), "is a DICOMDIR")
    bad(write(tmp_path / "empty.dcm", dataset_of(noise(5, 7), PixelData=None)), "has no pixels")
    remote = dataset_of(None, PixelDataProviderURL="http://example.invalid/a")
    bad(write(tmp_path / "remote.dcm", remote), "on a server")


def test_what_is_no_dicom_is_refused(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    bad(tmp_path / "empty", "is empty")
    (tmp_path / "text").write_bytes(b"hello" * 100)
    bad(tmp_path / "text", "does not begin like a DICOM file")
    (tmp_path / "cut").write_bytes(bytes(128) + b"DICM")
    bad(tmp_path / "cut", "is cut short")
    bad(tmp_path / "absent", "is not there")
    bad(tmp_path, "is a folder")


@pytest.mark.parametrize(
    "elements, says",
    [
        ({"Rows": 65535, "Columns": 65535}, "promises 1 frames of 65535 x 65535"),
        ({"NumberOfFrames": 2**30}, "promises 1073741824 frames"),
        ({"Rows": None}, "does not say its Rows"),
        ({"BitsAllocated": 12}, "bits in 12"),
        ({"BitsStored": 17}, "17 bits in 16"),
        ({"SamplesPerPixel": 4}, "unknown kind of colour"),
        ({"PhotometricInterpretation": "HSV"}, "unknown kind of colour"),
        ({"RescaleSlope": 0, "RescaleIntercept": 1}, "slope of 0"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "no whole palette"),
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_decoded(tmp_path, elements, says):
    bad(write(tmp_path / "a.dcm", dataset_of(noise(5, 7), **elements)), says)


def test_an_unreadable_compression_is_named(tmp_path):
    dataset = compress(dataset_of(noise(5, 7)), [b"film"])
    bad(write(tmp_path / "a.dcm", dataset, "1.2.840.10008.1.2.4.100"), "compressed as MPEG2")
    path = write(tmp_path / "a.dcm", dataset, JPEGLSLossless)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.99999.1.2.4.80"))
    bad(path, "compressed as unknown")


def test_missing_pixels_are_missed(tmp_path):
    path = write(tmp_path / "a.dcm", dataset_of(noise(50, 70)))
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    bad(path, "is cut short")
    bad(write(tmp_path / "b.dcm", dataset_of(noise(50, 70), NumberOfFrames=2)), "promises 14000")
    packed = write(tmp_path / "h.dcm", compress(dataset_of(noise(5, 7)), [b"12"]), JPEGLSLossless)
    packed.write_bytes(packed.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.1\0\0\0"))
    bad(packed, "packed in fragments")
    for syntax, encode in CODECS.items():
        encoded = encode(smooth())
        cut = compress(twelve_bits(smooth()), [encoded[: len(encoded) // 2]])
        only_pixels_bad(write(tmp_path / "c.dcm", cut, syntax), "damaged|cut short")
        whole = write(tmp_path / "d.dcm", compress(twelve_bits(smooth()), [encoded]), syntax)
        whole.write_bytes(whole.read_bytes()[:-40])
        only_pixels_bad(whole, "is cut short")
        two = compress(twelve_bits(smooth(), NumberOfFrames=2), [encoded])
        only_pixels_bad(write(tmp_path / "e.dcm", two, syntax), "damaged")
        other = compress(twelve_bits(smooth(), Rows=63), [encoded])
        if syntax != RLELossless:
            only_pixels_bad(write(tmp_path / "f.dcm", other, syntax), "promises 48 x 63")
    none = dataset_of(smooth())
    none.PixelData = encapsulate([b"\0\0"])[:8] + b"\xfe\xff\xdd\xe0\0\0\0\0"
    none["PixelData"].is_undefined_length, none["PixelData"].VR = True, "OB"
    only_pixels_bad(write(tmp_path / "g.dcm", none, JPEGLSLossless), "has no pixels|cut short|damaged")


def test_a_small_file_cannot_fill_the_memory_or_the_day(tmp_path):
    meta = b"\x02\0\x10\0UI" + (22).to_bytes(2, "little") + b"1.2.840.10008.1.2.1.99"
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(b"\x09\0\x10\0OB\0\0" + (80 * 2**20).to_bytes(4, "little"))
    packed += b"".join(packer.compress(bytes(2**24)) for _ in range(5)) + packer.flush()
    (tmp_path / "bomb").write_bytes(bytes(128) + b"DICM" + meta + packed)
    bad(tmp_path / "bomb", "unpacks to more than 64 MiB")
    (tmp_path / "zeros").write_bytes(bytes(128) + b"DICM" + meta.replace(b".99", b"\0\0\0") + bytes(2**20))
    bad(tmp_path / "zeros", "more elements than an image has")

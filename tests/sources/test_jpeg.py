"""JPEG pictures that are whole are read as they are, and broken ones are refused, in whatever file they stand."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage
from sources.dicom_files import compress, dataset_of, write

from synthmed import sources
from synthmed.errors import SourceError


@pytest.fixture
def scene(rng):
    """A smooth picture in [0, 1] with a black margin."""
    smooth = ndimage.gaussian_filter(rng.normal(size=(120, 136)), 3)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    smooth[:, 100:] = 0
    return smooth


def packed(scene, mode, **options):
    picture = Image.fromarray(np.dstack([scene * 255, scene * 128, scene * 90]).astype(np.uint8)).convert(mode)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", **options)
    return stream.getvalue()


def half(data):
    return data[: len(data) // 2] + b"\xff\xd9"


def wiped(data, length=40):
    return data[: len(data) // 2] + bytes(length) + data[len(data) // 2 + length :]


OPTIONS = [{"quality": 95}, {"quality": 60, "progressive": True}, {"optimize": True}, {"subsampling": 0}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_whole_picture_is_what_pillow_shows(tmp_path, scene, mode, options):
    data = packed(scene, mode, **options)
    (tmp_path / "a.jpg").write_bytes(data + bytes(600))  # some archives fill their last sector
    expected = np.asarray(Image.open(io.BytesIO(data)))
    found = sources.read(tmp_path / "a.jpg").pixels[0]
    np.testing.assert_array_equal(found, expected[None] if mode == "L" else expected.transpose(2, 0, 1))


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_half_a_picture_with_an_end_marker_is_refused(tmp_path, scene, mode, options):
    (tmp_path / "a.jpg").write_bytes(half(packed(scene, mode, **options)))
    with pytest.raises(SourceError, match=r"a\.jpg is damaged: its JPEG code"):
        sources.read(tmp_path / "a.jpg")


def test_a_lost_sector_is_refused_and_an_even_margin_is_not(tmp_path, scene):
    (tmp_path / "a.jpg").write_bytes(wiped(packed(scene, "RGB", quality=95)))
    with pytest.raises(SourceError, match="is damaged"):
        sources.read(tmp_path / "a.jpg")
    black = packed(np.zeros((512, 512)), "L", optimize=True)
    assert bytes(64) in black  # the code of black is all zeros
    (tmp_path / "a.jpg").write_bytes(black)
    assert not sources.read(tmp_path / "a.jpg").pixels.any()


def test_a_deep_picture_outside_dicom_says_how_deep_it_is(tmp_path, scene):
    data = imagecodecs.jpeg8_encode((scene * 4095).astype(np.uint16), bitspersample=12)
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(SourceError, match="JPEG of 12 bits; expected 8"):
        sources.open_header(tmp_path / "a.jpg")


@pytest.mark.parametrize("cut", [half, wiped])
def test_a_broken_strip_of_a_tiff_is_refused(tmp_path, scene, cut):
    picture = (scene * 255).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", picture, compression="jpeg", photometric="minisblack")
    assert sources.read(tmp_path / "a.tif").pixels.shape == (1, 1, 120, 136)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        (start,), (length,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    whole[start : start + length] = cut(bytes(whole[start : start + length])).ljust(length, b"\0")
    (tmp_path / "a.tif").write_bytes(whole)
    with pytest.raises(SourceError, match=r"a\.tif is damaged"):
        sources.read(tmp_path / "a.tif")


def encoded(scene, process, bits):
    stored = (scene * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    if process == "lossless":
        return stored, imagecodecs.ljpeg_encode(stored, bitspersample=bits), "1.2.840.10008.1.2.4.70"
    if process == "lossless, from above":
        data = imagecodecs.jpeg8_encode(stored, bitspersample=bits, lossless=True, predictor=2)
        return stored, data, "1.2.840.10008.1.2.4.57"
    return stored, imagecodecs.jpeg8_encode(stored, bitspersample=bits, level=95), "1.2.840.10008.1.2.4.51"


DEEP = [(process, bits) for process in ("lossless", "lossless, from above") for bits in (8, 12, 16)]


@pytest.mark.parametrize(("process", "bits"), [("lossy", 8), ("lossy", 12), *DEEP])
def test_dicom_of_any_depth_is_exact_where_whole_and_refused_where_not(tmp_path, scene, process, bits):
    stored, data, syntax = encoded(scene, process, bits)
    dataset = dataset_of(stored, BitsStored=bits, HighBit=bits - 1)
    found = sources.read(write(tmp_path / "a.dcm", compress(dataset, [data]), syntax)).pixels[0, 0]
    np.testing.assert_array_equal(found, imagecodecs.jpeg8_decode(data))
    with pytest.raises(SourceError, match=r"a\.dcm is damaged: its JPEG code"):
        sources.read(write(tmp_path / "a.dcm", compress(dataset, [half(data)]), syntax))


def test_values_of_a_lossless_picture_that_run_away_are_refused(tmp_path, rng, scene):
    stored, data, syntax = encoded(scene, "lossless", 12)
    dataset = dataset_of(stored, BitsStored=12, HighBit=11)
    for place in (0.3, 0.6, 0.9):
        broken = bytearray(data)
        start = int(place * len(data))
        broken[start : start + 40] = rng.integers(0, 250, 40).astype(np.uint8).tobytes()
        with pytest.raises(SourceError, match=r"a\.dcm is damaged: its JPEG code"):
            sources.read(write(tmp_path / "a.dcm", compress(dataset, [bytes(broken)]), syntax))
    grey = np.full((16, 16), 2048, np.uint16)  # as if it had ended early; it did not
    packed = compress(dataset_of(grey, BitsStored=12, HighBit=11), [imagecodecs.ljpeg_encode(grey, bitspersample=12)])
    assert (sources.read(write(tmp_path / "b.dcm", packed, syntax)).pixels == 2048).all()

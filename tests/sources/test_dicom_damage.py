"""Damaged DICOM files end in a picture or in a SourceError, whatever is wrong with them."""

import zlib

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)
from sources.dicom_files import compress, dataset_of, write

from synthmed.errors import SourceError
from synthmed.sources.dicom import read, read_header

FRAME = (np.add.outer(np.arange(24), np.arange(20)) * 50).astype(np.uint16)
ENCODED = {
    JPEGLosslessSV1: imagecodecs.ljpeg_encode(FRAME, bitspersample=12),
    JPEGLSLossless: imagecodecs.jpegls_encode(FRAME),
    JPEG2000Lossless: imagecodecs.jpeg2k_encode(FRAME, level=0, codecformat="j2k", bitspersample=12),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The bytes of one file a compression."""
    folder = tmp_path_factory.mktemp("whole")
    found = []
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, *ENCODED):
        dataset = dataset_of(FRAME, BitsStored=12, HighBit=11, WindowCenter=500, WindowWidth=900)
        if syntax in ENCODED:
            compress(dataset, [ENCODED[syntax]])
        found.append(write(folder / f"{syntax}.dcm", dataset, syntax).read_bytes())
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 4),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    end=st.floats(0, 1),
)
def test_any_damage_ends_in_a_picture_or_in_a_reason(files, tmp_path, which, flips, end):
    data = bytearray(files[which])
    for place, byte in flips:
        data[int(place * len(data))] = byte
    path = tmp_path / "damaged.dcm"
    path.write_bytes(data if end > 0.5 else data[: int(2 * end * len(data))])
    for reader in (read_header, read):
        try:
            reader(path)
        except SourceError as error:
            assert str(error).startswith("damaged.dcm") and "Secret" not in str(error)


def test_a_deflated_stream_must_come_to_its_end(tmp_path):
    dataset = dataset_of(FRAME, BitsStored=12, HighBit=11)
    whole = write(tmp_path / "a.dcm", dataset, DeflatedExplicitVRLittleEndian).read_bytes()
    np.testing.assert_array_equal(read(tmp_path / "a.dcm").pixels[0, 0], FRAME)
    (tmp_path / "a.dcm").write_bytes(whole[:-4])
    with pytest.raises(SourceError, match="cut short"):
        read(tmp_path / "a.dcm")


def test_a_deflated_frame_must_end_where_its_pixels_do(tmp_path):
    for extra, words in ((b"", ""), (b"more", "does not end where it should")):
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        frame = packer.compress(FRAME.tobytes() + extra) + packer.flush()
        dataset = compress(dataset_of(FRAME), [frame + bytes(len(frame) % 2)])
        path = write(tmp_path / "a.dcm", dataset, JPEGLSLossless)  # pydicom does not know the syntax of deflated frames
        path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.8.1\0"))
        if words:
            with pytest.raises(SourceError, match=words):
                read(path)
        else:
            np.testing.assert_array_equal(read(path).pixels[0, 0], FRAME)

"""DICOM files: the values of every compression and kind of pixel, or a sentence that says why not."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from sources.dicom_files import dataset_of, write

from synthmed.sources.dicom import is_dicom, read, read_header


def noise(*shape, dtype=np.uint16, top=4095, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, shape).astype(dtype)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (5, 7, 3)])
def test_raw_pixels_come_as_they_are(tmp_path, syntax, shape):
    pixels = noise(*shape)
    image = read(write(tmp_path / "a.dcm", dataset_of(pixels), syntax))
    planes = pixels.transpose(2, 0, 1)[None] if shape[-1] == 3 else pixels.reshape(-1, 1, 5, 7)
    assert np.array_equal(image.pixels, planes) and image.pixels.dtype == np.uint16
    assert image.header.frames == len(planes) and image.header.channels == planes.shape[1]


def test_the_header_is_that_of_the_pixels(tmp_path):
    path = write(tmp_path / "a.dcm", dataset_of(noise(5, 7), PixelSpacing=[0.5, 0.25], Modality="MR"))
    header = read_header(path)
    assert is_dicom(path) and header == read(path).header
    assert (header.height, header.width, header.spacing_mm) == (5, 7, (0.5, 0.25))
    assert (header.modality, header.patient_id, header.format) == ("MR", "P-17", "DICOM")

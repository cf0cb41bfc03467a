"""Phantoms in DICOM have the headers that hospitals' files have, and say that they are synthetic."""

import numpy as np
import pydicom
import pytest
from pydicom import config

from synthmed.phantoms import phantom
from synthmed.phantoms._dicom import uid

KINDS = ("breast_mr", "mammogram", "thorax")


@pytest.fixture(scope="module")
def headers(written):
    return {kind: [pydicom.dcmread(path) for path in sorted(written(kind).rglob("*.dcm"))] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_one_that_the_standard_allows(kind, headers, monkeypatch):
    monkeypatch.setattr(config.settings, "_reading_validation_mode", config.RAISE)
    for path in {image.SeriesInstanceUID: image for image in headers[kind]}.values():
        for element in pydicom.dcmread(path.filename).iterall():
            assert element.keyword, f"{element.tag} is in no dictionary"
            assert element.value is not None or element.VR in ("PN", "LO", "SH", "CS", "DA")


@pytest.mark.parametrize("kind", KINDS)
def test_files_say_that_they_are_synthetic_and_name_nobody(kind, headers):
    for image in headers[kind]:
        assert image.SyntheticData == "YES"
        assert image.PatientIdentityRemoved == "YES"
        assert image.PatientID == str(image.PatientName)
        assert image.PatientID.startswith(f"phantom-{kind}-3-000")
        assert not image.PatientBirthDate
        assert not image.ReferringPhysicianName


@pytest.mark.parametrize("kind", KINDS)
def test_identifiers_name_one_thing_each(kind, headers):
    images = headers[kind]
    assert len({image.SOPInstanceUID for image in images}) == len(images)
    for image in images:
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert image.file_meta.MediaStorageSOPClassUID == image.SOPClassUID
        for name in (image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID):
            assert name.startswith("2.25.") and name.is_valid
    patients = {(image.PatientID, image.StudyInstanceUID) for image in images}
    assert len(patients) == len({patient for patient, _ in patients}) == 2
    series = {(image.SeriesInstanceUID, image.SeriesNumber, image.StudyInstanceUID) for image in images}
    assert len(series) == len({one for one, _, _ in series})


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_fill_the_bits_that_the_header_promises(kind, headers):
    for image in headers[kind]:
        pixels = image.pixel_array
        assert pixels.shape == (image.Rows, image.Columns)
        low, high = (-(2**15), 2**15) if image.PixelRepresentation else (0, 2**image.BitsStored)
        assert low <= pixels.min() < pixels.max() < high


def test_another_size_is_another_image(written, tmp_path):
    larger = phantom("mammogram", tmp_path / "larger", num=1, seed=3, size=80)
    (image,) = [pydicom.dcmread(path) for path in larger.rglob("*.dcm")]
    first = pydicom.dcmread(min(written("mammogram").rglob("R-CC.dcm")))
    assert image.PatientID == first.PatientID
    assert image.SOPInstanceUID != first.SOPInstanceUID


def test_a_uid_is_a_uuid_in_decimal():
    assert 0 < int(uid("thorax", 0).removeprefix("2.25.")) < 2**128
    assert len({uid("thorax", k) for k in range(50)}) == 50


def test_the_planes_of_a_series_are_parallel_and_evenly_spaced(headers):
    for kind in ("breast_mr", "thorax"):
        series = {}
        for image in headers[kind]:
            series.setdefault(image.SeriesInstanceUID, []).append(image)
        for images in series.values():
            places = np.array([image.ImagePositionPatient for image in images], dtype=float)
            steps = np.diff(np.sort(places[:, 2]))
            assert np.allclose(steps, float(images[0].SpacingBetweenSlices))
            assert np.ptp(places[:, :2], axis=0).max() == 0
            assert {tuple(image.ImageOrientationPatient) for image in images} == {(1, 0, 0, 0, 1, 0)}
            assert len({image.FrameOfReferenceUID for image in images}) == 1

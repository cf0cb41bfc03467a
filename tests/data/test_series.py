"""Series: slices are put in their order in the patient, and a series that is not whole says what is wrong."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synthmed.data.kinds import _series, ct
from synthmed.data.kinds._contrasts import by_headers, stacks_of, why_not_together
from synthmed.data.kinds._series import read_stack, same_grid, series_of, why_no_stack, without_copies
from synthmed.data.kinds._studies import studies_of
from synthmed.sources.image import SourceHeader, SourceImage

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def header(number, z, **facts):
    usual = dict(
        path=Path(f"{number:03d}.dcm"),
        format="DICOM",
        height=6,
        width=5,
        spacing_mm=(1.0, 1.0),
        patient_id="P",
        study_id="1",
        series_id="1",
        instance_id=f"{number}-{z}",
        instance_number=number,
        position_mm=(0.0, 0.0, float(z)),
        orientation=AXIAL,
    )
    return SourceHeader(**{**usual, **facts})


def stack(heights, **facts):
    return series_of([header(number, z, **facts) for number, z in enumerate(heights)])[0]


def test_slices_are_sorted_from_the_feet_whatever_their_names():
    assert [one.position_mm[2] for one in stack([30, 10, 20, 0])] == [0, 10, 20, 30]
    assert why_no_stack(stack([30, 10, 20, 0]), gaps=False) == ""


def test_series_are_told_apart_by_patient_study_and_series():
    headers = [header(0, 0), header(1, 5), header(2, 0, series_id="2"), header(3, 0, patient_id="Q")]
    assert sorted(map(len, series_of(headers))) == [1, 1, 2]
    # Without a number of the series the folder tells.
    headers = [header(n, n, series_id="", path=Path(f"{folder}/{n}.dcm")) for n, folder in enumerate("aab")]
    assert sorted(map(len, series_of(headers))) == [1, 2]


def test_the_same_picture_is_one_with_the_same_pixels_at_the_same_place(monkeypatch):
    twins = [header(number, 0, instance_id="x") for number in range(3)]
    elsewhere = header(3, 5, instance_id="x")
    pictures = {"000.dcm": 1, "001.dcm": 2, "002.dcm": 1}  # of equal headers, one has other pixels
    decoded = []

    def read(path):
        decoded.append(path.name)
        return SourceImage(header=twins[0], pixels=np.full((1, 1, 6, 5), pictures[path.name]))

    monkeypatch.setattr(_series, "read", read)
    kept, copies = without_copies([*twins, elsewhere])
    assert [one.path.name for one in kept] == ["000.dcm", "001.dcm", "003.dcm"]
    assert copies == [(Path("002.dcm"), Path("000.dcm"))]
    assert sorted(decoded) == sorted(pictures)
    # One number for all slices, as after a bad anonymisation, costs no decoding.
    assert len(without_copies([header(n, 5 * n, instance_id="x") for n in range(4)])[0]) == 4


def turned(degrees):
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (cosine, sine, 0.0, -sine, cosine, 0.0)


def pair(**second):
    return [header(0, 0), header(1, 5), header(2, 10, **second)]


@pytest.mark.parametrize(
    ("series", "words"),
    [
        (stack([0, 5, 10, 20, 25]), "About 1 of its slices"),
        (stack([0, 5, 5, 10]), "same height"),
        ([header(0, 0), header(1, 5, height=9)], "1 of 5 x 6 and 1 of 5 x 9"),
        ([header(0, 0), header(1, 5, orientation=(1.0, 0, 0, 0, 0, -1.0))], "different planes"),
        (stack([0, 5], orientation=(0.0, 1.0, 0, 0, 0, -1.0)), "not axial"),
        (stack([0, 5], position_mm=()), "how the patient lies"),
        (stack([0], channels=3), "in colour"),
        (stack([0, 5, 10, 15, 17.5]), "5.00 mm apart, and once 2.50 mm"),
        (pair(spacing_mm=(0.5, 0.5)), "2 of 1 x 1 mm and 1 of 0.5 x 0.5 mm"),
        (pair(orientation=turned(1)), "different planes"),
        (pair(frame_of_reference="2"), "frames of reference"),
        (pair(unit="HU"), "mean different things"),
        (pair(photometric="MONOCHROME1"), "mean different things"),
        (pair(modality="PT"), "different modalities"),
        (pair(position_mm=(20.0, 0.0, 10.0)), "slanted by 63 degrees"),
        ([header(0, 0), header(1, 5, position_mm=(3.0, 0, 5)), header(2, 10)], "one begins 3.0 mm aside"),
        ([header(n, 0, position_mm=(0, 5 * n * np.tan(0.26), 5.0 * n)) for n in range(4)], "a tilted gantry"),
        ([header(0, 0, frames_alike=False)], "Its frames lie in different planes"),
    ],
)
def test_a_series_that_is_not_whole_says_why(series, words):
    assert words in why_no_stack(series, gaps=False)


def test_what_headers_round_makes_no_difference():
    rounded = [
        header(n, 3 * n, orientation=(1.0, 0.00049 + 1e-5 * n, 0, -0.00049 - 1e-5 * n, 1.0, 0)) for n in range(5)
    ]
    rounded += [header(5, 15.04, orientation=turned(0.3)), header(6, 18, spacing_mm=(1.0005, 1.0005))]
    assert why_no_stack(series_of(rounded)[0], gaps=False) == ""


def test_an_oblique_stack_that_is_straight_is_one():
    normal = np.cross(AXIAL[:3], (0, np.cos(0.2), np.sin(0.2)))
    oblique = [
        header(n, 0, orientation=(1.0, 0, 0, 0, np.cos(0.2), np.sin(0.2)), position_mm=tuple(4.0 * n * normal))
        for n in range(4)
    ]
    assert why_no_stack(series_of(oblique)[0], gaps=False) == ""


def test_gaps_may_be_accepted():
    assert why_no_stack(stack([0, 5, 10, 20, 25]), gaps=True) == ""


TURNS = {
    "": ((1.0, 0, 0, 0, 1.0, 0), lambda picture: picture),
    "R\\A": ((-1.0, 0, 0, 0, -1.0, 0), lambda picture: picture[::-1, ::-1]),
    "A\\L": ((0, -1.0, 0, 1.0, 0, 0), lambda picture: picture.T[:, ::-1]),
}


@pytest.mark.parametrize("letters", TURNS)
def test_a_patient_on_belly_or_side_is_turned_upright(monkeypatch, letters):
    """``upright`` is what the radiologist should see; the file holds it as this patient's position made it."""
    orientation, stored_as = TURNS[letters]
    upright = np.arange(20).reshape(4, 5)
    stored = np.ascontiguousarray(stored_as(upright))
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    # The first stored pixel lies where the corner of the upright picture that it shows lies: 2 mm pixels, z = 7.
    row, column = np.argwhere(upright == stored[0, 0])[0]
    place = (2.0 * column, 2.0 * row, 7.0)
    one = header(
        0,
        7,
        height=stored.shape[0],
        width=stored.shape[1],
        orientation=(*across, *down),
        position_mm=place,
        spacing_mm=(2.0, 2.0),
    )
    monkeypatch.setattr(_series, "read", lambda path: SourceImage(header=one, pixels=stored[None, None]))
    volume = read_stack([one.path])
    np.testing.assert_array_equal(volume.slices[0], upright)
    assert volume.turned == letters
    np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], [0, 0, 7, 1], atol=1e-9)
    assert same_grid(volume, volume)


def phases(numbers, series=None, **facts):
    """Two slices of each phase; ``series`` None = all phases under one number."""
    return [
        header(
            10 * number + k, 5 * k, acquisition_number=number, series_id=str(number if series is None else series),
            series_description="t1_dyn", series_number=number, **facts,
        )
        for number in numbers
        for k in range(2)
    ]  # fmt: skip


def all_stacks(headers):
    return [one for series in series_of(headers) for one in stacks_of(series, lambda path: path.name)]


def test_phases_under_one_number_are_told_apart():
    stacks = all_stacks(phases([1, 2, 3], series=1))
    assert [one.headers[0].acquisition_number for one in stacks] == [1, 2, 3]
    assert all(len(one.headers) == 2 for one in stacks)


def test_phases_on_one_grid_are_not_lost_to_rounding():
    headers = [*phases([1]), *phases([2], position_mm=None), *phases([3])]
    headers = [
        one if one.position_mm else header(one.instance_number, 0, **{
            "acquisition_number": 2, "series_id": "2", "series_description": "t1_dyn", "series_number": 2,
            "position_mm": (0.0, 0.04, 5.0 * (one.instance_number % 10)), "spacing_mm": (1.0004, 1.0004),
        })
        for one in headers
    ]  # fmt: skip
    found, reason = by_headers(all_stacks(headers), posts=2, t2="", dynamic="dyn", scanner_sub=False)
    assert reason == "" and len(found) == 3


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (lambda phase, slice_: {"trigger_time": 60000.0 * phase}, "the trigger time"),
        (lambda phase, slice_: {"acquisition_time": 36000.0 + 75 * phase}, "the time of acquisition"),
        # Each slice has a time of its own.
        (lambda phase, slice_: {"acquisition_time": 36000.0 + 75 * phase + slice_}, "the time of acquisition"),
        (lambda phase, slice_: {"acquisition_time": 36000.0, "temporal_position": 1 + phase},
         "the number of the point in time"),
        (lambda phase, slice_: {"acquisition_number": 1 + phase}, "the number of the acquisition"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("one_series", [True, False])
def test_points_in_time_are_found_by_what_the_headers_say(says, words, one_series):
    """Three phases of four slices whose files lie in any order; the last phase stands first in it."""
    headers = [
        header(
            10 * phase + k, 5 * k, series_id="1" if one_series else str(phase), series_description="t1_dyn",
            **says(phase, k),
        )
        for phase in (2, 0, 1) for k in (3, 1, 0, 2)
    ]  # fmt: skip
    usual = {"t2": "", "dynamic": "dyn", "scanner_sub": False}
    found, reason = by_headers(all_stacks(headers), posts=2, **usual)
    assert reason == ""
    for phase, name in enumerate(("T1 pre", "T1 post1", "T1 post2")):
        assert [one.instance_number for one in found[name].headers] == [10 * phase + k for k in range(4)]
    reason = by_headers(all_stacks(headers), posts=4, **usual | {"t2": "t2"})[1]
    assert f"2 phases after contrast medium (told apart by {words}) instead of 4 and it has no T2 series" in reason
    assert "Set posts=2 and t2='' to go without T2" in reason


def test_contrast_medium_tells_two_phases_apart_and_contradicts_a_wrong_clock():
    headers = [*phases([2], series=1, contrast_agent=False), *phases([1], series=1, contrast_agent=True)]
    usual = dict(posts=1, t2="", dynamic="dyn", scanner_sub=False)
    found, reason = by_headers(all_stacks(headers), **usual)
    assert reason == "" and not found["T1 pre"].headers[0].contrast_agent
    headers = [
        *phases([1], acquisition_time=100.0, contrast_agent=True), *phases([2], acquisition_time=200.0)
    ]  # fmt: skip
    assert "comes before one without" in by_headers(all_stacks(headers), **usual)[1]


def test_phases_that_nothing_tells_apart_are_not_put_in_any_order():
    headers = [
        header(10 * phase + k, 5 * k, series_id=str(phase), series_description="t1_dyn")
        for phase in (0, 1) for k in range(2)
    ]  # fmt: skip
    reason = by_headers(all_stacks(headers), posts=1, t2="", dynamic="dyn", scanner_sub=False)[1]
    assert "cannot be put in order" in reason


def test_a_t2_in_a_study_of_its_own_joins_the_dynamic_in_the_same_coordinates():
    dynamic = phases([1, 2], study_id="one", frame_of_reference="F", patient_id="P", modality="MR")
    apart = [
        header(50 + k, 5 * k, series_id="t2", series_description="t2", study_id="two", patient_id="P", modality="MR",
               frame_of_reference="F", acquisition_number=3)
        for k in range(2)
    ]  # fmt: skip
    assert len(studies_of([*dynamic, *apart], Path("."), [])) == 1
    other = [replace(one, frame_of_reference="G") for one in apart]
    assert len(studies_of([*dynamic, *other], Path("."), [])) == 2


def test_channels_are_matched_by_time_and_contrast():
    headers = [
        *phases([3, 1, 2]),
        header(50, 0, series_id="t2", series_description="T2_tse", height=9),
        header(51, 0, series_id="tirm", series_description="t2_tirm", height=9),
        header(52, 0, series_id="sub", series_description="t1_dyn_SUB", acquisition_number=2),
        header(53, 5, series_id="sub", series_description="t1_dyn_SUB", acquisition_number=2),
    ]
    usual = dict(posts=2, t2="t2", dynamic="dyn", scanner_sub=True)
    found, reason = by_headers(all_stacks(headers), **usual)
    assert reason == "" and list(found) == ["T2", "T1 pre", "T1 post1", "T1 post2", "Sub"]
    numbers = [found[name].headers[0].acquisition_number for name in ("T1 pre", "T1 post1", "T1 post2", "Sub")]
    assert numbers == [1, 2, 3, 2] and found["T2"].description == "T2_tse"
    assert "2 phases" in by_headers(all_stacks(headers), **{**usual, "posts": 3})[1]
    assert "no T2" in by_headers(all_stacks(headers[:6]), **usual)[1]
    assert "0 subtractions" in by_headers(all_stacks(headers[:7]), **usual)[1]


def test_contrasts_in_different_frames_of_reference_are_not_laid_over_each_other():
    stacks = [*all_stacks(phases([1])), *all_stacks(phases([2], frame_of_reference="another"))]
    found, _ = by_headers(stacks, posts=1, t2="", dynamic="dyn", scanner_sub=False)
    assert "T1 pre and T1 post1, for instance" in why_not_together(found)
    assert why_not_together({"T1 pre": found["T1 pre"]}) == ""


def test_the_time_of_acquisition_goes_before_its_number():
    headers = [*phases([1], acquisition_time=200.0), *phases([2], acquisition_time=100.0)]
    found, _ = by_headers(all_stacks(headers), posts=1, t2="", dynamic="dyn", scanner_sub=False)
    assert found["T1 pre"].headers[0].acquisition_number == 2


def test_a_dicom_series_with_a_volume_of_labels(tmp_path):
    pytest.importorskip("synthmed.sources.dicom", reason="needs the reader of DICOM")
    pydicom = pytest.importorskip("pydicom")
    import nibabel
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    series, study = generate_uid(), generate_uid()
    folder = tmp_path / "source" / "images" / "anna"
    folder.mkdir(parents=True)
    units = np.full((4, 16, 16), -1000, np.int16)
    units[:, 4:12, 2:10] = 60
    units[2, 4:12, 2:10] = 400
    for k in range(4):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        image = pydicom.Dataset()
        image.file_meta = meta
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        image.Modality, image.PatientID, image.InstanceNumber = "CT", "Anna", 4 - k
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.Rows = image.Columns = 16
        image.PixelSpacing, image.ImageOrientationPatient = [2, 2], [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [-16, -16, 5 * k]
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.RescaleIntercept, image.RescaleSlope = -1024, 1
        image.PixelData = (units[k] + 1024).astype(np.uint16).tobytes()
        image.save_as(folder / f"IM{3 - k}", enforce_file_format=True)
    affine = np.diag([-2.0, -2.0, 5.0, 1.0])
    affine[:3, 3] = 16, 16, 0
    (tmp_path / "source" / "masks").mkdir()
    labels = (units > -500).astype(np.uint8).transpose(2, 1, 0)
    nibabel.Nifti1Image(labels, affine).to_filename(tmp_path / "source" / "masks" / "anna.nii.gz")
    (tmp_path / "table.csv").write_text("value,name\n1,body\n")
    settings = ct.Settings(table=str(tmp_path / "table.csv"))
    found = ct.find(tmp_path / "source", settings, map)
    assert [(item.name, item.patient_id) for item in found.items] == [("images/anna", "Anna")]
    info = ct.describe(found, settings, 16, 16)
    made = ct.make(found.items[0], info, settings)
    assert [image.part for image in made] == [f"slice {k:04d}" for k in range(4)]
    np.testing.assert_array_equal(made[0].mask, units[0] > -500)
    np.testing.assert_allclose(made[2].image[0] / 65535 * 2000 - 1000, units[2], atol=0.02)

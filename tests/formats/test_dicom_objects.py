import re
from itertools import pairwise

import numpy as np
import pydicom
import pytest
from formats.written import CT, FILES, LABELS, MAMMOGRAM, MR, PROVENANCE, RETINA, pairs, written
from pydicom.sr.codedict import codes

from synthmed import sources
from synthmed.data.dataset import PreparedDataset
from synthmed.data.prepare import prepare
from synthmed.formats import dicom, dicom_codes
from synthmed.formats.dicom_modules import OBJECTS, chest_wall
from synthmed.formats.writing import write
from synthmed.sources.dicom_header import _VIEWS


@pytest.fixture(params=FILES)
def made(request, tmp_path):
    """The pairs, the datasets of all files by name, the meaning, the kind of object."""
    meaning, kind = FILES[request.param]
    drawn, files = written(tmp_path, "dicom", meaning, kind)
    return drawn, {file.relative_to(tmp_path).as_posix(): pydicom.dcmread(file) for file in files}, meaning, kind


def images_of(files):
    return {name: file for name, file in files.items() if name.startswith("images")}


def masks_of(files):
    return [file for name, file in files.items() if name.startswith("masks")]


def test_every_stored_number_and_every_physical_value_comes_back(made):
    drawn, files, meaning, kind = made
    shown = meaning.shown
    for name, file in images_of(files).items():
        number = int(re.search(r"\d{5}", name)[0])
        channel = int(re.search(r"/(\d)-", name)[1]) if "-" in name else slice(None)
        if kind == "multi-frame":
            stored = np.stack([image for _, image, _ in drawn])
            stored = stored.transpose(0, 2, 3, 1) if meaning.is_colour else stored[:, 0]
        else:
            stored = drawn[number][1][channel]
            stored = stored.transpose(1, 2, 0) if meaning.is_colour else np.atleast_3d(stored)
            stored = stored if meaning.is_colour else stored[0] if stored.shape[0] == 1 else stored[..., 0]
        assert np.array_equal(file.pixel_array, stored)
        if "RescaleSlope" in file:
            physical = pydicom.pixels.apply_modality_lut(file.pixel_array, file)
            assert np.allclose(physical, shown.physical(stored), atol=1e-4)
            assert np.isclose(physical.min(), shown.low) and np.isclose(physical.max(), shown.high)


def test_a_window_shows_the_darkest_black_and_the_brightest_white(made):
    _, files, _, _ = made
    for file in images_of(files).values():
        if "WindowCenter" in file:
            physical = pydicom.pixels.apply_modality_lut(file.pixel_array, file)
            shown = pydicom.pixels.apply_windowing(physical, file)
            # pydicom shows black and white as the ends of what can be stored, in physical units.
            black, white = pydicom.pixels.apply_modality_lut(np.array([0, 2**file.BitsStored - 1]), file)
            assert np.isclose(shown[physical == physical.min()].max(), black)
            assert np.isclose(shown[physical == physical.max()].min(), white)
            assert len(np.unique(shown)) > 200


def test_radiologists_windows_follow_the_whole_range_of_hounsfield_units(tmp_path):
    _, files = written(tmp_path, "dicom", CT, "ct", count=1)
    said = pydicom.dcmread(files[0])
    assert said.WindowCenterWidthExplanation == ["WHOLE RANGE", "SOFT TISSUE", "LUNG", "BONE"]
    assert [float(value) for value in said.WindowCenter] == [0.5, 40, -600, 400]
    assert [float(value) for value in said.WindowWidth] == [2001, 400, 1500, 1800]
    assert said.RescaleType == "HU" and said.BitsStored == 16


def test_everything_says_that_it_is_synthetic_and_of_nobody(made):
    _, files, _, _ = made
    for file in files.values():
        assert file.SyntheticData == "YES" and file.ImageType[0] == "DERIVED"
        equipment = file.ContributingEquipmentSequence[0]
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == codes.DCM.SynthesizingEquipment.value
        assert equipment.Manufacturer == "synthmed" and equipment.ContributionDescription == "dual_gan"
        assert str(file.PatientName).startswith("SYNTHETIC^") and file.PatientID.startswith("SYN-")
        assert file.PatientName.given_name == file.PatientID.removeprefix("SYN-")


def test_there_is_no_date_but_the_made_up_one_and_no_identifier_but_ours(made):
    _, files, _, _ = made
    registered = re.compile(r"1\.2\.840\.10008\.")

    def check(item, element):
        if element.VR == "DA" and element.value:
            assert element.value == "20000101", element.keyword
        if element.VR in ("TM", "DT") and element.value:
            assert element.value == "000000", element.keyword
        if element.VR == "UI":
            assert str(element.value).startswith("2.25.") or registered.match(str(element.value)), element.keyword

    for file in files.values():
        file.walk(check)
        file.file_meta.walk(check)
        assert file.PatientBirthDate == "" and file.PatientSex == "" and file.ReferringPhysicianName == ""


def test_identifiers_are_unique_deterministic_and_follow_the_pixels(tmp_path):
    drawn = list(pairs(CT))
    uids = {}
    for name, pixels in (("a", 0), ("b", 0), ("c", 1)):
        changed = [(sample, image ^ np.uint16(pixels), mask) for sample, image, mask in drawn]
        files = write(changed, tmp_path / name, "dicom", meaning=CT, provenance=PROVENANCE, dicom_object="ct")
        uids[name] = [pydicom.dcmread(file).SOPInstanceUID for file in files]
    assert uids["a"] == uids["b"] and len(set(uids["a"])) == 6
    images, masks = slice(0, None, 2), slice(1, None, 2)
    assert not set(uids["a"][images]) & set(uids["c"][images]) and uids["a"][masks] == uids["c"][masks]


def test_each_image_is_a_study_of_its_own_and_its_channels_are_series_of_one_study(tmp_path):
    _, files = written(tmp_path, "dicom", MR, "mr", count=2)
    said = [pydicom.dcmread(file) for file in files]
    first, second = said[:4], said[4:]
    assert len({file.StudyInstanceUID for file in first}) == len({file.PatientID for file in first}) == 1
    assert {file.StudyInstanceUID for file in first}.isdisjoint(file.StudyInstanceUID for file in second)
    assert len({file.SeriesInstanceUID for file in first}) == 4
    assert [file.SeriesDescription for file in first[:3]] == ["Synthetic T2", "Synthetic T1 pre", "Synthetic T1 post1"]
    assert [file.SeriesNumber for file in first] == [1, 2, 3, 100]
    assert len({file.FrameOfReferenceUID for file in first}) == 1
    assert [float(value) for value in first[0].PixelSpacing] == [1.5, 1.5]


def test_frames_of_one_file_are_at_most_so_many(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom, "FRAMES", 2)
    drawn, files = written(tmp_path, "dicom", CT, "multi-frame", count=5)
    images = [pydicom.dcmread(file) for file in files if file.parent.name == "images"]
    assert [file.get("NumberOfFrames") for file in images] == [2, 2, 1]
    assert np.array_equal(images[1].pixel_array[1], drawn[3][1][0])
    masks = [pydicom.dcmread(file) for file in files if file.parent.name == "masks"]
    sources_of = [mask.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0] for mask
                  in masks]  # fmt: skip
    assert [(one.ReferencedSOPInstanceUID, one.get("ReferencedFrameNumber")) for one in sources_of] == [
        (images[0].SOPInstanceUID, 1), (images[0].SOPInstanceUID, 2), (images[1].SOPInstanceUID, 1),
        (images[1].SOPInstanceUID, 2), (images[2].SOPInstanceUID, None),
    ]  # fmt: skip


def test_a_mask_lies_on_its_image_and_names_it(made):
    drawn, files, _, kind = made
    images = list(images_of(files).values())
    for number, mask in enumerate(masks_of(files)):
        source = mask.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        image = next(file for file in images if file.SOPInstanceUID == source.ReferencedSOPInstanceUID)
        assert source.ReferencedSOPClassUID == image.SOPClassUID
        assert (mask.Rows, mask.Columns) == (image.Rows, image.Columns)
        assert (mask.StudyInstanceUID, mask.PatientID) == (image.StudyInstanceUID, image.PatientID)
        frames = mask.pixel_array.reshape(-1, mask.Rows, mask.Columns)
        for frame, segment in zip(frames, mask.SegmentSequence, strict=True):
            assert np.array_equal(frame, drawn[number][2] == segment.SegmentNumber)
        if kind in ("ct", "mr"):
            place = mask.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
            plane = mask.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
            measures = mask.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
            assert place == image.ImagePositionPatient and plane == image.ImageOrientationPatient
            assert measures.PixelSpacing == image.PixelSpacing
            assert mask.FrameOfReferenceUID == image.FrameOfReferenceUID


def test_segments_are_named_by_codes_and_by_what_the_set_calls_them(tmp_path):
    _, files = written(tmp_path, "dicom", CT, "ct", count=1)
    segments = pydicom.dcmread(files[1]).SegmentSequence
    assert [one.SegmentLabel for one in segments] == [LABELS[label] for label in "123"]
    kinds = [one.SegmentedPropertyTypeCodeSequence[0] for one in segments]
    assert [(kind.CodingSchemeDesignator, kind.CodeMeaning) for kind in kinds] == [
        ("SCT", "Liver"), ("SCT", "Bone"), ("99SYNTHMED", "odd thing"),
    ]  # fmt: skip


def test_an_empty_mask_is_a_mask(tmp_path):
    drawn = [(sample, image, np.zeros_like(mask)) for sample, image, mask in pairs(CT, count=1)]
    files = write(drawn, tmp_path, "dicom", meaning=CT, provenance=PROVENANCE)
    read = sources.read(files[1])
    assert read.pixels.shape == (1, 1, 20, 31) and not read.pixels.any()


def test_our_own_reader_sees_the_same_values_and_labels(made, tmp_path):
    drawn, files, meaning, kind = made
    for number in range(len(drawn)):
        mask = sources.read(tmp_path / f"masks/{number:05d}.dcm")
        assert np.array_equal(mask.pixels[0, 0], drawn[number][2]) and mask.header.frames == 1
    first = sources.read(tmp_path / next(iter(images_of(files))))
    image = drawn[0][1] if meaning.is_colour else drawn[0][1][:1]
    wanted = image if meaning.is_colour or kind == "op" else meaning.shown.physical(image)
    assert np.allclose(first.pixels[0], wanted, atol=1e-4)
    if meaning.spacing_mm:
        assert first.header.spacing_mm[:2] == meaning.spacing_mm


def discs(meaning, count=6, size=64):
    """Images that a kind takes for what it prepares: air around something dense, with a mask of it."""
    rows, columns = np.mgrid[:size, :size]
    for sample, _, _ in pairs(meaning, count):
        numbers = np.random.default_rng(sample.seed)
        inside = (rows - size // 2) ** 2 + (columns - 4) ** 2 < (18 + numbers.integers(8)) ** 2
        level = 0.5 if meaning.kind == "ct" else 0.7
        value = np.where(inside, level + 0.05 * numbers.random(inside.shape), 0.0)
        image = np.rint(value * (2**meaning.bits - 1)).astype(f"uint{meaning.bits}")
        yield sample, np.stack([image] * len(meaning.channels)), inside.astype(np.uint8)


@pytest.mark.parametrize(
    ("meaning", "kind", "file_format", "dicom_object"),
    [
        (CT, "ct", "dicom", "ct"),
        (CT, "ct", "nifti", "sc"),
        (MAMMOGRAM, "mammogram", "dicom", "mg"),
        (MAMMOGRAM, "mammogram", "dicom", "sc"),
        (RETINA, "retina", "dicom", "op"),
        (RETINA, "retina", "dicom", "sc"),
        (RETINA, "retina", "png", "sc"),
    ],
)
def test_prepare_makes_the_same_images_of_what_was_written(tmp_path, meaning, kind, file_format, dicom_object):
    if kind == "ct":
        meaning = meaning.model_copy(update={"spacing_mm": (0.9, 0.9)})
    drawn = list(discs(meaning))
    folder = tmp_path / "written"
    write(drawn, folder, file_format, meaning=meaning, provenance=PROVENANCE, dicom_object=dicom_object)
    for sidecar in folder.rglob("*.json"):
        sidecar.unlink()
    (tmp_path / "table.csv").write_text("value,name\n0,background\n1,liver\n")
    more = {"ct": {"table": tmp_path / "table.csv"}, "mammogram": {"overrides": ["remove_markers=false"]}}
    prepare(folder, tmp_path / "data", kind=kind, size=64, workers=1, **more.get(kind, {}))
    data = PreparedDataset.open(tmp_path / "data")
    assert len(data) == len(drawn)
    keys = {image.tobytes(): mask for _, image, mask in drawn}
    for index in range(len(data)):
        image, mask = data.images([index])[0], data.masks([index])[0]
        assert image.tobytes() in keys, "the stored numbers are those that were written"
        assert np.array_equal(mask, keys[image.tobytes()])
    if meaning.spacing_mm:
        assert np.allclose(data.rows[0].spacing_mm, meaning.spacing_mm, atol=1e-6)


def test_the_side_of_a_mammogram_is_that_of_its_chest_wall(tmp_path):
    picture = np.zeros((8, 8), np.uint8)
    picture[:, :3] = 200
    assert (chest_wall(picture), chest_wall(picture[:, ::-1])) == ("L", "R")


def test_codes_are_those_of_the_dictionary():
    pairs_of_codes = [code for pair in dicom_codes._LABELS.values() for code in pair]
    known = {(code.value, code.scheme_designator): code.meaning for code in map(codes.SCT.__getattr__, codes.SCT.dir())}
    for code in [*pairs_of_codes, dicom_codes.BREAST, dicom_codes.EYE, dicom_codes.NO_VIEW]:
        assert (code.value, code.scheme) in known, code
    assert {view: _VIEWS[code.value] for view, code in dicom_codes.VIEWS.items()} == {name: name for name in
                                                                                   dicom_codes.VIEWS}  # fmt: skip


def test_every_object_is_tried_here():
    assert {kind for _, kind in FILES.values()} == set(OBJECTS)
    assert all(one != other for one, other in pairwise(sorted(FILES)))

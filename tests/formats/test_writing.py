import errno
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from formats.written import CELLS, CT, MAMMOGRAM, MR, PROVENANCE, RETINA, pairs, written

from synthmed import sources
from synthmed.errors import ArtifactError, ConfigError, DataError, StorageError
from synthmed.formats import writing
from synthmed.formats.meaning import Meaning, Provenance
from synthmed.formats.writing import FORMATS, write
from synthmed.samples import SampleSet, write_samples
from synthmed.sources.exact import read_pixels


def test_nothing_is_lost_in_nifti_and_voxels_are_physical(tmp_path):
    made, files = written(tmp_path, "nifti", CT)
    assert [file.relative_to(tmp_path).as_posix() for file in files[:3]] == [
        "images/00000.nii.gz", "masks/00000.nii.gz", "images/00000.json",
    ]  # fmt: skip
    for number, (_, image, mask) in enumerate(made):
        read = nibabel.load(tmp_path / f"images/{number:05d}.nii.gz")
        assert np.array_equal(np.asarray(read.dataobj.get_unscaled())[:, :, 0].T, image[0])
        # NIfTI-1 keeps the slope in 32 bits: 0.0001 HU over the whole window.
        assert np.allclose(read.get_fdata()[:, :, 0].T, CT.physical(image[0]), atol=1e-4)
        assert np.array_equal(
            np.asarray(nibabel.load(tmp_path / f"masks/{number:05d}.nii.gz").dataobj)[:, :, 0].T, mask
        )


def test_the_affine_of_nifti_has_the_spacing_and_the_middle_at_the_origin(tmp_path):
    written(tmp_path, "nifti", CT, count=1)
    image, mask = (nibabel.load(tmp_path / what / "00000.nii.gz") for what in ("images", "masks"))
    assert np.allclose(image.affine, [[-0.9, 0, 0, 13.5], [0, -0.7, 0, 6.65], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert np.array_equal(image.affine, mask.affine)
    middle = image.affine @ [(31 - 1) / 2, (20 - 1) / 2, 0, 1]
    assert np.allclose(middle[:3], 0, atol=1e-5)
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")


def test_our_own_reader_sees_the_same_values_in_nifti(tmp_path):
    made, _ = written(tmp_path, "nifti", CT, count=1)
    read = sources.read(tmp_path / "images/00000.nii.gz")
    assert np.allclose(read.pixels[0, 0], CT.physical(made[0][1][0]), atol=1e-4)
    assert np.allclose(read.header.spacing_mm[:2], (0.7, 0.9))


def test_the_sidecar_says_what_nifti_cannot(tmp_path):
    written(tmp_path, "nifti", CT, count=1)
    said = json.loads((tmp_path / "images/00000.json").read_text())
    assert said["SyntheticData"] is True and said["Units"] == "HU" and said["SpacingIsKnown"] is True
    assert (said["seed"], said["lineage"], said["Labels"]["1"]) == (100, "sampled", "liver")
    assert said["ConversionSoftware"] == "synthmed" and said["MadeBy"] == "dual_gan"


def test_several_channels_are_a_file_each_in_the_folder_of_the_image(tmp_path):
    made, files = written(tmp_path, "nifti", MR, count=1)
    assert [file.name for file in files] == [
        "0-T2.nii.gz", "1-T1-pre.nii.gz", "2-T1-post1.nii.gz", "00000.nii.gz", "00000.json",
    ]  # fmt: skip
    for channel, file in enumerate(files[:3]):
        stored = np.asarray(nibabel.load(file).dataobj.get_unscaled())[:, :, 0].T
        assert np.array_equal(stored, made[0][1][channel])


@pytest.mark.parametrize("meaning", [CT, MR, MAMMOGRAM, RETINA], ids=lambda meaning: meaning.kind)
def test_arrays_hold_physical_values_that_lead_back_to_the_stored_ones(tmp_path, meaning):
    made, _ = written(tmp_path, "npy", meaning)
    for number, (_, image, mask) in enumerate(made):
        values = np.load(tmp_path / f"images/{number:05d}.npy")
        assert values.dtype == np.float32 and values.shape == image.shape
        assert (values.min(), values.max()) == (meaning.low, meaning.high)
        assert np.array_equal(np.rint((values.astype(float) - meaning.low) / meaning.slope), image)
        assert np.array_equal(np.load(tmp_path / f"masks/{number:05d}.npy"), mask)


@pytest.mark.parametrize("file_format", ["png", "tiff"])
@pytest.mark.parametrize("meaning", [CT, RETINA], ids=lambda meaning: meaning.kind)
def test_pictures_hold_the_stored_numbers(tmp_path, file_format, meaning):
    made, files = written(tmp_path, file_format, meaning)
    assert np.array_equal(read_pixels(files[0]), made[0][1]) and read_pixels(files[0]).dtype == f"uint{meaning.bits}"
    scale = 255 if len(meaning.mask_labels) == 2 else 1
    assert np.array_equal(read_pixels(files[1])[0], made[0][2] * scale)


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_same_images_give_the_same_bytes(tmp_path, file_format):
    one, other = (written(tmp_path / name, file_format, CT)[1] for name in "ab")
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in other]


@pytest.mark.parametrize("file_format", FORMATS)
def test_images_without_masks_are_written_alone(tmp_path, file_format):
    _, files = written(tmp_path, file_format, CELLS, with_masks=False)
    assert files and not (tmp_path / "masks").exists()


@pytest.mark.parametrize(
    ("file_format", "dicom_object", "meaning", "said"),
    [
        ("dicm", "sc", CT, "did you mean 'dicom'"),
        ("bmp", "sc", CT, "expected one of png, tiff, npy, nifti, dicom"),
        ("nifti", "ct", CT, "expected --format dicom"),
        ("dicom", "xa", CT, "There is no DICOM object 'xa'"),
        ("dicom", "mg", CT, "of the kind ct, and the DICOM object mg holds mammogram images"),
        ("dicom", "op", CELLS, "expected one of sc, multi-frame"),
        ("dicom", "ct", CT.model_copy(update={"unit": "grey value"}), "a CT object Hounsfield units"),
        ("dicom", "mr", MR.model_copy(update={"spacing_mm": ()}), "how large a pixel"),
        ("dicom", "op", RETINA.model_copy(update={"bits": 16}), "in colour of 16 bits"),
        ("tiff", "sc", MR.model_copy(update={"channels": tuple("abcdefg")}), "have 7 channels; tiff files hold 1 or 3"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, file_format, dicom_object, meaning, said):
    with pytest.raises(ConfigError, match=said):
        written(tmp_path / "out", file_format, meaning, dicom_object)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full((1, 4, 4), 70_000, np.int32), "from 70000 to 70000; expected whole numbers from 0 to 65535"),
        (np.full((1, 4, 4), -1, np.int16), "from -1 to -1"),
        (np.full((1, 4, 4), 0.5, np.float32), "float32 pixels"),
        (np.zeros((2, 4, 4), np.uint16), r"of shape \[2, 4, 4\]; expected"),
        (np.zeros((4, 4), np.uint16), "expected .channels height width."),
    ],
)
def test_numbers_that_16_bits_do_not_hold_are_refused(tmp_path, file_format, image, said):
    sample = next(pairs(CT))[0]
    with pytest.raises(DataError, match=said):
        write([(sample, image, None)], tmp_path, file_format, meaning=CT, provenance=PROVENANCE)


def test_a_mask_of_another_size_is_refused(tmp_path):
    sample, image, mask = next(pairs(CT))
    with pytest.raises(DataError, match="those of its image"):
        write([(sample, image, mask[1:])], tmp_path, "dicom", meaning=CT, provenance=PROVENANCE)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_is_told(tmp_path, monkeypatch, file_format):
    def full(*words, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "_add", full)
    with pytest.raises(StorageError, match="disk is full"):
        written(tmp_path, file_format, CT)


def test_a_set_says_what_its_images_mean_and_where_its_identifiers_come_from(tmp_path):
    inputs, facts = {"model": "ab"}, {"run_seed": 4, "images": CT.facts(), "model": {"digest": "ab", "method": "dcgan"}}
    samples = write_samples(tmp_path / "set", pairs(CT), num_labels=4, inputs=inputs, facts=facts)
    assert Meaning.of_samples(samples) == CT
    assert Provenance.of_samples(samples) == Provenance.of(inputs, facts)
    assert Provenance.of_samples(samples).made_by == "dcgan, model ab"
    for (_, image, mask), (_, stored, labels) in zip(samples.drawn(), pairs(CT), strict=True):
        assert np.array_equal(image, stored) and np.array_equal(mask, labels)


def test_a_folder_of_another_tool_has_grey_values(tmp_path):
    written(tmp_path, "png", RETINA)
    samples = SampleSet.open(tmp_path)
    meaning = Meaning.of_samples(samples)
    assert (meaning.channels, meaning.bits, meaning.high, meaning.kind) == (RETINA.channels, 8, 255, "generic")
    assert Provenance.of_samples(samples).origin != PROVENANCE.origin


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"low": 5.0, "high": 5.0}, "go from 5 to 5"),
        ({"bits": 12}, "bits"),
        ({"spacing_mm": [0.0, 1.0]}, "spacing_mm"),
        ({"low": float("nan")}, "low"),
        ({"channels": []}, "channels"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_set_that_says_what_no_images_mean_is_refused(tmp_path, change, said):
    samples = write_samples(tmp_path / "set", pairs(CT), num_labels=4, inputs={}, facts={"run_seed": 4})
    samples.facts["images"] = CT.facts() | change
    with pytest.raises(ArtifactError, match=said):
        Meaning.of_samples(samples)


def test_a_model_of_before_says_no_spacing(tmp_path):
    header = {"bits": 8, "images": {"channels": 2, "channel_names": []}}
    meaning = Meaning.of_model(header)
    assert meaning.channels == ("channel 0", "channel 1") and meaning.spacing_mm == () and meaning.high == 255


def test_identifiers_depend_on_what_an_image_was_made_from():
    from synthmed.formats.identifiers import Subject

    sample = next(pairs(CT))[0]
    subjects = [
        Subject.of(PROVENANCE, sample, 0), Subject.of(PROVENANCE, sample, 1),
        Subject.of(PROVENANCE, replace(sample, seed=1), 0), Subject.of(Provenance(origin="other"), sample, 0),
        Subject.of(PROVENANCE, replace(sample, mask_from="test/000001"), 0),
    ]  # fmt: skip
    assert len({one.study for one in subjects}) == len({one.patient_id for one in subjects}) == len(subjects)
    assert subjects[0] == Subject.of(PROVENANCE, sample, 0)

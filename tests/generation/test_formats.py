"""Generating in the formats of the field: one set, its stored pixels as ever, copies for other tools beside them."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from synthmed.artifacts import read_manifest
from synthmed.errors import ArtifactError, ConfigError, StorageError
from synthmed.formats import dicom_images
from synthmed.formats.meaning import Meaning, Provenance
from synthmed.formats.writing import write
from synthmed.generation import model_file
from synthmed.generation.generate import generate
from synthmed.generation.model import load_model
from synthmed.methods import find_method
from synthmed.methods._contract import build
from synthmed.samples import SampleSet
from synthmed.shapes import ImageSpec
from synthmed.training.loop import train

NAMES = ("T2", "T1 pre", "T1 post1", "T1 post2", "T1 post3", "T1 post4", "Sub")


@pytest.fixture(scope="module")
def eyes(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(
        "dcgan_tiny", toy_dataset, tmp_path_factory.mktemp("eyes") / "run", overrides=["training.budget=0.002"]
    )


def untrained(path: Path, channels: tuple[str, ...], **facts) -> Path:
    """A model of images and masks of 32 x 32 pixels that has learned nothing."""
    kind = find_method("dcgan")
    config = kind.Config(makes="pairs", latent_size=4, features=4, cap=4, discriminator_features=4)
    spec = ImageSpec(channels=len(channels), size=(32, 32), num_labels=2, classes=(), channel_names=channels)
    method = build(kind, config, spec)
    networks = {
        f"{name}.{key}": tensor
        for name in method.generator_networks
        for key, tensor in method.networks[name].state_dict().items()
    }
    model_file.write(path, method="dcgan", config=config.model_dump(mode="json"), spec=spec, networks=networks,
                     facts={"channels": list(channels), **facts})  # fmt: skip
    return path


@pytest.mark.parametrize("file_format", ["npy", "nifti", "dicom"])
def test_a_set_keeps_its_stored_pixels_and_its_lineage_whatever_lies_beside_them(
    eyes: Path, tmp_path: Path, file_format: str
) -> None:
    plain = generate(eyes, tmp_path / "plain", num=3, seed=5)
    samples = generate(eyes, tmp_path / "set", num=3, seed=5, file_format=file_format)
    assert np.array_equal(samples.images(), plain.images()) and np.array_equal(samples.masks(), plain.masks())
    assert samples.samples == plain.samples and samples.facts["beside"]["format"] == file_format
    files = read_manifest(tmp_path / "set", "samples").files
    beside = [name for name in files if name.startswith(f"{file_format}/")]
    assert len([name for name in beside if "/masks/" in name]) == 3, "sealed with all the rest"
    damaged = tmp_path / "set" / beside[0]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="is damaged"):
        SampleSet.open(tmp_path / "set")


def test_the_same_seed_gives_the_same_files_and_what_is_written_later_is_the_same(eyes: Path, tmp_path: Path) -> None:
    first = generate(eyes, tmp_path / "a", num=2, file_format="dicom", dicom_object="op")
    assert first.digest == generate(eyes, tmp_path / "b", num=2, file_format="dicom", dicom_object="op").digest
    stored = generate(eyes, tmp_path / "c", num=2)
    files = write(stored.drawn(), tmp_path / "later", "dicom", meaning=Meaning.of_samples(stored),
                  provenance=Provenance.of_samples(stored), dicom_object="op")  # fmt: skip
    for file in files:
        beside = tmp_path / "a" / "dicom" / file.relative_to(tmp_path / "later")
        assert file.read_bytes() == beside.read_bytes()
    assert pydicom.dcmread(files[0]).Modality == "OP"


def test_seven_channels_are_one_study_of_seven_series(tmp_path: Path) -> None:
    model = untrained(
        tmp_path / "mr.safetensors", NAMES, kind="breast_mr", bits=16, spacing_mm=[1.25, 1.25],
        intensity={"low": 0.0, "high": 1023.0, "unit": "intensity scaled by study and contrast"},
        mask_labels={"0": "background", "1": "lesion"},
    )  # fmt: skip
    samples = generate(model, tmp_path / "set", num=2, file_format="dicom", dicom_object="mr")
    images = samples.images()
    assert images.shape[:2] == (2, 7) and images.dtype == np.uint16
    files = [pydicom.dcmread(file) for file in sorted((tmp_path / "set/dicom/images/00001").iterdir())]
    assert [file.SeriesDescription for file in files] == [f"Synthetic {name}" for name in NAMES]
    assert len({file.StudyInstanceUID for file in files}) == 1 and len({file.SeriesInstanceUID for file in files}) == 7
    for channel, file in enumerate(files):
        assert np.array_equal(file.pixel_array, images[1, channel])
        assert np.isclose(65535 * file.RescaleSlope + file.RescaleIntercept, 1023)
    generate(model, tmp_path / "volumes", num=1, file_format="nifti")
    read = nibabel.load(tmp_path / "volumes/nifti/images/00000/6-Sub.nii.gz")
    assert np.allclose(read.get_fdata()[:, :, 0].T, images[0, 6] / 65535 * 1023, atol=1e-3)
    assert read.header.get_zooms()[:2] == (1.25, 1.25)
    with pytest.raises(ConfigError, match="7 channels; png files hold 1 or 3"):
        generate(model, tmp_path / "pictures", num=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"file_format": "bmp"}, "no format 'bmp'"),
        ({"file_format": "dicom", "dicom_object": "ct"}, "of the kind retina, and the DICOM object ct holds ct images"),
        ({"dicom_object": "op"}, "expected --format dicom"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(eyes, tmp_path, words, said):
    with pytest.raises(ConfigError, match=said):
        generate(eyes, tmp_path / "out", num=2, **words)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_half_way_leaves_nothing(eyes: Path, tmp_path: Path, monkeypatch) -> None:
    save, saved = dicom_images.dcmwrite, []

    def fill(path, image, **more):
        if len(saved) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        save(path, image, **more)

    monkeypatch.setattr(dicom_images, "dcmwrite", fill)
    with pytest.raises(StorageError, match="disk is full"):
        generate(eyes, tmp_path / "out", num=4, file_format="dicom")
    assert len(saved) == 3 and not list(tmp_path.iterdir())


def test_a_run_that_was_killed_leaves_nothing_that_looks_whole_and_the_next_starts_clean(eyes, tmp_path):
    words = ["generate", str(eyes), str(tmp_path / "out"), "--num", "600", "--format", "dicom"]
    process = subprocess.Popen([sys.executable, "-m", "synthmed", *words], stderr=subprocess.DEVNULL)
    for _ in range(600):
        if list(tmp_path.glob(".out.*.tmp/dicom/images/*.dcm")):
            break
        time.sleep(0.1)
    process.kill()
    assert process.wait(60) != 0
    assert not (tmp_path / "out").exists()
    samples = generate(eyes, tmp_path / "out", num=2, file_format="dicom")
    assert len(samples) == 2 and len(list((tmp_path / "out/dicom/images").iterdir())) == 2


def test_a_model_says_how_large_its_pixels_are(eyes: Path) -> None:
    header = load_model(eyes).header
    assert header["spacing_mm"] == [] and header["view"] == ""

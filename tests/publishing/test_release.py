"""A release: what gates refuse, what is written, and that nothing half done looks whole."""

import csv
import errno
import json
import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256

import numpy as np
import pytest
from privacy.conftest import population
from publishing.conftest import GIVEN, audited, stand_in, unaudited

from synthmed.artifacts import read_manifest
from synthmed.errors import ArtifactError, ConfigError, DataError, GateError, StorageError
from synthmed.privacy import copies, identity
from synthmed.publishing import release, shards
from synthmed.publishing.contents import holds_pixels_alone
from synthmed.publishing.release import publish
from synthmed.publishing.verifying import open_release, verify
from synthmed.samples import Sample, SampleSet, write_samples


def put(made, out, **more):
    """Publish with what is usual."""
    return publish(made.samples.path, out, **{"audit": made.audit, **GIVEN, **more})


def copy_of(made, tmp_path):
    """The samples again, under a path where they may be changed."""
    shutil.copytree(made.samples.path, tmp_path / "samples")
    return tmp_path / "samples"


def test_a_release_is_whole_small_in_files_and_verified(made, released):
    found = verify(released)
    assert len(found.rows) == 16 and found.facts.images.masks
    assert "16 images and 16 masks were loaded" in found.told[1]
    names = {file.name for file in released.iterdir()}
    assert {"README.md", "card.html", "croissant.json", "index.csv", "release.json", "SHA256SUMS"} <= names
    assert len(names) < 100 and sum(name.startswith("images-") for name in names) > 1
    assert all(file.stat().st_size <= 30_000 for file in released.glob("images-*.zip"))
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=released, check=True)
    for place, (row, image, mask) in enumerate(found.images()):
        assert np.array_equal(image, made.samples.images([place])[0])
        assert np.array_equal(mask > 0, made.samples.masks([place])[0] > 0)
        assert (row.lineage, row.seed) == ("sampled", str(place))


def test_no_file_of_an_image_is_in_more_than_one_archive_nor_a_folder_too_full(released, monkeypatch, made, tmp_path):
    with (released / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["file_name"] for row in rows}) == 16
    monkeypatch.setattr(shards, "IN_FOLDER", 5)
    put(made, tmp_path / "small")
    with zipfile.ZipFile(tmp_path / "small" / "images-00000.zip") as shard:
        folders = [name.rpartition("/")[0] for name in shard.namelist()]
    assert max(folders.count(one) for one in set(folders)) == 5
    verify(tmp_path / "small")


def test_the_same_samples_give_the_same_archives(made, released, tmp_path):
    put(made, tmp_path / "breasts", formats=["nnunet"], shard_bytes=30_000)
    assert read_manifest(tmp_path / "breasts", "release").digest == read_manifest(released, "release").digest


def test_the_nnunet_archives_add_up_to_its_layout(made, released, tmp_path):
    for file in released.glob("nnunet-*.zip"):
        zipfile.ZipFile(file).extractall(tmp_path)
    told = json.loads((tmp_path / "dataset.json").read_text())
    assert told["labels"] == {"background": 0, "organ": 1} and told["channel_names"] == {"0": "grey"}
    cases = sorted(file.name.removesuffix("_0000.png") for file in (tmp_path / "imagesTr").iterdir())
    assert len(cases) == told["numTraining"] == 16
    assert cases == sorted(file.stem for file in (tmp_path / "labelsTr").iterdir())
    from PIL import Image

    assert set(np.unique(np.asarray(Image.open(tmp_path / "labelsTr" / f"{cases[0]}.png")))) == {0, 1}


def test_the_same_images_in_the_formats_of_the_field(made, tmp_path):
    import nibabel
    import pydicom

    put(made, tmp_path / "out", formats=["tiff", "npy", "nifti", "dicom"], shard_bytes=200_000)
    for file in (tmp_path / "out").glob("*.zip"):
        zipfile.ZipFile(file).extractall(tmp_path / file.name.partition("-")[0])
    first = made.samples.images([0])[0]
    assert np.array_equal(np.load(tmp_path / "npy" / "images" / "00000.npy"), first.astype(np.float32))
    dicom = pydicom.dcmread(tmp_path / "dicom" / "images" / "00000.dcm")
    assert dicom.SyntheticData == "YES" and np.array_equal(dicom.pixel_array, first[0])
    assert len(list((tmp_path / "nifti").rglob("*.nii.gz"))) == 32
    assert nibabel.load(next((tmp_path / "nifti" / "images").glob("*.nii.gz"))).shape[:2] == (48, 48)
    assert len(list((tmp_path / "tiff" / "images").iterdir())) == 16
    assert not list((tmp_path / "out").glob(".*"))
    verify(tmp_path / "out")


def test_small_numbers_of_patients_are_not_told(released):
    text = (released / "README.md").read_text() + (released / "release.json").read_text()
    facts = open_release(released).facts
    assert facts.origin.classes == {"benign": "20", "malignant": "fewer than 5"}
    assert facts.origin.splits["train"] == {"images": "24", "patients": "24"}
    assert "malignant: fewer than 5" in text and "malignant: 3" not in text
    assert "P0001" not in text  # no pseudonym of a patient


def test_the_card_says_all_that_a_steward_asks(made, released):
    text = (released / "README.md").read_text()
    words = """16 sampled|dcgan, dcgan\\_tiny|CC-BY-4.0|retract@example.org|No evidence of copying|planted|Biases
no formal guarantee|Congruence|Coverage|Constraint|Completeness|Compliance|Comprehension|Consistency|Learned parts
not a medical device|Known artefacts|random\\_filters|unit of the split is the patient"""
    for word in ["5" * 64, made.samples.digest, *words.replace("\n", "|").split("|")]:
        assert word in text, word
    page = (released / "card.html").read_text()
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")


def test_an_audit_of_other_samples_is_refused(made, tmp_path):
    picture = (Sample(seed=1, label="", lineage="sampled"), np.full((1, 48, 48), 9, np.uint8), None)
    other = write_samples(tmp_path / "other", [picture], inputs={}, facts={"a": 1})
    with pytest.raises(DataError, match=r"audited samples with the digest .*exactly these samples"):
        publish(other.path, tmp_path / "out", audit=made.audit, **GIVEN)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sealed_again", [False, True])
def test_a_sample_that_was_changed_after_the_audit_is_refused(made, tmp_path, sealed_again):
    place = copy_of(made, tmp_path)
    shutil.copyfile(place / "images" / "00001.png", place / "images" / "00000.png")
    if sealed_again:  # someone who makes a new manifest has a set of another digest
        opened = SampleSet.open(made.samples.path)
        shutil.rmtree(place)
        drawn = [(one, opened.images([1 - min(number, 1)])[0], None) for number, one in enumerate(opened.samples)]
        write_samples(place, drawn, inputs={}, facts=opened.facts)
    with pytest.raises((ArtifactError, DataError)):
        publish(place, tmp_path / "out", audit=made.audit, **GIVEN)
    assert not (tmp_path / "out").exists()


def test_a_blocking_audit_and_one_without_a_holdout_are_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "SPACES", copies.SPACES)  # bent copies have tests of their own
    with pytest.raises(GateError):
        audited(tmp_path / "copies", images=made.data.images()[:16], canaries=0)
    with pytest.raises(GateError, match="blocks these samples"):
        publish(tmp_path / "copies" / "samples", tmp_path / "out", audit=tmp_path / "copies" / "audit", **GIVEN)
    less = audited(tmp_path / "less", holdout=0, canaries=0)
    with pytest.raises(GateError, match="no sealed holdout"):
        put(less, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_lineage_needs_a_reason_which_the_card_prints(tmp_path):
    made = unaudited(tmp_path, population(16, 3)[0], lineage="mask_from_phantom")
    with pytest.raises(GateError, match="16 mask_from_phantom; expected sampled alone"):
        put(made, tmp_path / "out")
    wrong = {
        "lineage": "gives the reason ''",
        "lineage= ": "gives the reason",
        "linaege=a good reason": "did you mean 'lineage'",
        "holdout=we trust us": "can be overruled",
    }
    for word, sentence in wrong.items():
        with pytest.raises(ConfigError, match=sentence):
            put(made, tmp_path / "out", overrule=[word])
    put(made, tmp_path / "out", overrule=["lineage=the masks are of phantoms, of nobody"])
    assert "the masks are of phantoms, of nobody" in (tmp_path / "out" / "README.md").read_text()
    assert verify(tmp_path / "out").facts.overruled == {"lineage": "the masks are of phantoms, of nobody"}


def test_what_looks_like_letters_is_refused(tmp_path):
    from PIL import Image, ImageDraw, ImageFont

    letters = []
    for number in range(16):
        picture = Image.new("L", (48, 48))
        ImageDraw.Draw(picture).text((2, 30), f"ANNA {number}", fill=250, font=ImageFont.load_default(11))
        letters.append(np.asarray(picture)[None])
    images = np.stack(letters)
    images[:, :, :24] = np.random.default_rng(0).integers(20, 80, (16, 1, 24, 48))
    made = unaudited(tmp_path, images.astype(np.uint8))
    with pytest.raises(GateError, match="16 of 16 images look as if letters were burned in"):
        put(made, tmp_path / "out")
    put(made, tmp_path / "out", overrule=["text=rulers of the film scanner"])
    assert "rulers of the film scanner" in (tmp_path / "out" / "README.md").read_text()


WRONG = {
    "a name with a path": ({"name": "../breasts"}, "no path"),
    "a name with a folder": ({"name": "a/b"}, "no path"),
    "no licence": ({"licence": ""}, "Nothing is published without one"),
    "a licence that is a sentence": ({"licence": "do as you like"}, "SPDX"),
    "no contact": ({"contact": "somebody"}, "e-mail or https"),
    "a version that is none": ({"release": "final"}, "expected a version"),
    "a day that is none": ({"date": "tomorrow"}, "YYYY-MM-DD"),
    "a format that is unknown": ({"formats": ["jpeg"]}, "images are always written as png"),
    "a format twice": ({"formats": ["tiff", "tiff"]}, "each once"),
}


@pytest.mark.parametrize("given, sentence", WRONG.values(), ids=WRONG)
def test_wrong_words_get_a_sentence(made, tmp_path, given, sentence):
    with pytest.raises(ConfigError, match=sentence) as error:
        put(made, tmp_path / "out", **given)
    assert error.value.exit_code == 2 and not list(tmp_path.iterdir())


PRIVATE = {
    "a person's name": {"title": "Scans of Doe^Jane"},
    "a path": {"overrule": ["text=see /home/anna/notes.txt for it"]},
    "a path of Windows": {"title": r"From C:\Users\anna"},
}


@pytest.mark.parametrize("given", PRIVATE.values(), ids=PRIVATE)
def test_no_person_and_no_path_goes_out(made, tmp_path, given):
    with pytest.raises(GateError, match="names nobody") as error:
        put(made, tmp_path / "out", **given)
    assert error.value.exit_code == 3 and not list(tmp_path.iterdir())


def test_the_name_of_the_account_does_not_go_out(made, tmp_path, monkeypatch):
    monkeypatch.setattr("synthmed.publishing.words._account", lambda: "annabel")
    with pytest.raises(GateError, match="account or machine"):
        put(made, tmp_path / "out", title="Scans of Annabel")
    put(made, tmp_path / "out", contact="annabel@example.org")  # who gives her address means to


def test_empty_masks_are_told_in_the_card(tmp_path):
    pictures, _ = population(4, 5)
    drawn = [(Sample(seed=n, label="", lineage="sampled"), image, np.zeros((48, 48), np.uint8))
             for n, image in enumerate(pictures)]  # fmt: skip
    samples = write_samples(tmp_path / "samples", drawn, inputs={}, facts={"run_seed": 0})
    audit = stand_in(tmp_path / "audit", samples)
    publish(samples.path, tmp_path / "out", audit=audit, **GIVEN)
    assert "4 of 4 masks are empty." in (tmp_path / "out" / "README.md").read_text()


def test_metadata_of_a_file_is_not_handed_on(tmp_path):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    rng, told = np.random.default_rng(0), PngInfo()
    told.add_text("PatientName", "Doe^Jane")
    (tmp_path / "foreign" / "images").mkdir(parents=True)
    for number in range(4):
        picture = Image.fromarray(rng.integers(0, 255, (48, 48), np.uint8).astype(np.uint8))
        picture.save(tmp_path / "foreign" / "images" / f"Jane Doe {number}.png", pnginfo=told)
    from synthmed.publishing.contents import contents

    samples = SampleSet.open(tmp_path / "foreign")
    for one in contents(samples, "png"):
        assert holds_pixels_alone(one.image) and b"Doe" not in one.image
    original = (tmp_path / "foreign" / "images" / "Jane Doe 0.png").read_bytes()
    assert not holds_pixels_alone(original)
    assert not holds_pixels_alone(one.image + b"Jane")


def test_a_full_disk_leaves_nothing(made, tmp_path, monkeypatch):
    written = zipfile.ZipFile.writestr

    def full(self, name, content, *words, **more):
        if "000009" in getattr(name, "filename", name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(self, name, content, *words, **more)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(StorageError, match="disk is full") as error:
        put(made, tmp_path / "out")
    assert error.value.exit_code == 2 and not list(tmp_path.iterdir())


def test_a_killed_run_leaves_nothing_that_looks_whole_and_the_next_starts_clean(made, tmp_path):
    program = (
        "import os, sys, zipfile; from pathlib import Path; from synthmed.publishing.release import publish\n"
        "writestr = zipfile.ZipFile.writestr\n"
        "def killed(self, name, *words):\n"
        "    if '000009' in name.filename: os.kill(os.getpid(), 9)\n"
        "    return writestr(self, name, *words)\n"
        "zipfile.ZipFile.writestr = killed\n"
        f"publish(Path(sys.argv[1]), Path(sys.argv[2]), audit=Path(sys.argv[3]), **{GIVEN})"
    )
    words = [sys.executable, "-c", program, made.samples.path, tmp_path / "out", made.audit]
    assert subprocess.run(list(map(str, words))).returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.") and not (left / "manifest.json").exists()
    with pytest.raises(ArtifactError):
        verify(left)
    put(made, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    verify(tmp_path / "out")


def test_too_many_archives_are_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "MOST_SHARDS", 10)
    with pytest.raises(DataError, match="several releases"):
        put(made, tmp_path / "out", shard_bytes=1, formats=["nnunet"])
    assert not list(tmp_path.iterdir())


def damaged(released, tmp_path, change):
    place = tmp_path / "copy"
    shutil.copytree(released, place)
    change(place)
    return place


def add_file(place):
    (place / "virus.exe").write_bytes(b"MZ")


def flip(name):
    def change(place):
        (file,) = place.glob(name)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)

    return change


def remove(place):
    (place / "images-00000.zip").unlink()


DAMAGE = {
    "a bit of an archive": flip("images-00000.zip"), "a bit of the card": flip("README.md"),
    "a bit of the index": flip("index.csv"), "a bit of the manifest": flip("manifest.json"),
    "a bit of croissant": flip("croissant.json"), "a file too many": add_file, "a file that is missing": remove,
}  # fmt: skip


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_a_download_that_is_not_what_was_published_is_told(released, tmp_path, change):
    with pytest.raises(ArtifactError) as error:
        verify(damaged(released, tmp_path, change))
    assert error.value.exit_code == 2 and str(error.value).endswith(".")


def test_an_image_that_its_archive_holds_wrongly_is_told_even_under_a_new_seal(released, tmp_path):
    """Whoever seals a changed archive anew is caught by the index, whose digests are of images."""
    from synthmed.artifacts import file_digest, write_json
    from synthmed.files.seals import read_json, sealed, unsealed

    place = damaged(released, tmp_path, lambda place: None)
    archive = place / "images-00000.zip"
    with zipfile.ZipFile(archive) as shard:
        contents = {name: shard.read(name) for name in shard.namelist()}
    first, second = [name for name in contents if name.startswith("images/")][:2]
    contents[first] = contents[second]
    with zipfile.ZipFile(archive, "w") as shard:
        for name, content in contents.items():
            shard.writestr(zipfile.ZipInfo(name), content)
    said = unsealed(read_json((place / "manifest.json").read_bytes()))
    said["files"]["images-00000.zip"] = {"sha256": file_digest(archive), "bytes": archive.stat().st_size}
    sums = {name: entry["sha256"] for name, entry in said["files"].items() if name != "SHA256SUMS"}
    (place / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items())))
    said["files"]["SHA256SUMS"] = {"sha256": file_digest(place / "SHA256SUMS"),
                                   "bytes": (place / "SHA256SUMS").stat().st_size}  # fmt: skip
    write_json(place / "manifest.json", sealed(said))
    with pytest.raises(ArtifactError, match="is not the file that"):
        verify(place)


def test_digests_of_images_are_those_of_the_sample_set(made, released):
    known = read_manifest(made.samples.path, "samples").files
    for number, row in enumerate(open_release(released).rows):
        assert row.sha256 == known[f"images/{number:05d}.png"]["sha256"]
        with zipfile.ZipFile(released / row.shard) as shard:
            assert sha256(shard.read(row.mask_file_name)).hexdigest() == row.mask_sha256


def test_what_is_published_is_never_overwritten(made, released):
    with pytest.raises(ArtifactError, match="already exists"):
        put(made, released)
    assert release.KIND == "release"

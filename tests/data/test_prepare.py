"""Preparing: a folder of photographs becomes a data set that is the same twice, or nothing at all."""

import csv
import errno
import os
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from synthmed.data import shards
from synthmed.data.geometry import image_to_source, mask_to_source
from synthmed.data.keyed_names import list_file
from synthmed.data.prepare import prepare
from synthmed.data.pseudonyms import default_key_file, pseudonyms, read_key
from synthmed.data.store import _GrowingArray
from synthmed.errors import ArtifactError, ConfigError, Interrupted, SourceError, StorageError
from synthmed.sources.pixels import read_image, read_mask
from synthmed.sources.raster import find


def rejected(path):
    """File -> reason, in full, as the list beside the key has them."""
    with list_file(default_key_file(), path).open(newline="") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file) if row["reason"]}


def test_at_their_own_size_pixels_and_masks_are_stored_exactly(tmp_path, make_source):
    source = make_source(tmp_path / "source")
    dataset = prepare(source, tmp_path / "data", size=(20, 30))
    assert len(dataset) == 6 and dataset.info.channels == ["red", "green", "blue"]
    images, masks = dataset.images(), dataset.masks()
    for index, found in enumerate(find(source).images):
        np.testing.assert_array_equal(images[index], read_image(found.path))
        np.testing.assert_array_equal(masks[index], read_mask(found.mask_paths[0]))
    assert {row.label for row in dataset.rows} == {"class 0", "class 1"}
    assert {row.mask_source for row in dataset.rows} == {"manual"}


def test_the_row_leads_from_the_stored_picture_back_to_its_source(tmp_path, make_source):
    source = make_source(tmp_path / "source", 2)
    dataset = prepare(source, tmp_path / "data", size=(64, 48))
    for row, image, mask, found in zip(
        dataset.rows, dataset.images(), dataset.masks(), find(source).images, strict=True
    ):
        np.testing.assert_array_equal(mask_to_source(mask, row.fit), read_mask(found.mask_paths[0]))
        back, pixels = image_to_source(image, row.fit), read_image(found.path)
        assert back.shape == pixels.shape
        # Noise loses its finest detail on the way; shifted by one pixel it would correlate with nothing.
        assert np.corrcoef(back.ravel(), pixels.ravel())[0, 1] > 0.95


def test_16_bits_are_kept_and_their_meaning_recorded(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (2, 16, 16), np.uint16)
    (tmp_path / "source").mkdir()
    for index, picture in enumerate(pixels):
        tifffile.imwrite(tmp_path / "source" / f"{index}.tif", picture)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    assert dataset.info.bits == 16 and dataset.info.channels == ["grey"]
    assert (dataset.info.intensity.low, dataset.info.intensity.high) == (0, 65535)
    assert not dataset.has_masks and dataset.spec.num_labels == 1
    np.testing.assert_array_equal(dataset.images(), pixels[:, None])


def test_the_same_source_and_settings_give_the_same_digest_in_any_order_of_files(tmp_path, make_source):
    first = make_source(tmp_path / "first")
    second = make_source(tmp_path / "elsewhere" / "second", order=[3, 1, 5, 0, 4, 2])
    digest = prepare(first, tmp_path / "data1", size=16).digest
    assert prepare(first, tmp_path / "data2", size=16).digest == digest
    assert prepare(second, tmp_path / "data3", size=16).digest == digest
    assert prepare(first, tmp_path / "data4", size=16, seed=1).digest != digest


def test_the_order_in_which_the_disk_lists_files_does_not_matter(tmp_path, make_source, monkeypatch):
    from pathlib import Path

    source = make_source(tmp_path / "source")
    digest = prepare(source, tmp_path / "data1", size=16).digest
    listing = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(sorted(listing(self))))
    assert prepare(source, tmp_path / "data2", size=16).digest == digest


def test_no_name_of_a_file_or_patient_enters_the_data_set(tmp_path, make_source):
    prepare(make_source(tmp_path / "source"), tmp_path / "data", size=16)
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"Patient" not in content and b"scan" not in content and b"source/" not in content


def test_no_patient_is_in_two_splits_and_declared_ones_keep_theirs(tmp_path, make_source):
    source = make_source(tmp_path / "source", 40, splits=("test", "train", "holdout"))
    dataset = prepare(source, tmp_path / "data", size=8, holdout=0.2, test=0.3)
    patients = {name: {row.patient_id for row in dataset.split(name).rows} for name in dataset.info.splits}
    assert not patients["train"] & patients["test"]
    assert not patients["holdout"] & (patients["train"] | patients["test"])
    splits = {image.patient_id: image.split for image in find(source).images}
    names = pseudonyms(splits, read_key(default_key_file()))
    for patient, split in splits.items():
        assert not split or names[patient] in patients[split]
    for name, info in dataset.info.splits.items():
        assert info.patients == len(patients[name]) > 0


def test_the_pixels_of_test_are_never_among_those_of_train(tmp_path, make_source):
    dataset = prepare(make_source(tmp_path / "source", 20), tmp_path / "data", size=8)
    train = {image.tobytes() for image in dataset.split("train").images()}
    assert not train & {image.tobytes() for image in dataset.split("test", "holdout").images()}


def test_a_second_copy_of_an_image_is_left_out(tmp_path, make_source):
    source = make_source(tmp_path / "source", masks=False)
    (source / "metadata.csv").unlink()
    content = (source / "images" / "scan 002.png").read_bytes()
    (source / "images" / "copy.png").write_bytes(content)
    dataset = prepare(source, tmp_path / "data", size=16)
    assert len(dataset) == 6
    assert "images/copy.png" in rejected(dataset.path)["images/scan 002.png"]


def test_one_bad_file_is_noted_with_its_reason_and_the_rest_goes_on(tmp_path, make_source):
    source = make_source(tmp_path / "source", 8)
    images, masks = source / "images", source / "masks"
    (images / "scan 000.png").write_bytes((images / "scan 000.png").read_bytes()[:300])
    Image.new("RGB", (30, 21)).save(images / "scan 001.png")
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)).save(masks / "scan 002.png")
    Image.new("L", (30, 20), 3).save(images / "scan 003.png")
    (masks / "scan 004.png").unlink()
    (images / "scan 005.png").unlink()
    (images / "scan 006.png").write_text("no picture")
    dataset = prepare(source, tmp_path / "data", size=16)
    found = rejected(dataset.path)
    assert len(dataset) == 1
    assert dataset.info.provenance["counts"] == {"accepted": 1, "images": 1, "rejected": len(found)}
    words = {
        "images/scan 000.png": "damaged or cut short",
        "images/scan 001.png": "30 x 21 pixels and its mask scan 001.png 30 x 20",
        "images/scan 002.png": "scan 002.png holds 256 different values",
        "images/scan 003.png": "It has 1 channel of 8 bits; expected 3 channels of 8 bits",
        "images/scan 004.png": "no mask",
        "masks/scan 005.png": "without its image",
        "images/scan 006.png": "does not begin like an image",
    }
    for file, word in words.items():
        assert word in found[file]
    assert str(tmp_path) not in (dataset.path / "rejected.csv").read_text()


def test_images_without_exception_rejected_are_an_error_and_leave_nothing(tmp_path, make_source):
    source = make_source(tmp_path / "source", 3)
    for mask in (source / "masks").iterdir():
        Image.new("L", (3, 3)).save(mask)
    with pytest.raises(SourceError, match="all 3 were left out"):
        prepare(source, tmp_path / "data", size=16)
    for image in (source / "images").iterdir():
        image.write_bytes(b"broken")
    with pytest.raises(SourceError, match="all 3 were left out"):
        prepare(source, tmp_path / "data", size=16)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def test_a_retina_gets_its_field_of_view_computed_and_other_kinds_have_none(tmp_path):
    rows, columns = np.mgrid[:60, :80]
    disc = np.hypot(rows - 30, columns - 40) < 25
    picture = np.where(disc[..., None], [200, 90, 40], [3, 2, 2]).astype(np.uint8)
    picture[28:33, 30:50] = 0  # a dark vessel is a hole to be filled
    (tmp_path / "source").mkdir()
    Image.fromarray(picture).save(tmp_path / "source" / "a.png")
    retina = prepare(tmp_path / "source", tmp_path / "retina", kind="retina", size=(60, 80))
    assert retina.info.has_fields
    np.testing.assert_array_equal(retina.fields_of_view()[0], disc)
    cells = prepare(tmp_path / "source", tmp_path / "cells", kind="cells", size=(60, 80))
    assert not cells.info.has_fields and cells.fields_of_view().all()


def test_a_field_of_view_of_the_source_is_used_as_it_is(tmp_path, make_source):
    source = make_source(tmp_path / "source", 2)
    (source / "fields").mkdir()
    field = np.zeros((20, 30), np.uint8)
    field[5:15, 3:20] = 255
    for image in (source / "images").iterdir():
        Image.fromarray(field).save(source / "fields" / image.name)
    dataset = prepare(source, tmp_path / "data", kind="retina", size=(20, 30))
    np.testing.assert_array_equal(dataset.fields_of_view(), np.stack([field > 0] * 2))


def test_images_without_masks_beside_images_with_them_say_so_in_their_row(tmp_path):
    for half, number in (("training", "21"), ("test", "01")):
        (tmp_path / "drive" / half / "images").mkdir(parents=True)
        picture = np.random.default_rng(int(number)).integers(0, 256, (16, 16, 3), np.uint8)
        tifffile.imwrite(tmp_path / "drive" / half / "images" / f"{number}_{half}.tif", picture)
    manual = tmp_path / "drive" / "training" / "1st_manual"
    manual.mkdir()
    Image.new("L", (16, 16), 255).save(manual / "21_manual1.gif")
    dataset = prepare(tmp_path / "drive", tmp_path / "data", kind="retina", size=16)
    assert [(row.split, row.mask_source) for row in dataset.rows] == [("test", "none"), ("train", "manual")]
    assert dataset.info.mask_labels == {"0": "background", "1": "vessel"}
    assert not dataset.masks([0]).any() and dataset.masks([1]).all()


def test_a_full_disk_leaves_nothing_behind(tmp_path, make_source, monkeypatch):
    source = make_source(tmp_path / "source")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for owner, name in ((os, "fsync"), (_GrowingArray, "append"), (_GrowingArray, "_write_header")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            with pytest.raises(StorageError, match="disk is full"):
                prepare(source, tmp_path / "data", size=16)
        assert [entry.name for entry in tmp_path.iterdir()] == ["source"]
    assert len(prepare(source, tmp_path / "data", size=16)) == 6


def test_an_interruption_of_the_first_shard_leaves_nothing_behind(tmp_path, make_source, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    source = make_source(tmp_path / "source")
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="same command goes on"):
        patch.setattr(_GrowingArray, "append", interrupt)
        prepare(source, tmp_path / "data", size=16)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def test_progress_counts_every_item_once_shard_by_shard(tmp_path, make_source, monkeypatch):
    seen = []
    source = make_source(tmp_path / "source", 4)
    prepare(source, tmp_path / "data", size=16, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 4)]
    seen.clear()
    monkeypatch.setattr(shards, "_LEAST_WORK", 1)
    prepare(source, tmp_path / "more", size=16, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "retna"}, "'retna'.*did you mean 'retina'.*cells, .*generic, .*retina"),
        ({"size": 0}, "0 x 0"),
        ({"size": (64, 10**6)}, "64 x 1000000"),
        ({"holdout": 0.6, "test": 0.5}, "together below 1"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, make_source, options, words):
    with pytest.raises(ConfigError, match=words):
        prepare(make_source(tmp_path / "source", 2), tmp_path / "data", **options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source"]


def test_preparing_does_without_torch():
    code = "import sys, synthmed.data.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_ever_overwritten(tmp_path, make_source):
    source = make_source(tmp_path / "source", 2)
    prepare(source, tmp_path / "data", size=16)
    with pytest.raises(ArtifactError, match="already exists"):
        prepare(source, tmp_path / "data", size=16)

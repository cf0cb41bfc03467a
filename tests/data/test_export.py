"""Prepared images and masks leave as plain files, and what another tool makes of them comes back by its names."""

import csv
import shutil

import numpy as np
import pytest

from synthmed.data.dataset import PreparedDataset
from synthmed.data.export import export
from synthmed.errors import ArtifactError, ConfigError
from synthmed.samples import SampleSet
from synthmed.sources.pixels import read_image, read_mask


def test_files_hold_the_stored_pixels_and_the_table_names_them(toy_dataset, tmp_path):
    train = PreparedDataset.open(toy_dataset).split("train")
    assert export(toy_dataset, tmp_path / "out") == len(train)
    with (tmp_path / "out" / "names.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["id"] for row in rows] == [row.id for row in train.rows]
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row["file_name"]), train.images([place])[0])
        np.testing.assert_array_equal(read_mask(tmp_path / "out" / row["mask_name"]), train.masks([place])[0])
    with pytest.raises(ArtifactError, match="already exists"):
        export(toy_dataset, tmp_path / "out")


def test_images_made_under_exported_masks_come_back_under_their_masks(toy_dataset, tmp_path):
    test = PreparedDataset.open(toy_dataset).split("test")
    assert export(toy_dataset, tmp_path / "out", split="test", masks_only=True) == len(test)
    assert not (tmp_path / "out" / "images").exists()
    back = tmp_path / "back"
    (back / "images").mkdir(parents=True)
    shutil.copytree(tmp_path / "out" / "masks", back / "masks")
    for place, row in enumerate(test.rows):
        for turn in (1, 2):
            np.save(back / "images" / f"{row.id}-{turn}.npy", test.images([place])[0])
    found = SampleSet.open(back)
    assert len(found) == 2 * len(test)
    np.testing.assert_array_equal(found.masks(), np.repeat(test.masks(), 2, 0))


def test_the_holdout_stays_sealed_and_wrong_words_are_told(toy_dataset, tmp_path):
    with pytest.raises(ConfigError, match="holdout is what an audit compares with"):
        export(toy_dataset, tmp_path / "out", split="holdout")
    with pytest.raises(ConfigError, match="png, tiff, npy"):
        export(toy_dataset, tmp_path / "out", file_format="bmp")
    assert not (tmp_path / "out").exists()

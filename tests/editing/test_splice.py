"""Splicing: the donor's texture in its region, the comparisons beside it, and regions that are none refused."""

import csv

import numpy as np
import pytest
import torch

import synthmed
from synthmed.editing.splice import _moved, _steps
from synthmed.errors import ConfigError, DataError
from synthmed.pictures import save_png


@pytest.fixture
def words(styled):
    data, _ = styled
    rows = synthmed.PreparedDataset.open(data).split("test").rows
    return [f"{data}:test/{row.id}" for row in rows]


def test_the_region_takes_the_donors_texture_better_than_the_encoder_alone(styled, words, tmp_path):
    region = np.zeros((32, 32, 3), np.uint8)
    region[10:22, 8:20] = 255
    save_png(tmp_path / "region.png", region)
    made = synthmed.splice(styled[1], tmp_path / "spliced", template=words[:2], texture=words[2:3],
                           mask=tmp_path / "region.png", shift="2,4", steps=40)  # fmt: skip
    mean = made.facts["splices"]["mean"]
    assert list(mean) in (["stitched", "blended", "encoder", "spliced"], ["stitched", "encoder", "spliced"])
    assert mean["stitched"]["shape"] == mean["stitched"]["texture"] == 0
    assert mean["spliced"]["texture"] < mean["encoder"]["texture"]
    assert mean["spliced"]["shape"] < mean["encoder"]["shape"]
    assert {one.lineage for one in made.samples} == {"mask_from_phantom"}
    assert made.masks()[0, 12:24, 12:24].all() and made.masks()[0].sum() == 144
    with (made.path / "splices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and rows[0]["texture"] == rows[1]["texture"] != rows[0]["template"]
    assert (made.path / "splices.png").is_file() and (made.path / "codes.safetensors").is_file()


def test_regions_are_moved_and_borders_are_measured():
    region = np.zeros((6, 6), bool)
    region[1:3, 1:3] = True
    assert _moved(region, (2, 1))[3:5, 2:4].all() and _moved(region, (2, 1)).sum() == 4
    assert _moved(region, (-2, 0)).sum() == 2
    image = torch.from_numpy(np.where(region, 0.5, -0.5)).float()[None, None]
    assert _steps(image, region[None])[0] == 1.0 and _steps(image * 0, region[None])[0] == 0


def test_what_cannot_be_spliced_is_a_sentence(styled, words, tmp_path):
    def refused(error, told, **more):
        with pytest.raises(error, match=told):
            synthmed.splice(styled[1], tmp_path / "x", **({"template": words[:1], "texture": words[1:2]} | more))
        assert not (tmp_path / "x").exists()

    for name, side, value in (("nothing", 32, 0), ("everything", 32, 255), ("small", 16, 255)):
        save_png(tmp_path / f"{name}.png", np.full((side, side, 3), value, np.uint8))
    refused(DataError, "covers nothing", mask=tmp_path / "nothing.png")
    refused(DataError, "covers everything", mask=tmp_path / "everything.png")
    refused(DataError, "16 x 16 pixels; the model makes 32 x 32", mask=tmp_path / "small.png")
    refused(DataError, "leaves the image", shift="31,0")
    refused(ConfigError, "expected ROWS,COLUMNS", shift="1")
    refused(ConfigError, "expected 1 or more", steps=0)
    refused(ConfigError, "one texture for each, or one", template=words[:3], texture=words[1:3])
    refused(ConfigError, "No --template", template=[])
    refused(ConfigError, "names no image", template=["data"])
    refused(DataError, "has no image 'test/999999'", template=[words[0].rpartition("/")[0] + "/999999"])

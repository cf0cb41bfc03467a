"""Interpolating: even steps, loops that close, tables that experiments read."""

import csv
import json

import numpy as np
import pytest
import torch

import synthmed
from synthmed.editing.interpolate import _between, _equal, walk
from synthmed.errors import ConfigError, DataError
from synthmed.evaluation.features.perception import perception
from synthmed.shapes import Given


def test_steps_are_made_even_and_a_loop_closes(styled, tmp_path):
    _, model = styled
    made = synthmed.interpolate(model, tmp_path / "loops", continua=2, through=3, steps=6, loop=True)
    told = made.facts["continua"]
    assert len(made) == 2 * 3 * 6 and told["closed"] == 2 and told["extractor"] == "random"
    assert told["largest_variation_after"] <= 0.1 and told["variation_after"] < told["variation_before"]
    assert {one.lineage for one in made.samples} == {"sampled"}
    apart = [float(row["distance"]) for row in csv.DictReader((made.path / "conditions.csv").open())]
    for loop in (apart[:18], apart[18:]):
        assert np.std(loop) / np.mean(loop) <= 0.1


def test_the_tables_are_what_the_tools_read(styled, tmp_path):
    _, model = styled
    made = synthmed.interpolate(model, tmp_path / "path", ["0", "5"], steps=4)
    with (made.path / "conditions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(title.isidentifier() for title in rows[0])  # PsychoPy refuses others
    assert len(rows) == len(made) == 5 and [row["step"] for row in rows] == list("01234")
    assert (rows[0]["position"], rows[-1]["position"], rows[-1]["distance"]) == ("0.0", "1.0", "")
    assert all((made.path / row["stimulus"]).is_file() for row in rows)
    listed = json.loads((made.path / "conditions.json").read_text())
    assert listed["preload"] == [row["stimulus"] for row in rows] == [one["stimulus"] for one in listed["trials"]]
    again = synthmed.generate(model, tmp_path / "again", num=5, codes=made.path)
    assert np.array_equal(again.images(), made.images())


def test_inverted_images_are_anchors_and_what_lies_between_is_theirs(styled, tmp_path):
    data, model = styled
    inverted = synthmed.invert(model, data, tmp_path / "inverted", steps=0)
    made = synthmed.interpolate(model, tmp_path / "path", [f"{inverted.path}:0", f"{inverted.path}:1", "3"], steps=3)
    assert {one.lineage for one in made.samples} == {"mask_from_phantom"}
    assert np.array_equal(made.images([0]), inverted.images([0]))
    assert set(made.inputs) == {"model", "codes_0"}
    with pytest.raises(DataError, match="holds 4 codes, 0 to 3; there is no 9"):
        synthmed.interpolate(model, tmp_path / "x", ["0", f"{inverted.path}:9"])
    with pytest.raises(ConfigError, match="is a code and has no latents"):
        synthmed.interpolate(model, tmp_path / "x", ["0", f"{inverted.path}:0"], along="latents")


def test_a_model_of_masks_samples_anchors_under_masks(styled, tmp_path):
    data, _ = styled
    settings = ["config.images=16", "config.encoder_images=16", "config.latent_size=8", "config.under=masks"]
    model = synthmed.train("style_inversion_tiny", data, tmp_path / "run", overrides=settings)
    made = synthmed.interpolate(model, tmp_path / "path", ["0", "3"], steps=3, masks=data)
    assert {one.lineage for one in made.samples} == {"mask_from_phantom"}
    alone = synthmed.generate(model, tmp_path / "four", num=4, masks=data)
    assert len(alone) == 4 and {one.lineage for one in alone.samples} == {"mask_from_phantom"}
    loaded = synthmed.load_model(model)
    masks = [torch.zeros(1, 32, 32, dtype=torch.uint8) for _ in range(2)]
    masks[0][:, :16], masks[1][:, 16:] = 1, 1
    one, other = (loaded.codes(loaded.latents(1), Given(masks=mask)) for mask in masks)
    assert not torch.equal(one, other)
    inverted = synthmed.invert(model, data, tmp_path / "inverted", steps=0)  # codes hold the shape: no mask is asked
    synthmed.interpolate(model, tmp_path / "own", [f"{inverted.path}:0", f"{inverted.path}:1"], steps=2)
    with pytest.raises(DataError, match="makes images under masks; give some by --masks"):
        synthmed.interpolate(model, tmp_path / "x", ["0", "1"])
    with pytest.raises(ConfigError, match="lead along codes"):
        synthmed.interpolate(model, tmp_path / "x", ["0", "1"], masks=data, along="latents")
    with pytest.raises(ConfigError, match="No anchor is sampled"):
        synthmed.interpolate(model, tmp_path / "x", [f"{inverted.path}:0", f"{inverted.path}:1"], masks=data)


def test_along_latents_the_way_follows_the_sphere(styled):
    one, other = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    half = _between(one, other, 0.5, "latents")
    torch.testing.assert_close(half, torch.tensor([2.0, 2.0]) / 2**0.5)
    torch.testing.assert_close(_between(one, other, 0.5, "codes"), torch.tensor([1.0, 1.0]))
    torch.testing.assert_close(_between(one, one, 0.3, "latents"), one)
    model = synthmed.load_model(styled[1])
    found = walk(model, list(model.latents(3)), perception("random"), 4, True, True, "latents")
    assert found.closes and found.after <= 0.1 and len(found.positions) == 12


def test_equal_places_share_the_way_and_keep_the_ends():
    places = _equal(np.array([0.0, 1.0, 2.0]), np.array([3.0, 1.0]), 5)
    assert places.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 2])


@pytest.mark.parametrize(
    ("words", "more", "told"),
    [
        (["0"], {}, "nothing between fewer than two images, and 1 was given"),
        ([], {"through": 1}, "nothing between fewer than two images"),
        (["0", "1"], {"continua": 2}, "one continuum through anchors that are named"),
        (["0", "1"], {"steps": 1}, "expected 2 steps or more"),
        (["0", "a"], {}, "'a' names no image"),
        (["0", "1"], {"along": "pixels"}, "expected codes or latents"),
        (["0", "1"], {"extractor": "eye"}, "expected one of random"),
    ],
)
def test_what_is_no_path_is_a_sentence(styled, tmp_path, words, more, told):
    with pytest.raises(ConfigError, match=told):
        synthmed.interpolate(styled[1], tmp_path / "x", words, **more)
    assert not (tmp_path / "x").exists()

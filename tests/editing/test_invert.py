"""Inverting: nearer than the encoder, told honestly, marked as whose it is, and refused where it cannot be."""

import csv
import json

import numpy as np
import pytest
import torch

import synthmed
from synthmed.editing._images import read_one
from synthmed.editing._optimise import Search, optimised
from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.evaluation.features.perception import perception
from synthmed.generation.codes import CodeFile, of_all
from synthmed.pictures import image_to_rgb, save_png
from synthmed.shapes import Given


@pytest.fixture(scope="module")
def inverted(styled, tmp_path_factory):
    data, model = styled
    out = tmp_path_factory.mktemp("inverted") / "set"
    return synthmed.invert(model, data, out, steps=30, fine_tune=20)


def test_each_way_is_nearer_than_the_one_before_it_and_the_table_says_so(styled, inverted):
    mean = inverted.facts["inversion"]["mean"]
    assert list(mean) == ["encoder", "optimised", "tuned"]
    assert mean["encoder"]["mse"] > mean["optimised"]["mse"] > mean["tuned"]["mse"]
    with (inverted.path / "inversion.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(inverted) == 4 and all(row["source"].startswith("test/") for row in rows)
    assert np.mean([float(row["mse_tuned"]) for row in rows]) == pytest.approx(mean["tuned"]["mse"], abs=1e-5)
    assert (inverted.path / "inversion.png").is_file()


def test_codes_make_the_images_again_in_the_model_that_they_are_of_and_in_no_other(styled, inverted, tmp_path):
    _, model = styled
    tuned = inverted.path / "model.safetensors"
    again = synthmed.generate(tuned, tmp_path / "again", num=4, codes=inverted.path)
    assert np.array_equal(again.images(), inverted.images())
    assert {one.lineage for one in again.samples} == {one.lineage for one in inverted.samples} == {"mask_from_phantom"}
    with pytest.raises(DataError, match="holds codes of the model"):
        synthmed.generate(model, tmp_path / "x", num=4, codes=inverted.path)
    with pytest.raises(ConfigError, match="holds 4 codes; expected no more"):
        synthmed.generate(tuned, tmp_path / "x", num=5, codes=inverted.path)
    with pytest.raises(ConfigError, match="generate without --masks"):
        synthmed.generate(tuned, tmp_path / "x", num=1, codes=inverted.path, label="a")


def test_real_images_stay_of_their_patients_in_whatever_is_made_of_them(styled, tmp_path):
    data, model = styled
    folder = tmp_path / "photographs"
    folder.mkdir()
    for place, image in enumerate(synthmed.PreparedDataset.open(data).split("test").images([0, 1])):
        save_png(folder / f"{place}.png", image_to_rgb(image)[..., 0])
    made = synthmed.invert(model, folder, tmp_path / "inverted", steps=2, fine_tune=2)
    assert {one.lineage for one in made.samples} == {"inverted_from_real"}
    path = synthmed.interpolate(model, tmp_path / "path", ["0", "1"], steps=2, even=False)
    assert {one.lineage for one in path.samples} == {"sampled"}
    # all that a model makes that was tuned to patients is of them
    sampled = synthmed.generate(tmp_path / "inverted" / "model.safetensors", tmp_path / "sampled", num=2)
    assert {one.lineage for one in sampled.samples} == {"texture_from_real"}
    assert of_all(["sampled", "mask_from_phantom"]) == "mask_from_phantom"
    assert of_all(["sampled", "inverted_from_real", "mask_from_phantom"]) == "inverted_from_real"


def test_a_search_never_ends_worse_than_it_began_and_one_that_diverges_goes_on_at_a_tenth(styled):
    data, path = styled
    model, network = synthmed.load_model(path), perception("random")
    wanted = read_one(f"{data}:test/{synthmed.PreparedDataset.open(data).split('test').rows[0].id}", model).images
    begin = model.encode(wanted)
    search = Search(steps=5, rate=1e6, code=0.0)
    codes, again = optimised(model, wanted, begin, search, network)
    assert again == [0]
    apart = [(model.decode(one) - wanted).square().mean() for one in (codes, begin)]
    assert torch.isfinite(codes).all() and apart[0] <= apart[1] * 1.01
    steady, again = optimised(model, wanted, begin, Search(steps=5, rate=0.01), network)
    assert not again and not torch.equal(steady, begin)


def test_many_images_at_once_are_inverted_as_each_alone(styled):
    data, path = styled
    model, network = synthmed.load_model(path), perception("random")
    test = synthmed.PreparedDataset.open(data).split("test")
    wanted = torch.cat([read_one(f"{data}:test/{row.id}", model).images for row in test.rows])
    search = Search(steps=4, rate=0.01)
    both = optimised(model, wanted, model.encode(wanted), search, network)[0]
    alone = optimised(model, wanted[1:2], model.encode(wanted[1:2]), search, network)[0]
    torch.testing.assert_close(both[1:2], alone, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_inverted_is_a_sentence(styled, toy_dataset, tmp_path):
    data, model = styled
    other = synthmed.train("dcgan_tiny", toy_dataset, tmp_path / "run", overrides=["training.budget=0.001"])
    with pytest.raises(DataError, match="A dcgan model has no encoder"):
        synthmed.invert(other, toy_dataset, tmp_path / "x")
    with pytest.raises(DataError, match="is of the kind retina; the model was trained on cells"):
        synthmed.invert(model, toy_dataset, tmp_path / "x")
    small = tmp_path / "small"
    small.mkdir()
    save_png(small / "a.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(DataError, match="Prepare them with --size 32x32"):
        synthmed.invert(model, small, tmp_path / "x")
    with pytest.raises(ConfigError, match="expected 0 or more"):
        synthmed.invert(model, data, tmp_path / "x", steps=-1)
    with pytest.raises(ConfigError, match="expected one of random, squeezenet"):
        synthmed.invert(model, data, tmp_path / "x", extractor="vgg")
    assert not (tmp_path / "x").exists()


def test_a_damaged_file_of_codes_is_refused(styled, inverted, tmp_path):
    stored = bytearray((inverted.path / "codes.safetensors").read_bytes())
    digest = json.loads((inverted.path / "manifest.json").read_text())["inputs"]["model"]
    for place in (len(stored) - 3, 40):
        changed = stored.copy()
        changed[place] ^= 4
        (tmp_path / "codes.safetensors").write_bytes(changed)
        with pytest.raises(ArtifactError, match="no whole file of codes"):
            CodeFile.read(tmp_path, model=digest)
    with pytest.raises(ArtifactError, match="is not a file"):
        CodeFile.read(tmp_path / "none", model=digest)


def test_what_is_decoded_is_what_was_sampled_but_for_the_noise(styled):
    _, path = styled
    model = synthmed.load_model(path)
    latents = model.latents(3)
    codes = model.codes(latents)
    assert codes.shape[0] == 3 and codes.ndim == 3
    made = model.method.generate(latents, Given()).images
    assert (model.decode(codes) - made).square().mean() < made.var()
    assert torch.equal(model.decode(codes), model.decode(codes))

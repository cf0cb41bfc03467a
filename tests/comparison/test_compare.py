"""Comparison of recipes: one budget, one table, one page, and nothing that is done is done again."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthmed.comparison.compare import compare, pictures
from synthmed.data.dataset import PreparedDataset
from synthmed.data.prepare import prepare
from synthmed.errors import ArtifactError, ConfigError, DataError, Interrupted
from synthmed.phantoms import phantom
from synthmed.samples import SampleSet

RECIPES = ("mask_embedding_tiny", "pix2pix_tiny")
SHORT = {"recipes": RECIPES, "images": 32, "metrics": ("mask_diversity", "histogram_kl")}


@pytest.fixture(scope="module")
def finished(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compare") / "out"
    compare(toy_dataset, out, **SHORT)
    return out


def test_one_page_holds_the_table_and_the_pictures(finished: Path) -> None:
    page = (finished / "comparison" / "comparison.html").read_text()
    for name in RECIPES:
        assert f'<th scope="row">{name}</th>' in page
    assert (
        "real against real" in page
        and "data:image/png;base64," in page
        and "http:" not in page
        and "https:" not in page
    )
    told = json.loads((finished / "comparison" / "comparison.json").read_text())
    assert {name: entry["images_seen"] for name, entry in told.items()} == dict.fromkeys(RECIPES, 32)
    assert told["pix2pix_tiny"]["measurements"]["mask_diversity"]["floor"] > 0


def test_every_recipe_makes_images_under_the_same_masks_of_the_test_split(finished: Path, toy_dataset: Path) -> None:
    one, other = (SampleSet.open(finished / "samples" / name) for name in RECIPES)
    test = PreparedDataset.open(toy_dataset).split("test")
    assert len(one) == len(other) == 3 * len(test)
    assert np.array_equal(one.masks(), other.masks())
    assert [s.mask_from for s in one.samples[: len(test)]] == [f"test/{row.id}" for row in test.rows]
    rows, columns = min(6, len(test)), 2 + 2 * 3
    shown = pictures(test, {"one": one, "other": other}, 3)
    assert shown.shape == (4 + rows * 36, 4 + columns * 36, 3)


def test_the_same_call_again_does_nothing_and_another_is_refused(finished: Path, toy_dataset: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in finished.rglob("*") if file.is_file()}
    compare(toy_dataset, finished, **SHORT)
    assert {file: file.stat().st_mtime_ns for file in finished.rglob("*") if file.is_file()} == before
    with pytest.raises(ConfigError, match="holds another comparison: images was 32"):
        compare(toy_dataset, finished, **SHORT | {"images": 64})


def test_a_comparison_that_was_stopped_goes_on_and_keeps_what_was_done(
    toy_dataset: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthmed.comparison import compare as comparison

    train = comparison.train

    def stop_before(recipe, *words, **more):
        if recipe == "pix2pix_tiny":
            raise Interrupted("Stopped.")
        return train(recipe, *words, **more)

    monkeypatch.setattr(comparison, "train", stop_before)
    with pytest.raises(Interrupted):
        compare(toy_dataset, tmp_path / "out", **SHORT)
    model = tmp_path / "out" / "runs" / "mask_embedding_tiny" / "model.safetensors"
    done = model.stat().st_mtime_ns
    monkeypatch.setattr(comparison, "train", train)
    compare(toy_dataset, tmp_path / "out", **SHORT)
    assert model.stat().st_mtime_ns == done
    told = [json.loads((out / "comparison" / "comparison.json").read_text()) for out in (finished, tmp_path / "out")]
    values = [
        {name: {key: m["value"] for key, m in e["measurements"].items()} for name, e in one.items()} for one in told
    ]
    assert values[0] == values[1]


def test_a_budget_in_minutes_becomes_one_number_that_is_kept(toy_dataset: Path, tmp_path: Path) -> None:
    short = {"recipes": ["mask_embedding_tiny"], "minutes": 0.02, "latents": 2, "metrics": ("histogram_kl",)}
    compare(toy_dataset, tmp_path / "out", **short)
    budget = json.loads((tmp_path / "out" / "comparison" / "comparison.json").read_text())["mask_embedding_tiny"]
    assert 0 < budget["budget"] < 1 and budget["minutes"] < 1
    assert f"mask_embedding_tiny = {budget['budget']!r}" in (tmp_path / "out" / "compare.toml").read_text()


def test_wrong_wishes_are_sentences(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="from noise alone"):
        compare(toy_dataset, tmp_path / "a", recipes=["dcgan_tiny"])
    with pytest.raises(ConfigError, match="each once"):
        compare(toy_dataset, tmp_path / "a", recipes=["pix2pix_tiny", "pix2pix_tiny"])
    with pytest.raises(ConfigError, match="did you mean"):
        compare(toy_dataset, tmp_path / "a", recipes=["pix2pix_tony"])
    with pytest.raises(ConfigError, match="minutes above 0"):
        compare(toy_dataset, tmp_path / "a", recipes=["pix2pix_tiny"], minutes=0)
    with pytest.raises(ConfigError, match="mask_diversity cannot be measured; expected 2 latents"):
        compare(toy_dataset, tmp_path / "a", recipes=["pix2pix_tiny"], latents=1)  # not after the trainings
    with pytest.raises(ConfigError, match="no split 'all'"):
        compare(toy_dataset, tmp_path / "a", recipes=["pix2pix_tiny"], split="all")
    with pytest.raises(ConfigError, match="unknown"):
        compare(toy_dataset, tmp_path / "a", recipes=["pix2pix_tiny"], metrics=("beauty",))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactError):
        compare(toy_dataset, tmp_path / "taken", recipes=["pix2pix_tiny"])
    assert not (tmp_path / "a").exists()


def test_a_setting_may_be_meant_for_one_recipe(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.levels is 0"):
        compare(toy_dataset, tmp_path / "a", recipes=RECIPES, overrides=["pix2pix_tiny.config.levels=0"])


def test_a_set_without_masks_is_refused(tmp_path: Path) -> None:
    phantom("retina", tmp_path / "eyes", num=6, seed=1, size=64)
    images = tmp_path / "plain" / "images"
    images.mkdir(parents=True)
    for index, file in enumerate(sorted((tmp_path / "eyes").glob("*/images/*"))):
        (images / f"{index}.tif").write_bytes(file.read_bytes())
    prepare(tmp_path / "plain", tmp_path / "data", kind="generic", size=32)
    with pytest.raises(DataError, match="no masks"):
        compare(tmp_path / "data", tmp_path / "out", recipes=["mask_embedding_tiny"])


def test_empty_masks_are_refused_before_any_training_or_left_out(tmp_path: Path) -> None:
    lines = ["file_name,patient_id,split"]
    for folder in ("images", "masks"):
        (tmp_path / "source" / folder).mkdir(parents=True)
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "source" / "images" / f"{number}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[8:20, 8:20] = 255 * (number != 3)
        Image.fromarray(mask).save(tmp_path / "source" / "masks" / f"{number}.png")
        lines.append(f"{number}.png,{number},{'test' if number > 1 else 'train'}")
    (tmp_path / "source" / "metadata.csv").write_text("\n".join(lines))
    prepare(tmp_path / "source", tmp_path / "data", size=32)
    with pytest.raises(DataError, match=r"1 of the 2 masks .* in its split test are empty, .* image 000003"):
        compare(tmp_path / "data", tmp_path / "out", **SHORT)
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="--leave-out-empty, or name another split"):
        compare(tmp_path / "data", tmp_path / "out", **SHORT)
    short = {"recipes": ["pix2pix_tiny"], "images": 8, "metrics": ("histogram_kl",), "leave_out_empty": True}
    compare(tmp_path / "data", tmp_path / "out", **short)
    samples = SampleSet.open(tmp_path / "out" / "samples" / "pix2pix_tiny")
    assert [sample.mask_from for sample in samples.samples] == ["test/000002"] * 3

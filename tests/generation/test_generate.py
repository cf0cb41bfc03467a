"""Generation: an image is named by its seed and number, whatever else is made with it."""

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stopping import stopped

from synthmed.data.dataset import PreparedDataset
from synthmed.data.prepare import prepare
from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.generation.generate import generate
from synthmed.generation.model import image_seed, load_model
from synthmed.phantoms import phantom
from synthmed.shapes import Given
from synthmed.training.loop import train

SHORT = ["training.budget=0.002"]


@pytest.fixture(scope="module")
def pair_model(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train("dual_gan_tiny", toy_dataset, tmp_path_factory.mktemp("dual") / "run", overrides=SHORT)


@pytest.fixture(scope="module")
def translator(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train("pix2pix_tiny", toy_dataset, tmp_path_factory.mktemp("translator") / "run", overrides=SHORT)


def of_a_hospital(folder: Path) -> Path:
    """A prepared set that nobody says is of phantoms."""
    phantom("retina", folder / "sent", num=4, seed=2, size=64)
    (folder / "sent" / "manifest.json").unlink()
    prepare(folder / "sent", folder / "real", kind="retina", size=32)
    return folder / "real"


def test_an_image_does_not_depend_on_how_many_are_made_with_it(pair_model: Path) -> None:
    model = load_model(pair_model)
    many = model.generate(19, seed=3)
    some = model.generate(4, seed=3, first=13)
    assert torch.equal(many.images[13:17], some.images)
    assert torch.equal(many.masks[13:17], some.masks)
    assert not torch.equal(model.generate(1, seed=4).images, many.images[:1])


def test_the_seeds_of_images_do_not_repeat() -> None:
    assert len({image_seed(seed, index) for seed in range(50) for index in range(50)}) == 2500


def test_a_sample_set_tells_seed_lineage_and_model(pair_model: Path, tmp_path: Path) -> None:
    samples = generate(pair_model, tmp_path / "samples", num=5, seed=7)
    assert [sample.seed for sample in samples.samples] == [image_seed(7, index) for index in range(5)]
    assert {sample.lineage for sample in samples.samples} == {"sampled"}
    assert samples.facts["model"]["method"] == "dual_gan"
    assert samples.images().shape == (5, 3, 32, 32) and samples.masks().shape == (5, 32, 32)
    again = generate(pair_model, tmp_path / "again", num=5, seed=7)
    assert again.digest == samples.digest


def test_images_under_given_masks_say_whose_they_are(translator: Path, toy_dataset: Path, tmp_path: Path) -> None:
    samples = generate(translator, tmp_path / "samples", num=10, masks=toy_dataset)
    assert {sample.lineage for sample in samples.samples} == {"mask_from_phantom"}
    masks = samples.masks()
    assert np.array_equal(masks[0], masks[8])  # eight training masks, and again from the first
    names = [sample.mask_from for sample in samples.samples]
    train = PreparedDataset.open(toy_dataset).split("train")
    assert names == [f"train/{row.id}" for row in (*train.rows, *train.rows[:2])]
    assert samples.facts["masks"] | {"digest": ""} == {
        "kind": "data set", "digest": "", "split": "train", "phantom": "retina"
    }  # fmt: skip
    more = generate(translator, tmp_path / "more", num=2, masks=tmp_path / "samples")
    assert {sample.lineage for sample in more.samples} == {"mask_from_phantom"}
    other = generate(translator, tmp_path / "other", num=2, masks=toy_dataset, split="test")
    assert other.samples[0].mask_from.startswith("test/") and not np.array_equal(other.masks()[0], masks[0])


def test_masks_of_patients_and_of_nobody_knows_whom_are_told_apart(
    translator: Path, toy_dataset: Path, tmp_path: Path
) -> None:
    samples = generate(translator, tmp_path / "a", num=2, masks=of_a_hospital(tmp_path))
    assert {sample.lineage for sample in samples.samples} == {"mask_from_real"}
    (tmp_path / "drawn").mkdir()
    for index, mask in enumerate(PreparedDataset.open(toy_dataset).masks([0, 1])):
        Image.fromarray(mask * 255).save(tmp_path / "drawn" / f"{index}.png")
    samples = generate(translator, tmp_path / "b", num=2, masks=tmp_path / "drawn")
    assert [(s.lineage, s.mask_from) for s in samples.samples] == [
        ("mask_from_real", "0.png"), ("mask_from_real", "1.png")
    ]  # fmt: skip


def test_a_model_of_edges_takes_real_images_and_says_so(toy_dataset: Path, tmp_path: Path) -> None:
    short = ["training.budget=0.002", "config.sees=texture"]
    model = train("pix2pix_tiny", toy_dataset, tmp_path / "run", overrides=short)
    real = of_a_hospital(tmp_path)
    samples = generate(model, tmp_path / "samples", num=2, masks=real)
    assert {sample.lineage for sample in samples.samples} == {"texture_from_real"}
    assert np.array_equal(samples.masks()[1], PreparedDataset.open(real).split("train").masks([1])[0])
    (tmp_path / "drawn").mkdir()
    Image.fromarray(samples.masks()[0] * 255).save(tmp_path / "drawn" / "0.png")
    with pytest.raises(DataError, match="edges of real images"):
        generate(model, tmp_path / "other", num=1, masks=tmp_path / "drawn")


def test_masks_that_do_not_fit_are_refused_with_a_sentence(translator: Path, toy_dataset: Path, tmp_path: Path) -> None:
    phantom("retina", tmp_path / "eyes", num=4, seed=2, size=64)
    with pytest.raises(DataError, match=r"is a phantom.*--size 32x32"):
        generate(translator, tmp_path / "a", num=1, masks=tmp_path / "eyes")
    prepare(tmp_path / "eyes", tmp_path / "large", kind="retina", size=64)
    with pytest.raises(DataError, match=r"64 x 64 pixels.*makes 32 x 32.*--size 32x32"):
        generate(translator, tmp_path / "b", num=1, masks=tmp_path / "large")
    (tmp_path / "empty").mkdir()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "empty" / "0.png")
    with pytest.raises(DataError, match=r"1 are empty, the first is 0\.png"):
        generate(translator, tmp_path / "c", num=1, masks=tmp_path / "empty")
    with pytest.raises(DataError, match=r"All masks of .* are empty"):
        generate(translator, tmp_path / "c", num=1, masks=tmp_path / "empty", leave_out_empty=True)
    disc = np.zeros((32, 32), np.uint8)
    disc[8:20, 8:20] = 255
    Image.fromarray(disc).save(tmp_path / "empty" / "1.png")
    samples = generate(translator, tmp_path / "c", num=3, masks=tmp_path / "empty", leave_out_empty=True)
    assert [sample.mask_from for sample in samples.samples] == ["1.png"] * 3 and samples.masks()[0].sum() == 144
    with pytest.raises(DataError, match="no split 'all'"):
        generate(translator, tmp_path / "d", num=1, masks=toy_dataset, split="all")
    plain = tmp_path / "plain" / "images"
    plain.mkdir(parents=True)
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(noise).save(plain / f"{index}.png")
    prepare(tmp_path / "plain", tmp_path / "none", kind="generic", size=32)
    with pytest.raises(DataError, match="has no masks"):
        generate(translator, tmp_path / "e", num=1, masks=tmp_path / "none")


def test_a_generation_that_is_stopped_leaves_nothing(pair_model: Path, tmp_path: Path) -> None:
    words = ["generate", pair_model, tmp_path / "samples", "--num", 1_000_000]
    said = stopped(words, lambda _: any(tmp_path.glob(".samples.*.tmp/images/*")), signal.SIGINT)
    assert said == "Stopped. Nothing of it is left; the same command begins anew."
    assert not list(tmp_path.iterdir())


def test_synthetic_masks_do_not_taint(pair_model: Path, translator: Path, tmp_path: Path) -> None:
    generate(pair_model, tmp_path / "pairs", num=3)
    samples = generate(translator, tmp_path / "samples", num=3, masks=tmp_path / "pairs")
    assert {sample.lineage for sample in samples.samples} == {"sampled"}


def test_wrong_wishes_are_sentences(pair_model: Path, translator: Path, toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give some by --masks"):
        generate(translator, tmp_path / "a", num=1)
    with pytest.raises(ConfigError, match="--num is 0"):
        generate(pair_model, tmp_path / "b", num=0)
    with pytest.raises(ArtifactError, match="not a file"):
        generate(tmp_path / "nothing.safetensors", tmp_path / "c", num=1)
    with pytest.raises(DataError, match="expected"):
        load_model(translator).generate(1, given=Given(masks=torch.zeros(1, 16, 16, dtype=torch.uint8)))
    with pytest.raises(DataError, match="label 4"):
        load_model(translator).generate(1, given=Given(masks=torch.full((1, 32, 32), 4, dtype=torch.uint8)))
    generate(pair_model, tmp_path / "d", num=1)
    with pytest.raises(ArtifactError, match="already exists"):
        generate(pair_model, tmp_path / "d", num=1)


def test_masks_for_a_model_that_takes_none_are_refused(toy_dataset: Path, tmp_path: Path) -> None:
    model = train("dcgan_tiny", toy_dataset, tmp_path / "run", overrides=["training.budget=0.003"])
    with pytest.raises(DataError, match="takes no masks; generate without --masks"):
        generate(model, tmp_path / "samples", num=2, masks=toy_dataset)

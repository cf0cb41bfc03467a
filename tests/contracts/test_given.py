"""What images are made under: classes, styles, an encoder's codes, a third axis. One toy method for each ability."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import synthmed
from synthmed import methods
from synthmed.draws import Draws
from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.generation import model_file
from synthmed.generation.generate import generate
from synthmed.generation.model import load_model
from synthmed.methods import find_method
from synthmed.methods._contract import Encodes
from synthmed.methods.dcgan import DCGAN, DCGANConfig
from synthmed.shapes import Batch, Given, ImageSpec, Pairs
from synthmed.training.loop import plan, train
from synthmed.training.updates import optimizers_of, update

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The toy methods stand beside the published ones, and a recipe for each in the working folder."""
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(HERE / "more_methods")])
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)
    for name in ("classes", "styles", "encoder", "volume"):
        Path(f"{name}.toml").write_text(f'method = "{name}"\ndescription = "Toy."\n')


def source(folder: Path, labels: list[str], *, num: int = 24) -> Path:
    """Grey squares; the class of an image is its brightness: "dark", "bright", or "" for none."""
    numbers = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    lines = ["file_name,patient_id,label"]
    for index in range(num):
        label = labels[index % len(labels)]
        pixels = numbers.integers(0, 40, (32, 32, 3)) + (150 if label == "bright" else 20)
        mask = np.zeros((32, 32), np.uint8)
        mask[4 : 12 + index % 12, 6:20] = 255
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{index:02d}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index:02d}.png")
        lines.append(f"{index:02d}.png,P{index},{label}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """24 images of as many patients, a quarter of them bright."""
    synthmed.prepare(source(tmp_path / "source", ["bright", "dark", "dark", "dark"]), tmp_path / "data", size=32)
    return tmp_path / "data"


def labels_of(samples: Path) -> list[str]:
    with (samples / "samples.csv").open() as file:
        return [row["label"] for row in csv.DictReader(file)]


def test_a_class_travels_from_the_table_to_the_samples(data: Path, tmp_path: Path) -> None:
    model = train("classes.toml", data, tmp_path / "run")
    header = load_model(model).header
    training = synthmed.PreparedDataset.open(data).split("train")
    counts = {name: sum(row.label == name for row in training.rows) for name in ("bright", "dark")}
    assert header["classes"] == counts and header["images"]["classes"] == ["bright", "dark"]

    bright = generate(model, tmp_path / "bright", num=5, label="bright")
    assert labels_of(tmp_path / "bright") == ["bright"] * 5
    mixed = generate(model, tmp_path / "mixed", num=40)
    share = counts["bright"] / len(training)
    assert abs(labels_of(tmp_path / "mixed").count("bright") - 40 * share) <= 2
    means = mixed.images().mean((1, 2, 3))
    of_bright = np.array(labels_of(tmp_path / "mixed")) == "bright"
    assert means[of_bright].min() > means[~of_bright].max()
    assert bright.images().mean() > means[~of_bright].max()


def test_the_class_of_an_image_does_not_depend_on_how_many_are_made_with_it(data: Path, tmp_path: Path) -> None:
    model = load_model(train("classes.toml", data, tmp_path / "run"))
    many = model.completed(Given(), 30, 3, 0).labels
    some = model.completed(Given(), 4, 3, 11).labels
    assert many is not None and torch.equal(many[11:15], some)  # type: ignore[arg-type]
    assert torch.equal(model.generate(30, seed=3).images[11:15], model.generate(4, seed=3, first=11).images)


def test_wrong_classes_are_sentences(data: Path, tmp_path: Path) -> None:
    model = train("classes.toml", data, tmp_path / "run")
    with pytest.raises(
        DataError, match=r"no class 'brigth' \(did you mean 'bright'\?\); it was trained on bright, dark"
    ):
        generate(model, tmp_path / "a", num=1, label="brigth")
    with pytest.raises(DataError, match="takes no masks"):
        generate(model, tmp_path / "b", num=1, masks=data)
    with pytest.raises(DataError, match="There are 2 labels, 0 of them of no class; expected 3 from 0 to 1"):
        load_model(model).generate(3, given=Given(labels=torch.tensor([0, 1])))
    with pytest.raises(DataError, match="makes images of no class"):
        generate(train("encoder.toml", data, tmp_path / "other"), tmp_path / "c", num=1, label="bright")


def test_labels_that_are_missing_or_of_another_set_are_refused_before_the_training(tmp_path: Path) -> None:
    synthmed.prepare(source(tmp_path / "some", ["bright", "", "dark"]), tmp_path / "half", size=32)
    with pytest.raises(DataError, match=r"Of the \d+ training images of .* \d+ have no class"):
        plan("classes.toml", tmp_path / "half")
    synthmed.prepare(source(tmp_path / "none", [""]), tmp_path / "bare", size=32)
    with pytest.raises(ConfigError, match="The images have no classes"):
        plan("classes.toml", tmp_path / "bare")


def test_a_style_reaches_the_batch_and_the_samples_say_whose_it_is(data: Path, tmp_path: Path) -> None:
    model = train("styles.toml", data, tmp_path / "run")
    made = generate(model, tmp_path / "samples", num=4, masks=data, styles=data, split="test")
    assert {sample.lineage for sample in made.samples} == {"texture_from_real"}
    assert made.samples[0].style_from.startswith("test/") and made.inputs["styles"] == made.inputs["masks"]
    again = generate(model, tmp_path / "again", num=4, masks=tmp_path / "samples", styles=data)
    assert again.samples[1].style_from.startswith("train/")


def test_a_model_that_needs_a_style_and_gets_none_or_a_wrong_one_is_a_sentence(data: Path, tmp_path: Path) -> None:
    model = train("styles.toml", data, tmp_path / "run")
    with pytest.raises(DataError, match="makes images under styles; give some by --styles"):
        generate(model, tmp_path / "a", num=1, masks=data)
    with pytest.raises(DataError, match="makes images under masks; give some by --masks"):
        generate(model, tmp_path / "b", num=1, styles=data)
    synthmed.prepare(tmp_path / "source", tmp_path / "large", size=64)
    with pytest.raises(DataError, match=r"The styles of .* have 64 x 64 pixels"):
        generate(model, tmp_path / "c", num=1, masks=data, styles=tmp_path / "large")
    shutil.rmtree(tmp_path / "source" / "masks")
    synthmed.prepare(tmp_path / "source", tmp_path / "bare", size=32)
    with pytest.raises(DataError, match="has no masks in its split train, and styles need one for each image"):
        generate(model, tmp_path / "d", num=1, masks=data, styles=tmp_path / "bare")
    given = Given(masks=torch.ones(1, 32, 32, dtype=torch.uint8), styles=Pairs(images=torch.zeros(1, 3, 32, 32)))
    with pytest.raises(DataError, match="styles are images without label maps"):
        load_model(model).generate(1, given=given)


def test_an_encoder_finds_latents_that_make_the_image_again(data: Path, tmp_path: Path) -> None:
    model = load_model(train("encoder.toml", data, tmp_path / "run", overrides=["config.images=2000"]))
    assert isinstance(model.method, Encodes) and model.method.latent_shape == (3, 4)
    assert not isinstance(DCGAN(DCGANConfig(features=4, cap=8), ImageSpec(channels=1, size=(32, 32))), Encodes)
    dataset = synthmed.PreparedDataset.open(data).split("train")
    images = torch.from_numpy(dataset.images()).float() / 127.5 - 1
    with torch.no_grad():
        codes = model.method.encode(images, Given())
    again = model.make(codes).images
    assert (again - images).square().mean() < 0.5 * (images - images.mean(0)).square().mean()
    with pytest.raises(DataError, match=r"The latents have the shape \(12,\); .* takes \(3, 4\)"):
        model.make(torch.zeros(2, 12))


def test_images_may_have_a_third_axis(tmp_path: Path) -> None:
    spec = ImageSpec(channels=1, size=(4, 8, 8), num_labels=3)
    kind = find_method("volume")
    method = kind(kind.Config(), spec)
    masks = torch.randint(1, 3, (4, 4, 8, 8), dtype=torch.uint8)
    batch = Batch(images=torch.rand(4, 1, 4, 8, 8), given=Given(masks=masks), fields_of_view=torch.ones_like(masks),
                  draws=Draws(0))  # fmt: skip
    (stage,) = method.stages()
    optimizers = optimizers_of(method.networks, stage)
    first = update(stage.phases[0], stage, batch, method.networks, optimizers)["distance"]
    for _ in range(20):
        last = update(stage.phases[0], stage, batch, method.networks, optimizers)["distance"]
    assert last < first
    networks = {f"mean.{key}": value for key, value in method.networks["mean"].state_dict().items()}
    model_file.write(tmp_path / "model.safetensors", method="volume", config={}, spec=spec, networks=networks, facts={})
    model = load_model(tmp_path / "model.safetensors")
    made = model.generate(3, given=Given(masks=masks[:3]))
    assert made.images.shape == (3, 1, 4, 8, 8) and made.masks is not None and made.masks.shape == (3, 4, 8, 8)
    with pytest.raises(DataError, match=r"The masks are \(3, 8, 8\); expected \(3, 4, 8, 8\)"):
        model.generate(3, given=Given(masks=masks[:3, 0]))


def test_a_model_file_of_the_old_format_says_what_to_do(data: Path, tmp_path: Path) -> None:
    model = train("classes.toml", data, tmp_path / "run")
    with safe_open(model, framework="pt") as file:
        header = json.loads(file.metadata()["synthmed"]) | {"format": 1}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, tmp_path / "old.safetensors", metadata={"synthmed": json.dumps(header)})
    with pytest.raises(ArtifactError, match="is of format 1; this synthmed reads format 3"):
        load_model(tmp_path / "old.safetensors")


def test_given_is_chosen_from_and_moved_as_one() -> None:
    masks = torch.arange(3, dtype=torch.uint8)[:, None, None].expand(3, 2, 2)
    given = Given(masks=masks, labels=torch.tensor([4, 5, 6]), styles=Pairs(images=torch.zeros(3, 1, 2, 2)))
    assert given.names == {"masks", "labels", "styles"} and given.only({"labels"}).names == {"labels"}
    last = given[-1]
    assert last.labels is not None and last.labels.tolist() == [6] and last.masks is not None and len(last.masks) == 1
    assert given[[2, 0]].labels.tolist() == [6, 4]  # type: ignore[union-attr]
    assert given.to("meta").styles.images.device.type == "meta"  # type: ignore[union-attr]

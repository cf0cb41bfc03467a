"""Multiparametric MR: the subtraction is computed, channels have curves, critics are clipped, classes are told."""

from pathlib import Path

import pytest
import torch
from contracts.toys import tiny_method, toy_batch
from evaluation.test_coherence import NAMES, dataset

from synthmed.comparison.class_table import FLOOR, as_text, class_table
from synthmed.data.intensity import to_stored
from synthmed.errors import ConfigError, DataError
from synthmed.generation.generate import generate
from synthmed.generation.model import load_model
from synthmed.methods._contract import Method
from synthmed.shapes import Given, ImageSpec
from synthmed.training.loop import MODELS, plan, train
from synthmed.training.updates import optimizers_of, update

SPEC = ImageSpec(channels=6, size=(32, 32), classes=("benign", "malignant"), channel_names=tuple(NAMES))
SHORT = [
    "config.images=32", "config.batch_size=8", "config.features=4", "config.cap=8", "config.discriminator_features=4",
    "training.checkpoint_images=16", "training.model_images=16",
]  # fmt: skip


def made(method: Method, num: int = 4) -> torch.Tensor:
    method.networks.eval()
    latents = torch.randn(num, *method.latent_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return method.generate(latents, Given(labels=torch.arange(num) % 2)).images


def test_a_subtraction_is_the_difference_of_what_it_is_made_of() -> None:
    method = tiny_method("multiparametric", SPEC)
    images = torch.from_numpy(to_stored(made(method), 16).astype("int64"))
    difference = (images[:, NAMES.index("T1 post1")] - images[:, NAMES.index("T1 pre")]).clamp_min(0)
    assert (images[:, NAMES.index("Sub")] - difference).abs().max() <= 1 and difference.max() > 0
    assert method.networks["generator"].to_image.out_channels == 5
    drawn = tiny_method("multiparametric", SPEC, sub="learned")
    assert drawn.networks["generator"].to_image.out_channels == 6


def test_what_the_networks_see_on_a_curve_comes_back_from_it() -> None:
    method = tiny_method("multiparametric", SPEC, curve=0.5, curves={"T2": 1.0})
    images = toy_batch(spec=SPEC).images
    seen = method._learned(images)
    torch.testing.assert_close(seen[:, 0], images[:, 0])
    torch.testing.assert_close(((seen[:, 1] + 1) / 2) ** 2, (images[:, 1] + 1) / 2, atol=1e-5, rtol=0)
    with pytest.raises(
        ValueError, match=r"curve for the channel 'T1 post9' \(did you mean 'T1 post3'\?\); those of the images are"
    ):
        tiny_method("multiparametric", SPEC, curves={"T1 post9": 1.0})
    with pytest.raises(ValueError, match="have no classes"):
        tiny_method("multiparametric", ImageSpec(channels=1, size=(32, 32)))


def test_the_weights_of_a_critic_stay_within_the_clip_and_it_takes_five_steps() -> None:
    method = tiny_method(
        "multiparametric", SPEC, blocks="convolution", projection=False, loss="wasserstein", clip=True, penalty=0.0,
        critic_steps=5, detail=0.0, patches=0.0, rmsprop={"clip": 0.02},
    )  # fmt: skip
    (stage,) = method.stages()
    critic, generator = stage.phases
    assert critic.repeat == 5 and generator.networks == ("generator",)
    before = [weights.clone() for weights in method.networks["generator"].parameters()]
    update(critic, stage, toy_batch(4, spec=SPEC), method.networks, optimizers_of(method.networks, stage))
    largest = max(float(weights.detach().abs().max()) for weights in method.networks["discriminator"].parameters())
    assert largest == pytest.approx(0.02)
    assert all(torch.equal(*pair) for pair in zip(before, method.networks["generator"].parameters(), strict=True))


def test_the_discriminator_is_told_the_class_by_projection_alone() -> None:
    batch, other = toy_batch(4, spec=SPEC), toy_batch(4, spec=SPEC)
    other = type(batch)(**{**vars(batch), "given": Given(labels=1 - batch.given.labels)})
    for projection in (True, False):
        method = tiny_method("multiparametric", SPEC, projection=projection)
        one, two = (method.discriminate(which)["discriminator"] for which in (batch, other))
        assert torch.allclose(one, two) is not projection


@pytest.mark.parametrize(
    "wrong",
    [
        ["config.clip=true"], ["config.loss=wasserstein", "config.penalty=0"], ["config.critic_steps=5"],
        ["config.blocks=convolution"], ["config.curves={T2=0.0}"],
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_together_are_sentences(tmp_path: Path, wrong: list[str]) -> None:
    dataset(tmp_path / "data", num=8)
    with pytest.raises(ConfigError, match="do not fit together"):
        plan("multiparametric_tiny", tmp_path / "data", overrides=wrong)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trainings of 32 images on 48 patches of 24 patients, half of them for testing."""
    folder = tmp_path_factory.mktemp("trained")
    dataset(folder / "data", num=96)
    train("multiparametric_tiny", folder / "data", folder / "ours", overrides=SHORT)
    train("multiparametric_wgan_gp", folder / "data", folder / "gp", overrides=SHORT)
    return folder


def test_models_are_kept_on_the_way_and_the_table_chooses_among_them(trained: Path, tmp_path: Path) -> None:
    kept = sorted((trained / "ours" / MODELS).iterdir())
    assert [file.name for file in kept] == ["s0-000000016.safetensors"]
    table = class_table(
        trained / "data", tmp_path / "table", runs=[trained / "ours", trained / "gp"], channels="T2,T1 pre,T1 post1",
        num=12, draws=2, extractor="texture",
    )  # fmt: skip
    assert [(cell.label, cell.name) for cell in table] == [
        (label, name) for label in ("benign", "malignant") for name in ("ours", "gp", FLOOR)
    ]
    for cell in table:
        assert cell.num == 12 and cell.chosen in (("",) if cell.name == FLOOR else ("last", "s0-000000016"))
        floor = next(one for one in table if one.label == cell.label and one.name == FLOOR)
        assert cell.values["frechet_distance"][0] >= floor.values["frechet_distance"][0]
    assert "1-NN real" in as_text(table)
    page = (tmp_path / "table" / "class_table.html").read_text()
    assert '<th scope="row">benign</th>' in page and "https" not in page


def test_other_channels_other_data_and_too_few_patients_are_sentences(trained: Path, tmp_path: Path) -> None:
    usual = {"runs": [trained / "ours"], "extractor": "texture", "channels": "each"}
    dataset(tmp_path / "fewer", num=48, names=NAMES[:5])
    with pytest.raises(DataError, match=r"make the channels .* Sub; the data set has T2, T1 pre, T1 post1"):
        class_table(tmp_path / "fewer", tmp_path / "a", **usual)
    dataset(tmp_path / "other", num=48)
    with pytest.raises(DataError, match="was trained on another data set"):
        class_table(tmp_path / "other", tmp_path / "b", **usual)
    dataset(tmp_path / "few", num=4)
    train("multiparametric_tiny", tmp_path / "few", tmp_path / "run", overrides=SHORT)
    with pytest.raises(DataError, match="expected 8 or more of each, of different patients"):
        class_table(tmp_path / "few", tmp_path / "c", **usual | {"runs": [tmp_path / "run"]})


def test_a_class_is_asked_for_by_its_name(trained: Path, tmp_path: Path) -> None:
    model = trained / "ours" / "model.safetensors"
    assert load_model(model).spec.channel_names == tuple(NAMES)
    found = generate(model, tmp_path / "samples", num=3, label="benign", file_format="npy")
    assert {sample.label for sample in found.samples} == {"benign"} and found.shape == (6, 32, 32)
    with pytest.raises(DataError, match=r"no class 'healthy'"):
        generate(model, tmp_path / "none", num=1, label="healthy", file_format="npy")

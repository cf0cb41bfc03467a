"""S3: organs take the texture that was asked for, latents vary it, and a style may be mixed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.toys import tiny_method, toy_batch

import synthmed
from synthmed.errors import ConfigError, DataError
from synthmed.generation.given import read_given
from synthmed.networks.organ_style import OrganGenerator, OrganJudge
from synthmed.networks.textures import TextureNetwork
from synthmed.pictures import save_png
from synthmed.shapes import Given, Pairs


@pytest.fixture(scope="module")
def thorax(tmp_path_factory):
    """Slices of phantom thoraxes with their organs, and a model of them that has hardly learned."""
    folder = tmp_path_factory.mktemp("thorax")
    synthmed.phantom("thorax", folder / "source", num=6, size=64)
    synthmed.prepare(folder / "source", folder / "data", kind="ct", size=32, test=0.4, holdout=0,
                     table=folder / "source" / "labels.csv")  # fmt: skip
    settings = ["config.images=16", "config.levels=2"]
    model = synthmed.train("organ_style_tiny", folder / "data", folder / "run", overrides=settings)
    return folder / "data", model


def under(batch, codes_of):
    return Given(masks=batch.masks, styles=Pairs(images=codes_of.images, masks=codes_of.masks))


def test_image_style_and_latents_each_change_what_is_made_and_nothing_else_does():
    method, batch, other = tiny_method("organ_style"), toy_batch(seed=0), toy_batch(seed=1)
    method.networks.eval()
    latents = torch.randn(4, *method.latent_shape)
    with torch.no_grad():
        first = method.generate(latents, under(batch, batch)).images
        again = method.generate(latents, under(batch, batch)).images
        style = method.generate(latents, under(batch, other)).images
        drawn = method.generate(latents.flip(0), under(batch, batch)).images
    assert torch.equal(first, again) and (first - style).abs().mean() > 1e-3 and (first - drawn).abs().mean() > 1e-3
    with torch.no_grad():  # an image depends on its own row alone
        single = method.generate(latents[2:3], under(batch, batch)[2]).images
    torch.testing.assert_close(single, first[2:3], rtol=1e-4, atol=1e-5)


def test_an_organ_that_a_style_lacks_takes_the_code_of_the_one_that_looks_most_like_it():
    generator = OrganGenerator(organs=3, channels=1, latent_size=3, code_size=4, features=8, cap=8, levels=1)
    generator.usual.copy_(torch.tensor([[1.0] * 4, [7.0] * 4, [8.0] * 4]))
    codes, shares = torch.tensor([[[5.0] * 4, [6.0] * 4, [0.0] * 4]]), torch.zeros(1, 3, 8, 8)
    shares[:, 0, :4], shares[:, 1, 4:] = 1, 1
    assert generator.mixed(codes, shares)[0, :, 0].tolist() == [5.0, 6.0, 6.0]
    assert generator.mixed(codes, shares, torch.tensor([[0.25, 1.0, 0.5]]))[0, :, 0].tolist() == [2.0, 6.0, 7.0]
    assert generator.mixed(codes, shares * 0)[0, :, 0].tolist() == [1.0, 7.0, 8.0]
    generator.remember(codes, shares)
    assert generator.usual[0, 0] > 1 and generator.usual[1, 0] < 7 and generator.usual[2, 0] == 8


def test_a_style_without_an_organ_of_the_map_is_refused_or_told_as_the_user_chooses(thorax, tmp_path):
    data, model = thorax
    styles, said = tmp_path / "styles", []
    opened = synthmed.PreparedDataset.open(data).split("test")
    names = {name: int(number) for number, name in opened.info.mask_labels.items()}
    maps = opened.masks([0])
    maps[maps == names["lung"]] = names["soft tissue"]
    bone = np.flatnonzero(maps == names["bone"])
    maps.reshape(-1)[bone[3:]] = names["soft tissue"]
    for folder, stored in (("images", opened.images([0])[0, 0]), ("masks", maps[0])):
        (styles / folder).mkdir(parents=True)
        save_png(styles / folder / "a.png", stored)
    with pytest.raises(DataError, match=r"shows no lung, and 2 of 2 images need it.*--missing-organ nearest"):
        synthmed.generate(model, tmp_path / "x", num=2, masks=data, styles=styles, split="test")
    synthmed.generate(model, tmp_path / "x", num=2, masks=data, styles=styles, split="test",
                      missing_organ="nearest", say=said.append)  # fmt: skip
    told = [sentence.split(":")[0] for sentence in said]
    assert told[:2] == ["lung", "bone"]
    assert "texture of another organ" in said[0] and "fewer than 16 pixels" in said[1]
    usual = [f"{name}=0" for name in told]
    synthmed.generate(model, tmp_path / "y", num=2, masks=data, styles=styles, split="test", style_weight=usual,
                      say=said.append)  # fmt: skip
    assert len(said) == len(told)
    with pytest.raises(ConfigError, match="expected refuse or nearest"):
        synthmed.generate(model, tmp_path / "z", num=1, masks=data, styles=styles, missing_organ="any")


@pytest.mark.parametrize(
    ("owner", "trained_on", "lineage"),
    [
        ("real", "", "texture_from_real"),
        ("phantom", "", "texture_from_real"),
        ("sampled", "", "texture_from_real"),
        ("real", "thorax", "mask_from_real"),
        ("sampled", "thorax", "mask_from_phantom"),
    ],
)
def test_images_of_a_model_that_holds_one_patients_texture_are_of_that_patient(
    thorax, tmp_path, owner, trained_on, lineage
):
    data, _ = thorax
    settings = ["config.images=4", "config.levels=3", "config.features=8", "config.discriminator_features=8"]
    model = synthmed.load_model(synthmed.train("organ_style_paper", data, tmp_path / "run", overrides=settings))
    assert model.method.keeps_texture and model.header["data"]["phantom"] == "thorax"
    model.header["data"]["phantom"] = trained_on
    source = read_given(model, most=2, masks=data)
    assert replace(source, masks=replace(source.masks, owner=owner)).lineage == lineage


def test_what_judges_is_in_no_model_file_and_learns_nothing():
    method = tiny_method("organ_style")
    assert "discriminator" not in method.generator_networks
    judge = method.networks["discriminator"]
    assert isinstance(judge, OrganJudge) and not list(judge.textures.parameters())
    maps, content = TextureNetwork("random")(torch.rand(1, 1, 64, 64))
    again, _ = TextureNetwork("random")(torch.rand(1, 1, 64, 64))
    assert [one.shape[2] for one in maps] == [64, 32, 16, 8, 4] and content.shape[2] == 8 and len(again) == 5


def test_published_networks_of_others_give_five_maps():
    for name, sides in (
        ("squeezenet", [31, 15, 7, 3, 3]),
        ("vgg16", [64, 32, 16, 8, 4]),
        ("vgg19", [64, 32, 16, 8, 4]),
    ):
        maps, _ = TextureNetwork(name)(torch.rand(1, 1, 64, 64) * 2 - 1)
        assert [one.shape[2] for one in maps] == sides


def test_distances_of_images_are_of_all_depths_or_of_conv4_3():
    network, images = TextureNetwork("random"), torch.rand(3, 1, 32, 32) * 2 - 1
    features = network.embed(images)
    assert features.shape == (3, 16 * 32**2 + 32 * 16**2 + 48 * 8**2 + 64 * 4**2 + 64 * 2**2)
    near = network.embed(images + 0.01)
    assert (features - near).norm(dim=1).max() < (features[0] - features[1]).norm() / 5
    assert TextureNetwork("vgg16").embed(images).shape == (3, 512 * 4 * 4)


def test_the_published_method_has_one_style_and_keeps_it():
    method = tiny_method("organ_style", generator="published", pixel=0.0, patches=0.0, level=0.0, penalty=0.0)
    assert method.needs == {"masks"}
    judge, first, second = method.networks["discriminator"], toy_batch(seed=0), toy_batch(seed=1)
    style = judge.style_of(first)
    assert torch.equal(judge.style_of(second).images, style.images)
    assert torch.equal(style.images[0], first.images[0])
    assert {"adversarial", "style", "content"} <= method.generator_objective(second).keys()


def test_slices_in_the_texture_of_others_from_end_to_end(thorax, tmp_path):
    data, model = thorax
    made = synthmed.generate(model, tmp_path / "made", num=3, masks=data, styles=data, split="test")
    assert len(made) == 3 and made.has_masks
    # a phantom's textures are nobody's, and so are its maps
    assert {one.lineage for one in made.samples} == {"mask_from_phantom"}
    assert all(one.style_from.startswith("test/") for one in made.samples)
    mixed = synthmed.generate(model, tmp_path / "mixed", num=3, masks=data, styles=data, split="test",
                              style_weight=["lung=0"])  # fmt: skip
    assert not np.array_equal(made.images(), mixed.images())


@pytest.mark.parametrize(
    ("error", "words", "told"),
    [
        (DataError, ["lungs=0.5"], r"names 'lungs' \(did you mean 'lung'\?\)"),
        (ConfigError, ["lung=1.5"], "a share from 0 to 1"),
        (ConfigError, ["lung"], "expected LABEL=SHARE"),
        (ConfigError, ["lung=much"], "expected LABEL=SHARE"),
    ],
)
def test_wrong_weights_are_sentences(thorax, tmp_path, error, words, told):
    data, model = thorax
    with pytest.raises(error, match=told):
        synthmed.generate(model, tmp_path / "x", num=1, masks=data, styles=data, style_weight=words)
    assert not (tmp_path / "x").exists()


def test_missing_styles_and_a_size_that_cannot_be_halved_are_sentences(thorax, tmp_path):
    data, model = thorax
    with pytest.raises(DataError, match="give some by --styles"):
        synthmed.generate(model, tmp_path / "x", num=1, masks=data)
    with pytest.raises(ConfigError, match="both sides must be multiples of 64"):
        synthmed.train("organ_style_tiny", data, tmp_path / "run", overrides=["config.levels=5"])

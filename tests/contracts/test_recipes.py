"""What holds for every recipe; a new file in synthmed/recipes is tested here without a change."""

from pathlib import Path

import pytest

from synthmed.config import parse, read_recipe, recipe_names
from synthmed.errors import ConfigError
from synthmed.methods import find_method, method_names
from synthmed.shapes import ImageSpec
from synthmed.training.loop import TrainingSettings, plan, train

BASELINES = {
    "tub_gan": "mask_embedding",
    "mask_embedding_without": "mask_embedding",
    "pix2pix_texture": "pix2pix",
    "multiparametric_wgan_paper": "multiparametric",
    "multiparametric_wgan_gp": "multiparametric",
}
"""What a paper compares with, and the method that it is with other settings."""


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_is_whole_and_builds_its_method(name: str) -> None:
    recipe = read_recipe(name)
    kind = find_method(recipe.method)
    assert recipe.description.endswith(".")
    known = {recipe.method, f"{recipe.method}_paper", f"{recipe.method}_tiny", f"{recipe.method}_private"}
    assert name in known or BASELINES.get(name) == recipe.method
    parse(TrainingSettings, recipe.training, "training")
    size = 64 if name.endswith("_tiny") else 256
    method = kind(
        parse(kind.Config, recipe.config, "config"), ImageSpec(channels=3, size=(size, size), classes=("a", "b"))
    )
    assert method.stages()


@pytest.mark.parametrize("name", method_names())
def test_every_method_has_a_recipe_of_ours_one_as_published_and_a_tiny_one(name: str) -> None:
    assert {name, f"{name}_paper", f"{name}_tiny"} <= set(recipe_names())


def test_an_unknown_key_names_the_nearest_known_one(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.photograph\.pixle \(did you mean 'pixel'\?\)"):
        train("dual_gan_tiny", toy_dataset, tmp_path / "run", overrides=["config.photograph.pixle=3"])
    with pytest.raises(ConfigError, match="did you mean 'dual_gan"):
        read_recipe("dual_gann")
    with pytest.raises(ConfigError, match="did you mean 'config'"):
        read_recipe("dual_gan", ["confg.x=1"])
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        read_recipe("dual_gan", ["config.mask.images"])


@pytest.mark.parametrize(
    "recipe, overrides",
    [
        ("dcgan_tiny", ["config.discriminator_norm=batch"]),
        ("dual_gan_paper", ["config.mask.penalty=1.0"]),
        ("pix2pix_tiny", ["config.discriminator_norm=batch"]),
    ],
)
def test_a_penalty_beside_batch_norm_is_refused_before_a_step_is_made(
    toy_dataset: Path, recipe: str, overrides: list[str]
) -> None:
    with pytest.raises(ConfigError, match="batch norm and a gradient penalty"):
        plan(
            recipe, toy_dataset, overrides=[*overrides, "config.photograph.levels=4"] if "dual" in recipe else overrides
        )


def test_a_value_out_of_range_is_named_with_its_place(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.mask\.adam\.learning_rate is -1"):
        train("dual_gan_tiny", toy_dataset, tmp_path / "run", overrides=["config.mask.adam.learning_rate=-1"])


def test_a_recipe_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('method = "dcgan"\ndescription = "Mine."\n[config]\nimages = 10\n')
    recipe = read_recipe(str(file), ["config.images=12", "config.loss=relativistic"])
    assert (recipe.name, recipe.config) == ("mine", {"images": 12, "loss": "relativistic"})
    file.write_text("method = dcgan")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_recipe(str(file))

"""Settings have the types of TOML and are finite; what is absurd is a sentence."""

import pytest

from synthmed.config import parse, read_recipe, recipe_names
from synthmed.errors import ConfigError
from synthmed.methods import find_method
from synthmed.methods._contract import build
from synthmed.shapes import ImageSpec
from synthmed.training.loop import TrainingSettings

SPEC = ImageSpec(channels=3, size=(64, 64))


def read(override: str) -> None:
    recipe = read_recipe("dcgan_tiny", [override])
    kind = find_method(recipe.method)
    parse(TrainingSettings, recipe.training, "training")
    build(kind, parse(kind.Config, recipe.config, "config"), SPEC)


@pytest.mark.parametrize(
    "override",
    [
        "training.budget=inf", "training.budget=nan", "training.budget=-1", "training.budget=1e300",
        "training.budget=true", "training.budget='1'", "training.budget={}", "training.budget.x=1",
        "training.seed=1.0", "training.seed=-1", "training.seed=99999999999999999999", "training.seed=1979-05-27",
        "training.precision=32", "config.images=true", "config.images=1e3", "config.images=[8]", "config.images=0",
        "config.adam.learning_rate=inf", "config.adam.learning_rate=0", "config.adam=3", "config.changes=['a']",
        "config.latent_size=1000000000", "config.latent_size=100000000000000000000", "config.kernel=1000000001",
        "config.kernel=4",
        "config.warp.flip_horizontal=1", "training=3", "config=3", "method=3", "method=[]", "description=3",
        "config.images=" + "[" * 5000, "training..seed=1", "=1", "seed",
    ],
)  # fmt: skip
def test_an_absurd_setting_is_a_sentence(override: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(override)
    assert str(error.value).endswith(".")


def test_whole_numbers_may_stand_for_fractions_and_lists_for_tuples() -> None:
    read("training.budget=2")
    read('config.changes=["translation"]')


@pytest.mark.parametrize("name", recipe_names())
def test_the_weights_of_a_shipped_recipe_are_counted_before_they_are_made(name: str) -> None:
    recipe = read_recipe(name)
    kind = find_method(recipe.method)
    build(kind, parse(kind.Config, recipe.config, "config"), ImageSpec(channels=1, size=(256, 256), classes=("a", "b")))

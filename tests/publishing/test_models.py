"""A model as a release, and the index that is made of several."""

import pytest
from publishing.conftest import GIVEN, stand_in

from synthmed.artifacts import verify
from synthmed.data.prepare import prepare
from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.generation.generate import generate
from synthmed.phantoms import phantom
from synthmed.publishing.models import models_index, models_publish
from synthmed.training.loop import train
from synthmed.zoo.folder import models_fetch

RECIPE = """
method = "dcgan"
[config]
makes = "pairs"
latent_size = 4
features = 4
cap = 4
discriminator_features = 4
images = 16
batch_size = 8
"""
WORDS = {key: GIVEN[key] for key in ("licence", "contact")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A model of a minute's beginning, what it makes, and the audit of that."""
    place = tmp_path_factory.mktemp("run")
    (place / "small.toml").write_text(RECIPE)
    phantom("retina", place / "eyes", num=8, size=64)
    prepare(place / "eyes", place / "data", kind="retina", size=32)
    model = train(str(place / "small.toml"), place / "data", place / "run")
    stand_in(place / "audit", generate(model, place / "samples", num=8))
    return place


def test_a_published_model_is_fetched_from_its_index_and_used(run, tmp_path, monkeypatch):
    models = tmp_path / "models"
    models_publish(run / "run" / "model.safetensors", models / "tiny", samples=run / "samples", audit=run / "audit",
                   **WORDS)  # fmt: skip
    verify(models / "tiny", "model_release")
    text = (models / "tiny" / "README.md").read_text()
    for word in (
        "No evidence of copying",
        "epsilon = 1.30",
        "fewer than 5 holdout",
        "CC-BY-4.0",
        "retract@example.org",
        "tensors and JSON",
        "Out of scope",
    ):
        assert word in text, word
    assert 'method = "dcgan"' in (models / "tiny" / "recipe.toml").read_text()
    index = models_index(models)
    monkeypatch.setenv("SYNTHMED_MODELS", str(tmp_path / "mine"))
    models_fetch(["tiny"], models, pin=index.digest)
    assert len(generate("tiny", tmp_path / "made", num=3)) == 3


def test_the_recipe_of_a_published_model_trains_again(run, tmp_path):
    models_publish(run / "run" / "model.safetensors", tmp_path / "tiny", samples=run / "samples", audit=run / "audit",
                   **WORDS)  # fmt: skip
    again = train(str(tmp_path / "tiny" / "recipe.toml"), run / "data", tmp_path / "again")
    from synthmed.generation.model_file import read

    mine, theirs = (read(file)[1] for file in (again, run / "run" / "model.safetensors"))
    assert all((mine[name] == value).all() for name, value in theirs.items())


def test_samples_of_another_model_are_refused(run, tmp_path):
    generate("phantom-retina", tmp_path / "others", num=2)
    with pytest.raises(DataError, match="were made by a model with the digest"):
        models_publish(run / "run" / "model.safetensors", tmp_path / "tiny", samples=tmp_path / "others",
                       audit=run / "audit", **WORDS)  # fmt: skip
    with pytest.raises(ConfigError, match="no path"):
        models_publish(run / "run" / "model.safetensors", tmp_path / "tiny", samples=run / "samples",
                       audit=run / "audit", name="../x", **WORDS)  # fmt: skip
    assert not (tmp_path / "tiny").exists()


def test_an_index_of_nothing_or_of_a_damaged_model_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="holds no published model"):
        models_index(tmp_path)
    models_publish(run / "run" / "model.safetensors", tmp_path / "tiny", samples=run / "samples", audit=run / "audit",
                   **WORDS)  # fmt: skip
    (tmp_path / "tiny" / "model.json").write_text("{}")
    with pytest.raises(ArtifactError, match="is damaged"):
        models_index(tmp_path)

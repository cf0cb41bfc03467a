"""A model file that says what no model of ours can say is refused with a sentence, before anything is allocated."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from synthmed.errors import ArtifactError, TrainingError
from synthmed.files.seals import sealed, unsealed
from synthmed.generation import model_file
from synthmed.generation.model import load_model
from synthmed.methods import find_method
from synthmed.methods._contract import build
from synthmed.shapes import ImageSpec

CONFIG = {"latent_size": 4, "features": 4, "cap": 4, "discriminator_features": 4}
SPEC = ImageSpec(channels=1, size=(16, 16), num_labels=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kind = find_method("dcgan")
    method = build(kind, kind.Config(**CONFIG), SPEC)
    file = tmp_path_factory.mktemp("model") / "model.safetensors"
    model_file.write(file, method="dcgan", config=CONFIG, spec=SPEC, networks=weights(method), facts={})
    return file


def weights(method: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value
        for name in method.generator_networks
        for key, value in method.networks[name].state_dict().items()
    }


def rewritten(model: Path, out: Path, change: Mapping[str, Any], *, seal: bool = True, text: str = "") -> Path:
    """The same tensors under another header, sealed rightly or with the seal of before."""
    with safe_open(model, framework="pt") as file:
        header = json.loads(file.metadata()["synthmed"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    said = {**unsealed(header), **change}
    said = {key: value for key, value in said.items() if value is not None}
    told = json.dumps(sealed(said) if seal else {**said, "seal": header["seal"]})
    save_file(tensors, out / "other.safetensors", metadata={"synthmed": text or told})
    return out / "other.safetensors"


IMAGES = {"channels": 1, "size": [16, 16], "num_labels": 1, "classes": [], "channel_names": []}


@pytest.mark.parametrize(
    "change",
    [
        {"config": {**CONFIG, "latent_size": 10**9}}, {"config": {**CONFIG, "latent_size": 10**30}},
        {"config": {**CONFIG, "latent_size": "4"}}, {"config": {**CONFIG, "kernel": 10**9 + 1}},
        {"config": {**CONFIG, "latent_size": 5}}, {"config": 3}, {"config": None}, {"config": {"x": 1}},
        {"images": {**IMAGES, "size": ["16", 16]}}, {"images": {**IMAGES, "size": [10**9, 16]}},
        {"images": {**IMAGES, "size": [-16, 16]}}, {"images": {**IMAGES, "size": [16]}},
        {"images": {**IMAGES, "size": [32, 32]}}, {"images": {**IMAGES, "channels": 10**9}},
        {"images": {**IMAGES, "channels": True}}, {"images": {**IMAGES, "num_labels": 0}}, {"images": []},
        {"images": {**IMAGES, "classes": ["a", "b"]}}, {"images": None}, {"images": {"channels": 1}},
        {"method": 3}, {"method": None}, {"bits": 12}, {"bits": None}, {"bits": "8"}, {"tensors": "abc"},
        {"tensors": None}, {"format": None}, {"format": "3"}, {"format": 4}, {"version": None}, {"data": []},
        {"intensity": 3}, {"privacy": 5}, {"kind": 1}, {"mask_labels": []}, {"method": "x" * 101},
    ],
)  # fmt: skip
def test_a_header_with_a_missing_or_absurd_field_is_refused(model: Path, tmp_path: Path, change: dict) -> None:
    with pytest.raises(ArtifactError) as error:
        load_model(rewritten(model, tmp_path, change))
    assert str(error.value).endswith(".")


def test_a_header_that_was_changed_without_its_seal_is_refused(model: Path, tmp_path: Path) -> None:
    assert load_model(rewritten(model, tmp_path, {"recipe": "mine"})).header["recipe"] == "mine"
    with pytest.raises(ArtifactError, match="seal"):
        load_model(rewritten(model, tmp_path, {"recipe": "mine"}, seal=False))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"a":' * 100_000, '{"format": 3, "format": 3}'])
def test_a_header_that_is_no_table_of_ours_is_refused(model: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(ArtifactError, match="not a whole synthmed model"):
        load_model(rewritten(model, tmp_path, {}, text=text or " "))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_read(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    networks = weights(load_model(model).method)
    next(iter(networks.values()))[0] = value
    out = tmp_path / "bad.safetensors"
    with pytest.raises(TrainingError, match="not finite; the model was not written"):
        model_file.write(out, method="dcgan", config=CONFIG, spec=SPEC, networks=networks, facts={})
    with monkeypatch.context() as patch:
        patch.setattr(model_file, "first_not_finite", lambda tensors: "")
        model_file.write(out, method="dcgan", config=CONFIG, spec=SPEC, networks=networks, facts={})
    with pytest.raises(ArtifactError, match="weights that are not finite"):
        load_model(out)


def test_images_that_are_not_finite_are_not_made(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model(model)
    whole = type(loaded.method).generate

    def broken(self: Any, latents: torch.Tensor, given: Any) -> Any:
        pairs = whole(self, latents, given)
        pairs.images[2, 0, 0, 0] = torch.nan
        return pairs

    monkeypatch.setattr(type(loaded.method), "generate", broken)
    with pytest.raises(TrainingError, match="Image 2 of the model is not finite"):
        loaded.generate(4)


def test_networks_that_are_not_those_of_the_settings_are_refused(model: Path, tmp_path: Path) -> None:
    networks = weights(load_model(model).method)
    for changed in ({**networks, "generator.more": torch.zeros(1)}, dict(list(networks.items())[1:])):
        out = tmp_path / "other.safetensors"
        model_file.write(out, method="dcgan", config=CONFIG, spec=SPEC, networks=changed, facts={})
        with pytest.raises(ArtifactError, match="does not hold the network generator"):
            load_model(out)

"""A sixth method is one file: dropped beside the others it trains, generates and loads with no other edit."""

from pathlib import Path

import pytest
import torch

from synthmed import methods
from synthmed.generation.generate import generate
from synthmed.training.loop import train

TOY = '''
"""Toy: the mean image of the data, shifted by the latents."""

import torch
from pydantic import Field
from torch import nn

from synthmed.config import Settings
from synthmed.methods._contract import Adam, Method, Phase, Stage
from synthmed.shapes import Pairs


class ToyConfig(Settings):
    images: int = Field(32, description="Images seen.")


class Toy(Method):
    Config = ToyConfig
    generator_networks = ("mean",)

    def __init__(self, config, spec):
        self.config, self.spec, self.latent_shape = config, spec, (2,)
        mean = nn.Module()
        mean.image = nn.Parameter(torch.zeros(spec.channels, *spec.size))
        self.networks = nn.ModuleDict({"mean": mean, "critic": nn.Linear(1, 1)})

    def objective(self, batch):
        return {"distance": (self.networks["mean"].image - batch.images).square().flatten(1).mean(1)}

    def stages(self):
        phase = Phase(networks=("mean",), objective=self.objective, optimizer=Adam(learning_rate=0.05).build)
        return [Stage(name="mean", phases=(phase,), images=self.config.images, batch_size=4, average_images=4)]

    def generate(self, latents, given):
        shift = latents[:, :1, None, None] * 0.1
        return Pairs(images=torch.tanh(self.networks["mean"].image + shift))


METHOD = Toy
'''


def test_a_toy_method_in_one_file_trains_and_generates(
    toy_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    (tmp_path / "toy.toml").write_text('method = "toy"\ndescription = "Toy."\n')
    assert "toy" in methods.method_names()

    model = train(str(tmp_path / "toy.toml"), toy_dataset, tmp_path / "run")
    samples = generate(model, tmp_path / "samples", num=3)

    assert len(samples) == 3
    assert not torch.equal(*torch.from_numpy(samples.images([0, 1])).unbind())

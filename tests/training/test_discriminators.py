"""The discriminators of a run, as attacks on membership."""

import shutil

import numpy as np
import pytest
import torch
from privacy.conftest import SIDE, dataset, population, samples

import synthmed
from synthmed.errors import ConfigError, DataError
from synthmed.training import checkpoint
from synthmed.training.discriminators import _trained, discriminator_attacks
from synthmed.training.loop import train

SMALL = ["config.features=8", "config.cap=16", "config.discriminator_features=8", "config.makes=pairs"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A prepared set of eight training and forty holdout patients, and a run that learned the eight by heart."""
    place = tmp_path_factory.mktemp("run")
    images, masks = population(48, 1)
    dataset(place / "data", images[:8], images[8:], masks)
    overrides = [*SMALL, "training.budget=0.3", "config.changes=[]", "config.penalty=0.0", "config.warp.rotation=0.0",
                 "config.warp.elastic=0.0", "config.warp.scale=0.0", "config.warp.flip_vertical=false",
                 "config.warp.flip_horizontal=false"]  # fmt: skip
    synthmed.train("dcgan_tiny", place / "data", place / "run", overrides=overrides)
    return place


def test_a_discriminator_that_learned_by_heart_gives_its_patients_away(trained):
    data = synthmed.PreparedDataset.open(trained / "data")
    attacks = discriminator_attacks(trained / "run", data)
    assert list(attacks) == ["white box, discriminator"]
    inside, outside = (attacks["white box, discriminator"](data.split(name)) for name in ("train", "holdout"))
    assert inside.shape == (8,) and outside.shape == (40,)
    assert np.mean(inside[:, None] > outside[None]) > 0.8  # the area under the ROC curve
    assert np.array_equal(attacks["white box, discriminator"](data.split("train")), inside)


def test_the_audit_reports_it(trained, tmp_path):
    images, masks = population(12, 9)
    samples(tmp_path / "made", images, masks)
    report = synthmed.audit(tmp_path / "made", trained / "data", tmp_path / "out", canaries=0, run=trained / "run")
    found = {one.name: one for one in report.findings.inferences}["white box, discriminator"]
    assert found.inside and found.auc > 0.8
    page = (tmp_path / "out" / "report.html").read_text()
    assert "white box, discriminator" in page and "not handed on" in page
    assert f"--run {(trained / 'run').name}" in page


def test_a_run_of_other_data_or_none_is_refused(trained, tmp_path):
    images, masks = population(48, 3)
    other = dataset(tmp_path / "other", images[:8], images[8:], masks)
    with pytest.raises(DataError, match="was trained on a data set with the digest"):
        discriminator_attacks(trained / "run", other)
    data = synthmed.PreparedDataset.open(trained / "data")
    with pytest.raises(ConfigError, match="is no training of synthmed"):
        discriminator_attacks(tmp_path, data)
    assert data.info.height == SIDE


def test_an_unfinished_training_is_asked_as_far_as_it_has_come(toy_dataset, tmp_path):
    """Networks that have not learned tell nothing, and one that grows is asked at the size that it has reached."""
    growth = ["training.budget=0.0002", "training.checkpoint_images=1", "config.features=8", "config.latent_size=8"]
    train("tub_gan", toy_dataset, tmp_path / "run", overrides=growth)
    data = synthmed.PreparedDataset.open(toy_dataset)
    for place in sorted((tmp_path / "run" / "checkpoints").glob("s[2-9]-*")):
        shutil.rmtree(place)
    method, learned = _trained(tmp_path / "run", data)
    assert method.halvings > 0 and learned == {"generator", "discriminator"}
    ((_, attack),) = discriminator_attacks(tmp_path / "run", data).items()
    assert np.isfinite(attack(data.split("test"))).all()

    for place in (tmp_path / "run" / "checkpoints").glob("s*"):
        shutil.rmtree(place)
    method.networks.eval()
    state = checkpoint.State(networks=method.networks, averages=torch.nn.ModuleDict(), optimizers={})
    checkpoint.save(tmp_path / "run" / "checkpoints", checkpoint.Position(stage=0, images=0), state)
    with pytest.raises(ConfigError, match="no discriminator has learned yet"):
        discriminator_attacks(tmp_path / "run", data)

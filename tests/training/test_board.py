"""What a training writes for TensorBoard: the log's numbers and the grids, and a sentence where it is missing."""

import sys
from pathlib import Path

import pytest

from synthmed.errors import ConfigError
from synthmed.files import lines
from synthmed.training.board import FOLDER
from synthmed.training.loop import train

SHORT = ["config.images=16", "training.sample_images=8", "training.log_images=8"]


def test_curves_and_pictures_are_those_of_the_log(toy_dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train("pix2pix_tiny", toy_dataset, tmp_path / "run", overrides=SHORT, tensorboard=True)
    found = EventAccumulator(str(tmp_path / "run" / FOLDER)).Reload()
    log = lines.read(tmp_path / "run" / "log.jsonl")
    terms = [key for key in log[0] if "." in key]
    name = log[0]["name"]
    assert terms
    for key in terms:
        told = [(one["images"], one[key]) for one in log if key in one]
        shown = found.Scalars(f"{name}/{key}")
        assert [one.step for one in shown] == [step for step, _ in told]
        assert [one.value for one in shown] == pytest.approx([value for _, value in told])
    assert [one.step for one in found.Images(f"{name}/samples")] == [8, 16]


def test_without_tensorboard_it_is_said_what_to_install(
    toy_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="Install the extra"):
        train("pix2pix_tiny", toy_dataset, tmp_path / "run", overrides=SHORT, tensorboard=True)

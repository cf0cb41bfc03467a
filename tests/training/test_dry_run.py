"""A dry run checks what a training would check, says what it would take, and leaves nothing behind."""

from pathlib import Path

import pytest

from synthmed.errors import ArtifactError, ConfigError
from synthmed.training.loop import train
from synthmed.training.pace import Takes

SHORT = ("training.budget=0.02", "training.checkpoint_images=8")


def rehearsed(data: Path, run: Path, *overrides: str, device: str = "cpu") -> list[str]:
    told: list[str] = []
    assert train("pix2pix_tiny", data, run, overrides=(*SHORT, *overrides), device=device, say=told.append,
                 dry_run=True) == run / "model.safetensors"  # fmt: skip
    return told


def test_it_measures_and_writes_nothing(toy_dataset: Path, tmp_path: Path) -> None:
    free, takes = rehearsed(toy_dataset, tmp_path / "run")
    assert free.endswith("run is free.")
    assert takes.startswith("It would train translation: 32 images. With nothing else at work here that takes about ")
    assert takes.endswith(" MB on the disk.")
    assert not list(tmp_path.iterdir())


def test_it_knows_the_run(toy_dataset: Path, tmp_path: Path) -> None:
    model = train("pix2pix_tiny", toy_dataset, tmp_path / "run", overrides=SHORT)
    size = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*.safetensors"))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*")}
    finished, takes = rehearsed(toy_dataset, tmp_path / "run")
    assert finished.endswith("is finished.")
    assert 0.5 * size < 1e6 * int(takes.split(" MB")[0].split()[-1]) < 3 * size
    model.unlink()
    assert rehearsed(toy_dataset, tmp_path / "run")[0].endswith("goes on where it stopped.")
    with pytest.raises(ConfigError, match="seed was 0, now 1"):
        rehearsed(toy_dataset, tmp_path / "run", "training.seed=1")
    del before[model]
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "run").rglob("*")}


def test_it_refuses_what_a_training_would(toy_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="not a training of synthmed"):
        rehearsed(toy_dataset, tmp_path)
    with pytest.raises(ConfigError, match="Device 'gpu7' cannot be used"):
        rehearsed(toy_dataset, tmp_path / "run", device="gpu7")


def test_times_are_told_in_the_unit_that_one_would_say_them_in() -> None:
    def told(seconds: float) -> str:
        return Takes(images={"full": 1}, seconds=seconds, memory=2_000_000_000, disk=5).sentence

    assert "about 1 second, 2.0 GB of memory and 1 MB" in told(0.2)
    assert "about 80 seconds" in told(80) and "about 2.5 minutes" in told(150)
    assert "about 45 minutes" in told(2700) and "about 127 hours" in told(127 * 3600)

"""Every verb that works long is stopped by a real signal: one sentence, the exit code, nothing left over.

The signals come by turns, since one handler takes both; ``test_command_line.py`` tries it with each.
"""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from stopping import stopped

import synthmed

TELLS_OPEN = (
    "import sys; sys.addaudithook(lambda event, words: "
    "print(words[0], flush=True) if event == 'open' and '{}' in str(words[0]) else None)"
)
"""Prints the names of files of a folder as they are opened: a sign of work where nothing is written."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of source images, the data set prepared from some of them, a model and its samples."""
    folder = tmp_path_factory.mktemp("made")
    synthmed.phantom("retina", folder / "eyes", num=24, size=64)
    synthmed.prepare(folder / "eyes", folder / "data", kind="retina", size=32, holdout=0.2, workers=1)
    model = synthmed.train("dcgan_tiny", folder / "data", folder / "run", overrides=["training.budget=0.01"])
    synthmed.generate(model, folder / "samples", num=12)
    return folder


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_doctor(made: Path, tmp_path: Path) -> None:
    opened: Callable[[str], bool] = lambda printed: "eyes" in printed  # noqa: E731
    assert stopped(["doctor", made / "eyes"], opened, signal.SIGINT, before=TELLS_OPEN.format("eyes")) == (
        "Stopped. It writes nothing."
    )


def test_prepare_goes_on(made: Path, tmp_path: Path) -> None:
    synthmed.phantom("cells", tmp_path / "cells", num=60, size=64)
    words = ["prepare", tmp_path / "cells", tmp_path / "data", "--kind", "cells", "--size", 64, "--workers", 2]
    key = ["--key", tmp_path / "key"]
    said = stopped([*words, *key], lambda _: any(tmp_path.glob(".data.*.preparing/*")), signal.SIGTERM)
    assert said.endswith("was stopped; what was finished is kept. The same command goes on from there.")
    assert not (tmp_path / "data").exists()
    again = synthmed.prepare(tmp_path / "cells", tmp_path / "data", kind="cells", size=64, key=tmp_path / "key")
    other = synthmed.prepare(tmp_path / "cells", tmp_path / "other", kind="cells", size=64, key=tmp_path / "key")
    assert again.digest == other.digest and not list(tmp_path.glob(".data.*"))


def test_evaluate_keeps_what_was_trained(made: Path, tmp_path: Path) -> None:
    words = ["evaluate", made / "samples", made / "data", tmp_path / "report", "--metrics", "usefulness"]
    more = ["--seeds", 500, "--steps", 1, "--features", tmp_path / "features"]
    said = stopped([*words, *more], lambda _: (tmp_path / "report.unfinished.jsonl").is_file(), signal.SIGINT)
    assert said == "Stopped. Finished trainings and features are kept; the same command goes on from there."
    assert left(tmp_path) <= {"report.unfinished.jsonl", "features"}


def test_audit(made: Path, tmp_path: Path) -> None:
    words = ["audit", made / "samples", made / "data", tmp_path / "audit", "--features", tmp_path / "features"]
    at_work: Callable[[str], bool] = lambda _: any(tmp_path.glob("features/*"))  # noqa: E731
    said = stopped([*words, "--canaries", 400], at_work, signal.SIGTERM)
    assert said == "Stopped. Features that were made are kept; the same command goes on from there."
    assert left(tmp_path) <= {"features"} and not list(tmp_path.rglob("*.tmp"))


def test_compare_stops_in_its_trainings(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    words = ["compare", made / "data", out, "--recipes", "pix2pix_tiny", "--images", 10_000]
    said = stopped(words, lambda _: any(out.glob("runs/*/log.jsonl")), signal.SIGINT)
    assert "all of it is saved" in said and not list(out.rglob("*.tmp"))


def test_the_demo_stops_in_its_trainings(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    said = stopped(["demo", out], lambda _: any(out.glob("*/log.jsonl")), signal.SIGTERM)
    assert "all of it is saved" in said and not list(out.rglob("*.tmp"))

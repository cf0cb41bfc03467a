"""What a notebook meets first: names that complete, text for paths, sets that are sequences, batches for a loop."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import synthmed
from synthmed.errors import ConfigError


def test_every_name_is_known_to_an_editor_and_at_run_time() -> None:
    stub = ast.parse(Path(synthmed.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imports = [line for line in stub.body if isinstance(line, ast.ImportFrom)]
    assert {alias.asname: line.module for line in imports for alias in line.names} == synthmed._HOME
    assert all(callable(getattr(synthmed, name)) for name in synthmed._HOME)
    assert (Path(synthmed.__file__).parent / "py.typed").is_file()


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> synthmed.PreparedDataset:
    folder = tmp_path_factory.mktemp("eyes")
    synthmed.phantom("retina", str(folder / "source"), num=6, size=64)
    made = synthmed.prepare(str(folder / "source"), str(folder / "data"), kind="retina", size=32, holdout=0.34)
    assert made.path == folder / "data"
    return synthmed.PreparedDataset.open(str(folder / "data"))


def test_text_is_a_path_and_no_list(eyes: synthmed.PreparedDataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"metrics is the text 'kid'; expected a list such as \['kid'\]"):
        synthmed.evaluate(tmp_path, eyes.path, tmp_path / "report", metrics="kid")
    with pytest.raises(ConfigError, match="overrides is the text"):
        synthmed.train("dcgan_tiny", eyes.path, tmp_path / "run", overrides="training.seed=1")
    with pytest.raises(ConfigError, match="data is 3; expected a path"):
        synthmed.train("dcgan_tiny", 3, tmp_path / "run")


def test_a_prepared_set_is_a_sequence(eyes: synthmed.PreparedDataset) -> None:
    assert len(list(eyes)) == len(eyes) == 6
    first, last = eyes[0], eyes[-1]
    assert first.image.shape == (3, 32, 32) and first.row is eyes.rows[0] and last.row is eyes.rows[5]
    np.testing.assert_array_equal(last.mask, eyes.masks([5])[0])
    np.testing.assert_array_equal(last.field_of_view, eyes.fields_of_view([5])[0])
    with pytest.raises(IndexError, match="no image 6"):
        eyes[6]
    assert "retina 3x32x32, 8 bits, masks of vessel" in repr(eyes) and "2 train, 1 holdout, 3 test" in repr(eyes)


def test_a_loader_reads_it_in_workers(eyes: synthmed.PreparedDataset) -> None:
    images = eyes.split("train").as_torch()
    batch = next(iter(DataLoader(images, batch_size=2, num_workers=2)))
    assert batch["image"].shape == (2, 3, 32, 32) and batch["image"].dtype == torch.float32
    assert -1 <= batch["image"].min() < -0.5 and batch["image"].max() <= 1
    assert batch["mask"].dtype == torch.int64 and set(batch["mask"].unique().tolist()) == {0, 1}
    assert set(batch) == {"image", "mask", "field_of_view"}


def test_the_page_on_python_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/python.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.M | re.S):
        exec(compile(block, "python.md", "exec"), names)
    assert (tmp_path / "samples/preview.png").is_file() and np.isfinite(names["loss"].item())

"""The examples run as they stand, in small."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str) -> ModuleType:
    """An example as a module, so that its ``main`` can be called with small numbers."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_from_phantom_to_samples(tmp_path):
    main = load("from_phantom_to_samples").main
    samples = main(tmp_path, num=8, size=32, overrides=["training.budget=0.001"])
    assert len(samples) == 50 and samples.has_masks
    assert {sample.lineage for sample in samples.samples} == {"sampled"}


def test_measure_any_folder(tmp_path):
    verdict = load("measure_any_folder").main(tmp_path, num=8, size=32)
    assert "not shown" in verdict  # another tool's folder says nothing of what it was made from
    assert (tmp_path / "report" / "report.html").is_file()


def test_one_mask_many_photographs(tmp_path):
    assert load("one_mask_many_photographs").main(tmp_path, num=6, size=32, images=8).is_file()


def test_canaries_in_training(tmp_path):
    small = {"num": 12, "canaries": 2, "times": 2, "size": 32, "samples": 8, "planted": 1}
    verdict = load("canaries_in_training").main(tmp_path, **small, overrides=("training.budget=0.01",))
    assert (tmp_path / "audit" / "report.html").is_file()
    assert verdict.startswith(("BLOCKED", "No evidence of copying"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_is_tested(path):
    assert f'load("{path.stem}")' in Path(__file__).read_text(encoding="utf-8")


def test_the_notebook_runs_and_shows_pictures_a_training_and_reports(monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the extra test is not installed")
    nbclient = pytest.importorskip("nbclient", reason="the extra test is not installed")
    pytest.importorskip("ipykernel", reason="the extra test is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(EXAMPLES.parent / "src"), *filter(None, sys.path)]))
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in data for data in shown) == 2
    pages = [data["text/html"] for data in shown if "text/html" in data]
    assert len(pages) == 3 and all("iframe" in page for page in pages)
    assert "Training of pix2pix" in pages[0] and "Privacy audit" in pages[2]

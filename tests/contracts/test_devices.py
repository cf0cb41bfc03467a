"""Every recipe runs on any device: no tensor on the wrong one, and no copy between devices inside a step.

One process for all recipes, on a device that only has shapes: see ``device_without_arithmetic.py``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from contracts.toys import tiny_method

import synthmed
from synthmed.config import recipe_names
from synthmed.draws import Draws
from synthmed.training.batches import Batches

SCRIPT = Path(__file__).parent / "device_without_arithmetic.py"


def told(words: list[str], before: str = "") -> list[dict]:
    """What the script prints of these recipes, with something done to the program before."""
    run = f"sys.argv = {['x', *words]!r}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    code = f"import runpy, sys\n{before}\n{run}"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_no_recipe_has_a_tensor_on_the_wrong_device_or_copies_within_a_step() -> None:
    found = told(recipe_names())
    assert {one["recipe"] for one in found} == set(recipe_names())
    assert not [one for one in found if one.get("error")]
    for one in found:  # the private noise, which has no seed, is the only thing that is drawn elsewhere
        copies = one["copies"] if one["recipe"] != "dcgan_private" else {}
        assert not copies, one
    private = next(one["copies"] for one in found if one["recipe"] == "dcgan_private")
    assert sum(private.values()) <= 1 and not [where for where in private if where.endswith("back")]
    assert any(one["labels"] == 1 for one in found)  # images without masks too


@pytest.mark.parametrize(
    "fault, sign",
    [
        ("real = a._depth; a._depth = lambda fields: real(fields).cpu()", "device"),
        ("real = a._depth; a._depth = lambda fields: real(fields).cpu().to(fields.device)", "augment.py"),
    ],
)
def test_a_planted_fault_is_found(fault: str, sign: str) -> None:
    (found,) = told(["pix2pix_tiny"], f"import synthmed.objectives.augment as a; {fault}")
    assert sign in str(found.get("error")) + str(found.get("copies"))


def test_a_batch_is_made_whole_on_its_device(toy_dataset: Path) -> None:
    """Masks or none, resident or read anew: what a step sees lies where it was asked for."""
    training = synthmed.PreparedDataset.open(toy_dataset).split("train")
    meta = torch.device("meta")
    for name in ("pix2pix", "dcgan"):
        method = tiny_method(name)
        batch = Batches(training, method.stages()[0], 0, meta, method).at(0, Draws(0, meta))
        masks = batch.given.masks
        assert batch.images.device == meta and batch.fields_of_view.device == meta and len(batch.rows) == len(batch)
        assert masks is not None and masks.device == meta
        assert batch.latents(method.latent_shape).device == meta

"""Sample sets of pictures drawn in the test, audited for real against a small set with a sealed holdout."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from privacy.conftest import dataset, population, samples

from synthmed.artifacts import new_directory, write_json
from synthmed.auditing import audit
from synthmed.data.dataset import PreparedDataset
from synthmed.publishing.release import publish
from synthmed.samples import SampleSet

GIVEN = {"licence": "CC-BY-4.0", "contact": "retract@example.org", "date": "2026-11-27"}


@dataclass(frozen=True)
class Audited:
    """A sample set, its audit and the data behind both."""

    data: PreparedDataset | None
    samples: SampleSet
    audit: Path


def model_of(data):
    """What a sample set says of a model that was trained on a data set; its classes are few."""
    splits = {name: one.model_dump() for name, one in data.info.splits.items()}
    return {
        "digest": "5" * 64, "method": "dcgan", "recipe": "dcgan_tiny", "version": "0.1.0",
        "config": {"latent_size": 4}, "classes": {"benign": 20, "malignant": 3},
        "data": {"digest": data.digest, "splits": splits},
    }  # fmt: skip


def audited(folder, *, num=16, lineage="sampled", holdout=8, canaries=1, seed=3, images=None):
    """Make all of it in a folder."""
    (train, masks), (sealed, sealed_masks), (made, made_masks) = (
        population(24, 1), population(8, 2), population(num, seed)
    )  # fmt: skip
    data = dataset(folder / "data", train, sealed[:holdout], np.concatenate([masks, sealed_masks[:holdout]]))
    facts = {
        "run_seed": 7, "model": model_of(data),
        "images": {"kind": "mammogram", "channels": ["grey"], "bits": 8, "low": 0.0, "high": 255.0,
                   "unit": "grey value", "mask_labels": {"0": "background", "1": "organ"}},
    }  # fmt: skip
    written = samples(folder / "samples", made if images is None else images, made_masks, facts=facts,
                      lineage=lineage, inputs={"model": "5" * 64})  # fmt: skip
    audit(folder / "samples", folder / "data", folder / "audit", canaries=canaries)
    return Audited(data=data, samples=written, audit=folder / "audit")


def unaudited(folder, images, *, lineage="sampled"):
    """A sample set and a stand-in for its audit, where other gates are tested."""
    written = samples(folder / "samples", images, lineage=lineage)
    return Audited(data=None, samples=written, audit=stand_in(folder / "audit", written))


def stand_in(place, samples):
    """An audit's folder that says it did not block, where something else than the gate of the audit is tested."""
    said = {
        "blocked": False, "sealed": True, "num": len(samples), "patients": {"train": 99, "holdout": 3, "test": 40},
        "power": [], "warnings": [], "unproven": "", "differential_privacy": "epsilon = 1.30", "verdict": "",
    }  # fmt: skip
    with new_directory(place, "audit", inputs={"synthetic": samples.digest}, facts={"blocked": False}) as folder:
        write_json(folder / "report.json", said)
    return place


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Sixteen images with masks, audited with a few planted copies."""
    return audited(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def released(made, tmp_path_factory):
    """A release of them, in several archives, with the layout of nnU-Net beside."""
    place = tmp_path_factory.mktemp("releases") / "breasts"
    publish(made.samples.path, place, audit=made.audit, formats=["nnunet"], shard_bytes=30_000, **GIVEN)
    return place

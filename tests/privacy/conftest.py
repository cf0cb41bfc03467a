import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset
from synthmed.data.index import Row
from synthmed.data.store import DatasetWriter
from synthmed.evaluation.features.filters import random_filters
from synthmed.privacy import copies, identity
from synthmed.privacy._views import InMemory, Look, Views
from synthmed.samples import Sample, write_samples

SIDE = 48


def population(num, seed, side=SIDE):
    """Images [num 1 side side] of bodies with organs and noise, no two alike, and the largest organ as mask."""
    numbers = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:side, 0:side] / side
    images, masks = np.zeros((num, 1, side, side), np.uint8), np.zeros((num, side, side), np.uint8)
    for index in range(num):
        height, width = numbers.uniform(0.30, 0.42, 2)
        image = 0.45 / (1 + np.exp((((rows - 0.5) / height) ** 2 + ((columns - 0.5) / width) ** 2 - 1) * 12))
        for organ in range(6):
            y, x = numbers.uniform(0.25, 0.75, 2)
            long, wide = numbers.uniform(0.03, 0.12, 2)
            angle = numbers.uniform(0, math.pi)
            along = (rows - y) * math.cos(angle) + (columns - x) * math.sin(angle)
            across = (columns - x) * math.cos(angle) - (rows - y) * math.sin(angle)
            shape = np.exp(-((along / long) ** 2 + (across / wide) ** 2) / 2)
            image = image + numbers.uniform(-0.2, 0.35) * shape
            if organ < 3:
                masks[index] |= (shape > 0.5).astype(np.uint8)
        images[index, 0] = np.clip(255 * (image + numbers.normal(0, 0.02, image.shape)), 0, 255)
    return images, masks


LOOK = Look(extractor=random_filters(), channels=["grey"])


def look(images, first=0, patients=None, masks=None):
    """The views of images, of one patient each unless said otherwise."""
    patients = range(first, first + len(images)) if patients is None else patients
    how = LOOK if masks is None else replace(LOOK, num_labels=2)
    return how.at(InMemory(pixels=images, labels=masks), patients)


def join(first, second):
    """The views of both, one after the other."""

    def of(name, axis=0):
        one, other = getattr(first, name), getattr(second, name)
        if one is None or other is None:
            return None
        return torch.cat([one, other]) if isinstance(one, torch.Tensor) else np.concatenate([one, other], axis)

    return Views(
        features=of("features", 1), **{one.name: of(one.name) for one in fields(Views) if one.name != "features"}
    )


@pytest.fixture
def without_the_longest_search(monkeypatch):
    """Bent copies have tests of their own; elsewhere they would take most of the time."""
    monkeypatch.setattr(identity, "SPACES", copies.SPACES)


@pytest.fixture(scope="session")
def sides():
    """Training, holdout and clean synthetic images, each with masks: 60, 40 and 200."""
    return population(60, 1), population(40, 2), population(200, 3)


@pytest.fixture(scope="session")
def looked(sides):
    """The views of the same."""
    (train, train_masks), (holdout, holdout_masks), (clean, masks) = sides
    return look(train, masks=train_masks), look(holdout, 60, masks=holdout_masks), look(clean, masks=masks)


def dataset(path, train, holdout, masks=None, test=None):
    """A prepared set of one image a patient; ``masks`` = those of training, then of holdout and test images."""
    parts = {"train": train, "holdout": holdout} | ({} if test is None else {"test": test})
    splits = [name for name, part in parts.items() for _ in part]
    every = np.concatenate(list(parts.values()))
    info = DatasetInfo(
        kind="generic", channels=["grey"], height=SIDE, width=SIDE, bits=8,
        intensity=Intensity(low=0, high=255, unit="grey value"),
        mask_labels={} if masks is None else {"0": "background", "1": "organ"}, has_fields=False,
    )  # fmt: skip
    with DatasetWriter(path, info) as writer:
        for index, image in enumerate(every):
            row = Row(
                id=f"{index:06d}", patient_id=f"P{index:04d}", split=splits[index],
                label="", mask_source="none" if masks is None else "manual", source_digest=str(index),
                source_height=SIDE, source_width=SIDE, scale=1.0, pad_top=0, pad_left=0, low=(0.0,), high=(255.0,),
            )  # fmt: skip
            writer.add(row, image, None if masks is None else masks[index], None)
    return PreparedDataset.open(path)


def samples(path, images, masks=None, facts=None, lineage="sampled", inputs=None):
    """A sample set of ours."""
    drawn = (
        (Sample(seed=index, label="", lineage=lineage), image, None if masks is None else masks[index])
        for index, image in enumerate(images)
    )
    return write_samples(path, drawn, inputs=inputs or {}, facts=facts or {"run_seed": 0})

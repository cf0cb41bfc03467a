import numpy as np
import pytest

from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset
from synthmed.data.index import Row
from synthmed.data.store import DatasetWriter
from synthmed.samples import Sample, write_samples

SIDE = 32


def squares(count, seed, channels=1, dtype=np.uint8):
    """Noise with one bright square each, and the squares as masks."""
    numbers = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    images = numbers.integers(0, top // 4, (count, channels, SIDE, SIDE)).astype(dtype)
    masks = np.zeros((count, SIDE, SIDE), np.uint8)
    for index, (y, x) in enumerate(numbers.integers(1, 18, (count, 2))):
        masks[index, y : y + 12, x : x + 12] = 1
        images[index, :, y : y + 12, x : x + 12] += dtype(top // 2)
    return images, masks


@pytest.fixture
def make_dataset(tmp_path):
    def make(name="real", train=6, test=4, mask_source="manual", seed=0, channels=1, patients=None, pairs=None):
        images, masks = pairs or squares(train + test, seed, channels)
        info = DatasetInfo(
            kind="generic",
            channels=["grey"] if channels == 1 else ["red", "green", "blue"],
            height=SIDE,
            width=SIDE,
            bits=8,
            intensity=Intensity(low=0, high=255, unit="grey value"),
            mask_labels={} if mask_source == "none" else {"0": "background", "1": "square"},
            has_fields=False,
        )
        with DatasetWriter(tmp_path / name, info) as writer:
            for index in range(train + test):
                row = Row(
                    id=f"{index:06d}",
                    patient_id=patients[index] if patients else f"P{index:04d}",
                    split="train" if index < train else "test",
                    label="",
                    mask_source=mask_source,
                    source_digest=f"{seed}-{index}",
                    source_height=SIDE,
                    source_width=SIDE,
                    scale=1.0,
                    pad_top=0,
                    pad_left=0,
                    low=0.0,
                    high=255.0,
                )
                writer.add(row, images[index], masks[index], None)
        return PreparedDataset.open(tmp_path / name)

    return make


@pytest.fixture
def make_samples(tmp_path):
    def make(images, masks=None, *, name="synthetic", trained_on=None, lineage="sampled", inputs=None):
        facts = {"run_seed": 0}
        if trained_on is not None:
            splits = {split: info.model_dump() for split, info in trained_on.info.splits.items()}
            data = {"digest": trained_on.digest, "splits": splits}
            facts["model"] = {"digest": "0", "method": "toy", "recipe": "toy", "data": data}
        drawn = (
            (Sample(seed=index, label="", lineage=lineage), image, None if masks is None else masks[index])
            for index, image in enumerate(images)
        )
        return write_samples(tmp_path / name, drawn, inputs=inputs or {}, facts=facts)

    return make


@pytest.fixture
def setup(tmp_path):
    from synthmed.evaluation._contract import Setup

    return Setup(
        seed=0,
        device="cpu",
        unfinished=tmp_path / "unfinished.jsonl",
        progress=lambda done, total, what: None,
    )

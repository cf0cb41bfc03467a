"""Coherence: known curves are read as they were made, and what breaks them is found."""

from dataclasses import replace

import numpy as np
import pytest

from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset, Row
from synthmed.data.store import DatasetWriter
from synthmed.errors import DataError
from synthmed.evaluation import coherence
from synthmed.evaluation._contract import ChannelsMissing
from synthmed.evaluation._dynamic import Times, curves, described, structure, times_of
from synthmed.samples import Sample, write_samples

NAMES = ["T2", "T1 pre", "T1 post1", "T1 post2", "T1 post3", "Sub"]
RISES = {"benign": (0.4, 0.7, 1.0), "malignant": (1.5, 1.4, 0.9)}
SIDE = 32


def patch(label, numbers):
    """A disc on grey that takes up contrast medium as its class does, [6 32 32] uint16."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = np.hypot(rows - 15.5, columns - 15.5) < numbers.uniform(7, 9)
    ground = numbers.normal(8000, 400, (SIDE, SIDE))
    factor = numbers.normal(1, 0.05)
    times = [ground * (1 + factor * rise * disc) for rise in (0, *RISES[label])]
    t2 = numbers.normal(20000, 500, (SIDE, SIDE)) + 6000 * disc
    return np.stack([t2, *times, (times[1] - times[0]).clip(0)]).clip(0, 65535).astype(np.uint16)


def dataset(path, num=24, names=NAMES, change=lambda pixels: pixels, low=(0.0,) * 6):
    info = DatasetInfo(
        kind="breast_mr", channels=names, height=SIDE, width=SIDE, bits=16, mask_labels={}, has_fields=False,
        intensity=Intensity(low=0, high=1023, unit="intensity"),
    )  # fmt: skip
    numbers = np.random.default_rng(0)
    with DatasetWriter(path, info) as writer:
        for index in range(num):
            label = ("benign", "malignant")[index % 2]
            row = Row(
                id=f"{index}", patient_id=f"P{index // 2}", split="train" if index < num // 2 else "test", label=label,
                mask_source="none", source_digest=f"{index // 2}", source_height=SIDE, source_width=SIDE, scale=1.0,
                pad_top=0, pad_left=0, low=low[: len(names)], high=(1000.0,) * len(names),
            )  # fmt: skip
            writer.add(row, change(patch(label, numbers)[: len(names)]), None, None)
    return PreparedDataset.open(path)


def samples(path, change=lambda pixels: pixels, labels=("benign", "malignant"), num=24):
    numbers = np.random.default_rng(1)
    drawn = (
        (Sample(seed=index, label=labels[index % 2], lineage="sampled"),
         change(patch(("benign", "malignant")[index % 2], numbers)), None)
        for index in range(num)
    )  # fmt: skip
    return write_samples(path, drawn, file_format="npy", inputs={}, facts={"run_seed": 0})


def test_curves_are_read_as_they_were_made():
    images = np.stack([patch(label, np.random.default_rng(5)) for label in RISES])
    times = times_of(NAMES)
    assert times == Times(pre=1, posts=(2, 3, 4), sub=5)
    found = described(curves(images, times, 16, 0.25), 60.0, 0.1)
    for (first, _, last), row in zip(RISES.values(), found, strict=True):
        assert row[0] == pytest.approx(first, rel=0.15)
        assert row[2] == pytest.approx(first / last, rel=0.1)
    benign, malignant = found
    assert benign[1] == 180 and malignant[1] == 60
    assert benign[5] == 0 and malignant[5] == 1 and malignant[4] == pytest.approx(-0.3, abs=0.05)


def test_structure_does_not_know_intensity_curves_and_tells_a_moved_channel():
    images = np.stack([patch("malignant", np.random.default_rng(seed)) for seed in range(6)])
    curved = images.copy()
    curved[:, 0] = (65535 * (images[:, 0] / 65535.0) ** 0.5).astype(np.uint16)
    moved = images.copy()
    moved[:, 0] = np.roll(images[:, 0], 9, axis=2)
    as_made, on_a_curve, elsewhere = (structure(some) for some in (images, curved, moved))
    pairs = as_made.shape[1] // 2
    assert np.abs(as_made - on_a_curve)[:, pairs:].max() < 0.02  # information; ties of rounding
    of_post1 = 1  # the pair of T2 and the first point after contrast medium
    assert (as_made - elsewhere)[:, of_post1].min() > 0.1 and (as_made - elsewhere)[:, pairs + of_post1].min() > 0.02


def test_images_like_the_real_ones_lie_at_the_floor_and_others_far_above(tmp_path, setup):
    real = dataset(tmp_path / "real")
    same = coherence.measure(samples(tmp_path / "same"), real, coherence.Config(), replace(setup, reference="all"))
    assert same.differs is False and same.floor is not None and same.matched is not None
    assert same.matched < 2 * same.floor and same.low <= same.value <= same.high
    assert same.details["sub_error"]["synthetic"] < 0.01 and not any("Sub" in told for told in same.warnings)
    assert set(same.details["distances"]["E1"]) == {"benign", "malignant"}
    assert [figure.title for figure in same.figures] == ["Enhancement curves", "All channels of single images"]

    def late(pixels):
        return pixels[[0, 1, 4, 3, 2, 5]]

    other = coherence.measure(
        samples(tmp_path / "late", late), real, coherence.Config(), replace(setup, reference="all")
    )
    assert other.differs and other.value > 10 * same.value
    assert any("Sub of the synthetic images is not" in told for told in other.warnings)


def test_a_class_that_was_never_seen_a_constant_channel_and_one_channel_are_sentences(tmp_path, setup, make_dataset):
    real, config = dataset(tmp_path / "real"), coherence.Config()
    with pytest.raises(DataError, match=r"of the class 'normal', and no real one is; expected benign, malignant"):
        coherence.measure(samples(tmp_path / "a", labels=("benign", "normal")), real, config, setup)

    def flat(pixels):
        pixels[3] = 700
        return pixels

    with pytest.raises(DataError, match="The channel T1 post2 has one value everywhere in all synthetic"):
        coherence.measure(samples(tmp_path / "b", flat), real, config, setup)
    with pytest.raises(DataError, match="stored on different scales"):
        coherence.measure(
            samples(tmp_path / "c"), dataset(tmp_path / "scaled", low=(0.0, 0.0, 5.0, 0.0, 0.0, 0.0)), config, setup
        )
    with pytest.raises(ChannelsMissing, match="one channel"):
        coherence.measure(samples(tmp_path / "d"), make_dataset(name="grey"), config, setup)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["T1 pre", "T1 post1", "T1 post3"], "T1 post2 is missing"),
        (["T2", "T1 post1", "T1 post2"], "none before contrast medium"),
        (["T1 pre", "T1 post2", "T1 post1"], "not in the order of time"),
        (["T1 post1", "T1 pre"], "not in the order of time"),
        (["T1 pre", "T1 post1", "T1 post1"], "comes twice"),
    ],
)
def test_points_in_time_that_are_missing_or_out_of_order_are_sentences(names, words):
    with pytest.raises(DataError, match=words):
        times_of(names)


def test_contrasts_without_a_dynamic_have_structure_alone():
    assert times_of(["FLAIR", "T1", "T1 post", "T2"]) == Times()

"""New anatomy from old: nothing torn, limits kept, same seed same bytes, distances told as they are."""

import csv

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import synthmed
from synthmed.editing import perturb as module
from synthmed.editing.perturb import bend, moved_map, perturb
from synthmed.errors import ArtifactError, ConfigError, DataError


def body(size=96):
    """A body with two lungs, in one of which lies a vessel, and a ring of bone around a canal."""
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    mask = np.zeros((size, size), np.uint8)
    mask[(rows / 0.4) ** 2 + (columns / 0.45) ** 2 < 1] = 1
    for side in (-1, 1):
        mask[(rows / 0.22) ** 2 + ((columns - 0.2 * side) / 0.14) ** 2 < 1] = 2
    mask[np.hypot(rows, columns - 0.2) < 0.05] = 3
    ring = np.hypot(rows - 0.28, columns)
    mask[(ring < 0.08) & (ring > 0.035)] = 4
    return mask


def pieces(mask, label):
    """How many pieces a label has, and how many what surrounds it."""
    return ndimage.label(mask == label)[1], ndimage.label(mask != label)[1]


@pytest.mark.parametrize("seed", range(12))
def test_no_organ_is_torn_joined_or_lost(seed):
    mask = body()
    found, _, share = bend(mask, strength=0.06, smoothness=0.1, limits={}, seed=seed)
    assert found is not None and share > 0 and not np.array_equal(found.mask, mask)
    for label in range(1, 5):
        assert pieces(found.mask, label) == pieces(mask, label), label
    ring = ndimage.binary_fill_holes(found.mask == 4) & (found.mask != 4)
    assert ring.any() and set(np.unique(found.mask[ring])) <= {1}  # the canal stays inside the bone


def test_limits_are_kept_and_others_move_on():
    mask = body()
    for seed in range(5):
        found, _, _ = bend(mask, strength=0.08, smoothness=0.1, limits={3: 0.0, 4: 2.0}, seed=seed)
        assert found is not None
        moved = np.sqrt(np.square(found.field).sum(0))
        assert moved[mask == 3].max() == 0 and moved[mask == 4].max() <= 2 and moved.max() > 2
        assert np.array_equal(found.mask == 3, mask == 3)


def test_a_field_folds_nowhere():
    for seed in range(5):
        velocity = module._velocity(body(), 9.0, {}, 8.0, np.random.default_rng(seed))
        field = module._integrated(velocity)
        rows, columns = np.gradient(field[0]), np.gradient(field[1])
        assert ((1 + rows[0]) * (1 + columns[1]) - rows[1] * columns[0]).min() > 0
    assert np.array_equal(moved_map(body(), np.zeros((2, 96, 96))), body())


def test_what_would_be_torn_is_bent_less_and_what_cannot_be_bent_is_none(monkeypatch):
    mask = body()
    mask[48, 10:86] = 5  # a line of one pixel, which a grid tears where it leans
    full = [bend(mask, strength=0.1, smoothness=0.05, limits={}, seed=seed) for seed in range(3)]
    assert all(share < 1 and torn for found, torn, share in full)
    monkeypatch.setattr(module, "_torn", lambda mask, field: 2)
    assert bend(mask, strength=0.05, smoothness=0.1, limits={}, seed=0) == (None, 2, 0.0)


@pytest.fixture(scope="module")
def thorax(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thorax")
    synthmed.phantom("thorax", folder / "source", num=2, size=64)
    return synthmed.prepare(folder / "source", folder / "data", kind="ct", size=64, test=0, holdout=0,
                            table=folder / "source" / "labels.csv").path  # fmt: skip


def test_a_set_of_bent_maps_says_what_it_is_of_and_how_far(thorax, tmp_path):
    said = []
    made = perturb(thorax, tmp_path / "out", num=5, seed=3, say=said.append)
    again = perturb(thorax, tmp_path / "again", num=5, seed=3)
    other = perturb(thorax, tmp_path / "other", num=5, seed=4)
    assert made.digest == again.digest != other.digest
    assert {one.lineage for one in made.samples} == {"mask_from_phantom"}
    data = synthmed.PreparedDataset.open(thorax).split("train")
    with (tmp_path / "out" / "distances.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(made) == 5 - len([one for one in said if "left out" in one])
    for number, row in enumerate(table):
        source = next(place for place, one in enumerate(data.rows) if row["source"] == f"train/{one.id}")
        true, bent = data.masks([source])[0] == 1, made.masks([number])[0] == 1
        dice = 2 * (true & bent).sum() / (true.sum() + bent.sum())
        assert float(row[f"dice {data.info.mask_labels['1']}"]) == pytest.approx(dice, abs=1e-4)
        assert 0 < float(row["moved"]) <= 0.03 * 64 * 1.01


def test_maps_of_patients_stay_theirs(tmp_path, toy_dataset):
    made = perturb(toy_dataset, tmp_path / "phantom", num=2)
    assert {one.lineage for one in made.samples} == {"mask_from_phantom"} and made.has_masks
    source = tmp_path / "plain"
    for part in ("images", "masks"):
        (source / part).mkdir(parents=True)
    for number in range(4):
        shade = (body() > 0) * 120 + np.random.default_rng(number).integers(0, 60, (96, 96))
        Image.fromarray(shade.astype(np.uint8)).save(source / "images" / f"{number}.png")
        Image.fromarray((body() > 1).astype(np.uint8) * 255).save(source / "masks" / f"{number}.png")
    real = synthmed.prepare(source, tmp_path / "real", kind="generic", size=96, test=0, holdout=0)
    assert {one.lineage for one in perturb(real.path, tmp_path / "bent", num=2).samples} == {"bent_from_real"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"num": 0}, "expected at least 1"),
        ({"strength": 0.5}, "expected above 0 to 0.2"),
        ({"limit": ["lnug=3"]}, r"names 'lnug' \(did you mean 'lung'\?\)"),
        ({"limit": ["lung=-1"]}, "expected LABEL=PIXELS"),
        ({"limit": ["lung"]}, "expected LABEL=PIXELS"),
    ],
)
def test_wrong_wishes_are_sentences(thorax, tmp_path, words, told):
    with pytest.raises(ConfigError, match=told):
        perturb(thorax, tmp_path / "out", **{"num": 1, **words})
    assert not (tmp_path / "out").exists()


def test_a_set_without_maps_and_a_taken_place_are_sentences(thorax, tmp_path):
    with pytest.raises(DataError, match="no image in test"):
        perturb(thorax, tmp_path / "out", num=1, split="test")
    with pytest.raises(ArtifactError, match="already exists"):
        perturb(thorax, thorax, num=1)

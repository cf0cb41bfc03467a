"""Texture of the style: images that are their style's score, those that are their map's do not."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from synthmed.evaluation._page import ORDER
from synthmed.evaluation.style_transfer import Config, StylesMissing, measure
from synthmed.samples import Sample, write_samples

SIDE = 64


def textured(kind, seed, mask):
    """A texture of one kind in the left organ and another in the right one: grain and level depend on the kind."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=mask.shape), 0.4 + 1.1 * kind)
    values = 60 + 22 * kind + 30 * noise / noise.std() * (mask > 0)
    return values.clip(0, 255).astype(np.uint8)[None]


@pytest.fixture(scope="module")
def slices():
    """Six patients, each with a texture of his own, all with two organs."""
    masks = np.zeros((6, SIDE, SIDE), np.uint8)
    masks[:, 8:56, 6:30], masks[:, 8:56, 34:58] = 1, 2
    return np.stack([textured(kind, kind, masks[kind]) for kind in range(6)]), masks


@pytest.fixture
def real(slices):
    images, masks = slices
    rows = [SimpleNamespace(split="test", id=f"{place:06d}", patient_id=str(place), mask_source="manual")
            for place in range(6)]  # fmt: skip
    info = SimpleNamespace(mask_labels={"0": "air", "1": "lung", "2": "fat"},
                           intensity=SimpleNamespace(low=-1000, high=1000, unit="HU"))  # fmt: skip
    return SimpleNamespace(rows=rows, info=info, images=lambda: images, masks=lambda: masks)


class Stub:
    """As much of a prepared set as the metric looks at."""

    def __init__(self, real):
        self.__dict__.update(vars(real))

    def where(self, predicate):
        assert all(predicate(row) for row in self.rows)
        return self

    def __len__(self):
        return len(self.rows)


def made(tmp_path, slices, kind_of):
    """Images of map i in the style of patient i + 1, whose texture is of the kind that is told."""
    _, masks = slices
    drawn = []
    for place, mask in enumerate(masks):
        style = f"test/{(place + 1) % 6:06d}"
        sample = Sample(seed=0, label="", lineage="texture_from_real", mask_from=f"test/{place:06d}", style_from=style)
        drawn.append((sample, textured(kind_of(place), 50 + place, mask), mask))
    return write_samples(tmp_path / "made", drawn, num_labels=3, inputs={}, facts={"run_seed": 0})


def test_images_in_their_style_score_and_those_that_kept_their_own_texture_do_not(slices, real, setup, tmp_path):
    right = measure(made(tmp_path / "a", slices, lambda place: (place + 1) % 6), Stub(real), Config(), setup)
    wrong = measure(made(tmp_path / "b", slices, lambda place: place), Stub(real), Config(), setup)
    assert right.value >= 5 / 6 and wrong.value == 0 and wrong.low <= wrong.value <= wrong.high
    assert right.details["distances"]["style"] < right.details["distances"]["content"]
    assert wrong.details["distances"]["style"] > wrong.details["distances"]["content"]
    assert set(right.details["levels"]) == {"lung", "fat"} and right.details["levels"]["lung"] < 150
    (table,) = right.tables
    assert [row[0] for row in table.rows] == ["lung", "fat"] and table.columns[-1] == "Intensity, HU"
    assert right.figures[0].png and right.name in ORDER


def test_where_no_image_names_its_style_it_is_left_out(slices, real, setup, tmp_path):
    samples = made(tmp_path, slices, lambda place: place)
    samples.samples = tuple(replace(one, style_from="") for one in samples.samples)
    with pytest.raises(StylesMissing, match="Leave out style_transfer"):
        measure(samples, Stub(real), Config(), setup)

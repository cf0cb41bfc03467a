"""Phantom cells look different inside and outside, and their masks say where they are."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from synthmed.phantoms._neuron import depth_of, draw_neuron
from synthmed.phantoms.cells import make_photograph


def photograph(k, culture=0, size=160):
    return make_photograph(np.random.default_rng([0, k]), np.random.default_rng([1, culture]), size)


@pytest.fixture(scope="module")
def photographs():
    return [photograph(k) for k in range(5)]


def test_the_layout_is_the_usual_one(written, rows):
    folder = written("cells")
    table = rows(folder / "metadata.csv")
    assert [row["file_name"] for row in table] == ["cell_0001.tif", "cell_0002.tif"]
    assert {row["patient_id"] for row in table} == {"culture-0001"}
    pixels = tifffile.imread(folder / "images/cell_0001.tif")
    assert (pixels.shape, pixels.dtype) == ((64, 85), np.uint16)
    with Image.open(folder / "masks/cell_0001.png") as mask:
        assert (mask.mode, mask.size) == ("L", (85, 64))
        assert set(np.unique(np.array(mask))) == {0, 255}


def test_a_cell_is_one_piece_with_a_body_and_neurites(photographs):
    for one in photographs:
        _, pieces = ndimage.label(one.cell, structure=np.ones((3, 3)))
        assert pieces == 1
        assert not (one.body & ~one.cell).any()
        assert 0.02 < one.cell.mean() < 0.35
        assert 0.1 < (one.cell & ~one.body).sum() / one.cell.sum() < 0.9


def test_a_bright_halo_surrounds_a_cell_and_its_edge_is_dark(photographs):
    for one in photographs:
        pixels = one.pixels.astype(float)
        halo = ndimage.binary_dilation(one.cell, iterations=2) & ~one.cell
        edge = one.cell & ~ndimage.binary_erosion(one.cell)
        away = ~ndimage.binary_dilation(one.cell, iterations=12)
        assert pixels[halo].mean() > 1.02 * pixels[away].mean()
        assert pixels[edge].mean() < 0.97 * pixels[halo].mean()


def test_photographs_of_a_culture_share_light_and_dirt_but_not_the_cell():
    first, second, other = photograph(0, size=96), photograph(1, size=96), photograph(2, culture=1, size=96)

    def alike(a, b):
        empty = ~ndimage.binary_dilation(a.cell | b.cell, iterations=8)
        return np.corrcoef(a.pixels[empty], b.pixels[empty])[0, 1]

    assert alike(first, second) > 0.6 > alike(first, other)
    assert (first.cell != second.cell).any()


def test_neurites_begin_in_the_body_and_taper():
    for seed in range(5):
        neuron = draw_neuron(np.random.default_rng(seed))
        tree = neuron.neurites
        roots = tree.parents < 0
        assert 3 <= roots.sum() <= 7
        away = np.hypot(*(tree.points - neuron.centre).T)
        assert away[roots].max() < neuron.radii.max()
        tips = np.setdiff1d(np.arange(len(tree.parents)), tree.parents)
        assert tree.radii[tips].mean() < 0.7 * tree.radii[roots].mean()


def test_a_larger_photograph_shows_the_same_cell():
    neuron = draw_neuron(np.random.default_rng(1))
    small, large = (np.maximum(*depth_of(neuron, (size, size * 4 // 3), size / 480)) > 0 for size in (120, 240))
    assert small.mean() == pytest.approx(large.mean(), rel=0.1)

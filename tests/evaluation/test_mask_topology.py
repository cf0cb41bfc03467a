"""Topology of masks: known shapes have known numbers, real trees resemble each other, torn ones do not."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from synthmed.data.geometry import _resize_nearest
from synthmed.data.reduction import reduce_labels
from synthmed.evaluation import mask_topology
from synthmed.evaluation._contract import MasksMissing
from synthmed.evaluation._skeletons import TITLES, described, skeleton_of
from synthmed.phantoms.retina import make_retina


def told(mask):
    return dict(zip(TITLES, described(mask), strict=True))


def drawn(points, side=96, width=1):
    mask = np.zeros((side, side), bool)
    for (y, x), (down, right) in points:
        steps = 4 * side
        rows = np.linspace(y, down, steps).round().astype(int)
        columns = np.linspace(x, right, steps).round().astype(int)
        mask[rows, columns] = True
    return ndimage.binary_dilation(mask, iterations=width)


def test_a_fork_has_one_branch_point_three_ends_and_its_angle():
    found = told(drawn([((80, 48), (40, 48)), ((40, 48), (10, 18)), ((40, 48), (10, 78))]))
    skeleton = skeleton_of(drawn([((80, 48), (40, 48)), ((40, 48), (10, 18)), ((40, 48), (10, 78))]))
    pixels = skeleton.lines.sum()
    assert found["largest tree"] == 1 and found["loops"] == 0
    assert found["ends"] == pytest.approx(3 * 100 / pixels) and found["branch points"] == pytest.approx(100 / pixels)
    assert found["branch angle"] == pytest.approx(90, abs=12)
    assert found["tortuosity"] == pytest.approx(1.0, abs=0.05)
    assert len(skeleton.branches) == 3


def test_a_ring_is_a_loop_and_a_second_piece_is_counted():
    rows, columns = np.indices((96, 96))
    far = np.hypot(rows - 48, columns - 48)
    ring = (far > 28) & (far < 32)
    found, pixels = told(ring), skeleton_of(ring).lines.sum()
    assert found["loops"] == pytest.approx(100 / pixels) and found["ends"] == 0
    two = ring | drawn([((3, 3), (3, 90))])
    assert told(two)["pieces"] == pytest.approx(200 / skeleton_of(two).lines.sum())
    assert told(two)["largest tree"] < 0.75


def test_a_wave_is_tortuous_and_a_thick_line_is_wide():
    at = np.arange(90)
    wave = np.zeros((96, 96), bool)
    wave[np.rint(48 + 12 * np.sin(at / 5)).astype(int), at + 3] = True
    wave = ndimage.binary_closing(ndimage.binary_dilation(wave, iterations=1), iterations=2)
    assert told(wave)["tortuosity"] > 1.3
    thin, thick = (told(drawn([((48, 5), (48, 90))], width=width))["width, first order"] for width in (1, 4))
    assert thick > 2 * thin


def test_the_trunk_lies_where_the_wide_branches_meet():
    mask = drawn([((20, 20), (20, 70)), ((20, 20), (70, 20))], width=3) | drawn([((20, 70), (60, 90))], width=1)
    y, x = skeleton_of(mask).trunk
    assert np.hypot(y - 20, x - 20) < 12
    found = told(mask)
    assert found["density near the trunk"] > found["density far off"]
    assert found["width, first order"] > 3


def test_an_empty_mask_has_nothing_to_tell():
    assert np.isnan(described(np.zeros((32, 32), bool))).all()


@pytest.fixture(scope="module")
def vessels():
    return [make_retina(np.random.default_rng(place), size=192).vessels.astype(np.uint8) for place in range(24)]


def real_masks(masks):
    """As much of a prepared set as the metric looks at, of any size."""
    rows = [SimpleNamespace(patient_id=str(place), mask_source="manual") for place in range(len(masks))]
    some = SimpleNamespace(masks=lambda: masks, rows=rows)
    return SimpleNamespace(split=lambda name: some)


def test_trees_of_the_same_kind_lie_within_the_floor_and_torn_ones_far_outside(vessels, make_samples, setup):
    whole = np.stack([reduce_labels(mask, 96, 96) for mask in vessels])
    torn = np.stack([_resize_nearest(mask, 96, 96) for mask in vessels])
    pictures, config = np.zeros((12, 1, 96, 96), np.uint8), mask_topology.Config()
    real = real_masks(whole[:12])
    alike, apart = (
        mask_topology.measure(make_samples(pictures, masks[12:], name=name), real, config, setup)
        for name, masks in (("alike", whole), ("torn", torn))
    )
    assert alike.value < apart.value / 5 and apart.differs
    assert {"largest tree", "pieces"} <= set(apart.details["outside_the_floor"])
    assert len(alike.details["outside_the_floor"]) <= 2
    (table,) = apart.tables
    assert [row[0] for row in table.rows] == list(TITLES) and table.rows[0][-1] == "no"
    assert apart.figures[0].png


def test_masks_that_are_no_trees_are_refused(make_samples, setup):
    rows, columns = np.indices((64, 64))
    disc = np.repeat((np.hypot(rows - 32, columns - 32) < 20).astype(np.uint8)[None], 6, axis=0)
    made = make_samples(np.zeros((6, 1, 64, 64), np.uint8), disc)
    with pytest.raises(MasksMissing, match="are no trees"):
        mask_topology.measure(made, real_masks(disc), mask_topology.Config(), setup)

from dataclasses import replace

import numpy as np
import pytest
import torch
from privacy.conftest import SIDE, join, look, population

from synthmed.privacy._correlation import correlate
from synthmed.privacy._spaces import nearest
from synthmed.privacy._tails import fit_tail
from synthmed.privacy._views import orient
from synthmed.privacy.canaries import ALTERATIONS, paste, plant
from synthmed.privacy.copies import compare, equal_size_counts
from synthmed.privacy.examination import conclude
from synthmed.privacy.findings import Findings
from synthmed.privacy.identity import identify, one_a_patient

KINDS = ("shifted", "brightened", "re-compressed", "turned", "all of it")


def findings(samples, train, holdout, spaces=("pixels", "features", "patches")):
    real = join(train, holdout)
    identities = [identify(name, samples, real, spaces=len(spaces)) for name in spaces]
    compared = [compare(one, samples, train, holdout) for one in identities]
    inferences, tests = conclude(compared, samples, real, len(train))
    return Findings(num=len(samples), sealed=True, patients={"train": 60, "holdout": 40},
                    persons={"train": frozenset(range(60)), "holdout": frozenset(range(60, 100)), "test": frozenset()},
                    identities=tuple(identities), spaces=tuple(compared), inferences=inferences, tests=tests,
                    power=(), statement="", unproven="", warnings=())  # fmt: skip


@pytest.fixture(scope="module")
def planted(sides, looked):
    """1 % of the clean set replaced by near copies."""
    copies = plant(sides[0][0], 1, seed=4, kinds={kind: ALTERATIONS[kind] for kind in KINDS})
    two = look(copies.images[[2, 4]])
    among = join(two, replace(looked[2].rows(np.arange(2, 200)), planes=None))
    return replace(among, patients=np.arange(200)), copies.rows[[2, 4]]


@pytest.fixture(scope="module")
def verdicts(looked, planted):
    train, holdout, clean = looked
    return findings(clean, train, holdout), findings(planted[0], train, holdout)


def test_one_percent_of_near_copies_is_blocked_and_a_clean_set_is_not(verdicts, planted):
    clean, found = verdicts
    assert not clean.blocked and clean.flagged == []
    assert "No evidence of copying" in clean.verdict and "no certificate" in clean.verdict
    assert found.blocked and found.verdict.startswith("BLOCKED")
    assert found.flagged == [0, 1]
    pixels = found.spaces[0]
    assert pixels.train.patients[:2, 0].tolist() == planted[1].tolist()


def test_the_ratio_of_medians_would_have_missed_them(verdicts):
    ratios = []
    for found in verdicts:
        pixels = found.spaces[0]
        ratios.append(np.median(pixels.equal.distances[:, 0]) / np.median(pixels.holdout.distances[:, 0]))
    assert all(abs(ratio - 1) < 0.02 for ratio in ratios)
    assert abs(ratios[1] - ratios[0]) < 0.01  # all that 1 % of copies does to it


def test_the_control_of_equal_size_is_counted_beside_the_holdout(verdicts):
    for found in verdicts:
        pixels = found.spaces[0]
        counts = equal_size_counts(pixels)
        assert counts.shape == (20,) and (counts <= 200).all()
        assert np.array_equal(counts, equal_size_counts(pixels))
        assert len(set(pixels.equal.patients.ravel().tolist())) <= pixels.holdout_patients


@pytest.mark.parametrize("orientation", range(8))
def test_a_turned_and_shifted_copy_is_led_back(sides, looked, orientation):
    image = np.roll(sides[0][0][7], (2, -1), (1, 2))
    turned = orient(torch.from_numpy(image), orientation).numpy()
    near = nearest("pixels", look(np.stack([turned, 255 - turned])), looked[0])
    assert near.rows[0, 0] == 7 and near.relative[0] < 0.1
    back = orient(orient(torch.from_numpy(image), orientation), int(near.orientations[0, 0])).numpy()
    down, right = np.rint(near.shifts[0, 0] * SIDE).astype(int)
    shifted = np.roll(back, (down, right), (1, 2))
    inside = (slice(None), slice(4, -4), slice(4, -4))
    assert np.abs(shifted[inside].astype(int) - sides[0][0][7][inside]).max() == 0
    assert near.relative[1] > 0.3  # a negative is no copy: its correlation is -1


def test_brightness_and_contrast_do_not_count_and_the_order_of_images_neither(sides, looked, rng):
    images = torch.from_numpy(sides[0][0][:5].astype(np.float32))
    value, shift = correlate(images * 0.5 + 20, images)
    assert torch.allclose(value, torch.ones(5), atol=1e-4) and shift.abs().max() == 0
    order = rng.permutation(len(looked[2]))[:40]
    for space in ("pixels", "features", "patches", "masks"):
        whole = nearest(space, looked[2], looked[0]).relative[order]
        part = nearest(space, looked[2].rows(order), looked[0].rows(rng.permutation(60))).relative
        np.testing.assert_allclose(part, whole, atol=2e-3)


def test_a_patients_own_images_do_not_make_the_threshold(sides):
    """Two photographs of one eye are near copies of each other; that says nothing of two patients."""
    train = sides[0][0]
    twice = np.concatenate([train, np.roll(train, 1, 2)])
    views = look(twice, patients=np.r_[np.arange(60), np.arange(60)])
    near = nearest("pixels", views, views, exclude_own=True)
    assert not (near.patients == views.patients[:, None]).any()
    assert fit_tail(near.relative).threshold(1e-4) > 0.1
    rows = one_a_patient(views.patients, np.random.default_rng(0))
    assert sorted(views.patients[rows]) == list(range(60))


def test_copied_masks_are_found_and_empty_ones_are_not(sides, looked):
    train, holdout, clean = looked
    masks = sides[2][1][:30].copy()
    masks[0] = sides[0][1][9][:, ::-1]
    masks[1] = 0
    real = join(train, holdout)
    found = identify("masks", look(sides[2][0][:30], masks=masks), real, spaces=4)
    assert found.clear.tolist() == [True] + 29 * [False]
    assert found.near.patients[0, 0] == 9 and found.near.relative[1] == 1
    assert not identify("masks", clean, real, spaces=4).clear.any()


def test_a_copied_part_in_another_image_is_found(sides, looked, rng):
    holdout = looked[1]
    lesion = rng.integers(0, 255, (1, 4, 4)).repeat(6, 1).repeat(6, 2)
    sources, synthetic = sides[0][0].copy(), sides[2][0][:30].copy()
    sources[5, :, 10:34, 12:36] = lesion
    synthetic[0, :, 20:44, 8:32] = lesion
    found = identify("patches", look(synthetic), join(look(sources), replace(holdout, planes=None)), spaces=3)
    assert found.clear[0] and found.near.patients[0, 0] == 5
    assert found.near.places is not None
    row, column, other_row, other_column = found.near.places[0, 0]
    assert (row - other_row, column - other_column) == (10, -4)
    assert found.clear[1:].sum() == 0


def test_a_part_that_was_reduced_at_another_fraction_of_a_pixel_is_found(looked, rng):
    """Images of twice the side at which patches are compared: an odd shift is half a pixel there."""
    large = np.kron(rng.integers(0, 255, (20, 1, 32, 32)), np.ones((8, 8))).astype(np.uint8)  # 256 x 256
    sources, synthetic = large[:10], large[10:].copy()
    synthetic[0, :, 101:181, 33:113] = sources[5, :, 60:140, 120:200]
    near = nearest("patches", look(synthetic), look(sources))
    assert near.patients[0, 0] == 5 and near.relative[0] < 0.1 and near.relative[1:].min() > 0.3


def test_constant_images_are_copies_of_nobody(looked):
    flat = look(np.stack([np.full((1, SIDE, SIDE), value, np.uint8) for value in (0, 90, 255)]))
    for space in ("pixels", "patches"):
        assert (nearest(space, flat, looked[0]).relative == 1).all()


def test_other_shapes_and_depths_are_compared_alike():
    wide = np.repeat(population(12, 5)[0], 2, axis=3).astype(np.uint16) * 257  # 48 x 96, 16 bits
    views = look(wide)
    assert views.features.shape[0] == 4 and views.small.shape[-2:] == (32, 64)
    near = nearest("pixels", look(wide[:2, :, ::-1, ::-1]), views)
    assert near.rows[:, 0].tolist() == [0, 1] and (near.relative < 0.1).all()


def test_a_pasted_part_lies_wholly_in_the_other_image(sides, rng):
    background = np.zeros((1, SIDE, SIDE), np.uint8)
    pasted = paste(sides[0][0][0], background, rng)
    rows, columns = np.nonzero(pasted[0])
    assert np.ptp(rows) < SIDE // 4 and np.ptp(columns) < SIDE // 4

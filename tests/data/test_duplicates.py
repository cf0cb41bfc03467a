"""Copies that pass for other patients are found; pictures that only share their frame are not."""

import csv
import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synthmed.data import duplicates
from synthmed.data.duplicates import SIDE, TURNS, candidates, correlation, fingerprint, likeness
from synthmed.data.prepare import prepare


def picture(seed, size=96):
    """A soft random texture in a bright disc on black, like nothing but itself."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), 2)
    y, x = np.mgrid[:size, :size] - size / 2
    texture = 130 + 300 * noise
    return np.where(np.hypot(y, x) < size * 0.45, texture.clip(30, 255), 0).astype(np.uint8)


def saved(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


COPIES = {
    "JPEG": lambda image: saved(image, 60),
    "brighter": lambda image: (image * 0.7 + 40).astype(np.uint8),
    "16 bits": lambda image: image.astype(np.uint16) * 257,
    "larger": lambda image: np.asarray(Image.fromarray(image).resize((150, 150))),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_the_print_of_a_copy_is_nearly_that_of_the_image(copy):
    for seed in range(5):
        one, other = picture(seed)[None], copy(picture(seed))[None]
        for side in (SIDE, 2 * SIDE):
            assert correlation(fingerprint(one, side), fingerprint(other, side)) > 0.9


def test_other_images_in_the_same_frame_do_not_correlate():
    prints = [fingerprint(picture(seed)[None], 2 * SIDE) for seed in range(20)]
    assert max(correlation(one, other) for at, one in enumerate(prints) for other in prints[:at]) < 0.6


def test_a_picture_of_one_value_is_like_nothing():
    blank = fingerprint(np.full((3, 20, 9), 7, np.uint8))
    assert not blank.any() and correlation(blank, blank) == 0
    assert candidates(np.stack([blank, blank]), np.arange(2)) == []


@pytest.mark.parametrize("exhaustive", [4096, 4])
def test_each_image_finds_its_copy_of_another_patient_and_none_of_its_own(monkeypatch, exhaustive):
    monkeypatch.setattr(duplicates, "_EXHAUSTIVE", exhaustive)
    images = [picture(seed) for seed in range(40)]
    images += [saved(images[3], 80), saved(images[7], 80)]
    patients = np.array([*range(40), 99, 7])
    prints = np.stack([fingerprint(image[None]) for image in images])
    assert [(pair.first, pair.second) for pair in candidates(prints, patients)] == [(3, 40)]


def test_the_turns_are_the_eight_of_a_square():
    square = np.arange(9).reshape(3, 3)
    turned = {turn(square).tobytes() for turn in TURNS.values()}
    known = {np.rot90(one, times).tobytes() for one in (square, square[:, ::-1]) for times in range(4)}
    assert turned == known and len(turned) == 8


@pytest.mark.parametrize("exhaustive", [4096, 8])
@pytest.mark.parametrize("dense", [-1.0, 2.0])
def test_mirrored_and_turned_copies_are_found_and_the_turn_is_named(monkeypatch, exhaustive, dense):
    monkeypatch.setattr(duplicates, "_EXHAUSTIVE", exhaustive)
    monkeypatch.setattr(duplicates, "_DENSE", dense)
    images = [picture(seed, size=100) for seed in range(40)]
    copies = [saved(np.ascontiguousarray(turn(image)), 80) for turn, image in zip(TURNS.values(), images, strict=False)]
    prints = np.stack([fingerprint(image[None]) for image in (*images, *copies)])
    found = candidates(prints, np.arange(len(prints)))
    assert [(pair.first, pair.second) for pair in found] == [(place, 40 + place) for place in range(8)]
    for turn, image, copy in zip(TURNS, images, copies, strict=False):
        closer, named = likeness(*(fingerprint(one[None], 2 * SIDE) for one in (copy, image)))
        assert closer > 0.9 and named == turn


def test_copies_are_found_where_all_images_share_much(monkeypatch):
    shared = picture(99).astype(int)
    images = [((3 * shared + picture(seed)) // 4).astype(np.uint8) for seed in range(40)]
    prints = [fingerprint(image[None]) for image in (*images, images[5][::-1], images[6].T)]
    assert {(pair.first, pair.second) for pair in candidates(np.stack(prints), np.arange(42))} >= {(5, 40), (6, 41)}


def test_a_set_names_mirrored_patients(tmp_path):
    (tmp_path / "source").mkdir()
    for seed in range(6):
        Image.fromarray(picture(seed)).save(tmp_path / "source" / f"{seed}.png")
        if seed % 2:
            Image.fromarray(picture(seed)[:, ::-1]).save(tmp_path / "source" / f"mirrored {seed}.png")
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=64)
    with (dataset.path / "duplicates.csv").open() as file:
        pairs = [(row["id"], row["other_id"], row["identical"], row["turned"]) for row in csv.DictReader(file)]
    ids = [("000001", "000006"), ("000003", "000007"), ("000005", "000008")]
    assert [pair[:2] for pair in pairs] == ids
    assert all(pair[3] == "left to right" for pair in pairs)


def test_a_set_lists_its_pairs_and_says_so(tmp_path):
    (tmp_path / "source").mkdir()
    for seed in range(6):
        Image.fromarray(picture(seed)).save(tmp_path / "source" / f"{seed}.png")
    Image.fromarray(picture(2)).save(tmp_path / "source" / "6.bmp")
    Image.fromarray(saved(picture(4), 70)).save(tmp_path / "source" / "7.png")
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=64)
    with (dataset.path / "duplicates.csv").open() as file:
        pairs = [(row["id"], row["other_id"], row["identical"]) for row in csv.DictReader(file)]
    assert pairs == [("000002", "000006", "yes"), ("000004", "000007", "no")]
    assert dataset.num_alike == 2 and "2 pairs of images look alike" in dataset.summary

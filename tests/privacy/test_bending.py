"""Copies that were turned by some degrees, resized, cropped or bent are led back; strangers are not."""

import numpy as np
import pytest
import torch
from privacy.conftest import look, population

from synthmed.evaluation.features.reduction import area, shares
from synthmed.privacy import _registration as registration
from synthmed.privacy._bending import laid_over
from synthmed.privacy._spaces import nearest
from synthmed.privacy.canaries import bend, bend_strongly, crop, invert, resize, rotate, squash, turn
from synthmed.privacy.identity import identify

KINDS = (rotate, resize, squash, crop, bend, bend_strongly, invert, turn)


@pytest.fixture(scope="module")
def found():
    """Thirty strangers, then a copy of each kind, among sixty patients."""
    numbers, (train, _) = np.random.default_rng(0), population(60, 1)
    copies = np.stack([alter(train[place], numbers) for place, alter in enumerate(KINDS)])
    return identify("bent", look(np.concatenate([population(30, 9)[0], copies])), look(train), spaces=5)


def test_altered_copies_are_known_and_strangers_are_not(found):
    assert not found.clear[:30].any()
    assert found.near.patients[30:, 0].tolist() == list(range(len(KINDS)))
    assert found.clear[30:].sum() >= len(KINDS) - 1


def test_neither_order_nor_company_changes_what_is_found(rng):
    train, asked = look(population(12, 1)[0]), look(population(5, 9)[0])
    whole = nearest("bent", asked, train)
    order, kept = rng.permutation(12), np.array([3, 1])
    again = nearest("bent", asked.rows(kept), train.rows(order))
    np.testing.assert_allclose(again.distances, whole.distances[kept], atol=5e-3)
    assert (order[again.rows[:, 0]] == whole.rows[kept, 0]).all()


def test_constant_images_are_copies_of_nobody():
    flat = np.full((2, 1, 48, 48), 90, np.uint8)
    near = nearest("bent", look(flat), look(population(8, 1)[0]))
    assert (near.relative > 0.8).all() and (near.distances > 1).all()


def test_an_affine_map_is_undone():
    image = shares(population(1, 4)[0])
    places = registration.similar(registration.grid(48, 48), 7.0, 1.06)[None]
    turned = registration.sampled(image, places)
    start = registration.grid(48, 48)[None]
    before = registration.unlikeness(turned, image, start)
    positions = registration.aligned(turned, image, start)
    after = registration.unlikeness(turned, image, positions)
    assert after < 0.3 * before
    inside = (slice(None), slice(None), slice(8, 40), slice(8, 40))
    # What was read at ``places`` is read back where the two maps, one after the other, lead to the same pixel.
    back = registration.sampled(places, positions)
    assert (back - start)[inside].abs().max() < 1.0


def test_brightness_and_contrast_do_not_count():
    image = shares(population(2, 4)[0])
    same = registration.grid(48, 48)[None].expand(2, -1, -1, -1)
    assert (registration.unlikeness(0.5 * image + 0.2, image, same) < 0.05).all()
    assert (registration.unlikeness(image.flip(0), image, same) > 0.5).all()


def test_a_copy_can_be_laid_over_its_original_for_the_eye():
    train = population(1, 1)[0][0]
    copy = rotate(train, np.random.default_rng(3))[..., ::-1].copy()
    one, other = (shares(images[None])[0] for images in (copy, train))
    orientation, positions = laid_over(one, other)
    assert orientation == 1
    moved = registration.sampled(one.flip(-1)[None], positions)[0]
    before, after = (area((image - other)[None], 24).abs().mean() for image in (one.flip(-1), moved))
    assert after < 0.7 * before  # both are noisy: in reduced images most of what is left is gone


@pytest.mark.parametrize("size", [0.9, 1.1])
def test_a_resized_copy_that_lies_right_is_not_bent_away(size):
    # Structure taken before the copy lies there has surroundings of another size, and pulled it off by a pixel or two.
    images = (shares(population(4, 4, 128)[0]) + torch.linspace(0, 0.6, 128)).clamp(0, 1)
    there, back = (registration.similar(registration.grid(128, 128), 0.0, scale)[None].expand(4, -1, -1, -1)
                   for scale in (size, 1 / size))  # fmt: skip
    copies = registration.sampled(images, there)
    before = registration.unlikeness(copies, images, back)
    after = registration.unlikeness(copies, images, registration.bent(copies, images, back))
    assert after.mean() < 1.2 * before.mean()


def test_a_patient_with_two_images_is_known_by_the_one_that_was_copied():
    numbers = np.random.default_rng(0)
    images = np.concatenate([[one, bend_strongly(one, numbers)] for one in population(20, 1)[0]])
    people = np.repeat(np.arange(20), 2)
    copies = np.stack([resize(image, numbers) for image in images])
    near = nearest("bent", look(copies), look(images).of(people))
    assert (near.patients[:, 0] == people).all() and (near.rows[:, 0] == np.arange(40)).mean() > 0.95

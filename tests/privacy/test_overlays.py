"""What is made of two images is led back to both, and a part of one to its patient."""

import numpy as np
from privacy.conftest import look, population

from synthmed.privacy._spaces import nearest
from synthmed.privacy.canaries import paste_half
from synthmed.privacy.identity import identify


def textured(num, seed):
    """Images [num 1 48 48] whose fine structure is theirs alone, as that of tissue is."""
    numbers = np.random.default_rng(seed)
    coarse = population(num, seed)[0].astype(float)
    return np.clip(coarse + 40 * numbers.normal(size=coarse.shape) * (coarse > 20), 0, 255).astype(np.uint8)


def test_blends_are_led_back_to_one_patient_or_to_two(rng):
    train, others = textured(40, 1), textured(20, 2)
    one = (train[0] / 2.0 + others[0] / 2.0).astype(np.uint8)
    two = (train[5] / 2.0 + train[9] / 2.0).astype(np.uint8)
    mirrored = two[..., ::-1]
    asked = look(np.concatenate([others[1:], np.stack([one, two, mirrored])]))
    found = identify("overlays", asked, look(train), spaces=6)
    assert found.clear.tolist() == 19 * [False] + 3 * [True]
    assert found.near.owners[19, 0] == 0 and found.near.shared is not None and found.near.shared[19] == 1
    for place in (20, 21):
        assert sorted(found.near.owners[place].tolist()) == [5, 9]
        assert found.near.shows({9})[place] and not found.near.shows({0, 7})[place]


def test_a_half_in_its_place_is_led_back(rng):
    train, others = textured(40, 1), textured(20, 2)
    pasted = np.stack([paste_half(train[place], others[place], rng) for place in range(5)])
    found = identify("parts", look(np.concatenate([others[5:], pasted])), look(train), spaces=6)
    assert not found.clear[:15].any()
    assert found.clear[15:].sum() >= 4
    assert found.near.patients[15:, 0].tolist() == [0, 1, 2, 3, 4]


def test_constant_images_are_copies_of_nobody_and_few_patients_are_enough():
    flat = look(np.full((2, 1, 48, 48), 90, np.uint8))
    for space in ("overlays", "parts"):
        assert (nearest(space, flat, look(textured(4, 1))).relative > 0.99).all()
        three = look(textured(3, 1))
        assert np.isfinite(nearest(space, three, three, exclude_own=True).relative).all()

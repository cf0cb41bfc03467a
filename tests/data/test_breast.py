"""The breast is found whatever stands beside it, and only what stands beside it is taken out."""

import numpy as np
import pytest
from data.film import breast_film, digital_breast, letter
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmed.data.breast import find_breast, mirrored, side_of, without
from synthmed.errors import SourceError


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_outline_follows_the_skin(side):
    film, breast = breast_film(side=side)
    found = find_breast(film)
    assert dice(found.mask, breast) > 0.97
    assert found.side == side == side_of(breast)
    assert abs(found.air - 0.06) < 0.01
    assert not found.frame.any() and not found.markers.any()


def test_dark_holes_are_filled():
    film, _ = breast_film()
    film[250:270, 60:80] = 0
    assert find_breast(film).mask[260, 70]


def test_black_around_the_film_is_not_mistaken_for_air():
    film, breast = breast_film()
    film, breast = (np.pad(part, ((0, 0), (120, 60))) for part in (film, breast))
    found = find_breast(film)
    assert dice(found.mask, breast) > 0.97 and found.side == "left"
    assert abs(found.air - 0.06) < 0.01


@pytest.mark.parametrize("fat", [0.12, 0.2, 0.35])
@pytest.mark.parametrize("density", [0.03, 0.15, 0.4, 0.8])
def test_a_digital_breast_is_more_than_its_gland(density, fat):
    picture, breast = digital_breast(density=density, fat=fat)
    letter(picture, 20, 290)
    found = find_breast(picture)
    assert dice(found.mask, breast) > 0.97
    assert found.air < 0.02 and not found.doubtful
    assert not ((found.frame | found.markers) & breast).any()
    assert (found.markers | found.frame)[20:38, 290:294].all()


def test_an_outline_of_the_gland_alone_is_doubted(monkeypatch):
    picture, breast = digital_breast(density=0.2, fat=0.12)
    monkeypatch.setattr("synthmed.data.breast._with_fat", lambda outline, smooth, frame: outline)
    found = find_breast(picture)
    assert dice(found.mask, breast) < 0.7 and ((found.frame | found.markers) & breast).any()
    assert found.doubtful


def test_letters_and_labels_are_markers_and_go():
    film, _ = breast_film()
    clean = find_breast(film)
    for left in (230, 250, 270):
        letter(film, 30, left)
    film[80:130, 230:280] = 0.95
    film[90:120, 240:270] = 0.2
    found = find_breast(film)
    assert found.markers[30:48, 230:234].all() and found.markers[82:128, 232:238].all()
    assert not found.markers[200:400].any()
    assert dice(found.mask, clean.mask) > 0.999
    cleaned = without(film, found.markers | found.frame, found.air)
    assert cleaned[:140, 225:].max() < 0.15
    np.testing.assert_array_equal(cleaned[found.mask], film[found.mask])


def test_a_bar_of_scanner_light_is_an_edge_and_no_part_of_the_breast():
    film, breast = breast_film()
    film[:, -20:-8] = 1.0
    found = find_breast(film)
    assert found.frame[:, -18:-10].all() and not found.markers.any()
    assert dice(found.mask, breast) > 0.97


def test_a_saturated_border_that_touches_the_breast_is_taken_off():
    film, breast = breast_film()
    for border in (np.s_[:12], np.s_[-12:], np.s_[:, :12], np.s_[:, -12:]):
        film[border] = 1.0
    found = find_breast(film)
    breast[:, :12] = False
    assert dice(found.mask, breast) > 0.95
    assert found.frame[:, :12].all() and found.frame[-12:].all()


def test_tape_that_touches_the_breast_by_a_neck_is_not_breast():
    film, breast = breast_film()
    film[:, 100:110] = np.maximum(film[:, 100:110], 0.8)
    assert dice(find_breast(film).mask, breast) > 0.96


def test_a_mask_drawn_by_hand_is_taken_as_it_is_and_the_skin_beside_it_stays():
    film, breast = breast_film()
    drawn = np.roll(breast, -20, axis=1) & breast
    found = find_breast(film, drawn)
    np.testing.assert_array_equal(found.mask, drawn)
    assert not (found.markers & breast).any() and not (found.frame & breast).any()


def test_turning_the_picture_turns_what_is_found():
    film, _ = breast_film()
    letter(film, 30, 240)
    found, turned = find_breast(film), mirrored(find_breast(film[:, ::-1]))
    assert found.side == turned.side
    for name in ("mask", "markers", "frame"):
        # Filters of even support are not wanted here: not one pixel may move.
        np.testing.assert_array_equal(getattr(found, name), getattr(turned, name))


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.zeros((64, 64), np.float32), "of one grey value"),
        (1 - breast_film()[0], "invert=true"),
        (np.pad(np.full((40, 40), 0.8, np.float32), 200), "No breast was found"),
    ],
    ids=["nothing", "inverted", "too small"],
)
def test_what_is_no_breast_in_air_is_refused_with_what_to_do(picture, words):
    with pytest.raises(SourceError, match=words):
        find_breast(picture)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 80))
def test_any_picture_gives_a_mask_or_a_sentence(seed, height, width):
    generator = np.random.default_rng(seed)
    picture = generator.random((height, width), np.float32) ** generator.integers(1, 6)
    try:
        found = find_breast(picture)
    except SourceError:
        return
    assert found.mask.any() and not (found.mask & (found.markers | found.frame)).any()

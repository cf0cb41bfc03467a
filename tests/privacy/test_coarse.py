"""A copy that was blurred or lies under noise is led back by its coarse structure; a clean image under both is not."""

import numpy as np
import pytest
from privacy.conftest import look, population
from scipy import ndimage

from synthmed.privacy._spaces import nearest
from synthmed.privacy.identity import identify


def blurred(images, sigma):
    return np.rint(ndimage.gaussian_filter(images.astype(float), (0, 0, sigma, sigma))).astype(np.uint8)


def noisy(images, share, rng):
    return np.clip(np.rint(images + rng.normal(0, share * 255, images.shape)), 0, 255).astype(np.uint8)


def tissue(num, seed):
    """Images [num 1 128 128] whose structure of ten pixels is theirs alone."""
    bodies = population(num, seed, 128)[0].astype(float)
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=bodies.shape), (0, 0, 2.5, 2.5))
    return np.clip(bodies + 40 * grain / grain.std() * (bodies > 20), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def people():
    """Real images, and some of others."""
    return tissue(60, 1), tissue(30, 2)


def test_blurred_and_noisy_copies_are_found_and_blurred_and_noisy_others_are_not(people, rng):
    train, others = people
    for alter in (lambda images: blurred(images, 4), lambda images: noisy(images, 0.15, rng)):
        asked = look(np.concatenate([alter(others), alter(train[:8, :, :, ::-1])]))
        found = identify("coarse", asked, look(train), spaces=7)
        assert not found.clear[:30].any()
        assert found.clear[30:].sum() >= 7
        assert found.near.patients[30:, 0].tolist() == list(range(8))


def test_noise_is_taken_off_the_distance_of_a_copy(people, rng):
    train, _ = people
    clean, under_noise = look(train[:4]), look(noisy(train[:4], 0.1, rng))
    exact, found = (nearest("coarse", asked, look(train)).distances[:, 0] for asked in (clean, under_noise))
    assert (exact < 0.15).all() and (found < 0.3).all()


def test_constant_images_and_mere_noise_are_copies_of_nobody(people, rng):
    train, _ = people
    flat = np.full((2, 1, 128, 128), 90, np.uint8)
    assert (nearest("coarse", look(flat), look(train)).relative > 0.99).all()
    mere = look(rng.integers(0, 256, (20, 1, 128, 128)).astype(np.uint8))
    assert not identify("coarse", mere, look(train), spaces=7).clear.any()


def test_images_of_a_few_pixels_are_compared_too(rng):
    small = look(rng.integers(0, 256, (5, 1, 4, 3)).astype(np.uint8))
    assert np.isfinite(nearest("coarse", small, small, exclude_own=True).relative).all()

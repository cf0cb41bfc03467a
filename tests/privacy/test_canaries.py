import numpy as np
import pytest
from privacy.conftest import population

from synthmed.errors import DataError
from synthmed.privacy.canaries import ALTERATIONS, MASK_ALTERATIONS, MIXTURES, plant


@pytest.mark.parametrize("kind", ALTERATIONS)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_an_alteration_keeps_shape_and_type_and_changes_something(kind, depth):
    image = population(1, 0)[0][0].astype(depth) * (257 if depth == np.uint16 else 1)
    image = np.repeat(image, 3, axis=0)
    altered = [ALTERATIONS[kind](image, np.random.default_rng(seed)) for seed in range(3)]
    assert all(one.shape == image.shape and one.dtype == depth for one in altered)
    assert any(not np.array_equal(one, image) for one in altered)
    assert np.array_equal(altered[1], ALTERATIONS[kind](image, np.random.default_rng(1)))
    if kind not in ("inverted", "of another gamma"):
        assert altered[0].mean() == pytest.approx(image.mean(), rel=0.5)


def test_the_same_seed_plants_the_same_and_says_what_it_copied():
    sources, others = population(4, 0)[0], population(3, 1)[0]
    first, second = (plant(sources, 2, seed=5, backgrounds=others) for _ in range(2))
    assert np.array_equal(first.images, second.images) and first.kinds == second.kinds
    assert first.kinds.count("shifted") == 2 and first.kinds.count("pasted quarter") == 2
    assert len(first.rows) == len(first.images) == 2 * (len(ALTERATIONS) + len(MIXTURES))
    with pytest.raises(DataError, match="expected at least 1"):
        plant(sources, 0)


@pytest.mark.parametrize("kind", MASK_ALTERATIONS)
def test_a_copied_mask_keeps_its_labels_and_about_its_area(kind):
    mask = population(1, 0)[1] * 3
    altered = [MASK_ALTERATIONS[kind](mask, np.random.default_rng(seed)) for seed in range(3)]
    assert all(one.shape == mask.shape and one.dtype == mask.dtype and set(np.unique(one)) == {0, 3} for one in altered)
    assert any(not np.array_equal(one, mask) for one in altered)
    assert altered[0].astype(bool).mean() == pytest.approx(mask.astype(bool).mean(), rel=0.3)

"""The nearest groups by products: the same from a part of the columns, and several rows of each."""

import numpy as np
import pytest

from synthmed.evaluation._neighbours import nearest_groups


@pytest.fixture
def sides():
    """Queries in two variants, the second of them near to row 7, 8, 9 ... of 3,000; three rows a group."""
    numbers = np.random.default_rng(0)
    references = numbers.normal(size=(3000, 512)).astype(np.float32)
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    strangers = numbers.normal(size=(20, 512)).astype(np.float32) / 23
    near = references[7:27] + 0.3 * strangers
    return [strangers, near], references, np.repeat(np.arange(1000), 3)


def test_products_are_the_highest_of_any_variant_and_row(sides):
    variants, references, groups = sides
    products, who, rows, which = nearest_groups(variants, references, groups, None, 4)
    every = np.stack([variant @ references.T for variant in variants])
    best = every.max(0).reshape(20, 1000, 3).max(2)
    np.testing.assert_allclose(products, -np.sort(-best, axis=1)[:, :4], rtol=1e-5)
    assert (rows[:, 0] == np.arange(7, 27)).all() and (which[:, 0] == 1).all() and (who == groups[rows]).all()


def test_a_part_of_the_columns_leads_to_the_same_neighbour(sides):
    variants, references, groups = sides
    whole = nearest_groups(variants, references, groups, None, 4)
    part = nearest_groups(variants, references, groups, None, 4, every=4)
    np.testing.assert_allclose(part[0][:, 0], whole[0][:, 0], rtol=1e-5)
    assert (part[2][:, 0] == whole[2][:, 0]).all()


def test_some_rows_of_each_group_stand_together_and_the_own_group_is_left_out(sides):
    variants, references, groups = sides
    own = groups[7:27]
    _, who, rows, _ = nearest_groups(variants, references, groups, own, 5, each=2)
    assert who.shape == (20, 10) and (who[:, ::2] == who[:, 1::2]).all() and not (who == own[:, None]).any()
    assert (rows[:, ::2] != rows[:, 1::2]).all() and (groups[rows] == who).all()
    alone = nearest_groups(variants, references, np.arange(3000), None, 5, each=2)
    assert (alone[2][:, ::2] == alone[2][:, 1::2]).all()  # a group of one: its row again

"""The stream of batches is a function of the position alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthmed.data.sampler import batch_indices


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 3), st.integers(0, 200))
def test_a_batch_is_the_same_however_the_stream_was_cut_before(num, batch_size, seed, first):
    batch = batch_indices(num, batch_size, seed, first)
    one_by_one = [batch_indices(num, 1, seed, first + offset)[0] for offset in range(batch_size)]
    assert batch.tolist() == one_by_one


@given(st.integers(1, 30), st.integers(0, 3), st.integers(0, 20))
def test_every_epoch_shows_every_image_once(num, seed, epoch):
    assert sorted(batch_indices(num, num, seed, epoch * num)) == list(range(num))


def test_epochs_and_seeds_differ():
    assert batch_indices(50, 50, 0, 0).tolist() != batch_indices(50, 50, 0, 50).tolist()
    assert batch_indices(50, 50, 0, 0).tolist() != batch_indices(50, 50, 1, 0).tolist()


def test_what_the_caller_does_to_a_batch_does_not_change_the_next():
    first = batch_indices(5, 5, 0, 0)
    expected = first.tolist()
    first[:] = 0
    assert batch_indices(5, 5, 0, 0).tolist() == expected
    assert batch_indices(5, 0, 0, 0).dtype == np.int64

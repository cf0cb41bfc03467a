import numpy as np
import pytest

from synthmed.errors import ConfigError
from synthmed.evaluation.features.channels import channel_views, select

SEVEN = ["T2", "pre", "post1", "post2", "post3", "post4", "sub"]


def test_grey_is_repeated_and_colours_are_taken_as_they_are():
    assert channel_views("auto", ["grey"], 3) == [(0, 0, 0)]
    assert channel_views("auto", ["red", "green", "blue"], 3) == [(0, 1, 2)]
    assert channel_views("auto", ["red", "green", "blue"], 1) == [(0,), (1,), (2,)]


def test_a_user_names_a_triplet_or_takes_each():
    assert channel_views("T2,pre,post1", SEVEN, 3) == [(0, 1, 2)]
    assert channel_views("6", SEVEN, 3) == [(6, 6, 6)]
    assert channel_views("each", SEVEN, 3)[3] == (3, 3, 3) and len(channel_views("each", SEVEN, 3)) == 7


@pytest.mark.parametrize("channels", ["auto", "T2,T3,pre", "0,1", "7"])
def test_what_is_not_clear_is_asked_for(channels):
    with pytest.raises(ConfigError, match="expected"):
        channel_views(channels, SEVEN, 3)


def test_selecting_copies_the_named_channels():
    images = np.arange(8, dtype=np.uint8).reshape(1, 2, 2, 2)
    assert select(images, (1, 0, 1))[0, :, 0, 0].tolist() == [4, 0, 4]

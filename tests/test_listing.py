"""What can be asked for by name is found where it lives, each with a sentence."""

import pytest

from synthmed.config import recipe_names
from synthmed.data.kinds import kind_names
from synthmed.errors import ConfigError
from synthmed.evaluation._contract import known_metrics
from synthmed.listing import names


def test_every_name_has_a_sentence() -> None:
    found = names()
    assert list(found["recipes"]) == recipe_names() and list(found["kinds"]) == kind_names()
    assert list(found["metrics"]) == known_metrics()
    assert {"random_vgg", "squeezenet"} <= found["extractors"].keys() and "squeezenet" in found["weights"]
    for known in found.values():
        assert all(len(about) > 20 and "\n" not in about for about in known.values())


def test_one_list_alone_and_a_slip_of_the_finger() -> None:
    assert list(names("recipes")) == ["recipes"]
    with pytest.raises(ConfigError, match="did you mean 'metrics'"):
        names("metric")

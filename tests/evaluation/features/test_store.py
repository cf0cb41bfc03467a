import numpy as np
import pytest

from synthmed.errors import ArtifactError, DataError
from synthmed.evaluation.features.store import read_features, stored

KEY = {"images": {"set": "a"}, "extractor": {"name": "texture"}, "channels": [[0]]}


def test_features_are_made_once_and_read_back_bit_by_bit(tmp_path, rng):
    made = []

    def make():
        made.append(1)
        return rng.normal(size=(5, 3)).astype(np.float32)

    first, second = stored(tmp_path / "features", KEY, make), stored(tmp_path / "features", KEY, make)
    assert np.array_equal(first, second) and len(made) == 1
    stored(tmp_path / "features", {**KEY, "channels": [[1]]}, make)
    assert len(made) == 2


def test_a_file_of_another_extractor_is_refused_with_a_sentence(tmp_path):
    stored(tmp_path, KEY, lambda: np.zeros((2, 2), np.float32))
    (file,) = tmp_path.iterdir()
    with pytest.raises(ArtifactError, match="features of another extractor"):
        read_features(file, {**KEY, "extractor": {"name": "inception"}})


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="Remove it"):
        read_features(tmp_path / "x.safetensors", KEY)


def test_features_that_are_not_finite_are_refused(tmp_path):
    with pytest.raises(DataError, match="not finite"):
        stored(tmp_path, KEY, lambda: np.full((2, 2), np.nan, np.float32))
    assert not list(tmp_path.iterdir())

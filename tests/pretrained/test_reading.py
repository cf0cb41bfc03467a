import collections

import numpy as np
import pytest
import torch

from synthmed.errors import WeightsError
from synthmed.pretrained.reading import read_tensors


@pytest.fixture
def state():
    whole = torch.arange(24.0).reshape(4, 6)
    return collections.OrderedDict(
        {
            "a.weight": whole,
            "a.part": whole[1:3, ::2],
            "turned": whole.T,
            "half": torch.ones(3).half(),
            "count": torch.tensor(7),
            "empty": torch.zeros(0, 3),
            "b.weight": torch.nn.Parameter(torch.randn(2, 3)),
        }
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch_are_read_without_loading_them(zipped, state, tmp_path):
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    found = read_tensors(tmp_path / "x.pth")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) and found[name].dtype == state[name].dtype for name in state)


@pytest.mark.parametrize("zipped", [True, False])
def test_the_state_of_a_module_is_read_with_its_metadata(zipped, tmp_path):
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    torch.save({"state_dict": module.state_dict()}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = read_tensors(tmp_path / "x.pt")
    assert all(torch.equal(found[name], value) for name, value in module.state_dict().items())


def test_safetensors_and_npz_are_read(tmp_path, state):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "x.safetensors")
    np.savez(tmp_path / "x.npz", a=np.ones(2, np.float16))
    for name in ("x.safetensors", "x.npz"):
        assert read_tensors(tmp_path / name)["a"].tolist() == [1, 1]


class Trap:
    def __reduce__(self):
        import os

        return os.system, (f"touch {self.place}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_refused_and_never_run(zipped, tmp_path):
    trap = Trap()
    trap.place = tmp_path / "run"
    torch.save({"a": torch.ones(1), "b": trap}, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="system"):
        read_tensors(tmp_path / "x.pth")
    assert not trap.place.exists()


def test_a_whole_module_is_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="instruction NEWOBJ"):
        read_tensors(tmp_path / "x.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_is_refused(zipped, state, tmp_path):
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    content = (tmp_path / "x.pth").read_bytes()
    for length in (0, 3, 40, len(content) // 2, len(content) - 30):
        (tmp_path / "x.pth").write_bytes(content[:length])
        with pytest.raises(WeightsError):
            read_tensors(tmp_path / "x.pth")


def test_an_array_of_objects_and_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.array([Trap], dtype=object))
    (tmp_path / "x.h5").write_bytes(b"x")
    for name in ("x.npz", "x.h5"):
        with pytest.raises(WeightsError):
            read_tensors(tmp_path / name)

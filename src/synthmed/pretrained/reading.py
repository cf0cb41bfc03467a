"""Read files of weights as tensors by name, without running anything that stands in them.

safetensors and npz hold tensors and nothing else. Files of ``torch.save`` (.pth, .pt) hold a pickle, which could run
any code when it is loaded. Here it is never loaded: ``pickletools`` takes it apart into its instructions, and the dozen
of them that build a dictionary of tensors are followed on a stack of our own. No name in the file is ever imported or
called; whatever else stands in it is refused.
"""

import io
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthmed.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C  # begins a file of torch.save before 1.6
_TYPES: dict[str, np.dtype] = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class _Name:
    """A name that a pickle mentions, as text: "module name"."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """Where numbers lie: which part of the file, of which type, how many."""

    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor: a storage, and how it is laid out in it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Refused(Exception):
    """The file holds something that is no dictionary of tensors."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .npz, .pth or .pt file by name.

    Raises:
        WeightsError: another kind of file, a damaged one, or one that holds more than tensors.
    """
    readers: dict[str, Callable[[Path], dict[str, Tensor]]] = {
        ".safetensors": _read_safetensors,
        ".npz": _read_npz,
        ".pth": _read_torch,
        ".pt": _read_torch,
    }
    if path.suffix not in readers:
        raise WeightsError(f"{path} is no file of weights; expected one of {', '.join(readers)}. Convert it.")
    try:
        return readers[path.suffix](path)
    except _Refused as error:
        raise WeightsError(
            f"{path} holds {error}, which is no tensor; expected a dictionary of tensors and nothing else. It was not "
            "loaded. Convert it to safetensors where you trust it."
        ) from error
    except (OSError, LookupError, ValueError, TypeError, AttributeError, struct.error, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} is damaged or of another kind ({type(error).__name__}: {error}). Fetch it again."
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _read_npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name].copy()) for name in arrays.files}


def _read_torch(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        found, storages = _zipped(path) if zipped else _legacy(file)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, _View) for value in found.values()):
        raise _Refused("something else than tensors by name")
    return {str(name): _tensor(view, storages) for name, view in found.items()}


def _zipped(path: Path) -> tuple[Any, dict[str, bytes]]:
    """torch.save since 1.6: a zip of the pickle and one file for each storage."""
    with zipfile.ZipFile(path) as archive:
        pickle = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if pickle is None:
            raise _Refused("no data.pkl")
        folder = pickle.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise _Refused("numbers of big-endian order")
        found = _follow(io.BytesIO(archive.read(pickle)))
        start = f"{folder}data/"
        return found, {n.removeprefix(start): archive.read(n) for n in archive.namelist() if n.startswith(start)}


def _legacy(file: IO[bytes]) -> tuple[Any, dict[str, bytes]]:
    """torch.save before 1.6: five pickles, then every storage with its length before it."""
    if _follow(file) != _MAGIC:
        raise _Refused("no beginning of a torch file")
    _follow(file)  # version of the protocol
    if not _follow(file).get("little_endian", True):
        raise _Refused("numbers of big-endian order")
    sizes: dict[str, int] = {}
    found = _follow(file, sizes)
    storages = {}
    for key in _follow(file):
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = file.read(count * sizes[key])
    return found, storages


def _follow(file: IO[bytes], sizes: dict[str, int] | None = None) -> Any:
    """Follow the instructions of one pickle that builds plain values and tensors.

    Args:
        file: read up to the end of the pickle.
        sizes: gets storage key -> bytes of a number.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    argument: Any
    for code, argument, _ in pickletools.genops(file):
        match code.name:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                marks.append(len(stack))
            case "BINPUT" | "LONG_BINPUT" | "PUT":
                memo[int(argument)] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET" | "GET":
                stack.append(memo[int(argument)])
            case "GLOBAL":
                stack.append(_Name(argument))
            case "STACK_GLOBAL":
                name, module = stack.pop(), stack.pop()
                stack.append(_Name(f"{module} {name}"))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[code.name])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[code.name])
            case "TUPLE" | "SETITEMS" | "APPENDS":
                start = marks.pop()
                items, stack[start:] = stack[start:], []
                _gather(stack, code.name, items)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(code.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "APPEND":
                value = stack.pop()
                stack[-1].append(value)
            case "BINPERSID":
                stack[-1] = _storage(stack[-1], sizes)
            case "REDUCE":
                arguments, name = stack.pop(), stack.pop()
                stack.append(_built(name, arguments))
            case "BUILD":
                stack.pop()  # attributes of an ordered dictionary: versions of the modules
            case _ if argument is not None and isinstance(argument, (int, float, str, bytes)):
                stack.append(argument)
            case other:
                raise _Refused(f"the instruction {other}")
    raise _Refused("a pickle without an end")


def _gather(stack: list[Any], name: str, items: list[Any]) -> None:
    if name == "TUPLE":
        stack.append(tuple(items))
    elif name == "APPENDS":
        stack[-1].extend(items)
    else:
        stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _storage(found: Any, sizes: dict[str, int] | None) -> _Storage:
    kind, name, key, _, count = found[:5]
    module, _, type_name = getattr(name, "text", "").partition(" ")
    if kind != "storage" or module != "torch" or type_name not in _TYPES:
        raise _Refused(f"numbers of the type {getattr(name, 'text', name)}")
    dtype = _TYPES[type_name]
    if sizes is not None:
        sizes[key] = dtype.itemsize
    return _Storage(key, dtype, count)


def _built(name: Any, arguments: tuple[Any, ...]) -> Any:
    match getattr(name, "text", name):
        case "collections OrderedDict":
            return {key: value for key, value in (arguments[0] if arguments else [])}
        case "torch._utils _rebuild_tensor_v2":
            return _View(*arguments[:4])
        case "torch._utils _rebuild_parameter":
            return arguments[0]
        case other:
            raise _Refused(f"a call of {other}")


def _tensor(view: _View, storages: dict[str, bytes]) -> Tensor:
    numbers: NDArray[Any] = np.frombuffer(storages[view.storage.key], view.storage.dtype)
    last = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.strides, strict=True))
    if min((view.offset, *view.shape, *view.strides)) < 0 or (0 not in view.shape and last >= len(numbers)):
        raise ValueError("a tensor reaches outside of its numbers")
    if 0 in view.shape:
        return torch.from_numpy(np.empty(view.shape, numbers.dtype))
    steps = tuple(step * numbers.itemsize for step in view.strides)
    laid_out = np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, steps, writeable=False)
    return torch.from_numpy(laid_out.copy())

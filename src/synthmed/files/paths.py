"""Names that stay inside of a directory, and files that are written through no link."""

import inspect
import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache, wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import IO, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from synthmed.errors import ArtifactError, ConfigError

P = ParamSpec("P")
R = TypeVar("R")


def inside(path: Path, name: str) -> Path:
    """The file of that name in a directory of ours.

    Args:
        path: the directory.
        name: relative, with / between folders, as a table or a manifest names it.

    Raises:
        ArtifactError: the name, or a link at its place, leads out of the directory.

    Example:
        >>> inside(Path("set"), "images/00000.png").as_posix()
        'set/images/00000.png'
    """
    if not _is_below(name) or not _stays_inside(os.fspath(path), name):
        raise ArtifactError(
            f"{path} names the file {name!r}, which is outside of it; expected names of its own files and no links "
            "that lead out. Copy the file itself, or make it anew."
        )
    return path / name


def takes_paths(verb: Callable[P, R]) -> Callable[P, R]:
    """Let a public function take text where it asks for a path, and refuse what is neither; text is no list either.

    Example:
        >>> @takes_paths
        ... def names(folder: Path, metrics: Sequence[str] = ()) -> Path:
        ...     return folder / "names.txt"
        >>> names("set").as_posix()
        'set/names.txt'
        >>> names("set", metrics="kid")
        Traceback (most recent call last):
        ...
        synthmed.errors.ConfigError: metrics is the text 'kid'; expected a list such as ['kid'].
    """

    @cache
    def signature() -> inspect.Signature:
        return inspect.signature(verb)

    @wraps(verb)
    def taking(*words: P.args, **more: P.kwargs) -> R:
        bound = signature().bind(*words, **more)
        for name, value in bound.arguments.items():
            bound.arguments[name] = _taken(name, value, signature().parameters[name].annotation)
        return verb(*bound.args, **bound.kwargs)

    return taking


def _taken(name: str, value: Any, annotation: Any) -> Any:
    """An argument as the annotation of its parameter asks for it."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if (value is None and NoneType in kinds) or (isinstance(value, str) and str in kinds):
        return value
    if Path in kinds:
        if not isinstance(value, (str, os.PathLike)):
            raise ConfigError(f"{name} is {value!r}; expected a path.")
        return Path(value)
    if any(get_origin(kind) in (Sequence, Iterable, Collection) for kind in kinds):
        if isinstance(value, (str, os.PathLike)):
            text = os.fspath(value)
            raise ConfigError(f"{name} is the text {text!r}; expected a list such as [{text!r}].")
        if any(Path in get_args(kind) for kind in kinds):
            return [Path(one) for one in value]
    return value


def open_own(path: Path, mode: Literal["a", "ab", "wb"]) -> IO[Any]:
    """Open a file of ours to write in place, where no other file may be written through a link.

    Args:
        path: the file.
        mode: as of ``open``; "a" changes nothing that is there.

    Raises:
        ArtifactError: a link, or something that is no file, stands at ``path``.
    """
    refuse_link(path)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)  # where a link has come in the meantime

    return open(path, mode, encoding=None if "b" in mode else "utf-8", opener=opener)


def refuse_link(path: Path) -> None:
    """Raise ArtifactError where a link, or something else that is no regular file, stands."""
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise ArtifactError(
            f"{path} is a link or no regular file; expected a file of synthmed or nothing. It was left as it is. "
            "Remove it, or give another place."
        )


def _is_below(name: str) -> bool:
    """Whether a name can only be that of a file below: not absolute, no way up, no name that none can have."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name and {"", ".", ".."}.isdisjoint(name.split("/"))


def _stays_inside(path: str, name: str) -> bool:
    """Whether no link on the way from a directory to a file below it leads out of the directory."""
    step = path
    for part in name.split("/"):
        step = f"{step}/{part}"
        if os.path.islink(step):
            return Path(os.path.realpath(f"{path}/{name}")).is_relative_to(os.path.realpath(path))
    return True

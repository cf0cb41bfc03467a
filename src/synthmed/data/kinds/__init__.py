"""The kinds of data sets: one kind, one file; a file is found by its name."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any, cast

from synthmed.config import did_you_mean
from synthmed.data.kinds._contract import Found, Kind, Map
from synthmed.errors import ConfigError


def kind_names() -> list[str]:
    """Names of all kinds: the files of this folder that do not begin with an underscore."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def find_kind(name: str) -> Kind:
    """The kind of that name.

    Raises:
        ConfigError: there is no such file; lists the known names.

    Example:
        >>> find_kind("retina").DEFAULT_SIZE
        (256, 256)
    """
    if name not in kind_names():
        raise ConfigError(
            f"The kind {name!r} is unknown{did_you_mean(name, kind_names())}; expected one of "
            f"{', '.join(kind_names())}."
        )
    return cast(Kind, import_module(f"{__name__}.{name}"))


def measured(kind: Kind, found: Found, settings: Any, run: Map) -> Found:
    """What was found, with what only the pixels of the whole set can say, where the kind asks for that."""
    measure = getattr(kind, "measure", None)
    return found if measure is None else cast(Found, measure(found, settings, run))

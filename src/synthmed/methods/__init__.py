"""The published methods: one paper, one file; a file is found by its name."""

from importlib import import_module
from pkgutil import iter_modules

from synthmed.errors import ConfigError
from synthmed.methods._contract import Method


def method_names() -> list[str]:
    """Names of all methods: the files of this folder that do not begin with an underscore."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def find_method(name: str) -> type[Method]:
    """The class of the method of that name.

    Raises:
        ConfigError: there is no such file; lists the known names.
    """
    if name not in method_names():
        raise ConfigError(f"There is no method {name!r}; the known ones are {', '.join(method_names())}.")
    found = import_module(f"{__name__}.{name}").METHOD
    assert issubclass(found, Method), f"{name}.METHOD must be a Method"
    return found

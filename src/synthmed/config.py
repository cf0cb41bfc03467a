"""TOML and frozen settings: unknown means error, and the error names the nearest known key.

A recipe is a TOML file with ``method``, ``description``, a table ``[config]`` for the method and a table
``[training]`` for the loop. Those that ship with the package are found by name in ``synthmed/recipes``.
"""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from synthmed.errors import ConfigError


class Settings(BaseModel):
    """Base of every configuration: frozen, unknown keys are errors, a sentence under every field.

    Types are those of TOML: ``true`` is no number, ``"3"`` neither, and what is not finite is refused everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


SettingsType = TypeVar("SettingsType", bound=Settings)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A recipe as read: the tables are checked by those they belong to.

    Args:
        name: file name without ending.
        method: name of a method.
        description: one sentence.
        config: the method's settings.
        training: the loop's settings.
    """

    name: str
    method: str
    description: str
    config: dict[str, Any]
    training: dict[str, Any]


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    folder = resources.files("synthmed.recipes")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def read_recipe(name: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by its shipped name or by a path that ends in .toml, and apply ``key=value`` overrides.

    Keys are dotted from the root of the recipe (``config.mask.images=500``), values are TOML.

    Raises:
        ConfigError: no such recipe, not TOML, an unknown table, an override that is not key=value.
    """
    if name.endswith(".toml"):
        file = Path(name)
        if not file.is_file():
            raise ConfigError(f"{file} is not a file; expected a recipe in TOML. Check the path.")
        text = file.read_text(encoding="utf-8", errors="replace")
    elif name in recipe_names():
        text = resources.files("synthmed.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise ConfigError(
            f"There is no recipe {name!r}{did_you_mean(name, recipe_names())}; the shipped ones are "
            f"{', '.join(recipe_names())}. Your own is given by a path that ends in .toml."
        )
    try:
        table = read_toml(text)
    except ValueError as error:
        raise ConfigError(f"Recipe {name} is not valid TOML: {error}. Mend that line.") from error
    for override in overrides:
        _apply(table, override)
    known = ("method", "description", "config", "training")
    for key in table:
        if key not in known:
            raise ConfigError(
                f"Recipe {name} has the unknown key {key!r}{did_you_mean(key, known)}; known are {', '.join(known)}."
            )
    if not isinstance(table.get("method"), str):
        raise ConfigError(f'Recipe {name} names no method; expected a line like method = "dual_gan".')
    if not isinstance(table.get("description", ""), str):
        raise ConfigError(f"Recipe {name} has the description {table['description']!r}; expected a sentence in quotes.")
    return Recipe(
        name=Path(name).stem,
        method=table["method"],
        description=table.get("description", ""),
        config=table.get("config", {}),
        training=table.get("training", {}),
    )


def read_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """A table from ``key=value`` words alone; values are TOML, a bare word is a string.

    Raises:
        ConfigError: a word that is not key=value.

    Example:
        >>> read_overrides(["low=-1000", "name=lung"])
        {'low': -1000, 'name': 'lung'}
    """
    table: dict[str, Any] = {}
    for override in overrides:
        _apply(table, override)
    return table


def parse(kind: type[SettingsType], table: dict[str, Any], where: str) -> SettingsType:
    """Check a table against its settings.

    Args:
        kind: the settings' class.
        table: keys and values as read.
        where: how to name the table in a message, such as "config".

    Raises:
        ConfigError: an unknown key (with the nearest known), or a value of another type or out of range.
    """
    try:
        # By way of JSON, whose lists may become tuples even where types are strict.
        return kind.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([where, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            known = _known_keys(kind, [str(part) for part in first["loc"][:-1]])
            key = str(first["loc"][-1])
            message = f"Unknown setting {place}{did_you_mean(key, known)}; known there are {', '.join(known)}."
        elif first["type"] == "value_error":  # settings that do not fit together
            message = f"{first['ctx']['error']}. The settings of {place} do not fit together; change one of them."
        else:
            message = f"Setting {place} is {first['input']!r}: {first['msg']}. Change it in the recipe or by --set."
        raise ConfigError(message) from error


def read_toml(text: str) -> dict[str, Any]:
    """The table of a TOML text.

    Raises:
        ValueError: it is not TOML, or nested beyond reading.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def to_toml(table: dict[str, Any]) -> str:
    """A table of settings as TOML text."""
    return tomli_w.dumps(table)


def _known_keys(kind: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        annotation = kind.model_fields[part].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        kind = annotation
    return sorted(kind.model_fields)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'gamma'?)`` with the known word that is nearest, or "" where none is near."""
    close = get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _apply(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set got {override!r}; expected KEY=VALUE such as training.seed=1.")
    *path, last = key.strip().split(".")
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set got {override!r}, but {part!r} is a value, not a table. Shorten the key.")
    try:
        table[last] = read_toml(f"value = {text}")["value"]
    except ValueError:
        table[last] = text.strip()  # a bare word is a string: --set config.mask.loss=logistic

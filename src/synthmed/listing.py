"""What a user may ask for by name: kinds of data, phantoms, recipes, metrics, extractors, weights."""

import importlib
from collections.abc import Callable

from synthmed.config import did_you_mean, read_recipe, recipe_names
from synthmed.errors import ConfigError


def names(what: str = "") -> dict[str, dict[str, str]]:
    """Names, each with a sentence.

    Args:
        what: "kinds", "phantoms", "recipes", "metrics", "extractors" or "weights"; "" = all of them.

    Returns:
        What they are names of -> name -> a sentence.

    Raises:
        ConfigError: ``what`` is none of these.

    Example:
        >>> sorted(names("phantoms")["phantoms"])
        ['breast_mr', 'cells', 'mammogram', 'retina', 'thorax']
    """
    if what and what not in _LISTS:
        raise ConfigError(f"There are no names of {what!r}{did_you_mean(what, _LISTS)}; there are {', '.join(_LISTS)}.")
    return {one: find() for one, find in _LISTS.items() if what in ("", one)}


def _kinds() -> dict[str, str]:
    from synthmed.data.kinds import find_kind, kind_names

    return {name: _first_sentence(find_kind(name).__doc__) for name in kind_names()}


def _phantoms() -> dict[str, str]:
    from synthmed.phantoms import kinds

    return {name: _first_sentence(importlib.import_module(f"synthmed.phantoms.{name}").__doc__) for name in kinds()}


def _recipes() -> dict[str, str]:
    return {name: read_recipe(name).description for name in recipe_names()}


def _metrics() -> dict[str, str]:
    from synthmed.evaluation._contract import find_metric, known_metrics

    return {name: _first_sentence(find_metric(name).__doc__) for name in known_metrics()}


def _extractors() -> dict[str, str]:
    from synthmed.evaluation.features.extractor import about_extractors

    return about_extractors()


def _weights() -> dict[str, str]:
    from synthmed.pretrained.catalogue import CATALOGUE

    return {name: f"{one.about} ({one.licence})" for name, one in CATALOGUE.items()}


_LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "kinds": _kinds,
    "phantoms": _phantoms,
    "recipes": _recipes,
    "metrics": _metrics,
    "extractors": _extractors,
    "weights": _weights,
}


def _first_sentence(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().partition("\n")[0].rstrip(":")

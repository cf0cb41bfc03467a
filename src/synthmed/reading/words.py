"""The words of the page, in every language that has a file in ``languages``.

A language is one TOML file: tables of words for the page, and ``trials.NAME`` with those of the types of trials. What a
language lacks is said in English.
"""

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from synthmed.reading.protocol import StudySettings


@cache
def languages() -> dict[str, str]:
    """Code -> name of the language in itself, English first."""
    folder = resources.files("synthmed.reading").joinpath("languages")
    codes = sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    return {code: str(_file(code)["name"]) for code in sorted(codes, key=lambda code: (code != "en", code))}


def words(language: str, settings: StudySettings) -> dict[str, str]:
    """Every word of the page and of the study's type of trial.

    Args:
        language: a code of ``languages``.
        settings: of the study; its own question and consent replace those of the language.
    """
    own, english = _file(language), _file("en")
    found = {**english["page"], **own["page"], **settings.trial.words,
             **own.get("trials", {}).get(settings.paradigm, {})}  # fmt: skip
    if settings.question:
        found["task"] = settings.question
    if settings.consent:
        found["consent.text"] = settings.consent
    return found


@cache
def _file(code: str) -> dict[str, Any]:
    file = resources.files("synthmed.reading").joinpath("languages", f"{code}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))

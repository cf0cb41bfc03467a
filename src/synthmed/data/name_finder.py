"""Finds the names of files and folders in sentences of ours, and leaves the sentences' own words alone.

A file may be called ``cut.nii.gz`` or lie in a folder ``May``: what was put into a sentence is a name, what the code
wrote is not. Where a name could be words of ours, it is looked up whether the code wrote just this.
"""

import ast
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

import synthmed
from synthmed.harmless import printable
from synthmed.sources.contrasts import is_contrast
from synthmed.sources.metadata import METADATA
from synthmed.sources.words import place_of, stem

_WORD = re.compile(r"[^\W\d_]+")
_HOLE = re.compile(r"\{[^{}]*\}")
_INSIDE = re.compile(r"\w\w")
_SHORT = 4
"""Numbers of so few digits stand in sentences anyway."""
_OF_NOBODY = frozenset(
    (METADATA, METADATA.partition(".")[0], "dicomdir", "readme", "readme.txt", "readme.md", "license")
)


class NameFinder:
    """Knows the names of a source's files: whole, their folders, and the last part of each with and without its ending.

    Args:
        names: of files, relative to the source.
    """

    def __init__(self, names: Iterable[str]) -> None:
        parts = {part for name in names for part in _parts(name)}
        self.known = {form for part in parts for form in _forms(part)} - {""}
        self._longest = max(map(len, self.known), default=0)
        self._beginnings = {name[:2] for name in self.known}

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Where names stand in a text, from left to right: the longest at each place, as a whole word or more."""
        free = 0
        bounds = [at for at in range(len(text) + 1) if not _INSIDE.match(text, at - 1) or at == 0]
        for number, begin in enumerate(bounds):
            if begin < free or text[begin : begin + 2] not in self._beginnings:
                continue
            for end in reversed([end for end in bounds[number + 1 :] if end - begin <= self._longest]):
                name = text[begin:end]
                if name in self.known and _may_name_someone(name) and not _is_ours(text, begin, end):
                    yield begin, end
                    free = end
                    break

    def replaced(self, text: str, stand_in: Callable[[str], str]) -> str:
        """The text with what stands for every name that is in it."""
        told, free = [], 0
        for begin, end in self.places(text):
            told += [text[free:begin], stand_in(text[begin:end])]
            free = end
        return "".join([*told, text[free:]])


def _parts(name: str) -> Iterator[str]:
    path = PurePosixPath(name)
    for one in (path, *path.parents):
        yield from (one.as_posix(), one.name, one.stem, stem(one.name), one.name.partition(".")[0])


@lru_cache(maxsize=65536)
def _may_name_someone(part: str) -> bool:
    if part.isdigit():
        return len(part) > _SHORT or (len(part) > 1 and part.startswith("0"))
    if len(part) < 2 or not any(letter.isalnum() for letter in part) or part.casefold() in _OF_NOBODY:
        return False
    own = stem(part)
    return bool(place_of(own).owners) and not all(map(is_contrast, re.split(r"[\W_]+", own)))


def _forms(name: str) -> set[str]:
    if name.isascii() and name.isprintable():
        return {name}
    return {name, unicodedata.normalize("NFC", name), printable(name)}


def _is_ours(text: str, begin: int, end: int) -> bool:
    """Whether the code wrote what stands there: all of it are words of ours, in a piece of a sentence of ours."""
    words = _WORD.findall(text[begin:end].lower())
    if not words or not our_words().issuperset(words):
        return False
    for piece in _pieces():
        at = text.find(piece, max(0, end - len(piece)))
        while 0 <= at <= begin:
            if at + len(piece) >= end:
                return True
            at = text.find(piece, at + 1)
    return False


@cache
def our_words() -> frozenset[str]:
    """The words of our own sentences, in small letters."""
    return frozenset(word.lower() for piece in _pieces() for word in _WORD.findall(piece))


@cache
def _pieces() -> tuple[str, ...]:
    """What stands between the holes of our sentences, from the code that speaks them."""
    pieces: set[str] = set()
    for package in ("sources", "data"):
        for path in sorted((Path(synthmed.__file__).parent / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                    pieces.update((node.value, *_HOLE.split(node.value)))
    return tuple(sorted(piece for piece in pieces if " " in piece and _WORD.search(piece)))

"""Reasons without the names of files: a file is often called like its patient."""

import ast
import re
import unicodedata
from functools import cache
from pathlib import Path, PurePosixPath

import synthmed
from synthmed.sources.folders import list_files, relative
from synthmed.sources.words import place_of, stem

_NOUN = re.compile(r"\b(images?|masks?|field of view|table|series|volume|file|slice|header|folder) $")
_PATIENT = re.compile(r"[Pp]atient .+? is in the splits")
_INSIDE = re.compile(r"\w\w")
_SHORT = 4
"""Numbers of so few digits stand in sentences anyway."""


class Anonymous:
    """Takes the names of a folder's files and folders out of sentences.

    Args:
        source: the folder, whose own name stays.
    """

    def __init__(self, source: Path) -> None:
        self._known: set[str] = set()
        self._source = str(source)
        files, left_out = list_files(source)
        for name in [*(relative(path, source) for path in files), *left_out]:
            for form in {name, unicodedata.normalize("NFC", name)}:
                self._add(form)

    def _add(self, name: str) -> None:
        place = PurePosixPath(name)
        ours = our_words()
        folders = [folder for folder in place.parts[:-1] if not place_of(folder).role]
        above = [str(folder) for folder in place.parents if str(folder) != "."]
        for word in (name, place.name, stem(place.name), place.stem, *above, *folders):
            if word.lower() not in ours and not (word.isdigit() and len(word) <= _SHORT):
                self._known.add(word)

    def reason(self, sentence: str, file: str = "") -> str:
        """The sentence without names: the file that it is about is "it", any other "a file"."""
        sentence = _PATIENT.sub("A patient is in the splits", sentence).replace(f"{self._source}/", "")
        place = PurePosixPath(file)
        own = {file, place.name, stem(place.name), place.stem} if file else set()
        told, at, bounds = "", 0, _bounds(sentence)
        starts = set(bounds)
        while at < len(sentence):
            name = self._name_at(sentence, at, bounds) if at in starts else ""
            at += max(1, len(name))
            if not name:
                told += sentence[at - 1]
            elif _NOUN.search(told):  # "its mask a.png lies on another grid": the noun is enough
                told = told.rstrip()
            else:
                told += "it" if name in own else "a file"
        return told[:1].upper() + told[1:] if told.startswith(("it ", "its ", "a file")) else told

    def _name_at(self, sentence: str, start: int, bounds: list[int]) -> str:
        """The longest name that stands at a place as a whole, or ""."""
        for end in reversed(bounds):
            if end <= start:
                break
            if sentence[start:end] in self._known:
                return sentence[start:end]
        return ""


def _bounds(sentence: str) -> list[int]:
    """Where a name can begin or end: not between two letters, digits or underscores."""
    inner = [at for at in range(1, len(sentence)) if not _INSIDE.match(sentence, at - 1)]
    return [0, *inner, len(sentence)]


@cache
def our_words() -> frozenset[str]:
    """The words of our own sentences, from the code that speaks them: a file that is called so gives nothing away."""
    words: set[str] = {"metadata", "metadata.csv"}
    for package in ("sources", "data"):
        for path in (Path(synthmed.__file__).parent / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                    words.update(word.lower() for word in re.findall(r"[A-Za-z]+", node.value) if " " in node.value)
    return frozenset(words)

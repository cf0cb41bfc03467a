"""Reasons without the names of files: a file is often called like its patient."""

import re
from pathlib import Path, PurePosixPath

from synthmed.data.name_finder import NameFinder
from synthmed.sources.folders import list_files, relative
from synthmed.sources.words import stem

_NOUN = re.compile(r"\b(images?|masks?|field of view|table|series|volume|file|slice|header|folder) $")
_PATIENT = re.compile(r"[Pp]atient .+? is in the splits")


class Anonymous:
    """Takes the names of a folder's files and folders out of sentences.

    Args:
        source: the folder, whose own name stays.
    """

    def __init__(self, source: Path) -> None:
        self._source = str(source)
        files, left_out = list_files(source)
        self._finder = NameFinder([*(relative(path, source) for path in files), *left_out])

    def reason(self, sentence: str, file: str = "") -> str:
        """The sentence without names: the file that it is about is "it", any other "a file"."""
        sentence = _PATIENT.sub("A patient is in the splits", sentence).replace(f"{self._source}/", "")
        place = PurePosixPath(file)
        own = {file, place.name, stem(place.name), place.stem} if file else set()
        told, at = "", 0
        for begin, end in self._finder.places(sentence):
            told += sentence[at:begin]
            at = end
            if _NOUN.search(told):  # "its mask a.png lies on another grid": the noun is enough
                told = told.rstrip()
            else:
                told += "it" if sentence[begin:end] in own else "a file"
        told += sentence[at:]
        return told[:1].upper() + told[1:] if told.startswith(("it ", "its ", "a file")) else told

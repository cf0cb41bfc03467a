"""Reasons without the names of files: a file is often called like its patient."""

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from synthmed.sources.folders import list_files, relative

_EDGES = ".,;:()[]'\""
_LAYOUT = {
    "data",
    "field",
    "fields",
    "image",
    "images",
    "label",
    "labels",
    "mask",
    "masks",
    "raw",
    "test",
    "train",
    "training",
}
"""Names of folders that say nothing of a patient, and words of our own sentences."""
_PATIENT = re.compile(r"Patient .+? is in the splits")


class Anonymous:
    """Takes the names of a folder's files and folders out of sentences.

    Args:
        source: the folder, whose own name stays.
    """

    def __init__(self, source: Path) -> None:
        self._known: dict[str, list[str]] = defaultdict(list)
        files, left_out = list_files(source)
        for name in [*(relative(path, source) for path in files), *left_out]:
            place = PurePosixPath(name)
            for word in {name, *place.parts, place.stem} - _LAYOUT:
                # Names with blanks are found by their last word.
                self._known[_last_word(word)].append(word)

    def reason(self, sentence: str, file: str = "") -> str:
        """The sentence with "the file" for each name; ``file`` is the one that it is about, which becomes "it"."""
        for name in sorted({file, PurePosixPath(file).name}, key=len, reverse=True) if file else ():
            sentence = sentence.replace(name, "it")
        for word in {word.strip(_EDGES) for word in re.split(r"[\s/]+", sentence)}:
            for name in sorted(set(self._known.get(word, ())), key=len, reverse=True):
                if len(name) > 2:
                    sentence = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", "a file", sentence)
        sentence = re.sub(r"(a file/)+a file", "a file", sentence)
        sentence = _PATIENT.sub("A patient is in the splits", sentence)
        return sentence[:1].upper() + sentence[1:]


def _last_word(name: str) -> str:
    words = [word.strip(_EDGES) for word in re.split(r"[\s/]+", name)]
    return next((word for word in reversed(words) if word), name)

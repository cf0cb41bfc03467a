"""Reasons without the names of files: a file is often called like its patient."""

import re
import unicodedata
from pathlib import Path, PurePosixPath

from synthmed.sources.folders import list_files, relative
from synthmed.sources.words import place_of, stem

_OURS = frozenset(
    """
    a an and are as at be been belong belongs below beside between bits body both breast but by can cannot case
    cases channel channels class classes colour colours column columns contrast contrasts copy correct ct data
    decoder dicom does each either else end ends enough every export exported file files first folder folders for
    format frame frames from give given grey has have header headers here hidden holds if image images in index
    inside is it its label labels larger last least lies line look lung many map mask masks may mean missing
    modality more most mr name named names nifti no none not nothing number numbers of on one only open or order
    other others out outside patient patients phase phases picture pictures pixel pixels place plane planes png
    prepare raw read row rows run same save say says scan segmentation series set sets share size slice slices
    smaller some source space split splits study such t1 t2 table test text than that the them then there they third
    this those tissue to train training twice two under unit unknown up use used value values view volume volumes
    way what where which white whole why with without wrong
    metadata.csv
    """.split()  # noqa: SIM905 - a list of strings would take four pages
)
"""Words of our own sentences: a file or folder that is called so gives nothing away."""
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
        folders = [folder for folder in place.parts[:-1] if not place_of(folder).role]
        above = [str(folder) for folder in place.parents if str(folder) != "."]
        for word in (name, place.name, stem(place.name), place.stem, *above, *folders):
            if word.lower() not in _OURS and not (word.isdigit() and len(word) <= _SHORT):
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

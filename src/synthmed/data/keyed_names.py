"""Names of files and folders, kept out of a prepared set: a file is often called like its patient.

In the set and in messages stands what only the holder of the key can make of a name, "F" and 12 hexadecimal digits.
A list beside the key, which only its owner may read, says which file that is, with the reasons in full.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath

from synthmed.data.kinds._contract import Item
from synthmed.data.pseudonyms import keyed_file, write_private
from synthmed.errors import ConfigError, DataError, SourceError
from synthmed.files.tables import as_csv
from synthmed.harmless import printable
from synthmed.sources.folders import list_files, relative

_WORDS = """
a an and annotation annotations as at be by code csv ct data dataset dcm dicom dicomdir field fields file files fill
folder folders frame frames from ground gt has header holdout holds image images in index is it its label labels
labelsts labelstr left license lung make manual map mask masks metadata mr name nii no of on once one or pages
patient patients picture pictures png preview raw readme right row rows sample samples scan seg segmentation
segmentations series set slice slices split splits study table tables test than that the their them there they
this tif tiff to train training truth txt two val valid validation values vessels volume with
"""
_ORDINARY = frozenset(_WORDS.split())
"""Names of files and folders that say nothing of a person, and words of our own sentences."""
_NUMBER = re.compile("\u27e6([0-9]+)\u27e7")
_BEGINS, _ENDS = re.compile(r"(?<![^\s()\[\]'\"/])"), re.compile(r"(?![^\s()\[\]'\",;:./])")


class Names:
    """Finds names in sentences.

    Args:
        names: of files; their folders, last parts and stems are known as well.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.known = {form for name in names for part in _parts(name) for form in _forms(part)}
        self._longest = max(map(len, self.known), default=0)

    def replaced(self, text: str, stand_in: Callable[[str], str]) -> str:
        """The text with what stands for every name that is in it, the longest first."""
        told, place = [], 0
        for begin in (match.start() for match in _BEGINS.finditer(text)):
            if begin < place:
                continue
            ends = [match.start() for match in _ENDS.finditer(text, begin + 1, begin + self._longest + 1)]
            end = next((end for end in reversed([*ends, len(text)]) if text[begin:end] in self.known), 0)
            if end:
                told += [text[place:begin], stand_in(text[begin:end])]
                place = end
        return "".join([*told, text[place:]])


class OwnNames:
    """The names of one item in the reason why it was left out: by their numbers while a preparation is at work.

    Nothing is needed to lead them back but the item itself.
    """

    def __init__(self, item: Item) -> None:
        self._names = Names([item.name, *(path.as_posix() for path in (*item.files, *item.partners))])
        self._numbered = sorted(self._names.known)

    def hidden(self, text: str) -> str:
        """The text with numbers for names."""
        return self._names.replaced(text, lambda name: f"\u27e6{self._numbered.index(name)}\u27e7")

    def shown(self, text: str) -> str:
        """The text that was hidden."""
        return _NUMBER.sub(lambda match: self._numbered[int(match[1])], text)


class KeyedNames:
    """Replaces the names of a source in sentences, and remembers which were met.

    Args:
        key: of the pseudonyms.
        names: of files relative to the source.
    """

    def __init__(self, key: bytes, names: Iterable[str]) -> None:
        self._key = key
        self._names = Names(names)
        self.met: dict[str, str] = {}

    def of(self, name: str) -> str:
        """What stands for a name."""
        keyed = keyed_file(unicodedata.normalize("NFC", name), self._key)
        self.met[keyed] = name
        return keyed

    def sentence(self, text: str) -> str:
        """The text with what stands for every name of the source that is in it."""
        return self._names.replaced(text, self.of)


def list_file(key_file: Path, out: Path) -> Path:
    """Where the list of a set stands: in a folder beside the key, by the name and place of the set."""
    key_file, out = (Path(os.path.abspath(path)) for path in (key_file, out))
    place = sha256(str(out).encode(errors="surrogateescape")).hexdigest()[:8]
    return key_file.with_name(f"{key_file.name}.files") / f"{out.name}-{place}.csv"


def keep_names(
    rejected: Iterable[tuple[str, str]], names: Iterable[str], key: bytes, listed: Path
) -> list[tuple[str, str]]:
    """Files and reasons without names; the list that leads them back is written to ``listed``.

    Args:
        rejected: file and reason.
        names: every other file that a reason could name, relative to the source; not asked for where nothing is
            rejected.
        key: of the pseudonyms.
        listed: see ``list_file``.

    Raises:
        StorageError: the list cannot be written.
    """
    pairs = sorted(rejected)
    if not pairs:
        return []
    known = KeyedNames(key, [*(file for file, _ in pairs), *names])
    told = [(known.of(file), known.sentence(reason)) for file, reason in pairs]
    rows = [(keyed, file, reason) for (keyed, _), (file, reason) in zip(told, pairs, strict=True)]
    files = {keyed for keyed, _ in told}
    rows += [(keyed, name, "") for keyed, name in known.met.items() if keyed not in files]
    write_private(listed, _as_csv(rows))
    return told


@contextmanager
def without_names(key: bytes, source: Path, listed: Path) -> Iterator[None]:
    """Errors of the block name no file of the source; which file is meant is written to ``listed``."""
    try:
        yield
    except (SourceError, ConfigError, DataError) as error:
        files, left_out = list_files(source)
        names = KeyedNames(key, [*(relative(path, source) for path in files), *left_out])
        told = names.sentence(str(error))
        if not names.met:
            raise
        write_private(listed, _as_csv((keyed, name, "") for keyed, name in names.met.items()))
        raise type(error)(f"{told} What is called {next(iter(names.met))} here stands in {listed}.") from None


def _parts(name: str) -> Iterator[str]:
    """A relative name, its folders, and the last part of each with and without endings, where they may name someone."""
    path = PurePosixPath(name)
    for one in (path, *path.parents):
        stem = one.name.partition(".")[0] if one == path else one.name
        for part in (one.as_posix(), one.name, PurePosixPath(one.name).stem, stem):
            if len(part) > 1 and part.casefold() not in _ORDINARY and any(letter.isalpha() for letter in part):
                yield part


def _forms(name: str) -> set[str]:
    return {name, unicodedata.normalize("NFC", name), printable(name)}


def _as_csv(rows: Iterable[tuple[str, str, str]]) -> str:
    return as_csv(("name", "file", "reason"), rows)

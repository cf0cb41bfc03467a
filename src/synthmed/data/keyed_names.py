"""Names of files and folders, kept out of a prepared set: a file is often called like its patient.

In the set and in messages stands what only the holder of the key can make of a name, "F" and 12 hexadecimal digits.
A list beside the key, which only its owner may read, says which file that is, with the reasons in full.
"""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from synthmed.data.kinds._contract import Item
from synthmed.data.name_finder import NameFinder
from synthmed.data.pseudonyms import keyed_file, write_private
from synthmed.errors import ConfigError, DataError, SourceError
from synthmed.files.tables import as_csv
from synthmed.sources.folders import list_files, relative

_NUMBER = re.compile("\u27e6([0-9]+)\u27e7")


class OwnNames:
    """The names of one item in the reason why it was left out: by their numbers while a preparation is at work.

    Nothing is needed to lead them back but the item itself.
    """

    def __init__(self, item: Item) -> None:
        self._finder = NameFinder([item.name, *(path.as_posix() for path in (*item.files, *item.partners))])
        self._numbered = sorted(self._finder.known)

    def hidden(self, text: str) -> str:
        """The text with numbers for names."""
        return self._finder.replaced(text, lambda name: f"\u27e6{self._numbered.index(name)}\u27e7")

    def shown(self, text: str) -> str:
        """The text that was hidden."""
        return _NUMBER.sub(lambda match: self._numbered[int(match[1])], text)


class KeyedNames:
    """Replaces the names of a source in sentences, and remembers which were met.

    Args:
        key: of the pseudonyms.
        names: of files relative to the source; their folders, last parts and stems are known as well.
    """

    def __init__(self, key: bytes, names: Iterable[str]) -> None:
        self._key = key
        self._finder = NameFinder(names)
        self.met: dict[str, str] = {}

    def of(self, name: str) -> str:
        """What stands for a name."""
        keyed = keyed_file(unicodedata.normalize("NFC", name), self._key)
        self.met[keyed] = name
        return keyed

    def sentence(self, text: str) -> str:
        """The text with what stands for every name of the source that is in it."""
        return self._finder.replaced(text, self.of)


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


def _as_csv(rows: Iterable[tuple[str, str, str]]) -> str:
    return as_csv(("name", "file", "reason"), rows)

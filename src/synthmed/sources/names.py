"""Names from outside, brought to one form before they are compared: of persons, and of files in tables.

The same name comes composed from one system and decomposed from another, with blanks that somebody typed, in capitals,
or decoded with the wrong character set. Two forms of one name would make two persons of one, and they could stand on
two sides of a split. To take two persons for one costs little: they stay together. So in doubt names are the same.
"""

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=1 << 14)
def person(name: str) -> str:
    """A person's name or number as we keep it; names that differ in form alone become equal.

    Unicode's compatibility composition (NFKC), UTF-8 that was read as Latin-1 read again, no characters without a
    shape, single blanks, and of a DICOM person name (``Family^Given^^``) the words of its first writing.

    Example:
        >>> person(" Mu\u0308ller^Ada^^ "), person("MÃ¼ller  Ada")
        ('Müller Ada', 'Müller Ada')
    """
    while (form := _form(name)) != name:  # what one rule leaves can be a case for another
        name = form
    return name


def _form(name: str) -> str:
    if not name.isascii():
        name = unicodedata.normalize("NFKC", _as_meant(name))
    if "^" in name:
        name = next((group for group in name.split("=") if group.strip("^ ")), "").replace("^", " ")
    if not name.isprintable():
        name = "".join(
            letter for letter in name if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf")
        )
    return " ".join(name.split())


@lru_cache(maxsize=1 << 14)
def identity(name: str) -> str:
    """What is equal for one person: ``person`` without regard to capitals.

    Example:
        >>> identity("Straße 7") == identity("STRASSE 7")
        True
    """
    return person(person(name).casefold())


def file_key(name: str) -> str:
    r"""The name of a file as it is looked up: composed (NFC), / between folders, no ./ before it.

    Example:
        >>> file_key(".\\images\\Müller.png ")
        'images/Müller.png'
    """
    return unicodedata.normalize("NFC", name.strip()).replace("\\", "/").removeprefix("./")


def _as_meant(name: str) -> str:
    """Undo UTF-8 that was decoded as Latin-1 or as Windows' 1252; no language has words that pass for it."""
    for wrong in ("latin-1", "cp1252"):
        try:
            return name.encode(wrong).decode("utf-8")
        except UnicodeError:
            continue
    return name

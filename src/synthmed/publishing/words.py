"""Words that go out with a release: checked before they do, so that no person, path or machine is named in them."""

import getpass
import re
import socket
from collections.abc import Iterable
from pathlib import Path

from synthmed.errors import ConfigError, GateError
from synthmed.harmless import printable
from synthmed.zoo.index import NAME

MOST_LETTERS = 500
_PERSON = re.compile(r"\w\^\w")
"""A person's name as DICOM writes it: Family^Given."""
_PATH = re.compile(r"(?:^|[\s\"'(=])(?:/(?:home|Users|mnt|media|data|srv|tmp|root|work|var)/|~/|[A-Za-z]:\\|\\\\)")
_MAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_LICENCE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+-]{1,63}$")
_NOBODY = {"root", "user", "admin", "localhost", "ubuntu", "debian", "home"}
"""Accounts and machines of these names name nobody."""


def check_name(name: str, flag: str = "--name") -> str:
    """The name of a release or model, which becomes part of addresses and of file names.

    Raises:
        ConfigError: it holds a path, or more than lower-case letters, digits, dots, dashes and underscores.
    """
    if not re.match(NAME, name) or ".." in name:
        raise ConfigError(
            f"{flag} is {name!r}; expected a name of lower-case letters, digits, dots, dashes and underscores, at most "
            "64 and no path, such as phantom-retina. Give another."
        )
    return name


def check_licence(licence: str) -> str:
    """A licence: its SPDX identifier, or the address of its text.

    Raises:
        ConfigError: none, or neither of both.
    """
    if not (_LICENCE.match(licence) or licence.startswith("https://")):
        raise ConfigError(
            f"--licence is {licence!r}; expected an SPDX identifier such as CC-BY-4.0, or the https address of its "
            "text. Nothing is published without one."
        )
    return one_line(licence, "--licence")


def check_contact(contact: str) -> str:
    """Where somebody who finds a patient in a release turns to.

    Raises:
        ConfigError: neither an e-mail address nor an https address.
    """
    if not (_MAIL.match(contact) or contact.startswith("https://")):
        raise ConfigError(
            f"--contact is {contact!r}; expected an e-mail or https address where a retraction can be asked for. "
            "Nothing is published without one."
        )
    return one_line(contact, "--contact")


def check_version(version: str) -> str:
    """The version of a release.

    Raises:
        ConfigError: not of the form 1.0 or 1.0.0.
    """
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6}){1,2}", version):
        raise ConfigError(f"--release is {version!r}; expected a version such as 1.0 or 1.0.2.")
    return version


def one_line(text: str, what: str) -> str:
    """Text of a person, on one line and not too long.

    Raises:
        ConfigError: empty, too long, or with characters that have no shape.
    """
    text = " ".join(text.split())
    if not text or len(text) > MOST_LETTERS or printable(text) != text:
        raise ConfigError(f"{what} is {text[:60]!r}; expected a line of at most {MOST_LETTERS} printable characters.")
    return text


def refuse_private(texts: Iterable[str], allowed: Iterable[str] = ()) -> None:
    """The gate that no person, path or machine is named.

    It knows names as DICOM writes them, paths of this and other machines, and the names of this account and this
    machine. A name in plain letters it cannot know.

    Args:
        texts: everything that goes out in words.
        allowed: words that were given to be published, such as the contact; an account may be named in these.

    Raises:
        GateError: says what was found, and where.
    """
    given = set(allowed)
    own = {word.lower() for word in (_account(), socket.gethostname().split(".")[0], Path.home().name)}
    words = [word for word in own - _NOBODY if len(word) >= 3]
    for text in texts:
        found = _PERSON.search(text) or _PATH.search(text)
        what = "a person's name or a path"
        if found is None and text not in given:
            what = "the name of this account or machine"
            found = next(
                filter(None, (re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text, re.I) for one in words)), None
            )
        if found is not None:
            raise GateError(
                f"Not published: {text[max(0, found.start() - 20) : found.end() + 20]!r} holds {what}; a release names "
                "nobody. Rename it where the data are prepared, or say it otherwise."
            )


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""

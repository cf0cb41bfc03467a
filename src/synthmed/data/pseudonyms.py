"""Names of patients that only the holder of a key can lead back: HMAC-SHA256 of the name, shortened.

The key stays with the user. A data set holds the pseudonyms and a fingerprint that tells one key from another; from
neither can the key or a name be found. The same key gives a patient the same pseudonym in every set.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthmed.artifacts import storage_errors
from synthmed.errors import ConfigError, StorageError
from synthmed.sources.names import identity

_DIGITS = 12
_FORMAT = "synthmed-key-1"
"""First word of a key file; then the key, and its fingerprint, by which a changed digit is noticed."""


def default_key_file() -> Path:
    """Where the key of this user stands: ``synthmed/pseudonym.key`` in the folder for settings."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "synthmed" / "pseudonym.key"


def read_key(path: Path) -> bytes:
    """The key of a file; a file that is not there is made, with a new key, readable by its owner alone.

    A file of before holds 64 hexadecimal digits and nothing else: it is read, and written anew with its fingerprint
    where that is possible.

    Raises:
        ConfigError: the file holds something else, or a key that was changed.
        StorageError: a new file may not be written there.
    """
    if not path.exists():
        _make_key(path)
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The key file {path} cannot be read ({type(error).__name__}). Check --key, or name a new file."
        ) from error
    if len(words) == 1 and re.fullmatch(r"[0-9a-f]{64}", words[0]):
        key = bytes.fromhex(words[0])
        with suppress(StorageError, OSError):
            write_private(path, _as_text(key))
        return key
    if len(words) != 3:
        raise ConfigError(
            f"{path} holds no key; expected {_FORMAT}, 64 hexadecimal digits and their fingerprint, as synthmed writes "
            "them. Check --key, or name a new file: it is made."
        )
    key = bytes.fromhex(words[1]) if re.fullmatch(r"[0-9a-f]{64}", words[1]) else b""
    if words[0] != _FORMAT or words[2] != fingerprint(key):
        raise ConfigError(
            f"The key in {path} is not as it was written, and every patient would get another pseudonym; expected "
            "a key with its own fingerprint. Restore the file from a copy; prepared sets tell by their fingerprints "
            "which key is theirs. Only if it is lost, name a new file: it is made."
        )
    return key


def _as_text(key: bytes) -> str:
    return f"{_FORMAT}\n{key.hex()}\n{fingerprint(key)}\n"


def _make_key(path: Path) -> None:
    """Write a new key; where another process makes one at the same moment, the first stands."""
    with _private(path, _as_text(secrets.token_bytes(32))) as temporary, suppress(FileExistsError):
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            os.rename(temporary, path)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all, over the one that stands there.

    Raises:
        StorageError: the disk is full or may not be written; what was there is intact.
    """
    with _private(path, text) as temporary:
        os.replace(temporary, path)


@contextmanager
def _private(path: Path, text: str) -> Iterator[Path]:
    """A file on the disk beside its place, to be moved there; gone when the block ends."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def pseudonyms(patients: Iterable[str], key: bytes) -> dict[str, str]:
    """Patient -> pseudonym, "P" and 12 hexadecimal digits, equal for all spellings of one name.

    Raises:
        ConfigError: two patients would get one pseudonym; the odds are one to a million for 20,000 patients.

    Example:
        >>> pseudonyms(["Ada"], bytes(32))
        {'Ada': 'P4df2cb0fba39'}
    """
    names = {patient: "P" + _keyed(f"patient {identity(patient)}", key)[:_DIGITS] for patient in patients}
    if len(set(names.values())) < len({identity(patient) for patient in names}):
        raise ConfigError("Two patients have the same pseudonym under this key. Name another key file by --key.")
    return names


def fingerprint(key: bytes) -> str:
    """What tells one key from another and gives nothing of it away."""
    return _keyed("fingerprint", key)[:16]


def keyed_file(name: str, key: bytes) -> str:
    """What stands for the name of a file or folder of the source: "F" and 12 hexadecimal digits."""
    return "F" + _keyed(f"file {name}", key)[:_DIGITS]


def _keyed(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

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
from synthmed.errors import ConfigError
from synthmed.sources.names import identity

_DIGITS = 12


def default_key_file() -> Path:
    """Where the key of this user stands: ``synthmed/pseudonym.key`` in the folder for settings."""
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "synthmed" / "pseudonym.key"


def read_key(path: Path) -> bytes:
    """The key of a file; a file that is not there is made, with a new key, readable by its owner alone.

    Raises:
        ConfigError: the file holds something else.
        StorageError: a new file may not be written there.
    """
    if not path.exists():
        _make_key(path)
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The key file {path} cannot be read ({type(error).__name__}). Check --key, or name a new file."
        ) from error
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ConfigError(
            f"{path} holds no key; expected 64 hexadecimal digits as synthmed writes them. Check --key, or name a "
            "new file: it is made."
        )
    return bytes.fromhex(text)


def _make_key(path: Path) -> None:
    """Write a new key; where another process makes one at the same moment, the first stands."""
    with _private(path, secrets.token_hex(32) + "\n") as temporary, suppress(FileExistsError):
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

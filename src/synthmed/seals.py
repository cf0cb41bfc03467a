"""Digests, and seals: what is read back carries the digest of what it says.

A seal finds damage - a flipped bit, a half-done edit, a table of another set. It is no signature: who means to forge
a table can seal it again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEAL = "seal"


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of JSON values with its seal: the digest of all that it says.

    Example:
        >>> unsealed(sealed({"images": 3}))
        {'images': 3}
    """
    # As it is read back: with lists for tuples and texts for keys.
    return {**table, SEAL: digest_of(json.loads(json.dumps(table)))}


def unsealed(table: Any) -> dict[str, Any]:
    """What a sealed table says, without its seal.

    Raises:
        ValueError: it is no table, has no seal, or says something else than when it was sealed.
    """
    if not isinstance(table, dict) or SEAL not in table:
        raise ValueError("it has no seal")
    said = {key: value for key, value in table.items() if key != SEAL}
    try:
        digest = digest_of(said)
    except (RecursionError, TypeError) as error:
        raise ValueError("it holds more than a JSON table of ours") from error
    if digest != table[SEAL]:
        raise ValueError("its seal is not the digest of what it says")
    return said


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        ValueError: it is not JSON, a table has a key twice, or it is nested beyond reading.
    """
    try:
        return json.loads(text, object_pairs_hook=_table)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a table has a key twice")
    return table

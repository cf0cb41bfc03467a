"""Features on the disk, named by a digest of images, extractor and settings: the second evaluation is quick.

A file holds one tensor and a header that says what it was made of, and the digest of the numbers. A file whose header
does not say the same as its name is refused, so features of another extractor never slip in; so is one whose numbers
are not those that were written.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from synthmed.artifacts import storage_errors, write_file
from synthmed.errors import ArtifactError, DataError
from synthmed.seals import digest_of, read_json

_KEY, _DIGEST = "synthmed-features", "sha256"
_WORDS = {"images": "set of images", "channels": "choice of channels"}


def stored(folder: Path, key: dict[str, Any], make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """The features of that key: read if they are there, else made and written.

    Args:
        folder: of feature files.
        key: all that decides the features, as JSON values: digest of the images, extractor, channels.
        make: gives the features [N D].

    Raises:
        ArtifactError: the file of that name is damaged or of another extractor.
        DataError: what is made is not finite.
        StorageError: the disk is full or may not be written.
    """
    path = folder / f"{digest_of(key)[:32]}.safetensors"
    if path.is_file():
        return read_features(path, key)
    features = np.ascontiguousarray(make(), np.float32)
    if not np.isfinite(features).all():
        raise DataError(
            f"The features by {key.get('extractor')} are not finite; expected numbers. Nothing was kept. Look at the "
            "images, or take another extractor."
        )
    header = {_KEY: json.dumps(key, sort_keys=True), _DIGEST: _digest(features)}
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    write_file(path, to_bytes({"features": features}, metadata=header))
    return features


def read_features(path: Path, key: dict[str, Any]) -> NDArray[np.float32]:
    """The features [N D] of a file, which must be those of the key.

    Raises:
        ArtifactError: no feature file, a damaged one, or one of other images or another extractor.
    """
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            found = read_json(header[_KEY])
            features = file.get_tensor("features")
        if _digest(features) != header[_DIGEST]:
            raise ValueError("its numbers are not those that were written")
        if not isinstance(found, dict):
            raise ValueError("its header is no table")
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ArtifactError(f"{path} is no whole feature file ({error}). Remove it; it is made anew.") from error
    if found != key:
        differs = next((name for name in key if found.get(name) != key[name]), "more than expected")
        raise ArtifactError(
            f"{path} holds features of another {_WORDS.get(differs, differs)} ({found.get(differs)!r}); expected "
            f"{key.get(differs)!r}. "
            "Features of different extractors are never compared. Remove the file; it is made anew."
        )
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ArtifactError(f"{path} holds no finite rows of features. Remove it; it is made anew.")
    return features


def _digest(features: NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{features.dtype} {features.shape} ".encode())
    digest.update(np.ascontiguousarray(features).data)
    return digest.hexdigest()

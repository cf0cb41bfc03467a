"""Features on the disk, named by a digest of images, extractor and settings: the second evaluation is quick.

A file holds one tensor and a header that says what it was made of. A file whose header does not say the same as its
name is refused, so features of another extractor never slip in.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from synthmed.artifacts import digest_of, storage_errors, write_file
from synthmed.errors import ArtifactError

_KEY = "synthmed-features"
_WORDS = {"images": "set of images", "channels": "choice of channels"}


def stored(folder: Path, key: dict[str, Any], make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """The features of that key: read if they are there, else made and written.

    Args:
        folder: of feature files.
        key: all that decides the features, as JSON values: digest of the images, extractor, channels.
        make: gives the features [N D].

    Raises:
        ArtifactError: the file of that name is damaged or of another extractor.
        StorageError: the disk is full or may not be written.
    """
    path = folder / f"{digest_of(key)[:32]}.safetensors"
    if path.is_file():
        return read_features(path, key)
    features = np.ascontiguousarray(make(), np.float32)
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    write_file(path, to_bytes({"features": features}, metadata={_KEY: json.dumps(key, sort_keys=True)}))
    return features


def read_features(path: Path, key: dict[str, Any]) -> NDArray[np.float32]:
    """The features [N D] of a file, which must be those of the key.

    Raises:
        ArtifactError: no feature file, a damaged one, or one of other images or another extractor.
    """
    try:
        with safe_open(path, framework="np") as file:
            found = json.loads((file.metadata() or {})[_KEY])
            features = file.get_tensor("features")
    except (SafetensorError, KeyError, ValueError) as error:
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

"""Which patient belongs to which split: whole patients, seeded, the same whatever the order of the files."""

import hashlib
import math
from collections.abc import Mapping

from synthmed.errors import ConfigError

SPLITS = ("train", "holdout", "test")


def split_patients(
    declared: Mapping[str, str], *, holdout: float = 0.1, test: float = 0.2, seed: int = 0
) -> dict[str, str]:
    """Give every patient a split.

    Patients with a declared split keep it. The others are put in the order of a hash of seed and patient, so
    that neither the order nor the number of files matters; the first of them become test, the next holdout,
    the rest train. At least one undeclared patient stays in train.

    Args:
        declared: patient -> "train", "holdout" or "test" where the source says so, else "".
        holdout: fraction of the undeclared patients, sealed until the end, 0 to 1.
        test: fraction of the undeclared patients, 0 to 1.
        seed: another seed, another split.

    Raises:
        ConfigError: fractions below 0 or together not below 1.

    Example:
        >>> split_patients({"a": "test", "b": ""})
        {'a': 'test', 'b': 'train'}
    """
    if not (holdout >= 0 and test >= 0 and holdout + test < 1):
        raise ConfigError(
            f"holdout {holdout} and test {test} were asked for; expected fractions of 0 or more, together below 1."
        )
    free = [patient for patient, split in declared.items() if not split]
    free.sort(key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).digest())
    num_test = min(_rounded(test * len(free)), max(0, len(free) - 1))
    num_holdout = min(_rounded(holdout * len(free)), max(0, len(free) - 1 - num_test))
    assigned = ["test"] * num_test + ["holdout"] * num_holdout
    assigned += ["train"] * (len(free) - len(assigned))
    return {**declared, **dict(zip(free, assigned, strict=True))}


def _rounded(number: float) -> int:
    # Halves go up: Python's round() takes 0.5 to 0, and five patients would have no holdout.
    return math.floor(number + 0.5)

"""Which patient belongs to which split: whole patients, seeded, the same whatever the order of the files."""

import hashlib
import math
from collections.abc import Collection, Mapping

from synthmed.errors import ConfigError

SPLITS = ("train", "holdout", "test")
AUDIT_NEEDS = {"train": 3, "holdout": 2}
"""Patients without whom an audit can tell nothing."""


def split_patients(
    declared: Mapping[str, str],
    *,
    holdout: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    from_train: Collection[str] = (),
) -> dict[str, str]:
    """Give every patient a split.

    Patients with a declared split keep it, but for those that ``from_train`` takes out of a declared train. The
    others are put in the order of a hash of seed and patient, so that neither the order nor the number of files
    matters; the first of them become test, the next holdout, the rest train. At least one undeclared patient stays in
    train.

    Args:
        declared: patient -> "train", "holdout" or "test" where the source says so, else "".
        holdout: fraction of the undeclared patients, sealed until the end, 0 to 1.
        test: fraction of the undeclared patients, 0 to 1.
        seed: another seed, another split.
        from_train: "test", "holdout" or both: that fraction of the patients declared as train is taken as well,
            where the source declares nobody for it. At least one stays.

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
    shares = {"test": test, "holdout": holdout}
    also = {name: share for name, share in shares.items() if name in from_train and name not in declared.values()}
    free = [patient for patient, split in declared.items() if not split]
    taught = [patient for patient, split in declared.items() if split == "train"] if also else []
    return {**declared, **_shared_out(free, shares, seed), **_shared_out(taught, also, seed)}


def _shared_out(patients: list[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Each split its share of the patients, in the order of their hashes; the rest is train."""
    ordered = sorted(patients, key=lambda patient: hashlib.sha256(f"{seed}:{patient}".encode()).digest())
    assigned: list[str] = []
    for name, share in shares.items():
        assigned += [name] * min(_rounded(share * len(ordered)), max(0, len(ordered) - 1 - len(assigned)))
    assigned += ["train"] * (len(ordered) - len(assigned))
    return dict(zip(ordered, assigned, strict=True))


def _rounded(number: float) -> int:
    # Halves go up: Python's round() takes 0.5 to 0, and five patients would have no holdout.
    return math.floor(number + 0.5)

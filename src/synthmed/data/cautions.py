"""What to know of a prepared set before going on: patients that may be fewer, and commands that will refuse it."""

import math
from collections.abc import Mapping
from typing import Any

from synthmed.data.split import AUDIT_NEEDS, SPLITS

_USUAL_SHARE = 0.2


def cautions(patients: Mapping[str, int], provenance: Mapping[str, Any], alike: int) -> list[str]:
    """All that is to be told of a set, as sentences.

    Args:
        patients: split -> patients in it.
        provenance: of ``dataset.json``.
        alike: pairs of images that look alike though they are of different patients.
    """
    told = shortcomings(patients)
    told += [
        f"Look at {count} images, see their notes in index.csv: {doubt}."
        for doubt, count in provenance.get("look_at", {}).items()
    ]
    if alike:
        told.insert(
            0,
            f"{alike} pairs of images look alike though they are of different patients: see duplicates.csv, and give "
            "one patient one name.",
        )
    if sum(patients.values()) == 1:
        told.insert(
            0,
            "All images are of one patient, as their files or folders say. If several people bear one name since they "
            "were made anonymous, say whose the images are by a patient_id in a table, or by the setting patient.",
        )
    if names := provenance.get("names_look_like"):
        told.insert(0, of_names(**names))
    return told


def of_names(*, images: int, counted: int, likely: int, pattern: str) -> str:
    """What to say of names that look like several of one patient; see ``siblings.Siblings``."""
    advice = f"--set 'patient={pattern}', or a" if pattern else "a"
    return (
        f"{images} images counted as {counted} patients; names look like those of {likely}: give {advice} patient_id "
        "in a table, or one patient may be trained on and tested on."
    )


def shortcomings(patients: Mapping[str, int]) -> list[str]:
    """What a set cannot be used for, and which commands will refuse it.

    Args:
        patients: split -> patients in it.

    Returns:
        Sentences; none where the set serves for everything.

    Example:
        >>> [told.partition(":")[0] for told in shortcomings({"train": 20, "holdout": 0, "test": 20})]
        ['It cannot be audited in full']
    """
    train, holdout, test = (patients.get(name, 0) for name in SPLITS)
    told = []
    if not train:
        told.append(
            "It cannot be trained on: it has no patient in train, and train refuses it. Declare fewer for test."
        )
    if not test:
        told.append(
            "It cannot be tested: it has no patient in test, so compare refuses it, and evaluate does unless you give "
            f"--metrics quick. {_advice('test', train, 1)}"
        )
    if holdout < AUDIT_NEEDS["holdout"]:
        found = f"{holdout} patient{'s' * (holdout != 1)}"
        told.append(
            f"It cannot be audited in full: it has {found} in holdout, and below {AUDIT_NEEDS['holdout']} audit looks "
            "for copies of single images alone. " + _advice("holdout", train + holdout, AUDIT_NEEDS["holdout"])
        )
    return told


def _advice(split: str, patients: int, needed: int) -> str:
    """The share that gives a split what it needs, where there are patients enough."""
    if patients < needed + AUDIT_NEEDS["train"]:
        return "There are too few patients for it: prepare more."
    return f"Prepare it anew with --{split} {max(_USUAL_SHARE, math.ceil(100 * needed / patients) / 100):g}."

"""Is it shown that no stage of the generator saw a test patient?

The usefulness of synthetic pairs means nothing if the generator learned from the patients it is tested on. A
sample set of ours records the digests of the splits its model was trained on; they are compared with the data
set of the evaluation, which is searched for patients and pictures that stand on both sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from synthmed.samples import OF_NOBODY, SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


@dataclass(frozen=True, kw_only=True)
class Check:
    """One step of the proof: what must hold, whether it does, and the evidence."""

    claim: str
    holds: bool
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Whether it is shown that no test patient was seen, and by which checks.

    Args:
        shown: all checks hold.
        sentence: the result in plain words, with the first reason where it is not shown.
        checks: in the order of the argument; it ends with the first that cannot be made.
    """

    shown: bool
    sentence: str
    checks: tuple[Check, ...]


def prove(synthetic: SampleSet, real: "PreparedDataset") -> Proof:
    """Check that the model behind a sample set cannot have seen the test patients of a data set.

    Args:
        synthetic: the samples; for a folder of another tool nothing can be shown.
        real: the data set of the evaluation.
    """
    splits = recorded_splits(synthetic.facts)
    checks = [
        Check(
            claim="The sample set records the data its model was trained on",
            holds=splits is not None,
            evidence=_origin(synthetic),
        )
    ]
    if splits is not None:
        checks += [_same_split(splits, real, name) for name in ("train", "test")]
        checks += [_masks_from_train(synthetic, real), *_disjoint(real)]
    failed = next((check for check in checks if not check.holds), None)
    if failed is None:
        sentence = "It is shown that no stage of the generator was trained on a test patient."
    else:
        sentence = (
            "It is not shown that the generator never saw a test patient. What fails: "
            f"{failed.claim[0].lower()}{failed.claim[1:]}. {failed.evidence}"
        )
    return Proof(shown=failed is None, sentence=sentence, checks=tuple(checks))


def recorded_splits(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The splits of the data that the model behind a sample set learned from; None where they are not recorded."""
    model = facts.get("model") or {}
    splits = (model.get("data") or {}).get("splits") or {}
    return splits if {"train", "test"} <= set(splits) else None


def _origin(synthetic: SampleSet) -> str:
    if not synthetic.is_ours:
        return "The folder was not written by synthmed and says nothing of its origin."
    model = synthetic.facts.get("model") or {}
    if not model:
        return "The sample set names no model."
    data = (model.get("data") or {}).get("digest", "unknown")
    return f"Method {model.get('method', 'unknown')}, recipe {model.get('recipe', 'unknown')}, data set {data}."


def _same_split(splits: Mapping[str, Any], real: "PreparedDataset", name: str) -> Check:
    recorded, found = splits[name].get("digest", "unknown"), real.info.splits[name].digest
    same = recorded == found
    return Check(
        claim=f"The split {name} of the model's data set is that of this evaluation",
        holds=same,
        evidence=f"Digest {found}, {real.info.splits[name].images} images."
        if same
        else f"The model's data set has digest {recorded}, this one {found}. Evaluate against the "
        "data set that the model was trained on.",
    )


def _masks_from_train(synthetic: SampleSet, real: "PreparedDataset") -> Check:
    """Images made under given masks carry these masks on: they must be those of the training split."""
    given = synthetic.inputs.get("masks")
    taken = sum(sample.lineage not in OF_NOBODY for sample in synthetic.samples)
    if given is None:
        evidence = f"The model made them all; {taken} images are of another lineage than sampled."
        return Check(claim="No mask was given to the model", holds=taken == 0, evidence=evidence)
    split = (synthetic.facts.get("masks") or {}).get("split", "train")
    same = given == real.digest and split == "train"
    return Check(
        claim="The masks given to the model are those of the training split",
        holds=same,
        evidence="They are of this data set, of which only the split train is used."
        if same
        else f"They are those of its split {split}."
        if given == real.digest
        else f"They come from a set with digest {given}, whose origin is not recorded here.",
    )


def _disjoint(real: "PreparedDataset") -> list[Check]:
    train = real.where(lambda row: row.split == "train")
    test = real.where(lambda row: row.split == "test")
    kinds = {
        "patient": ({row.patient_id for row in train.rows}, {row.patient_id for row in test.rows}),
        "source file": ({row.source_digest for row in train.rows}, {row.source_digest for row in test.rows}),
        "picture, pixel by pixel,": (_pictures(train), _pictures(test)),
    }
    checks = [
        Check(
            claim="There are test patients",
            holds=len(test.rows) > 0,
            evidence=f"{len({row.patient_id for row in test.rows})} patients, {len(test.rows)} images.",
        )
    ]
    for kind, (left, right) in kinds.items():
        both = sorted(left & right)
        evidence = f"{len(left)} in train, {len(right)} in test, {len(both)} in both."
        if both:
            evidence += f" The first is {both[0]}."
        checks.append(Check(claim=f"No {kind} stands in both train and test", holds=not both, evidence=evidence))
    return checks


def _pictures(rows: "PreparedDataset") -> set[str]:
    return {sha256(rows.images([index])[0].tobytes()).hexdigest() for index in range(len(rows.rows))}

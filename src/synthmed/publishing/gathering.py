"""From manifests and reports to the facts of a release, with no small number of patients in them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from synthmed.artifacts import Manifest, digest_of
from synthmed.data.split import SPLITS
from synthmed.errors import ArtifactError
from synthmed.formats.meaning import Meaning
from synthmed.pretrained.catalogue import CATALOGUE
from synthmed.publishing.facts import FEWEST, Audit, Images, Learned, Metric, Origin, Power, Processing, told
from synthmed.samples import SampleSet

SHOWS = {
    "retina": ("fundus photography", "eye"),
    "mammogram": ("mammography", "breast"),
    "ct": ("CT", "not stated"),
    "breast_mr": ("MR", "breast"),
    "cells": ("light microscopy", "cell"),
}
"""Kind of data set -> modality and organ, where the kind says so."""
_FEW_PATIENTS = 30
_COUNTS_REAL = ("nearest_mask", "nearest_real")
"""Metrics whose numbers are of single real images: they stay in the report."""


def today() -> str:
    """The date of today, UTC."""
    return datetime.now(UTC).date().isoformat()


def images_of(samples: SampleSet, meaning: Meaning, file_format: str) -> Images:
    """What the images are."""
    _, height, width = samples.shape
    classes = Counter(sample.label for sample in samples.samples if sample.label)
    return Images(
        num=len(samples), channels=meaning.channels, height=height, width=width, bits=_bits(meaning),
        spacing_mm=meaning.spacing_mm, file_format=file_format, masks=samples.has_masks,
        mask_labels=meaning.mask_labels if samples.has_masks else {}, classes=dict(sorted(classes.items())),
    )  # fmt: skip


def _bits(meaning: Meaning) -> Literal[8, 16]:
    return 8 if meaning.bits == 8 else 16


def origin_of(samples: SampleSet, meaning: Meaning) -> Origin:
    """The model behind the samples, and the data behind the model."""
    model = samples.facts.get("model") or {}
    data = model.get("data") or {}
    recorded = data.get("splits") or {}
    splits = {name: recorded[name] for name in SPLITS if name in recorded}
    return Origin(
        samples=samples.digest, model=str(model.get("digest", "")), method=str(model.get("method", "")),
        recipe=str(model.get("recipe", "")), settings=digest_of(model["config"]) if model.get("config") else "",
        synthmed=str(model.get("version", "")), run_seed=samples.facts.get("run_seed"),
        data=str(data.get("digest", "")), kind=meaning.kind if samples.is_ours else "",
        splits={name: {what: told(int(one[what])) for what in ("images", "patients")} for name, one in splits.items()},
        split_digests={name: str(one["digest"]) for name, one in splits.items()},
        classes={name: told(int(count)) for name, count in (model.get("classes") or {}).items()},
    )  # fmt: skip


def processing_of(samples: SampleSet, meaning: Meaning) -> Processing | None:
    """What stored numbers mean; None where it is not known."""
    return Processing(low=meaning.low, high=meaning.high, unit=meaning.unit) if samples.is_ours else None


def audit_of(manifest: Manifest, report: Mapping[str, Any]) -> Audit:
    """The audit, without what it knows of single patients.

    Raises:
        ArtifactError: the report is not as we write it.
    """
    try:
        patients = {name: int(count) for name, count in report["patients"].items()}
        power = tuple(
            Power(of=one["of"], kind=one["kind"], planted=one["planted"], found=one["found"], low=one["low"],
                  high=one["high"], most_copies=one["most_copies_if_none_is_flagged"])
            for one in report["power"]
        )  # fmt: skip
        whole = [one for one in power if one.kind == "all kinds"]
        return Audit(
            digest=manifest.digest, patients={name: told(count) for name, count in patients.items()},
            verdict=_verdict(int(report["num"]), patients, whole), unproven=str(report["unproven"]),
            power=(*whole, *sorted((one for one in power if one.kind != "all kinds"), key=_share)),
            warnings=tuple(_warnings(patients, whole, report["warnings"])),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"The report of the audit is not as we write it ({error}). Audit anew.") from error


def _verdict(num: int, patients: Mapping[str, int], whole: Iterable[Power]) -> str:
    against = f"{told(patients['train'])} training and {told(patients['holdout'])} holdout patients"
    parts = [f"No evidence of copying was found among {num} synthetic images, compared with {against}."]
    for one in whole:
        bound = (
            f"with 95 % confidence at most {max(1, int(1000 * one.most_copies + 0.999))} of 1,000 {one.of} are copies "
            "of these kinds"
            if one.most_copies < 1
            else f"so few {one.of} and this power set no bound to the share of copies"
        )
        parts.append(
            f"Power for {one.of}: of {one.planted} copies planted for the purpose {one.found} were found "
            f"({one.found / one.planted:.0%}, 95 % interval {one.low:.0%} to {one.high:.0%}); {bound}."
        )
    return " ".join([*parts, "This is no certificate: it says what was looked for and not found."])


def _warnings(patients: Mapping[str, int], whole: list[Power], warned: Iterable[str]) -> Iterable[str]:
    """What to know before trusting the audit, in words that name no patient and no small number."""
    few = [name for name, count in patients.items() if name in ("train", "holdout") and count < _FEW_PATIENTS]
    if few:
        yield f"Few patients in {' and '.join(few)}: thresholds are rough and the power is low."
    if not whole:
        yield "The power was not measured: no copies were planted."
    for one in warned:
        if one.startswith("The masks were not audited") or "carry a patient's shape on" in one:
            yield one
        if "are one person under two names" in one:
            yield "Some patients stood under two names; they were counted as one person."


def _share(one: Power) -> float:
    return one.found / max(1, one.planted)


def metrics_of(report: Mapping[str, Any] | None) -> tuple[Metric, ...]:
    """The numbers of an evaluation, without those of single real images.

    Raises:
        ArtifactError: the report is not as we write it.
    """
    if report is None:
        return ()
    try:
        return tuple(
            Metric(
                name=name, differs=one["differs_beyond_floor"],
                **{key: one[key] for key in Metric.model_fields if key not in ("name", "differs")},
            )
            for name, one in report["measurements"].items() if name not in _COUNTS_REAL
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"The report of the evaluation is not as we write it ({error}). Evaluate anew.") from error


def proof_of(report: Mapping[str, Any] | None) -> str:
    """Whether it is shown that the generator never saw a test patient, in one sentence."""
    if report is None:
        return "It was not measured whether the generator ever saw a test patient: no evaluation came with the release."
    return str((report.get("proof") or {}).get("sentence", "")).partition(" What fails")[0]


def learned_of(origin: Origin, metrics: Iterable[Metric], audit: Mapping[str, Any], licence: str) -> list[Learned]:
    """Every learned part: the generator, and what judged its images, each with origin and licence."""
    found = []
    if origin.model:
        cohort = f"trained on {origin.splits.get('train', {}).get('images', 'an unknown number of')} images"
        found.append(Learned(
            name=f"generator ({origin.method})", use="makes the images", licence=licence, sha256=origin.model,
            origin=f"{cohort} of the data set {origin.data[:12]}; no pretrained weights",
        ))  # fmt: skip
    else:
        found.append(Learned(name="generator", use="makes the images", licence="not stated", origin="another tool"))
    names = {one.extractor.split(",")[0].split(" ")[0] for one in metrics if one.extractor}
    uses = dict.fromkeys(sorted(names), "features of the evaluation")
    if features := str((audit.get("method") or {}).get("features", "")):
        uses[features] = f"{uses[features]} and of the audit" if features in uses else "features of the audit"
    found += [_extractor(name, use) for name, use in uses.items()]
    if any(one.name == "usefulness" for one in metrics):
        found.append(Learned(name="U-Net", use="judges how useful pairs are", licence="Apache-2.0",
                             origin="trained for the evaluation and not handed on"))  # fmt: skip
    return found


def _extractor(name: str, use: str) -> Learned:
    if known := CATALOGUE.get(name):
        return Learned(name=name, use=use, origin=known.about, licence=known.licence, sha256=known.sha256)
    return Learned(name=name, use=use, origin="fixed filters or random weights of synthmed, not learned",
                   licence="Apache-2.0")  # fmt: skip


def empty_masks(samples: SampleSet) -> int:
    """How many masks of a sample set hold nothing."""
    return sum(mask is not None and not mask.any() for _, _, mask in samples.drawn())


def artefacts_of(metrics: Iterable[Metric], report: Mapping[str, Any] | None, empty: int, num: int) -> list[str]:
    """What is known to be wrong with the images, from the evaluation.

    Args:
        metrics: numbers of the evaluation.
        report: its content; None where there was none.
        empty: masks that hold nothing.
        num: images.
    """
    found = [f"{empty} of {num} masks are empty."] if empty else []
    if report is None:
        return [*found, "Not measured: no evaluation came with the release. Look at the images before you use them."]
    listed = list(metrics)
    worse = [one.title for one in listed if one.differs]
    if worse:
        found.append(
            f"The images differ from real ones by more than two halves of the real patients do in: {', '.join(worse)}."
        )
    elif listed:
        found.append("No measure shows a difference beyond that of two halves of the real patients; none is shown to "
                     "be absent.")  # fmt: skip
    alarms = [name for name, one in report["measurements"].items() if one.get("alarm")]
    if alarms:
        found.append(f"The evaluation raised an alarm in: {', '.join(sorted(alarms))}.")
    return found


def biases_of(origin: Origin, images: Images, organ: str) -> list[str]:
    """What the images can be biased by, as far as the manifests say."""
    train = origin.splits.get("train", {})
    found = []
    if train:
        found.append(
            f"The generator learned from {train['images']} images of {train['patients']} patients of one prepared set; "
            "what they lack - scanners, sites, ages, rare findings - the images lack too."
        )
    found.append(
        "Age, sex, ethnicity and site of the training patients are not recorded by the tool and not told here."
    )
    if origin.classes:
        listed = ", ".join(f"{name}: {count}" for name, count in origin.classes.items())
        found.append(f"Training images by class ({listed}); counts below {FEWEST} are not told.")
    if images.masks:
        found.append("Masks are drawn by the generator or belong to it: errors of the training masks are learned too.")
    if organ == "not stated":
        found.append("The organ is not recorded by the data set and was not stated by the publisher.")
    return found

"""The gates before a release: what must hold of samples, audit and words; what may be overruled, and with a reason.

A sealed holdout, an audit of exactly these samples that does not block, a licence, a contact and no private words can
never be overruled.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synthmed.artifacts import Manifest, verify
from synthmed.checkup.text import count_letters
from synthmed.config import did_you_mean
from synthmed.errors import ArtifactError, ConfigError, DataError, GateError
from synthmed.files.seals import read_json
from synthmed.publishing.words import one_line
from synthmed.running.progress import Progress
from synthmed.samples import Sample, SampleSet

GATES = {
    "lineage": "every image is sampled: mask and image come from noise",
    "origin": "it is shown what the generator learned from",
    "text": "nothing in an image looks like letters that were burned in",
}
"""Gates that can be overruled with a reason, which the card prints."""
_REPORT = "report.json"


def read_overruled(given: Iterable[str]) -> dict[str, str]:
    """Gate -> reason, of words ``GATE=REASON``.

    Raises:
        ConfigError: an unknown gate, or no reason.
    """
    found: dict[str, str] = {}
    for word in given:
        gate, _, reason = word.partition("=")
        gate = gate.strip()
        if gate not in GATES:
            raise ConfigError(
                f"--overrule names the gate {gate!r}{did_you_mean(gate, GATES)}; those that can be overruled are "
                f"{', '.join(GATES)}."
            )
        if len(reason.split()) < 2:
            raise ConfigError(
                f"--overrule {gate} gives the reason {reason.strip()!r}; expected {gate}=REASON in some words. The "
                "card prints it."
            )
        found[gate] = one_line(reason, f"The reason to overrule {gate}")
    return found


def read_audit(audit: Path, samples: SampleSet) -> tuple[Manifest, dict[str, Any]]:
    """The audit of exactly these samples, which did not block and had a sealed holdout.

    Raises:
        ArtifactError: it is no audit, or a damaged one.
        DataError: it is an audit of other samples.
        GateError: it blocks, or there was no holdout.
    """
    manifest = verify(audit, "audit", (_REPORT,))
    audited = manifest.inputs.get("synthetic", "")
    if audited != samples.digest:
        raise DataError(
            f"{audit} audited samples with the digest {audited[:12]}; {samples.path} has {samples.digest[:12]}. They "
            "are others, or were changed after the audit: audit exactly these samples."
        )
    report = _report(audit)
    if manifest.facts.get("blocked", True) or report.get("blocked", True):
        raise GateError(f"Not published: the audit {audit} blocks these samples. {report.get('verdict', '')}".strip())
    if not report.get("sealed"):
        raise GateError(
            f"Not published: {audit} had no sealed holdout, so it is less than an audit. Prepare the data with "
            "--holdout 0.2, train anew, generate and audit."
        )
    return manifest, report


def read_report(path: Path | None, kind: str, name: str, digest: str) -> tuple[str, dict[str, Any] | None]:
    """The digest and the content of another report about the same samples; "" and None where none is given.

    Args:
        path: the report's folder.
        kind: "report" or "study_report".
        name: how a message calls it.
        digest: of the samples.

    Raises:
        ArtifactError: it is no such report, or a damaged one.
        DataError: it is about other samples.
    """
    if path is None:
        return "", None
    manifest, report = verify(path, kind, (_REPORT,)), _report(path)
    if kind == "report":
        about = {manifest.inputs.get("synthetic", "")}
    else:
        about = {one["digest"] for one in (report.get("protocol") or {}).get("sources", [])}
    if digest not in about:
        raise DataError(
            f"The {name} {path} is about other samples than these ({digest[:12]}). Make it of exactly these samples, "
            "or publish without it."
        )
    return manifest.digest, report


def check_lineage(samples: Iterable[Sample], overruled: Mapping[str, str]) -> dict[str, int]:
    """How many images are of which lineage.

    Raises:
        GateError: some are not sampled, and no reason is given.
    """
    counts = Counter(str(sample.lineage) for sample in samples)
    others = {name: number for name, number in sorted(counts.items()) if name != "sampled"}
    if others and "lineage" not in overruled:
        listed = ", ".join(f"{number} {name}" for name, number in others.items())
        raise GateError(
            f"Not published: of {counts.total()} images {listed}; expected sampled alone, so that no image carries a "
            "patient's mask or texture on. Generate without --masks and --styles, or say why it may be: --overrule "
            "'lineage=REASON'."
        )
    return dict(sorted(counts.items()))


def check_origin(report: Mapping[str, Any], overruled: Mapping[str, str]) -> None:
    """Whether it is shown what the generator learned from.

    Raises:
        GateError: it is not, and no reason is given.
    """
    if report.get("unproven") and "origin" not in overruled:
        raise GateError(
            "Not published: the audit says that nothing shows what the generator learned from. Publish samples of a "
            "model of ours, or say why it is known: --overrule 'origin=REASON'."
        )


def check_text(samples: SampleSet, overruled: Mapping[str, str], progress: Progress) -> int:
    """How many images look as if letters were burned in.

    Raises:
        GateError: some do, and no reason is given.
    """
    if "text" in overruled:
        return 0
    flagged, total = [], len(samples)
    for place, sample in enumerate(samples.samples):
        progress(place, total, "looking for letters")
        image = samples.images([place])[0]
        # A photograph is looked at as a whole: what is burned in stands in all three of its colours.
        if any(count_letters(plane) for plane in ([image.mean(0)] if len(image) == 3 else image)):
            flagged.append(sample.file_name)
    if flagged:
        raise GateError(
            f"Not published: {len(flagged)} of {total} images look as if letters were burned in, the first is "
            f"{flagged[0]}. Look at them; leave them out, or say what it is: --overrule 'text=REASON'."
        )
    return len(flagged)


def _report(folder: Path) -> dict[str, Any]:
    try:
        said = read_json((folder / _REPORT).read_bytes())
    except ValueError as error:
        raise ArtifactError(f"{folder / _REPORT} is damaged ({error}). Make the report anew.") from error
    if not isinstance(said, dict):
        raise ArtifactError(f"{folder / _REPORT} is no report of ours. Make it anew.")
    return said

"""``publish``: gates first, then a folder that others can cite, load and trust.

A release is written under a hidden name beside its place and appears by one rename, so it is whole or not there.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthmed.artifacts import (
    file_digest,
    is_leftover,
    new_directory,
    read_manifest,
    refuse_existing,
    remove,
    storage_errors,
    write_file,
    write_json,
)
from synthmed.errors import ConfigError
from synthmed.files.paths import takes_paths
from synthmed.formats.meaning import Meaning
from synthmed.pictures import pairs_grid, save_png
from synthmed.publishing import gates, gathering, shards
from synthmed.publishing.card import OUT_OF_SCOPE, as_markdown, as_page, description
from synthmed.publishing.contents import contents, format_of
from synthmed.publishing.croissant import CROISSANT, croissant
from synthmed.publishing.facts import Facts, File, Study
from synthmed.publishing.further import FURTHER, check_formats, write_format
from synthmed.publishing.shards import SHARD_BYTES, ImageShards, Row, table_of
from synthmed.publishing.words import check_contact, check_licence, check_name, check_version, one_line, refuse_private
from synthmed.running.progress import Progress, silence
from synthmed.samples import SampleSet

KIND = "release"
FACTS: str = "release.json"
INDEX: str = "index.csv"
CARD: str = "README.md"
PAGE: str = "card.html"
SUMS: str = "SHA256SUMS"
PREVIEW: str = "preview.png"
_PREVIEWED = 8


@dataclass(frozen=True, kw_only=True)
class Published:
    """A release that was written: where it is, what it says of itself, and its digest."""

    path: Path
    facts: Facts
    digest: str


@takes_paths
def publish(
    samples: Path, out: Path, *, audit: Path, licence: str, contact: str, name: str = "", title: str = "",
    release: str = "1.0", date: str = "", modality: str = "", organ: str = "", report: Path | None = None,
    study: Path | None = None, overrule: Sequence[str] = (), formats: Sequence[str] = (),
    shard_bytes: int = SHARD_BYTES, progress: Progress | None = None,
) -> Published:  # fmt: skip
    """Write a release of synthetic images, if every gate lets it pass.

    Args:
        samples: a sample set, or any folder with ``images`` and perhaps ``masks``.
        out: a new folder.
        audit: the audit of exactly these samples, against a sealed holdout.
        licence: SPDX identifier, or https address of its text.
        contact: e-mail or https address where a retraction is asked for.
        name: of the release; "" = that of ``out``.
        title: for people; "" = from modality and organ.
        release: its version.
        date: YYYY-MM-DD; "" = today, UTC.
        modality: what kind of image; "" = as the data set's kind says.
        organ: what they show; "" = as the data set's kind says.
        report: the evaluation of these samples, or None.
        study: the report of a reader study of these samples, or None.
        overrule: ``GATE=REASON`` for gates that may be overruled (``gates.GATES``).
        formats: further ones in which the images are written besides: "tiff", "npy", "nifti", "dicom", "nnunet".
        shard_bytes: the most bytes of one archive.
        progress: hears how far it is.

    Raises:
        ConfigError: a licence, contact, name or version that is none, or an override without a reason.
        DataError: audit, report or study are of other samples.
        ArtifactError: an input is damaged or was changed, or something stands at ``out``.
        GateError: the audit blocks or had no holdout, images are of another lineage than sampled, their origin is not
            shown, something looks like burned-in letters, or a person or path is named.
        StorageError: the disk is full or may not be written; nothing of the release is left.
    """
    samples, out, tell = Path(samples), Path(out), progress or silence
    refuse_existing(out)
    name = check_name(name or out.name)
    licence, contact, version = check_licence(licence), check_contact(contact), check_version(release)
    overruled = gates.read_overruled(overrule)
    made = SampleSet.open(samples)
    manifest, audited = gates.read_audit(Path(audit), made)
    report_digest, measured = gates.read_report(report, "report", "evaluation", made.digest)
    study_digest, read = gates.read_report(study, "study_report", "reader study", made.digest)
    lineage = gates.check_lineage(made.samples, overruled)
    gates.check_origin(audited, overruled)
    gates.check_text(made, overruled, tell)

    meaning, file_format = Meaning.of_samples(made), format_of(made)
    origin = gathering.origin_of(made, meaning)
    usual = gathering.SHOWS.get(origin.kind, ("not stated", "not stated"))
    modality, organ = one_line(modality or usual[0], "--modality"), one_line(organ or usual[1], "--organ")
    images, metrics = gathering.images_of(made, meaning, file_format), gathering.metrics_of(measured)
    facts = Facts(
        name=name, title=one_line(title or _title(modality, organ), "--title"), date=_date(date), modality=modality,
        organ=organ, images=images, lineage=lineage, origin=origin, processing=gathering.processing_of(made, meaning),
        metrics=metrics, proof=gathering.proof_of(measured), privacy=str(audited.get("differential_privacy", "")),
        study=Study(digest=study_digest, sentences=tuple(read["verdict"])) if read else None,
        audit=gathering.audit_of(manifest, audited), overruled=overruled,
        learned=tuple(gathering.learned_of(origin, metrics, audited, licence)),
        artefacts=tuple(gathering.artefacts_of(metrics, measured, gathering.empty_masks(made), len(made))),
        biases=tuple(gathering.biases_of(origin, images, organ)), licence=licence,
        contact=contact, version=version,
    )  # fmt: skip
    inputs = {"samples": made.digest, "audit": manifest.digest, "model": origin.model, "report": report_digest,
              "study": study_digest}  # fmt: skip
    check_formats(formats, images)
    remove_unfinished(out)
    known: dict[str, dict[str, Any]] = {}
    given = {key: value for key, value in inputs.items() if value}
    with new_directory(out, KIND, inputs=given, facts={"name": name, "version": release}, known=known) as folder:
        written = _write_images(folder, made, meaning, facts, formats, shard_bytes, tell)
        facts = facts.model_copy(update={"files": tuple(written)})
        known |= {file.name: {"sha256": file.sha256, "bytes": file.bytes} for file in facts.files}
        write_words(folder, facts)
        assert len(list(folder.iterdir())) < shards.MOST_FILES - 1, "a record takes fewer than 100 files"
    return Published(path=out, facts=facts, digest=read_manifest(out, KIND).digest)


def write_words(folder: Path, facts: Facts) -> None:
    """Write everything of a release that is made of words, if nothing in it names a person or path."""
    refuse_private(texts_of(facts.model_dump(mode="json")), {facts.contact, facts.licence})
    about = description(facts)
    write_json(folder / FACTS, facts.model_dump(mode="json"))
    write_json(folder / CROISSANT, croissant(facts, about, OUT_OF_SCOPE))
    write_file(folder / CARD, as_markdown(facts))
    write_file(folder / PAGE, as_page(facts))
    write_sums(folder, {file.name: file.sha256 for file in facts.files})


def write_sums(folder: Path, known: dict[str, str]) -> None:
    """Write ``SHA256SUMS`` of all files in a folder, as ``sha256sum -c`` reads it."""
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    digests = {name: known.get(name) or file_digest(folder / name) for name in names}
    write_file(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in digests.items()))


def texts_of(value: Any) -> Iterator[str]:
    """All texts in JSON values, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from texts_of(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts_of(one)


def remove_unfinished(out: Path) -> None:
    """Remove what a killed run left of the same release under its hidden name."""
    for entry in out.parent.glob(f".{out.name}.*.tmp"):
        if is_leftover(entry):
            remove(entry)


def _write_images(
    folder: Path, made: SampleSet, meaning: Meaning, facts: Facts, formats: Sequence[str], shard_bytes: int,
    progress: Progress,
) -> Iterator[File]:  # fmt: skip
    """Write archives, index and preview, and name them."""
    rows: list[Row] = []
    most, ending = shards.MOST_SHARDS // (1 + len(formats)), facts.images.file_format
    with storage_errors(folder), ImageShards(folder, shard_bytes, most) as archives:
        for place, one in enumerate(contents(made, ending)):
            progress(place, len(made), "writing")
            seed = str(one.sample.seed) if made.is_ours else ""
            about = {"seed": seed, "label": one.sample.label, "lineage": str(one.sample.lineage)}
            rows.append(archives.image(place, ending, one.image, one.mask, about))
    refuse_private(row.label for row in rows)
    write_file(folder / INDEX, table_of(shards.COLUMNS, rows))
    _write_preview(folder / PREVIEW, made)
    told = dict.fromkeys(archives.names, "images, masks, metadata.csv")
    for name in formats:
        with storage_errors(folder):
            names = write_format(folder, name, facts, made, meaning, shard_bytes, most)
        told |= dict.fromkeys(names, f"the same images: {FURTHER[name]}")
    told |= {INDEX: "a row for each image", PREVIEW: "a look at the first images"}
    for name, about_file in told.items():
        file = folder / name
        yield File(name=name, bytes=file.stat().st_size, sha256=file_digest(file), about=about_file)


def _write_preview(path: Path, made: SampleSet) -> None:
    shown = list(range(min(_PREVIEWED, len(made))))
    masks = made.masks(shown) if made.has_masks else np.zeros((len(shown), 0, 0), np.uint8)
    save_png(path, pairs_grid(made.images(shown), masks), longest_side=2048)


def _title(modality: str, organ: str) -> str:
    what = "images" if modality == "not stated" else modality
    return f"Synthetic {what}" + ("" if organ == "not stated" else f" of the {organ}")


def _date(date: str) -> str:
    try:
        return datetime.date.fromisoformat(date).isoformat() if date else gathering.today()
    except ValueError as error:
        raise ConfigError(f"--date is {date!r}; expected YYYY-MM-DD, such as 2026-11-27.") from error

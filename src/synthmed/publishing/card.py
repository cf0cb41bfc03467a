"""The card of a release, as Markdown and as a page: one list of sections, made from the facts alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from synthmed import __version__
from synthmed.harmless import printable
from synthmed.pages.frame import page
from synthmed.pages.numbers import number
from synthmed.publishing.facts import FEWEST, Facts
from synthmed.publishing.scorecard import SOURCE, scorecard
from synthmed.publishing.snippets import snippets

OUT_OF_SCOPE = (
    "diagnosis, treatment or any other decision about a person: this is not a medical device",
    "a test set in place of real patients: what is measured on synthetic images says nothing of real ones",
    "claims about prevalence, or about a person or group",
    "attempts to identify patients of the training cohort",
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the card.

    Args:
        title: its heading.
        sentences: paragraphs.
        points: a list.
        columns, rows: a table.
        code: language and text of each listing, with a sentence before it.
    """

    title: str
    sentences: Sequence[str] = ()
    points: Sequence[str] = ()
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    code: Sequence[tuple[str, str, str]] = ()


def sections(facts: Facts) -> list[Section]:
    """The card, section by section."""
    return [
        _what(facts), _overruled(facts), _made(facts), _cohort(facts), _processing(facts), _measured(facts),
        _study(facts), *_audited(facts), _differential(facts), Section(title="Known artefacts", points=facts.artefacts),
        Section(title="Out of scope", sentences=["These images are not for:"], points=OUT_OF_SCOPE),
        Section(title="Biases", points=facts.biases), _scorecard(facts), _learned(facts), _files(facts), _load(facts),
        _licence(facts),
    ]  # fmt: skip


def description(facts: Facts) -> str:
    """The release in two sentences."""
    images = facts.images
    masks = ", each with a mask:" if images.masks else ":"
    organ = "" if facts.organ == "not stated" else f" of the {facts.organ}"
    return (
        f"{images.num} synthetic images{masks} {facts.modality}{organ}, {images.height} x {images.width} pixels, "
        f"{images.bits} bits. No image was taken of a person: all were made by a generator."
    )


def as_markdown(facts: Facts) -> str:
    """The card as ``README.md``, with the head that Hugging Face reads."""
    head = {
        "license": facts.licence.lower() if not facts.licence.startswith("https") else "other",
        "pretty_name": facts.title,
        "tags": ["synthetic", "medical", facts.modality, facts.organ],
        "size_categories": [_size(facts.images.num)],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "images-*.zip"}]}],
    }
    # JSON is YAML: nothing in it needs quoting by hand.
    told = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    return f"---\n{told}\n---\n\n" + as_listing(facts.title, description(facts), sections(facts))


def as_listing(title: str, about: str, listed: Sequence[Section]) -> str:
    """Sections as Markdown, under a title and a sentence."""
    parts = [f"# {markdown(title)}", markdown(about)]
    for section in listed:
        parts += [f"## {section.title}", *map(markdown, section.sentences)]
        if section.points:
            parts.append("\n".join(f"- {markdown(point)}" for point in section.points))
        if section.rows:
            lines = [section.columns, ["---"] * len(section.columns), *section.rows]
            parts.append("\n".join("| " + " | ".join(map(markdown, line)) + " |" for line in lines))
        for sentence, language, text in section.code:
            parts += [markdown(sentence), f"```{language}\n{text.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def as_page(facts: Facts) -> str:
    """The card as a page, complete in itself."""
    return page("card.html", "synthmed.publishing", facts=facts, description=description(facts),
                sections=sections(facts))  # fmt: skip


def markdown(text: str) -> str:
    r"""Text as it stands in Markdown: no character of it is markup.

    Example:
        >>> print(markdown("a|b *c*"))
        a\|b \*c\*
    """
    text = printable(text)
    if text and set(text) <= {"-", ":"}:
        return text
    for letter in "\\`*_[]<>|":
        text = text.replace(letter, f"\\{letter}")
    return text


def _what(facts: Facts) -> Section:
    images = facts.images
    lineage = ", ".join(f"{count} {name}" for name, count in facts.lineage.items())
    made = "Image and mask are both synthetic." if images.masks else "The images are synthetic; there are no masks."
    rows = [
        ("images", str(images.num)),
        ("modality, organ", f"{facts.modality}, {facts.organ}"),
        ("size", f"{images.height} x {images.width} pixels, {len(images.channels)} channels "
                 f"({', '.join(images.channels)}), {images.bits} bits"),
        ("spacing", " x ".join(f"{one:.3g}" for one in images.spacing_mm) + " mm" if images.spacing_mm else "unknown"),
        ("file format", images.file_format),
        ("masks", ", ".join(f"{label} = {name}" for label, name in images.mask_labels.items()) or
                  ("yes" if images.masks else "none")),
        ("classes", ", ".join(f"{name}: {count}" for name, count in images.classes.items()) or "none"),
        ("lineage", lineage),
    ]  # fmt: skip
    if images.masks and len(images.mask_labels) <= 2:
        rows.insert(6, ("stored mask values", "0 and 255"))
    sentence = (
        f"{made} Lineage says where an image comes from: sampled means that mask and image were made from noise, under "
        "nothing of a real patient."
    )
    return Section(title="What is synthetic", sentences=[sentence], columns=("", "value"), rows=rows)


def _overruled(facts: Facts) -> Section:
    if not facts.overruled:
        return Section(title="Gates", sentences=["Every gate was passed; none was overruled."])
    return Section(title="Gates", sentences=["These gates were overruled by the publisher, for the reason given:"],
                   columns=("gate", "reason"), rows=[*facts.overruled.items()])  # fmt: skip


def _made(facts: Facts) -> Section:
    origin = facts.origin
    rows = [
        ("method, recipe", f"{origin.method or 'unknown'}, {origin.recipe or 'unknown'}"),
        ("settings (digest)", origin.settings or "unknown"),
        ("model (SHA-256)", origin.model or "unknown"),
        ("trained with", f"synthmed {origin.synthmed}" if origin.synthmed else "unknown"),
        ("published with", f"synthmed {__version__}"),
        ("run seed", "unknown" if origin.run_seed is None else f"{origin.run_seed}; that of each image in index.csv"),
        ("sample set (digest)", origin.samples),
    ]
    return Section(title="How it was made", columns=("", "value"), rows=rows)


def _cohort(facts: Facts) -> Section:
    origin = facts.origin
    rows = [(name, one["images"], one["patients"], origin.split_digests[name]) for name, one in origin.splits.items()]
    told = f"No number of patients or of their images below {FEWEST} is told."
    if not rows:
        return Section(
            title="Training cohort", sentences=["The samples do not record what the generator learned from."]
        )
    return Section(
        title="Training cohort",
        sentences=[f"The unit of the split is the patient: all images of one stand in one split. {told} The "
                   f"prepared data set has the digest {origin.data} and is not published.", facts.proof],
        columns=("split", "images", "patients", "digest"), rows=rows,
    )  # fmt: skip


def _processing(facts: Facts) -> Section:
    images, values = facts.images, facts.processing
    top = 2**images.bits - 1
    if values is None:
        return Section(title="Processing and its inverse", sentences=["What stored numbers mean is not recorded."])
    return Section(
        title="Processing and its inverse",
        sentences=[
            f"A stored number s means {values.low:g} + s / {top} * {values.high - values.low:g} {values.unit}. "
            "Real images were brought to this size by one factor and to this range before training; what lay outside "
            "was cut off, and cannot be restored."
        ],
    )


def _measured(facts: Facts) -> Section:
    if not facts.metrics:
        return Section(title="Measured", sentences=["Nothing was measured: no evaluation came with the release."])
    rows = [
        (one.title, _interval(one.value, one.low, one.high), str(one.n),
         _interval(one.matched, one.matched_low, one.matched_high),
         _interval(one.floor, one.floor_low, one.floor_high), str(one.matched_n or "-"), one.unit, one.direction,
         {True: "yes", False: "not shown", None: "not known"}[one.differs])
        for one in facts.metrics
    ]  # fmt: skip
    return Section(
        title="Measured",
        sentences=[
            "Each number with its 95 % interval; then the same with as many images as there are in half of the real "
            "patients, beside what two such halves give (the floor). Only these two may be compared."
        ],
        columns=("measure", "all images", "images", "as many as the floor", "floor", "images a side", "unit",
                 "direction", "differs"), rows=rows,
    )  # fmt: skip


def _study(facts: Facts) -> Section:
    if facts.study is None:
        return Section(title="Reader study", sentences=["No reader study came with the release."])
    return Section(title="Reader study", sentences=[*facts.study.sentences, f"Report (digest): {facts.study.digest}."])


def _audited(facts: Facts) -> list[Section]:
    audit = facts.audit
    rows = [
        (one.of, one.kind, str(one.planted), str(one.found), f"{one.low:.0%} to {one.high:.0%}",
         "no bound" if one.most_copies >= 1 else str(max(1, int(1000 * one.most_copies + 0.999))))
        for one in audit.power
    ]  # fmt: skip
    sentences = [audit.verdict, *filter(None, [audit.unproven]), f"Audit (digest): {audit.digest}."]
    return [
        Section(title="Privacy audit", sentences=sentences, points=audit.warnings),
        Section(
            title="Power of the audit",
            sentences=["Copies of training images were altered, planted and looked for. Of 1,000: with 95 % confidence "
                       "as many at most are such copies."],
            columns=("of", "alteration", "planted", "found", "95 % interval", "of 1,000"), rows=rows,
        ),
    ]  # fmt: skip


def _differential(facts: Facts) -> Section:
    none = "The model gives no formal guarantee: it was not trained with differential privacy."
    return Section(title="Differential privacy", sentences=[facts.privacy or none])


def _scorecard(facts: Facts) -> Section:
    return Section(
        title="Scorecard for synthetic medical data",
        sentences=[f"The seven criteria of {SOURCE}."],
        columns=("criterion", "asks", "known"), rows=scorecard(facts),
    )  # fmt: skip


def _learned(facts: Facts) -> Section:
    rows = [(one.name, one.use, one.origin, one.licence, one.sha256) for one in facts.learned]
    return Section(title="Learned parts", columns=("part", "use", "origin", "licence", "SHA-256"), rows=rows)


def _files(facts: Facts) -> Section:
    rows = [(one.name, f"{one.bytes:,}", one.sha256, one.about) for one in facts.files]
    return Section(
        title="Files",
        sentences=["SHA256SUMS has them all: sha256sum -c SHA256SUMS. With synthmed: synthmed verify RELEASE."],
        columns=("file", "bytes", "SHA-256", "holds"), rows=rows,
    )  # fmt: skip


def _load(facts: Facts) -> Section:
    return Section(title="Load it", code=snippets(facts))


def _licence(facts: Facts) -> Section:
    return Section(
        title="Licence, version, retraction",
        sentences=[
            f"Licence: {facts.licence} ({facts.licence_url}). Version {facts.version}, {facts.date}. Who believes that "
            f"an image shows a patient, or asks for a retraction, turns to {facts.contact}. A corrected release has a "
            "higher version; a withdrawn one leaves a tombstone with its digest."
        ],
    )


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    return number(value) + (f" ({number(low)} to {number(high)})" if low is not None else "")


def _size(num: int) -> str:
    for most, name in ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M")):
        if num < most:
            return name
    return "1M<n<10M"

"""``models publish`` and ``models index``: a model as a release, and the index from which others fetch it by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthmed.artifacts import file_digest, kind_of, new_directory, refuse_existing, verify, write_file, write_json
from synthmed.config import to_toml
from synthmed.errors import ArtifactError, DataError
from synthmed.files.paths import takes_paths
from synthmed.generation import model_file
from synthmed.pages.frame import page
from synthmed.publishing import gates, gathering
from synthmed.publishing.card import OUT_OF_SCOPE, Section, as_listing
from synthmed.publishing.facts import FEWEST, told
from synthmed.publishing.release import CARD, PAGE, remove_unfinished, texts_of, write_sums
from synthmed.publishing.words import check_contact, check_licence, check_name, check_version, one_line, refuse_private
from synthmed.samples import SampleSet
from synthmed.zoo.index import Entry, Index, read_index, write_index

KIND = "model_release"
MODEL, RECIPE, ENTRY = "model.safetensors", "recipe.toml", "model.json"


@takes_paths
def models_publish(
    model: Path, out: Path, *, samples: Path, audit: Path, licence: str, contact: str, name: str = "", about: str = "",
    release: str = "1.0", overrule: Sequence[str] = (),
) -> Entry:  # fmt: skip
    """Write a release of a model, if the audit of what it makes lets it pass.

    Args:
        model: a model file.
        out: a new folder.
        samples: images that this model made.
        audit: the audit of exactly these samples, against a sealed holdout.
        licence: SPDX identifier, or https address of its text.
        contact: e-mail or https address where a retraction is asked for.
        name: by which it is asked for; "" = that of ``out``.
        about: what it makes, in a sentence; "" = from its header.
        release: its version.
        overrule: ``GATE=REASON`` for gates that may be overruled.

    Raises:
        ConfigError: a licence, contact, name or version that is none, or an override without a reason.
        DataError: the samples were made by another model, or the audit is of others.
        ArtifactError: an input is damaged, or something stands at ``out``.
        GateError: as ``publish``.
    """
    model, out = Path(model), Path(out)
    refuse_existing(out)
    name, licence, contact = check_name(name or out.name), check_licence(licence), check_contact(contact)
    version, overruled = check_version(release), gates.read_overruled(overrule)
    header, _ = model_file.read(model)
    content = model.read_bytes()
    made = SampleSet.open(Path(samples))
    digest = file_digest(model)
    if made.inputs.get("model") != digest:
        raise DataError(
            f"{samples} were made by a model with the digest {made.inputs.get('model', 'unknown')[:12]}; {model} has "
            f"{digest[:12]}. Generate samples with this model, and audit them."
        )
    manifest, audited = gates.read_audit(Path(audit), made)
    gates.check_lineage(made.samples, overruled)
    gates.check_origin(audited, overruled)
    found = gathering.audit_of(manifest, audited)
    about = one_line(about or _about(header), "--about")
    entry = Entry(name=name, file=f"{out.name}/{MODEL}", sha256=digest, bytes=len(content), licence=licence,
                  about=about, method=header["method"], recipe=header["recipe"], version=version)  # fmt: skip
    sections = _sections(entry, header, contact, overruled, [found.verdict, *found.warnings])
    privacy = str(audited.get("differential_privacy", "")) or "The model gives no formal guarantee."
    sections.insert(3, Section(title="Differential privacy", sentences=[privacy]))
    recipe = to_toml({"method": header["method"], "description": about, "config": header["config"]})
    refuse_private(
        [*texts_of(entry.model_dump(mode="json")), *texts_of(header), *texts_of(overruled), recipe], {contact}
    )
    remove_unfinished(out)
    inputs = {"model": digest, "samples": made.digest, "audit": manifest.digest}
    with new_directory(out, KIND, inputs=inputs, facts={"name": name, "version": version}) as folder:
        write_file(folder / MODEL, content)
        write_file(folder / RECIPE, recipe)
        write_json(folder / ENTRY, entry.model_dump(mode="json"))
        write_file(folder / CARD, as_listing(f"{name} {version}", about, sections))
        write_file(folder / PAGE, page("model.html", "synthmed.publishing", entry=entry, sections=sections))
        write_sums(folder, {MODEL: digest})
    return entry


@takes_paths
def models_index(models: Path) -> Index:
    """Write the index of a folder of published models, in place of an older one; every model is verified first.

    Args:
        models: a folder with a folder for each published model.

    Raises:
        DataError: there is none, or two have one name.
        ArtifactError: one is damaged.
    """
    models = Path(models)
    places = [path for path in sorted(models.glob("*")) if path.is_dir() and kind_of(path) == KIND]
    entries = [_entry(path) for path in places]
    names = [entry.name for entry in entries]
    if not entries:
        raise DataError(f"{models} holds no published model. Make one: synthmed models publish.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{models} has two models of the name {twice[0]}; expected each once. Move one away.")
    write_index(models, tuple(entries))
    return read_index(models)


def _entry(place: Path) -> Entry:
    manifest = verify(place, KIND, (MODEL, ENTRY))
    try:
        entry = Entry.model_validate_json((place / ENTRY).read_bytes())
    except ValueError as error:
        raise ArtifactError(f"{place / ENTRY} is not as we write it. Publish the model anew.") from error
    if manifest.files[MODEL] != {"sha256": entry.sha256, "bytes": entry.bytes}:
        raise ArtifactError(f"{place / ENTRY} names another model than {MODEL}. Publish the model anew.")
    return entry.model_copy(update={"file": f"{place.name}/{MODEL}"})


def _about(header: Mapping[str, Any]) -> str:
    height, width = header["images"]["size"][:2]
    what = header.get("kind", "generic")
    return f"{what} images of {height} x {width} pixels with {len(header.get('channels', [])) or 1} channels"


def _sections(
    entry: Entry, header: Mapping[str, Any], contact: str, overruled: Mapping[str, str], audit: Sequence[str]
) -> list[Section]:  # fmt: skip
    data = header.get("data") or {}
    rows = [(name, told(int(one["images"])), told(int(one["patients"])), str(one["digest"]))
            for name, one in (data.get("splits") or {}).items()]  # fmt: skip
    classes = [f"{name}: {told(int(count))} training images" for name, count in (header.get("classes") or {}).items()]
    use = f"synthmed models fetch {entry.name} --index WHERE\nsynthmed generate {entry.name} SAMPLES --num 16"
    return [
        Section(title="The model", columns=("", "value"), rows=[
            ("method, recipe", f"{entry.method}, {entry.recipe or 'unknown'}"), ("file", MODEL),
            ("bytes", f"{entry.bytes:,}"), ("SHA-256", entry.sha256), ("licence", entry.licence),
            ("trained with", f"synthmed {header['version']}"), ("pretrained weights", "none"),
        ]),
        Section(title="Training cohort", columns=("split", "images", "patients", "digest"), rows=rows, points=classes,
                sentences=[f"No number of patients or of their images below {FEWEST} is told. The data set has the "
                           f"digest {data.get('digest', 'unknown')} and is not published."]),
        Section(title="Audit of what it makes", sentences=audit),
        Section(title="Gates", points=[f"{gate}: {reason}" for gate, reason in overruled.items()],
                sentences=["These gates were overruled:" if overruled else "Every gate was passed."]),
        Section(title="Use it", code=[("The file holds tensors and JSON, and no code:", "bash", use)]),
        Section(title="Out of scope", points=OUT_OF_SCOPE),
        Section(title="Licence, version, retraction",
                sentences=[f"{entry.licence}, version {entry.version}. A retraction is asked for at {contact}."]),
    ]  # fmt: skip

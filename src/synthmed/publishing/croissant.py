"""``croissant.json``: the release for machines (Croissant 1.1), with provenance and the responsible-AI fields."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from synthmed import __version__
from synthmed.errors import ArtifactError
from synthmed.publishing.facts import Facts
from synthmed.publishing.shards import COLUMNS

CROISSANT = "croissant.json"
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_ENCODINGS = {".zip": "application/zip", ".csv": "text/csv", ".png": "image/png", ".json": "application/json"}


def croissant(facts: Facts, description: str, out_of_scope: Iterable[str]) -> dict[str, Any]:
    """The metadata of a release.

    ``cr:FileObject`` is the spelling of Croissant 1.1; validators of 1.0 ask for ``sc:FileObject`` and refuse it.

    Args:
        facts: of the release, its files included.
        description: in a few sentences.
        out_of_scope: uses that it is not for.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": facts.name,
        "description": description,
        "version": f"{facts.version}.0" if facts.version.count(".") == 1 else facts.version,
        "license": facts.licence_url,
        "datePublished": facts.date,
        "citeAs": f"{facts.title}, version {facts.version} ({facts.date[:4]}), synthetic images, samples "
        f"{facts.origin.samples[:12]}",
        "url": f"urn:sha256:{facts.origin.samples}",
        "keywords": ["synthetic", "medical imaging", facts.modality, facts.organ],
        "creator": {"@type": "sc:Organization", "name": "see contact", "email": facts.contact},
        "distribution": [*_file_objects(facts), *_file_sets(facts)],
        "recordSet": [_records()],
        **_provenance(facts),
        **_responsible(facts, out_of_scope),
    }


def validate(folder: Path) -> str:
    """Let mlcroissant validate the file, where it is installed; gives a sentence about it.

    Raises:
        ArtifactError: it is not valid.
    """
    try:
        found = version("mlcroissant")
    except PackageNotFoundError:
        return "croissant.json was not validated: mlcroissant is not installed (pip install 'synthmed[publish]')"
    import logging

    import mlcroissant

    logging.getLogger("absl").setLevel(logging.ERROR)
    try:
        issues = mlcroissant.Dataset(folder / CROISSANT).metadata.ctx.issues
    except (mlcroissant.ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{folder / CROISSANT} is not valid ({' '.join(str(error).split())[:300]}).") from error
    if issues.errors:
        raise ArtifactError(f"{folder / CROISSANT} is not valid ({sorted(map(str, issues.errors))[0]}).")
    return f"croissant.json is valid (mlcroissant {found}, {len(issues.warnings)} warnings)"


def _file_objects(facts: Facts) -> list[dict[str, Any]]:
    return [
        {"@type": "cr:FileObject", "@id": file.name, "name": file.name, "description": file.about,
         "contentUrl": file.name, "contentSize": f"{file.bytes} B", "sha256": file.sha256,
         "encodingFormat": _ENCODINGS.get(Path(file.name).suffix, "application/octet-stream")}
        for file in facts.files
    ]  # fmt: skip


def _file_sets(facts: Facts) -> list[dict[str, Any]]:
    shards = [{"@id": file.name} for file in facts.files if file.name.startswith("images-")]
    kinds = {"images": f"images/*/*.{facts.images.file_format}"}
    if facts.images.masks:
        kinds["masks"] = "masks/*/*.png"
    encoding = "image/png" if facts.images.file_format == "png" else "application/octet-stream"
    return [
        {"@type": "cr:FileSet", "@id": f"{name}-files", "name": f"{name}-files", "containedIn": shards,
         "encodingFormat": "image/png" if name == "masks" else encoding, "includes": pattern}
        for name, pattern in kinds.items()
    ]  # fmt: skip


def _records() -> dict[str, Any]:
    fields = [
        {"@type": "cr:Field", "@id": f"records/{column}", "name": column, "dataType": "sc:Text",
         "source": {"fileObject": {"@id": "index.csv"}, "extract": {"column": column}}}
        for column in COLUMNS
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": "records", "name": "records", "key": {"@id": "records/file_name"},
            "description": "One row for each image: files, archive, digests, seed, class and lineage.",
            "field": fields}  # fmt: skip


def _provenance(facts: Facts) -> dict[str, Any]:
    origin = facts.origin
    model = f"model {origin.model}" if origin.model else "a model of another tool"
    return {
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": f"generation of {facts.images.num} synthetic images by {origin.method or 'a generator'}, "
            f"recipe {origin.recipe or 'unknown'}, run seed {origin.run_seed}",
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": f"synthmed {__version__}"},
            "prov:used": {"@type": "prov:Entity", "prov:label": model},
        },
        "prov:wasDerivedFrom": {"@type": "prov:Entity",
                                "prov:label": f"prepared data set {origin.data or 'unknown'}, which is not published"},
        "prov:wasAttributedTo": {"@type": "prov:Agent", "prov:label": facts.contact},
    }  # fmt: skip


def _responsible(facts: Facts, out_of_scope: Iterable[str]) -> dict[str, Any]:
    lineage = ", ".join(f"{number} {name}" for name, number in facts.lineage.items())
    processing = (
        f"Stored numbers lie between {facts.processing.low:g} and {facts.processing.high:g} {facts.processing.unit}."
        if facts.processing
        else "The meaning of stored numbers is not known."
    )
    return {
        "rai:dataCollection": f"No image was acquired: all are synthetic (lineage: {lineage}). Synthetic data by the "
        f"method {facts.origin.method or 'of another tool'}.",
        "rai:dataCollectionType": ["Software Collection", "Synthetic data"],
        "rai:dataPreprocessingProtocol": [processing],
        "rai:dataAnnotationProtocol": [
            "Masks are made with the images, not drawn by people." if facts.images.masks else "There are none."
        ],
        "rai:dataBiases": list(facts.biases),
        "rai:dataLimitations": list(facts.artefacts),
        "rai:dataUseCases": ["Research on methods of medical imaging, beside real test images.",
                             *(f"Out of scope: {one}" for one in out_of_scope)],
        "rai:dataSocialImpact": "A generator can copy its training images; the audit says what was looked for.",
        "rai:personalSensitiveInformation": [facts.audit.verdict, facts.privacy or "No formal guarantee."],
        "rai:dataReleaseMaintenancePlan": f"Version {facts.version}. A retraction is asked for at {facts.contact}; a "
        "withdrawn release leaves a tombstone with its digest.",
    }  # fmt: skip

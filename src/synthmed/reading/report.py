"""``study report``: the answers of a study, or a table of any tool, as a page, as numbers and for other programs."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthmed import __version__
from synthmed.artifacts import file_digest, new_directory, refuse_existing, write_file, write_json
from synthmed.errors import DataError
from synthmed.files.paths import takes_paths
from synthmed.pages.frame import page
from synthmed.reading.analysis.exports import as_csv, as_imrmc
from synthmed.reading.analysis.table import ReaderTable, read_table
from synthmed.reading.findings import verdict_of_study, verdict_of_table, warnings_of_study
from synthmed.reading.protocol import Study
from synthmed.reading.readings import CODEBOOK, Reading, answers_csv, circumstances, readings, scored, table_of
from synthmed.reading.report_tables import figures_of_study, figures_of_table, tables_of_study, tables_of_table
from synthmed.reading.results import StudyResults, TableResults, results_of_study, results_of_table


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """A written report: where it is, and what it says."""

    path: Path
    verdict: str
    results: StudyResults | TableResults


@takes_paths
def study_report(study: Path, out: Path) -> StudyReport:
    """Analyse the answers of a study so far, or a table of readings.

    Args:
        study: folder of the study, or a CSV file with the columns reader, case, modality, truth, rating.
        out: a new folder: ``report.html``, ``report.json``, ``ratings.csv`` and ``ratings.imrmc``, and of a study
            also ``answers.csv`` with its ``codebook.json``.

    Raises:
        DataError: nobody has answered enough, or a table that cannot be used.
        ArtifactError: no study, a damaged one, or something stands at ``out``.
        StudyError: a study of a newer synthmed.
    """
    refuse_existing(out)
    if study.suffix.lower() == ".csv":
        return _of_table(study, out)
    return _of_study(Study.open(study), out)


def _of_table(file: Path, out: Path) -> StudyReport:
    if not file.is_file():
        raise DataError(f"{file} is not a file; expected a study or a table in CSV. Check the path.")
    results = results_of_table(read_table(file))
    sentences = verdict_of_table(results)
    about = {"command": f"synthmed study report {file.name} {out.name}", "name": file.name,
             "digest": file_digest(file), "what": "table", "facts": []}  # fmt: skip
    html = page(
        "study.html",
        "synthmed.reading",
        title=f"Readings of {file.stem}",
        sentences=sentences,
        warnings=results.notes,
        tables=tables_of_table(results),
        figures=figures_of_table(results),
        about=about,
        version=__version__,
    )
    with new_directory(out, "study_report", inputs={"table": about["digest"]}) as folder:  # type: ignore[dict-item]
        write_file(folder / "report.html", html)
        write_json(folder / "report.json", {"verdict": sentences, **plain(results), "about": about})
        _write_tables(folder, results.table, file.stem)
    return StudyReport(path=out, verdict="\n".join(sentences), results=results)


def _of_study(study: Study, out: Path) -> StudyReport:
    answers = readings(study)
    results = results_of_study(study, answers)
    sentences = verdict_of_study(study, results)
    about = {"command": f"synthmed study report {study.path.name} {out.name}", "name": study.path.name,
             "digest": study.digest, "what": "study", "facts": _facts(study, results, answers)}  # fmt: skip
    html = page(
        "study.html", "synthmed.reading", title=f"Reader study: {study.path.name}", sentences=sentences,
        warnings=[*warnings_of_study(study, results), *circumstances(study)], tables=tables_of_study(study, results),
        figures=figures_of_study(study, results, answers), about=about, version=__version__,
    )  # fmt: skip
    with new_directory(out, "study_report", inputs={"study": study.digest}) as folder:
        write_file(folder / "report.html", html)
        write_json(folder / "report.json", {"verdict": sentences, **plain(results), "about": about,
                                            "protocol": study.protocol.model_dump(mode="json")})  # fmt: skip
        write_file(folder / "answers.csv", answers_csv(answers))
        write_json(folder / "codebook.json", CODEBOOK)
        table = table_of(study, [one for one in scored(answers) if one.reader in results.checks])
        if table is not None:
            _write_tables(folder, table, study.path.name)
    return StudyReport(path=out, verdict="\n".join(sentences), results=results)


def _write_tables(folder: Path, table: ReaderTable, title: str) -> None:
    write_file(folder / "ratings.csv", as_csv(table))
    write_file(folder / "ratings.imrmc", as_imrmc(table, title))


def _facts(study: Study, results: StudyResults, answers: Sequence[Reading]) -> list[tuple[str, str]]:
    settings, protocol = study.settings, study.protocol
    sources = "; ".join(
        f"{one.name}: {one.folder}, {one.images} images" + "".join(f", {n} {kind}" for kind, n in one.lineage.items())
        for one in protocol.sources
    )
    late = sum(one.lost_focus_ms > 0 for one in answers)
    return [
        ("paradigm", f"{settings.paradigm}: {study.trial.words['task']}"),
        ("protocol (SHA-256)", study.digest),
        ("images", sources),
        (
            "pictures",
            f"{protocol.height} x {protocol.width}, {len(protocol.channels)} channels, {protocol.bits} bits, sent raw",
        ),
        ("scored cases", str(sum(case.part == "scored" for case in study.cases))),
        ("warm-up", f"{settings.warmup} of each kind, " + ("truth told" if settings.feedback else "truth not told")),
        ("sessions", f"{settings.sessions}, {settings.washout_days:g} days apart" if settings.sessions > 1 else "1"),
        (
            "order",
            f"seed {settings.seed}, balanced in blocks of {settings.block}"
            + (", paired by mask" if settings.paired else ""),
        ),
        ("margin", f"{settings.margin:g} on {settings.measure}, fixed before reading" if settings.margin else "none"),
        ("blinding audit", ", ".join(f"{cue.name} {cue.auc:.2f}" for cue in protocol.cues)),
        ("answers while another window was in front", f"{late} of {len(answers)}"),
    ]


def plain(value: Any) -> Any:
    """Dataclasses and arrays as JSON values; what is not finite becomes null."""
    if isinstance(value, ReaderTable):
        return {"rows": len(value), "readers": list(value.readers), "modalities": list(value.modalities)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return json.loads(json.dumps(value))

"""The answers of a study, joined with the truth: rows for the statistics and for other programs."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthmed.errors import ArtifactError
from synthmed.files.tables import as_csv
from synthmed.reading.analysis.spots import located_ratings
from synthmed.reading.analysis.table import ReaderTable
from synthmed.reading.migrations import ANSWERS, seal_of
from synthmed.reading.protocol import REAL, Case, Study
from synthmed.reading.sessions import truth_of
from synthmed.reading.store import DATABASE_FILE, connect, sqlite_errors


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One answer.

    Args:
        reader: name.
        simulated: nobody read; a program answered.
        session: from 1.
        position: of the trial in its session, from 0.
        place: of the trial among those that count, from -1/2 (first) to 1/2 (last).
        role: "warmup", "scored", "repeat" or "check".
        case: what was shown.
        truth: of the trial.
        answer: as given.
        rating: higher = truth 1.
        says: 1 where the answer says truth 1.
        located: the mark lies on the target; 0 where nothing is marked.
        response_ms: from paint to answer.
        lost_focus_ms: of it, while another window was in front.
        viewing: how the image was looked at.
        received: when, UTC.
    """

    reader: str
    simulated: bool
    session: int
    position: int
    place: float
    role: str
    case: Case
    truth: int
    answer: dict[str, Any]
    rating: float
    says: int
    located: int
    response_ms: float
    lost_focus_ms: float
    viewing: dict[str, Any]
    received: str


def readings(study: Study) -> list[Reading]:
    """All answers, in the order of reader, session and trial.

    Raises:
        ArtifactError, StudyError, StorageError: as ``store.connect``.
    """
    with closing(connect(study)) as database, sqlite_errors(study.path / DATABASE_FILE):
        rows = database.execute(f"{ANSWERS} ORDER BY reader, session, position").fetchall()
        counts = database.execute("SELECT count(*) AS n FROM trials WHERE role != 'warmup' GROUP BY reader, session "
                                  "ORDER BY n DESC").fetchone()  # fmt: skip
    for row in rows:
        _check_seal(study, dict(row))
    total = counts["n"] if counts else 0
    warm = sum(case.part == "warmup" for case in study.cases)
    return [_reading(study, row, warm, total) for row in rows]


def _reading(study: Study, row: Any, warm: int, total: int) -> Reading:
    case, answer, viewing = study.cases[row["case_number"]], json.loads(row["answer"]), json.loads(row["viewing"])
    return Reading(
        reader=row["name"], simulated=bool(row["simulated"]), session=row["session"], position=row["position"],
        place=(row["position"] - warm) / max(1, total - 1) - 0.5, role=row["role"], case=case,
        truth=truth_of(study, case, bool(row["swapped"])), answer=answer, rating=study.trial.rating(answer),
        says=study.trial.says(answer), located=_located(case, answer, study), response_ms=row["response_ms"],
        lost_focus_ms=_lost_focus(viewing),
        viewing=viewing, received=row["received"],
    )  # fmt: skip


def _check_seal(study: Study, row: dict[str, Any]) -> None:
    try:
        is_right = row["seal"] == seal_of(row)
    except (TypeError, ValueError):
        is_right = False
    if not is_right:
        raise ArtifactError(
            f"{study.path / DATABASE_FILE} is damaged: an answer is not as it was given (trial {row['position']!r} of "
            f"session {row['session']!r} of {row['name']!r}). Put the latest backup in its place."
        )


def _lost_focus(viewing: dict[str, Any]) -> float:
    """Milliseconds while another window was in front; what a browser says of itself may be anything."""
    try:
        lost = sum(max(0.0, float(stop) - float(start)) for start, stop in viewing.get("focus_lost", []))
    except (TypeError, ValueError):
        return 0.0
    return lost if np.isfinite(lost) else 0.0


def circumstances(study: Study) -> list[str]:
    """What happened beside the answers that a reader of the numbers should know: displays, clocks."""
    with closing(connect(study)) as database, sqlite_errors(study.path / DATABASE_FILE):
        shown = {}
        for row in database.execute(
            "SELECT readers.name AS reader, facts FROM steps JOIN readers ON reader = readers.id "
            "WHERE steps.name = 'display' AND simulated = ''"
        ):
            shown[row["reader"]] = json.loads(row["facts"])
        clocks = database.execute("SELECT count(*) AS n FROM events WHERE name LIKE '%clock%'").fetchone()["n"]
    missed = [reader for reader, facts in shown.items() if not (facts.get("dark_seen") and facts.get("bright_seen"))]
    told = [f"Reader {reader} did not see both squares of the display check." for reader in missed]
    if clocks:
        told.append(f"The server's clock was set {clocks} times while the study ran; order is by trial, not by time.")
    return told


def _located(case: Case, answer: dict[str, Any], study: Study) -> int:
    if not study.trial.marks or not case.targets:
        return 0
    x, y = answer["spot"]
    for run in case.targets.split(";"):
        row, first, last = (int(word) for word in run.split())
        beside = max(first - x, 0, x - last)
        if beside**2 + (row - y) ** 2 <= study.settings.tolerance**2:
            return 1
    return 0


def modalities(study: Study) -> list[str]:
    """What is compared: the synthetic sets; where targets are marked also the real one."""
    names = [source.name for source in study.protocol.sources]
    return names if study.trial.truth == "target" else [name for name in names if name != REAL]


def table_of(
    study: Study, answers: Sequence[Reading], value: Callable[[Reading], float] | None = None
) -> ReaderTable | None:
    """The table for areas and d': one modality for each synthetic set, the real cases beside each.

    Of pairs the truth is 1 and the rating whether the answer was right.

    Args:
        study: whose answers they are.
        answers: to be used, one for every case and reader.
        value: what stands as rating; None = the rating, and where spots are marked that of the LROC curve.

    Returns:
        The table; None where no modality has answers of both truths.
    """
    rows = []
    ratings = _rated(study, answers) if value is None else [value(one) for one in answers]
    for name in modalities(study):
        for one, rating in zip(answers, ratings, strict=True):
            both = study.trial.truth == "synthetic" and one.case.modality == REAL
            if one.case.modality == name or both:
                rows.append({"reader": one.reader, "case": _case_name(one, both), "modality": name, "truth": one.truth,
                             "rating": rating})  # fmt: skip
    if study.trial.truth == "right":
        # The side differs from reader to reader, so a pair has no truth of its own: its rating is whether it was right.
        rows = [{**row, "truth": 1, "rating": int(row["rating"] == row["truth"])} for row in rows]
        return ReaderTable.of(rows, "The study") if rows else None
    kept = [name for name in modalities(study) if {row["truth"] for row in rows if row["modality"] == name} == {0, 1}]
    rows = [row for row in rows if row["modality"] in kept]
    return ReaderTable.of(rows, "The study") if rows else None


def score_table(answers: Sequence[Reading], score: Callable[[dict[str, Any]], float]) -> ReaderTable:
    """The table for mean scores: every set is a modality, the real one too; pictures of one mask are one case."""
    return ReaderTable.of([{"reader": one.reader, "case": one.case.group, "modality": one.case.modality, "truth": 0,
                            "rating": score(one.answer)} for one in answers], "The study")  # fmt: skip


def scored(answers: Sequence[Reading], session: int = 1) -> list[Reading]:
    """The answers that count: of one session, without warm-up, repeats and checks."""
    return [one for one in answers if one.role == "scored" and one.session == session]


COLUMNS = ("reader", "simulated", "session", "position", "role", "case", "group", "modality", "truth", "rating", "says",
           "located", "answer", "response_ms", "lost_focus_ms", "received")  # fmt: skip

CODEBOOK = {
    "reader": "name or pseudonym of the invitation",
    "simulated": "1 = a program answered",
    "session": "from 1",
    "position": "of the trial in its session, warm-up included, from 0",
    "role": "warmup, scored, repeat (second showing, hidden) or check (attention check)",
    "case": "name of the case; a number that says nothing",
    "group": "cases of one mask share it",
    "modality": "the set that the image is from, real or a synthetic one; of a pair the synthetic one",
    "truth": "1 = synthetic; of a pair: the synthetic one was on the right; where spots are marked: there is a target",
    "rating": "higher = surer of truth 1",
    "says": "1 = the answer says truth 1",
    "located": "1 = the mark lies on the target or within the tolerance",
    "answer": "as given, JSON",
    "response_ms": "milliseconds from paint to answer, by the browser's steady clock",
    "lost_focus_ms": "of them, while another window was in front",
    "received": "UTC, by the server's clock",
}


def answers_csv(answers: Sequence[Reading]) -> str:
    """All answers as CSV; ``CODEBOOK`` says what the columns mean."""
    rows = [
        {
            "reader": one.reader, "simulated": int(one.simulated), "session": one.session, "position": one.position,
            "role": one.role, "case": one.case.name, "group": one.case.group, "modality": one.case.modality,
            "truth": one.truth, "rating": f"{one.rating:g}", "says": one.says, "located": one.located,
            "answer": json.dumps(one.answer, sort_keys=True), "response_ms": round(one.response_ms, 1),
            "lost_focus_ms": round(one.lost_focus_ms, 1), "received": one.received,
        }
        for one in answers
    ]  # fmt: skip
    return as_csv(COLUMNS, ([row[column] for column in COLUMNS] for row in rows))


def _case_name(one: Reading, real: bool) -> str:
    # A real and a synthetic picture of one mask differ in truth, so they cannot be one case of an ROC study.
    return f"real {one.case.name}" if real else one.case.group if one.case.modality != REAL else one.case.name


def _rated(study: Study, answers: Sequence[Reading]) -> list[float]:
    if not study.trial.marks:
        return [one.rating for one in answers]
    arrays = [np.array([getattr(one, name) for one in answers], float) for name in ("truth", "rating", "located")]
    return [float(value) for value in located_ratings(*arrays)] if answers else []

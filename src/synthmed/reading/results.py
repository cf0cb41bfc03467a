"""All numbers of a table, and of a study: each reader, all together, and what that lets one say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import DataError
from synthmed.reading.analysis import binormal, observer, roc
from synthmed.reading.analysis.agreement import Agreement, cohen, fleiss
from synthmed.reading.analysis.detection import Detection, d_prime, d_prime_two_alternative, detect
from synthmed.reading.analysis.equivalence import Equivalence, equivalence
from synthmed.reading.analysis.obuchowski_rockette import Estimate, MultiReader, obuchowski_rockette
from synthmed.reading.analysis.scores import Comparison, MeanScore, compare_scores, mean_scores
from synthmed.reading.analysis.table import ReaderTable
from synthmed.reading.analysis.u_statistics import OneShot, one_shot
from synthmed.reading.protocol import Study
from synthmed.reading.readings import Reading, modalities, score_table, scored, table_of

FEWEST = 4
"""Answers of each truth below which a reader gets no numbers."""
FEWEST_CHECKS = 10
"""Attention checks below which lapses are not estimated: with few, a lapse cannot be told from a low d'."""


@dataclass(frozen=True, kw_only=True)
class ReaderArea:
    """One reader in one modality: the empirical area, and the binormal curve."""

    reader: str
    modality: str
    area: roc.Area
    binormal: binormal.Binormal


@dataclass(frozen=True, kw_only=True)
class TableResults:
    """What a table (reader, case, modality, truth, rating) says.

    Args:
        table: the readings that were used.
        readers: one entry a reader and modality.
        by_covariance: Obuchowski and Rockette's analysis by each covariance; {} where readers are not crossed.
        shot: the one-shot U-statistic.
        notes: what a reader of the numbers must know.
    """

    table: ReaderTable
    readers: tuple[ReaderArea, ...]
    by_covariance: dict[str, MultiReader]
    shot: OneShot
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReaderCourse:
    """One reader of a study against one synthetic set.

    Args:
        reader, modality: names.
        detection: d' and c.
        course: d', bias, drift and lapses by maximum likelihood; None for pairs, or with few answers.
        halves: d' in the first and in the second half of the trials; NaN with too few answers.
        median_ms, quartiles_ms: response times.
        slower_when_wrong: ratio of the median response times of wrong and right answers; NaN without both.
        speeding_up: change of the logarithm of the response time from the first to the last trial.
    """

    reader: str
    modality: str
    detection: Detection
    course: observer.Course | None
    halves: tuple[float, float]
    median_ms: float
    quartiles_ms: tuple[float, float]
    slower_when_wrong: float
    speeding_up: float


@dataclass(frozen=True, kw_only=True)
class Retest:
    """One reader with itself, on cases that came twice."""

    reader: str
    between: str
    agreement: Agreement


@dataclass(frozen=True, kw_only=True)
class StudyResults:
    """What a study says.

    Args:
        simulated: names of readers that are programs.
        answered: answers that count, of how many there will be.
        areas: the results of the ratings; None for pairs and where nobody has answered enough.
        courses: one entry a reader and set.
        d_prime: readers' mean d' of each set, over readers and cases.
        d_differences: of every two sets.
        equivalence: of the measure that was fixed before reading, for each set; {} without a margin.
        scores, comparisons: of a scale; () without one.
        retests: readers with themselves.
        between_readers: Fleiss' kappa over cases that all have answered; None for one reader.
        checks: reader -> attention checks and how many were failed.
        notes: what a reader of the numbers must know.
    """

    simulated: tuple[str, ...]
    answered: tuple[int, int]
    areas: TableResults | None
    courses: tuple[ReaderCourse, ...]
    d_prime: tuple[Estimate, ...]
    d_differences: tuple[Estimate, ...]
    equivalence: dict[str, Equivalence]
    scores: tuple[MeanScore, ...]
    comparisons: tuple[Comparison, ...]
    retests: tuple[Retest, ...]
    between_readers: Agreement | None
    checks: dict[str, tuple[int, int]]
    notes: tuple[str, ...]


def results_of_table(table: ReaderTable) -> TableResults:
    """Analyse a table.

    Raises:
        DataError: no reader has answered for cases of both truths.
    """
    table, notes = _usable(table)
    cube = table.cube()
    readers = []
    for modality in table.modalities:
        for reader in table.one(modality=modality).readers:
            part = table.one(modality=modality, reader=reader)
            readers.append(ReaderArea(reader=reader, modality=modality, area=roc.delong(part.truth, part.rating),
                                      binormal=binormal.fit(part.truth, part.rating)))  # fmt: skip
    notes += table.missing()
    by_covariance = {}
    if cube.readers_crossed:
        by_covariance = {how: obuchowski_rockette(cube, how) for how in ("unbiased", "delong", "jackknife")}
        notes += by_covariance["unbiased"].notes
    else:
        notes.append("Not every reader read in every modality: only the one-shot analysis takes such data.")
    if not cube.crossed:
        notes.append("Not every reader read every case in every modality; covariances come from the cases that were "
                     "shared.")  # fmt: skip
    shot = one_shot(cube)
    notes += shot.notes
    return TableResults(table=table, readers=tuple(readers), by_covariance=by_covariance, shot=shot,
                        notes=tuple(dict.fromkeys(notes)))  # fmt: skip


def results_of_study(study: Study, answers: Sequence[Reading]) -> StudyResults:
    """Analyse the answers of a study.

    Raises:
        DataError: nobody has answered enough trials.
    """
    first, notes = scored(answers), list[str]()
    enough = _enough(study, first, notes)
    if not enough:
        raise DataError(
            f"No reader has answered {FEWEST} scored trials of each kind yet; there are {len(first)} scored answers. "
            "Let readers go on, or look whether this is the right study."
        )
    used = [one for one in first if one.reader in enough]
    checks = {reader: _checks(answers, reader) for reader in enough}
    courses = [_course(study, used, reader, name, checks[reader]) for name in modalities(study) for reader in enough]
    areas = None
    if study.trial.paradigm == "yes_no" and (table := table_of(study, used)) is not None:
        areas = results_of_table(table)
        notes += areas.notes
    d_means = _d_prime(study, used, notes)
    score = study.trial.score
    scores, comparisons = (), ()  # type: tuple[MeanScore, ...], tuple[Comparison, ...]
    if score is not None:
        cube = score_table(used, score).cube()
        scores = tuple(mean_scores(cube, study.trial.scores, np.random.default_rng(study.settings.seed)))
        comparisons = tuple(compare_scores(cube))
    return StudyResults(
        simulated=tuple(dict.fromkeys(one.reader for one in used if one.simulated)),
        answered=(len(first), _expected(study, first)), areas=areas,
        courses=tuple(one for one in courses if one is not None),
        d_prime=d_means.modalities if d_means else (), d_differences=d_means.differences if d_means else (),
        equivalence=_equivalence(study, areas, d_means), scores=scores, comparisons=comparisons,
        retests=tuple(_retests(answers, enough)), between_readers=_between(used, enough), checks=checks,
        notes=tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _enough(study: Study, first: Sequence[Reading], notes: list[str]) -> list[str]:
    """Readers with enough answers of each truth for every set; the others are named."""
    found = []
    for reader in dict.fromkeys(one.reader for one in first):
        truths = [one.truth for one in first if one.reader == reader]
        if min(truths.count(0), truths.count(1)) >= FEWEST:
            found.append(reader)
        else:
            notes.append(f"Reader {reader} has answered too little ({len(truths)} scored trials) and is left out.")
    for reader in found:
        mine, every = sum(one.reader == reader for one in first), _expected(study, first[:1])
        if mine < every:
            notes.append(f"Reader {reader} has answered {mine} of {every} scored trials so far.")
    return found


def _expected(study: Study, first: Sequence[Reading]) -> int:
    return sum(case.part == "scored" for case in study.cases) * len({one.reader for one in first})


def _usable(table: ReaderTable) -> tuple[ReaderTable, list[str]]:
    """The table without readers who lack a truth in a modality; they are named."""
    notes, kept = list[str](), np.ones(len(table), bool)
    for modality in table.modalities:
        for reader in table.one(modality=modality).readers:
            if set(table.one(modality=modality, reader=reader).truth.tolist()) != {0, 1}:
                notes.append(f"Reader {reader} has no ratings of both truths in {modality} and is left out there.")
                kept &= ~np.array([(r, m) == (reader, modality)
                                   for r, m in zip(table.reader, table.modality, strict=True)])  # fmt: skip
    if not kept.any():
        raise DataError("No reader has rated cases of both truths in one modality; an ROC analysis needs that. Look at "
                        "the column truth.")  # fmt: skip
    return table.where(kept), notes


def _course(
    study: Study, used: Sequence[Reading], reader: str, name: str, checks: tuple[int, int]
) -> ReaderCourse | None:
    mine = [one for one in used if one.reader == reader
            and (one.case.modality == name or (study.trial.truth == "synthetic" and one.truth == 0))]  # fmt: skip
    truth, says = np.array([one.truth for one in mine]), np.array([one.says for one in mine])
    if min((truth == 0).sum(), (truth == 1).sum(), len(truth)) < FEWEST:
        return None
    place, times = np.array([one.place for one in mine]), np.array([one.response_ms for one in mine])
    right = truth == says
    ratio = float(np.median(times[~right]) / np.median(times[right])) if 0 < right.sum() < len(right) else float("nan")
    slope = float(np.polyfit(place, np.log(np.maximum(times, 1)), 1)[0]) if len(times) > 2 else float("nan")
    quarter, median, threequarter = np.percentile(times, [25, 50, 75])
    course = (
        None
        if study.trial.paradigm != "yes_no"
        else observer.course(truth, says, checks if checks[0] >= FEWEST_CHECKS else (0, 0), place)
    )
    return ReaderCourse(
        reader=reader, modality=name, detection=detect(truth, says, study.trial.paradigm), course=course,
        halves=(_half(study, truth, says, place < 0), _half(study, truth, says, place >= 0)),
        median_ms=float(median), quartiles_ms=(float(quarter), float(threequarter)), slower_when_wrong=ratio,
        speeding_up=slope,
    )  # fmt: skip


def _half(study: Study, truth: NDArray, says: NDArray, part: NDArray) -> float:
    if min((truth[part] == 0).sum(), (truth[part] == 1).sum()) < 2:
        return float("nan")
    return detect(truth[part], says[part], study.trial.paradigm).d_prime


def _d_prime(study: Study, used: Sequence[Reading], notes: list[str]) -> MultiReader | None:
    """Readers' mean d', over readers and cases, by the jackknife."""
    table = table_of(study, used, lambda one: one.says)
    if table is None:
        return None
    cube = table.cube()
    if not cube.readers_crossed:
        notes.append("Not every reader read in every set: there is no mean d'.")
        return None
    figure: Callable[[NDArray, NDArray], float] = d_prime
    if study.trial.paradigm == "two_alternative":
        figure = d_prime_two_alternative
    return obuchowski_rockette(cube, "jackknife", figure=figure)


def _equivalence(study: Study, areas: TableResults | None, d_means: MultiReader | None) -> dict[str, Equivalence]:
    margin, measure = study.settings.margin, study.settings.measure
    if not margin:
        return {}
    if measure == "auc":
        means = areas.by_covariance["unbiased"].modalities if areas and areas.by_covariance else ()
    else:
        means = d_means.modalities if d_means else ()
    target = 0.5 if measure == "auc" else 0.0
    return {one.name: equivalence(one.value, one.standard_error, margin, target=target, df=one.df)
            for one in means if one.standard_error > 0}  # fmt: skip


def _checks(answers: Sequence[Reading], reader: str) -> tuple[int, int]:
    mine = [one for one in answers if one.reader == reader and one.role == "check" and one.session == 1]
    return len(mine), sum(one.says != one.truth for one in mine)


def _retests(answers: Sequence[Reading], readers: Sequence[str]) -> list[Retest]:
    found = []
    for reader in readers:
        mine = [one for one in answers if one.reader == reader]
        first = {one.case.name: one for one in mine if one.role == "scored" and one.session == 1}
        again = {one.case.name: one for one in mine if one.role == "repeat" and one.session == 1}
        pairs = {"hidden repeats": again}
        for session in sorted({one.session for one in mine} - {1}):
            pairs[f"sessions 1 and {session}"] = {
                one.case.name: one for one in mine if one.role == "scored" and one.session == session
            }
        for between, second in pairs.items():
            shared = [name for name in second if name in first]
            if len(shared) > 1:
                # Of a pair the side may differ between two showings: what is compared is whether it was found.
                sides = [np.array([part[name].says == part[name].truth for name in shared]) for part in (first, second)]
                if first[shared[0]].truth == second[shared[0]].truth and all(
                    first[name].truth == second[name].truth for name in shared
                ):
                    sides = [np.array([part[name].says for name in shared]) for part in (first, second)]
                found.append(Retest(reader=reader, between=between, agreement=cohen(*sides)))
    return found


def _between(used: Sequence[Reading], readers: Sequence[str]) -> Agreement | None:
    said = {reader: {one.case.name: int(one.says == one.truth) for one in used if one.reader == reader}
            for reader in readers}  # fmt: skip
    truths = {(one.case.name, one.truth) for one in used}
    if len(truths) == len({name for name, _ in truths}):  # no sides: what is compared is the answer itself
        said = {reader: {one.case.name: one.says for one in used if one.reader == reader} for reader in readers}
    shared = sorted(set.intersection(*(set(one) for one in said.values())))
    if len(readers) < 2 or len(shared) < 2:
        return None
    return fleiss(np.array([[said[reader][name] for reader in readers] for name in shared]))

"""What the numbers of a study or a table let one say, in plain sentences, the most important first."""

from collections.abc import Iterator

from synthmed.reading.analysis.equivalence import Equivalence
from synthmed.reading.analysis.obuchowski_rockette import Estimate
from synthmed.reading.protocol import Study
from synthmed.reading.results import StudyResults, TableResults

MEASURES = {"d_prime": "d'", "auc": "AUC"}


def verdict_of_study(study: Study, results: StudyResults) -> list[str]:
    """The result of a study in a few sentences."""
    readers = len(results.checks)
    told = []
    if results.simulated:
        which = (
            "All readers are"
            if len(results.simulated) == readers
            else f"{len(results.simulated)} of {readers} readers are"
        )
        told.append(f"Simulated. {which} programs, not people: this page says nothing about the images.")
    if results.answered[0] < results.answered[1]:
        told.append(f"Not complete: {results.answered[0]} of {results.answered[1]} scored trials are answered. What "
                    "stands here may still change.")  # fmt: skip
    told += _told_apart(study, results)
    told += [_equivalent(study, name, one) for name, one in results.equivalence.items()]
    if not results.equivalence and study.trial.truth != "target":
        told.append("No equivalence margin was fixed before reading, so this study can show a difference, and cannot "
                    "show that there is none.")  # fmt: skip
    told += _scores(results)
    if any(cue.verdict == "refuse" for cue in study.protocol.cues):
        told.append("The blinding audit found that something trivial tells real from synthetic images, and the study "
                    "was begun all the same: readers may have judged that.")  # fmt: skip
    return told


def verdict_of_table(results: TableResults) -> list[str]:
    """The result of a table in a few sentences."""
    multi = results.by_covariance.get("unbiased")
    readers = len(results.table.readers)
    told = []
    for place, name in enumerate(results.shot.modalities):
        mean = multi.modalities[place] if multi else None
        interval = (
            f" (95 % interval {_interval(mean)})"
            if mean
            else f" (standard error {results.shot.standard_error(place):.3f})"
        )
        told.append(f"{readers} reader{'s' * (readers > 1)} reached an AUC of "
                    f"{results.shot.areas[place]:.3f}{interval} in modality {name}.")  # fmt: skip
    for gap in multi.differences if multi else ():
        shown = (
            "The difference is shown"
            if gap.p < 0.05
            else "No difference is shown, which is not to show that there is none"
        )
        told.append(f"{gap.name}: {gap.value:+.3f} (95 % interval {_interval(gap)}, p = {gap.p:.3f}). {shown}.")
    return told


def warnings_of_study(study: Study, results: StudyResults) -> list[str]:
    """What a reader of the numbers must know before trusting them."""
    told = list(results.notes)
    if len(results.checks) == 1:
        told.append("There is one reader; what is found holds for this reader and says little about others.")
    elif len(results.checks) < 5:
        told.append(
            f"There are {len(results.checks)} readers: how readers differ is poorly known, and intervals are wide."
        )
    told += [f"Reader {reader} failed {failed} of {total} attention checks."
             for reader, (total, failed) in results.checks.items() if failed]  # fmt: skip
    told += [f"Blinding: {cue.told}." for cue in study.protocol.cues if cue.verdict != "fine"]
    if study.settings.feedback and study.settings.warmup:
        told.append(
            "Readers were told the truth in a warm-up: the numbers are those of readers who know what to look for."
        )
    if study.trial.paradigm == "two_alternative":
        told.append("Pairs: d' = sqrt(2) z(share of right answers). It is comparable with the d' of single images, the "
                    "share is not.")  # fmt: skip
    return told


def _told_apart(study: Study, results: StudyResults) -> Iterator[str]:
    multi = results.areas.by_covariance.get("unbiased") if results.areas else None
    areas = {one.name: one for one in multi.modalities} if multi else {}
    for one in results.d_prime:
        area = areas.get(one.name)
        d_prime = f"d' {one.value:.2f} (95 % interval {_interval(one)})"
        if study.trial.truth == "target":
            found = f" The LROC area is {area.value:.2f} ({_interval(area)})." if area else ""
            yield f"In {one.name} images readers tell cases with a target from those without at {d_prime}.{found}"
            continue
        beside = f", AUC {area.value:.2f} ({_interval(area)})" if area else ""
        yield f"Readers tell {one.name} from real images at {d_prime}{beside}. {_against_chance(one, area)}"
    for gap in results.d_differences:
        if gap.p < 0.05:
            yield (
                f"They tell the sets apart unequally well: d' of {gap.name} is {gap.value:+.2f} ({_interval(gap)}, "
                f"p = {gap.p:.3f})."
            )


def _against_chance(one: Estimate, area: Estimate | None) -> str:
    differs = not one.low <= 0 <= one.high or (area is not None and not area.low <= 0.5 <= area.high)
    if differs and one.value > 0:
        return "That is more than chance: they can tell."
    if differs:
        return "That is below chance: they call real images synthetic."
    largest = max(abs(one.low), abs(one.high))
    return (
        f"That is not shown to differ from chance; with this interval a d' of up to {largest:.2f} would not have been "
        "noticed."
    )


def _equivalent(study: Study, name: str, one: Equivalence) -> str:
    what = f"{MEASURES[study.settings.measure]} of {name} within {one.margin:g} of {one.target:g}"
    interval = f"(90 % interval {one.low:.2f} to {one.high:.2f}, p = {one.p:.3f})"
    if one.equivalent:
        also = " It differs from chance all the same, by less than the margin." if one.different else ""
        return f"Equivalence is shown: {what} {interval}.{also}"
    if one.worse:
        return f"Equivalence is ruled out: {what} is not so {interval}."
    return f"Equivalence is not shown: {what} {interval}. More images or readers may decide it."


def _scores(results: StudyResults) -> Iterator[str]:
    if results.scores:
        means = ", ".join(f"{one.name} {one.mean:.2f} ({one.low:.2f} to {one.high:.2f})" for one in results.scores)
        yield f"Mean scores: {means}."
        apart = [one for one in results.comparisons if one.p_adjusted < 0.05]
        if apart:
            words = ", ".join(f"{one.one} and {one.other} by {one.difference:+.2f}" for one in apart)
            yield f"These differ (Holm, 5 %): {words}."


def _interval(one: Estimate) -> str:
    return f"{one.low:.2f} to {one.high:.2f}"

"""The tables and figures of a report on readings."""

from collections.abc import Sequence

import numpy as np

from synthmed.evaluation._contract import Table, number
from synthmed.pages.figures import COLOURS, Figure, new_plot, plot_figure
from synthmed.reading.analysis.observer import Estimated
from synthmed.reading.analysis.obuchowski_rockette import Estimate
from synthmed.reading.analysis.roc import curve
from synthmed.reading.protocol import Study
from synthmed.reading.readings import Reading
from synthmed.reading.results import FEWEST_CHECKS, StudyResults, TableResults

_DASHES = ("-", "--", ":", "-.")


def tables_of_study(study: Study, results: StudyResults) -> list[Table]:
    """Every table of a study, the most asked-for first."""
    found = [_detection(results), _courses(results)]
    if results.scores:
        found += [_scores(study, results), _comparisons(results)]
    if results.areas:
        found += tables_of_table(results.areas)
    found += [_retests(results), _times(results)]
    return [table for table in found if table.rows]


def tables_of_table(results: TableResults) -> list[Table]:
    """Every table of a table of readings."""
    areas = Table(
        caption="Area under the ROC curve, by reader: empirical with DeLong's interval (on the logit scale), and under "
        "the binormal curve",
        columns=["Reader", "Modality", "AUC", "95 % interval", "Cases", "Binormal AUC", "a", "b"],
        rows=[[one.reader, one.modality, number(one.area.value), _range(one.area.low, one.area.high),
               f"{one.area.positives} + {one.area.negatives}",
               one.binormal.trouble or number(one.binormal.area), _or(one.binormal.trouble, one.binormal.a),
               _or(one.binormal.trouble, one.binormal.b)] for one in results.readers],
    )  # fmt: skip
    shot = results.shot
    rows = []
    for how, multi in results.by_covariance.items():
        for one in (*multi.modalities, *multi.differences):
            rows.append([f"Obuchowski-Rockette, {how}", *_estimate(one)])
    for place, name in enumerate(shot.modalities):
        rows.append(["One-shot U-statistic", name, number(shot.areas[place]), number(shot.standard_error(place)),
                     _degrees(shot.degrees[place, place]), "-", "-"])  # fmt: skip
    pairs = [(a, b) for a in range(len(shot.areas)) for b in range(a + 1, len(shot.areas))]
    for a, b in pairs:
        gap, error = shot.difference(a, b)
        rows.append(["One-shot U-statistic", f"{shot.modalities[a]} - {shot.modalities[b]}", number(gap), number(error),
                     _degrees(shot.degrees[a, b]), "-", "-"])  # fmt: skip
    together = Table(
        caption="Readers' mean AUC; readers and cases both drawn at random. On crossed data the unbiased row and the "
        "one-shot U-statistic are the same number, found in two ways",
        columns=["Analysis", "Modality", "Mean", "Standard error", "df", "95 % interval", "p"], rows=rows,
    )  # fmt: skip
    return [areas, together]


def figures_of_study(study: Study, results: StudyResults, answers: Sequence[Reading]) -> list[Figure]:
    """ROC curves, and response times over the trials."""
    found = figures_of_table(results.areas) if results.areas else []
    plot, (axis,) = new_plot(6.5, 3.0)
    for row, reader in enumerate(results.checks):
        mine = [one for one in answers if one.reader == reader and one.role != "warmup" and one.session == 1]
        axis.plot([one.position for one in mine], [one.response_ms / 1000 for one in mine], _DASHES[row % 4],
                  linewidth=1, color=list(COLOURS.values())[row % 3], label=_plain(reader))  # fmt: skip
    axis.set(xlabel="trial", ylabel="seconds from paint to answer", yscale="log")
    axis.legend(frameon=False, fontsize=8)
    found.append(
        plot_figure("Response times over the trials", "One line a reader, first session; logarithmic scale.", plot)
    )
    return found


def figures_of_table(results: TableResults) -> list[Figure]:
    """The ROC curves of every modality: points as counted, lines binormal."""
    modalities = results.table.modalities
    plot, axes = new_plot(3.5 * min(3, len(modalities)), 3.4 * -(-len(modalities) // 3), min(3, len(modalities)),
                          rows=-(-len(modalities) // 3))  # fmt: skip
    for axis, modality in zip(axes, modalities, strict=False):
        axis.plot([0, 1], [0, 1], color=COLOURS["real"], linewidth=1, linestyle="--")
        for row, one in enumerate(one for one in results.readers if one.modality == modality):
            part = results.table.one(modality=modality, reader=one.reader)
            alarms, hits = curve(part.truth, part.rating)
            colour = list(COLOURS.values())[row % 3]
            smooth = np.linspace(0.001, 0.999, 200)
            if one.binormal.trouble:
                axis.plot(alarms, hits, color=colour, linewidth=1.2, linestyle=_DASHES[row // 3 % 4])
            else:
                axis.plot(smooth, one.binormal.sensitivity(smooth), color=colour, linewidth=1.2,
                          linestyle=_DASHES[row // 3 % 4])  # fmt: skip
            axis.plot(
                alarms, hits, "o", markersize=3, color=colour, label=_plain(f"{one.reader}: {one.area.value:.2f}")
            )
        axis.set(xlabel="false positive fraction", ylabel="true positive fraction", xlim=(0, 1), ylim=(0, 1.02))
        axis.set_title(_plain(modality), fontsize=10)
        axis.legend(frameon=False, loc="lower right", fontsize=7)
    for axis in axes[len(modalities) :]:
        axis.set_visible(False)
    caption = (
        "Dots: operating points as counted. Lines: binormal curves, or the points joined where none can be fitted."
    )
    return [plot_figure("ROC curves", caption, plot)]


def _detection(results: StudyResults) -> Table:
    rows = [["all, over readers and cases", one.name, number(one.value), _range(one.low, one.high), "-", "-", "-", "-"]
            for one in results.d_prime]  # fmt: skip
    for one in results.courses:
        found = one.detection
        rows.append([one.reader, one.modality, number(found.d_prime), _range(found.d_low, found.d_high),
                     f"{found.criterion:.2f} ({_range(found.c_low, found.c_high)})", f"{100 * found.correct:.1f} %",
                     f"{100 * found.hit_rate:.1f} %", f"{100 * (1 - found.false_alarm_rate):.1f} %"])  # fmt: skip
    formula = {"yes_no": "z(H) - z(F)", "two_alternative": "sqrt(2) z(share of right answers)"}
    paradigm = results.courses[0].detection.paradigm if results.courses else "yes_no"
    return Table(
        caption=f"d' = {formula[paradigm]}, log-linear; c above 0 leans to the answer of truth 0",
        columns=["Reader", "Set", "d'", "95 % interval", "c", "Right", "Truth 1 right", "Truth 0 right"], rows=rows,
    )  # fmt: skip


def _courses(results: StudyResults) -> Table:
    rows = []
    for one in results.courses:
        if one.course is not None:
            total, failed = results.checks[one.reader]
            rows.append([one.reader, one.modality, _with_range(one.course.d_prime), _with_range(one.course.criterion),
                         _with_range(one.course.drift),
                         _with_range(one.course.lapse) if one.course.lapse else f"needs {FEWEST_CHECKS} checks",
                         f"{failed} of {total}"])  # fmt: skip
    return Table(
        caption="The course of each reader by maximum likelihood, with profile intervals that hold for all numbers "
        "of a reader together (95 %): d' of attended trials "
        "in the middle of the session, its change from the first to the last trial, and the share of trials answered "
        "at random",
        columns=["Reader", "Set", "d'", "c", "Drift of d'", "Lapses", "Checks failed"], rows=rows,
    )  # fmt: skip


def _scores(study: Study, results: StudyResults) -> Table:
    levels = [f"{level:g}" for level in study.trial.scores]
    rows = [[one.name, f"{one.mean:.2f}", f"{one.low:.2f} to {one.high:.2f}", 
             *(f"{100 * share:.0f} %" for share in one.shares), str(one.n)] for one in results.scores]  # fmt: skip
    return Table(caption="Mean scores with intervals over readers and cases (bootstrap), and the share of each score",
                 columns=["Set", "Mean", "95 % interval", *levels, "Answers"], rows=rows)  # fmt: skip


def _comparisons(results: StudyResults) -> Table:
    rows = [[f"{one.one} - {one.other}", f"{one.difference:+.2f}", one.test, number(one.p), number(one.p_adjusted),
             str(one.n)] for one in results.comparisons]  # fmt: skip
    return Table(caption="Scores compared by the cases' means over readers; p corrected by Holm",
                 columns=["Sets", "Difference", "Test", "p", "p corrected", "n"], rows=rows)  # fmt: skip


def _retests(results: StudyResults) -> Table:
    rows = [
        [
            one.reader,
            one.between,
            number(one.agreement.matching),
            _range(one.agreement.matching_low, one.agreement.matching_high),
            number(one.agreement.kappa),
            _range(one.agreement.kappa_low, one.agreement.kappa_high),
            str(one.agreement.n),
        ]
        for one in results.retests
    ]
    both = results.between_readers
    if both is not None:
        rows.append(["all with each other", "Fleiss' kappa", number(both.matching), "-", number(both.kappa),
                     _range(both.kappa_low, both.kappa_high), str(both.n)])  # fmt: skip
    return Table(caption="Agreement: simple matching (share of equal answers) and kappa (beyond chance)",
                 columns=["Reader", "Between", "Matching", "95 % interval", "Kappa", "95 % interval", "Cases"],
                 rows=rows)  # fmt: skip


def _times(results: StudyResults) -> Table:
    rows = [[one.reader, one.modality, f"{one.median_ms / 1000:.1f}",
             f"{one.quartiles_ms[0] / 1000:.1f} to {one.quartiles_ms[1] / 1000:.1f}", number(one.slower_when_wrong),
             f"{100 * (np.exp(one.speeding_up) - 1):+.0f} %", number(one.halves[0]),
             number(one.halves[1])] for one in results.courses]  # fmt: skip
    return Table(caption="Response times in seconds from paint to answer, and learning over the trials",
                 columns=["Reader", "Set", "Median", "Middle half", "Wrong / right", "First to last trial",
                          "d' in the first half", "d' in the second half"], rows=rows)  # fmt: skip


def _estimate(one: Estimate) -> list[str]:
    return [
        one.name,
        number(one.value),
        number(one.standard_error),
        _degrees(one.df),
        _range(one.low, one.high),
        number(one.p),
    ]


def _with_range(one: Estimated) -> str:
    low = f"{one.low:.2f}" if np.isfinite(one.low) else "open"
    high = f"{one.high:.2f}" if np.isfinite(one.high) else "open"
    return f"{one.value:.2f} ({low} to {high})"


def _plain(name: str) -> str:
    """A name as it is: matplotlib would read formulas into dollars and leave out what begins with an underscore."""
    return name.replace("$", r"\$") if not name.startswith("_") else "\u200b" + name.replace("$", r"\$")


def _range(low: float, high: float) -> str:
    return "-" if np.isnan(low) else f"{low:.2f} to {high:.2f}"


def _degrees(df: float) -> str:
    return "-" if not np.isfinite(df) else f"{df:.2f}"


def _or(trouble: str, value: float) -> str:
    return "-" if trouble else number(value)

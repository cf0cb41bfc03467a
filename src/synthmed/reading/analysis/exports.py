"""Readings as files for other programs: CSV, and the text format of iMRMC for re-analysis.

iMRMC has one line a reading (reader, case, modality, score) and one line a case with its truth, after "BEGIN DATA:".
"""

from synthmed.files import tables
from synthmed.harmless import cell
from synthmed.reading.analysis.table import COLUMNS, ReaderTable


def as_csv(table: ReaderTable) -> str:
    """The table as CSV; ``read_table`` reads it back."""
    return tables.as_csv(COLUMNS, _rows(table))


def as_imrmc(table: ReaderTable, title: str) -> str:
    """The table in iMRMC's text format; commas in names become semicolons."""
    truths = dict(zip(table.case, table.truth.tolist(), strict=True))
    lines = [
        _word(title),
        f"NR: {len(table.readers)}",
        f"N0: {sum(truth == 0 for truth in truths.values())}",
        f"N1: {sum(truth == 1 for truth in truths.values())}",
        f"NM: {len(table.modalities)}",
        "BEGIN DATA:",
        *(f"truth,{_word(case)},truth,{truth}" for case, truth in truths.items()),
        *(
            f"{_word(reader)},{_word(case)},{_word(modality)},{rating}"
            for reader, case, modality, _, rating in _rows(table)
        ),
    ]
    return "\n".join(lines) + "\n"


def _rows(table: ReaderTable) -> list[tuple[str, str, str, int, str]]:
    return [
        (reader, case, modality, int(truth), f"{rating:.17g}")
        for reader, case, modality, truth, rating in zip(
            table.reader, table.case, table.modality, table.truth, table.rating, strict=True
        )
    ]


def _word(text: str) -> str:
    return cell(text).replace(",", ";")

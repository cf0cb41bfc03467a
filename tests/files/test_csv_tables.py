"""Tables: no cell is a formula or commands a terminal, and what is read is what was written."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from synthmed.files.tables import as_csv, read_csv, write_csv
from synthmed.reading.analysis.exports import as_csv as readings_csv
from synthmed.reading.analysis.exports import as_imrmc
from synthmed.reading.analysis.table import ReaderTable, read_table
from synthmed.reading.protocol import Case, _read_cases, cases_csv
from synthmed.samples import Sample, SampleSet, write_samples

EVIL = ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1+1", "-2+3", "'=x", "\t=x", "plain"]
EVIL += ['a "b", c', "", "-1.5", "＝1", "\x1b[2J"]
PRINTED = [*EVIL[:5], "\\t=x", *EVIL[6:-1], "\\x1b[2J"]


def harmless(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text.isprintable() and not text.startswith(("=", "+", "-", "@", "＝"))
    return True


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


def test_a_table_comes_back_and_computes_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ("a", "b"), ((text, number) for number, text in enumerate(EVIL)))
    text = (tmp_path / "t.csv").read_text()
    assert text == as_csv(("a", "b"), zip(EVIL, range(len(EVIL)), strict=True))
    assert all(map(harmless, cells(text)))
    assert list(read_csv(tmp_path / "t.csv")) == [["a", "b"], *([one, str(n)] for n, one in enumerate(PRINTED))]


@pytest.mark.parametrize("text", ["", "a,b\n1\n", "a,b\n1,2,3\n", 'a,b\n"1,2\n', "a,b\n1,\udcff2\n", "a,b\n\n"])
def test_a_table_that_was_not_written_so_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError):
        list(read_csv(tmp_path / "t.csv"))


def test_classes_and_origins_of_samples_are_no_formulas(tmp_path: Path) -> None:
    image = np.zeros((1, 4, 4), np.uint8)
    drawn = [(Sample(seed=1, label=one, lineage="sampled", mask_from=one), image, None) for one in EVIL]
    write_samples(tmp_path / "set", drawn, inputs={}, facts={})
    assert all(map(harmless, cells((tmp_path / "set" / "samples.csv").read_text())))
    assert [(one.label, one.mask_from) for one in SampleSet.open(tmp_path / "set").samples] == [
        (one, one) for one in PRINTED
    ]


def test_exports_of_a_study_are_no_formulas(tmp_path: Path) -> None:
    names = [one for one in EVIL if one.strip() and one.isprintable()]
    rows = [{"reader": name, "case": f"{name}{truth}", "modality": name, "truth": truth, "rating": -truth}
            for name in names for truth in (0, 1)]  # fmt: skip
    table = ReaderTable.of(rows)
    text = readings_csv(table)
    assert all(map(harmless, cells(text)))
    (tmp_path / "ratings.csv").write_text(text)
    assert repr(read_table(tmp_path / "ratings.csv")) == repr(table)
    assert all(harmless(word) for line in as_imrmc(table, "=a\nb").splitlines() for word in line.split(","))
    cases = [Case(name=name, modality=name, truth=1, part="scored", stimuli=(1, 2), group=name, origin=name)
             for name in names]  # fmt: skip
    (tmp_path / "cases.csv").write_text(cases_csv(cases))
    assert all(map(harmless, cells(cases_csv(cases)))) and _read_cases(tmp_path / "cases.csv") == tuple(cases)

"""The table of a folder: whose row is whose, and what it cannot be."""

import pytest

from synthmed.errors import SourceError
from synthmed.sources.metadata import Metadata


def table(tmp_path, text, images, root=""):
    (tmp_path / "metadata.csv").write_text(text)
    return Metadata(tmp_path / "metadata.csv", images, root)


def test_a_row_is_found_by_the_exactest_name(tmp_path):
    images = ["set/a/1.png", "set/b/1.png", "set/b/2.png"]
    rows = table(tmp_path, "file_name,label\na/1.png,x\nset/b/1.png,y\n2.png,z\n", images, "set/")
    assert [rows.row(name)["label"] for name in images] == ["x", "y", "z"]
    assert list(rows.unused()) == []


def test_a_row_that_several_files_could_have_is_no_ones(tmp_path):
    rows = table(tmp_path, "file_name,label\n1.png,x\n", ["a/1.png", "b/1.png"])
    for name in ("a/1.png", "b/1.png"):
        with pytest.raises(SourceError, match=r"could be that of several files of this name.*folder before"):
            rows.row(name)


def test_a_series_is_named_by_its_folder_or_by_any_of_its_files(tmp_path):
    images = ["anna/CT", "anna/CT/1", "anna/CT/2", "bert/CT/1"]
    rows = table(tmp_path, "file_name,patient_id\nanna/CT/,A\nbert/CT/1,B\n", images)
    assert rows.row("anna/CT", "anna/CT/1", "anna/CT/2") == {"patient_id": "A"}
    assert rows.row("bert/CT", "bert/CT/1") == {"patient_id": "B"}
    rows = table(tmp_path, "file_name,patient_id\nanna/CT/1,A\nanna/CT/2,B\n", images)
    with pytest.raises(SourceError, match="says different things of its files"):
        rows.row("anna/CT", "anna/CT/1", "anna/CT/2")


def test_without_a_table_every_row_is_empty(tmp_path):
    assert Metadata(None, ["a.png"]).row("a.png") == {} and list(Metadata(None, []).unused()) == []

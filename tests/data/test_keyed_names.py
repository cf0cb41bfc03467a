"""No name of a person or of a file enters a prepared set or a message; who owns the key finds the file."""

import csv
import re
import stat
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthmed.data.dataset import PreparedDataset
from synthmed.data.keyed_names import KeyedNames, OwnNames, list_file
from synthmed.data.kinds._contract import Item
from synthmed.data.prepare import prepare
from synthmed.data.pseudonyms import default_key_file, keyed_file
from synthmed.data.shards import FinishedShards
from synthmed.errors import ArtifactError, SourceError
from synthmed.harmless import cell, from_cell, printable

KEY = bytes(range(32))
NAMES = ["clinic/MEIER_ANNA_19600312_R.dcm", "Dr. Who/scan (1).tif", "images/Wu/IM001", "Li.png", "images/Müller 7.png"]


def picture(path, seed, size=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size), np.uint8)).save(path)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("MEIER_ANNA_19600312_R.dcm is damaged.", "F... is damaged."),
        ("It is clinic/MEIER_ANNA_19600312_R.dcm; remove one.", "It is F...; remove one."),
        ("No slice of Dr. Who has body.", "No slice of F... has body."),
        ("Others have its stem (scan (1).tif, Li.png).", "Others have its stem (F..., F...)."),
        ("The mask Li.png, of Li, 'Wu'.", "The mask F..., of F..., 'F...'."),
        (unicodedata.normalize("NFC", "It is Müller 7.png."), "It is F...."),
        ("Its images have masks of 16 bits; convert it.", "Its images have masks of 16 bits; convert it."),
    ],
)  # fmt: skip
def test_names_are_replaced_in_sentences_and_nothing_else(sentence, said):
    names = KeyedNames(KEY, [unicodedata.normalize("NFD", name) for name in NAMES])
    assert re.sub(r"F[0-9a-f]{12}", "F...", names.sentence(sentence)) == said
    assert len(names.met) >= said.count("F...") - 1


def test_a_name_has_one_keyed_name_and_another_key_another():
    composed, decomposed = (unicodedata.normalize(form, "Müller.png") for form in ("NFC", "NFD"))
    names = KeyedNames(KEY, [composed])
    assert names.of(composed) == names.of(decomposed) == keyed_file(composed, KEY) != keyed_file(composed, bytes(32))


def source_of(folder):
    """Images called like persons: four to use, and files that are left out for many reasons."""
    for seed, name in enumerate(("Meier_Anna", "Meier_Bert", "Kowalski", "Nguyen", "Rossi", "Rossi_Copy", "Larger")):
        picture(folder / "images" / f"{name}_19600312.png", min(seed, 4), 16)
        picture(folder / "masks" / f"{name}_19600312.png", 0, 16)
        mask = Image.fromarray((np.arange(256).reshape(16, 16) % 2 * 255).astype(np.uint8))
        mask.save(folder / "masks" / f"{name}_19600312.png")
    Image.new("L", (3, 3)).save(folder / "masks" / "Nguyen_19600312.png")
    (folder / "images" / "Kowalski_19600312.png").write_bytes(b"broken")
    (folder / "images" / "=cmd|Schmidt.png").write_bytes(b"broken")
    (folder / "images" / "Schmidt\x1b[31m.txt").write_text("a letter")
    (folder / "masks" / "Alone_Schmidt.png").write_bytes((folder / "masks" / "Larger_19600312.png").read_bytes())
    return folder


PARTS = (b"Meier", b"Kowalski", b"Nguyen", b"Rossi", b"Larger", b"Schmidt", b"19600312", b"Alone", b"cmd")


def test_no_part_of_a_name_is_in_the_set_and_the_list_beside_the_key_leads_back(tmp_path):
    source = source_of(tmp_path / "source")
    dataset = prepare(source, tmp_path / "data", size=16, key=tmp_path / "keys" / "mine")
    for file in dataset.path.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [part for part in PARTS if part in content], file.name
        assert file.suffix not in (".csv", ".json") or b"\x1b" not in content
    listed = list_file(tmp_path / "keys" / "mine", tmp_path / "data")
    assert listed.parent.parent == tmp_path / "keys" and stat.S_IMODE(listed.stat().st_mode) == 0o600
    with (dataset.path / "rejected.csv").open(newline="") as file:
        told = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    with listed.open(newline="") as file:
        kept = {row["name"]: row for row in csv.DictReader(file)}
    assert set(told) <= set(kept) and dataset.num_rejected == len(told) == 11
    assert "images/Kowalski_19600312.png" in {kept[name]["file"] for name in told}
    for name, reason in told.items():
        for word in reason.replace(";", " ").replace(",", " ").split():
            if word.strip(".:")[:1] == "F" and len(word.strip(".:")) == 13:
                assert word.strip(".:") in kept, name


def test_an_error_names_no_file_and_says_where_the_names_stand(tmp_path):
    for name in ("Meier_Anna.png", "Meier_Bert.png"):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source" / name).write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"What is called F[0-9a-f]{12} here stands in") as refused:
        prepare(tmp_path / "source", tmp_path / "data", size=16)
    listed = list_file(default_key_file(), tmp_path / "data")
    assert "Meier" not in str(refused.value) and "Meier_Anna.png" in listed.read_text()
    assert refused.value.__suppress_context__


def test_what_a_killed_preparation_leaves_behind_names_nobody(tmp_path, monkeypatch):
    def killed(*_):
        raise SystemExit  # as a kill leaves it: nothing is cleaned up after the shards

    source, key = source_of(tmp_path / "source"), tmp_path / "keys" / "mine"
    with monkeypatch.context() as patch:
        patch.setattr(FinishedShards, "link_into", killed)
        with pytest.raises(SystemExit):
            prepare(source, tmp_path / "sets" / "data", size=16, key=key, workers=1)
    left = [file for file in (tmp_path / "sets").rglob("*") if file.is_file()]
    assert any(file.name == "left_out.csv" and file.stat().st_size > 100 for file in left)
    for file in left:
        assert not [part for part in PARTS if part in file.read_bytes() + file.name.encode()], file
    listed = list_file(key, tmp_path / "sets" / "data")
    listed.unlink(missing_ok=True)
    stopped = prepare(source, tmp_path / "sets" / "data", size=16, key=key, workers=1)
    assert [entry.name for entry in (tmp_path / "sets").iterdir()] == ["data"]
    beside = prepare(source, tmp_path / "at once", size=16, key=key, workers=1)
    assert stopped.digest == beside.digest
    assert listed.read_text() == list_file(key, tmp_path / "at once").read_text()
    # As the name of a row, in a reason in full, and for who meets it in another: beside the key alone.
    assert listed.read_text().count("Kowalski_19600312.png") == 4


@pytest.mark.parametrize("name", ["Meier_Anna.png", "=cmd|' /C calc'!A0.png", "a ⟦0⟧ b/x.png", "Müller 7/IM1.dcm"])
def test_reasons_are_hidden_and_shown_again_by_the_item_alone(name):
    item = Item(name=name, files=(Path("/home/Schmidt") / name,), patient_id="x")
    names = OwnNames(item)
    for reason in (f"{Path(name).name} is cut short.", f"The mask of {name}: 3 x 4.", "It is empty.", f"'{name}'."):
        hidden = names.hidden(reason)
        assert names.shown(hidden) == reason and not {"Meier", "cmd", "ller"} & set(re.split(r"\W|_", hidden))


def test_without_anything_left_out_there_is_no_list(tmp_path):
    picture(tmp_path / "source" / "a.png", 0)
    picture(tmp_path / "source" / "b.png", 1)
    prepare(tmp_path / "source", tmp_path / "data", size=16)
    assert not list_file(default_key_file(), tmp_path / "data").exists()


def test_labels_that_would_be_formulas_reach_no_table_raw_and_come_back_whole(tmp_path):
    labels = ["=1+1", "+", "-", "@SUM", "-1", "'=x", "plain", "a\x1b[31mb"]
    for seed in range(len(labels)):
        picture(tmp_path / "source" / "images" / f"{seed}.png", seed)
    lines = ["file_name,patient_id,label", *(f"{seed}.png,{seed},{label}" for seed, label in enumerate(labels))]
    (tmp_path / "source" / "metadata.csv").write_text("\n".join(lines))
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    with (dataset.path / "index.csv").open(newline="") as file:
        cells = [row["label"] for row in csv.DictReader(file)]
    assert not [one for one in cells if one.startswith(("=", "+", "@")) or one == "-" or "\x1b" in one]
    assert [row.label for row in PreparedDataset.open(dataset.path).rows] == [*labels[:-1], "a\\x1b[31mb"]


@pytest.mark.parametrize("text", ["=x", "+x", "-x", "@x", "'=x", "''=x", "'x", "x", "", "-1.5", "＝x"])
def test_a_cell_comes_back(text):
    assert from_cell(cell(text)) == text and not cell(text).startswith(("=", "+", "@", "-x"))


def test_errors_hold_nothing_that_commands_a_terminal():
    assert str(ArtifactError("a\x1b[2J\nb\u202ec")) == "a\\x1b[2J\\nb\\u202ec"
    assert printable("Müller 山田") == "Müller 山田"

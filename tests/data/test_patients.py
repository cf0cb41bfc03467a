"""One person is on one side of a split, in whatever form the name comes; and a set says what it cannot serve for."""

import re
import unicodedata
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from synthmed import cli
from synthmed.data.cautions import shortcomings
from synthmed.data.prepare import prepare
from synthmed.errors import SourceError


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16), np.uint8)).save(path)


def patients_of(dataset):
    return {row.patient_id: {other.split for other in dataset.rows if other.patient_id == row.patient_id}
            for row in dataset.rows}  # fmt: skip


def test_a_table_finds_files_whose_names_are_composed_otherwise(tmp_path):
    for seed, name in enumerate(("Müller_1", "Müller_2", "Núñez_1", "Núñez_2")):
        picture(tmp_path / "source" / "images" / f"{unicodedata.normalize('NFD', name)}.png", seed)
    lines = [f"{name}_{k}.png,{name}" for name in ("Müller", "Núñez") for k in (1, 2)]
    (tmp_path / "source" / "metadata.csv").write_text("\n".join(["file_name,patient_id", *lines]))
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    assert len(dataset) == 4 and dataset.num_rejected == 0 and len(patients_of(dataset)) == 2


def test_one_person_in_many_forms_is_one_patient(tmp_path):
    forms = ["Müller", unicodedata.normalize("NFD", "Müller"), " Müller ", "MÜLLER", "MÃ¼ller"]
    others = [f"Q{number}" for number in range(15)]
    lines = []
    for seed, name in enumerate([*forms, *others]):
        picture(tmp_path / "source" / "images" / f"{seed}.png", seed)
        lines.append(f"{seed}.png,{name}")
    (tmp_path / "source" / "metadata.csv").write_text("\n".join(["file_name,patient_id", *lines]), encoding="utf-8")
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16, holdout=0.3, test=0.3)
    assert len(patients_of(dataset)) == 16 and all(len(splits) == 1 for splits in patients_of(dataset).values())


def test_one_person_in_two_forms_in_two_declared_splits_is_refused(tmp_path):
    for seed in range(2):
        picture(tmp_path / "source" / "images" / f"{seed}.png", seed)
    table = tmp_path / "source" / "metadata.csv"
    table.write_text("file_name,patient_id,split\n0.png,Müller,train\n1.png,MÜLLER,test\n", encoding="utf-8")
    with pytest.raises(SourceError, match="is in the splits train and test") as refused:
        prepare(tmp_path / "source", tmp_path / "data", size=16)
    assert "ller" not in str(refused.value).lower()


def test_names_of_two_eyes_are_told_and_the_pattern_makes_one_patient_of_them(tmp_path):
    for seed, name in enumerate(f"pat{number}_{eye}" for number in range(10) for eye in ("OD", "OS")):
        picture(tmp_path / "source" / f"{name}.png", seed)
    alone = prepare(tmp_path / "source", tmp_path / "alone", size=16)
    assert "20 images counted as 20 patients; names look like those of 10: give --set 'patient=" in alone.summary
    pattern = alone.info.provenance["names_look_like"]["pattern"]
    joined = prepare(tmp_path / "source", tmp_path / "joined", size=16, overrides=[f"patient={pattern}"])
    assert len(patients_of(joined)) == 10 and "names look like" not in joined.summary


def test_a_table_that_says_the_patients_is_believed_and_one_that_does_not_is_not(tmp_path):
    names = [f"pat{number}_{eye}" for number in range(10) for eye in ("OD", "OS")]
    for seed, name in enumerate(names):
        picture(tmp_path / "source" / "images" / f"{name}.png", seed)
    table = tmp_path / "source" / "metadata.csv"
    table.write_text("\n".join(["file_name,patient_id", *(f"{name}.png,{name}" for name in names)]))
    assert "names look like" not in prepare(tmp_path / "source", tmp_path / "said", size=16).summary
    table.write_text("\n".join(["file_name,label", *(f"{name}.png,healthy" for name in names)]))
    assert "names look like" in prepare(tmp_path / "source", tmp_path / "unsaid", size=16).summary


def test_an_image_whose_name_the_pattern_does_not_fit_is_left_out(tmp_path):
    for seed, name in enumerate(("a1_x", "a2_x", "odd")):
        picture(tmp_path / "source" / f"{name}.png", seed)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16, overrides=["patient=(a.)_"])
    assert len(dataset) == 2 and dataset.num_rejected == 1


def test_a_set_that_serves_for_everything_has_no_shortcomings():
    assert shortcomings({"train": 14, "holdout": 2, "test": 4}) == []


SHORT = {
    "no holdout": ({"train": 20, "holdout": 0, "test": 20}, "cannot be audited in full.*--holdout 0.2"),
    "a holdout of one": ({"train": 7, "holdout": 1, "test": 2}, "has 1 patient in holdout.*--holdout 0.25"),
    "no test": ({"train": 20, "holdout": 5, "test": 0}, "compare refuses.*--metrics quick.*--test 0.2"),
    "no train": ({"train": 0, "holdout": 5, "test": 10}, "train refuses"),
    "too few": ({"train": 2, "holdout": 0, "test": 1}, "too few patients"),
}


@pytest.mark.parametrize(("patients", "words"), SHORT.values(), ids=SHORT)
def test_what_a_set_lacks_is_said_with_the_commands_that_refuse(patients, words):
    assert any(re.search(words, told) for told in shortcomings(patients))


def test_prepare_and_a_dry_run_say_what_a_set_lacks(tmp_path, capsys, monkeypatch):
    from synthmed import phantom

    def told(*words):
        monkeypatch.setattr("sys.argv", ["synthmed", *map(str, words)])
        with suppress(SystemExit):
            cli.main()
        return capsys.readouterr().out

    phantom("retina", tmp_path / "eyes", num=20, size=64)
    words = ["prepare", tmp_path / "eyes", tmp_path / "data", "--kind", "retina", "--size", 32]
    assert "cannot be audited in full" in told(*words)
    train = ["train", "pix2pix_tiny"]
    assert "cannot be audited in full" in told(*train, tmp_path / "data", tmp_path / "run", "--dry-run")
    again = told(*words[:2], tmp_path / "whole", *words[3:], "--holdout", 0.2)
    assert "10 test" in again and "2 holdout" in again and "refuse" not in again
    assert "refuse" not in told(*train, tmp_path / "whole", tmp_path / "run", "--dry-run")

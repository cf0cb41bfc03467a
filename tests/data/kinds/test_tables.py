"""``metadata.csv`` says the same to every kind: patients, splits and classes, and what it leaves out."""

import numpy as np
import pytest
from data.film import breast_film
from data.test_account import body, checked, picture, series, volume
from PIL import Image


def film(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((breast_film(64, 48, seed=seed)[0] * 255).astype(np.uint8)).save(path)


def contrasts(folder, seed):
    volume(folder / "flair.nii.gz", np.abs(body(seed)) + seed)
    volume(folder / "t1.nii.gz", np.abs(body(seed + 1)))


SETS = {
    "generic": ("images/{}.png", picture, []),
    "retina": ("images/{}.png", picture, []),
    "cells": ("images/{}.png", picture, []),
    "mammogram": ("films/{}.png", film, []),
    "ct": ("volumes/{}.nii.gz", lambda path, seed: volume(path, body(seed)), []),
    "breast_mr": ("{}", contrasts, ["contrasts={FLAIR='*/flair.nii.gz', T1='*/t1.nii.gz'}", "output=slices",
                                    "slices=4", "grid=64"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", SETS)
def test_patients_splits_and_classes_are_those_of_the_table(kind, tmp_path):
    name, save, settings = SETS[kind]
    source = tmp_path / "source"
    for seed in range(5):
        save(source / name.format(f"x{seed}"), 10 * seed + 1)
    files = [name.format(f"x{seed}") for seed in range(4)]
    splits = ("train", "train", "test", "")
    rows = [f"{file},p{seed // 2 if seed < 2 else seed},{splits[seed]},c{seed}" for seed, file in enumerate(files)]
    (source / "metadata.csv").write_text("\n".join(["file_name,patient_id,split,label", *rows, "gone.png,p9,,"]))
    dataset, account, reasons = checked(source, tmp_path / "data", kind=kind, size=32, overrides=settings)
    by_label = {row.label: row for row in dataset.rows}
    assert set(by_label) == {"c0", "c1", "c2", "c3"} and account.tables == 1
    assert by_label["c0"].patient_id == by_label["c1"].patient_id != by_label["c2"].patient_id
    assert (by_label["c0"].split, by_label["c2"].split) == ("train", "test")
    left_out = [reason for file, reason in reasons.items() if "x4" in file]
    assert left_out and all("metadata.csv has no row for it" in reason for reason in left_out)
    assert "it is not there" in reasons["gone.png"]


@pytest.mark.parametrize("kind", SETS)
def test_an_empty_patient_and_a_second_table_are_told(kind, tmp_path):
    name, save, settings = SETS[kind]
    source = tmp_path / "source"
    for seed in range(3):
        save(source / name.format(f"x{seed}"), 10 * seed + 1)
    rows = "".join(f"{name.format(f'x{seed}')},{'' if seed == 1 else seed}\n" for seed in range(3))
    (source / "metadata.csv").write_text(f"file_name,patient_id\n{rows}")
    deep = (source / name.format("x0")).parent / "deeper" / "metadata.csv"
    deep.parent.mkdir(parents=True)
    deep.write_text("file_name\n")
    _, _, reasons = checked(source, tmp_path / "data", kind=kind, size=32, overrides=settings)
    left_out = [reason for file, reason in reasons.items() if "x1" in file]
    assert left_out and all("empty patient_id" in reason for reason in left_out)
    assert "a table that is not read" in reasons[deep.relative_to(source).as_posix()]


def test_a_table_says_whose_series_are_that_name_nobody_and_goes_before_headers(tmp_path):
    source = tmp_path / "source"
    series(source / "a", "a")
    series(source / "bb", "bb")
    series(source / "ccc", "ccc", PatientID="", SeriesInstanceUID="1.2.99")
    (source / "metadata.csv").write_text("file_name,patient_id\na,same\nbb/IM0,same\nccc,other\n")
    dataset, account, _ = checked(source, tmp_path / "data", kind="ct", size=32)
    assert account.images == 9 and len({row.patient_id for row in dataset.rows}) == 2


def test_a_table_of_classes_of_lesions_goes_by_the_patients_of_the_folders_table(tmp_path):
    source = tmp_path / "source"
    for seed in range(2):
        contrasts(source / f"x{seed}", 10 * seed + 1)
    (source / "metadata.csv").write_text("file_name,patient_id,label\nx0,anna,benign\nx1,bert,benign\n")
    (tmp_path / "classes.csv").write_text("patient,class\nANNA,malignant\n")
    settings = SETS["breast_mr"][2]
    dataset, _, _ = checked(
        source, tmp_path / "data", kind="breast_mr", size=32, overrides=settings, table=tmp_path / "classes.csv"
    )
    assert {row.label for row in dataset.rows} == {"malignant", "benign"}

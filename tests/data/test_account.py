"""Every file under a source is an image, a mask, a table, or has a row with a reason; the sum is checked and told."""

import csv
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
from data.film import breast_film
from PIL import Image
from sources.dicom_files import dataset_of, write

from synthmed.data.account import Account
from synthmed.data.balance import account_of
from synthmed.data.keyed_names import list_file
from synthmed.data.prepare import prepare
from synthmed.errors import ConfigError, LayoutError, SourceError, SynthmedError


def picture(path, seed, size=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size), np.uint8)).save(path)


def mask(path, seed=0, size=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.arange(size * size).reshape(size, size) < size * (seed + 2)).astype(np.uint8) * 255).save(path)


def volume(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), path)


def body(seed):
    units = np.full((32, 32, 4), -1000, np.int16)
    units[6:26, 6:26] = 40 + seed
    return units


def series(folder, patient, slices=3, **words):
    rows, columns = np.mgrid[:32, :32]
    for number in range(slices):
        units = np.where(np.hypot(rows - 16, columns - 16) < 12, 40 + number, -1000)
        facts = {"SOPInstanceUID": f"1.2.9.{ord(patient[0])}.{number}"}
        facts |= {"PatientID": patient, "Modality": "CT", "SeriesInstanceUID": f"1.2.{len(patient)}.{ord(patient[0])}"}
        facts |= {"StudyInstanceUID": "1.2.3", "RescaleIntercept": -1024, "RescaleSlope": 1, "PixelSpacing": [1, 1]}
        facts |= {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, 3 * number]}
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / f"IM{number}", dataset_of((units + 1024).astype(np.uint16), **{**facts, **words}))


def told(out):
    """File -> reason, by the list that is kept beside the key."""
    with list_file(out.parent / "key", out).open(newline="") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file) if row["reason"]}


def checked(source, out, **options):
    """The set, its account and its rows; the account is compared with what the disk holds."""
    dataset = prepare(source, out, key=out.parent / "key", **options)
    account = Account(**dataset.info.provenance["account"])
    assert account.files == sum(not path.is_dir() for path in source.rglob("*"))
    assert account.files == account.images + account.masks + account.tables + account.left_out
    assert account.sentence in dataset.summary
    rows = told(out) if dataset.num_rejected else {}
    assert account.left_out == len(
        [file for file in rows if os.path.lexists(source / file) and not (source / file).is_dir()]
    )
    return dataset, account, rows


def test_files_of_every_sort_are_accounted_for(tmp_path):
    source = tmp_path / "source"
    for number in range(6):
        picture(source / "images" / f"{number}.png", number)
        mask(source / "masks" / f"{number}.png", number)
    (source / "images" / "0.png").write_bytes(b"broken")
    (source / "images" / "copy.png").write_bytes((source / "images" / "1.png").read_bytes())
    mask(source / "masks" / "copy.png", 1)
    picture(source / "previews" / "1.png", 99)
    (source / "readme.txt").write_text("notes")
    (source / ".DS_Store").write_text("")
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("")
    (source / "link.png").symlink_to("/etc/hostname")
    (source / "images" / "5.png").rename(tmp_path / "annexed.png")
    (source / "images" / "5.png").symlink_to(tmp_path / "annexed.png")
    rows = "".join(f"{number}.png,p{number}\n" for number in (*range(6), "copy"))
    (source / "metadata.csv").write_text(f"file_name,patient_id\n{rows}")
    dataset, account, reasons = checked(source, tmp_path / "data", size=16)
    assert (len(dataset), account.images, account.masks, account.tables) == (5, 5, 5, 1)
    assert account.linked == 1 and "1 is a link to files elsewhere." in account.sentence
    assert reasons["masks/0.png"] == reasons["masks/copy.png"] == "Its image is left out."
    assert "hidden" in reasons[".git/config"] and "hidden" in reasons[".DS_Store"]


def test_an_image_that_fails_when_it_is_made_takes_its_mask_along(tmp_path):
    source = tmp_path / "source"
    for number in range(4):
        picture(source / f"{number}.png", number)
        mask(source / f"{number}_mask.png", number)
    mask(source / "3_mask.png", size=9)
    _, account, reasons = checked(source, tmp_path / "data", size=16)
    assert (account.images, account.masks, account.left_out) == (3, 3, 2)
    assert "expected the same size" in reasons["3.png"] and "left out" in reasons["3_mask.png"]


def test_a_series_is_its_files_not_one_of_them(tmp_path):
    source = tmp_path / "source"
    series(source / "a", "a")
    series(source / "bb", "bb")
    series(source / "ccc", "ccc", Modality="PT")
    series(source / "dddd", "dddd", slices=4, RescaleIntercept=2000)
    _, account, reasons = checked(source, tmp_path / "data", kind="ct", size=32)
    assert (account.files, account.images, account.left_out) == (13, 6, 7)
    assert {reasons[f"ccc/IM{number}"] for number in range(3)} == {"Its modality is PT; expected CT."}
    assert len({reasons[f"dddd/IM{number}"] for number in range(4)}) == 1


def test_volumes_in_the_layout_of_nnunet(tmp_path):
    source = tmp_path / "source"
    for number in range(3):
        volume(source / "imagesTr" / f"liver_{number:03d}_0000.nii.gz", body(number))
        volume(source / "labelsTr" / f"liver_{number:03d}.nii.gz", (body(number) > 0).astype(np.uint8))
    with pytest.raises(ConfigError, match="no table says what they are"):
        prepare(source, tmp_path / "data", kind="ct", key=tmp_path / "key")
    (tmp_path / "table.csv").write_text("value,name\n1,liver\n")
    dataset, account, _ = checked(source, tmp_path / "data", kind="ct", size=32, table=tmp_path / "table.csv")
    assert (account.images, account.masks, account.left_out) == (3, 3, 0)
    assert dataset.masks().any(axis=(1, 2)).all()


def test_contrasts_beside_ct_are_told_by_their_names(tmp_path):
    source = tmp_path / "source"
    for patient in "ab":
        volume(source / patient / "CT.nii.gz", body(ord(patient) - 90))
        volume(source / patient / "PET.nii.gz", body(3).astype(np.float32))
        volume(source / patient / "SEG.nii.gz", (body(0) > 0).astype(np.uint8))
    (tmp_path / "table.csv").write_text("value,name\n1,lesion\n")
    _, account, reasons = checked(source, tmp_path / "data", kind="ct", size=32, table=tmp_path / "table.csv")
    assert (account.images, account.masks, account.left_out) == (2, 2, 2)
    assert "Its name says PT; expected CT" in reasons["a/PET.nii.gz"]


def test_organs_in_files_of_their_own_are_joined(tmp_path):
    source = tmp_path / "source"
    for patient in ("p1", "p2"):
        volume(source / patient / "ct.nii.gz", body(int(patient[1])))
        for place, organ in enumerate(("liver", "spleen")):
            labels = np.zeros((32, 32, 4), np.uint8)
            labels[8 + 8 * place : 12 + 8 * place, 8:12] = place + 1
            volume(source / patient / "segmentations" / f"{organ}.nii.gz", labels)
    (tmp_path / "table.csv").write_text("value,name\n1,liver\n2,spleen\n")
    dataset, account, _ = checked(source, tmp_path / "data", kind="ct", size=32, table=tmp_path / "table.csv")
    assert account.masks == 4
    assert [np.unique(one).tolist() for one in dataset.masks()] == [[0, 1, 2]] * 8


def test_several_masks_of_a_picture_are_joined_and_the_row_says_so(tmp_path):
    source = tmp_path / "source"
    drawn = np.zeros((2, 16, 16), np.uint8)
    drawn[0, :4], drawn[1, 2:8] = 255, 255
    for name in ("a", "b"):
        picture(source / f"{name}.png", ord(name))
        for number, one in enumerate(drawn):
            Image.fromarray(one).save(source / f"{name}_mask{'_1' * number}.png")
    dataset, account, _ = checked(source, tmp_path / "data", size=16)
    assert account.masks == 4 and {row.notes for row in dataset.rows} == {"2 masks joined"}
    np.testing.assert_array_equal(dataset.masks()[0], drawn.any(axis=0))


def test_no_set_of_masks_comes_about(tmp_path):
    for number in range(3):
        mask(tmp_path / "named" / f"{number}_mask.png", number)
        mask(tmp_path / "unnamed" / f"{number}.png", number)
        mask(tmp_path / "mixed" / f"{number}_gland.png", number)
        picture(tmp_path / "mixed" / f"{number}_x.png", number)
    with pytest.raises(LayoutError, match="All 3 pictures are masks"):
        prepare(tmp_path / "named", tmp_path / "data", key=tmp_path / "key")
    with pytest.raises(SourceError, match="the values 0 and 255 alone, as a mask does"):
        prepare(tmp_path / "unnamed", tmp_path / "data", key=tmp_path / "key")
    dataset, _, reasons = checked(tmp_path / "mixed", tmp_path / "data", size=16, overrides=["masks="])
    assert len(dataset) == 3 and "as a mask does" in reasons["0_gland.png"]
    wanted = ["masks=*_gland.png"]
    for number in range(3):
        (tmp_path / "mixed" / f"{number}_x.png").rename(tmp_path / "mixed" / f"{number}.png")
    assert checked(tmp_path / "mixed", tmp_path / "more", size=16, overrides=wanted)[1].masks == 3
    # Who says that they are images has them.
    assert len(checked(tmp_path / "unnamed", tmp_path / "drawn", size=16, overrides=["images=*.png"])[0]) == 3


def test_a_file_that_is_forgotten_is_a_mistake_that_is_told(tmp_path):
    picture(tmp_path / "a.png", 0)
    with pytest.raises(SynthmedError, match=r"1 of 1 files .* such as .*a\.png.*mistake in synthmed"):
        account_of(tmp_path, [], [], [])
    assert account_of(tmp_path, [], [Path("elsewhere.csv")], [("a.png", "It is left out.")]).left_out == 1


def _drive(source):
    from synthmed.phantoms import phantom

    phantom("retina", source, num=6, size=64)


def _films(source):
    for number in range(3):
        film, _ = breast_film(64, 48, seed=number)
        source.mkdir(exist_ok=True)
        Image.fromarray((film * 255).astype(np.uint8)).save(source / f"{number}.png")


LAYOUTS = {
    "retina": _drive,
    "generic": lambda source: [picture(source / "images" / f"{number}.png", number) for number in range(3)],
    "cells": lambda source: [picture(source / f"{number}.png", number) for number in range(3)],
    "ct": lambda source: [series(source / name, name) for name in ("a", "bb")],
    "mammogram": _films,
    "breast_mr": lambda source: [volume(source / name / "flair.nii.gz", np.abs(body(3))) for name in ("a", "b")],
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_links_loops_and_devices_have_a_row_in_every_layout(kind, tmp_path):
    source = tmp_path / "source"
    LAYOUTS[kind](source)
    deep = next(path.parent for path in sorted(source.rglob("*")) if path.is_file() and path.name != "manifest.json")
    odd = set()
    for place in {source, deep}:
        links = {"loop": "loop", "loop.png": "loop.png", "to.dcm": "fro.dcm", "fro.dcm": "to.dcm", "no.tif": "nowhere",
                 "up": ".", "out": "/", "device.png": "/dev/zero"}  # fmt: skip
        for name, target in links.items():
            (place / name).symlink_to(target)
        os.mkfifo(place / "pipe.png")
        odd |= {(place / name).relative_to(source).as_posix() for name in (*links, "pipe.png")}
    chosen = {"breast_mr": ["contrasts={FLAIR='*/flair.nii.gz'}", "output=slices", "slices=4", "grid=64"]}
    dataset, _, reasons = checked(source, tmp_path / "data", kind=kind, size=32, overrides=chosen.get(kind, []))
    assert odd <= reasons.keys() and len(dataset) > 0
    assert all("leads back to itself" in reasons[name] for name in odd if "loop" in name or name.endswith(".dcm"))


@pytest.mark.parametrize(
    "missing", ["1st_manual/21_manual1.gif", "mask/21_training_mask.gif", "images/21_training.tif"]
)
def test_what_belongs_to_an_eye_that_is_not_whole_has_a_row(missing, tmp_path):
    _drive(tmp_path / "source")
    (tmp_path / "source" / "training" / missing).unlink()
    dataset, account, _ = checked(tmp_path / "source", tmp_path / "data", kind="retina", size=32)
    assert len(dataset) == 5 and account.masks == 10

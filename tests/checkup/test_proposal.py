"""The doctor proposes what prepare does with the whole folder, or says what is missing."""

import numpy as np
import pytest
from data.test_account import body, mask, series, volume
from PIL import Image

from synthmed import doctor
from synthmed.checkup.reasons import Anonymous


def proposal_of(folder):
    return doctor(folder, workers=1).folder.proposal


def colours(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)).save(path)


def test_masks_in_a_folder_of_any_name_are_part_of_what_is_proposed(tmp_path):
    for number in range(4):
        colours(tmp_path / "images" / f"{number}.png", number)
        mask(tmp_path / "labels" / f"{number}.png", number, size=20)
    (tmp_path / "notes.txt").write_text("")
    proposal = proposal_of(tmp_path)
    assert (proposal.kind, proposal.items, proposal.patients) == ("generic", 4, 4)
    assert proposal.account == "Of 9 files 4 are images, 4 are masks or fields of view, 0 are tables and 1 is left out."
    assert sum(proposal.left_out.values()) == 1


def test_a_table_that_is_missing_is_named_and_nothing_else_is_proposed(tmp_path):
    for number in range(2):
        volume(tmp_path / "imagesTr" / f"a_{number}_0000.nii.gz", body(number))
        volume(tmp_path / "labelsTr" / f"a_{number}.nii.gz", (body(number) > 0).astype(np.uint8))
    proposal = proposal_of(tmp_path)
    assert (proposal.kind, proposal.command) == ("ct", "") and "expected --table" in proposal.missing


def test_pet_mr_and_masks_are_not_proposed_as_ct(tmp_path):
    for patient in ("ab", "cd"):
        volume(tmp_path / "mixed" / patient / "CT.nii.gz", body(ord(patient[0])))
        volume(tmp_path / "mixed" / patient / "PET.nii.gz", np.random.default_rng(0).random((32, 32, 4), np.float32))
        volume(tmp_path / "mr" / patient / f"{patient}_flair.nii.gz", np.abs(body(1)))
        volume(tmp_path / "mr" / patient / f"{patient}_t1.nii.gz", np.abs(body(2)))
        volume(tmp_path / "mr" / patient / f"{patient}_seg.nii.gz", (body(0) > 0).astype(np.uint8))
    mixed = proposal_of(tmp_path / "mixed")
    assert mixed.kind == "ct" and mixed.items == 2
    assert mixed.left_out == {"Its name says PT; expected CT. Say by images which files are CT if it is.": 2}
    mr = proposal_of(tmp_path / "mr")
    assert mr.command == "" and "several contrasts (flair, t1; 2 of them)" in mr.missing


def test_segmentations_as_dicom_stop_it(tmp_path):
    series(tmp_path / "a", "a")
    series(tmp_path / "b", "b", slices=1, Modality="SEG")
    assert "1 of SEG" in proposal_of(tmp_path).missing


def test_ct_that_its_kind_refuses_is_not_proposed_as_pictures(tmp_path):
    series(tmp_path / "a", "a", RescaleIntercept=2000)
    proposal = proposal_of(tmp_path)
    assert proposal.command == "" and "Hounsfield" in proposal.refused["ct"]


@pytest.mark.parametrize("place", ["{}_gland_7.png", "drawn/{}.png"])
def test_masks_whose_names_say_nothing_are_found_by_their_pixels(tmp_path, place):
    pictures = "{}.png" if "/" not in place else "images/{}.png"
    for number in range(4):
        colours(tmp_path / pictures.format(f"p{number}"), number)
        mask(tmp_path / place.format(f"p{number}").replace("gland", "zone"), number, size=20)
    proposal = proposal_of(tmp_path)
    pattern = "drawn/*" if "/" in place else "*_zone_7.png"
    assert f"masks={pattern}" in proposal.command and proposal.items == 4
    assert "4 are masks" in proposal.account


def test_masks_that_belong_to_nobody_stop_it(tmp_path):
    for number in range(4):
        colours(tmp_path / f"p{number}.png", number)
        mask(tmp_path / f"x{number}.png", number, size=20)
    proposal = proposal_of(tmp_path)
    assert proposal.command == "" and "hold two values, as masks do" in proposal.missing


def test_what_pictures_show_is_told_by_names_and_pictures(tmp_path):
    rows, columns = np.mgrid[:96, :96]
    field = np.hypot(rows - 48, columns - 48) < 44
    film = 20 + 150 * (np.hypot(np.mgrid[:120, :80][0] - 60, np.mgrid[:120, :80][1]) < 52)
    noise = np.random.default_rng(0)
    for number in range(4):
        eye = field[..., None] * np.array([200, 90, 40]) * noise.uniform(0.7, 1, (96, 96, 1))
        for name, shown in {
            "a/{}.png": eye, "b/{}.png": film + noise.integers(0, 20, film.shape),
            "nuclei/images/{}.png": noise.integers(0, 256, (20, 20)),
            "c/mammogram_{}.png": noise.integers(0, 256, (20, 20)), "d/{}.png": noise.integers(0, 256, (20, 20, 3)),
        }.items():  # fmt: skip
            path = tmp_path / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(shown.astype(np.uint8)).save(path)
        dots = np.zeros((20, 20), np.uint8)
        dots[2:18:4, 2:18:4] = 255
        Image.fromarray(dots).save(tmp_path / "d" / f"{number}_mask.png")
    kinds = {name: proposal_of(tmp_path / name) for name in ("a", "b", "nuclei", "d")}
    assert {name: proposal.kind for name, proposal in kinds.items()} == {
        "a": "retina", "b": "mammogram", "nuclei": "cells", "d": "cells",
    }  # fmt: skip
    assert "mammogram" in proposal_of(tmp_path / "c").refused or proposal_of(tmp_path / "c").kind == "mammogram"


def test_patients_of_a_table_are_counted(tmp_path):
    lines = ["file_name,patient_id"]
    for number in range(6):
        colours(tmp_path / f"{number}.png", number)
        lines.append(f"{number}.png,p{number // 2}")
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    proposal = proposal_of(tmp_path)
    assert (proposal.items, proposal.patients) == (6, 3) and "1 is a table" in proposal.account


NAMES = ("Meier Anna/gdcm-it.dcm", "Meier Anna/link", "is/it.png", "a/file.png", "Ng.png", "Zoë_1.png", "images/x1.png")
EMPTY = "{} is empty; expected an image file. Copy it again."


@pytest.mark.parametrize(
    ("sentence", "file", "told"),
    [
        (EMPTY.format("gdcm-it.dcm"), "Meier Anna/gdcm-it.dcm", EMPTY.format("It")),
        (EMPTY.format("Meier Anna/gdcm-it.dcm"), "", EMPTY.format("A file")),
        ("Its bytes are those of Meier Anna/link; expected each image once. Remove one.", "x",
         "Its bytes are those of a file; expected each image once. Remove one."),
        ("It is a symbolic link to a folder. Its files are found where they are.", "Meier Anna/link",
         "It is a symbolic link to a folder. Its files are found where they are."),
        ("The image has 3 x 2 pixels and its mask Ng.png 4 x 4; expected the same size. Correct the mask.", "a/x.png",
         "The image has 3 x 2 pixels and its mask 4 x 4; expected the same size. Correct the mask."),
        ("Another file has the same stem (Zoë_1.png); expected one. Rename or remove one.", "",
         "Another file has the same stem (a file); expected one. Rename or remove one."),
        ("Meier Anna has no mask.", "", "A file has no mask."),
        (EMPTY.format("/tmp/s/images/x1.png"), "", EMPTY.format("A file")),
    ],
)  # fmt: skip
def test_sentences_stay_whole_and_name_nobody(tmp_path, sentence, file, told):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert Anonymous(tmp_path).reason(sentence.replace("/tmp/s", str(tmp_path)), file) == told


def test_volumes_that_are_masks_do_not_decide_what_the_others_are(tmp_path):
    for number in range(2):
        volume(tmp_path / f"volume-{number}.nii", body(number))
        volume(tmp_path / f"segmentation-{number}.nii", (body(number) > 0).astype(np.uint8))
    assert "--table" in proposal_of(tmp_path).missing

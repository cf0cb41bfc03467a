"""The doctor counts what is there, names nobody, and its command runs."""

import json
import os
import shlex
import sys
from dataclasses import asdict

import numpy as np
import pytest
from data.film import breast_film
from PIL import Image, ImageDraw
from sources.dicom_files import dataset_of, write

from synthmed import cli, doctor
from synthmed.checkup.reasons import Anonymous
from synthmed.checkup.tables import show
from synthmed.checkup.text import count_letters
from synthmed.errors import ConfigError, SourceError


def run():
    """The command line with ``sys.argv``; it ends well."""
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code


def save(path, picture):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def odd_folder(tmp_path):
    """Films of two patients, a copy, something broken, a text file, and a link that leads out; names that tell."""
    folder = tmp_path / "Klinik"
    folder.mkdir()
    for number, patient in enumerate(("Meier", "Meier", "Schulze")):
        film, _ = breast_film(40, 30, seed=number)
        pixels = np.rint(1500 + 1000 * film).astype(np.uint16)
        words = {"PatientID": patient, "PatientName": f"{patient}^Anna", "Modality": "MG", "BitsStored": 12}
        words |= {"HighBit": 11, "StudyInstanceUID": f"1.{number}", "SeriesInstanceUID": f"1.{number}.1"}
        words |= {"WindowCenter": 2000, "WindowWidth": 1000, "ImagerPixelSpacing": [0.1, 0.1]}
        words |= {"BurnedInAnnotation": "YES" if number else "NO"}
        write(folder / f"Anna {patient} {number}.dcm", dataset_of(pixels, **words))
    (folder / "copy.dcm").write_bytes((folder / "Anna Meier 0.dcm").read_bytes())
    (folder / "Anna Huber broken.dcm").write_bytes((folder / "Anna Meier 0.dcm").read_bytes()[:300])
    (folder / "Befund Anna Huber.txt").write_text("Anna Huber has nothing.")
    (folder / "out.dcm").symlink_to("/etc/hostname")
    return folder


def test_headers_are_counted(odd_folder):
    found = doctor(odd_folder).folder
    assert found is not None and (found.files, found.copies, found.sample) == (7, 1, None)
    census = found.census
    assert (census.images, census.pictures, census.patients, census.studies, census.series) == (4, 4, 2, 3, 3)
    assert (census.modalities, census.bits, census.sizes) == ({"MG": 4}, {"12": 4}, {"30 x 40": 4})
    assert (census.spacings_mm, census.photometric) == ({"0.1 x 0.1": 4}, {"MONOCHROME2": 4})
    assert census.windows == {"centre 2000, width 1000, linear": 4}
    assert (census.text_declared, census.text_denied) == (2, 2)
    assert found.proposal.kind == "mammogram" and found.proposal.items == 3
    assert sum(found.proposal.left_out.values()) == 4


def test_nobody_is_named(odd_folder, capsys, monkeypatch):
    for words in (["--json"], []):
        monkeypatch.setattr(sys, "argv", ["synthmed", "doctor", str(odd_folder), "--pixels", "9", *words])
        run()
        told = capsys.readouterr()
        for name in ("Meier", "Schulze", "Anna", "Huber", "Befund"):
            assert name not in told.out + told.err
        if words:
            assert told.out.count("\n") == 1
            assert json.loads(told.out)["folder"]["census"]["patients"] == 2
        else:
            assert "synthmed prepare" in told.out and "the header says yes of 2" in told.out


def test_names_are_taken_out_of_reasons(odd_folder):
    anonymous = Anonymous(odd_folder)
    said = anonymous.reason("Its bytes are those of Anna Meier 0.dcm; expected each image once.", "copy.dcm")
    assert said == "Its bytes are those of a file; expected each image once."
    assert anonymous.reason("copy.dcm is empty.", "copy.dcm") == "It is empty."
    said = anonymous.reason("Patient Meier, Anna is in the splits test and train; expected one.")
    assert said == "A patient is in the splits test and train; expected one."


def test_without_a_folder_it_tells_the_machine():
    found = doctor()
    assert found.folder is None and found.machine.cores >= 1 and found.machine.memory_gib > 0
    assert json.loads(json.dumps(asdict(found)))["machine"]["python"].startswith("3.")


def test_what_is_no_folder_and_a_strange_number_are_refused(tmp_path):
    with pytest.raises(SourceError, match="not a folder"):
        doctor(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="pixels is -1"):
        doctor(tmp_path, pixels=-1)


def test_an_empty_folder_is_no_error(tmp_path):
    found = doctor(tmp_path).folder
    assert found is not None and (found.files, found.census.images, found.proposal.kind) == (0, 0, "")


def test_a_link_to_a_folder_above_does_not_turn_for_ever(tmp_path):
    save(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    (tmp_path / "again").symlink_to(tmp_path)
    assert doctor(tmp_path).folder.census.images == 1


def films(folder, names, seed=0):
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:256, :150]
    for name in names:
        film = 15 + 120 * (np.hypot(rows - 130, columns) < 90) + generator.integers(0, 9, rows.shape)
        save(folder / name, film.astype(np.uint8))


FOLDERS = {
    "mini-MIAS": lambda folder: films(folder / "png", [f"mdb{number:03d}.png" for number in range(1, 7)]),
    "DDSM": lambda folder: _ddsm(folder),
    "photographs": lambda folder: _colours(folder / "photographs"),
    "images and masks": lambda folder: (_colours(folder / "images"), _masks(folder / "masks")),
    "DRIVE": lambda folder: _drive(folder),
}


def _ddsm(folder):
    for half in ("train_valid", "test"):
        names = [f"{letter}_{half[0]}_1.RIGHT_MLO.png".replace("_t_", f"_{len(half)}_") for letter in "ABC"]
        films(folder / half / "seg", names, seed=len(half))
        for name in names:
            values = np.repeat([64, 128, 192, 255], 64)[:, None].repeat(150, 1).astype(np.uint8)
            save(folder / half / "seg_labels" / name.replace(".png", "_LI.png"), values)


def _colours(folder, ending="png"):
    generator = np.random.default_rng(1)
    for number in range(6):
        save(folder / f"{number}.{ending}", generator.integers(0, 255, (20, 20, 3), np.uint8))


def _masks(folder):
    for number in range(6):
        save(folder / f"{number}.png", np.eye(20, dtype=np.uint8) * 255)


def _drive(folder):
    from synthmed.phantoms import phantom

    phantom("retina", folder / "eyes", num=6, size=64)


KINDS = dict(zip(FOLDERS, ("mammogram", "mammogram", "generic", "generic", "retina"), strict=True))


def test_masks_that_a_kind_cannot_read_are_found_out_before(tmp_path):
    _colours(tmp_path / "images")
    for number in range(6):
        save(tmp_path / "masks" / f"{number}.png", np.arange(400, dtype=np.uint16).reshape(20, 20).astype(np.uint8))
    proposal = doctor(tmp_path).folder.proposal
    assert (proposal.kind, proposal.command) == ("generic", "") and "different values" in proposal.missing


@pytest.mark.parametrize("name", FOLDERS)
def test_the_command_runs_as_it_is_told(name, tmp_path, capsys, monkeypatch):
    source = tmp_path / "a folder"
    source.mkdir()
    FOLDERS[name](source)
    proposal = doctor(source).folder.proposal
    assert proposal.kind == KINDS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    words = [*shlex.split(proposal.command), "--workers", "1", "--key", str(tmp_path / "key"), "--json"]
    monkeypatch.setattr(sys, "argv", words)
    run()
    told = json.loads(capsys.readouterr().out)
    assert told["train"] + told["holdout"] + told["test"] == proposal.items
    assert told["rejected"] == sum(proposal.left_out.values())


def test_pixels_show_copies_under_other_names_and_text(tmp_path):
    rows, columns = np.mgrid[:300, :300]
    generator = np.random.default_rng(0)
    for number in range(3):
        body = 90 * (np.hypot(rows - 150, columns - 150 - 9 * number) < 80) + generator.integers(0, 30, rows.shape)
        save(tmp_path / f"{number}.png", body.astype(np.uint8))
    image = Image.open(tmp_path / "0.png")
    image.save(tmp_path / "again.bmp")
    draw = ImageDraw.Draw(image)
    draw.text((10, 10), "ANNA MEIER 1951", fill=250, font_size=16)
    image.save(tmp_path / "named.png")
    sample = doctor(tmp_path, pixels=100).folder.sample
    assert (sample.pictures, sample.unreadable, sample.with_text) == (5, 0, 1)
    assert sample.alike >= 1


def test_letters_are_seen_outside_the_anatomy_only():
    rows, columns = np.mgrid[:400, :400]
    body = np.where(np.hypot(rows - 220, columns - 200) < 150, 120, 5).astype(np.uint8)
    assert count_letters(body) == 0
    inside, outside = (Image.fromarray(body) for _ in range(2))
    ImageDraw.Draw(inside).text((150, 210), "ABCDEF", fill=255, font_size=18)
    ImageDraw.Draw(outside).text((5, 5), "ABCDEF", fill=255, font_size=18)
    assert count_letters(np.asarray(inside)) == 0
    assert count_letters(np.asarray(outside)) >= 4
    assert count_letters(np.zeros((30, 30))) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path):
    save(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    (tmp_path / "a.png").chmod(0)
    assert doctor(tmp_path).folder.census.images == 0


def test_names_of_two_eyes_are_told_and_the_command_makes_one_patient_of_them(tmp_path, capsys):
    folder = tmp_path / "eyes"
    folder.mkdir()
    for number in range(6):
        for seed, eye in enumerate(("OD", "OS")):
            pixels = np.random.default_rng(2 * number + seed).integers(0, 256, (16, 16), np.uint8)
            Image.fromarray(pixels).save(folder / f"pat{number}_{eye}.png")
    found = doctor(folder, workers=1)
    assert "'patient=([^/]+)_(?:OD|OS)'" in found.folder.proposal.command
    show(found)
    assert "12 images counted as 12 patients; names look like those of 6" in capsys.readouterr().out

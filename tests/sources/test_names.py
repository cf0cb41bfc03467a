"""A person has one name, however it is written; a file in a table likewise."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.dicom_files import dataset_of, write

from synthmed.sources import open_header
from synthmed.sources.names import file_key, identity, person

FORMS = {
    "decomposed": unicodedata.normalize("NFD", "Müller Ada"),
    "blanks": "  Müller \t Ada ",
    "a blank that does not break": "Müller\u00a0Ada",
    "a shapeless character": "Mü\u200bller Ada\ufeff",
    "a person name of DICOM": "Müller^Ada",
    "with its empty parts": "Müller^Ada^^^",
    "with its other writings": "Müller^Ada=山田^花子",
    "UTF-8 read as Latin-1": "MÃ¼ller Ada",
    "full width": "Ｍüller Ada",
    "control characters": "Müller Ada\0\x1b",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_a_name_is_one_name(form):
    assert person(form) == "Müller Ada"
    assert identity(form.upper()) == identity("Müller Ada")


def test_other_names_stay_other_names():
    names = ["Müller", "Muller", "Mueller", "P1", "P-1", "P 1", "P01", "12=3", "山田", "A.1", "1.2", "12"]
    assert len({identity(name) for name in names}) == len(names)


@given(st.text())
def test_a_name_in_its_form_stays_as_it_is(name):
    assert person(person(name)) == person(name)
    assert identity(person(name)) == identity(name) == identity(identity(name))


def test_numbers_as_hospitals_write_them_are_kept():
    for name in ("P-17", "LIDC-IDRI-0001", "A_1141_1", "patient 7", "1.2.840.113", "ABC\\7"):
        assert person(name) == name


def test_a_file_is_looked_up_by_one_name():
    composed = "images/Müller_1.png"
    for name in (unicodedata.normalize("NFD", composed), f" {composed} ", "images\\Müller_1.png", f"./{composed}"):
        assert file_key(name) == composed


CHARACTER_SETS = {
    "as declared, Latin-1": ("ISO_IR 100", "latin-1"),
    "as declared, UTF-8": ("ISO_IR 192", "utf-8"),
    "UTF-8 declared as Latin-1": ("ISO_IR 100", "utf-8"),
    "Latin-1 declared as UTF-8": ("ISO_IR 192", "latin-1"),
    "UTF-8 without a word": (None, "utf-8"),
    "Latin-1 without a word": (None, "latin-1"),
    "a character set that there is not": ("ISO_IR 999", "utf-8"),
}


@pytest.mark.filterwarnings("ignore:Unknown encoding")  # of the writing
@pytest.mark.parametrize(("declared", "stored"), CHARACTER_SETS.values(), ids=CHARACTER_SETS)
def test_a_dicom_file_names_its_patient_whatever_character_set_it_declares(tmp_path, declared, stored):
    said = {"SpecificCharacterSet": declared} if declared else {}
    path = write(tmp_path / "a.dcm", dataset_of(np.zeros((4, 4), np.uint8), PatientID="M####ller", **said))
    name = "Müller".encode(stored)
    path.write_bytes(path.read_bytes().replace(b"M####ller ", name.ljust(10)))
    assert open_header(path).patient_id == "Müller"


def test_a_number_with_a_backslash_is_read_whole(tmp_path):
    path = write(tmp_path / "a.dcm", dataset_of(np.zeros((4, 4), np.uint8), PatientID="clinic\\17"))
    assert open_header(path).patient_id == "clinic\\17"

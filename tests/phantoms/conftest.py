"""Small phantoms of every kind, written once for all tests of this folder."""

import csv

import pytest

from synthmed.phantoms import phantom


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Kind -> its folder of two (six mammograms, so that two patients are there), made when first asked for."""
    made = {}

    def folder(kind):
        if kind not in made:
            num = {"mammogram": 6}.get(kind, 2)
            made[kind] = phantom(kind, tmp_path_factory.mktemp("phantoms") / kind, num=num, seed=3, size=64)
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def rows():
    """Reads a table: a list of rows, each a dictionary."""

    def read(path):
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read

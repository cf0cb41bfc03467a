"""Names that look like several images of one patient are noticed; names that only count are not."""

import re

import pytest

from synthmed.data.siblings import siblings_of
from synthmed.sources.names import identity

PATIENTS = [f"pat{number:02}" for number in range(10)]
ALIKE = {
    "eyes": [f"{name}_{eye}" for name in PATIENTS for eye in ("OD", "OS")],
    "breasts and views": [f"{name}_{side}_{view}" for name in PATIENTS for side in "LR" for view in ("CC", "MLO")],
    "slices": [f"{name}_slice{number}" for name in PATIENTS for number in range(12)],
    "slices of one letter": [f"{name}-s{number:03}" for name in PATIENTS for number in range(3)],
    "nothing between": [f"{name}{eye}" for name in PATIENTS for eye in "LR"],
    "a number after the side": [f"{name}_{side}_{number}" for name in PATIENTS for side, number in ("L1", "R2")],
    "numbers": [f"{name}_{number:04}" for name in PATIENTS for number in range(3)],
    "visits and slices": [f"{name}_{visit}_{number}" for name in PATIENTS for visit in (1, 2) for number in (1, 2)],
    "some with one image": [f"{name}_{eye}" for name in PATIENTS for eye in ("OD", "OS")][:-1],
    "sides first": [f"{eye}_{name}" for name in PATIENTS for eye in ("left", "right")],
    "capitals": [f"{name}_od" for name in PATIENTS] + [f"{name.upper()}_OS" for name in PATIENTS],
    "sessions and contrasts": [f"{name}_ses-{visit}_T1w" for name in PATIENTS for visit in (1, 2)],
}
OTHER = {
    "a count": [f"img_{number:03}" for number in range(40)],
    "a count without a line": [f"mdb{number:03}" for number in range(40)],
    "classes": [f"{name} ({number})" for name in ("benign", "malignant", "normal") for number in range(30)],
    "one long count of slices": [f"brain_slice{number}" for number in range(40)],
    "subjects": [f"scan_s{number:02}" for number in range(40)],
    "halves": [f"{number}_training" for number in range(21, 41)],
    "digests": [f"{number * 7919 * 31 + 1000:x}" for number in range(40)],
    "one image": ["anna_left"],
    "unique numbers of DICOM": [f"1.2.840.{number}.{other}" for number in range(7) for other in range(3)],
}


@pytest.mark.parametrize("folder", ["", "images/"])
@pytest.mark.parametrize("patients", ALIKE.values(), ids=ALIKE)
def test_names_of_one_patient_are_noticed_and_the_pattern_finds_the_patients(patients, folder):
    names = [f"{folder}{name}.png" for name in patients]
    found = siblings_of(names, patients)
    assert (found.images, found.counted, found.likely) == (len(names), len(names), 10)
    assert "pat" not in found.pattern
    assert {identity(re.search(found.pattern, name)[1]) for name in names} == set(PATIENTS)


@pytest.mark.parametrize("patients", OTHER.values(), ids=OTHER)
def test_names_that_only_count_say_nothing(patients):
    assert siblings_of([f"{name}.png" for name in patients], patients) is None


def test_folders_are_names_too():
    patients = [f"{name}_visit{number}" for name in PATIENTS for number in (1, 2)]
    found = siblings_of([f"{name}/ct.nii.gz" for name in patients], patients)
    assert found.likely == 10 and re.search(found.pattern, "pat03_visit1/ct.nii.gz")[1] == "pat03"


def test_without_a_pattern_that_fits_all_none_is_proposed():
    patients = [*ALIKE["eyes"], "L.M_7.OD_L", "x_frame3.7_R"]
    found = siblings_of([f"{name}.png" for name in patients], patients)
    assert found.counted > found.likely and (not found.pattern or re.compile(found.pattern))

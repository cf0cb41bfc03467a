"""Phantom chests: each label has the Hounsfield units of its organ, and slices follow each other smoothly."""

import nibabel
import numpy as np
import pydicom
import pytest
from scipy import ndimage

from synthmed.phantoms._airways import grow, seen_in_slice
from synthmed.phantoms.thorax import LABELS, SLICES, draw_patient, make_slice

SOFT, LUNG, BONE, BLOOD, AIRWAY = 50, 100, 150, 200, 230


@pytest.fixture(scope="module")
def patients():
    return [draw_patient(np.random.default_rng([0, k])) for k in range(4)]


@pytest.fixture(scope="module")
def series(written):
    """Patient -> headers from the feet up, Hounsfield units [slice row column], labels likewise, affine."""
    found = {}
    for place in sorted((written("thorax") / "images").iterdir()):
        images = sorted(
            (pydicom.dcmread(path) for path in place.iterdir()), key=lambda one: one.ImagePositionPatient[2]
        )
        pixels = np.stack([one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in images])
        labels = nibabel.load(written("thorax") / "masks" / f"{place.name}.nii.gz")
        found[place.name] = images, pixels, np.asarray(labels.dataobj).transpose(2, 1, 0), labels.affine
    return found


def test_the_header_is_that_of_a_chest_ct(series):
    for images, pixels, labels, _ in series.values():
        assert len(images) == SLICES == len(labels)
        assert pixels.shape == labels.shape == (SLICES, 64, 64)
        for image in images:
            assert image.SOPClassUID.name == "CT Image Storage"
            assert (image.Modality, image.RescaleIntercept, image.RescaleSlope) == ("CT", -1024, 1)
            assert image.SliceThickness == 5
            assert image.PatientPosition == "HFS"


def test_pixels_are_stored_signed_with_padding_or_unsigned(patients, series):
    assert {patient.signed for patient in patients} == {True, False}
    for images, pixels, _, _ in series.values():
        for image, seen in zip(images, pixels, strict=True):
            if image.PixelRepresentation:
                assert image.PixelPaddingValue == -2000
                assert seen[0, 0] == -3024
            assert seen[32].min() >= -1024


def test_label_maps_lie_on_the_images_in_space(series):
    for images, _, labels, affine in series.values():
        for index in ((0, 0, 0), (SLICES - 1, 20, 50)):
            place, row, column = index
            image = images[place]
            spacing = float(image.PixelSpacing[0])
            left, back, up = (float(value) for value in image.ImagePositionPatient)
            told = [-left - column * spacing, -back - row * spacing, up, 1]
            assert affine @ (column, row, place, 1) == pytest.approx(told, abs=1e-4)
        assert set(np.unique(labels)) <= set(LABELS)


def test_the_table_names_the_six_values_of_the_paper(written, rows):
    table = {int(row["value"]): row["name"] for row in rows(written("thorax") / "labels.csv")}
    assert table == LABELS
    assert list(table) == [0, 50, 100, 150, 200, 230]


def test_every_label_has_the_density_of_its_organ(patients):
    for patient in patients:
        hounsfield, labels = make_slice(patient, -12.0, 192)
        core = {value: ndimage.binary_erosion(labels == value) for value in LABELS}
        assert np.median(hounsfield[core[0]]) == -1000
        assert -940 < np.median(hounsfield[core[LUNG]]) < -780
        assert -130 < np.median(hounsfield[core[SOFT]]) < 80
        assert np.percentile(hounsfield[labels == BONE], 75) > 250
        assert np.median(hounsfield[core[AIRWAY]]) < -960
        blood = np.median(hounsfield[core[BLOOD]])
        assert blood > 130 if patient.contrast[0] > 100 else 30 < blood < 60


def test_organs_lie_where_they_belong(patients):
    for patient in patients:
        _, labels = make_slice(patient, -12.0, 160)
        centre = {value: np.array(ndimage.center_of_mass(labels == value)) for value in (SOFT, BLOOD, AIRWAY)}
        middle = (labels.shape[1] - 1) / 2
        assert abs(centre[BLOOD][1] - middle) < 12
        assert centre[AIRWAY][0] > centre[BLOOD][0]  # the bronchi lie behind the great vessels
        pieces, count = ndimage.label(ndimage.binary_opening(labels == LUNG, iterations=2))
        sizes = ndimage.sum_labels(pieces > 0, pieces, range(1, count + 1))
        assert (sizes > 0.05 * labels.size).sum() == 2  # a right and a left lung
        border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        assert not border.any()


def test_the_heart_is_below_and_the_arch_of_the_aorta_above(patients):
    for patient in patients:
        above, below = ((make_slice(patient, z, 96)[1] == BLOOD).mean() for z in (30.0, -45.0))
        assert below > 1.3 * above


def test_anatomy_changes_smoothly_from_slice_to_slice(patients):
    def overlap(a, b):
        return (a & b).sum() / (a | b).sum()

    first, second = patients[0], patients[1]
    lungs = [make_slice(first, z, 128)[1] == LUNG for z in (0.0, -2.0, -40.0)]
    other = make_slice(second, 0.0, 128)[1] == LUNG
    assert overlap(lungs[0], lungs[1]) > 0.93
    assert overlap(lungs[0], lungs[1]) > overlap(lungs[0], lungs[2]) > 0.5
    assert overlap(lungs[0], lungs[1]) > overlap(lungs[0], other)


def test_noise_is_correlated_and_in_the_range_of_a_scanner(series):
    for images, pixels, labels, _ in series.values():
        assert {image.Rows for image in images} == {64}
        air = ndimage.binary_erosion(labels == 0, iterations=3) & (pixels > -1500)
        assert 1 < pixels[air & (pixels < -950)].std() < 30


def test_a_tree_forks_by_murrays_law_and_thins_out():
    roots, directions = np.zeros((1, 3)), np.array([[1.0, 0, 0]])
    tree = grow(np.random.default_rng(0), roots, directions, np.array([3.0]), thinnest=0.8)
    assert tree.radii.max() == 3.0
    assert tree.radii.min() > 0.8
    assert (np.linalg.norm(tree.ends - tree.starts, axis=1) > 0).all()
    first = tree.radii[:12]
    assert first[4] ** 3 + first[8 if first[5] == first[4] else 5] ** 3 == pytest.approx(27, rel=1e-6)


def test_a_slice_shows_a_branch_that_pierces_it_as_a_disc():
    tree = grow(np.random.default_rng(0), np.array([[0.0, 0, -30]]), np.array([[0.0, 0, 1]]), np.array([4.0]), 3.9)
    places = np.arange(-20.0, 20.5, 0.5)
    share, depth = seen_in_slice(tree, -20.0, 5.0, places, places)
    assert share.max() == pytest.approx(1)
    assert (depth > 0).sum() * 0.25 == pytest.approx(np.pi * 16, rel=0.35)
    assert seen_in_slice(tree, 80.0, 5.0, places, places)[0].max() == 0

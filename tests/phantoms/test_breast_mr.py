"""Phantom breast MR: series as a scanner writes them, and lesions that take up contrast agent by their class."""

from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest
from scipy import ndimage

from synthmed.phantoms._hanging_breast import draw_torso, lesion_distance
from synthmed.phantoms.breast_mr import DYNAMIC, T2, TIMES, make_slice


@pytest.fixture(scope="module")
def studies(written):
    """Patient -> series number -> images from the feet up."""
    found = {}
    for path in sorted((written("breast_mr") / "images").rglob("*.dcm")):
        image = pydicom.dcmread(path)
        found.setdefault(image.PatientID, {}).setdefault(int(image.SeriesNumber), []).append(image)
    return found


def volume(images):
    return np.stack([image.pixel_array for image in images]).astype(float)


def labels_of(written, patient):
    image = nibabel.load(written("breast_mr") / "masks" / f"{patient}.nii.gz")
    return np.asarray(image.dataobj).transpose(2, 1, 0), image.affine


def test_a_study_has_t2_the_dynamic_and_a_subtraction(studies):
    for series in studies.values():
        assert sorted(series) == [3, 8, 9, 10, 13, 15, 17]
        assert len({one.StudyInstanceUID for images in series.values() for one in images}) == 1
        assert len({one.FrameOfReferenceUID for images in series.values() for one in images}) == 1
        assert {one.SOPClassUID.name for images in series.values() for one in images} == {"MR Image Storage"}
        assert len(series[3]) == T2.slices
        assert all(len(series[number]) == DYNAMIC.slices for number in sorted(series)[1:])


def test_times_are_told_by_acquisition_and_clock_not_by_description(studies):
    for series in studies.values():
        dynamic = [series[number][0] for number in (8, 9, 13, 15, 17)]
        assert len({one.SeriesDescription for one in dynamic}) == 1
        assert [int(one.AcquisitionNumber) for one in dynamic] == list(range(1, TIMES + 1))
        assert [int(one.TemporalPositionIdentifier) for one in dynamic] == list(range(1, TIMES + 1))
        clock = [float(one.AcquisitionTime) for one in dynamic]
        assert clock == sorted(set(clock))
        assert "ContrastBolusAgent" not in dynamic[0]
        assert all(one.ContrastBolusAgent for one in dynamic[1:])


def test_t2_is_on_another_grid_so_that_it_must_be_resampled(studies):
    for series in studies.values():
        t2, t1 = series[3][0], series[8][0]
        assert (t2.Rows, t1.Rows) == (93, 64)
        assert t2.PixelSpacing != t1.PixelSpacing
        assert t2.SpacingBetweenSlices != t1.SpacingBetweenSlices
        assert t2.ImagePositionPatient != t1.ImagePositionPatient


def test_the_subtraction_is_the_difference_of_the_first_two_times(studies):
    for series in studies.values():
        assert np.array_equal(volume(series[10]), volume(series[9]) - volume(series[8]))
        assert "SUB" in series[10][0].ImageType


def test_masks_lie_on_the_grid_of_the_dynamic(studies, written):
    for patient, series in studies.items():
        labels, affine = labels_of(written, patient)
        assert labels.shape == volume(series[8]).shape
        left, back, up = (float(value) for value in series[8][5].ImagePositionPatient)
        assert affine @ (0, 0, 5, 1) == pytest.approx([-left, -back, up, 1], abs=1e-4)
        assert labels.max() in (1, 2)


def test_the_table_lists_the_lesions_where_the_masks_have_them(written, rows):
    table = rows(written("breast_mr") / "lesions.csv")
    assert {row["class"] for row in table} == {"benign", "malignant"}
    for row in table:
        labels, affine = labels_of(written, row["patient_id"])
        place, line, column = ndimage.center_of_mass(labels == int(row["label"]))
        right, front, up, _ = affine @ (column, line, place, 1)
        told = np.array([float(row[name]) for name in ("x_mm", "y_mm", "z_mm")])
        assert np.hypot.reduce(told - (-right, -front, up)) < 6


def curve(malignant, seed):
    torso = draw_torso(np.random.default_rng(seed), malignant)
    lesion = torso.lesions[0]
    grid = replace(DYNAMIC.grid(0, 176), z=lesion.centre[2])
    signals, labels = make_slice(torso, grid)
    core = ndimage.binary_erosion(labels == 1) if (labels == 1).sum() > 30 else labels == 1
    seen = signals[:, core].mean(axis=1)
    return seen / seen[0] - 1


@pytest.mark.parametrize("seed", range(4))
def test_malignant_lesions_wash_in_fast_and_out_and_benign_ones_rise_slowly(seed):
    malignant, benign = curve(True, seed), curve(False, seed)
    assert malignant[1] > 0.7 and malignant[1] > 1.5 * benign[1]
    assert malignant[4] < 0.95 * malignant[1:3].max()
    assert (np.diff(benign) > 0).all()
    assert benign[4] > 1.5 * benign[1]


def test_malignant_lesions_are_ragged_and_brightest_at_the_rim():
    roughness = {}
    for malignant in (True, False):
        compact = []
        for seed in range(5):
            torso = draw_torso(np.random.default_rng(seed), malignant)
            lesion = replace(torso.lesions[0], radius=11.0)
            grid = replace(DYNAMIC.grid(0, 300), z=lesion.centre[2])
            inside = lesion_distance(lesion, grid) < 0
            edge = inside & ~ndimage.binary_erosion(inside)
            compact.append(edge.sum() ** 2 / inside.sum())
        roughness[malignant] = np.mean(compact)
    assert roughness[True] > 1.15 * roughness[False]
    torso = draw_torso(np.random.default_rng(0), True)
    torso = replace(torso, lesions=[replace(torso.lesions[0], radius=11.0)])
    signals, labels = make_slice(torso, replace(DYNAMIC.grid(0, 176), z=torso.lesions[0].centre[2]))
    middle = ndimage.binary_erosion(labels == 1, iterations=3)
    rim = (labels == 1) & ~ndimage.binary_erosion(labels == 1, iterations=2)
    assert signals[1, rim].mean() > 1.1 * signals[1, middle].mean()


def test_fat_is_bright_in_t2_and_suppressed_in_t1_and_the_heart_fills_with_agent():
    torso = replace(draw_torso(np.random.default_rng(1), False), density=0.3)
    grid = DYNAMIC.grid(8, 96)
    t2 = make_slice(torso, grid, slice(0, 1))[0][0]
    t1, _ = make_slice(torso, grid)
    fat = t2 > 380
    assert fat.sum() > 100
    assert t1[0, fat].mean() < 40
    rise = t1[1] - t1[0]
    y, x = np.nonzero(rise > 0.8 * rise.max())
    assert grid.y[y, 0].mean() > 40 and abs(grid.x[0, x].mean()) < 40
    assert t1[1, y, x].mean() > t1[4, y, x].mean()


def test_noise_of_air_is_that_of_a_magnitude(studies):
    for series in studies.values():
        corner = volume(series[8])[:, :6, :20]
        assert corner.min() >= 0
        # Rayleigh: mean / standard deviation = 1.91
        assert corner.mean() / corner.std() == pytest.approx(1.91, abs=0.15)

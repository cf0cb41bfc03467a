"""Phantom mammograms: the breast lies at the chest wall, dense tissue is bright, findings are where the table says."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image
from scipy import ndimage

from synthmed.phantoms._compressed_breast import draw_breast, look, other_side
from synthmed.phantoms._compressed_tissue import Lesion, tissue
from synthmed.phantoms.mammogram import draw_patient, make_mammogram


@pytest.fixture(scope="module")
def images(written):
    """Name -> header and pixels, with air dark also where it is stored bright."""
    found = {}
    for path in sorted(written("mammogram").rglob("*.dcm")):
        image = pydicom.dcmread(path)
        pixels = image.pixel_array.astype(float)
        inverted = image.PhotometricInterpretation == "MONOCHROME1"
        found[f"{path.parent.name}/{path.stem}"] = image, 4095 - pixels if inverted else pixels
    return found


def view(seed, laterality="L", position="MLO", size=160, **changes):
    patient = draw_patient(np.random.default_rng(seed))
    patient = replace(patient, film=False, inverted=False, **changes)
    return make_mammogram(np.random.default_rng(0), patient, laterality, position, size)


def test_patients_have_four_views_and_two_in_turn(images):
    names = {name.split("/")[0]: [] for name in images}
    for name in images:
        names[name.split("/")[0]].append(name.split("/")[1])
    assert list(names.values()) == [["L-CC", "L-MLO", "R-CC", "R-MLO"], ["L-MLO", "R-MLO"]]


def test_the_header_is_that_of_a_mammogram_for_presentation(images):
    for name, (image, pixels) in images.items():
        assert image.SOPClassUID.name == "Digital Mammography X-Ray Image Storage - For Presentation"
        assert image.Modality == "MG"
        assert f"{image.ImageLaterality}-{image.ViewPosition}" == name.split("/")[1]
        assert image.PresentationIntentType == "FOR PRESENTATION"
        assert (image.BitsAllocated, image.BitsStored, image.Rows, image.Columns) == (16, 12, 64, 50)
        assert image.VOILUTFunction in ("LINEAR", "SIGMOID")
        assert len(image.WindowCenter) == len(image.WindowWidth) == 2
        assert image.PixelSpacing == image.ImagerPixelSpacing == [3.75, 3.75]
        assert pixels.mean() < 0.5 * 4095


def test_one_in_four_patients_is_stored_inverted_and_some_are_films():
    patients = [draw_patient(np.random.default_rng(seed)) for seed in range(60)]
    assert 5 < sum(patient.inverted for patient in patients) < 28
    assert 8 < sum(patient.film for patient in patients) < 38


def test_masks_agree_with_the_images(images, written):
    for name, (image, pixels) in images.items():
        with Image.open(written("mammogram") / "masks" / f"{name}.png") as file:
            mask = np.array(file) > 0
        assert mask.shape == pixels.shape
        assert ndimage.label(mask)[1] == 1
        assert 0.1 < mask.mean() < 0.8
        chest = mask[:, 0] if image.ImageLaterality == "L" else mask[:, -1]
        assert chest.sum() > 0.4 * len(mask)
        inner, outer = ndimage.binary_erosion(mask, iterations=2), ~ndimage.binary_dilation(mask, iterations=2)
        assert np.median(pixels[inner]) > 4 * np.median(pixels[outer])


def test_the_two_breasts_of_a_patient_are_more_alike_than_those_of_two_patients():
    def outline(seed, laterality):
        seen = view(seed, laterality, size=96).breast
        return seen[:, ::-1] if laterality == "R" else seen

    def overlap(a, b):
        return (a & b).sum() / (a | b).sum()

    pairs = [(outline(seed, "L"), outline(seed, "R")) for seed in range(8)]
    own = np.mean([overlap(left, right) for left, right in pairs])
    strange = np.mean([overlap(pairs[k][0], pairs[k - 1][1]) for k in range(8)])
    assert own > 0.93 and own > strange + 0.05


def test_only_oblique_views_show_the_muscle_and_it_is_bright():
    breast = replace(draw_breast(np.random.default_rng(2)), density=0.1)
    assert not look(breast, "CC", 96).muscle.any()
    oblique = look(breast, "MLO", 96)
    bright = tissue(np.random.default_rng(0), breast, oblique, "MLO", [])
    muscle, rest = oblique.muscle > 0.9, (oblique.muscle < 0.1) & (oblique.inside > 20)
    assert bright[muscle].mean() > 1.15 * bright[rest].mean()


def test_dense_breasts_are_brighter():
    breast = draw_breast(np.random.default_rng(4))
    means = []
    for density in (0.1, 0.4, 0.65, 0.9):
        one = replace(breast, density=density)
        seen = look(one, "CC", 96)
        means.append(tissue(np.random.default_rng(0), one, seen, "CC", [])[seen.inside > 10].mean())
    assert means == sorted(means) and means[-1] > 1.3 * means[0]


@pytest.mark.parametrize("finding", ["mass", "calcifications"])
@pytest.mark.parametrize("malignant", [False, True])
def test_lesions_are_bright_where_the_table_says(finding, malignant):
    angles = {"MLO": 0.0, "CC": 0.2}
    lesion = Lesion(finding=finding, malignant=malignant, distance=45.0, angle=angles, radius=8.0, seed=5)
    with_it = view(3, lesions={"L": [lesion], "R": []})
    without = view(3, lesions={"L": [], "R": []})
    ((_, (x, y, radius)),) = with_it.lesions
    change = with_it.pixels.astype(float) - without.pixels
    rows, columns = np.mgrid[: change.shape[0], : change.shape[1]]
    away = np.hypot(columns - x, rows - y)
    assert change[away < radius].max() > 150
    assert change[away < radius].mean() > 15
    assert np.abs(change[away > 4 * radius]).mean() < 5


def test_the_table_lists_each_lesion_in_each_view(written, rows):
    table = rows(written("mammogram") / "lesions.csv")
    for row in table:
        assert (written("mammogram") / "images" / row["file_name"]).exists()
        assert row["class"] in ("benign", "malignant")
        with Image.open(written("mammogram") / "masks" / row["file_name"].replace(".dcm", ".png")) as mask:
            assert mask.getpixel((round(float(row["x"])), round(float(row["y"])))) == 255


def test_all_lesions_lie_in_the_breast():
    for seed in range(25):
        patient = draw_patient(np.random.default_rng(seed))
        for laterality, position in (("L", "MLO"), ("R", "CC")):
            if patient.lesions[laterality]:
                seen = make_mammogram(np.random.default_rng(0), patient, laterality, position, 64)
                for _, (x, y, _) in seen.lesions:
                    assert seen.breast[round(y), round(x)]


def test_the_other_breast_is_another_draw_of_the_same_patient():
    generator = np.random.default_rng(0)
    right = draw_breast(generator)
    left = other_side(generator, right)
    assert left != right
    assert left.thickness == right.thickness

"""Breast MR: contrasts on one grid, patches on lesions and on healthy tissue, intensities that lead back."""

import nibabel
import numpy as np
import pytest

from synthmed.data.kinds import breast_mr
from synthmed.data.kinds._common_grid import grid_over, onto
from synthmed.data.kinds._lesion_classes import read_classes
from synthmed.data.kinds._patches import body_of, breast_of, healthy_centres, lesion_centres
from synthmed.data.kinds._series import Volume
from synthmed.errors import ConfigError, SourceError

CONTRASTS = {"T2": "*/t2.nii.gz", "T1 pre": "*/dyn.nii.gz[0]", "T1 post1": "*/dyn.nii.gz[1]"}
AFFINE = np.diag([-3.0, -3.0, 6.0, 1.0])  # as DICOM stores: x to the left, y to the back
SIDE, DEPTH = 64, 6


def torso():
    """[x y z] bool: two breasts that hang forward from a chest; the first rows are in front."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    chest = (y > 36) & (y < 60) & (x > 4) & (x < 60)
    breasts = ((abs(x - 18) < 9) | (abs(x - 46) < 9)) & (y > 8) & (y <= 36)
    return np.repeat((chest | breasts)[:, :, None], DEPTH, axis=2)


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(voxels, affine).to_filename(path)


def study(folder, *, enhance=60, lesion=True, scale=1.0):
    """A study of two contrasts, the dynamic as a 4-D file, with a lesion of value 2 in the patient's right breast."""
    body = torso()
    noise = np.random.default_rng(3).uniform(0, 4, body.shape)
    where = np.zeros(body.shape, np.uint8)
    where[15:20, 20:25, 2:4] = 2
    pre = noise + 100.0 * body
    after = pre + 10.0 * body + enhance * (where > 0)
    save(folder / "dyn.nii.gz", (np.stack([pre, after], axis=3) * scale).astype(np.float32))
    # T2 has a finer grid of another place and size.
    fine = np.diag([-1.5, -1.5, 6.0, 1.0])
    save(folder / "t2.nii.gz", (300.0 * body.repeat(2, 0).repeat(2, 1)).astype(np.float32), fine)
    if lesion:
        save(folder / "lesion.nii.gz", where)


def made(source, size=16, table="", **settings):
    """All images of a folder, its description, and name -> reason of all that was left out."""
    usual = dict(contrasts=CONTRASTS, mask="*/lesion.nii.gz", grid=64, slices=6, healthy=4, table=str(table))
    chosen = breast_mr.Settings(**{**usual, **settings})
    found = breast_mr.find(source, chosen, map)
    info = breast_mr.describe(found, chosen, size, size)
    reasons, images = {rejection.file: rejection.reason for rejection in found.rejected}, []
    for item in found.items:
        try:
            images += [(item, image) for image in breast_mr.make(item, info, chosen)]
        except SourceError as error:
            reasons[item.name] = str(error)
    return images, info, reasons


@pytest.fixture
def source(tmp_path):
    study(tmp_path / "source" / "anna")
    (tmp_path / "table.csv").write_text("patient,class\nanna,malignant\n")
    return tmp_path / "source"


def test_channels_lie_on_each_other_and_lead_back_to_the_scanner(source):
    images, info, reasons = made(source, 64, output="slices", mask="*/lesion.nii.gz")
    assert not reasons and info.channels == ["T2", "T1 pre", "T1 post1", "Sub"] and len(images) == DEPTH
    _, image = images[2]
    low, high = np.array(image.low), np.array(image.high)
    values = image.image / 65535 * (high - low)[:, None, None] + low[:, None, None]
    upright = torso()[:, :, 2].T
    inner = (
        upright & np.roll(upright, 1, 0) & np.roll(upright, -1, 0) & np.roll(upright, 1, 1) & np.roll(upright, -1, 1)
    )
    assert abs(values[0][inner] - 300).max() < 40 and abs(np.median(values[1][inner]) - 102) < 2
    lesion = image.mask == 1
    assert lesion.sum() == 25 and values[3][lesion].min() > 50 and values[3][inner & ~lesion].max() < 12
    # One scale for the dynamic and its difference, another for T2.
    assert high[1] == high[2] == high[3] != high[0]
    # The patient's right is at the left, anterior is up.
    row, column = np.argwhere(lesion).mean(axis=0)
    assert column < 32 and row < 32


def test_patches_are_centred_on_the_lesion_and_healthy_ones_hold_none(source):
    images, info, reasons = made(source, 16, table=source.parent / "table.csv", healthy=3, region="body")
    assert not reasons and info.mask_labels == {"0": "background", "1": "lesion"}
    lesions = [image for _, image in images if image.label == "malignant"]
    assert [image.part for image in lesions] == ["slice 02 row 0022 column 0017", "slice 03 row 0022 column 0017"]
    for image in lesions:
        assert np.argwhere(image.mask).mean(axis=0) == pytest.approx((8, 8)) and image.spacing_mm == (3.0, 3.0)
    healthy = [image for _, image in images if image.label == "healthy"]
    assert all(image.mask.max() == 0 for image in healthy)


def test_the_same_places_are_drawn_again_and_others_with_another_seed():
    region = np.zeros((4, 200, 200), bool)
    region[1:, 20:180, 20:180] = True
    findings = np.zeros(region.shape, np.uint8)
    findings[:, 90:110, 90:110] = 1
    places = healthy_centres(region, findings, 12, "anna/0")
    assert places == healthy_centres(region, findings, 12, "anna/0") != healthy_centres(region, findings, 12, "anna/1")
    assert len(places) == 12
    for z, y, x in places:
        core = np.s_[z, y - 16 : y + 16, x - 16 : x + 16]
        assert region[core].all() and not findings[core].any()


def test_breasts_are_what_lies_before_the_breastbone():
    body = torso().transpose(2, 1, 0)
    found = breast_of(body_of(100.0 * body))
    expected = body.copy()
    expected[:, 37:] = False
    assert (found & expected).sum() > 0.9 * expected.sum() and not found[:, 40:].any()


def test_each_piece_of_a_lesion_has_its_centre_in_each_slice():
    mask = np.zeros((3, 20, 20), np.uint8)
    mask[0, 2:5, 2:5], mask[0, 10:13, 14:17], mask[1, 10:13, 14:17], mask[2, 0, 0] = 1, 3, 3, 1
    assert lesion_centres(mask, 2) == [(0, 3, 3, 1), (0, 11, 15, 3), (1, 11, 15, 3)]


def test_classes_of_single_lesions_and_of_healthy_patients(source):
    study(source / "bert", lesion=False)
    table = source.parent / "table.csv"
    table.write_text("patient_id,label,class\nanna,2,benign\nbert,,healthy\n")
    images, _, reasons = made(source, region="body", grid=128, table=table)
    assert not reasons
    assert {(item.patient_id, image.label) for item, image in images} >= {("anna", "benign"), ("bert", "healthy")}
    assert all(image.mask is None for item, image in images if item.patient_id == "bert")


def test_where_findings_are_unknown_no_patch_is_cut(source):
    study(source / "bert", lesion=False)
    _, _, reasons = made(source, region="body")
    assert all("class is unknown" in reason for file, reason in reasons.items() if file.startswith("bert/"))
    assert {"bert/t2.nii.gz", "bert/dyn.nii.gz"} <= reasons.keys()
    (source.parent / "table.csv").write_text("patient,class\nanna,malignant\nbert,benign\n")
    reasons = made(source, table=source.parent / "table.csv")[2]
    assert "class is benign" in reasons["bert/t2.nii.gz"]


def test_without_any_mask_patches_have_no_class(tmp_path):
    study(tmp_path / "source" / "anna", lesion=False)
    images, info, reasons = made(tmp_path / "source", region="body", grid=128, mask="")
    assert not reasons and not info.mask_labels and {image.label for _, image in images} == {""}


def test_a_lesion_without_class_and_a_healthy_patient_with_one_are_refused(source):
    table = source.parent / "table.csv"
    for text, words in (("carl,benign", "no class"), ("anna,healthy", "the class healthy")):
        table.write_text(f"patient,class\n{text}\n")
        assert words in made(source, table=table)[2]["anna"]


def test_phases_in_the_wrong_order_are_noticed(source):
    swapped = {**CONTRASTS, "T1 pre": "*/dyn.nii.gz[1]", "T1 post1": "*/dyn.nii.gz[0]"}
    assert "not brighter" in made(source, contrasts=swapped)[2]["anna"]


def test_a_mask_on_another_grid_is_refused(source):
    save(source / "anna" / "lesion.nii.gz", np.ones((SIDE, SIDE, DEPTH), np.uint8), AFFINE + np.eye(4, k=3) * 20)
    assert "another grid" in made(source)[2]["anna"]


def test_a_missing_contrast_names_itself(source):
    (source / "anna" / "t2.nii.gz").unlink()
    with pytest.raises(SourceError, match="0 volumes for T2"):
        made(source)


def test_a_contrast_of_one_value_is_refused(source):
    save(source / "anna" / "t2.nii.gz", np.full((SIDE, SIDE, DEPTH), 300, np.float32))
    assert "Its T2 has one value everywhere" in made(source)[2]["anna"]


def test_what_is_no_channel_is_listed(source):
    save(source / "anna" / "adc.nii.gz", torso().astype(np.float32))
    assert "none of the channels" in made(source)[2]["anna/adc.nii.gz"]


def test_intensities_do_not_depend_on_the_scanner_gain(tmp_path):
    study(tmp_path / "one" / "anna")
    study(tmp_path / "two" / "anna", scale=7.0)
    first, second = (made(tmp_path / name, 64, output="slices")[0][2][1] for name in ("one", "two"))
    np.testing.assert_allclose(first.image[1:].astype(int), second.image[1:], atol=2)
    assert second.high[1] == pytest.approx(7 * first.high[1], rel=1e-4)


def test_a_volume_on_its_own_grid_stays_and_on_a_finer_one_is_interpolated():
    slices = np.random.default_rng(0).uniform(0, 9, (5, 12, 12)).astype(np.float32)
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    volume = Volume(slices=slices, padding=None, affine=affine, turned="")
    same = grid_over(volume, 5, 12)
    np.testing.assert_allclose(onto(volume, same), slices, atol=1e-5)
    fine = grid_over(volume, 9, 24)
    assert fine.spacing_mm == (1.0, 1.0)
    np.testing.assert_allclose(onto(volume, fine)[::2, 1:-1:2, 1:-1:2].mean(), slices.mean(), atol=0.4)
    # A column of the ramp x = 2 i lies in the fine grid at x = j - 0.5.
    ramp = Volume(slices=np.broadcast_to(2.0 * np.arange(12), (5, 12, 12)), padding=None, affine=affine, turned="")
    np.testing.assert_allclose(onto(ramp, fine)[4, 12, 1:-1], np.arange(1, 23) - 0.5, atol=1e-5)


def test_slanted_and_straight_grids_give_the_same_values():
    slices = np.random.default_rng(0).uniform(0, 9, (4, 10, 10)).astype(np.float32)
    straight = Volume(slices=slices, padding=None, affine=np.eye(4), turned="")
    slanted = Volume(slices=slices, padding=None, affine=np.eye(4) + 2e-6 * np.eye(4, k=1), turned="")
    grid = grid_over(straight, 4, 20)
    np.testing.assert_allclose(onto(straight, grid), onto(slanted, grid), atol=1e-3)


@pytest.mark.parametrize("text", ["patient\nanna\n", "patient,class\nanna,\n", "patient,class\na,b\na,c\n", ""])
def test_a_wrong_table_is_a_sentence(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ConfigError, match="table"):
        read_classes(tmp_path / "table.csv")


def test_patches_must_fit_into_the_grid(source):
    with pytest.raises(ConfigError, match="Choose a smaller size"):
        made(source, size=128)

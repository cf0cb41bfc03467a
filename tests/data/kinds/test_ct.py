"""CT: Hounsfield units through a window, labels by a table, and a reason for all that is left out."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from synthmed.data.kinds import ct
from synthmed.data.kinds._hounsfield import TISSUES, check_hounsfield, check_series, seems_moved, tissues_of
from synthmed.data.kinds._label_table import read_table
from synthmed.errors import ConfigError, SourceError

AFFINE = np.diag([-2.0, -2.0, 5.0, 1.0])  # stored as DICOM stores: x to the left, y to the back


def phantom(depth=6, size=48, shift=0):
    """[x y z] a cylinder of muscle in air with a spot of bone at the patient's right, and its organ map."""
    x, y = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    body = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (0.4 * size) ** 2
    bone = (abs(x - 0.3 * size) < 3) & (abs(y - 0.5 * size) < 3)
    picture = np.where(body, 50, -1000) + np.where(bone, 650, 0) + shift
    voxels = np.repeat(picture[:, :, None], depth, axis=2).astype(np.int16)
    labels = np.repeat((body * 50 + bone * 100)[:, :, None], depth, axis=2).astype(np.uint8)
    return voxels, labels


def save(path, voxels, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(voxels, affine).to_filename(path)


@pytest.fixture
def source(tmp_path):
    """Two patients with masks of the values 50 and 150, and a table."""
    voxels, labels = phantom()
    for patient in ("anna", "bert"):
        save(tmp_path / "source" / "images" / f"{patient}.nii.gz", voxels)
        save(tmp_path / "source" / "masks" / f"{patient}.nii.gz", labels)
    (tmp_path / "table.csv").write_text("value,name\n50,muscle\n150,bone\n")
    return tmp_path / "source"


def made(source, size=48, **settings):
    """All images of a folder, its description, and name -> reason of all that was left out."""
    table = source.parent / "table.csv"
    chosen = ct.Settings(**{"table": str(table) if table.is_file() else "", **settings})
    found = ct.find(source, chosen, map)
    info = ct.describe(found, chosen, size, size)
    reasons, images = {rejection.file: rejection.reason for rejection in found.rejected}, []
    for item in found.items:
        try:
            images += [(item, image) for image in ct.make(item, info, chosen)]
        except SourceError as error:
            reasons[item.name] = str(error)
    return images, info, reasons


def test_stored_numbers_lead_back_to_hounsfield_units(source):
    images, info, reasons = made(source)
    assert not reasons and len(images) == 12 and {item.patient_id for item, _ in images} == {"anna", "bert"}
    assert (info.intensity.low, info.intensity.high, info.intensity.unit, info.bits) == (-1000, 1000, "HU", 16)
    _, first = images[0]
    units = first.low + first.image[0] / 65535 * (first.high - first.low)
    np.testing.assert_allclose(units, phantom()[0][:, :, 0].T, atol=0.02)
    assert first.part == "slice 0000" and first.spacing_mm == (2.0, 2.0) and first.mask_source == "manual"


def test_labels_lie_on_their_organs_at_any_size(source):
    images, info, _ = made(source, size=96)
    assert info.mask_labels == {"0": "background", "1": "muscle", "2": "bone"}
    for _, image in images:
        bright = image.image[0] > 0.8 * 65535
        assert (image.mask[bright] == 2).mean() > 0.95 and image.spacing_mm == (1.0, 1.0)
        # The bone is at the patient's right: left in the picture.
        assert np.argwhere(image.mask == 2)[:, 1].mean() < 40


def test_rows_of_one_name_become_one_label_and_a_subset_may_be_chosen(source):
    (source.parent / "table.csv").write_text("value,name\n150,tissue\n50,tissue\n")
    images, info, _ = made(source)
    assert info.mask_labels == {"0": "background", "1": "tissue"} and set(np.unique(images[0][1].mask)) == {0, 1}
    (source.parent / "table.csv").write_text("value,name\n150,bone\n")
    assert "holds 50, which the table does not name" in made(source)[2]["images/anna.nii.gz"]
    images, _, reasons = made(source, others="background")
    assert not reasons and images[0][1].mask.max() == 1


def test_a_mask_on_another_grid_is_refused(source):
    _, labels = phantom()
    save(source / "masks" / "anna.nii.gz", labels[:, :, :5])
    save(source / "masks" / "bert.nii.gz", labels, AFFINE + np.eye(4, k=3) * 9)
    _, _, reasons = made(source)
    assert "48 x 48 x 5" in reasons["images/anna.nii.gz"] and "at another place" in reasons["images/bert.nii.gz"]


def test_a_mask_stored_the_other_way_round_is_turned_to_its_image(source):
    expected = made(source)[0]
    turned = nibabel.as_closest_canonical(nibabel.load(source / "masks" / "anna.nii.gz"))
    turned.to_filename(source / "masks" / "anna.nii.gz")
    for (_, one), (_, other) in zip(expected, made(source)[0], strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_masks_without_a_table_name_their_values(source):
    (source.parent / "table.csv").unlink()
    with pytest.raises(ConfigError, match="0, 50, 150"):
        made(source)


def test_pairs_must_be_whole(source):
    (source / "masks" / "anna.nii.gz").rename(source / "masks" / "carl.nii.gz")
    images, _, reasons = made(source)
    assert {item.patient_id for item, _ in images} == {"bert"}
    assert "no mask" in reasons["images/anna.nii.gz"] and "without its image" in reasons["masks/carl.nii.gz"]


def test_other_layouts_are_named_by_patterns(tmp_path):
    voxels, labels = phantom()
    for patient in ("s1", "s2"):
        save(tmp_path / "source" / patient / "ct.nii.gz", voxels)
        save(tmp_path / "source" / patient / "organs.nii.gz", labels)
    (tmp_path / "table.csv").write_text("value,name\n50,muscle\n150,bone\n")
    images, _, reasons = made(tmp_path / "source", images="*/ct.nii.gz", masks="*/organs.nii.gz", every=3)
    assert not reasons and [item.patient_id for item, _ in images] == ["s1", "s1", "s2", "s2"]
    assert [image.part for _, image in images[:2]] == ["slice 0000", "slice 0003"] and images[0][1].mask.max() == 2


def test_slices_with_little_body_are_passed_over(source):
    voxels, _ = phantom()
    voxels[:, :, 0] = -1000
    save(source / "images" / "anna.nii.gz", voxels)
    images, _, _ = made(source)
    assert next(image.part for item, image in images if item.patient_id == "anna") == "slice 0001"


def cross_section(rng, what, noise):
    """Hounsfield units of a slice [96 96]: ``what`` says of which part, and how it was cut or stored."""
    y, x = np.mgrid[:96, :96]
    out = np.hypot(x - 48, y - 48) / 96
    radius = {"infant": 0.15, "cut to the body": 1.0}.get(what, 0.36)
    units = np.where(out < radius, np.where(out < 0.9 * radius, 45.0, -95.0), -1000.0)
    units[(abs(x - 48) < 3) & (abs(y - 60) < 4)] = 500 + 900 * rng.random()
    if what == "chest":
        units[(np.hypot(x - 35, y - 46) < 9) | (np.hypot(x - 61, y - 46) < 9)] = -820
    if what in ("head", "cut to the body"):
        ring = (out > 0.3) & (out < 0.34)
        units[ring] = rng.uniform(300, 1900, ring.sum())
    units = (units + rng.normal(0, noise, units.shape)).clip(-1024, 3071)
    if what == "round field":
        units[out > 0.49] = -2048
    return units


@pytest.mark.parametrize("noise", [0, 25])
@pytest.mark.parametrize("what", ["abdomen", "chest", "head", "infant", "cut to the body", "round field"])
def test_an_intercept_that_is_wrong_by_1024_is_noticed_in_every_part_of_the_body(rng, what, noise):
    series = np.stack([cross_section(rng, what, noise) for _ in range(5)] + [np.full((96, 96), -1000.0)])
    check_hounsfield(series.ravel())
    for shift in (-2048, -1024, 1024):
        with pytest.raises(SourceError, match="It holds no plausible Hounsfield units"):
            check_hounsfield(series.ravel() + shift)


@pytest.mark.parametrize(("shift", "words"), [(1024, "between 850 and 1180 HU"), (-1024, "denser than -300 HU")])
def test_a_wrong_intercept_is_noticed(shift, words):
    voxels, _ = phantom(shift=shift)
    with pytest.raises(SourceError, match=words):
        check_hounsfield(voxels.ravel())
    check_hounsfield(phantom()[0].ravel())


WRONG = {
    "windowed for soft tissue": lambda units: units.clip(-160, 240),
    "a picture of 8 bits": lambda units: ((units.clip(-1000, 1000) + 1000) / 2000 * 255).round(),
    "normalised": lambda units: units.clip(-1000, 1000) / 1000,
    "standardised": lambda units: (units - units.mean()) / units.std(),
    "cut at 0": lambda units: units.clip(0, None),
    "half the slope": lambda units: (units + 1024) / 2 - 1024,
    "twice the slope": lambda units: (units + 1024) * 2 - 1024,
    "negative numbers read as 16 bits": lambda units: np.where(units < 0, units + 65536, units),
    "1000 too low": lambda units: units - 1000,
    "1000 too high": lambda units: units + 1000,
}


@pytest.mark.parametrize("noise", [0, 25])
@pytest.mark.parametrize("how", WRONG)
def test_numbers_that_were_changed_in_any_way_are_noticed(rng, how, noise):
    units = np.stack([cross_section(rng, what, noise) for what in ("abdomen", "chest", "abdomen")])
    check_hounsfield(units.ravel())
    with pytest.raises(SourceError, match="It holds no plausible Hounsfield units"):
        check_hounsfield(WRONG[how](units).ravel())


@pytest.mark.parametrize("shift", [-1024, -1000, 1000, 1024])
def test_a_part_of_a_series_with_another_intercept_is_noticed(rng, shift):
    series = np.stack([cross_section(rng, "abdomen", 25) for _ in range(40)])
    series[:3] = -1000  # above the head
    check_series(series, None)
    series[30:33] += shift
    with pytest.raises(SourceError, match="slices 30 to 32 of 40 lie apart"):
        check_series(series, None)


def test_a_stack_that_ends_in_padding_or_fills_its_pictures_is_accepted(rng):
    series = np.stack([cross_section(rng, "cut to the body", 25) for _ in range(6)] + [np.full((96, 96), -1000.0)] * 2)
    check_series(series, None)
    check_series(np.where(np.arange(8)[:, None, None] > 5, -3024, series), None)
    padded = np.zeros(series.shape, bool)
    padded[6:] = True
    check_series(np.where(padded, -3024, series), padded)


def test_a_ct_with_another_intercept_is_told_from_mr(rng):
    series = np.stack([cross_section(rng, "abdomen", 25) for _ in range(5)]).ravel()
    assert seems_moved(series + 1024) and seems_moved(series - 1024) and not seems_moved(series)
    small = np.repeat([24.0, 1064, 1124, 1924], [9000, 900, 100, 200])  # a body of which a sixth is bone, in much air
    assert seems_moved(small)
    tissue = np.concatenate([np.abs(rng.normal(0, 20, 5000)), rng.normal(350, 90, 3000), rng.normal(900, 120, 900)])
    assert not seems_moved(tissue)


def test_tissues_are_found_by_their_units():
    picture = np.full((200, 200), -1000.0)
    picture[20:180, 20:180] = -100  # fat
    picture[30:170, 30:170] = 50
    generator = np.random.default_rng(0)
    picture[40:120, 40:80] = generator.normal(-850, 60, (80, 40))  # lung
    picture[70:76, 55:61] = 40  # a vessel in it
    picture[130:160, 90:110] = 700
    picture[60:66, 120:126] = -1000  # trachea
    picture[190:192, 20:180] = 200  # the table
    picture[20:180, 150:170] = 250  # contrast medium: denser than muscle, not compact
    tissues = tissues_of(picture, (1.0, 1.0))
    names = ("background", *TISSUES)
    places = {(5, 5): 0, (25, 100): 1, (100, 100): 2, (145, 100): 3, (100, 60): 4, (73, 58): 5, (63, 123): 6}
    places |= {(191, 100): 0, (100, 160): 2}
    assert {place: names[tissues[place]] for place in places} == {
        place: names[label] for place, label in places.items()
    }


def test_derived_maps_say_so(source):
    import shutil

    shutil.rmtree(source / "masks")
    images, info, _ = made(source, derive=True, table="")
    assert images[0][1].mask_source == "derived" and list(info.mask_labels.values())[1:] == list(TISSUES)
    assert (images[0][1].mask == 3).any()


def picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_windowed_pictures_and_colour_masks(tmp_path, rng):
    grey = rng.integers(0, 256, (48, 48), np.uint8)
    colours = np.zeros((48, 48, 3), np.uint8)
    colours[5:10, 5:10], colours[20:30, 20:30] = (255, 0, 255), (255, 255, 0)
    for name in ("10001_17", "10001_18", "10002_3"):
        picture(tmp_path / "source" / "a" / "images" / f"{name}.png", grey)
        picture(tmp_path / "source" / "a" / "masks" / f"{name}.png", colours)
    (tmp_path / "table.csv").write_text("value,name\n#FF00FF,liver\n#FFFF00,kidney\n")
    images, info, _ = made(tmp_path / "source")
    assert [item.patient_id for item, _ in images] == ["10001", "10001", "10002"]
    assert (info.bits, info.intensity.unit) == (8, "grey value")
    np.testing.assert_array_equal(images[0][1].image[0], grey)
    assert (images[0][1].mask[7, 7], images[0][1].mask[25, 25], images[0][1].mask[0, 0]) == (1, 2, 0)
    # A colour that a lossy program has smeared is not guessed.
    picture(tmp_path / "source" / "a" / "masks" / "10002_3.png", np.minimum(colours, 250))
    assert "#FA00FA" in made(tmp_path / "source")[2]["a/images/10002_3.png"]


def test_grey_value_masks_of_six_values(tmp_path, rng):
    values = np.repeat(np.array([0, 50, 100, 150, 200, 230], np.uint8), 8)[None].repeat(48, 0)
    picture(tmp_path / "source" / "images" / "a.png", rng.integers(0, 256, (48, 48), np.uint8))
    picture(tmp_path / "source" / "masks" / "a.png", values)
    rows = "".join(f"{value},organ {value}\n" for value in (50, 100, 150, 200, 230))
    (tmp_path / "table.csv").write_text("value,name\n" + rows)
    images, info, _ = made(tmp_path / "source")
    assert list(np.unique(images[0][1].mask)) == list(range(6)) and info.mask_labels["5"] == "organ 230"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("value;name\n1;a\n", "columns value;name"),
        ("value,name\n1,a\n1,b\n", "twice"),
        ("value,name\n#FF00FF,a\n1,b\n", "colours and by numbers"),
        ("value,name\nred,a\n", "'red'"),
        ("value,name\n", "0 labels"),
        ("value,name\n" + "".join(f"{number},n{number}\n" for number in range(1, 257)), "256 labels"),
    ],
)
def test_a_wrong_table_is_a_sentence(tmp_path, text, words):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_table(tmp_path / "table.csv")


def test_a_folder_without_ct_says_what_was_found(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SourceError, match=r"notes\.txt"):
        made(tmp_path)


def test_a_link_to_a_volume_elsewhere_is_that_volume(source):
    (source / "images" / "anna.nii.gz").rename(source.parent / "annexed.nii.gz")
    (source / "images" / "anna.nii.gz").symlink_to(source.parent / "annexed.nii.gz")
    images, _, reasons = made(source)
    assert not reasons and {item.patient_id for item, _ in images} == {"anna", "bert"}

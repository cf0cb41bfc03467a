"""From files to images: window, mask, sides, names, tables, and what is refused."""

import csv

import numpy as np
import pytest
from data.film import breast_film, digital_breast, letter
from PIL import Image
from sources.dicom_files import dataset_of, write

from synthmed.config import parse, read_overrides
from synthmed.data.geometry import mask_to_source
from synthmed.data.kinds import find_kind
from synthmed.errors import ConfigError, SourceError

KIND = find_kind("mammogram")


def run(function, values):
    for value in values:
        try:
            yield function(value)
        except SourceError as error:
            yield error


def found_in(folder, *overrides):
    settings = parse(KIND.Settings, read_overrides(overrides), "mammogram")
    return KIND.find(folder, settings, run), settings


def made_from(folder, *overrides, size=(512, 256)):
    """Everything that a folder becomes: item name -> Made, and the set's description."""
    found, settings = found_in(folder, *overrides)
    info = KIND.describe(found, settings, *size)
    return {item.name: KIND.make(item, info, settings)[0] for item in found.items}, info


def save(path, picture, bits=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(picture * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)).save(path)


def mammogram(path, film, **elements):
    """A DICOM mammogram of 12 bits whose window shows 1000 to 3000."""
    pixels = np.rint(1000 + 2000 * film).astype(np.uint16)
    words = {"Modality": "MG", "BitsStored": 12, "HighBit": 11, "ImageLaterality": "L", "ViewPosition": "MLO"}
    window = {"WindowCenter": 2000.5, "WindowWidth": 2001, "ImagerPixelSpacing": [0.1, 0.1]}
    write(path, dataset_of(pixels, **(words | window | elements)))


def test_a_dicom_mammogram_goes_through_its_window(tmp_path):
    film, breast = breast_film()
    mammogram(tmp_path / "a.dcm", film)
    made, info = made_from(tmp_path)
    one = made["a.dcm"]
    assert (info.channels, info.bits, info.mask_labels) == (["grey"], 8, {"0": "background", "1": "breast"})
    assert (one.low, one.high, one.curve) == (1000, 3000, "linear")
    assert (one.view, one.mask_source, one.notes) == ("L MLO", "derived", "")
    assert one.image.shape == (1, 512, 256) and one.image.dtype == np.uint8
    np.testing.assert_allclose(one.spacing_mm, 0.1 / one.fit.scale)
    height, width = one.fit.inner
    shown = one.image[0, one.fit.pad_top : one.fit.pad_top + height, one.fit.pad_left : one.fit.pad_left + width] / 255
    assert abs(shown.mean() - film.mean()) < 0.002
    back = mask_to_source(one.mask, one.fit) > 0
    assert 2 * (back & breast).sum() / (back.sum() + breast.sum()) > 0.97


def measured_from(folder, *overrides, size=(512, 256)):
    """Like ``made_from``, with what only the pixels of the whole set can say."""
    found, settings = found_in(folder, *overrides)
    found = KIND.measure(found, settings, run)
    info = KIND.describe(found, settings, *size)
    return {item.name: KIND.make(item, info, settings)[0] for item in found.items}


def test_twelve_bits_in_sixteen_are_shown_by_the_bits_that_the_set_uses(tmp_path):
    for seed, name in enumerate("ab"):
        picture, _ = digital_breast(density=0.2 + 0.4 * seed, fat=0.25, seed=seed)
        save(tmp_path / f"{name}.png", picture * (4095 if name == "a" else 3000) / 65535, bits=16)
    save(tmp_path / "c.png", digital_breast(density=0.3, fat=0.25, seed=3)[0])
    made = measured_from(tmp_path)
    assert {(one.low, one.high) for name, one in made.items() if name != "c.png"} == {(0, 4095)}
    assert (made["c.png"].low, made["c.png"].high) == (0, 255)
    for one in made.values():
        assert one.image.max() > 150 and "edges" not in one.notes
        assert 0.3 < (one.mask > 0).mean() < 0.8


def test_a_window_of_the_header_goes_before_the_bits_that_are_used(tmp_path):
    mammogram(tmp_path / "a.dcm", breast_film()[0])
    assert (measured_from(tmp_path)["a.dcm"].low, measured_from(tmp_path)["a.dcm"].high) == (1000, 3000)
    assert measured_from(tmp_path, "window=full")["a.dcm"].high == 4095


def test_what_surrounds_the_breast_is_left_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr("synthmed.data.breast._with_fat", lambda outline, smooth, frame: outline)
    save(tmp_path / "a.png", digital_breast(density=0.2, fat=0.12)[0])
    one = made_from(tmp_path)[0]["a.png"]
    assert (
        one.notes == "look at it: things like markers or edges surround the breast and may be tissue, so they were left"
    )
    untouched = made_from(tmp_path, "remove_markers=false", "remove_edges=false")[0]["a.png"]
    assert untouched.notes == ""
    np.testing.assert_array_equal(one.image, untouched.image)


def test_a_sigmoid_a_named_window_and_a_table_are_recorded(tmp_path):
    film, _ = breast_film()
    windows = {"WindowCenter": [2000, 1800], "WindowWidth": [800, 400], "WindowCenterWidthExplanation": ["N", "SOFT"]}
    table = dataset_of(None)
    table.LUTDescriptor, table.LUTData, table.LUTExplanation = [4, 1500, 8], [0, 85, 170, 255], "CURVE"
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    for name in ("PatientID", "PatientName", "Modality"):
        delattr(table, name)
    mammogram(tmp_path / "a.dcm", film, VOILUTFunction="SIGMOID", VOILUTSequence=[table], **windows)
    told = [made_from(tmp_path, f"window={name}")[0]["a.dcm"] for name in ("first", "SOFT", "full")]
    assert [(one.low, one.high, one.curve) for one in told] == [
        (1600, 2400, "sigmoid"),
        (1600, 2000, "sigmoid"),
        (0, 4095, "linear"),
    ]
    (by_table,) = made_from(tmp_path, "window=lut")[0].values()
    assert (by_table.low, by_table.high, by_table.curve) == (1500, 1503, "table")
    assert by_table.image.max() == 255
    with pytest.raises(SourceError, match="no window 'HARD'; expected one of first, full, image, N, SOFT, CURVE"):
        made_from(tmp_path, "window=HARD")


def test_16_bits_keep_what_8_bits_round(tmp_path):
    film, _ = breast_film(seed=3)
    mammogram(tmp_path / "a.dcm", film)
    (fine,), info = (lambda made: (list(made[0].values()), made[1]))(made_from(tmp_path, "bits=16"))
    (coarse,) = made_from(tmp_path)[0].values()
    assert fine.image.dtype == np.uint16 and info.bits == 16
    assert np.abs(fine.image / 257.0 - coarse.image).max() <= 0.51


def test_monochrome1_shows_the_same_breast(tmp_path):
    film, _ = breast_film()
    mammogram(tmp_path / "a.dcm", film)
    inverted = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": 4095 - 2000.5 + 1, "WindowWidth": 2001}
    pixels = 4095 - np.rint(1000 + 2000 * film).astype(np.uint16)
    words = {"Modality": "MG", "BitsStored": 12, "HighBit": 11, "PatientID": "P-18", "ImageLaterality": "L"}
    write(tmp_path / "b.dcm", dataset_of(pixels, **(words | inverted)))
    made, _ = made_from(tmp_path)
    assert np.abs(made["a.dcm"].image.astype(int) - made["b.dcm"].image).max() <= 1
    np.testing.assert_array_equal(made["a.dcm"].mask, made["b.dcm"].mask)


def test_air_that_is_white_is_turned_if_asked_for_and_said(tmp_path):
    film, _ = breast_film()
    save(tmp_path / "a.png", 1 - film)
    with pytest.raises(SourceError, match="set invert=true"):
        made_from(tmp_path)
    (one,) = made_from(tmp_path, "invert=true")[0].values()
    assert (one.low, one.high) == (255, 0)


def test_markers_go_and_what_went_is_noted(tmp_path):
    film, _ = breast_film()
    letter(film, 40, 250, size=30)
    save(tmp_path / "a.png", film)
    (clean,) = made_from(tmp_path)[0].values()
    (whole,) = made_from(tmp_path, "remove_markers=false")[0].values()
    assert clean.notes.startswith("markers removed (0.") and whole.notes == ""
    assert clean.image[0, :120, 200:].max() < 40 < 200 < whole.image[0, :120, 200:].max()
    inside = clean.mask > 0
    np.testing.assert_array_equal(clean.image[0][inside], whole.image[0][inside])


def test_nothing_of_a_sharp_letter_can_be_read_afterwards(tmp_path):
    film, _ = breast_film(1024, 600, air=0.0)
    film[film < 0.1] = 0
    letter(film, 80, 500, size=60, value=1.0)
    save(tmp_path / "a.png", film)
    (one,) = made_from(tmp_path, "bits=16")[0].values()
    assert one.image[0, :130, 180:].max() == 0


def test_every_breast_can_be_turned_to_one_side(tmp_path):
    for side in ("left", "right"):
        film, _ = breast_film(side=side)
        save(tmp_path / f"{side}.png", film)
    made, _ = made_from(tmp_path, "flip=left")
    assert [one.notes for one in made.values()] == ["", "mirrored"]
    np.testing.assert_allclose(made["left.png"].image.mean(), made["right.png"].image.mean(), rtol=0.01)
    assert all((one.mask[:, 0] > 0).sum() > 100 and not one.mask[:, -1].any() for one in made.values())
    # The side of the body is told by where the wall lies on the film, before it is turned.
    assert [one.view for one in made.values()] == ["L", "R"]
    assert {one.view for one in made_from(tmp_path, "guess_laterality=false")[0].values()} == {""}


def test_the_chest_wall_lies_at_the_border_without_padding(tmp_path):
    film, _ = breast_film(400, 150, side="right")
    save(tmp_path / "a.png", film)
    (one,) = made_from(tmp_path)[0].values()
    assert one.fit.pad_left == 256 - one.fit.inner[1] > 0
    assert (one.mask[:, -1] > 0).sum() > 100


def test_a_breast_that_is_cut_out_fills_the_picture_and_can_be_laid_back(tmp_path):
    film, breast = breast_film(600, 600, side="right")
    save(tmp_path / "a.png", film)
    (whole,), (cut,) = (made_from(tmp_path, f"crop={crop}")[0].values() for crop in ("none", "breast"))
    assert cut.mask.mean() > 1.5 * whole.mask.mean()
    back = mask_to_source(cut.mask, cut.fit) > 0
    assert 2 * (back & breast).sum() / (back.sum() + breast.sum()) > 0.96


def test_a_mask_drawn_by_hand_goes_before_otsus(tmp_path):
    film, breast = breast_film()
    save(tmp_path / "images" / "a.png", film)
    drawn = np.roll(breast, -30, axis=1) & breast
    save(tmp_path / "masks" / "a.png", drawn.astype(np.float32))
    (one,) = made_from(tmp_path)[0].values()
    assert one.mask_source == "manual"
    assert abs((mask_to_source(one.mask, one.fit) > 0).sum() / drawn.sum() - 1) < 0.02
    (other,) = made_from(tmp_path, "mask=otsu")[0].values()
    assert other.mask_source == "derived" and other.mask.sum() > one.mask.sum()
    assert made_from(tmp_path, "mask=none")[0]["images/a.png"].mask is None


TISSUES = "labels={background=64, fat=128, gland=192}"
BREAST = "labels={background=64, breast=[128, 192]}"


@pytest.fixture
def tissue_folder(tmp_path):
    """Two films in train and test with maps of tissues whose names and folders have endings."""
    for half, patient in (("train_valid", "A_1"), ("test", "B_2")):
        film, breast = breast_film()
        maps = np.where(breast, np.where(np.arange(300) > 60, 192, 128), 64) / 255
        save(tmp_path / half / "seg" / f"{patient}_1.RIGHT_MLO.png", film)
        save(tmp_path / half / "seg_labels" / f"{patient}_1.RIGHT_MLO_LI.png", maps)
    return tmp_path


NAMES = r"names=(?P<split>train|test)\w*/.*(?P<patient_id>[A-Z]_\d+)_\d+\.(?P<laterality>LEFT|RIGHT)_(?P<view>MLO|CC)"


def test_names_say_patient_split_side_and_view(tissue_folder):
    found, _ = found_in(tissue_folder, "masks={folder}_labels/{stem}_LI.png", TISSUES, NAMES)
    assert [(item.patient_id, item.split, item.facts) for item in found.items] == [
        ("B_2", "test", {"laterality": "R", "view": "MLO"}),
        ("A_1", "train", {"laterality": "R", "view": "MLO"}),
    ]
    assert found.rejected == []


@pytest.mark.parametrize(("labels", "values"), [(TISSUES, [0, 1, 2]), (BREAST, [0, 1])])
def test_labels_are_numbered_as_the_setting_names_them(tissue_folder, labels, values):
    made, info = made_from(tissue_folder, "masks={folder}_labels/{stem}_LI.png", labels, NAMES)
    assert list(info.mask_labels) == [str(value) for value in values]
    for one in made.values():
        assert np.unique(one.mask).tolist() == values and one.view == "R MLO"


def test_a_mask_with_another_value_or_size_or_without_image_is_refused(tissue_folder):
    words = ["masks={folder}_labels/{stem}_LI.png", "labels={background=64, breast=128}", NAMES]
    with pytest.raises(SourceError, match="holds 192, which labels does not name; expected 64, 128"):
        made_from(tissue_folder, *words)
    save(tissue_folder / "test" / "seg_labels" / "B_2_1.RIGHT_MLO_LI.png", np.zeros((5, 5)))
    with pytest.raises(SourceError, match=r"300 x 512 pixels and its mask .* 5 x 5"):
        made_from(tissue_folder, *words)
    (tissue_folder / "test" / "seg" / "B_2_1.RIGHT_MLO.png").unlink()
    film, _ = breast_film()
    save(tissue_folder / "train_valid" / "seg" / "C_9_1.RIGHT_MLO.png", film)
    found, _ = found_in(tissue_folder, "masks={folder}_labels/{stem}_LI.png", TISSUES, NAMES)
    assert [item.patient_id for item in found.items] == ["A_1"]
    reasons = {rejection.file: rejection.reason for rejection in found.rejected}
    assert "has no mask drawn by hand" in reasons.pop("train_valid/seg/C_9_1.RIGHT_MLO.png")
    assert "has no mask drawn by hand" in reasons.pop("test/seg_labels/B_2_1.RIGHT_MLO_LI.png") and not reasons


def test_pairs_of_numbers_are_one_patient(tmp_path):
    for number in (1, 2, 3, 4):
        save(tmp_path / f"mdb{number:03d}.png", breast_film()[0])
    found, _ = found_in(tmp_path, "pairs=true")
    assert [item.patient_id for item in found.items] == ["mdbpair 1", "mdbpair 1", "mdbpair 2", "mdbpair 2"]
    assert len({item.patient_id for item in found_in(tmp_path)[0].items}) == 4


def test_a_table_goes_before_names_and_headers(tmp_path):
    film, _ = breast_film()
    mammogram(tmp_path / "a.dcm", film)
    save(tmp_path / "sub" / "b.png", film)
    rows = [
        ("file_name", "patient_id", "split", "label", "view", "laterality"),
        ("a.dcm", "", "test", "dense", "", "R"),
        ("sub/b.png", "Berta", "", "", "cc", "left"),
        ("c.png", "Carla", "", "", "", ""),
    ]
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    items = found_in(tmp_path)[0].items
    assert [(item.patient_id, item.split, item.label, item.facts) for item in items] == [
        ("P-17", "test", "dense", {"laterality": "R", "view": "MLO"}),
        ("Berta", "", "", {"laterality": "L", "view": "CC"}),
    ]


def test_a_side_that_is_none_and_a_file_without_a_row_are_left_out(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / name, breast_film()[0])
    (tmp_path / "mine.csv").write_text("file_name,patient_id,laterality\na.png,Anna,both\nb.png,Bert,r\n")
    found, _ = found_in(tmp_path, f"table={tmp_path / 'mine.csv'}")
    assert [item.patient_id for item in found.items] == ["Bert"]
    assert "laterality is 'both'" in found.rejected[0].reason and "has no row for it" in found.rejected[1].reason


def test_what_is_no_mammogram_is_left_out_with_its_reason(tmp_path):
    film, _ = breast_film()
    mammogram(tmp_path / "good.dcm", film)
    mammogram(tmp_path / "ct.dcm", film, Modality="CT")
    mammogram(tmp_path / "nobody.dcm", film, PatientID="", PatientName="")
    write(tmp_path / "tomo.dcm", dataset_of(np.zeros((3, 8, 8), np.uint16), Modality="MG"))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "link.dcm").symlink_to("/etc/hostname")
    found, _ = found_in(tmp_path)
    assert [item.name for item in found.items] == ["good.dcm"]
    reasons = {rejection.file: rejection.reason for rejection in found.rejected}
    assert "modality is CT; expected MG" in reasons["ct.dcm"]
    assert "Nobody says whose it is" in reasons["nobody.dcm"]
    assert "holds 3 pictures" in reasons["tomo.dcm"]
    assert "does not begin like an image" in reasons["notes.txt"]
    assert "does not begin like a DICOM file" in reasons["link.dcm"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("names=(", "no regular expression"),
        ("names=mdb", "of no name"),
        ("names=(?P<age>x)", "the groups age"),
        ("masks={place}", "expected a name with {folder} and {stem}"),
        ("labels={breast=1}", "labels names 1 labels"),
        ("labels={background=0, fat=1, gland=1}", "the value 1 to gland and to another"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(tmp_path, setting, words):
    save(tmp_path / "a.png", breast_film()[0])
    with pytest.raises((ConfigError, SourceError), match=words):
        made_from(tmp_path, setting)


def test_the_texture_map_is_a_second_channel(tmp_path):
    save(tmp_path / "a.png", breast_film()[0])
    made, info = made_from(tmp_path, "texture=true")
    image, mask = made["a.png"].image, made["a.png"].mask
    assert info.channels == ["grey", "texture"] and image.shape[0] == 2
    assert not image[1][mask == 0].any() and image[1][mask > 0].min() >= 127
    assert image[1].max() > 150


def test_the_same_file_gives_the_same_bytes(tmp_path):
    save(tmp_path / "a.png", breast_film()[0], bits=16)
    one, other = (made_from(tmp_path)[0]["a.png"] for _ in range(2))
    np.testing.assert_array_equal(one.image, other.image)
    assert (one.low, one.high) == (0, 65535)

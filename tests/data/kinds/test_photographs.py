"""Kinds of single pictures: what is found, and what physical values become."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from sources.dicom_files import dataset_of, write

from synthmed import sources
from synthmed.data.kinds import find_kind, kind_names
from synthmed.data.prepare import prepare
from synthmed.errors import ConfigError, SourceError
from synthmed.sources.image import SourceHeader, SourceImage


def test_kinds_are_found_by_their_files_and_an_unknown_one_lists_them():
    assert {"cells", "generic", "retina"} <= set(kind_names())
    for name in kind_names():
        kind = find_kind(name)
        assert all(hasattr(kind, part) for part in ("DEFAULT_SIZE", "Settings", "find", "describe", "make"))
        assert all(field.description for field in kind.Settings.model_fields.values())
    with pytest.raises(ConfigError, match=r"did you mean 'retina'.*cells, .*generic"):
        find_kind("retna")


def test_a_setting_that_is_unknown_is_met_with_the_nearest_known(tmp_path, make_source):
    source = make_source(tmp_path / "source", 2)
    with pytest.raises(ConfigError, match=r"did you mean 'low'.*fast_j2k, high, images, low, masks, patient, table"):
        prepare(source, tmp_path / "data", overrides=["lov=3"])
    with pytest.raises(ConfigError, match=r"generic\.low is 'dark'"):
        prepare(source, tmp_path / "data", overrides=["low=dark"])


def test_the_size_that_is_not_given_is_that_of_the_kind(tmp_path, make_source):
    dataset = prepare(make_source(tmp_path / "source", 2), tmp_path / "data")
    assert (dataset.info.height, dataset.info.width) == find_kind("generic").DEFAULT_SIZE


def test_black_and_white_that_are_given_are_recorded_in_every_row(tmp_path):
    (tmp_path / "source").mkdir()
    picture = np.linspace(0, 4000, 256, dtype=np.uint16).reshape(16, 16)
    tifffile.imwrite(tmp_path / "source" / "a.tif", picture)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16, overrides=["low=1000", "high=3000"])
    (row,) = dataset.rows
    assert (row.low, row.high, row.curve) == ((1000.0,), (3000.0,), "linear")
    assert (dataset.info.intensity.low, dataset.info.intensity.high) == (1000, 3000)
    back = dataset.images()[0, 0] * (row.high[0] - row.low[0]) / 65535 + row.low[0]
    np.testing.assert_allclose(back, picture.clip(1000, 3000), atol=0.02)


def test_a_table_of_the_user_takes_the_place_of_the_folders(tmp_path, make_source):
    source = make_source(tmp_path / "source", 4, masks=False)
    lines = [f"scan {index:03d}.png,nobody,class {index}" for index in range(4)]
    (tmp_path / "table.csv").write_text("\n".join(["file_name,patient_id,label", *lines]))
    dataset = prepare(source, tmp_path / "data", size=16, table=tmp_path / "table.csv")
    assert len({row.patient_id for row in dataset.rows}) == 1
    assert [row.label for row in dataset.rows] == [f"class {index}" for index in range(4)]
    assert b"table.csv" not in (dataset.path / "dataset.json").read_bytes()
    with pytest.raises(ConfigError, match="is not a file"):
        prepare(source, tmp_path / "more", table=tmp_path / "nowhere.csv")


class Volumes:
    """Stands for a format of several frames, in values that no photograph has."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(sources, "open_header", lambda path: self.read(path).header)
        monkeypatch.setattr(sources, "read", self.read)

    def read(self, path):
        shape = (3, 1, 16, 24)
        is_mask = path.parent.name == "masks"
        pixels = np.arange(np.prod(shape)).reshape(shape)
        pixels = (pixels % 2).astype(np.uint8) * 5 if is_mask else pixels.astype(np.float32) - 1000
        header = SourceHeader(
            path=path, format="NIfTI", height=16, width=24, frames=3, bits=32, patient_id="Ada",
            spacing_mm=(0.5, 0.5, 3.0), view="AX",
        )  # fmt: skip
        return SourceImage(header=header, pixels=pixels)


def test_every_frame_of_a_volume_is_an_image_that_leads_back_to_its_values(tmp_path, monkeypatch):
    Volumes(monkeypatch)
    for folder in ("images", "masks"):
        (tmp_path / "source" / folder).mkdir(parents=True)
        for name in ("a.nii.gz", "b.nii.gz"):
            (tmp_path / "source" / folder / name).write_bytes(folder.encode() + name.encode())
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=(32, 48))
    assert [row.part for row in dataset.rows] == ["frame 0001", "frame 0002", "frame 0003"] * 2
    assert len({row.patient_id for row in dataset.rows}) == 1
    row = dataset.rows[0]
    assert (row.low, row.high, row.spacing_mm, row.view) == ((-1000.0,), (151.0,), (0.25, 0.25), "AX")
    values = dataset.images()[:, 0, ::2, ::2] * (row.high[0] - row.low[0]) / 65535 + row.low[0]
    assert values.min() < -990 and values.max() > 140
    assert dataset.masks().max() == 1 and dataset.info.mask_labels["1"] == "foreground"


def test_a_format_is_told_from_the_first_bytes(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert sources.open_header((tmp_path / "a.png").rename(tmp_path / "a.txt")).format == "PNG"
    assert sources.read(tmp_path / "a.txt").pixels.shape == (1, 1, 4, 4)
    starts = {b"\0" * 128 + b"DICM": "dicom", b"\0" * 344 + b"n+1\0": "nifti", b"NRRD0004\n": "nrrd", b"?": "pixels"}
    for start, owner in starts.items():
        (tmp_path / "file").write_bytes(start)
        assert sources._owner(tmp_path / "file") == f"synthmed.sources.{owner}"
    with pytest.raises(SourceError, match="cannot be read from the disk"):
        sources.open_header(tmp_path / "nowhere")


def slice_file(path, stored, **elements):
    """A DICOM file of one picture and one patient, named by its file."""
    return write(path, dataset_of(stored, **{"PatientID": path.stem, "Modality": "MR", **elements}))


def tissue(number, value=400, air=3):
    """A square of tissue, another one brighter, and a pixel of its own so that no two files are alike."""
    picture = np.full((16, 16), air, np.int16)
    picture[4:12, 4:12] = value
    picture[6:8, 6:8] = 3 * value
    picture[0, 0] = number
    return picture


@pytest.mark.parametrize("odd", ["slope", "sign", "padding"])
def test_one_tissue_has_one_brightness_in_all_files_of_a_set(tmp_path, odd):
    (tmp_path / "source").mkdir()
    for number in range(6):
        path, picture, facts = tmp_path / "source" / f"p{number}.dcm", tissue(number), {}
        if number in (2, 4) and odd == "slope":
            picture, facts = picture * 2, {"RescaleSlope": 0.5, "RescaleIntercept": 0.5, "RescaleType": "HU"}
        if number in (2, 4) and odd == "sign":
            picture[15, 15] = -1
        if number in (2, 4) and odd == "padding":
            picture[:3], facts = -2000, {"PixelPaddingValue": -2000}
        if odd != "slope":
            slice_file(path, picture, **facts)
        else:
            slice_file(path, picture.astype(np.uint16), **facts)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    shown = [int(image[0, 9, 9]) for image in dataset.images()]
    assert len(shown) == 6 and max(shown) - min(shown) <= 65535 * 1 / 1200
    assert min(shown) > 10_000
    assert len({(row.low, row.high) for row in dataset.rows}) == 1
    (row, *_), info = dataset.rows, dataset.info
    assert (row.low, row.high) == ((info.intensity.low,), (info.intensity.high,))
    if odd == "padding":
        assert sorted({int(image[0, 1, 1]) for image in dataset.images()})[0] == 0


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_twelve_bits_in_sixteen_are_not_nearly_black(tmp_path, rng, suffix):
    (tmp_path / "source").mkdir()
    pictures = [rng.integers(0, most, (16, 16)).astype(np.uint16) for most in (900, 3000, 700)]
    for number, picture in enumerate(pictures):
        path = tmp_path / "source" / f"p{number}.{suffix}"
        path.write_bytes(imagecodecs.png_encode(picture)) if suffix == "png" else tifffile.imwrite(path, picture)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    assert {(row.low, row.high) for row in dataset.rows} == {((0.0,), (4095.0,))}
    found = sorted(int(np.rint(image.max() / 65535 * 4095)) for image in dataset.images())
    assert found == sorted(int(picture.max()) for picture in pictures)


def test_numbers_of_another_unit_are_left_out(tmp_path):
    (tmp_path / "source").mkdir()
    for number in range(4):
        facts = {"RescaleSlope": 1, "RescaleIntercept": -3, "RescaleType": "OD"} if number == 3 else {}
        slice_file(tmp_path / "source" / f"p{number}.dcm", tissue(number).astype(np.uint16), **facts)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    assert len(dataset.rows) == 3
    assert "Its numbers are of the unit OD; expected grey value" in (dataset.path / "rejected.csv").read_text()


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_a_mask_that_may_lie_otherwise_than_its_turned_picture_is_said(tmp_path, rng, orientation):
    for folder in ("images", "masks"):
        (tmp_path / "source" / folder).mkdir(parents=True)
    for number in range(4):
        exif = Image.Exif()
        exif[274] = orientation if number < 3 else 1
        picture = Image.fromarray(rng.integers(0, 255, (16, 16, 3)).astype(np.uint8))
        picture.save(tmp_path / "source" / "images" / f"p{number}.jpg", exif=exif)
        mask = np.zeros((16, 16), np.uint8)
        mask[2:5, 2:9] = 255
        # The third mask is turned as its picture is, so it lies where it should.
        Image.fromarray(mask).save(tmp_path / "source" / "masks" / f"p{number}.png", exif=exif if number == 2 else None)
    dataset = prepare(tmp_path / "source", tmp_path / "data", size=16)
    doubted = [row.notes for row in dataset.rows if row.notes]
    assert len(doubted) == (0 if orientation == 1 else 2)
    assert all(note.startswith("look at it: Exif turns the picture and not its mask") for note in doubted)
    assert ("Look at 2 images, see their notes" in dataset.summary) == (orientation != 1)


def test_a_mask_on_its_side_says_that_exif_may_be_to_blame(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / "source" / folder).mkdir(parents=True)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.arange(320, dtype=np.uint8).reshape(16, 20)).save(tmp_path / "source/images/a.png", exif=exif)
    Image.fromarray(np.eye(16, 20, dtype=np.uint8)).save(tmp_path / "source/masks/a.png")
    with pytest.raises(SourceError, match="Exif turns one of them"):
        prepare(tmp_path / "source", tmp_path / "data", size=16)


def test_dicom_needs_no_extension_and_its_index_is_no_image(tmp_path):
    for place, name in (("plain", "IM0001"), ("plain", "1.2.840.113"), ("folders/images", "IM.7")):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        slice_file(tmp_path / place / "x", tissue(1).astype(np.uint16)).rename(tmp_path / place / name)
    slice_file(tmp_path / "plain" / "x", tissue(2).astype(np.uint16)).rename(tmp_path / "plain" / "IM0002")
    (tmp_path / "plain" / "DICOMDIR").write_bytes((tmp_path / "plain" / "IM0002").read_bytes())
    (tmp_path / "plain" / "README").write_text("hello")
    found = find_kind("generic").find(tmp_path / "plain", find_kind("generic").Settings(), map)
    assert [item.name for item in found.items] == ["1.2.840.113", "IM0001", "IM0002"]
    assert [one.file for one in found.rejected] == ["DICOMDIR", "README"]
    assert len(find_kind("generic").find(tmp_path / "folders", find_kind("generic").Settings(), map).items) == 1


@pytest.mark.parametrize("kind", ["ct", "breast_mr", "mammogram", "generic"])
def test_a_refused_folder_names_the_reason_that_most_files_have(tmp_path, kind):
    (tmp_path / "DICOMDIR").write_bytes(bytes(200))
    (tmp_path / "README.txt").write_text("hello")
    for number in range(3):
        whole = slice_file(
            tmp_path / f"p{number}.dcm", tissue(number).astype(np.uint16), StudyInstanceUID=f"1.{number}"
        )
        whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(SourceError, match=r"3 share this reason, such as F[0-9a-f]{12}: .*(cut short|holds)"):
        prepare(tmp_path, tmp_path.parent / f"{tmp_path.name} data", kind=kind, size=64)

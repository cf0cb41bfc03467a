"""Inputs that are easily taken for what they are not: each is read as what it is, or left out with a reason."""

import imagecodecs
import numpy as np
import tifffile
from data.film import breast_film
from data.test_account import checked, mask, picture, series
from PIL import Image


def test_a_mask_whose_palette_shows_number_0_white_is_not_guessed(tmp_path):
    source = tmp_path / "source"
    for number in range(4):
        picture(source / "images" / f"{number}.png", number)
        drawn = Image.fromarray((np.eye(16) > 0).astype(np.uint8), "P")
        drawn.putpalette([255, 255, 255, 0, 0, 0] if number == 3 else [0, 0, 0, 128, 0, 0])
        (source / "masks").mkdir(exist_ok=True)
        drawn.save(source / "masks" / f"{number}.png")
    dataset, account, reasons = checked(source, tmp_path / "data", size=16)
    assert len(dataset) == 3 and account.masks == 3 and (dataset.masks()[0] == np.eye(16)).all()
    assert "shows number 0 in the colour (255, 255, 255)" in reasons["images/3.png"]


def test_one_folder_of_images_beside_folders_of_masks_is_no_patient(tmp_path):
    source = tmp_path / "source"
    for number in range(4):
        picture(source / "CXR_png" / f"case_{number}.png", number)
        for side in ("left", "right"):
            mask(source / "ManualMask" / f"{side}Mask" / f"case_{number}.png", number)
    dataset, account, _ = checked(source, tmp_path / "data", size=16)
    assert account.masks == 8 and len({row.patient_id for row in dataset.rows}) == 4


def deep(path, values, white):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(imagecodecs.png_encode((values * white).astype(np.uint16)))


def test_mammograms_of_12_bits_among_those_of_16_are_not_stored_nearly_black(tmp_path):
    source = tmp_path / "source"
    for seed in range(4):
        deep(source / f"{seed}.png", breast_film(64, 48, seed=seed)[0], 4095 if seed == 1 else 65535)
    dataset, _, reasons = checked(source, tmp_path / "data", kind="mammogram", size=32)
    assert len(dataset) == 3 and "would be nearly black" in reasons["1.png"] and "window=image" in reasons["1.png"]
    (source / "1.png").unlink()
    dim = checked(source, tmp_path / "again", kind="mammogram", size=32)[0]
    assert len(dim) == 3 and min(image.max() for image in dim.images()) > 100


def test_pictures_that_are_nearly_black_beside_others_are_told(tmp_path):
    source = tmp_path / "source"
    for seed in range(4):
        deep(source / f"{seed}.png", np.random.default_rng(seed).random((16, 16)), 4095 if seed == 1 else 65535)
    dataset, _, _ = checked(source, tmp_path / "data", size=16)
    assert sum("nearly black" in row.notes for row in dataset.rows) == 1
    assert "Look at 1 images" in " ".join(dataset.cautions)


def test_a_tiff_of_five_channels_does_not_decide_what_the_others_are(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    numbers = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 5), np.uint8)
    for place, pixels in enumerate(numbers):
        tifffile.imwrite(source / f"five{place}.tif", pixels, photometric="minisblack", planarconfig="contig")
        tifffile.imwrite(source / f"colour{place}.tif", pixels[..., :3], photometric="rgb")
    dataset, _, reasons = checked(source, tmp_path / "data", size=16)
    assert len(dataset) == 4 and dataset.info.channels == ["red", "green", "blue"]
    assert "has 5 channels" in reasons["five0.tif"]


def test_a_file_without_a_number_of_the_patient_is_the_patients_whose_name_it_bears(tmp_path):
    source = tmp_path / "source"
    for folder, name in (("a", "Doe^Jane"), ("bb", "DOE^Jane^^"), ("ccc", "Roe^Richard")):
        series(source / folder, folder, PatientID="", PatientName=name)
    dataset, _, _ = checked(source, tmp_path / "data", kind="ct", size=32)
    assert len({row.patient_id for row in dataset.rows}) == 2


def test_series_that_all_bear_one_name_are_told(tmp_path):
    source = tmp_path / "source"
    for folder in ("a", "bb", "ccc"):
        series(source / folder, folder, PatientID="ANONYMOUS", StudyInstanceUID=f"1.2.{len(folder)}")
    dataset, _, _ = checked(source, tmp_path / "data", kind="ct", size=32)
    assert "All images are of one patient" in dataset.cautions[0]
    (source / "metadata.csv").write_text("file_name,patient_id\na,1\nbb,2\nccc,3\n")
    dataset, _, _ = checked(source, tmp_path / "again", kind="ct", size=32)
    assert len({row.patient_id for row in dataset.rows}) == 3 and "are of one" not in " ".join(dataset.cautions)

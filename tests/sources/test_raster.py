"""Folders: which files belong together, whose they are, and what is left out with which reason."""

import numpy as np
import pytest
from PIL import Image

from synthmed.errors import SourceError
from synthmed.sources.raster import find


def touch(*paths):
    """Files with a picture in them; ``find`` looks at names only."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)


def reasons(found):
    return {rejection.file: rejection.reason for rejection in found.rejected}


def make_drive(folder, halves=("training", "test"), numbers=(1, 2)):
    for half in halves:
        offset = 20 if half == "training" else 0
        for number in numbers:
            name = f"{number + offset:02d}"
            touch(
                folder / half / "images" / f"{name}_{half}.tif",
                folder / half / "1st_manual" / f"{name}_manual1.gif",
                folder / half / "mask" / f"{name}_{half}_mask.gif",
            )


def test_drive_is_recognised_with_its_patients_masks_fields_and_splits(tmp_path):
    make_drive(tmp_path)
    found = find(tmp_path)
    assert found.layout == "drive" and not found.rejected
    assert {(image.patient_id, image.split) for image in found.images} == {
        ("21", "train"),
        ("22", "train"),
        ("01", "test"),
        ("02", "test"),
    }
    for image in found.images:
        assert image.mask_paths[0].name == f"{image.patient_id}_manual1.gif"
        assert image.field_path.name.startswith(image.patient_id)


def test_a_half_of_drive_may_be_without_manual_masks(tmp_path):
    make_drive(tmp_path)
    for path in (tmp_path / "test" / "1st_manual").iterdir():
        path.unlink()
    (tmp_path / "test" / "1st_manual").rmdir()
    found = find(tmp_path)
    assert not found.rejected
    assert {image.mask_paths == () for image in found.images if image.split == "test"} == {True}
    assert {image.mask_paths == () for image in found.images if image.split == "train"} == {False}


def test_one_drive_patient_in_both_halves_is_an_error_that_names_it(tmp_path):
    make_drive(tmp_path)
    touch(tmp_path / "test" / "images" / "21_test.tif", tmp_path / "test" / "1st_manual" / "21_manual1.gif")
    touch(tmp_path / "test" / "mask" / "21_test_mask.gif")
    with pytest.raises(SourceError, match=r"The patient of 21_test\.tif is in the splits train and test"):
        find(tmp_path)


def test_folders_are_paired_by_stem_whatever_the_extension_or_the_signs_in_the_name(tmp_path):
    for number in (1, 2, 10):
        touch(tmp_path / "images_jpg" / f"Img ({number}).jpg", tmp_path / "masks_gt_png" / f"Img ({number}).png")
        touch(tmp_path / "fields" / f"Img ({number}).bmp")
    found = find(tmp_path)
    assert found.layout == "folders" and len(found.images) == 3 and not found.rejected
    for image in found.images:
        assert image.mask_paths[0].stem == image.path.stem == image.field_path.stem == image.patient_id
        assert image.split == "" and image.label == ""


def test_a_plain_folder_holds_images_without_masks(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.tif")
    found = find(tmp_path)
    assert found.layout == "plain"
    assert [(image.patient_id, image.mask_paths, image.field_path) for image in found.images] == [
        ("a", (), None),
        ("b", (), None),
    ]


def test_what_has_no_partner_is_rejected_and_the_rest_goes_on(tmp_path):
    touch(tmp_path / "images" / "a.png", tmp_path / "images" / "b.png")
    touch(tmp_path / "masks" / "a.png", tmp_path / "masks" / "c.png")
    found = find(tmp_path)
    assert [image.path.name for image in found.images] == ["a.png"]
    assert "without its image" in reasons(found)["masks/c.png"]
    assert "no mask" in reasons(found)["images/b.png"]


def test_two_files_of_one_stem_are_both_rejected(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "b.jpg")
    found = find(tmp_path)
    assert [image.path.name for image in found.images] == ["a.png"]
    assert set(reasons(found)) == {"b.png", "b.jpg"}


def test_links_to_no_file_folders_and_other_files_are_rejected_and_links_to_images_are_read(tmp_path):
    source, outside = tmp_path / "source", tmp_path / "outside"
    touch(source / "a.png", outside / "annexed.png", source / "deeper" / "b.png")
    (source / "c.png").symlink_to(outside / "annexed.png")
    (source / "broken.png").symlink_to(source / "nowhere.png")
    (source / "device.png").symlink_to("/dev/zero")
    (source / "folder").symlink_to(outside)
    (source / "notes.txt").write_text("notes")
    (source / ".hidden.png").write_bytes(b"")
    found = find(source)
    assert [image.path.name for image in found.images] == ["a.png", "c.png"]
    told = {"broken.png", "device.png", "folder", "notes.txt", "deeper/b.png", ".hidden.png"}
    assert set(reasons(found)) == told
    assert "git annex get" in reasons(found)["broken.png"] and "no regular file" in reasons(found)["device.png"]
    assert "folder elsewhere, which is not followed" in reasons(found)["folder"]
    assert "below the other images" in reasons(found)["deeper/b.png"]


def test_a_name_that_is_not_utf8_is_rejected_in_words_that_can_be_written(tmp_path):
    import os

    touch(tmp_path / "a.png")
    os.link(tmp_path / "a.png", os.fsencode(tmp_path) + b"/M\xfcller.png")
    found = find(tmp_path)
    assert [image.path.name for image in found.images] == ["a.png"]
    assert [rejection.file.encode() for rejection in found.rejected] == [b"M\\udcfcller.png"]


def test_a_linked_folder_of_images_outside_is_rejected_file_by_file(tmp_path):
    source, outside = tmp_path / "source", tmp_path / "outside"
    touch(outside / "a.png")
    source.mkdir()
    (source / "images").symlink_to(outside)
    with pytest.raises(SourceError, match="symbolic link"):
        find(source)


def test_a_link_inside_the_folder_is_followed(tmp_path):
    touch(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert len(find(tmp_path).images) == 2


def test_metadata_gives_patients_splits_and_labels(tmp_path):
    touch(tmp_path / "images" / "a.png", tmp_path / "images" / "b.png")
    (tmp_path / "metadata.csv").write_bytes(
        "\ufefffile_name,label,patient_id,split\na.png,malignant,Müller,test\nimages/b.png,,Ng,\n".encode()
    )
    first, second = find(tmp_path).images
    assert (first.patient_id, first.split, first.label) == ("Müller", "test", "malignant")
    assert (second.patient_id, second.split, second.label) == ("Ng", "", "")


def test_images_and_rows_of_metadata_without_each_other_are_rejected(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "d.png")
    (tmp_path / "metadata.csv").write_text("file_name,patient_id\na.png,1\nc.png,2\nd.png,\n")
    found = find(tmp_path)
    assert [(image.path.name, image.patient_id) for image in found.images] == [("a.png", "1"), ("d.png", "")]
    assert "no row" in reasons(found)["b.png"]
    assert "not there" in reasons(found)["c.png"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file_name,patient\na.png,1\n", "file_name, patient;.*patient_id, split, label"),
        ("file_name;patient_id\na.png;1\n", "separated by commas"),
        ("patient_id\n1\n", "expected file_name"),
        ("", "empty file"),
        ("file_name,split\na.png,validation\n", "'validation'.*train, holdout, test"),
        ("file_name,split\na.png,test\na.png,train\n", "a.png twice"),
        ("file_name,split\na.png\n", "row 2"),
        ("file_name,split\na.png,test,more\n", "row 2"),
        (b"file_name,patient_id\na.png,M\xfcller\n", "UTF-8"),
    ],
)
def test_a_metadata_table_that_is_not_understood_is_an_error(tmp_path, text, words):
    touch(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SourceError, match=words):
        find(tmp_path)


def test_one_patient_in_two_declared_splits_is_an_error_that_names_image_and_splits(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "metadata.csv").write_text("file_name,patient_id,split\na.png,7,train\nb.png,7,holdout\n")
    with pytest.raises(SourceError, match=r"The patient of b\.png is in the splits train and holdout") as raised:
        find(tmp_path)
    assert raised.value.exit_code == 2


def test_a_folder_without_images_says_what_was_found_and_expected(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    with pytest.raises(SourceError, match=r"report\.pdf.*expected photographs"):
        find(tmp_path)
    with pytest.raises(SourceError, match="not a folder"):
        find(tmp_path / "nowhere")


def test_two_folders_of_images_are_an_error(tmp_path):
    touch(tmp_path / "images_left" / "a.png", tmp_path / "images_right" / "a.png")
    with pytest.raises(SourceError, match="images_left, images_right"):
        find(tmp_path)


def test_a_loop_of_links_is_one_row_of_what_is_left_out(tmp_path):
    from synthmed.sources.folders import list_files

    touch(tmp_path / "a.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "to.png").symlink_to("fro.png")
    (tmp_path / "fro.png").symlink_to("to.png")
    (tmp_path / "folder").symlink_to("folder")
    found = find(tmp_path)
    files, rejected = list_files(tmp_path)
    assert [image.path.name for image in found.images] == [file.name for file in files] == ["a.png"]
    told = {rejection.file: rejection.reason for rejection in found.rejected}
    for reasons in (told, rejected):
        assert set(reasons) == {"loop.png", "to.png", "fro.png", "folder"}
        assert all("leads back to itself" in reason for reason in reasons.values())

"""No file of a source folder is left out without a word."""

import unicodedata

from synthmed.data.kinds._folders import list_files
from synthmed.sources.partners import pair


def test_a_broken_link_is_told_and_a_link_to_a_file_elsewhere_is_read(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.nii").write_bytes(b"")
    (source / "broken.nii").symlink_to(source / "nowhere.nii")
    (tmp_path / "outside.nii").write_bytes(b"")
    (source / "out.nii").symlink_to(tmp_path / "outside.nii")
    files, rejected = list_files(source)
    assert files == [source / "a.nii", source / "out.nii"]
    reasons = {rejection.file: rejection.reason for rejection in rejected}
    assert list(reasons) == ["broken.nii"] and "link to nothing" in reasons["broken.nii"]


def test_an_image_and_its_mask_meet_however_their_names_are_composed():
    composed, decomposed = (unicodedata.normalize(form, "Müller/CT 7.nii.gz") for form in ("NFC", "NFD"))
    pairs = pair([f"images/{composed}", "images/Müller/CT 8.nii.gz"], [f"masks/{decomposed}"])
    assert pairs.of == {f"images/{composed}": [f"masks/{decomposed}"]}

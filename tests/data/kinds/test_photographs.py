"""Kinds of single pictures: what is found, and what physical values become."""

import numpy as np
import pytest
import tifffile
from PIL import Image

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
    with pytest.raises(ConfigError, match=r"did you mean 'low'.*fast_j2k, high, images, low, masks, table"):
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

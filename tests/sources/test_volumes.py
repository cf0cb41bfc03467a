"""NIfTI and NRRD: however a volume is stored, the same slices come out, and no header is believed blindly."""

import gzip
import itertools
import struct

import nibabel
import nrrd
import numpy as np
import pytest

from synthmed.errors import SourceError
from synthmed.sources import nifti, volume
from synthmed.sources import nrrd as slicer


def anatomy():
    """[x y z] in RAS with a bright voxel at the right, anterior, lower corner of the patient."""
    voxels = np.arange(4 * 5 * 3, dtype=np.int16).reshape(4, 5, 3) - 20
    voxels[3, 4, 0] = 1000
    return voxels


AFFINE = np.array([[2.0, 0, 0, -10], [0, 3.0, 0, -20], [0, 0, 5.0, -30], [0, 0, 0, 1]])


def saved(path, voxels, affine, **header):
    picture = nibabel.Nifti1Image(voxels, affine)
    for name, value in header.items():
        picture.header[name] = value
    picture.to_filename(path)
    return path


def test_right_is_left_anterior_is_up_and_slices_run_from_the_feet(tmp_path):
    image = nifti.read(saved(tmp_path / "a.nii", anatomy(), AFFINE))
    assert image.pixels.shape == (3, 1, 5, 4) and image.pixels.dtype == np.int16
    assert image.pixels[0, 0, 0, 0] == 1000
    header = image.header
    assert header.spacing_mm == (3.0, 2.0, 5.0) and header.orientation == (1, 0, 0, 0, 1, 0)
    # The first voxel is that of RAS (-10 + 3 * 2, -20 + 4 * 3, -30); LPS turns the signs of x and y.
    assert header.position_mm == (4.0, 8.0, -30.0)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((1, -1), repeat=3)))
def test_the_stored_order_of_axes_makes_no_difference(tmp_path, order, flips):
    expected = nifti.read(saved(tmp_path / "a.nii", anatomy(), AFFINE))
    target = np.array([[axis, flip] for axis, flip in zip(order, flips, strict=True)], float)
    picture = nibabel.Nifti1Image(anatomy(), AFFINE).as_reoriented(target)
    picture.to_filename(tmp_path / "b.nii.gz")
    image = nifti.read(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    assert image.header.position_mm == expected.header.position_mm
    assert image.header.spacing_mm == expected.header.spacing_mm == nifti.read_header(tmp_path / "b.nii.gz").spacing_mm


def test_nibabel_agrees_on_every_value(tmp_path, rng):
    picture = nibabel.Nifti1Image(rng.normal(size=(6, 7, 8)).astype(np.float32), AFFINE)
    picture.set_data_dtype(np.int16)
    picture.to_filename(tmp_path / "a.nii.gz")
    again = nibabel.as_closest_canonical(nibabel.load(tmp_path / "a.nii.gz")).get_fdata()
    pixels = nifti.read(tmp_path / "a.nii.gz").pixels
    np.testing.assert_allclose(pixels[:, 0], again[::-1, ::-1].transpose(2, 1, 0), rtol=1e-6, atol=1e-6)


def test_slope_and_intercept_give_what_the_file_means(tmp_path):
    path = saved(tmp_path / "a.nii", np.arange(8, dtype=np.uint8).reshape(2, 2, 2), np.eye(4))
    raw = bytearray(path.read_bytes())
    raw[112:120] = struct.pack("<ff", 10.0, -1024.0)
    path.write_bytes(raw)
    pixels = nifti.read(path).pixels
    assert pixels.dtype == np.int16 and sorted(pixels.ravel()) == [10 * value - 1024 for value in range(8)]


def test_time_points_come_one_after_another(tmp_path):
    voxels = np.zeros((4, 5, 3, 2), np.float32)
    voxels[..., 1] = 0.5
    header = nifti.read_header(saved(tmp_path / "a.nii.gz", voxels, AFFINE))
    assert (header.frames, header.volumes) == (6, 2)
    pixels = nifti.read(tmp_path / "a.nii.gz").pixels
    assert pixels.shape == (6, 1, 5, 4) and (pixels[:3] == 0).all() and (pixels[3:] == 0.5).all()


def test_voxels_that_are_no_number_are_padding(tmp_path):
    voxels = np.ones((3, 3, 2), np.float32)
    voxels[0, 0, 0], voxels[1, 1, 1] = np.nan, -4
    image = nifti.read(saved(tmp_path / "a.nii", voxels, np.eye(4)))
    assert image.padding.sum() == 1 and image.pixels[image.padding[:, None]] == [-4] and image.pixels.dtype == np.int8


def test_a_file_that_does_not_say_how_the_patient_lies_says_so(tmp_path):
    path = saved(tmp_path / "a.nii", anatomy(), None)
    assert nifti.read_header(path).orientation == () == nifti.read_header(path).position_mm


def test_metres_become_millimetres(tmp_path):
    picture = nibabel.Nifti1Image(anatomy(), AFFINE / 1000)
    picture.header.set_xyzt_units("meter")
    picture.to_filename(tmp_path / "a.nii")
    np.testing.assert_allclose(nifti.read_header(tmp_path / "a.nii").spacing_mm, (3, 2, 5), rtol=1e-5)


def damaged(tmp_path, kind):
    """A path to a file that must be refused, and words of the reason."""
    path = saved(tmp_path / "a.nii", anatomy(), AFFINE)
    raw = bytearray(path.read_bytes())
    if kind == "tilted":
        return saved(path, anatomy(), AFFINE + np.eye(4, k=1) * [[0, 0.5, 0, 0]]), "right angles"
    if kind == "coloured":
        return saved(path, np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]), AFFINE), "colours"
    if kind == "no spacing":
        raw[76:92] = struct.pack("<4f", 1, 0, 0, 0)
        raw[280:328] = bytes(48)
        return path, raw, "far apart|right angles|damaged"
    if kind == "cut":
        return path, raw[:-3], "cut short"
    if kind == "cut gzip":
        return path, gzip.compress(bytes(raw))[:-12], "damaged or cut short|cut short"
    if kind == "wrong checksum":
        packed = bytearray(gzip.compress(bytes(raw)))
        packed[-6] ^= 1
        return path, packed, "damaged or cut short"
    if kind == "promises too much":
        raw[40:56] = struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)
        return path, raw, "expected at most"
    if kind == "bomb":
        raw[40:56] = struct.pack("<8h", 3, 1024, 1024, 512, 1, 1, 1, 1)
        return path, gzip.compress(bytes(raw) + bytes(1 << 20)), "fill a memory"
    if kind == "empty axis":
        raw[40:56] = struct.pack("<8h", 3, 4, 0, 3, 1, 1, 1, 1)
        return path, raw, "at least one|damaged"
    if kind == "far offset":
        raw[108:112] = struct.pack("<f", 2e9)
        return path, raw, "from byte"
    if kind == "vectors":
        return saved(path, np.zeros((2, 2, 2, 1, 3), np.float32), AFFINE), "5 axes"
    if kind == "several numbers a voxel":
        return saved(path, np.zeros((4, 5, 3, 2), np.int16), AFFINE, intent_code=1007), "no time points"
    if kind == "colours as time":
        return saved(path, np.zeros((4, 5, 3, 3), np.uint8), AFFINE), "may hold colours"
    if kind == "colours as slices":
        return saved(path, np.zeros((40, 50, 3), np.uint8), None), "may hold colours"
    if kind == "empty":
        return path, b"", "does not begin"
    return path, b"hello" * 200, "does not begin"


KINDS = ["tilted", "coloured", "no spacing", "cut", "cut gzip", "wrong checksum", "promises too much", "bomb"]
KINDS += ["several numbers a voxel", "colours as time", "colours as slices"]


@pytest.mark.parametrize("kind", [*KINDS, "empty axis", "far offset", "vectors", "empty", "text"])
def test_what_cannot_be_read_is_refused_with_a_reason(tmp_path, kind):
    path, *raw, words = damaged(tmp_path, kind)
    if raw:
        path.write_bytes(bytes(raw[0]))
    with pytest.raises(SourceError, match=words):
        nifti.read(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(SourceError, match="not there"):
        nifti.read_header(tmp_path / "gone.nii")


def test_every_flipped_byte_of_a_header_is_read_or_refused(tmp_path, rng):
    raw = saved(tmp_path / "a.nii", anatomy(), AFFINE).read_bytes()
    for place in range(352):
        broken = bytearray(raw)
        broken[place] ^= int(rng.integers(1, 256))
        (tmp_path / "a.nii").write_bytes(broken)
        try:
            assert nifti.read(tmp_path / "a.nii").pixels.size <= volume.BYTE_LIMIT
        except SourceError as error:
            assert "a.nii" in str(error)


@pytest.mark.parametrize("reader", [nifti, slicer])
@pytest.mark.parametrize("noise", [0, 20])
def test_a_damaged_packed_file_never_gives_other_voxels(tmp_path, rng, reader, noise):
    smooth = np.add.outer(np.add.outer(np.arange(32), np.arange(32)), np.arange(4)) // 8
    voxels = (smooth + rng.normal(0, noise, smooth.shape)).astype(np.int16)
    if reader is nifti:
        path, start = saved(tmp_path / "a.nii.gz", voxels, AFFINE), 10
    else:
        path = written(tmp_path / "a.nrrd", voxels)
        start = path.read_bytes().index(b"\n\n") + 12
    whole, expected = path.read_bytes(), reader.read(path).pixels
    for place in rng.integers(start, len(whole), 200):
        broken = bytearray(whole)
        broken[place] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        try:
            np.testing.assert_array_equal(reader.read(path).pixels, expected)
        except SourceError:
            continue


def test_a_few_bytes_behind_the_voxels_are_no_damage_and_many_are(tmp_path, monkeypatch):
    raw = saved(tmp_path / "a.nii", anatomy(), AFFINE).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(raw + bytes(512)))
    np.testing.assert_array_equal(nifti.read(tmp_path / "b.nii.gz").pixels, nifti.read(tmp_path / "a.nii").pixels)
    monkeypatch.setattr(volume, "OFFSET_LIMIT", 400)
    with pytest.raises(SourceError, match="more than the 120 bytes"):
        nifti.read(tmp_path / "b.nii.gz")


def written(path, voxels, **fields):
    header = {"space": "left-posterior-superior", "space directions": np.diag([2.0, 3.0, 5.0])}
    nrrd.write(str(path), voxels, {**header, "space origin": [4.0, 8.0, -30.0], "encoding": "gzip", **fields})
    return path


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_gives_the_slices_that_nifti_gives(tmp_path, encoding):
    expected = nifti.read(saved(tmp_path / "a.nii", anatomy(), AFFINE))
    image = slicer.read(written(tmp_path / "a.nrrd", anatomy()[::-1, ::-1], encoding=encoding))
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    for name in ("position_mm", "orientation", "spacing_mm", "frames", "height", "width"):
        assert getattr(image.header, name) == getattr(expected.header, name)


def test_nrrd_of_several_time_points(tmp_path):
    voxels = np.stack([anatomy(), anatomy() + 5])
    directions = np.vstack([[np.nan] * 3, np.diag([2.0, 3.0, 5.0])])
    kinds = ["list", "domain", "domain", "domain"]
    image = slicer.read(written(tmp_path / "a.nrrd", voxels, **{"space directions": directions, "kinds": kinds}))
    assert image.header.volumes == 2
    np.testing.assert_array_equal(image.pixels[3:], image.pixels[:3] + 5)


def test_nrrd_opens_no_other_file_and_believes_no_header(tmp_path):
    raw = written(tmp_path / "a.nrrd", anatomy(), encoding="raw").read_bytes()
    for old, new, words in (
        (b"encoding: raw", b"encoding: raw\ndata file: ../secret.raw", "another file"),
        (b"sizes: 4 5 3", b"sizes: 40000 50000 30000", "expected at most"),
        (b"sizes: 4 5 3", b"sizes: 4 5 4", "cut short"),
        (b"space: left-posterior-superior", b"space: scanner-xyz", "how the patient lies"),
        (b"type: int16", b"type: block", "unusual type"),
        (b"encoding: raw", b"encoding: bzip2", "unusual way"),
        (b"NRRD0005", b"NURD0005", "does not begin"),
        (b"sizes: 4 5 3", b"sizes: four", "damaged|cannot be read"),
    ):
        assert old in raw or old == b"NRRD0005"
        (tmp_path / "a.nrrd").write_bytes(raw.replace(old, new) if old in raw else b"NURD" + raw[4:])
        with pytest.raises(SourceError, match=words):
            slicer.read(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (["RGB-color", "domain", "domain", "domain"], "'rgb-color'"),
        (["3-vector", "domain", "domain", "domain"], "'3-vector'"),
        (["list", "domain", "domain", "time"], "'time'"),
        (None, "not said"),
        (["time", "space", "space", "space"], ""),
        (["list", "domain", "domain", "domain"], ""),
    ],
)
def test_only_an_axis_of_time_is_taken_for_time_points(tmp_path, kinds, words):
    directions = np.vstack([[np.nan] * 3, np.diag([2.0, 3.0, 5.0])])
    said = {"kinds": kinds} if kinds else {}
    path = written(tmp_path / "a.nrrd", np.zeros((3, 4, 5, 6), np.uint8), **{"space directions": directions, **said})
    if not words:
        assert slicer.read_header(path).volumes == 3
        return
    with pytest.raises(SourceError, match=words):
        slicer.read_header(path)

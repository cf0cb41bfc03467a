"""The reader gives back what the writer was given, and finds what was changed since."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from synthmed import artifacts
from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset, split_infos
from synthmed.data.index import Row
from synthmed.data.prepare import prepare
from synthmed.data.store import DatasetWriter
from synthmed.errors import ArtifactError, DataError

INFO = DatasetInfo(
    kind="generic",
    channels=["grey"],
    height=6,
    width=8,
    bits=16,
    intensity=Intensity(low=0, high=65535, unit="grey value"),
    mask_labels={"0": "background", "1": "foreground"},
    has_fields=True,
)


def row(index, *, patient=None, split="train", **changes):
    line = Row(
        id=f"{index:06d}",
        patient_id=f"P{index if patient is None else patient:04d}",
        split=split,
        label="",
        mask_source="manual",
        source_digest=f"{index:064x}",
        source_height=6,
        source_width=8,
        scale=1.0,
        pad_top=0,
        pad_left=0,
        low=(0.0,),
        high=(65535.0,),
    )
    return replace(line, **changes)


def pixels(num, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 65536, (num, 1, 6, 8), np.uint16)
    return (
        images,
        generator.integers(0, 2, (num, 6, 8), np.uint8),
        generator.integers(0, 2, (num, 6, 8), np.uint8),
    )


def write(path, num=10, shard_images=4, info=INFO, splits=("train", "train", "test")):
    images, masks, fields = pixels(num)
    with DatasetWriter(path, info, shard_images=shard_images) as writer:
        for index in range(num):
            line = row(index, split=splits[index % len(splits)])
            writer.add(line, images[index], masks[index], fields[index])
    return PreparedDataset.open(path)


def test_what_was_written_is_read_across_shards(tmp_path):
    dataset = write(tmp_path / "data")
    images, masks, fields = pixels(10)
    assert len(list((tmp_path / "data" / "shards").glob("*-images.npy"))) == 3
    np.testing.assert_array_equal(dataset.images(), images)
    np.testing.assert_array_equal(dataset.masks(), masks)
    np.testing.assert_array_equal(dataset.fields_of_view(), fields)
    assert dataset.images().dtype == np.uint16
    assert dataset.rows == tuple(row(index, split=("train", "train", "test")[index % 3]) for index in range(10))


def test_indices_are_answered_in_their_own_order(tmp_path):
    dataset = write(tmp_path / "data")
    images, masks, _ = pixels(10)
    for chosen in ([9, 0, 5, 5, 3], [], np.array([7, 1])):
        np.testing.assert_array_equal(dataset.images(chosen), images[np.array(chosen, int)])
        np.testing.assert_array_equal(dataset.masks(chosen), masks[np.array(chosen, int)])


def test_a_view_of_a_split_holds_its_rows_and_no_others(tmp_path):
    dataset = write(tmp_path / "data")
    test = dataset.split("test")
    assert [line.id for line in test.rows] == ["000002", "000005", "000008"]
    np.testing.assert_array_equal(test.images([2, 0]), pixels(10)[0][[8, 2]])
    assert len(dataset.split("train", "test")) == 10
    assert test.digest == dataset.digest
    narrow = test.where(lambda line: line.id > "000002")
    np.testing.assert_array_equal(narrow.images(), pixels(10)[0][[5, 8]])
    assert len(dataset.where(lambda line: False).images()) == 0


def test_an_unknown_or_empty_split_is_an_error_that_lists_the_known(tmp_path):
    dataset = write(tmp_path / "data")
    with pytest.raises(DataError, match="train, holdout, test"):
        dataset.split("validation")
    with pytest.raises(DataError, match="holdout 0, test 3"):
        dataset.split("holdout")


def test_the_digests_of_the_splits_seal_the_source_files(tmp_path):
    dataset = write(tmp_path / "data")
    assert dataset.info.splits == split_infos(reversed(dataset.rows))
    digests = sorted(line.source_digest for line in dataset.split("test").rows)
    assert dataset.info.splits["test"].digest == artifacts.digest_of(digests)
    other = [replace(line, source_digest="0" * 63 + "f") if line.id == "000002" else line for line in dataset.rows]
    assert split_infos(other)["test"].digest != dataset.info.splits["test"].digest


def test_a_set_without_masks_or_fields_has_empty_masks_and_full_fields(tmp_path):
    info = INFO.model_copy(update={"mask_labels": {}, "has_fields": False})
    dataset = write(tmp_path / "data", info=info)
    assert not dataset.has_masks and dataset.spec.num_labels == 1 and dataset.spec.num_foreground == 0
    assert dataset.masks().shape == (10, 6, 8) and not dataset.masks().any()
    assert dataset.fields_of_view([1, 2]).shape == (2, 6, 8) and dataset.fields_of_view().all()
    assert not list((tmp_path / "data" / "shards").glob("*-masks.npy"))


def test_one_flipped_bit_in_any_file_is_found(tmp_path):
    dataset = write(tmp_path / "data")
    files = [path for path in dataset.path.rglob("*") if path.is_file() and path.name != artifacts.MANIFEST]
    assert len(files) == 3 * 3 + 5
    for path in files:
        content = path.read_bytes()
        if not content:
            continue
        changed = bytearray(content)
        changed[len(content) // 2] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ArtifactError, match="damaged"):
            PreparedDataset.open(dataset.path)
        path.write_bytes(content)
    assert PreparedDataset.open(dataset.path).digest == dataset.digest


def test_something_else_is_not_opened(tmp_path):
    with pytest.raises(ArtifactError, match="expected a dataset"):
        PreparedDataset.open(tmp_path)
    with artifacts.new_directory(tmp_path / "samples", "samples"):
        pass
    with pytest.raises(ArtifactError, match="is a samples"):
        PreparedDataset.open(tmp_path / "samples")


def test_another_schema_and_an_incomplete_set_are_refused(tmp_path):
    dataset = write(tmp_path / "data")
    file = dataset.path / "dataset.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"schema_version": 1}))
    with pytest.raises(ArtifactError, match="schema 2"):
        PreparedDataset.open(dataset.path, verify=False)
    file.write_text(json.dumps(content))
    index = dataset.path / "index.csv"
    index.write_text("\n".join(index.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(ArtifactError, match="9 rows"):
        PreparedDataset.open(dataset.path, verify=False)
    index.write_text("id,patient\n1,2\n")
    with pytest.raises(ArtifactError, match="columns"):
        PreparedDataset.open(dataset.path, verify=False)


def test_another_process_gets_the_path_and_not_the_pixels(tmp_path):
    dataset = write(tmp_path / "data", num=400, shard_images=400)
    expected = dataset.images([3, 1])
    sent = pickle.dumps(dataset._shards)
    assert len(sent) < 2000
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.images([3, 1]), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"patient": 0}, "patient P0000"), ({"source_digest": f"{0:064x}"}, "source file 0+ is in the splits")],
)
def test_a_patient_or_a_file_in_two_splits_is_refused_and_nothing_is_left(tmp_path, change, words):
    images, masks, fields = pixels(2)
    with pytest.raises(DataError, match=words), DatasetWriter(tmp_path / "data", INFO) as writer:
        writer.add(row(0, split="train"), images[0], masks[0], fields[0])
        writer.add(row(1, split="test", **change), images[1], masks[1], fields[1])
    assert not list(tmp_path.iterdir())


def test_a_set_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="at least one"), DatasetWriter(tmp_path / "data", INFO) as writer:
        writer.reject("a.png", "It is cut short.")
    assert not list(tmp_path.iterdir())


def test_the_preview_shows_images_of_train_over_their_masks(tmp_path):
    dataset = write(tmp_path / "data", splits=("test", "train"))
    with Image.open(dataset.path / "preview.png") as picture:
        shown = np.asarray(picture)
    first = dataset.split("train").images([0])[0, 0] >> 8
    np.testing.assert_array_equal(shown[4:10, 4:12, 0], first)
    np.testing.assert_array_equal(shown[14:20, 4:12, 0] > 0, dataset.split("train").masks([0])[0])


def test_the_preview_of_a_set_without_train_shows_what_there_is(tmp_path):
    dataset = write(tmp_path / "data", splits=("test",))
    with Image.open(dataset.path / "preview.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture)[4:10, 4:12, 0], dataset.images([0])[0, 0] >> 8)


def test_the_field_of_a_set_without_fields_is_the_picture_without_its_padding(tmp_path):
    (tmp_path / "source" / "images").mkdir(parents=True)
    for number in range(3):
        pixels = np.full((48, 64, 3), 100 + number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "source" / "images" / f"{number}.png")
    dataset = prepare(tmp_path / "source", tmp_path / "data", kind="cells", size=32)
    fields = dataset.fields_of_view([0, 2])
    assert fields.shape == (2, 32, 32)
    assert np.array_equal(fields.astype(bool), dataset.images([0, 2])[:, 0] > 0)


def test_a_picture_that_reaches_beyond_the_frame_is_read_back(tmp_path):
    """Mammograms are cut to the breast: they begin below 0."""
    images, masks, fields = pixels(1)
    with DatasetWriter(tmp_path / "data", INFO) as writer:
        writer.add(row(0, pad_top=-3, pad_left=-36), images[0], masks[0], fields[0])
    (read,) = PreparedDataset.open(tmp_path / "data").rows
    assert (read.pad_top, read.pad_left) == (-3, -36)

import numpy as np
import pytest
from PIL import Image

from synthmed.data.dataset import PreparedDataset
from synthmed.data.keyed_names import list_file
from synthmed.data.prepare import prepare
from synthmed.data.pseudonyms import default_key_file
from synthmed.errors import DataError, SourceError
from synthmed.segmentation.labelling import label
from synthmed.segmentation.segmenter import SegmenterConfig

TINY = SegmenterConfig(width=4, steps=2, crop=0, learning_rate=1e-2)


def photograph(index):
    numbers = np.random.default_rng(index)
    image = numbers.integers(0, 60, (40, 40, 3), dtype=np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    y, x = numbers.integers(2, 24, 2)
    mask[y : y + 14, x : x + 14] = 255
    image[mask > 0] += 140
    return image, mask


@pytest.fixture
def places(tmp_path):
    """A prepared set of photographs 0 to 7, 6 and 7 for testing; and a folder of 100 to 102 without masks."""
    for name in ("source/images", "source/masks", "photographs"):
        (tmp_path / name).mkdir(parents=True)
    lines = ["file_name,patient_id,split"]
    for index in range(8):
        image, mask = photograph(index)
        Image.fromarray(image).save(tmp_path / f"source/images/{index}.png")
        Image.fromarray(mask).save(tmp_path / f"source/masks/{index}.png")
        lines.append(f"{index}.png,patient {index},{'train' if index < 6 else 'test'}")
    (tmp_path / "source/metadata.csv").write_text("\n".join(lines))
    for index in range(100, 103):
        Image.fromarray(photograph(index)[0]).save(tmp_path / f"photographs/{index}.png")
    prepare(tmp_path / "source", tmp_path / "data", kind="cells", size=32)
    return tmp_path


def rejected(dataset):
    """The list beside the key: names and reasons in full."""
    return list_file(default_key_file(), dataset.path).read_text()


def test_photographs_join_the_training_split_with_masks_that_fit(places):
    before = PreparedDataset.open(places / "data")
    config = TINY.model_copy(update={"steps": 80})
    after = label(places / "photographs", places / "data", places / "out", segmenter=config)
    added = after.where(lambda row: row.mask_source == "segmenter")
    assert [row.patient_id for row in added.rows] == ["U0001", "U0002", "U0003"]
    assert {row.split for row in added.rows} == {"train"}
    assert len({row.id for row in after.rows}) == 11
    for index, mask in enumerate(added.masks()):
        image = np.asarray(photograph(100 + index)[0])
        bright = (np.asarray(Image.fromarray(image).resize((32, 32)))[..., 0] > 100).astype(np.uint8)
        assert 2 * (mask & bright).sum() / (mask.sum() + bright.sum()) > 0.8
    for name in ("test", "holdout"):
        assert after.info.splits[name] == before.info.splits[name]
    assert after.info.provenance["labelling"]["data"] == before.digest
    assert after.info.provenance["labelling"]["added"] == 3


def test_the_rows_of_the_data_set_go_along_unchanged(places):
    before = PreparedDataset.open(places / "data")
    after = label(places / "photographs", places / "data", places / "out", segmenter=TINY)
    old = after.where(lambda row: not row.patient_id.startswith("U"))
    assert old.rows == before.rows
    assert np.array_equal(old.images(), before.images()) and np.array_equal(old.masks(), before.masks())


def test_a_test_photograph_is_left_out_even_when_saved_again(places):
    image = photograph(7)[0]
    (places / "photographs/copy.png").write_bytes((places / "source/images/6.png").read_bytes())
    Image.fromarray(image).save(places / "photographs/again.tif")
    after = label(places / "photographs", places / "data", places / "out", segmenter=TINY)
    assert sum(row.mask_source == "segmenter" for row in after.rows) == 3
    assert "copy.png" in rejected(after) and "again.tif" in rejected(after)


def test_what_another_source_keeps_for_testing_is_left_out(places):
    (places / "photographs/metadata.csv").write_text(
        "file_name,patient_id,split\n100.png,x,test\n101.png,y,train\n102.png,y,train\n"
    )
    after = label(places / "photographs", places / "data", places / "out", segmenter=TINY)
    assert {row.patient_id for row in after.rows if row.mask_source == "segmenter"} == {"U0002"}
    assert "only training images" in rejected(after)


def test_the_same_seed_gives_the_same_digest(places):
    first = label(places / "photographs", places / "data", places / "a", segmenter=TINY, seed=1)
    second = label(places / "photographs", places / "data", places / "b", segmenter=TINY, seed=1)
    assert first.digest == second.digest


def test_photographs_of_another_kind_are_left_out_with_the_reason(places):
    Image.fromarray(photograph(200)[0][..., 0]).save(places / "photographs/grey.png")
    after = label(places / "photographs", places / "data", places / "out", segmenter=TINY)
    assert "grey.png" in rejected(after) and "1 channels" in rejected(after)


def test_labelling_twice_keeps_patients_apart(places):
    label(places / "photographs", places / "data", places / "once", segmenter=TINY)
    (places / "more").mkdir()
    Image.fromarray(photograph(300)[0]).save(places / "more/300.png")
    twice = label(places / "more", places / "once", places / "twice", segmenter=TINY)
    assert sorted(row.patient_id for row in twice.rows if row.mask_source == "segmenter") == [
        "U0001",
        "U0002",
        "U0003",
        "U0004",
    ]


def test_nothing_is_written_when_nothing_can_be_added(places):
    for index in range(100, 103):
        (places / f"photographs/{index}.png").write_bytes((places / "source/images/0.png").read_bytes())
    with pytest.raises(SourceError, match="no photograph that can be added"):
        label(places / "photographs", places / "data", places / "out", segmenter=TINY)
    assert not (places / "out").exists()


def test_a_data_set_without_masks_is_refused(places):
    prepare(places / "photographs", places / "bare", kind="generic", size=32)
    with pytest.raises(DataError, match="no manual mask"):
        label(places / "photographs", places / "bare", places / "out", segmenter=TINY)

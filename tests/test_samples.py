import numpy as np
import pytest

from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.samples import Sample, SampleSet, _read_table, write_samples


def drawn(count=3, channels=3, dtype=np.uint8, labels=2, with_masks=True, size=(6, 5)):
    numbers = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    for index in range(count):
        image = numbers.integers(0, top, (channels, *size), dtype=dtype, endpoint=True)
        mask = numbers.integers(0, labels, size, dtype=np.uint8) if with_masks else None
        yield Sample(seed=100 + index, label="healthy, left", lineage="sampled"), image, mask


@pytest.mark.parametrize("file_format", ["png", "tiff", "npy"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_and_masks_come_back_exactly(tmp_path, file_format, dtype, channels):
    pairs = list(drawn(channels=channels, dtype=dtype))
    opened = write_samples(tmp_path / "set", pairs, file_format=file_format, inputs={}, facts={"run_seed": 4})
    images, masks = opened.images(), opened.masks()
    assert images.dtype == dtype and masks.dtype == np.uint8
    assert np.array_equal(images, np.stack([image for _, image, _ in pairs]))
    assert np.array_equal(masks, np.stack([mask for _, _, mask in pairs]))
    assert opened.facts["run_seed"] == 4
    assert [sample.seed for sample in opened.samples] == [100, 101, 102]
    assert opened.samples[0].label == "healthy, left"


def test_a_chosen_few_come_in_the_order_asked_for(tmp_path):
    pairs = list(drawn(4))
    opened = write_samples(tmp_path / "set", pairs, inputs={}, facts={})
    assert np.array_equal(opened.images([3, 1]), np.stack([pairs[3][1], pairs[1][1]]))
    assert np.array_equal(opened.masks([3, 1]), np.stack([pairs[3][2], pairs[1][2]]))


def test_binary_masks_are_stored_so_that_people_see_them(tmp_path):
    from PIL import Image

    write_samples(tmp_path / "set", drawn(), inputs={}, facts={})
    assert set(np.unique(np.asarray(Image.open(tmp_path / "set/masks/00000.png")))) == {0, 255}


def test_label_maps_are_stored_as_their_labels(tmp_path):
    pairs = list(drawn(labels=4))
    opened = write_samples(tmp_path / "set", pairs, num_labels=4, inputs={}, facts={})
    assert np.array_equal(opened.masks(), np.stack([mask for _, _, mask in pairs]))


def test_a_set_whose_table_has_no_sources_of_masks_is_still_read(tmp_path):
    write_samples(tmp_path / "set", drawn(), inputs={}, facts={})
    table = tmp_path / "set/samples.csv"
    rows = [line.rsplit(",", 2)[0] for line in table.read_text().splitlines()]
    assert rows[0].endswith("lineage")
    table.write_text("\n".join(rows) + "\n")
    assert [sample.mask_from for sample in _read_table(tmp_path / "set")] == ["", "", ""]
    table.write_text(table.read_text().replace("lineage", "origin"))
    with pytest.raises(ArtifactError, match="has the columns"):
        _read_table(tmp_path / "set")


def test_the_same_samples_give_the_same_digest(tmp_path):
    first = write_samples(tmp_path / "a", drawn(), file_format="tiff", inputs={}, facts={})
    second = write_samples(tmp_path / "b", drawn(), file_format="tiff", inputs={}, facts={})
    assert first.digest == second.digest


def test_samples_are_taken_one_at_a_time(tmp_path):
    waiting = []

    def stream():
        for index, pair in enumerate(drawn(20)):
            waiting.append(index)
            yield pair
            assert list(tmp_path.glob(f".set.*/images/{index:05d}.png"))

    write_samples(tmp_path / "set", stream(), inputs={}, facts={})
    assert len(waiting) == 20


def test_a_set_without_masks_says_so(tmp_path):
    opened = write_samples(tmp_path / "set", drawn(with_masks=False), inputs={}, facts={})
    assert not opened.has_masks
    with pytest.raises(DataError, match="has no mask"):
        opened.masks()


def test_a_damaged_file_is_found(tmp_path):
    write_samples(tmp_path / "set", drawn(), inputs={}, facts={})
    file = tmp_path / "set/images/00001.png"
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"00001\.png is damaged"):
        SampleSet.open(tmp_path / "set")


def test_nothing_is_left_when_a_sample_cannot_be_written(tmp_path):
    pairs = [*drawn(2), *drawn(1, size=(9, 9))]
    with pytest.raises(DataError, match="one kind"):
        write_samples(tmp_path / "set", pairs, inputs={}, facts={})
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="npy"):
        write_samples(tmp_path / "set", drawn(channels=7), inputs={}, facts={})
    opened = write_samples(tmp_path / "set", drawn(channels=7), file_format="npy", inputs={}, facts={})
    assert opened.images().shape == (3, 7, 6, 5)
    with pytest.raises(ConfigError, match="unknown"):
        write_samples(tmp_path / "other", drawn(), file_format="bmp", inputs={}, facts={})


def test_a_mask_value_that_is_no_label_is_refused(tmp_path):
    with pytest.raises(DataError, match="labels 0 to 1"):
        write_samples(tmp_path / "set", drawn(labels=9), inputs={}, facts={})


def test_no_samples_are_refused(tmp_path):
    with pytest.raises(DataError, match="at least one"):
        write_samples(tmp_path / "set", [], inputs={}, facts={})


@pytest.fixture
def foreign(tmp_path):
    from PIL import Image

    pairs = list(drawn(3))
    for name in ("images", "masks"):
        (tmp_path / "other tool" / name).mkdir(parents=True)
    for index, (_, image, mask) in enumerate(pairs):
        place = tmp_path / "other tool"
        pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
        Image.fromarray(pixels).save(place / f"images/vessel {index}.png")
        Image.fromarray(mask * 255).save(place / f"masks/vessel {index}.png")
    return tmp_path / "other tool", pairs


def test_a_folder_of_another_tool_is_opened_without_facts(foreign):
    folder, pairs = foreign
    (folder / "images" / "notes.txt").write_text("not an image")
    opened = SampleSet.open(folder)
    assert opened.facts == {} and not opened.is_ours
    assert {sample.lineage for sample in opened.samples} == {"unknown"}
    assert np.array_equal(opened.images(), np.stack([image for _, image, _ in pairs]))
    assert np.array_equal(opened.masks(), np.stack([mask for _, _, mask in pairs]))
    assert len(opened.left_out) == 1 and "notes.txt" in opened.left_out[0]


def test_the_digest_of_a_foreign_folder_changes_with_its_content(foreign):
    folder, _ = foreign
    before = SampleSet.open(folder).digest
    assert SampleSet.open(folder).digest == before
    file = folder / "masks/vessel 1.png"
    file.write_bytes((folder / "masks/vessel 0.png").read_bytes())
    assert SampleSet.open(folder).digest != before

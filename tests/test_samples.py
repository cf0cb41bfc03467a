import re
import shutil

import numpy as np
import pytest

from synthmed import artifacts
from synthmed.errors import ArtifactError, ConfigError, DataError, SourceError
from synthmed.samples import Sample, SampleSet, write_samples


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


def sealed_again(path, *, table=None, facts=None):
    """The same set with another table or other facts, under digests and a seal that are right: all that is wrong is
    what they say."""
    whole = artifacts.read_manifest(path, "samples")
    with artifacts.new_directory(path.parent / "again", "samples", facts=facts or whole.facts) as directory:
        shutil.copytree(path, directory, dirs_exist_ok=True)
        (directory / artifacts.MANIFEST).unlink()
        if table is not None:
            (directory / "samples.csv").write_text(table)
    return path.parent / "again"


def test_a_set_whose_table_has_no_sources_of_masks_is_still_read(tmp_path):
    write_samples(tmp_path / "set", drawn(), inputs={}, facts={})
    rows = [line.rsplit(",", 2)[0] for line in (tmp_path / "set/samples.csv").read_text().splitlines()]
    assert rows[0].endswith("lineage")
    again = sealed_again(tmp_path / "set", table="\n".join(rows) + "\n")
    assert [sample.mask_from for sample in SampleSet.open(again).samples] == ["", "", ""]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lineage", "origin", "has the columns"),
        ("images/00001.png", "../secret.png", "names '../secret.png' in row 3, which is no file of the set"),
        ("masks/00001.png", "../secret.png", "names '../secret.png'"),
        ("images/00001.png", "/etc/hostname", "names '/etc/hostname'"),
        ("images/00001.png", "images/../images/00001.png", "which is no file of the set"),
        ("images/00001.png", "", "which is no file of the set"),
        ("sampled", "mask_from_nobody", "has the lineage 'mask_from_nobody'"),
        ("101", "eleven", "invalid literal"),
        ("sampled,,", "sampled", "too few values"),
    ],
)
def test_a_table_that_says_what_no_set_of_ours_says_is_refused(tmp_path, old, new, said):
    write_samples(tmp_path / "set", drawn(), inputs={}, facts={})
    (tmp_path / "secret.png").write_bytes((tmp_path / "set/images/00000.png").read_bytes())
    table = (tmp_path / "set/samples.csv").read_text()
    assert old in table
    with pytest.raises(ArtifactError, match=re.escape(said)):
        SampleSet.open(sealed_again(tmp_path / "set", table=table.replace(old, new)))


@pytest.mark.parametrize(
    "change",
    [{"num_images": 2}, {"bits": "8"}, {"bits": 12}, {"height": 1e9}, {"num_labels": True}, {"num_labels": 0}, None],
)
def test_facts_that_no_set_of_ours_has_are_refused(tmp_path, change):
    facts = write_samples(tmp_path / "set", drawn(), inputs={}, facts={}).facts
    changed = {"format": {**facts["format"], **change}} if change else {"run_seed": 0}
    with pytest.raises(ArtifactError, match="cannot be read as a sample set"):
        SampleSet.open(sealed_again(tmp_path / "set", facts=changed))


def test_a_picture_of_another_size_than_the_set_says_is_refused(tmp_path):
    facts = write_samples(tmp_path / "set", drawn(), inputs={}, facts={}).facts
    again = sealed_again(tmp_path / "set", facts={"format": {**facts["format"], "height": 10**9}})
    with pytest.raises(ArtifactError, match="the set says uint8 of shape"):
        SampleSet.open(again).images()


def test_a_link_out_of_the_set_is_refused_and_one_inside_is_followed(tmp_path):
    write_samples(tmp_path / "set", drawn(), inputs={}, facts={})
    image = tmp_path / "set/images/00001.png"
    shutil.move(image, tmp_path / "set/kept.png")
    image.symlink_to("../kept.png")
    assert len(SampleSet.open(tmp_path / "set").images()) == 3
    shutil.move(tmp_path / "set/kept.png", tmp_path / "outside.png")
    image.unlink()
    image.symlink_to("../../outside.png")
    with pytest.raises(ArtifactError, match=r"names the file 'images/00001.png', which is outside"):
        SampleSet.open(tmp_path / "set")
    image.unlink()
    image.symlink_to(image.name)
    with pytest.raises(ArtifactError, match="is missing"):
        SampleSet.open(tmp_path / "set")


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


def test_label_maps_several_images_of_one_mask_and_flat_folders_are_read(tmp_path):
    from PIL import Image

    numbers = np.random.default_rng(0)
    pictures = numbers.integers(0, 256, (4, 8, 8)).astype(np.uint8)
    maps = np.repeat(numbers.integers(0, 4, (2, 8, 8)).astype(np.uint8), 2, 0)
    for name in ("two/images", "two/masks", "flat"):
        (tmp_path / name).mkdir(parents=True)
    for place in range(4):
        Image.fromarray(pictures[place]).save(tmp_path / f"two/images/{place // 2:03d}-{place % 2}.png")
        Image.fromarray(maps[place]).save(tmp_path / f"two/masks/{place // 2:03d}.png")
        Image.fromarray(pictures[place]).save(tmp_path / f"flat/{place}.png")
        Image.fromarray((maps[place] > 0).astype(np.uint8) * 255).save(tmp_path / f"flat/{place}_mask.png")
    two, flat = SampleSet.open(tmp_path / "two"), SampleSet.open(tmp_path / "flat")
    assert two.labels == (0, 1, 2, 3) and flat.labels == (0, 1)
    np.testing.assert_array_equal(two.masks(), maps)
    np.testing.assert_array_equal(two.images()[:, 0], pictures)
    np.testing.assert_array_equal(flat.masks(), maps > 0)
    np.testing.assert_array_equal(flat.images()[:, 0], pictures)
    (tmp_path / "flat/2_mask.png").unlink()
    with pytest.raises(SourceError, match=r"no mask.*masks/NAME.png"):
        SampleSet.open(tmp_path / "flat")


def test_a_table_without_a_manifest_is_read_and_its_lineage_is_told(foreign):
    folder, pairs = foreign
    table = folder / "samples.csv"
    rows = [f"images/vessel {one}.png,masks/vessel 0.png,{one},mask_from_phantom" for one in (2, 0)]
    table.write_text("file_name,mask_name,seed,lineage\n" + "\n".join(rows) + "\n")
    opened = SampleSet.open(folder)
    assert [sample.seed for sample in opened.samples] == [2, 0] and not opened.is_ours
    assert {sample.lineage for sample in opened.samples} == {"mask_from_phantom"}
    np.testing.assert_array_equal(opened.masks()[0], pairs[0][2])
    assert any("vessel 1.png" in told for told in opened.left_out)
    for wrong, says in (
        ("file_name,colour\nimages/vessel 0.png,red\n", "columns"),
        ("file_name\n../secret.png\n", "outside"),
        ("file_name\nimages/vessel 9.png\n", "not there"),
        ("file_name\nimages/vessel 0.png\nimages/vessel 0.png\n", "twice"),
        ("file_name,lineage\nimages/vessel 0.png,invented\n", "invented"),
        ("file_name\n", "no rows"),
    ):
        table.write_text(wrong)
        with pytest.raises((SourceError, DataError), match=says):
            SampleSet.open(folder)


def test_a_set_is_fitted_by_one_factor_between_zeros(foreign):
    folder, _ = foreign
    opened = SampleSet.open(folder)
    _, height, width = opened.shape
    wide = opened.fitted(height, 2 * width)
    assert wide.images().shape[2:] == (height, 2 * width) == wide.masks().shape[1:]
    np.testing.assert_array_equal(wide.images()[..., width // 2 : width // 2 + width], opened.images())
    assert not wide.images()[..., : width // 2].any() and wide.digest != opened.digest

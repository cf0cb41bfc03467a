import numpy as np
import pytest
from PIL import Image

from synthmed.errors import DataError, InputError, SourceError
from synthmed.evaluation.inputs import open_real
from synthmed.evaluation.report import evaluate


def write(folder, images, masks=None):
    (folder / "images").mkdir(parents=True)
    for index, image in enumerate(images):
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(
            folder / "images" / f"{index:02d}.png"
        )
    for index, mask in enumerate(masks if masks is not None else []):
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask * 255).save(folder / "masks" / f"{index:02d}.png")
    return folder


@pytest.fixture
def noise(rng):
    return lambda count=6, side=32, channels=1: rng.integers(0, 256, (count, channels, side, side)).astype(np.uint8)


def run(synthetic, real, tmp_path, **more):
    return evaluate(synthetic, real, tmp_path / "report", metrics=["kernel_distance"], **more)


def test_the_real_side_may_be_a_folder_with_patients_and_splits(make_dataset, tmp_path):
    true = make_dataset(channels=3)
    folder = write(tmp_path / "folder", true.images(), true.masks())
    lines = [f"{index:02d}.png,P{index // 2},{'train' if index < 6 else 'test'}" for index in range(10)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,patient_id,split", *lines]))
    found = open_real(folder)
    assert np.array_equal(found.images(), true.images()) and np.array_equal(found.masks(), true.masks())
    assert np.array_equal(found.split("test").images([1]), true.images([7]))
    assert len({row.patient_id for row in found.rows}) == 5
    assert found.info.channels == ["red", "green", "blue"] and found.fields_of_view([0]).all()


def test_two_folders_of_any_tool_are_measured_and_other_files_are_named(noise, tmp_path):
    made, true = write(tmp_path / "made", noise()), write(tmp_path / "true", noise())
    (made / "images" / "notes.txt").write_text("mine")
    report = run(made, true, tmp_path)
    assert report["kernel_distance"].n == 6
    assert "notes.txt" in (report.path / "report.html").read_text()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda images: images[..., :16], "Nothing is resized"),
        (lambda images: np.repeat(images, 3, 1), "Nothing is resized"),
        (lambda images: images[:1], "1 synthetic image in made; expected at least 2"),
        (lambda images: np.full_like(images, 9), "of one value everywhere"),
    ],
    ids=["size", "channels", "one image", "constant images"],
)
def test_sides_that_cannot_be_compared_are_refused(change, words, noise, tmp_path):
    with pytest.raises(DataError, match=words):
        run(write(tmp_path / "made", change(noise())), write(tmp_path / "true", noise()), tmp_path)
    assert not (tmp_path / "report").exists()


def test_another_depth_is_refused(noise, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for index, image in enumerate(noise()):
        np.save(made / f"{index}.npy", image.astype(np.uint16) * 257)
    with pytest.raises(DataError, match=r"16 bits.*8 bits"):
        run(made, write(tmp_path / "true", noise()), tmp_path)


def test_pixels_that_are_no_whole_numbers_are_refused(noise, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    pixels = noise()[0, 0] / 255
    pixels[3, 4] = np.nan
    np.save(made / "0.npy", pixels)
    np.save(made / "1.npy", pixels)
    with pytest.raises(SourceError, match="1 of them not a number"):
        run(made, write(tmp_path / "true", noise()), tmp_path)


def test_an_empty_folder_and_images_of_two_kinds_are_refused(noise, tmp_path):
    (tmp_path / "empty").mkdir()
    true = write(tmp_path / "true", noise())
    with pytest.raises(InputError, match="no usable images"):
        run(tmp_path / "empty", true, tmp_path)
    mixed = write(tmp_path / "mixed", noise())
    Image.fromarray(noise(1, 16)[0, 0]).save(mixed / "images" / "99.png")
    for sides in ((mixed, true), (true, mixed)):
        with pytest.raises(DataError, match=r"kind|Nothing is resized"):
            run(*sides, tmp_path)


def test_single_constant_images_are_a_warning(noise, tmp_path):
    images = noise()
    images[0] = 5
    report = run(write(tmp_path / "made", images), write(tmp_path / "true", noise()), tmp_path)
    assert report.warnings == ("made: 1 of 6 synthetic images are of one value everywhere.",)


def test_arrays_of_many_channels_are_measured_by_a_named_triplet(rng, tmp_path):
    for side in ("made", "true"):
        (tmp_path / side).mkdir()
        for index in range(6):
            np.save(tmp_path / side / f"{index}.npy", rng.integers(0, 4096, (7, 32, 32)).astype(np.uint16))
    with pytest.raises(InputError, match="Name one or three"):
        run(tmp_path / "made", tmp_path / "true", tmp_path)
    report = run(tmp_path / "made", tmp_path / "true", tmp_path, channels="0,1,2")
    assert report["kernel_distance"].n == 6


def test_features_are_stored_and_a_foreign_file_is_refused(noise, tmp_path):
    made, true = write(tmp_path / "made", noise()), write(tmp_path / "true", noise())
    first = run(made, true, tmp_path)
    files = sorted((tmp_path / "features").glob("*.safetensors"))
    assert len(files) == 3  # of the two sets and of the copier's
    second = evaluate(made, true, tmp_path / "again", metrics=["kernel_distance"])
    assert second["kernel_distance"].value == first["kernel_distance"].value
    evaluate(made, true, tmp_path / "texture", metrics=["kernel_distance"], extractor="texture")
    other = next(file for file in (tmp_path / "features").glob("*.safetensors") if file not in files)
    files[0].write_bytes(other.read_bytes())
    files[1].write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="features of another"):
        evaluate(made, true, tmp_path / "third", metrics=["kernel_distance"])

"""Phantom retinas are anatomy, not decoration: vessels taper, avoid the fovea and darken green light."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synthmed.artifacts import verify
from synthmed.errors import ArtifactError, ConfigError
from synthmed.phantoms import kinds, phantom
from synthmed.phantoms._eye import draw_eye, grow_vessels
from synthmed.phantoms._vessels import Tree, draw
from synthmed.phantoms.retina import make_retina


@pytest.fixture(scope="module")
def retinas():
    return [make_retina(np.random.default_rng([7, k]), size=256) for k in range(6)]


@pytest.fixture(scope="module")
def eyes_with_trees():
    pairs = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        eye = draw_eye(generator, 584)
        arteries, veins = grow_vessels(generator, eye)
        pairs.append((eye, [*arteries, *veins]))
    return pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return phantom("retina", tmp_path_factory.mktemp("phantom") / "eyes", num=3, seed=5, size=96)


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".tif", ".gif")
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(folder, tmp_path):
    again = files_of(phantom("retina", tmp_path / "again", num=3, seed=5, size=96))
    other = files_of(phantom("retina", tmp_path / "other", num=3, seed=6, size=96))
    assert again == files_of(folder)
    assert again.keys() == other.keys()
    images = [name for name in again if "/images/" in name]
    assert all(again[name] != other[name] for name in images)


def test_more_images_change_none_of_the_earlier_ones(folder, tmp_path):
    more = files_of(phantom("retina", tmp_path / "more", num=5, seed=5, size=96))
    few = files_of(folder)
    assert few.items() < more.items()


def test_the_layout_and_the_formats_are_those_of_drive(folder):
    assert set(files_of(folder)) == {
        "training/images/21_training.tif",
        "training/images/22_training.tif",
        "training/1st_manual/21_manual1.gif",
        "training/1st_manual/22_manual1.gif",
        "training/mask/21_training_mask.gif",
        "training/mask/22_training_mask.gif",
        "test/images/01_test.tif",
        "test/1st_manual/01_manual1.gif",
        "test/mask/01_test_mask.gif",
    }
    with Image.open(folder / "training/images/21_training.tif") as image:
        assert (image.mode, image.size, image.format) == ("RGB", (93, 96), "TIFF")
    for name in ("1st_manual/21_manual1.gif", "mask/21_training_mask.gif"):
        with Image.open(folder / "training" / name) as mask:
            assert (mask.mode, mask.size, mask.format) == ("L", (93, 96), "GIF")
            assert set(np.unique(np.array(mask))) == {0, 255}
    assert verify(folder, "phantom").facts == {"phantom": "retina", "num": 3, "seed": 5, "size": 96}


def test_the_full_size_is_that_of_drive():
    retina = make_retina(np.random.default_rng(0))
    assert retina.photograph.shape == (584, 565, 3)
    rows, columns = np.flatnonzero(retina.field.any(axis=1)), np.flatnonzero(retina.field.any(axis=0))
    assert 530 <= len(rows) <= 540
    assert 530 <= len(columns) <= 545


def test_vessels_lie_inside_the_field_and_make_up_a_plausible_share_of_it(retinas):
    for retina in retinas:
        assert not (retina.vessels & ~retina.field).any()
        assert 0.06 <= retina.vessels.sum() / retina.field.sum() <= 0.18


@pytest.mark.parametrize("size", [64, 128, 400])
def test_small_and_large_photographs_show_about_the_same_share_of_vessels(size):
    retina = make_retina(np.random.default_rng(1), size=size)
    assert 0.06 <= retina.vessels.sum() / retina.field.sum() <= 0.18


def test_outside_the_field_it_is_dark(retinas):
    for retina in retinas:
        far = ~ndimage.binary_dilation(retina.field, iterations=3)
        assert retina.photograph[far].mean() < 12
        assert retina.photograph[retina.field].mean() > 60


def test_vessels_are_darker_than_their_surroundings_in_green(retinas):
    for retina in retinas:
        green = retina.photograph[..., 1].astype(float)
        inner = ndimage.binary_erosion(retina.field, iterations=6)
        around = ndimage.binary_dilation(retina.vessels, iterations=4) & ~retina.vessels & inner
        assert green[around].mean() - green[retina.vessels & inner].mean() > 4


def test_the_two_eyes_occur_and_the_disc_is_bright(eyes_with_trees):
    signs = {draw_eye(np.random.default_rng(seed), 128).temporal_sign for seed in range(20)}
    assert signs == {-1, 1}
    generator = np.random.default_rng(3)
    retina = make_retina(generator, size=256)
    eye = draw_eye(np.random.default_rng(3), 256)
    x, y = np.rint(eye.to_pixels(np.array([[0.5 * eye.disc_radius, 0]]))[0]).astype(int)
    green = retina.photograph[..., 1]
    assert green[y - 2 : y + 3, x - 2 : x + 3].mean() > 1.2 * np.median(green[retina.field])


def test_no_vessel_crosses_the_fovea(eyes_with_trees):
    for eye, trees in eyes_with_trees:
        for tree in trees:
            to_fovea = np.hypot(tree.points[:, 0] - eye.fovea_distance, tree.points[:, 1])
            assert to_fovea.min() > 25
            # Only fine ends of vessels come near it.
            assert tree.radii[to_fovea < 40].max(initial=0) < 2


def test_vessels_taper_away_from_the_disc(eyes_with_trees):
    for _, trees in eyes_with_trees:
        distance = np.concatenate([np.hypot(*tree.points.T) for tree in trees])
        radii = np.concatenate([tree.radii for tree in trees])
        assert radii[distance < 100].mean() > 1.3 * radii[distance > 300].mean()


def test_bifurcations_follow_murrays_law(eyes_with_trees):
    for _, trees in eyes_with_trees:
        for tree in trees:
            daughters = np.zeros(len(tree.parents))
            has_parent = tree.parents >= 0
            np.add.at(daughters, tree.parents[has_parent], tree.radii[has_parent] ** 3)
            number = np.bincount(tree.parents[has_parent], minlength=len(daughters))
            forks = number == 2
            assert forks.sum() > 5
            assert number.max() == 2
            # What is left over feeds the capillaries of one step of three pixels.
            left_over = tree.radii[forks] ** 3 - daughters[forks]
            assert (left_over >= -1e-9).all()
            assert left_over.max() < 0.2


def test_drawing_gives_the_width_of_a_straight_vessel():
    points = np.array([[10.0, 20.3], [30.0, 20.3]])
    tree = Tree(points=points, parents=np.array([-1, 0]), radii=np.array([2.5, 2.5]))
    depth, radius = draw(tree.points, tree.parents, tree.radii, (40, 40))
    assert depth[20, 20] == pytest.approx(2.2, abs=0.02)
    assert depth[22, 20] == pytest.approx(0.8, abs=0.02)
    assert radius[20, 20] == 2.5
    assert depth[30, 20] == -1


def test_an_unknown_kind_lists_the_known_ones(tmp_path):
    assert "retina" in kinds()
    with pytest.raises(ConfigError, match=r"'retna'.*retina"):
        phantom("retna", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [{"num": 0}, {"seed": -1}, {"size": 20}])
def test_a_number_out_of_range_names_itself(wrong, tmp_path):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        phantom("retina", tmp_path / "out", **wrong)


def test_an_existing_folder_is_never_overwritten(folder):
    before = files_of(folder)
    with pytest.raises(ArtifactError, match="already exists"):
        phantom("retina", folder, num=1, size=64)
    assert files_of(folder) == before

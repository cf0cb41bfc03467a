"""Nothing is written through a link, and nothing is read through one that leads out or nowhere."""

import os
from pathlib import Path

import pytest

from synthmed import artifacts, lines, paths
from synthmed.errors import ArtifactError
from synthmed.training.loop import train

LINKS = {"symbolic": lambda link, target: link.symlink_to(target), "to nowhere": lambda link, _: link.symlink_to(link)}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.txt").write_text("years of work")
    return tmp_path / "mine.txt"


@pytest.mark.parametrize("name", [".lock", "log.jsonl"])
def test_a_training_writes_through_no_link(toy_dataset: Path, tmp_path: Path, mine: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(mine)
    with pytest.raises(ArtifactError, match=f"{name} is a link or no regular file|not empty and not a training"):
        train("dcgan_tiny", toy_dataset, tmp_path / "run", overrides=["training.budget=0.001"])
    assert mine.read_text() == "years of work"


def test_a_lock_empties_nothing(toy_dataset: Path, tmp_path: Path, mine: Path) -> None:
    (tmp_path / "run").mkdir()
    os.link(mine, tmp_path / "run" / ".lock")
    settings = ["training.budget=0.001", "config.batch_size=8"]
    train("dcgan_tiny", toy_dataset, tmp_path / "run", overrides=settings)
    assert mine.read_text() == "years of work"


def test_lines_and_files_go_through_no_link(tmp_path: Path, mine: Path) -> None:
    for name, link in LINKS.items():
        place = tmp_path / f"{name}.jsonl"
        link(place, mine)
        with pytest.raises(ArtifactError, match="is a link"):
            lines.append(place, {"seed": 1})
        artifacts.write_file(place, "new")
        assert not place.is_symlink() and place.read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match="no regular file"):
        lines.append(tmp_path / "pipe", {"seed": 1})
    assert mine.read_text() == "years of work"


@pytest.mark.parametrize("target", ["mine.txt", "empty", "out", "nothing"])
def test_an_artifact_takes_the_place_of_no_link(tmp_path: Path, mine: Path, target: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(ArtifactError, match="already exists"), artifacts.new_directory(tmp_path / "out", "toy"):
        pass
    assert (tmp_path / "out").is_symlink() and mine.read_text() == "years of work"


def test_what_killed_writers_left_is_removed_and_not_what_a_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "x").write_text("x")
    (tmp_path / ".half.0a1b2c3d.tmp").symlink_to("kept")
    artifacts.sweep(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"] and (tmp_path / "kept" / "x").is_file()


@pytest.mark.parametrize(
    "name", ["", "/etc/hostname", "..", "../a", "a/../../b", "./a", "a//b", "a/", "a\0b", "\ud800"]
)
def test_a_name_that_is_not_of_a_file_below_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="which is outside of it"):
        paths.inside(tmp_path, name)


def test_links_inside_are_followed_and_links_out_are_not(tmp_path: Path, mine: Path) -> None:
    place = tmp_path / "place"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "a").write_text("a")
    (place / "b").symlink_to("sub")
    (place / "c").symlink_to("..")
    (tmp_path / "other name").symlink_to(place)
    assert paths.inside(place, "b/a").read_text() == "a"
    assert paths.inside(tmp_path / "other name", "sub/a").read_text() == "a"
    with pytest.raises(ArtifactError, match="no links that lead out"):
        paths.inside(place, f"c/{mine.name}")

"""What holds for every kind of phantom, however many there will be."""

import pytest

from synthmed.artifacts import MANIFEST, verify
from synthmed.phantoms import kinds, phantom

TABLES = (".csv", ".json")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures(folder):
    return {name: data for name, data in contents(folder).items() if not name.endswith(TABLES)}


def test_the_kinds_are_those_that_the_papers_are_about():
    assert kinds() == ["breast_mr", "cells", "mammogram", "retina", "thorax"]


@pytest.mark.parametrize("kind", kinds())
def test_fewer_are_the_first_of_more_and_the_same_seed_gives_the_same_bytes(kind, written, tmp_path):
    more = contents(written(kind))
    fewer = contents(phantom(kind, tmp_path / "fewer", num=1, seed=3, size=64))
    for name, data in fewer.items():
        if name.endswith(".csv"):
            assert more[name].startswith(data)  # tables grow at the end
        elif name != MANIFEST:
            assert more[name] == data, f"{name} changed"
    assert len(fewer) < len(more)


@pytest.mark.parametrize("kind", ["cells", "mammogram", "thorax"])
def test_another_seed_gives_other_images(kind, written, tmp_path):
    ours = set(pictures(written(kind)).values())
    others = set(pictures(phantom(kind, tmp_path / "other", num=1, seed=4, size=64)).values())
    assert not ours & others


@pytest.mark.parametrize("kind", kinds())
def test_the_folder_is_whole_and_says_how_it_was_made(kind, written):
    facts = verify(written(kind), "phantom").facts
    assert (facts["phantom"], facts["seed"], facts["size"]) == (kind, 3, 64)


def test_what_is_left_out_is_what_is_usual_for_the_kind(tmp_path, monkeypatch):
    from synthmed.phantoms import cells

    monkeypatch.setattr(cells, "USUAL_NUM", 2)
    monkeypatch.setattr(cells, "USUAL_SIZE", 72)
    facts = verify(phantom("cells", tmp_path / "cells"), "phantom").facts
    assert (facts["num"], facts["size"]) == (2, 72)

"""Directories appear whole or not at all, and one flipped bit is found."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmed import artifacts
from synthmed.errors import ArtifactError, StorageError


def make(path: Path, content: bytes = b"hello", **parts: dict) -> artifacts.Manifest:
    with artifacts.new_directory(path, "toy", **parts) as directory:
        (directory / "sub").mkdir()
        (directory / "sub" / "file.bin").write_bytes(content)
    return artifacts.verify(path, "toy")


def test_a_directory_names_its_files_inputs_and_facts(tmp_path: Path) -> None:
    manifest = make(tmp_path / "a", inputs={"data": "abc"}, facts={"seed": 1})
    assert set(manifest.files) == {"sub/file.bin"}
    assert (manifest.inputs, manifest.facts) == ({"data": "abc"}, {"seed": 1})


def test_equal_content_has_an_equal_digest_wherever_it_is_written(tmp_path: Path) -> None:
    assert make(tmp_path / "a").digest == make(tmp_path / "b", facts={"x": 1}).digest
    assert make(tmp_path / "c", b"other").digest != make(tmp_path / "d").digest


def test_an_exception_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), artifacts.new_directory(tmp_path / "a", "toy") as directory:
        (directory / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@given(position=st.integers(0, 4), bit=st.integers(0, 7))
@settings(max_examples=20, deadline=None)
def test_one_flipped_bit_is_found(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "a"
    make(path)
    content = bytearray(b"hello")
    content[position] ^= 1 << bit
    (path / "sub" / "file.bin").write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        artifacts.verify(path, "toy")


def test_missing_files_other_kinds_and_broken_manifests_are_sentences(tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(ArtifactError, match="is a toy; expected a dataset"):
        artifacts.verify(tmp_path / "a", "dataset")
    (tmp_path / "a" / "sub" / "file.bin").unlink()
    with pytest.raises(ArtifactError, match="is missing"):
        artifacts.verify(tmp_path / "a", "toy")
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="is damaged"):
        artifacts.verify(tmp_path / "a", "toy")
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        artifacts.verify(tmp_path, "toy")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make(tmp_path / "a")
    with pytest.raises(ArtifactError, match="already exists"):
        make(tmp_path / "a", b"new")
    assert (tmp_path / "a" / "sub" / "file.bin").read_bytes() == b"hello"
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_sentence_and_the_old_file_is_intact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    artifacts.write_file(tmp_path / "a.txt", "old")

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        artifacts.write_file(tmp_path / "a.txt", "new")
    with pytest.raises(StorageError, match="disk is full"):
        make(tmp_path / "b")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_sweep_removes_what_killed_writers_left_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path / "whole")
    (tmp_path / ".half.0a1b2c3d.tmp").mkdir()
    (tmp_path / ".half.0a1b2c3d.tmp" / "x").write_text("x")
    (tmp_path / ".file.txt.0a1b2c3d.tmp").write_text("x")
    (tmp_path / ".mine.tmp").write_text("x")
    artifacts.sweep(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".mine.tmp", "whole"]


def test_a_file_that_was_digested_before_keeps_its_entry(tmp_path):
    known = {"big.npy": {"sha256": "as it was", "bytes": 3}}
    with artifacts.new_directory(tmp_path / "set", "example", known=known) as directory:
        (directory / "big.npy").write_bytes(b"abc")
        (directory / "small.txt").write_text("x")
    files = artifacts.read_manifest(tmp_path / "set", "example").files
    assert files["big.npy"] == known["big.npy"] and files["small.txt"]["bytes"] == 1


@pytest.mark.parametrize("can_link", [True, False])
def test_a_linked_file_is_the_same_and_costs_no_copy_where_the_disk_can(tmp_path, monkeypatch, can_link):
    if not can_link:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
    (tmp_path / "a").write_bytes(b"abc")
    artifacts.link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"abc"
    assert (tmp_path / "b").samefile(tmp_path / "a") == can_link

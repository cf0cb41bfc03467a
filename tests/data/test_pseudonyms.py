"""Pseudonyms lead back only with the key, and the key stays with the user."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from synthmed.data.prepare import prepare
from synthmed.data.pseudonyms import default_key_file, fingerprint, pseudonyms, read_key
from synthmed.errors import ConfigError, StorageError


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path):
    key = read_key(tmp_path / "deep" / "key")
    assert len(key) == 32 and read_key(tmp_path / "deep" / "key") == key
    assert stat.S_IMODE((tmp_path / "deep" / "key").stat().st_mode) == 0o600
    assert read_key(tmp_path / "other") != key


def test_a_key_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="disk is full"):
            read_key(tmp_path / "key")
    assert not list(tmp_path.iterdir())
    assert len(read_key(tmp_path / "key")) == 32


def test_processes_that_make_a_key_at_once_get_the_same_one(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        for place in range(20):
            assert len(set(threads.map(read_key, [tmp_path / f"key {place}"] * 8))) == 1
    assert len(list(tmp_path.iterdir())) == 20


def test_where_there_are_no_hard_links_a_key_is_made_all_the_same(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    assert read_key(tmp_path / "key") == read_key(tmp_path / "key") and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_no_key_is_not_used_and_not_changed(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        read_key(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_key_of_which_any_character_was_changed_is_refused(tmp_path):
    """One other digit would give every patient another name, and one person two."""
    key = read_key(tmp_path / "key")
    written = (tmp_path / "key").read_bytes()
    for place in range(len(written)):
        for bit in range(8):
            changed = bytearray(written)
            changed[place] ^= 1 << bit
            (tmp_path / "key").write_bytes(changed)
            try:
                assert read_key(tmp_path / "key") == key and chr(changed[place]).isspace()
            except ConfigError as error:
                assert str(error).endswith("it is made.") or "cannot be read" in str(error)
            assert (tmp_path / "key").read_bytes() == changed
        for cut in (written[:place], written[:place] + written[place + 1 :]):
            (tmp_path / "key").write_bytes(cut)
            with suppress(ConfigError):
                assert read_key(tmp_path / "key") == key


def test_a_key_of_before_is_read_and_kept_with_its_fingerprint(tmp_path):
    (tmp_path / "key").write_text("0123456789abcdef" * 4 + "\n")
    (tmp_path / "key").chmod(0o600)
    key = read_key(tmp_path / "key")
    assert key == bytes.fromhex("0123456789abcdef" * 4) == read_key(tmp_path / "key")
    assert fingerprint(key) in (tmp_path / "key").read_text()
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600 and len(list(tmp_path.iterdir())) == 1


def test_the_order_and_company_of_patients_play_no_part():
    key = bytes(range(32))
    names = pseudonyms(["Ada", "Bert", "Müller"], key)
    assert names["Bert"] == pseudonyms(["Bert"], key)["Bert"] != pseudonyms(["Bert"], bytes(32))["Bert"]
    assert len(set(names.values())) == 3
    assert all(len(name) == 13 and name.startswith("P") for name in names.values())


def test_the_set_holds_a_fingerprint_and_nothing_of_the_key(tmp_path, make_source):
    source = make_source(tmp_path / "source")
    first = prepare(source, tmp_path / "first", size=16, key=tmp_path / "key")
    again = prepare(source, tmp_path / "again", size=16, key=tmp_path / "key")
    other = prepare(source, tmp_path / "other", size=16, key=tmp_path / "another key")
    assert first.digest == again.digest != other.digest
    assert first.info.provenance["key"] == fingerprint(read_key(tmp_path / "key"))
    key = read_key(tmp_path / "key").hex().encode()
    assert key in (tmp_path / "key").read_bytes()
    assert not any(key in file.read_bytes() for file in first.path.rglob("*") if file.is_file())


def test_the_split_does_not_depend_on_the_key(tmp_path, make_source):
    source = make_source(tmp_path / "source", 20)
    first = prepare(source, tmp_path / "first", size=16, key=tmp_path / "key")
    other = prepare(source, tmp_path / "other", size=16, key=tmp_path / "another key")
    assert first.info.splits == other.info.splits
    assert [row.split for row in first.rows] == [row.split for row in other.rows]


@pytest.mark.parametrize("place", ["source/key", "data/key"])
def test_a_key_inside_the_source_or_the_set_is_refused(tmp_path, make_source, place):
    source = make_source(tmp_path / "source")
    with pytest.raises(ConfigError, match="lead the pseudonyms back"):
        prepare(source, tmp_path / "data", size=16, key=tmp_path / place)
    assert not (tmp_path / place).exists()


def test_without_a_key_that_of_the_user_is_taken(tmp_path, make_source, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    dataset = prepare(make_source(tmp_path / "source"), tmp_path / "data", size=16)
    assert default_key_file() == tmp_path / "settings" / "synthmed" / "pseudonym.key"
    assert dataset.info.provenance["key"] == fingerprint(read_key(default_key_file()))

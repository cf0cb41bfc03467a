"""What SQLite says becomes a sentence that tells what to do."""

import shutil
import sqlite3
from types import SimpleNamespace

import pytest

from synthmed.reading.store import storage_error


@pytest.mark.parametrize(
    ("free", "told"), [(4096, "The disk is full"), (1 << 30, "Look whether another program holds it")]
)
def test_a_disk_that_is_too_full_to_open_a_database_is_told_as_full(tmp_path, monkeypatch, free, told):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    error = storage_error(sqlite3.OperationalError("disk I/O error"), tmp_path / "answers.sqlite")
    assert told in str(error) and error.exit_code == 2

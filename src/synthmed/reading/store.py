"""``answers.sqlite``: one thread writes it, many ask at once, and what was acknowledged is on the disk.

Jobs are functions of a connection. Those that wait while one is under way go together into the next transaction,
each behind a savepoint of its own, and all are acknowledged after the one commit that makes them last (WAL,
synchronous = FULL). So a slow disk makes many readers wait once, not once each.
"""

import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from synthmed.errors import ArtifactError, StorageError, StudyError, SynthmedError
from synthmed.files.paths import takes_paths
from synthmed.reading.migrations import MIGRATIONS
from synthmed.reading.protocol import Study

DATABASE_FILE = "answers.sqlite"
Result = TypeVar("Result")
Job = Callable[[sqlite3.Connection], Result]

_BATCH = 256


def connect(study: Study) -> sqlite3.Connection:
    """Open the answers of a study, made or brought up to date where needed.

    Raises:
        StudyError: they were written by a newer synthmed.
        ArtifactError: they are damaged, or belong to another protocol.
        StorageError: the disk is full or may not be written.
    """
    path = study.path / DATABASE_FILE
    with sqlite_errors(path):
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        database.row_factory = sqlite3.Row
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            database.execute(f"PRAGMA {pragma}")
        if (found := database.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(f"malformed: {found}")
        _migrate(database, path)
        known = database.execute("SELECT digest FROM study").fetchone()
        if known is None:
            database.execute("INSERT INTO study VALUES (?)", (study.digest,))
        elif known["digest"] != study.digest:
            raise ArtifactError(
                f"The answers in {path} belong to the protocol {known['digest'][:16]}; this study is "
                f"{study.digest[:16]}. A protocol is frozen: put the answers back beside their own study."
            )
        return database


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    database.execute("BEGIN IMMEDIATE")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        database.execute("ROLLBACK")
        raise StudyError(
            f"{path} has version {version}; this synthmed knows versions up to {len(MIGRATIONS)}. Use the synthmed "
            "that wrote it, or a newer one; nothing was changed."
        )
    for migration in MIGRATIONS[version:]:
        migration(database)
    database.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    database.execute("COMMIT")


_NEEDED = 1 << 17
"""Bytes that SQLite wants to lay beside a database before it is opened."""


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """What goes wrong with a database, as a sentence of ours; one that is damaged may hold texts that are none."""
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
    except ValueError as error:
        raise storage_error(sqlite3.DatabaseError(f"malformed: {error}"), path) from error


def storage_error(error: sqlite3.Error, path: Path) -> SynthmedError:
    """What SQLite said, as a sentence of ours."""
    words = str(error)
    # What SQLite lays beside a database in shared memory meets a full disk as "disk I/O error".
    if "full" in words or ("disk I/O" in words and shutil.disk_usage(path.parent).free < _NEEDED):
        return StorageError(f"The disk is full: {path} cannot take more. Free some space; every answer that was "
                            "acknowledged is kept.")  # fmt: skip
    if "readonly" in words or "unable to open" in words:
        return StorageError(f"{path} may not be written ({words}). Choose a place where you may write.")
    if "malformed" in words or "not a database" in words:
        return ArtifactError(f"{path} is damaged ({words}). Put the latest backup in its place.")
    return StorageError(f"{path} cannot be used ({words}). Look whether another program holds it.")


class Store:
    """The answers of a study, open for writing.

    Args:
        study: whose answers they are.
    """

    def __init__(self, study: Study) -> None:
        self.path = study.path / DATABASE_FILE
        self._database = connect(study)
        self._jobs: queue.SimpleQueue[tuple[Job[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def submit(self, job: Job[Result]) -> "Future[Result]":
        """Run a job in the thread of the database; its future is done when its writes are on the disk."""
        future: Future[Result] = Future()
        self._jobs.put((job, future))
        return future

    def run(self, job: Job[Result]) -> Result:
        """Run a job and wait for it.

        Raises:
            StorageError: the disk is full; nothing of the job was kept.
        """
        return self.submit(job).result()

    def close(self) -> None:
        """Finish all jobs and close."""
        self._jobs.put(None)
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        while True:
            batch = [self._jobs.get()]
            while len(batch) < _BATCH and not self._jobs.empty():
                batch.append(self._jobs.get())
            jobs = [entry for entry in batch if entry is not None]
            if jobs:
                self._together(jobs)
            if None in batch:
                return

    def _together(self, jobs: list[tuple[Job[Any], "Future[Any]"]]) -> None:
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for job, future in jobs:
                outcomes.append((future, *self._one(job)))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            for _, future in jobs:
                future.set_exception(storage_error(error, self.path))
            return
        for future, result, trouble in outcomes:
            future.set_exception(trouble) if trouble else future.set_result(result)

    def _one(self, job: Job[Any]) -> tuple[Any, BaseException | None]:
        """A job's result or what it raised; of a job that raised nothing is kept."""
        self._database.execute("SAVEPOINT job")
        try:
            result = job(self._database)
        except sqlite3.Error as error:
            if not self._database.in_transaction:  # a full disk rolls everything back
                raise
            self._database.execute("ROLLBACK TO job")
            return None, storage_error(error, self.path)
        except BaseException as error:
            self._database.execute("ROLLBACK TO job")
            return None, error
        finally:
            if self._database.in_transaction:
                self._database.execute("RELEASE job")
        return result, None


@takes_paths
def study_backup(study: Path, out: Path) -> Path:
    """Write all answers so far into a new file, while readers work.

    Args:
        study: folder of the study.
        out: a new file.

    Raises:
        ArtifactError: no study, or something stands at ``out``.
        StorageError: the disk is full.
    """
    opened = Study.open(study)
    if Path(out).exists():
        raise ArtifactError(f"{out} already exists; expected a new file. Give another name.")
    database = connect(opened)
    try:
        database.execute("VACUUM INTO ?", (str(out),))
    except sqlite3.Error as error:
        Path(out).unlink(missing_ok=True)
        raise storage_error(error, Path(out)) from error
    finally:
        database.close()
    return Path(out)

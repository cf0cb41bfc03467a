"""The tables of ``answers.sqlite``, as functions that bring a database from one version to the next.

``PRAGMA user_version`` counts the functions that were run. Answers are only ever added: triggers refuse to change or
remove one.
"""

from collections.abc import Callable, Mapping
from sqlite3 import Connection
from typing import Any

from synthmed.files.seals import digest_of

_STAY = "CREATE TRIGGER answers_stay BEFORE UPDATE ON answers BEGIN SELECT RAISE (ABORT, 'answers never change'); END"
_FIRST = (
    "CREATE TABLE study (digest TEXT NOT NULL) STRICT",
    """CREATE TABLE readers (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token_hash BLOB NOT NULL UNIQUE, invited TEXT NOT NULL,
        simulated TEXT NOT NULL DEFAULT '', page TEXT NOT NULL DEFAULT ''
    ) STRICT""",
    """CREATE TABLE logins (
        token_hash BLOB PRIMARY KEY, reader INTEGER NOT NULL REFERENCES readers, expires REAL NOT NULL
    ) STRICT""",
    """CREATE TABLE trials (
        id INTEGER PRIMARY KEY, reader INTEGER NOT NULL REFERENCES readers, session INTEGER NOT NULL,
        position INTEGER NOT NULL, case_number INTEGER NOT NULL, role TEXT NOT NULL, swapped INTEGER NOT NULL,
        handle TEXT NOT NULL UNIQUE, UNIQUE (reader, session, position)
    ) STRICT""",
    """CREATE TABLE answers (
        trial INTEGER PRIMARY KEY REFERENCES trials, key TEXT NOT NULL, answer TEXT NOT NULL,
        response_ms REAL NOT NULL, viewing TEXT NOT NULL, received TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE steps (
        reader INTEGER NOT NULL REFERENCES readers, session INTEGER NOT NULL, name TEXT NOT NULL,
        facts TEXT NOT NULL, taken TEXT NOT NULL, UNIQUE (reader, session, name)
    ) STRICT""",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY, reader INTEGER REFERENCES readers, name TEXT NOT NULL, facts TEXT NOT NULL,
        happened TEXT NOT NULL
    ) STRICT""",
    _STAY,
    "CREATE TRIGGER answers_remain BEFORE DELETE ON answers BEGIN SELECT RAISE (ABORT, 'answers remain'); END",
)


def _first(database: Connection) -> None:
    for statement in _FIRST:
        database.execute(statement)


ANSWERS = (
    "SELECT answers.*, session, position, case_number, role, swapped, name, simulated FROM answers "
    "JOIN trials ON trial = trials.id JOIN readers ON reader = readers.id"
)
_TRIAL = ("trial", "session", "position", "case_number", "role", "swapped", "name", "simulated")
_ANSWER = ("key", "answer", "response_ms", "viewing", "received")


def seal_of(row: Mapping[str, Any]) -> str:
    """The digest of an answer, of the trial that it was given in and of whose it is.

    SQLite finds damage to the order of its pages, and none to what is written in them.

    Raises:
        TypeError: a value is of no type that is ever written.
    """
    return digest_of([row[name] for name in (*_TRIAL, *_ANSWER)])


def _second(database: Connection) -> None:
    """Every answer gets a seal."""
    database.execute("ALTER TABLE answers ADD COLUMN seal TEXT NOT NULL DEFAULT ''")
    database.execute("DROP TRIGGER answers_stay")
    for row in database.execute(ANSWERS).fetchall():
        database.execute("UPDATE answers SET seal = ? WHERE trial = ?", (seal_of(dict(row)), row["trial"]))
    database.execute(_STAY)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _second)

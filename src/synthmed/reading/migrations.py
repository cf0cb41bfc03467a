"""The tables of ``answers.sqlite``, as functions that bring a database from one version to the next.

``PRAGMA user_version`` counts the functions that were run. Answers are only ever added: triggers refuse to change or
remove one.
"""

from collections.abc import Callable
from sqlite3 import Connection

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
    "CREATE TRIGGER answers_stay BEFORE UPDATE ON answers BEGIN SELECT RAISE (ABORT, 'answers never change'); END",
    "CREATE TRIGGER answers_remain BEFORE DELETE ON answers BEGIN SELECT RAISE (ABORT, 'answers remain'); END",
)


def _first(database: Connection) -> None:
    for statement in _FIRST:
        database.execute(statement)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first,)

"""What a reader may do next: a state machine whose whole state is in the database.

A session goes: consent, display check, instructions, warm-up, ready, trials with breaks, done. Every function takes a
connection and runs inside a transaction of ``store``. A page that was opened later takes a reader over from the one
before, so that two tabs or two computers never answer the same trial side by side.
"""

import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Connection, IntegrityError, Row
from typing import Any

from synthmed.errors import StudyError
from synthmed.reading.clock import moment, written
from synthmed.reading.migrations import seal_of
from synthmed.reading.plan import plan
from synthmed.reading.protocol import Case, Study

LOGIN_SECONDS = 12 * 3600.0
DAY = 86400.0
_MOST_VIEWING = 8000


class Refused(StudyError):
    """Something that a reader may not do.

    Args:
        message: for people.
        status: of HTTP.
        code: one word for the page.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True, kw_only=True)
class Visit:
    """Who asks, from which page, when."""

    reader: int
    page: str
    now: float


def invite(database: Connection, name: str, now: float) -> str:
    """Make an invitation, or a new one in place of the old; the token is told once and kept as a hash.

    Raises:
        StudyError: the name is empty or too long.
    """
    name = name.strip()
    if not 0 < len(name) <= 80 or not name.isprintable():
        raise StudyError(f"A reader is called {name!r}; expected a name or pseudonym of 1 to 80 letters.")
    token = secrets.token_urlsafe(24)
    database.execute(
        "INSERT INTO readers (name, token_hash, invited) VALUES (?, ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET token_hash = excluded.token_hash",
        (name, _hash(token), written(now)),
    )
    database.execute("DELETE FROM logins WHERE reader = (SELECT id FROM readers WHERE name = ?)", (name,))
    return token


def enter(database: Connection, token: str, now: float) -> str:
    """Exchange an invitation for a login, whose secret goes into a cookie.

    Raises:
        Refused: the invitation is not known.
    """
    found = database.execute("SELECT id FROM readers WHERE token_hash = ?", (_hash(token.strip()),)).fetchone()
    if found is None:
        raise Refused("This invitation is not known. Copy the whole link, or ask for a new one.", 401, "token")
    secret = secrets.token_urlsafe(32)
    database.execute("DELETE FROM logins WHERE expires < ?", (now,))
    database.execute("INSERT INTO logins VALUES (?, ?, ?)", (_hash(secret), found["id"], now + LOGIN_SECONDS))
    note(database, "entered", {}, now, found["id"])
    return secret


def reader_of(database: Connection, secret: str, now: float) -> int:
    """Whose login it is.

    Raises:
        Refused: it is none, or it has ended.
    """
    row = database.execute("SELECT reader, expires FROM logins WHERE token_hash = ?", (_hash(secret),)).fetchone()
    if row is None or row["expires"] < now:
        raise Refused("You are not signed in, or it was too long ago. Open your link again.", 401, "login")
    return int(row["reader"])


def leave(database: Connection, secret: str) -> None:
    """End a login."""
    database.execute("DELETE FROM logins WHERE token_hash = ?", (_hash(secret),))


def open_page(database: Connection, study: Study, visit: Visit) -> dict[str, Any]:
    """A page was opened: it takes the reader over, and is told where to go on."""
    before = database.execute("SELECT page FROM readers WHERE id = ?", (visit.reader,)).fetchone()["page"]
    if before not in ("", visit.page):
        note(database, "moved to another page", {}, visit.now, visit.reader)
    database.execute("UPDATE readers SET page = ? WHERE id = ?", (visit.page, visit.reader))
    return state(database, study, visit)


def state(database: Connection, study: Study, visit: Visit) -> dict[str, Any]:
    """Where the reader is: stage, progress, the trial that is next and the one after it.

    Raises:
        Refused: the reader went on at another page.
    """
    _same_page(database, visit)
    session, opens = _session(database, study, visit)
    told: dict[str, Any] = {"session": session, "sessions": study.settings.sessions}
    if opens > visit.now:
        return {**told, "stage": "washout", "opens": written(opens)}
    if session > study.settings.sessions:
        return {**told, "session": study.settings.sessions, "stage": "done"}
    rows = _trials(database, study, visit.reader, session)
    waiting = [row for row in rows if row["answered"] is None]
    warm = sum(row["role"] == "warmup" for row in rows)
    done = len(rows) - len(waiting)
    told |= {"answered": max(0, done - warm), "total": len(rows) - warm, "warmup": warm, "warmed": min(done, warm)}
    stage = _stage(study, _taken(database, visit.reader, session), session, done, warm)
    if stage != "trial":
        return {**told, "stage": stage}
    current = {"handle": waiting[0]["handle"], "warmup": waiting[0]["role"] == "warmup"}
    return {**told, "stage": "trial", "trial": current, "next": waiting[1]["handle"] if waiting[1:] else None}


def take_step(database: Connection, study: Study, visit: Visit, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A step beside the trials was taken: consent, display, instructions, ready, break; again changes nothing.

    Raises:
        Refused: another step is next, or the reader went on at another page.
    """
    where = state(database, study, visit)
    key = f"break {where['answered']}" if name == "break" and "answered" in where else name
    session = where["session"]
    if key in _taken(database, visit.reader, session):
        return where
    if name != where["stage"] or name == "trial":
        raise Refused(f"The step {name} is not the next one; that is {where['stage']}.", 409, "order")
    database.execute("INSERT INTO steps VALUES (?, ?, ?, ?, ?)",
                     (visit.reader, session, key, _json(facts), written(visit.now)))  # fmt: skip
    return state(database, study, visit)


def answer(database: Connection, study: Study, visit: Visit, handle: str, key: str, given: Any, response_ms: Any,
           viewing: Mapping[str, Any]) -> dict[str, Any]:  # fmt: skip
    """Keep an answer; the same answer sent again is acknowledged again and kept once.

    Args:
        database: inside a transaction.
        study: whose trial it is.
        visit: who answers.
        handle: of the trial.
        key: chosen by the page for this answer, so that it can be sent again.
        given: the answer.
        response_ms: milliseconds from paint to answer, by the browser's steady clock.
        viewing: how the image was looked at.

    Returns:
        The reader's new state; after a warm-up trial with feedback also its truth.

    Raises:
        Refused: the trial is not this reader's, not the next one, or has another answer.
        StudyError: the answer is none of those that can be given.
    """
    _same_page(database, visit)
    row = database.execute("SELECT trials.*, answers.key, answers.answer FROM trials LEFT JOIN answers ON trial = id "
                           "WHERE handle = ? AND reader = ?", (handle, visit.reader)).fetchone()  # fmt: skip
    if row is None:
        raise Refused("This trial is not one of yours. Nothing was kept; load the page again.", 404, "unknown")
    checked = study.trial.check(given, study.protocol.width, study.protocol.height)
    if row["key"] is None:
        where = state(database, study, visit)
        if where.get("trial", {}).get("handle") != handle:
            raise Refused("Another trial is next. Nothing was kept; load the page again.", 409, "order")
        _keep(database, row["id"], key, checked, response_ms, viewing, visit)
    elif (row["key"], json.loads(row["answer"])) != (key, checked):
        raise Refused("This trial was answered before; the first answer stands.", 409, "answered")
    told: dict[str, Any] = {"state": state(database, study, visit)}
    if row["role"] == "warmup" and study.settings.feedback:
        told["truth"] = truth_word(study, study.cases[row["case_number"]], bool(row["swapped"]))
    return told


def pictures(database: Connection, study: Study, visit: Visit, handle: str) -> tuple[int, ...]:
    """The pictures of a trial, in the order in which they are shown; of this trial and the next alone.

    Raises:
        Refused: it is not one of these.
    """
    where = state(database, study, visit)
    if handle not in (where.get("trial", {}).get("handle"), where.get("next")):
        raise Refused("This picture is not for now. Load the page again.", 404, "unknown")
    row = database.execute("SELECT case_number, swapped FROM trials WHERE handle = ?", (handle,)).fetchone()
    case = study.cases[row["case_number"]]
    # The real picture comes first in a pair: swapped means that the synthetic one is on the right.
    return case.stimuli if row["swapped"] else case.stimuli[::-1]


def truth_of(study: Study, case: Case, swapped: bool) -> int:
    """The truth of a trial."""
    return int(swapped) if study.trial.truth == "right" else case.truth


def truth_word(study: Study, case: Case, swapped: bool) -> str:
    """The truth as a word of the page."""
    names = {"synthetic": ("real", "synthetic"), "right": ("left", "right"), "target": ("no_target", "target")}
    return names[study.trial.truth][truth_of(study, case, swapped)]


def note(database: Connection, name: str, facts: Mapping[str, Any], now: float, reader: int | None = None) -> None:
    """Note an event."""
    database.execute("INSERT INTO events (reader, name, facts, happened) VALUES (?, ?, ?, ?)",
                     (reader, name, _json(facts), written(now)))  # fmt: skip


def latest(database: Connection) -> float:
    """The latest time that was noted, seconds since 1970; 0 = none."""
    rows = database.execute("SELECT max(t) AS t FROM (SELECT max(received) AS t FROM answers UNION "
                            "SELECT max(happened) FROM events UNION SELECT max(taken) FROM steps)")  # fmt: skip
    text = rows.fetchone()["t"]
    return moment(text) if text else 0.0


def _keep(database: Connection, trial: int, key: str, checked: Mapping[str, Any], response_ms: Any,
          viewing: Mapping[str, Any], visit: Visit) -> None:  # fmt: skip
    number = isinstance(response_ms, int | float) and not isinstance(response_ms, bool)
    if not number or not math.isfinite(response_ms) or not 0 <= response_ms < 1000 * DAY:
        raise StudyError(f"The response time is {response_ms!r}; expected milliseconds from 0 on.")
    if not (isinstance(key, str) and 8 <= len(key) <= 80):
        raise StudyError("The answer has no key; expected 8 to 80 letters that name this answer.")
    looked = _json(viewing)
    told = {"trial": trial, "key": key, "answer": _json(checked), "response_ms": float(response_ms),
            "viewing": looked if len(looked) <= _MOST_VIEWING else "{}", "received": written(visit.now)}  # fmt: skip
    given_in = database.execute("SELECT trials.*, name, simulated FROM trials JOIN readers ON reader = readers.id "
                                "WHERE trials.id = ?", (trial,)).fetchone()  # fmt: skip
    try:
        database.execute("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                         (*told.values(), seal_of({**dict(given_in), **told})))  # fmt: skip
    except IntegrityError as error:
        raise Refused("This trial was answered before; the first answer stands.", 409, "answered") from error


def _session(database: Connection, study: Study, visit: Visit) -> tuple[int, float]:
    """The session that is next, and when it opens: 0 = it is open."""
    rows = database.execute(
        "SELECT session, count(*) AS trials, count(received) AS answered, max(received) AS last FROM trials "
        "LEFT JOIN answers ON trial = id WHERE reader = ? GROUP BY session ORDER BY session", (visit.reader,)
    ).fetchall()  # fmt: skip
    finished = [row for row in rows if row["trials"] == row["answered"]]
    if not finished or len(finished) >= study.settings.sessions:
        return len(finished) + 1, 0.0
    return len(finished) + 1, moment(finished[-1]["last"]) + study.settings.washout_days * DAY


def _stage(study: Study, taken: frozenset[str], session: int, done: int, warm: int) -> str:
    needed = [*(["consent"] if session == 1 else []), "display", "instructions"]
    needed += ["ready"] if warm and done >= warm else []
    for name in needed:
        if name not in taken:
            return name
    scored = done - warm
    due = scored > 0 and scored % study.settings.break_every == 0
    return "break" if due and f"break {scored}" not in taken else "trial"


def _taken(database: Connection, reader: int, session: int) -> frozenset[str]:
    rows = database.execute("SELECT name FROM steps WHERE reader = ? AND session = ?", (reader, session))
    return frozenset(row["name"] for row in rows)


def _trials(database: Connection, study: Study, reader: int, session: int) -> list[Row]:
    """The trials of a session, made when they are first asked for; every one has a random handle."""
    query = ("SELECT handle, role, received AS answered FROM trials LEFT JOIN answers ON trial = id "
             "WHERE reader = ? AND session = ? ORDER BY position")  # fmt: skip
    rows = database.execute(query, (reader, session)).fetchall()
    if rows:
        return rows
    database.executemany(
        "INSERT INTO trials (reader, session, position, case_number, role, swapped, handle) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(reader, session, position, one.case, one.role, int(one.swapped), secrets.token_urlsafe(16))
         for position, one in enumerate(plan(study.cases, study.settings, reader - 1, session))],
    )  # fmt: skip
    return database.execute(query, (reader, session)).fetchall()


def _same_page(database: Connection, visit: Visit) -> None:
    page = database.execute("SELECT page FROM readers WHERE id = ?", (visit.reader,)).fetchone()["page"]
    if not visit.page or page != visit.page:
        raise Refused("You went on in another window or at another computer. Load this page again to go on here.", 409,
                      "elsewhere")  # fmt: skip


def _hash(secret: str) -> bytes:
    # 192 random bits and more: nothing to guess, so a fast hash is enough.
    return hashlib.sha256(secret.encode()).digest()


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))

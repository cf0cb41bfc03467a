"""The server of a study: a page, and an interface that tells a browser no more than it must know.

Truth never leaves before an answer, and after it only in a warm-up that says so: pictures are raw pixels of one length
under random handles, and every trial looks like any other.
"""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from importlib import resources
from sqlite3 import Connection
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from synthmed.errors import StorageError, StudyError
from synthmed.reading import sessions
from synthmed.reading.clock import Clock
from synthmed.reading.guard import Guard
from synthmed.reading.protocol import Study
from synthmed.reading.sessions import Refused, Visit
from synthmed.reading.store import Job, Result, Store
from synthmed.reading.words import languages, words

_STATIC = {"reader.js": "text/javascript", "reader.css": "text/css"}
_TRIES, _WITHIN = 10, 60.0
"""Wrong invitations from one address, and the seconds in which they count."""


class Server:
    """The application of one study.

    Args:
        study: what is read.
        store: where answers go.
        clock: tells the time.
        secure: whether browsers come by HTTPS.
    """

    def __init__(self, study: Study, store: Store, clock: Clock, *, secure: bool = False) -> None:
        self.study, self.store, self.clock, self._secure = study, store, clock, secure
        # Cookies know no ports: two studies on one machine must not overwrite each other's.
        self._cookie = f"reader_{study.digest[:12]}"
        self._wrong: dict[str, deque[float]] = defaultdict(deque)

    def routes(self) -> list[Route]:
        """All addresses."""
        post = ["POST"]
        return [
            Route("/", self.page),
            Route("/favicon.ico", self.no_icon),
            Route("/static/{name}", self.static),
            Route("/words/{language}", self.words),
            Route("/api/study", self.protocol),
            Route("/api/picture/{handle}", self.picture),
            Route("/api/enter", self.enter, methods=post),
            Route("/api/leave", self.leave, methods=post),
            Route("/api/open", self._told(self._opened), methods=post),
            Route("/api/state", self._told(self._state), methods=post),
            Route("/api/step", self._told(self._step), methods=post),
            Route("/api/answer", self._told(self._answer), methods=post),
        ]

    async def page(self, request: Request) -> Response:
        """The page; it knows nothing of the reader."""
        return Response(_read("templates/reader.html"), media_type="text/html")

    async def no_icon(self, request: Request) -> Response:
        """Browsers ask for an icon."""
        return Response(status_code=204)

    async def static(self, request: Request) -> Response:
        """The script and the style."""
        name = request.path_params["name"]
        if name not in _STATIC:
            return _trouble("There is no such file.", 404, "unknown")
        return Response(_read(f"static/{name}"), media_type=_STATIC[name])

    async def words(self, request: Request) -> Response:
        """All words of a language."""
        language = request.path_params["language"]
        if language not in languages():
            return _trouble(f"There is no language {language!r}; known are {', '.join(languages())}.", 404, "unknown")
        settings = self.study.settings
        return JSONResponse({"languages": languages(), "words": words(language, settings),
                             "min_width": settings.min_width, "checks": settings.checks > 0})  # fmt: skip

    async def protocol(self, request: Request) -> Response:
        """What the page must know to draw a trial."""
        await self._run(self._signed_in(request, lambda database, visit: visit.reader))
        protocol, settings, trial = self.study.protocol, self.study.settings, self.study.trial
        return JSONResponse({
            "channels": len(protocol.channels), "height": protocol.height, "width": protocol.width,
            "bits": protocol.bits, "images": trial.images, "marks": trial.marks,
            "panels": [panel.model_dump() for panel in protocol.panels],
            "windows": settings.windows,
            "questions": [{"name": one.name, "choices": one.choices} for one in trial.questions],
        })  # fmt: skip

    async def picture(self, request: Request) -> Response:
        """The pixels of a trial: raw, little-endian, always as many bytes."""
        handle, page = request.path_params["handle"], request.query_params.get("page", "")
        job = self._signed_in(
            request, lambda database, visit: sessions.pictures(database, self.study, visit, handle), page
        )
        shown = await self._run(job)
        pixels = await run_in_threadpool(lambda: b"".join(self.study.stimulus(number) for number in shown))
        return Response(pixels, media_type="application/octet-stream")

    async def enter(self, request: Request) -> Response:
        """Exchange an invitation for a cookie."""
        body, address, now = await _body(request), request.client.host if request.client else "", time.monotonic()
        tries = self._wrong[address]
        while tries and tries[0] < now - _WITHIN:
            tries.popleft()
        if len(tries) >= _TRIES:
            raise Refused("Too many wrong invitations came from your address. Wait a minute.", 429, "wait")
        token, moment = str(body.get("token", "")), self.clock.now()
        try:
            secret = await self._run(lambda database: sessions.enter(database, token, moment))
        except Refused:
            tries.append(now)
            raise
        response = JSONResponse({"entered": True})
        response.set_cookie(self._cookie, secret, max_age=int(sessions.LOGIN_SECONDS), path="/", httponly=True,
                            samesite="strict", secure=self._secure)  # fmt: skip
        return response

    async def leave(self, request: Request) -> Response:
        """End the login."""
        secret = request.cookies.get(self._cookie, "")
        await self._run(lambda database: sessions.leave(database, secret))
        response = JSONResponse({"entered": False})
        response.delete_cookie(self._cookie, path="/", httponly=True, samesite="strict", secure=self._secure)
        return response

    def _opened(self, database: Connection, visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
        return sessions.open_page(database, self.study, visit)

    def _state(self, database: Connection, visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
        return sessions.state(database, self.study, visit)

    def _step(self, database: Connection, visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
        facts = body.get("facts")
        return sessions.take_step(database, self.study, visit, str(body.get("name")), _object(facts))

    def _answer(self, database: Connection, visit: Visit, body: dict[str, Any]) -> dict[str, Any]:
        viewing = body.get("viewing")
        return sessions.answer(
            database, self.study, visit, str(body.get("handle")), body.get("key", ""), body.get("answer"),
            body.get("response_ms"), _object(viewing))  # fmt: skip

    def _told(
        self, job: Callable[[Connection, Visit, dict[str, Any]], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """An address at which a reader's page says something and is told something, in one transaction."""

        async def respond(request: Request) -> Response:
            body, jumped = await _body(request), self.clock.jumped()

            def together(database: Connection, visit: Visit) -> dict[str, Any]:
                if jumped:
                    sessions.note(database, "the server's clock was set", {"seconds": round(jumped)}, visit.now)
                return job(database, visit, body)

            return JSONResponse(await self._run(self._signed_in(request, together, str(body.get("page", ""))[:80])))

        return respond

    def _signed_in(self, request: Request, job: Callable[[Connection, Visit], Result], page: str = "") -> Job[Result]:
        """A job for the reader whose cookie came with a request."""
        secret, now = request.cookies.get(self._cookie, ""), self.clock.now()

        def with_reader(database: Connection) -> Result:
            return job(database, Visit(reader=sessions.reader_of(database, secret, now), page=page, now=now))

        return with_reader

    async def _run(self, job: Job[Result]) -> Result:
        return await asyncio.wrap_future(self.store.submit(job))


def application(
    study: Study, store: Store, *, hosts: frozenset[str], origin: str = "", clock: Clock | None = None
) -> ASGIApp:
    """The application of a study, guarded.

    Args:
        study: what is read.
        store: where answers go.
        hosts: names under which browsers may ask, with ports, such as "127.0.0.1:8123".
        origin: where pages come from; "" = "http://" and the host asked for.
        clock: tells the time; None = the machine's.
    """
    clock = clock or Clock(store.run(sessions.latest))
    if clock.behind:
        late, now = round(clock.behind), clock.now()
        store.run(lambda database: sessions.note(database, "the server's clock went back", {"seconds": -late}, now))
    server = Server(study, store, clock, secure=origin.startswith("https:"))
    app = Starlette(routes=server.routes(), exception_handlers={StudyError: _refuse, StorageError: _refuse})
    return Guard(app, hosts=hosts, origin=origin)


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return _trouble(str(error), error.status, error.code)
    if isinstance(error, StorageError):
        return _trouble(str(error), 507, "storage")
    return _trouble(str(error), 422, "answer")


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise StudyError("The request holds no JSON object; expected one. Load the page again.")
    return body


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _trouble(message: str, status: int, code: str) -> Response:
    return JSONResponse({"error": code, "message": message}, status_code=status)


def _read(name: str) -> str:
    return resources.files("synthmed.reading").joinpath(name).read_text(encoding="utf-8")

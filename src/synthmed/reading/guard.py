"""What every request passes before anything else looks at it: host, origin, size, and headers on every answer."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 1024

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


class Guard:
    """An application behind the checks.

    A name in ``Host`` that is not ours is refused: a page of somebody else's that points its own name at this machine
    (DNS rebinding) comes with such a name. A write must come from a page of ours: browsers say so in ``Sec-Fetch-Site``
    or ``Origin``; programs that are no browsers send neither.

    Args:
        app: the application.
        hosts: names with ports that are ours.
        origin: where our pages come from; "" = "http://" and the host asked for.
    """

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], origin: str = "") -> None:
        self._app, self._hosts, self._origin = app, hosts, origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        trouble = self._trouble(scope)
        if trouble:
            status, words = trouble
            response = JSONResponse({"error": "refused", "message": words}, status_code=status)
            await response(scope, receive, with_headers)
            return
        await self._app(scope, _limited(receive), with_headers)

    def _trouble(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return 421, f"The name {host!r} is not one of this server's. Use the address that you were given."
        if scope["method"] in ("GET", "HEAD"):
            return None
        site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
        ours = self._origin or f"http://{host}"
        if site not in ("", "same-origin") or origin not in ("", ours):
            return 403, "This request came from a page of another server."
        if headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return 415, "Expected JSON."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, f"The request is larger than {LARGEST_BODY} bytes."
        return None


def _limited(receive: Receive) -> Receive:
    """Bodies that do not say how long they are end where the largest would."""
    total = 0

    async def receive_some() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > LARGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return receive_some

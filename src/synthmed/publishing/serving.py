"""A look at a site: its folder served to this machine alone, as any web server would; nothing is written."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from synthmed.artifacts import read_manifest
from synthmed.errors import StorageError

_HOST = "127.0.0.1"


class _Files(SimpleHTTPRequestHandler):
    """Files of one folder; no list of a folder, no word in the terminal."""

    def list_directory(self, path: object) -> None:
        self.send_error(404, "There is no such file.")

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *words: object) -> None:
        pass


def serve(site: Path, *, port: int = 8124, ready: Callable[[str], None] | None = None) -> None:
    """Serve a site to this machine until it is interrupted.

    Args:
        site: a folder that ``site`` wrote.
        port: to listen on; 0 = any that is free.
        ready: called with the address.

    Raises:
        ArtifactError: it is no site.
        StorageError: the port is taken.
    """
    with served(site, port=port) as address, contextlib.suppress(KeyboardInterrupt):
        if ready:
            ready(address)
        threading.Event().wait()


@contextlib.contextmanager
def served(site: Path, *, port: int = 0) -> Iterator[str]:
    """Serve a site beside other work; gives the address."""
    read_manifest(Path(site), "site")
    try:
        server = ThreadingHTTPServer((_HOST, port), partial(_Files, directory=str(site)))
    except OSError as error:
        raise StorageError(f"Port {port} of {_HOST} cannot be used ({error.strerror}). Give another --port.") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{_HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

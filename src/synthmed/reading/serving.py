"""``study serve`` and ``study invite``: on this machine alone unless TLS or a proxy stands before readers elsewhere."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from synthmed.errors import ConfigError, StorageError
from synthmed.files.paths import takes_paths
from synthmed.reading import sessions
from synthmed.reading.clock import Clock
from synthmed.reading.protocol import Study
from synthmed.reading.server import application
from synthmed.reading.store import Store

PORT = 8123


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server listens, and how readers reach it.

    Args:
        host: address to listen on.
        port: 0 = any that is free.
        address: how readers reach it, such as "https://study.example.org"; "" = by host and port.
        tls_cert: file with the certificate and its chain.
        tls_key: file with its key.
        behind_proxy: a proxy that speaks TLS stands before it.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    address: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False

    def check(self) -> None:
        """Refuse a place where answers or truth could be read on the way.

        Raises:
            ConfigError: an address beyond this machine without TLS or proxy, or half a certificate.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("A certificate needs its key: give both --tls-cert and --tls-key.")
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                raise ConfigError(f"{file} is not a file; expected a certificate or key in PEM. Check the path.")
        safe = self.tls_cert is not None or self.behind_proxy
        if not _is_loopback(self.host) and not safe:
            raise ConfigError(
                f"{self.host} can be reached from other machines, and nothing encrypts what goes there. Give "
                "--tls-cert and --tls-key, or --behind-proxy if a proxy does TLS."
            )
        if self.address:
            parts = urlsplit(self.address)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
                raise ConfigError(f"--address is {self.address!r}; expected one such as https://study.example.org.")
            if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
                raise ConfigError(f"--address is {self.address!r}; readers elsewhere need https.")
        elif safe:
            raise ConfigError("Readers come by TLS; say by which address: --address https://study.example.org.")

    def origin(self, port: int) -> str:
        """Where pages come from, as browsers write it."""
        if self.address:
            parts = urlsplit(self.address)
            return f"{parts.scheme}://{parts.netloc}".lower()
        return f"http://{self.host if ':' not in self.host else f'[{self.host}]'}:{port}"

    def hosts(self, port: int) -> frozenset[str]:
        """Names under which browsers may ask."""
        if self.address:
            return frozenset({urlsplit(self.address).netloc.lower()})
        return frozenset({f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"})


@takes_paths
def study_invite(study: Path, reader: str, *, address: str = f"http://127.0.0.1:{PORT}") -> str:
    """Make an invitation of a reader, or a new one in place of the old.

    Args:
        study: folder of the study.
        reader: name or pseudonym.
        address: where the server is reached.

    Returns:
        The link; it is told once, the study keeps its hash.

    Raises:
        ArtifactError: no study, or a damaged one.
        StudyError: no name, or a study of a newer synthmed.
    """
    store = Store(Study.open(study))
    try:
        now = Clock(store.run(sessions.latest)).now()
        return link(address, store.run(lambda database: sessions.invite(database, reader, now)))
    finally:
        store.close()


def link(address: str, token: str) -> str:
    """The link of an invitation; what stands behind # is never sent to a server."""
    return f"{address.rstrip('/')}/#{token}"


@takes_paths
def study_serve(
    study: Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    address: str = "",
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    behind_proxy: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a study until Ctrl-C or SIGTERM, which is raised as KeyboardInterrupt when all is closed.

    Args:
        study: folder of the study.
        host: address to listen on; another than this machine's own needs TLS or a proxy.
        port: to listen on.
        address: how readers reach it, where that differs.
        tls_cert: certificate with its chain, PEM.
        tls_key: its key, PEM.
        behind_proxy: a proxy that does TLS stands before it.
        ready: called with the address once readers may come.

    Raises:
        ArtifactError: no study, or a damaged one.
        StudyError: a study of a newer synthmed.
        ConfigError: an address beyond this machine that nothing protects.
        StorageError: the port is taken.
    """
    place = Place(host=host, port=port, address=address, tls_cert=tls_cert, tls_key=tls_key, behind_proxy=behind_proxy)
    place.check()
    opened = Study.open(study)
    with listening(place) as listener:
        number = listener.getsockname()[1]
        store = Store(opened)
        try:
            if ready:
                ready(place.origin(number))
            _server(opened, store, place, number).run(sockets=[listener])
        finally:
            store.close()


@contextlib.contextmanager
def served(study: Study, place: Place | None = None) -> Iterator[str]:
    """Serve a study beside other work; gives the address."""
    place = place or Place(port=0)
    place.check()
    with listening(place) as listener:
        number = listener.getsockname()[1]
        store = Store(study)
        server = _server(study, store, place, number)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield place.origin(number)
        finally:
            server.should_exit = True
            thread.join()
            store.close()


@contextlib.contextmanager
def listening(place: Place) -> Iterator[socket.socket]:
    """A socket that listens.

    Raises:
        StorageError: the port is taken or may not be used.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((place.host, place.port))
            listener.listen(2048)
        except OSError as error:
            raise StorageError(
                f"Port {place.port} of {place.host} cannot be used ({error.strerror}). Give another --port."
            ) from error
        yield listener


def _server(study: Study, store: Store, place: Place, port: int):  # type: ignore[no-untyped-def]
    import uvicorn

    origin = place.origin(port) if place.address else ""
    app = application(study, store, hosts=place.hosts(port), origin=origin)
    return uvicorn.Server(uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off", backlog=2048,
        proxy_headers=place.behind_proxy, ssl_certfile=place.tls_cert, ssl_keyfile=place.tls_key,
    ))  # fmt: skip


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

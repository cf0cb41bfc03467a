import hashlib
import http.server
import signal
import threading
import time

import pytest
from stopping import stopped

from synthmed.errors import ArtifactError, ConfigError, WeightsError
from synthmed.pretrained.catalogue import CATALOGUE, Weights
from synthmed.pretrained.folder import checked_file, weights

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    breaks_after, knows_ranges, holds, asked = None, True, False, []

    def do_GET(self):
        Server.asked.append(self.headers.get("Range"))
        if self.path != "/file":
            self.send_error(404)
            return
        start = 0
        if self.headers.get("Range") and self.knows_ranges:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : Server.breaks_after])
        while Server.holds:
            time.sleep(0.01)
        self.close_connection = True

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    monkeypatch.setattr(Server, "breaks_after", None)
    monkeypatch.setattr(Server, "knows_ranges", True)
    monkeypatch.setattr(Server, "holds", False)
    monkeypatch.setattr(Server, "asked", [])
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()


@pytest.fixture
def known(server, monkeypatch):
    def put(path="/file", sha256=DIGEST):
        one = Weights(name="toy", file_name="toy.pth", url=server + path, sha256=sha256, licence="", about="")
        monkeypatch.setitem(CATALOGUE, "toy", one)

    put()
    return put


def test_a_file_is_fetched_checked_and_not_fetched_again(known, tmp_path):
    heard = []
    (found,) = weights("fetch", ["toy"], folder=tmp_path / "w", progress=lambda *told: heard.append(told))
    assert found.state == "right" and found.path.read_bytes() == CONTENT
    assert heard[-1] == (len(CONTENT), len(CONTENT), "toy")
    weights("fetch", ["toy"], folder=tmp_path / "w")
    assert Server.asked == [None]
    assert [file.name for file in (tmp_path / "w").iterdir()] == ["toy.pth"]
    assert checked_file("toy", tmp_path / "w").sha256 == DIGEST


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_download_that_broke_off_goes_on(knows_ranges, known, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "breaks_after", 100_000)
    with pytest.raises(WeightsError, match="same command goes on"):
        weights("fetch", ["toy"], folder=tmp_path)
    assert not (tmp_path / "toy.pth").exists()
    monkeypatch.setattr(Server, "breaks_after", None)
    monkeypatch.setattr(Server, "knows_ranges", knows_ranges)
    weights("fetch", ["toy"], folder=tmp_path)
    assert (tmp_path / "toy.pth").read_bytes() == CONTENT
    assert Server.asked == [None, "bytes=100000-"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_download_that_is_stopped_goes_on(known, server, tmp_path, monkeypatch, number):
    monkeypatch.setattr(Server, "breaks_after", 100_000)
    monkeypatch.setattr(Server, "holds", True)
    toy = f"Weights(name='toy', file_name='toy.pth', url='{server}/file', sha256='{DIGEST}', licence='', about='')"
    catalogue = f"from synthmed.pretrained.catalogue import CATALOGUE, Weights\nCATALOGUE['toy'] = {toy}"
    part = tmp_path / ".toy.pth.part"
    words = ["weights", "fetch", "toy", "--folder", tmp_path]
    said = stopped(words, lambda _: part.is_file() and part.stat().st_size, number, before=catalogue)
    assert said == "Stopped. What was fetched is kept; the same command goes on from there."
    done = part.stat().st_size
    assert [file.name for file in tmp_path.iterdir()] == [".toy.pth.part"]
    monkeypatch.setattr(Server, "breaks_after", None)
    monkeypatch.setattr(Server, "holds", False)
    weights("fetch", ["toy"], folder=tmp_path)
    assert (tmp_path / "toy.pth").read_bytes() == CONTENT
    assert 0 < done <= 100_000 and Server.asked == [None, f"bytes={done}-"]


def test_another_file_than_the_published_one_is_never_kept(known, tmp_path):
    known(sha256="0" * 64)
    with pytest.raises(WeightsError, match="It was removed"):
        weights("fetch", ["toy"], folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_server_that_has_no_such_file_is_named(known, tmp_path):
    known(path="/other")
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1.*404"):
        weights("fetch", ["toy"], folder=tmp_path)


def test_a_server_that_is_not_local_must_speak_https(monkeypatch, tmp_path):
    one = Weights(name="toy", file_name="toy.pth", url="http://example.org/x", sha256=DIGEST, licence="", about="")
    monkeypatch.setitem(CATALOGUE, "toy", one)
    with pytest.raises(WeightsError, match="not https"):
        weights("fetch", ["toy"], folder=tmp_path)


def test_verify_finds_one_wrong_bit(known, tmp_path):
    weights("fetch", ["toy"], folder=tmp_path)
    assert weights("verify", folder=tmp_path)[-1].state == "right"
    (tmp_path / "toy.pth").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(WeightsError, match="Move it away"):
        weights("verify", folder=tmp_path)
    with pytest.raises(WeightsError, match="are not at"):
        weights("verify", ["vgg16"], folder=tmp_path)


def test_a_file_without_a_published_digest_is_compared_with_the_one_beside_it(known, tmp_path):
    known(sha256="")
    with pytest.raises(WeightsError, match="are not at"):
        weights("fetch", ["toy"], folder=tmp_path)  # nothing is fetched that cannot be checked
    assert not Server.asked
    (tmp_path / "toy.pth").write_bytes(CONTENT)
    for action in ("fetch", "verify"):
        with pytest.raises(WeightsError, match=r"sha256sum toy\.pth > toy\.pth\.sha256\.$"):
            weights(action, ["toy"], folder=tmp_path)
    with pytest.raises(WeightsError, match="no digest of toy is published"):
        checked_file("toy", tmp_path)
    (tmp_path / "toy.pth.sha256").write_text(f"{DIGEST}  toy.pth\n")
    assert weights("verify", ["toy"], folder=tmp_path)[0].state == "right"
    assert checked_file("toy", tmp_path).sha256 == DIGEST
    (tmp_path / "toy.pth").write_bytes(CONTENT[:-1] + b"x")
    for noted in (f"{DIGEST}  toy.pth\n", DIGEST[:8], "", "\0" * 64):
        (tmp_path / "toy.pth.sha256").write_text(noted)
        with pytest.raises(WeightsError):
            checked_file("toy", tmp_path)


def test_what_is_unknown_is_met_with_what_is_known(tmp_path):
    for words in (("steal", []), ("fetch", []), ("fetch", ["vgg61"])):
        with pytest.raises(ConfigError, match="expected"):
            weights(*words, folder=tmp_path)
    with pytest.raises(WeightsError, match="no fixed address"):
        weights("fetch", ["radimagenet"], folder=tmp_path)


def test_every_published_file_is_listed_with_address_or_reason():
    for one in CATALOGUE.values():
        assert one.url.startswith("https://") or not one.url
        assert not one.url or len(one.sha256) >= 8
        assert one.licence and one.about


def test_a_download_goes_through_no_link(known, tmp_path):
    (tmp_path / "mine.txt").write_text("years of work")
    (tmp_path / ".toy.pth.part").symlink_to("mine.txt")
    with pytest.raises(ArtifactError, match="is a link"):
        weights("fetch", ["toy"], folder=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "years of work" and not Server.asked

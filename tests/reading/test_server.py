"""The server: what was acknowledged is on the disk, truth stays, and nobody does what is not theirs to do."""

import json
import sqlite3
import threading
import warnings
from collections import Counter
from contextlib import contextmanager

import pytest

from synthmed.errors import ArtifactError, ConfigError, StorageError, StudyError
from synthmed.reading import sessions
from synthmed.reading.clock import Clock
from synthmed.reading.protocol import Study
from synthmed.reading.readings import readings
from synthmed.reading.server import application
from synthmed.reading.serving import Place, study_invite
from synthmed.reading.simulate import Eyes
from synthmed.reading.store import DATABASE_FILE, Store, study_backup
from synthmed.reading.words import languages, words

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a newer client
    from starlette.testclient import TestClient

HOST = "http://127.0.0.1:8123"


class Browser:
    """A reader at a browser, by hand."""

    def __init__(self, app, page="page-one", headers=None):
        self.client = TestClient(app, base_url=HOST, raise_server_exceptions=False, headers=headers)
        self.page = page
        self.state = {}

    def post(self, path, status=200, **body):
        answer = self.client.post(path, json={"page": self.page, **body})
        assert answer.status_code == status, answer.text
        return answer.json()

    def enter(self, link):
        self.post("/api/enter", token=link.rpartition("#")[2])
        self.state = self.post("/api/open")
        return self

    def steps(self):
        while self.state["stage"] not in ("trial", "done", "washout"):
            self.state = self.post("/api/step", name=self.state["stage"], facts={"dark_seen": True})
        return self

    def answer(self, status=200, handle=None, key="a key of mine", answer=None, **more):
        given = answer or {"verdict": "real", "confidence": "2"}
        handle = handle or self.state["trial"]["handle"]
        told = self.post("/api/answer", status, handle=handle, key=key, answer=given, response_ms=1234.5, **more)
        self.state = told.get("state", self.state)
        return told

    def picture(self, handle=None, page=None):
        handle = handle or self.state["trial"]["handle"]
        return self.client.get(f"/api/picture/{handle}", params={"page": page or self.page})

    def read_all(self):
        self.steps()
        while self.state["stage"] == "trial":
            self.answer(key=f"key {self.state['trial']['handle']}")
            self.steps()
        return self


@contextmanager
def running(study, clock=None):
    store = Store(study)
    try:
        yield application(study, store, hosts=Place().hosts(8123), clock=clock)
    finally:
        store.close()


@pytest.fixture
def study(make):
    return make(overrides=["repeats=1"])


@pytest.fixture
def app(study):
    with running(study) as made:
        yield made


@pytest.fixture
def anna(app, study):
    return Browser(app).enter(study_invite(study.path, "anna")).steps()


def test_a_session_goes_through_its_stages(app, study):
    browser = Browser(app).enter(study_invite(study.path, "anna"))
    stages = [browser.state["stage"]]
    while browser.state["stage"] != "done":
        if browser.state["stage"] == "trial":
            browser.answer(key=f"key {browser.state['trial']['handle']}")
        else:
            browser.state = browser.post("/api/step", name=browser.state["stage"], facts={})
        if browser.state["stage"] != stages[-1]:
            stages.append(browser.state["stage"])
    assert stages == ["consent", "display", "instructions", "trial", "ready", "trial", "break", "trial", "done"]
    found = readings(study)
    assert Counter(one.role for one in found) == {"warmup": 2, "scored": 12, "repeat": 2}
    assert {one.response_ms for one in found} == {1234.5}


def test_an_acknowledged_answer_is_on_the_disk_at_once(anna, study):
    anna.answer()
    database = sqlite3.connect(study.path / DATABASE_FILE)
    assert database.execute("SELECT count(*) FROM answers").fetchone() == (1,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_same_answer_sent_again_is_kept_once(anna, study):
    handle = anna.state["trial"]["handle"]
    one, again = anna.answer(), anna.answer(handle=handle)
    assert one == again and len(readings(study)) == 1


def test_a_second_answer_is_refused_and_the_first_stands(anna, study):
    handle = anna.state["trial"]["handle"]
    anna.answer()
    other = {"verdict": "synthetic", "confidence": "4"}
    assert anna.answer(409, handle=handle, key="another key", answer=other)["error"] == "answered"
    assert anna.answer(409, handle=handle, answer=other)["error"] == "answered"
    assert [one.answer["verdict"] for one in readings(study)] == ["real"]


def test_an_answer_to_a_trial_of_another_reader_is_refused(app, anna, study):
    ben = Browser(app).enter(study_invite(study.path, "ben")).steps()
    told = ben.answer(404, handle=anna.state["trial"]["handle"])
    assert told["error"] == "unknown" and "not one of yours" in told["message"]
    assert ben.picture(anna.state["trial"]["handle"]).status_code == 404
    assert not readings(study)


def test_only_the_next_trial_is_answered_and_only_two_pictures_are_sent(anna):
    assert anna.answer(409, handle=anna.state["next"])["error"] == "order"
    assert anna.picture().status_code == anna.picture(anna.state["next"]).status_code == 200
    first = anna.state["trial"]["handle"]
    anna.answer()
    assert anna.picture(first).status_code == 404


WRONG = {
    "an answer that is none": {"answer": {"verdict": "perhaps", "confidence": "2"}},
    "half an answer": {"answer": {"verdict": "real"}},
    "no key": {"key": ""},
    "a key that is no text": {"key": 17},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_gets_a_sentence(anna, study, given):
    told = anna.answer(422, **given)
    assert told["message"].endswith(".") and not readings(study)


@pytest.mark.parametrize("time", [-1, "soon", None, True, 1e12])
def test_a_response_time_that_cannot_be_is_refused(anna, time):
    body = {
        "handle": anna.state["trial"]["handle"],
        "key": "a key of mine",
        "answer": {"verdict": "real", "confidence": "1"},
    }
    assert "response time" in anna.post("/api/answer", 422, response_ms=time, **body)["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"[" * 9000])
def test_a_body_that_is_no_object_is_refused(anna, body):
    answer = anna.client.post("/api/answer", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422 and "JSON" in answer.json()["message"]


def test_a_wrong_invitation_is_refused_and_guessing_is_slowed(app):
    browser = Browser(app)
    for _ in range(10):
        assert browser.post("/api/enter", 401, token="wrong")["error"] == "token"
    assert browser.post("/api/enter", 429, token="wrong")["error"] == "wait"


def test_without_a_login_nothing_is_told(app, study):
    browser = Browser(app)
    for path in ("/api/open", "/api/state", "/api/step", "/api/answer"):
        assert browser.post(path, 401)["error"] == "login"
    assert browser.client.get("/api/study").status_code == 401
    assert browser.picture("x" * 22).status_code == 401


def test_a_new_invitation_ends_the_old_one(app, study):
    old = study_invite(study.path, "anna")
    browser = Browser(app).enter(old)
    new = study_invite(study.path, "anna")
    browser.post("/api/state", 401)
    Browser(app).post("/api/enter", 401, token=old.rpartition("#")[2])
    assert Browser(app).enter(new).state["stage"] == "consent"


def test_secrets_are_hashed_at_rest(app, study):
    link = study_invite(study.path, "anna")
    browser = Browser(app).enter(link)
    (cookie,) = browser.client.cookies.jar
    stored = b"".join(file.read_bytes() for file in study.path.glob(f"{DATABASE_FILE}*"))
    assert link.rpartition("#")[2].encode() not in stored and cookie.value.encode() not in stored
    assert b"anna" in stored


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app, study):
    client = TestClient(app, base_url=HOST)
    answer = client.post("/api/enter", json={"token": study_invite(study.path, "anna").rpartition("#")[2]})
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {
        part.strip() for part in answer.headers["set-cookie"].split(";")
    }
    browser = Browser(app)
    browser.client = client
    browser.post("/api/leave")
    browser.post("/api/state", 401)


def test_a_login_ends_after_twelve_hours(make):
    study, wall = make(), [1e9]
    with running(study, Clock(wall=lambda: wall[0], steady=lambda: wall[0])) as app:
        browser = Browser(app).enter(study_invite(study.path, "anna"))
        wall[0] += sessions.LOGIN_SECONDS + 1
        assert browser.post("/api/state", 401)["error"] == "login"


def test_a_later_page_takes_over_and_the_earlier_one_is_told(app, anna, study):
    other = Browser(app, page="page-two")
    other.client.cookies = anna.client.cookies
    other.state = other.post("/api/open")
    assert other.state["trial"] == anna.state["trial"]
    assert anna.answer(409)["error"] == "elsewhere"
    assert anna.picture().status_code == 409
    other.answer()
    anna.state = anna.post("/api/open")
    assert anna.state["warmed"] == 1


def test_resuming_at_another_computer_goes_on_with_the_same_trial(app, anna, study):
    anna.answer()
    other = Browser(app, page="elsewhere").enter(study_invite(study.path, "anna"))
    assert other.state == anna.state


def test_a_second_session_opens_after_its_washout(make):
    study, wall = make(sessions=2, overrides=["washout_days=7"]), [2e9]
    with running(study, Clock(wall=lambda: wall[0], steady=lambda: wall[0])) as app:
        store_link = study_invite(study.path, "anna")
        browser = Browser(app).enter(store_link).read_all()
        assert browser.state["stage"] == "washout" and browser.state["opens"].startswith("2033-05-25")
        assert browser.post("/api/step", 409, name="display")["error"] == "order"
        wall[0] += 7 * 86400 + 1
        browser = Browser(app).enter(store_link)
        assert (browser.state["stage"], browser.state["session"]) == ("display", 2)
        browser.read_all()
        assert browser.state["stage"] == "done"
    orders = [[one.case.name for one in readings(study) if one.session == s] for s in (1, 2)]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_a_clock_that_jumps_never_goes_back_and_is_noted(make):
    study, wall, steady = make(), [2e9], [0.0]
    with running(study, Clock(wall=lambda: wall[0], steady=lambda: steady[0])) as app:
        browser = Browser(app).enter(study_invite(study.path, "anna")).steps()
        browser.answer()
        wall[0] -= 86400
        steady[0] += 5
        browser.answer(key="another key")
    received = [one.received for one in readings(study)]
    assert received == sorted(received)
    with running(study, Clock(2e9, wall=lambda: 2e9 - 9000, steady=lambda: 0.0)):
        pass
    database = sqlite3.connect(study.path / DATABASE_FILE)
    noted = [
        json.loads(row[0])["seconds"] for row in database.execute("SELECT facts FROM events WHERE name LIKE '%clock%'")
    ]
    assert noted == [-86405, -9000]


def test_truth_never_reaches_the_browser(make):
    """Everything that is sent for two trials of different truth differs only in random handles and pixels."""
    study = make(num=8, overrides=["warmup=0", "checks=1", "repeats=1"])
    with running(study) as app:
        browser = Browser(app).enter(study_invite(study.path, "anna")).steps()
        eyes, shapes = Eyes(study), {}
        spec = browser.client.get("/api/study")
        while browser.state["stage"] == "trial":
            picture = browser.picture()
            case, _ = eyes.recognise(picture.content)
            handle = browser.state["trial"]["handle"]
            told = browser.client.post("/api/answer", json={
                "page": browser.page, "handle": handle, "key": f"key {handle}", "response_ms": 1,
                "answer": {"verdict": "real", "confidence": "1"}})  # fmt: skip
            browser.state = told.json()["state"]
            assert "truth" not in told.json() and "truth" not in told.text and "synthetic" not in told.text
            assert case.name not in told.text and case.origin not in told.text and len(handle) == 22
            headers = {name: value for name, value in picture.headers.items() if name != "date"}
            if browser.state["stage"] == "trial":
                shapes.setdefault((case.truth, case.part), set()).add(json.dumps(
                    [headers, sorted(browser.state), sorted(told.headers)], sort_keys=True))  # fmt: skip
            browser.steps()
        assert len(set.union(*shapes.values())) == 1 and len(shapes) >= 2
        assert not {"gan", "real", "case", "truth"} & set(json.loads(spec.text)) and "gan" not in spec.text


def test_a_warm_up_tells_the_truth_only_if_it_is_to(make):
    for feedback in ("true", "false"):
        study = make(f"study-{feedback}", overrides=[f"feedback={feedback}"])
        with running(study) as app:
            browser = Browser(app).enter(study_invite(study.path, "anna")).steps()
            case, _ = Eyes(study).recognise(browser.picture().content)
            told = browser.answer()
            assert told.get("truth") == (("real", "synthetic")[case.truth] if feedback == "true" else None)


HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize("path", ["/", "/static/reader.js", "/words/de", "/api/study", "/nowhere", "/api/picture/x"])
def test_every_answer_carries_the_headers(app, path):
    answer = TestClient(app, base_url=HOST).get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name].startswith(value)
    assert "server" not in answer.headers and "etag" not in answer.headers and "last-modified" not in answer.headers


def test_another_host_or_origin_is_refused(app):
    for host in ("evil.example", "127.0.0.1:9", "evil.example:8123", ""):
        assert TestClient(app, base_url=HOST).get("/", headers={"host": host}).status_code == 421
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
                    {"sec-fetch-site": "same-site"}):  # fmt: skip
        assert Browser(app, headers=headers).post("/api/enter", 403, token="x")["error"] == "refused"
    good = Browser(app, headers={"origin": HOST, "sec-fetch-site": "same-origin"})
    assert good.post("/api/enter", 401, token="x")["error"] == "token"


def test_a_form_or_a_huge_body_is_refused(app):
    client = TestClient(app, base_url=HOST)
    assert client.post("/api/enter", data={"token": "x"}).status_code == 415
    assert client.post("/api/enter", json={"token": "x" * 70000}).status_code == 413


def test_no_file_beside_the_page_is_served(app):
    client = TestClient(app, base_url=HOST)
    for path in (
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/answers.sqlite",
        "/words/../en",
        "/words/xx",
    ):
        assert client.get(path).status_code == 404


def test_only_readers_that_are_protected_are_served_elsewhere(tmp_path):
    Place().check()
    Place(host="localhost").check()
    certificate = tmp_path / "cert.pem"
    certificate.write_text("x")
    safe = {"tls_cert": certificate, "tls_key": certificate, "address": "https://study.example.org"}
    Place(host="0.0.0.0", **safe).check()
    place = Place(host="0.0.0.0", behind_proxy=True, address="https://study.example.org")
    place.check()
    assert place.hosts(80) == {"study.example.org"} and place.origin(80) == "https://study.example.org"
    for wrong, told in (({"host": "0.0.0.0"}, "nothing encrypts"), ({"tls_cert": certificate}, "needs its key"),
                        ({"behind_proxy": True}, "by which address"),
                        ({"behind_proxy": True, "address": "http://study.example.org"}, "need https"),
                        ({"address": "study.example.org"}, "expected one such as"),
                        ({"tls_cert": tmp_path / "no", "tls_key": certificate}, "not a file")):  # fmt: skip
        with pytest.raises(ConfigError, match=told):
            Place(**wrong).check()


def test_a_secure_address_makes_a_secure_cookie(study):
    store = Store(study)
    app = application(study, store, hosts=frozenset({"study.example.org"}), origin="https://study.example.org")
    client = TestClient(app, base_url="https://study.example.org")
    token = study_invite(study.path, "anna").rpartition("#")[2]
    assert "Secure" in client.post("/api/enter", json={"token": token}).headers["set-cookie"]
    store.close()


def test_answers_are_never_changed_or_removed(anna, study):
    anna.answer()
    database = sqlite3.connect(study.path / DATABASE_FILE)
    for statement in ("UPDATE answers SET answer = '{}'", "DELETE FROM answers"):
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(statement)


def test_an_answer_that_was_changed_on_the_disk_is_refused(anna, study):
    """SQLite has no digest of what is in a page."""
    anna.answer()
    assert len(readings(study)) == 1
    database = sqlite3.connect(study.path / DATABASE_FILE)
    for change, back in (
        ("UPDATE trials SET swapped = 1 - swapped", "UPDATE trials SET swapped = 1 - swapped"),
        ("UPDATE trials SET case_number = case_number + 1", "UPDATE trials SET case_number = case_number - 1"),
        ("UPDATE trials SET role = 'check'", "UPDATE trials SET role = 'warmup'"),
        ("UPDATE readers SET name = 'bert'", "UPDATE readers SET name = 'anna'"),
        ("UPDATE readers SET simulated = 'yes'", "UPDATE readers SET simulated = ''"),
        ("DROP TRIGGER answers_stay; UPDATE answers SET response_ms = 5", ""),
    ):
        database.executescript(change)
        with pytest.raises(ArtifactError, match=r"an answer is not as it was given .* latest backup"):
            readings(study)
        database.executescript(back)
        assert not back or len(readings(study)) == 1
    database.close()


def test_answers_of_before_seals_are_read_and_sealed(anna, study):
    anna.answer()
    before = readings(study)
    database = sqlite3.connect(study.path / DATABASE_FILE)
    database.executescript("ALTER TABLE answers DROP COLUMN seal; PRAGMA user_version = 1")
    database.close()
    assert readings(study) == before == readings(study)


def test_a_full_disk_is_told_and_loses_nothing(anna, app, study):
    anna.answer()
    server = app._app
    store = next(route.endpoint.__self__.store for route in server.routes if hasattr(route.endpoint, "__self__"))
    pages = store.run(lambda database: database.execute("PRAGMA page_count").fetchone()[0])
    store.run(lambda database: database.execute(f"PRAGMA max_page_count = {pages}").fetchall())
    big = {"viewing": {"note": "x" * 7000}}
    kept = 1
    for number in range(20):
        answer = anna.client.post("/api/answer", json={
            "page": anna.page, "handle": anna.state["trial"]["handle"], "key": f"key number {number}", "response_ms": 1,
            "answer": {"verdict": "real", "confidence": "1"}, **big})  # fmt: skip
        if answer.status_code == 507:
            break
        kept, anna.state = kept + 1, answer.json()["state"]
        anna.state = anna.state if anna.state["stage"] == "trial" else anna.steps().state
    told = answer.json()
    assert told["error"] == "storage" and "disk is full" in told["message"] and "kept" in told["message"]
    assert len(readings(study)) == kept
    store.run(lambda database: database.execute("PRAGMA max_page_count = 100000").fetchall())
    anna.answer(key=f"key number {number}", **big)
    assert len(readings(study)) == kept + 1


def test_a_backup_is_whole_while_readers_work(anna, study, tmp_path):
    anna.answer()
    study_backup(study.path, tmp_path / "backup.sqlite")
    anna.answer(key="another key")
    database = sqlite3.connect(tmp_path / "backup.sqlite")
    assert database.execute("SELECT count(*) FROM answers").fetchone() == (1,)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(ArtifactError, match="already exists"):
        study_backup(study.path, tmp_path / "backup.sqlite")


def test_answers_of_another_protocol_or_a_newer_version_are_refused(make, tmp_path):
    one, other = make("one"), make("two", seed=5)
    study_invite(one.path, "anna")
    (other.path / DATABASE_FILE).write_bytes((one.path / DATABASE_FILE).read_bytes())
    with pytest.raises(ArtifactError, match="belong to the protocol"):
        Store(other)
    database = sqlite3.connect(one.path / DATABASE_FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StudyError, match="version 99"):
        Store(one)


def test_a_damaged_database_is_told(make):
    study = make()
    (study.path / DATABASE_FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(ArtifactError, match=r"damaged.*backup"):
        Store(study)


def test_jobs_that_fail_take_no_others_with_them(study):
    store = Store(study)
    begin = threading.Event()

    def wait(database):
        begin.wait()

    def fail(database):
        database.execute("INSERT INTO events (name, facts, happened) VALUES ('half', '{}', '')")
        raise StudyError("It was so.")

    futures = [store.submit(wait)]
    for number in range(20):
        futures.append(store.submit(fail if number % 2 else lambda d: sessions.note(d, "whole", {}, 1.0)))
    begin.set()
    assert [future.exception() is not None for future in futures[1:]] == [False, True] * 10
    names = store.run(lambda database: [row["name"] for row in database.execute("SELECT name FROM events")])
    assert names == ["whole"] * 10
    store.close()


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "a\nb"])
def test_a_reader_needs_a_name(study, name):
    with pytest.raises(StudyError, match="expected a name"):
        study_invite(study.path, name)


def test_a_taken_port_is_told(study):
    from synthmed.reading.serving import listening, study_serve

    with listening(Place(port=0)) as taken, pytest.raises(StorageError, match=r"Port \d+ .*--port"):
        study_serve(study.path, port=taken.getsockname()[1])


@pytest.mark.parametrize("paradigm", ["yes_no", "rating5", "two_alternative", "locate"])
@pytest.mark.parametrize("language", [code for code in languages() if code != "en"])
def test_a_language_says_everything_and_means_the_same_places(make, language, paradigm):
    from synthmed.reading.words import _file

    settings = make(paradigm=paradigm).settings
    english, own = words("en", settings), words(language, settings)
    assert english.keys() == own.keys()
    assert _file("en")["page"].keys() == _file(language)["page"].keys()
    assert settings.trial.words.keys() == _file(language)["trials"][paradigm].keys()
    for name, text in english.items():
        assert {part.split("}")[0] for part in text.split("{")[1:]} == {
            part.split("}")[0] for part in own[name].split("{")[1:]
        }


def test_a_study_may_ask_its_own_question(make):
    settings = make(overrides=["question=Seen before?", "consent=Signed on paper."]).settings
    assert (
        words("de", settings)["task"] == "Seen before?" and words("en", settings)["consent.text"] == "Signed on paper."
    )


def test_the_page_speaks_of_every_word_that_it_uses(study):
    import re
    from importlib import resources

    page = resources.files("synthmed.reading").joinpath("templates/reader.html").read_text()
    script = resources.files("synthmed.reading").joinpath("static/reader.js").read_text()
    used = set(re.findall(r'data-(?:word|label)="([^"]+)"', page)) | set(re.findall(r'say\("([^"]+)"', script))
    assert used <= words("en", study.settings).keys()
    assert "://" not in re.sub(r"<!doctype.*?>", "", page + script)


def test_opening_again_checks_every_file(study):
    assert Study.open(study.path).digest == study.digest

"""Simulated readers answer through the real interface, and the report finds what they were made of."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest
from stopping import stopped

from synthmed.errors import ConfigError, StudyError
from synthmed.reading.protocol import Study
from synthmed.reading.readings import readings
from synthmed.reading.report import study_report
from synthmed.reading.results import results_of_study
from synthmed.reading.simulate import Course, Eyes, Observer, decide, invitations, read, study_simulate


def test_simulated_readers_read_everything_and_the_report_says_that_they_are_simulated(make, tmp_path):
    study = make(num=10, overrides=["repeats=2", "checks=2"], sessions=2)
    courses = study_simulate(study.path, readers=2, d_prime=2.0)
    assert [len(course.acknowledged) for course in courses] == [56, 56]
    report = study_report(study.path, tmp_path / "report")
    assert report.verdict.startswith("Simulated. All readers are programs")
    assert {one.between for one in report.results.retests} == {"hidden repeats", "sessions 1 and 2"}
    assert all(one.agreement.n == (4 if "hidden" in one.between else 20) for one in report.results.retests)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<script" not in page and "://" not in page.replace("http://www.w3.org", "")
    table = json.loads((tmp_path / "report" / "report.json").read_text())
    assert table["checks"] == {"simulated 1": [2, 0], "simulated 2": [2, 0]}
    again = study_report(tmp_path / "report" / "ratings.csv", tmp_path / "again")
    ours, theirs = report.results.areas.by_covariance["unbiased"], again.results.by_covariance["unbiased"]
    assert theirs.modalities[0].value == pytest.approx(ours.modalities[0].value, abs=1e-12)
    assert (tmp_path / "report" / "ratings.imrmc").read_text().splitlines()[1:5] == [
        "NR: 2",
        "N0: 10",
        "N1: 10",
        "NM: 1",
    ]


@pytest.mark.parametrize("paradigm", ["rating5", "two_alternative", "locate"])
def test_every_paradigm_can_be_read_and_reported(make, tmp_path, paradigm):
    study = make(num=8, paradigm=paradigm, synthetic=("gan", "other"), margin=0.3,
                 overrides=["paired=true", "warmup=1"] if paradigm != "locate" else [])  # fmt: skip
    study_simulate(study.path, readers=3, d_prime=2.5)
    results = study_report(study.path, tmp_path / "report").results
    assert all(one.value > 0.5 for one in results.d_prime) and len(results.d_prime) == (
        3 if paradigm == "locate" else 2
    )
    assert results.equivalence.keys() == {one.name for one in results.d_prime}
    if paradigm == "rating5":
        means = {one.name: one.mean for one in results.scores}
        assert means["real"] > means["gan"] and all(one.test.startswith("paired") for one in results.comparisons[-1:])
    assert results.between_readers.matching > 0.6


def test_equivalence_of_the_area_is_tested_where_it_was_fixed_before(make, tmp_path):
    study = make(num=10, margin=0.45, overrides=["measure=auc", "warmup=0"])
    study_simulate(study.path, readers=3, d_prime=0.0)
    report = study_report(study.path, tmp_path / "report")
    (found,) = report.results.equivalence.values()
    assert (
        found.target == 0.5
        and found.equivalent
        and "Equivalence is shown: AUC of gan within 0.45 of 0.5" in report.verdict
    )


def test_the_same_noise_gives_the_same_answers_over_the_wire_and_beside_it(make):
    """What the interface carries is what the observer decided, so studies may be simulated without it."""
    study = make(num=6)
    (course,) = study_simulate(study.path, readers=1, seed=3)
    found = readings(study)
    assert [one.answer for one in found] == list(course.acknowledged.values())


def answers_of(study: Study, eyes: Eyes, observer: Observer, noise) -> tuple[np.ndarray, ...]:
    """The scored answers of an observer in the order of a reader's plan, and failed checks."""
    from synthmed.reading.plan import plan

    order = [one for one in plan(study.cases, study.settings, observer.seed % 97, 1) if one.role != "warmup"]
    truth, says, place, failed = [], [], [], 0
    for position, one in enumerate(order):
        case = study.cases[one.case]
        where = position / (len(order) - 1) - 0.5
        answer = decide(observer, eyes, study.stimulus(case.stimuli[0]), where, noise)
        said = study.trial.says(answer)
        if one.role == "check":
            failed += said != case.truth
        elif one.role == "scored":
            truth.append(case.truth), says.append(said), place.append(where)
    return np.array(truth), np.array(says), np.array(place), failed


def test_what_observers_are_made_of_is_recovered_in_95_of_100(make):
    from synthmed.reading.analysis.observer import course

    study = make(num=50, overrides=["warmup=0", "checks=12"])
    eyes, kept, noise = Eyes(study), 0, np.random.default_rng(0)
    for seed in range(12):
        made = Observer(d_prime=1.2, criterion=0.25, drift=0.6, lapse=0.05, consistency=0.0, seed=seed)
        truth, says, place, failed = answers_of(study, eyes, made, noise)
        found = course(truth, says, (12, failed), place)
        estimates = (found.d_prime, found.criterion, found.drift, found.lapse)
        kept += all(one.low <= true <= one.high for one, true in zip(estimates, (1.2, 0.25, 0.6, 0.05), strict=True))
    assert kept >= 9  # of 12 at 95 %: fewer than 9 in one of 400 tests


def test_a_study_without_answers_says_so(make, tmp_path):
    from synthmed.errors import DataError

    with pytest.raises(DataError, match="No reader has answered 4 scored trials of each kind"):
        study_report(make().path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_reader_who_stopped_is_analysed_and_told(make, tmp_path):
    import asyncio

    from synthmed.reading.serving import served

    study = make(num=10)
    study_simulate(study.path, readers=1)
    (token,) = invitations(study, ["stopped"])
    eyes, course = Eyes(study), Course()

    class Tired(Exception):
        pass

    class Stopping(dict):
        def __setitem__(self, key, value):
            super().__setitem__(key, value)
            if len(self) == 14:
                raise Tired

    course.acknowledged = Stopping()
    with served(study) as address, pytest.raises(Tired):
        asyncio.run(read(address, token, Observer(seed=5), eyes, course))
    results = results_of_study(study, readings(study))
    assert any("stopped has answered 12 of 20" in note for note in results.notes)
    report = study_report(study.path, tmp_path / "report")
    assert "Not complete: 32 of 40" in report.verdict


def test_wrong_observers_are_refused(make):
    with pytest.raises(ConfigError, match="expected shares"):
        Observer(lapse=2)
    with pytest.raises(ConfigError, match="expected 1 at least"):
        study_simulate(make().path, readers=0)


@pytest.mark.parametrize(("verb", "number"), [("serve", signal.SIGTERM), ("simulate", signal.SIGINT)])
def test_a_study_that_is_stopped_keeps_its_answers_and_goes_on(make, verb, number):
    study = make().path
    if verb == "serve":
        words, at_work = ["study", "serve", study, "--port", free_port()], lambda printed: "Serving" in printed
    else:
        words = ["study", "simulate", study, "--readers", 2, "--think", 0.05]
        at_work = lambda _: len(readings(Study.open(study))) > 3  # noqa: E731
    said = stopped(words, at_work, number)
    assert said.startswith("Stopped. Every answer that was acknowledged is kept; the same command ")
    kept = readings(Study.open(study))
    assert len(kept) > 3 or verb == "serve"
    assert sorted(file.name for file in study.iterdir() if file.suffix != ".json") == [
        "answers.sqlite", "cases.csv", "stimuli"]  # fmt: skip
    study_simulate(study, readers=2)
    again = readings(Study.open(study))
    assert {(one.reader, one.session, one.position, one.received) for one in kept} <= {
        (one.reader, one.session, one.position, one.received) for one in again}  # fmt: skip
    assert len(again) > len(kept)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_server_that_is_killed_loses_no_acknowledged_answer(make):
    """kill -9 in the middle of 50 readers: every answer that was acknowledged is there after the restart."""
    import asyncio

    study = make(num=20)
    program = ("import sys; from pathlib import Path; from synthmed.reading.serving import study_serve;"
               "study_serve(Path(sys.argv[1]), port=int(sys.argv[2]))")  # fmt: skip
    port = free_port()
    tokens = invitations(study, [f"reader {number}" for number in range(50)])
    server = subprocess.Popen([sys.executable, "-c", program, str(study.path), str(port)])
    address = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(address, timeout=1)
            break
        except OSError:
            time.sleep(0.1)
    courses, eyes = [Course() for _ in tokens], Eyes(study)

    def kill():
        while sum(len(course.acknowledged) for course in courses) < 60:
            time.sleep(0.01)
        os.kill(server.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()

    async def together():
        jobs = [read(address, token, Observer(seed=number), eyes, course)
                for number, (token, course) in enumerate(zip(tokens, courses, strict=True))]  # fmt: skip
        return await asyncio.gather(*jobs, return_exceptions=True)

    ended = asyncio.run(together())
    killer.join()
    assert server.wait() == -signal.SIGKILL and all(isinstance(one, Exception) for one in ended)
    acknowledged = {handle: answer for course in courses for handle, answer in course.acknowledged.items()}
    assert len(acknowledged) >= 60
    from synthmed.reading.store import connect

    database = connect(Study.open(study.path))
    kept = {row["handle"]: json.loads(row["answer"]) for row in
            database.execute("SELECT handle, answer FROM answers JOIN trials ON trial = id")}  # fmt: skip
    database.close()
    assert acknowledged.items() <= kept.items()
    assert not any(isinstance(one, StudyError) for one in ended)


SIXTH = """
from synthmed.reading.trials._contract import Question, TrialType

TRIAL = TrialType(
    questions=(Question(name="looks", choices=("odd", "fine")),),
    rating=lambda answer: float(answer["looks"] == "odd"),
    says=lambda answer: int(answer["looks"] == "odd"),
    sure=lambda evidence, criterion: {"looks": "odd" if evidence > criterion else "fine"},
    words={"task": "Odd?", "how": "Say it.", "question.looks": "It is", "choice.looks.odd": "odd",
           "choice.looks.fine": "fine"},
)
"""


def test_a_further_type_of_trial_is_one_file(make, tmp_path, monkeypatch):
    import importlib

    from synthmed.reading import trials
    from synthmed.reading.words import words

    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "odd.py").write_text(SIXTH)
    monkeypatch.setattr(trials, "__path__", [*trials.__path__, str(tmp_path / "more")])
    importlib.invalidate_caches()
    study = make(num=8, paradigm="odd")
    study_simulate(study.path, readers=2, d_prime=3.0)
    assert study_report(study.path, tmp_path / "report").results.d_prime[0].value > 1
    assert words("de", study.settings)["choice.looks.odd"] == "odd"
    sys.modules.pop("synthmed.reading.trials.odd")


def test_what_a_browser_says_of_itself_cannot_spoil_the_report(make, tmp_path):
    from synthmed.reading.store import Store

    study = make(num=6)
    study_simulate(study.path, readers=1)
    (token,) = invitations(study, ["__$a_{$"])
    strange = ["no list", [[1]], [["a", "b"]], [[0, float("inf")]], {"a": 1}, None, 7]

    from reading.test_server import Browser, running

    with running(study) as app:
        browser = Browser(app).enter(f"#{token}").steps()
        for number in range(100):
            if browser.state["stage"] != "trial":
                browser.steps()
            if browser.state["stage"] != "trial":
                break
            browser.client.post("/api/answer", content=json.dumps({
                "page": browser.page, "handle": browser.state["trial"]["handle"], "key": f"key number {number}",
                "answer": {"verdict": "real", "confidence": "1"}, "response_ms": 5,
                "viewing": {"focus_lost": strange[number % len(strange)]}}),
                headers={"content-type": "application/json"})  # fmt: skip
            browser.state = browser.post("/api/state")
    report = study_report(study.path, tmp_path / "report")
    assert len(report.results.checks) == 2 and "__$a_{$" in (tmp_path / "report" / "report.html").read_text()
    assert Store(study).run(lambda database: database.execute("SELECT count(*) FROM answers").fetchone()[0]) == 28


def test_displays_and_clocks_are_told(make, tmp_path):
    from reading.test_server import Browser, running

    from synthmed.reading.readings import circumstances

    study = make(num=6)
    (token,) = invitations(study, ["dim"])
    with running(study) as app:
        browser = Browser(app).enter(f"#{token}")
        browser.state = browser.post("/api/step", name="consent", facts={})
        browser.state = browser.post("/api/step", name="display", facts={"dark_seen": False, "bright_seen": True})
    from synthmed.reading.store import connect

    database = connect(study)
    database.execute("UPDATE readers SET simulated = ''")
    database.close()
    assert circumstances(study) == ["Reader dim did not see both squares of the display check."]

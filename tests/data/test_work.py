"""Many workers do what one does, in order, and one bad value costs only itself."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from synthmed.data import work
from synthmed.data.limits import Limits, attempt
from synthmed.data.work import CRASHED, Workers
from synthmed.errors import ConfigError, SourceError, StorageError

TIGHT = Limits(seconds=1.0, memory=1 << 30)


def behave(value):
    """Squares a number; a word is a misbehaviour."""
    if isinstance(value, int):
        return value**2
    if value == "refuse":
        raise SourceError("It is no picture.")
    if value == "fail":
        raise ZeroDivisionError
    if value == "swallow everything":
        try:
            while True:
                time.sleep(0.01)
        except Exception:
            return "swallowed"
    if value == "fill the memory":
        return np.ones(3 << 30, np.uint8).sum()
    if value == "crash":
        os.abort()
    raise OSError("disk")


def crash_once(marker: Path):
    if not marker.exists():
        marker.touch()
        os.abort()
    return "done"


WORDS = {
    "refuse": "It is no picture.",
    "fail": "ZeroDivisionError",
    "swallow everything": "longer than 1 seconds",
    "fill the memory": "more than 1 GiB",
    "unreadable": "cannot be read from the disk",
}


@pytest.mark.parametrize("value", WORDS)
def test_what_fails_hangs_or_swells_becomes_a_reason(value):
    outcome = attempt(behave, value, TIGHT)
    assert isinstance(outcome, SourceError) and WORDS[value] in str(outcome)
    assert attempt(behave, 5, TIGHT) == 25


def test_a_full_disk_is_no_fault_of_the_value():
    def full(_):
        raise StorageError("The disk is full.")

    with pytest.raises(StorageError):
        attempt(full, 1, TIGHT)


def test_processes_give_what_one_gives_in_order_and_survive_a_crash():
    values = [*range(150), "refuse", "crash", *range(3)]
    with Workers(2, limits=TIGHT) as workers:
        outcomes = list(workers.map(behave, values))
    assert outcomes[:150] == [value**2 for value in range(150)] and outcomes[-3:] == [0, 1, 4]
    assert [str(outcome) for outcome in outcomes[150:152]] == ["It is no picture.", CRASHED]
    with Workers(1, limits=TIGHT) as workers:
        assert list(workers.map(behave, values[:151]))[:150] == outcomes[:150]


def test_a_job_whose_worker_died_is_done_again(tmp_path):
    with Workers(2) as workers:
        jobs = [tmp_path / "a", tmp_path / "b"]
        assert sorted(workers.as_finished(crash_once, jobs)) == [(job, "done") for job in jobs]


def test_a_worker_has_one_thread(monkeypatch):
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    with Workers(2) as workers:
        assert list(workers.map(os.getenv, names)) == ["1", "1", "1"]


def test_what_a_job_raises_is_raised_here():
    with Workers(1) as workers, pytest.raises(ZeroDivisionError):
        list(workers.as_finished(behave, ["fail"]))


def test_a_number_of_workers_that_is_none_and_a_cluster_that_is_not_there_are_refused(monkeypatch):
    with pytest.raises(ConfigError, match="1 or more"):
        Workers(0)
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")

    def nobody(*_, **__):
        raise OSError

    monkeypatch.setattr(distributed, "Client", nobody)
    with (
        pytest.raises(ConfigError, match="No Dask scheduler answers at tcp://nowhere:1"),
        Workers(cluster="tcp://nowhere:1"),
    ):
        pass
    assert work.cores() >= 1

"""How many threads, and how they wait: every decision from files such as Linux keeps in /proc and /sys."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from synthmed.errors import ConfigError, Interrupted
from synthmed.running import threads
from synthmed.training.loop import train

WAITING = "OMP_WAIT_POLICY"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Writes the files of a machine into a folder; time passes there when someone sleeps. Torch is not imported yet."""
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(threads, "_settled", threads._NOTHING)
    monkeypatch.setattr(threads, "_told", False)

    def write(cpus="0-1", busy=0.0, load=0.0, groups="0::/\n", limits=None, siblings=None, others=0.0):
        files = {
            "proc/self/status": f"Name:\tpython\nCpus_allowed:\t3\nCpus_allowed_list:\t{cpus}\n",
            "proc/loadavg": f"{load} 0.1 0.1 1/100 4711\n",
            "proc/self/cgroup": groups,
            **{f"sys/fs/cgroup/{name}": text for name, text in (limits or {}).items()},
            **{
                f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{text}\n"
                for cpu, text in (siblings or {}).items()
            },
        }
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        stat = tmp_path / "proc/stat"
        stat.write_text(ticks(threads.allowed_cpus(tmp_path), 0, 0))
        slept = []

        def sleep(seconds):
            slept.append(seconds)
            cpus = threads.allowed_cpus(tmp_path)
            stat.write_text(ticks(cpus, round(1000 * busy / len(cpus)), 1000 - round(1000 * busy / len(cpus))))

        monkeypatch.setattr(threads.time, "sleep", sleep)
        return tmp_path, slept

    def ticks(cpus, used, unused):
        # user nice system idle iowait irq softirq steal guest guest_nice; processor 99 is not ours and always busy
        lines = [f"cpu{cpu} {100 + used} 7 3 {1000 + unused} 5 0 0 0 {100 + used} 0" for cpu in sorted(cpus)]
        return "\n".join(
            ["cpu  1 2 3 4 5 6 7 8 9 10", *lines, f"cpu99 {used + unused} 0 0 0 0 0 0 0 0 0", "intr 7", ""]
        )

    return write


def decided(root, given=()):
    """What a fresh process decides: what it sets, and what it says."""
    made = threads.settle(dict(given), root)
    return made.environment, made.sentence


@pytest.mark.parametrize("busy", [0.0, 0.1, 0.2])
def test_where_nothing_else_works_threads_spin(machine, busy):
    root, slept = machine(busy=busy)
    environment, sentence = decided(root)
    assert environment == {"OMP_NUM_THREADS": "2"}
    assert sentence == f"Working with 2 threads that spin while they wait: others keep {busy:.1f} of 2 cores busy."
    assert slept == [0.3]


@pytest.mark.parametrize("busy", [0.3, 1.0, 2.0])
def test_beside_other_work_threads_sleep_and_are_as_many(machine, busy):
    environment, sentence = decided(machine(busy=busy)[0])
    assert environment == {"OMP_NUM_THREADS": "2", WAITING: "PASSIVE"}
    assert sentence == f"Working with 2 threads that sleep while they wait: others keep {busy:.1f} of 2 cores busy."


def test_a_machine_that_was_busy_a_moment_ago_is_looked_at_longer(machine):
    root, slept = machine(load=1.5)
    assert WAITING not in decided(root)[0] and slept == [1.0]


def test_time_that_went_to_another_guest_of_the_host_is_not_ours(machine, monkeypatch):
    root, _ = machine()
    before, after = (
        "cpu0 0 0 0 100 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0\n",
        "cpu0 0 0 0 100 0 0 0 90\ncpu1 0 0 0 190 0 0 0 0\n",
    )
    (root / "proc/stat").write_text(before)
    monkeypatch.setattr(threads.time, "sleep", lambda seconds: (root / "proc/stat").write_text(after))
    assert threads.busy_cores(frozenset({0, 1}), root) == pytest.approx(1.0)


def test_free_cores_beside_busy_ones_are_enough_for_fewer_threads(machine):
    root, _ = machine(cpus="0-7", busy=5.0, limits={"cpu.max": "300000 100000"})
    assert decided(root)[0] == {"OMP_NUM_THREADS": "3"}
    root, _ = machine(cpus="0-7", busy=6.0, limits={"cpu.max": "300000 100000"})
    assert decided(root)[0] == {"OMP_NUM_THREADS": "3", WAITING: "PASSIVE"}


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({"cpus": "0-3"}, 4),
        ({"cpus": "1,4-5,9"}, 4),
        ({"cpus": "5"}, 1),
        ({"cpus": "0-7", "limits": {"cpu.max": "max 100000"}}, 8),
        ({"cpus": "0-7", "limits": {"cpu.max": "250000 100000"}}, 2),
        ({"cpus": "0-7", "limits": {"cpu.max": "50000 100000"}}, 1),
        ({"cpus": "0-7", "limits": {"a/b/cpu.max": "max 100000", "a/cpu.max": "400000 100000"},
          "groups": "0::/a/b\n"}, 4),
        ({"cpus": "0-7", "limits": {"cpu/box/cpu.cfs_quota_us": "300000", "cpu/box/cpu.cfs_period_us": "100000"},
          "groups": "4:memory:/m\n3:cpu,cpuacct:/box\n"}, 3),
        ({"cpus": "0-7", "limits": {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
          "groups": "3:cpu:/outside/the/box\n"}, 8),
        ({"cpus": "0-7", "limits": {"memory/cpu.cfs_quota_us": "1", "memory/cpu.cfs_period_us": "1"},
          "groups": "4:memory:/\n"}, 8),
        ({"cpus": "0-7", "limits": {"cpu.max": "what is this"}}, 8),
        ({"cpus": "0-3", "siblings": {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}}, 2),
        ({"cpus": "0-1", "siblings": {0: "0,2", 1: "1,3"}}, 2),
        ({"cpus": "0,2", "siblings": {0: "0,2", 2: "0,2"}}, 1),
    ],
)  # fmt: skip
def test_as_many_threads_as_cores_that_the_process_may_use(machine, files, number):
    root, slept = machine(**files)
    environment, sentence = decided(root)
    alone = {WAITING: "PASSIVE"} if number == 1 else {}  # for a run that goes on and brings more
    assert environment == {"OMP_NUM_THREADS": str(number), **alone}
    assert f"Working with {number} thread{'s' if number > 1 else ''}" in sentence
    assert bool(slept) == (number > 1)  # one thread waits for no other


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_how_the_user_lets_threads_wait_stays(machine, name):
    root, slept = machine(busy=2.0)
    assert decided(root, {name: "7"}) == (
        {"OMP_NUM_THREADS": "2"}, f"Working with 2 threads; they wait as {name}=7 says."
    )  # fmt: skip
    assert not slept


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_how_many_threads_the_user_wants_stays(machine, name):
    environment, sentence = decided(machine(busy=2.0)[0], {name: "3"})
    assert environment == {WAITING: "PASSIVE"}
    assert sentence.startswith(f"Working with 3 threads ({name}=3) that sleep")
    assert decided(machine(busy=1.0)[0], {name: "1"}) == (
        {WAITING: "PASSIVE"}, f"Working with 1 thread ({name}=1)."
    )  # fmt: skip


def test_of_two_numbers_of_the_users_that_of_mkl_counts_as_it_does_for_torch(machine):
    _, sentence = decided(machine()[0], {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"})
    assert sentence.startswith("Working with 2 threads (MKL_NUM_THREADS=2, OMP_NUM_THREADS=3) that spin")


def test_where_the_user_decided_everything_nothing_is_done_or_said(machine):
    given = {"OMP_NUM_THREADS": "4", "GOMP_SPINCOUNT": "100"}
    assert decided(machine(busy=2.0)[0], given) == ({}, "")


def test_an_empty_variable_is_none(machine):
    assert decided(machine()[0], {"OMP_NUM_THREADS": ""})[0] == {"OMP_NUM_THREADS": "2"}


def test_without_proc_nothing_is_decided_and_the_cores_are_those_that_python_knows(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(threads, "_settled", threads._NOTHING)
    environment = {}
    assert threads.settle(environment, tmp_path).sentence == ""
    assert environment == {} and threads.take_sentence() == ""
    assert threads.allowed_cpus(tmp_path) == frozenset(range(os.cpu_count()))
    assert threads.quota(tmp_path) == float("inf")
    assert threads.physical_cores(frozenset({0, 1, 2}), tmp_path) == 3


@pytest.mark.parametrize("file", ["proc/stat", "proc/loadavg", "proc/self/status", "proc/self/cgroup"])
@pytest.mark.parametrize("text", ["", "cpu0 what is this\n", "Cpus_allowed_list:\tall\n"])
def test_files_that_are_written_otherwise_do_no_harm(machine, file, text):
    root, _ = machine()
    (root / file).write_text(text)
    assert set(decided(root)[0]) <= {"OMP_NUM_THREADS", WAITING}


def test_once_torch_is_there_it_is_too_late(machine, monkeypatch):
    environment = {}
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert threads.settle(environment, machine(busy=2.0)[0]).environment == {} == environment


def test_what_is_decided_is_set_and_told_once(machine):
    environment = {}
    made = threads.settle(environment, machine(busy=2.0)[0])
    assert environment == {"OMP_NUM_THREADS": "2", WAITING: "PASSIVE"}
    assert threads.take_sentence() == made.sentence != "" == threads.take_sentence()


def test_a_worker_has_one_thread_unless_the_user_wants_more(machine):
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {}
    assert threads.for_worker(environment) == one
    threads.settle(environment, machine()[0])
    assert environment and threads.for_worker(environment) == one
    assert threads.for_worker({"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "2"}) == {}
    assert threads.for_worker({"OPENBLAS_NUM_THREADS": "2"}) == {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def test_one_thread_for_a_while():
    before = torch.get_num_threads()
    with threads.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_a_run_keeps_the_number_of_threads_that_it_began_with(tmp_path):
    before, heard = torch.get_num_threads(), []
    with threads.kept_by(tmp_path, heard.append) as fresh:
        assert fresh == {"machine": {"threads": before}}
    (tmp_path / "config.toml").write_text(f"[machine]\nthreads = {before + 1}\n")
    with threads.kept_by(tmp_path, heard.append) as found:
        assert found == {"machine": {"threads": before + 1}} and torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    (told,) = heard
    assert f"begun with {before + 1} threads and keeps that number, not {before}" in told


@pytest.mark.parametrize("text", ["", 'method = "dcgan"\n', "[broken"])
def test_a_run_of_before_goes_on_with_what_the_process_has(tmp_path, text):
    (tmp_path / "config.toml").write_text(text)
    with threads.kept_by(tmp_path, pytest.fail) as found:
        assert found == {}


@pytest.mark.parametrize("value", ["0", "-1", '"many"', "true", "1.5", "1000000"])
def test_a_number_of_threads_that_is_none_is_refused(tmp_path, value):
    (tmp_path / "config.toml").write_text(f"[machine]\nthreads = {value}\n")
    with pytest.raises(ConfigError, match="whole number from 1 to"), threads.kept_by(tmp_path, pytest.fail):
        pass


def test_a_training_that_goes_on_with_other_threads_around_it_ends_in_the_same_bits(toy_dataset: Path, tmp_path: Path):
    def stop(done, total, what="", **more):
        if done >= 16:
            os.kill(os.getpid(), signal.SIGINT)

    def run(name, number, **more):
        torch.set_num_threads(number)
        return train("pix2pix_tiny", toy_dataset, tmp_path / name, overrides=["config.images=32"], **more).read_bytes()

    before, heard = torch.get_num_threads(), []
    try:
        straight = run("straight", 2)
        with pytest.raises(Interrupted):
            run("stopped", 2, progress=stop)
        assert run("stopped", 1, say=heard.append) == straight
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    assert any("begun with 2 threads and keeps that number, not 1" in sentence for sentence in heard)
    assert "threads = 2" in (tmp_path / "stopped/config.toml").read_text()


def synthmed(*words):
    """The command line in a process of its own, in an environment where the user decided nothing about threads."""
    users = {*threads._NUMBER, *threads._WAITING}
    environment = {name: value for name, value in os.environ.items() if name not in users}
    return subprocess.run(
        [sys.executable, "-m", "synthmed", *map(str, words)], env=environment, capture_output=True, text=True
    )


@pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="this system does not say what it does")
def test_the_command_line_says_what_it_decided_in_one_line_and_the_run_records_it(toy_dataset: Path, tmp_path: Path):
    done = synthmed("train", "pix2pix_tiny", toy_dataset, tmp_path / "run", "--set", "config.images=8")
    cpus = threads.allowed_cpus()
    number = max(1, int(min(threads.physical_cores(cpus), threads.quota())))
    told, *rest = done.stderr.splitlines()
    assert done.returncode == 0 and told.startswith(f"Working with {number} thread") and told.endswith(".")
    assert not any("thread" in line for line in rest)
    assert f"\n[machine]\nthreads = {number}\n" in (tmp_path / "run/config.toml").read_text()


def test_an_error_of_the_users_is_still_one_sentence(tmp_path: Path):
    done = synthmed("generate", tmp_path / "none.safetensors", tmp_path / "out", "--num", 3)
    assert done.returncode == 2 and done.stderr.startswith("synthmed: ") and done.stderr.count("\n") == 1


def test_parts_of_a_work_are_done_side_by_side_with_one_thread_each():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = threads.side_by_side(lambda part: (part, torch.get_num_threads()), [1, 2, 3])
        assert found == [(1, 1), (2, 1), (3, 1)] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    with pytest.raises(ZeroDivisionError):
        threads.side_by_side(lambda part: 1 // part, [1, 0])

"""Shards are cut by the plan alone, and a set is the same whoever makes them and however often it is interrupted."""

import csv
import errno
import multiprocessing
import os
import signal
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmed.data import prepare as preparing
from synthmed.data import shards
from synthmed.data.dataset import DatasetInfo, Intensity
from synthmed.data.keyed_names import list_file
from synthmed.data.prepare import prepare
from synthmed.data.pseudonyms import default_key_file
from synthmed.data.store import _GrowingArray
from synthmed.data.work import CRASHED
from synthmed.errors import ArtifactError, Interrupted, StorageError

INFO = DatasetInfo(
    kind="generic", channels=["grey"], height=256, width=512, bits=8, intensity=Intensity(low=0, high=255, unit=""),
    mask_labels={}, has_fields=False,
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 1 << 28), st.integers(1, 300)), max_size=60))
def test_every_item_is_in_one_shard_and_no_shard_is_too_large(items):
    sizes, numbers = [size for size, _ in items], [number for _, number in items]
    ranges = shards.cut(sizes, numbers, INFO)
    assert [place for places in ranges for place in places] == list(range(len(items)))
    for places in ranges:
        stored = sum(numbers[place] for place in places) * 256 * 512
        assert len(places) == 1 or (len(places) <= shards.SHARD_IMAGES and stored <= shards.SHARD_BYTES)


def test_many_small_files_make_large_shards_and_few_large_ones_make_small():
    small = INFO.model_copy(update={"height": 16, "width": 16})
    assert {len(places) for places in shards.cut([300] * 4096, [1] * 4096, small)} == {1024}
    assert max(len(places) for places in shards.cut([10 << 20] * 40, [1] * 40, INFO)) == 1


@pytest.fixture
def place(tmp_path, make_source, monkeypatch):
    """A source of 12 images, each a shard of its own, and how it is prepared."""
    monkeypatch.setattr(shards, "_LEAST_WORK", 1)
    source = make_source(tmp_path / "source", 12)
    run = partial(prepare, source, size=16, key=tmp_path / "key")
    run(tmp_path / "one", workers=1)
    return tmp_path, run, preparing.PreparedDataset.open(tmp_path / "one").digest


def kill_a_worker(victims):
    """A progress function that kills one worker process half-way."""

    def progress(done, total):
        if done >= total // 2 and not victims:
            victims.append(next(iter(multiprocessing.active_children())).pid)
            os.kill(victims[0], signal.SIGKILL)

    return progress


def test_two_processes_of_which_one_is_killed_give_the_same_digest(place):
    folder, run, digest = place
    victims = []
    assert run(folder / "two", workers=2, progress=kill_a_worker(victims)).digest == digest
    assert victims
    assert not list(folder.glob(".*"))


@pytest.fixture
def kept_environment():
    """Undo what a Dask cluster leaves in this process: OMP_NUM_THREADS=1, and children with other sums for it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def test_a_dask_cluster_of_which_a_worker_is_killed_gives_the_same_digest(place, kept_environment):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    folder, run, digest = place
    victims = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:

        def kill(done, total):
            if done >= total // 2 and not victims:
                victims.append(next(iter(cluster.workers.values())).pid)
                os.kill(victims[0], signal.SIGKILL)

        assert run(folder / "dask", cluster=cluster.scheduler_address, progress=kill).digest == digest
    assert victims


def inodes(folder):
    return {file.stat().st_ino for file in folder.rglob("*-images.npy")} | {
        file.stat().st_ino for file in folder.rglob("images.npy")
    }


def stop_at(number):
    def progress(done, total):
        if done == number:
            raise KeyboardInterrupt

    return progress


def test_the_same_command_again_uses_the_shards_that_are_whole(place):
    folder, run, digest = place
    with pytest.raises(Interrupted, match="same command goes on"):
        run(folder / "data", progress=stop_at(5))
    (working,) = folder.glob(".data.*.preparing")
    assert len(list(working.glob("*/manifest.json"))) == 5
    damaged = working / "00000" / "images.npy"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    kept = inodes(working) - {damaged.stat().st_ino}
    assert run(folder / "data").digest == digest
    assert len(kept) == 4 and kept <= inodes(folder / "data")
    assert not working.exists()


def test_a_shard_that_another_worker_finished_meanwhile_is_taken_as_it_is(place, monkeypatch):
    folder, run, digest = place
    write = shards._write

    def twice(shard):
        write(shard)
        write(shard)

    monkeypatch.setattr(shards, "_write", twice)
    assert run(folder / "data").digest == digest


def test_other_settings_or_a_changed_source_begin_anew_and_leave_nothing_behind(place):
    folder, run, digest = place
    for change in (lambda: None, lambda: os.utime(folder / "source" / "images" / "scan 000.png", (1, 1))):
        change()
        with pytest.raises(Interrupted):
            run(folder / "data", progress=stop_at(2))
    with pytest.raises(Interrupted):
        run(folder / "data", seed=1, progress=stop_at(2))
    assert len(list(folder.glob(".data.*.preparing"))) == 3
    assert run(folder / "data").digest == digest
    assert not list(folder.glob(".*"))


def test_a_second_command_at_the_same_time_is_refused(place):
    folder, run, _ = place
    refused = []

    def again(done, total):
        if not refused:
            with pytest.raises(ArtifactError, match="Another process is preparing") as error:
                run(folder / "data")
            refused.append(error)

    run(folder / "data", progress=again)
    assert refused


def test_a_full_disk_keeps_the_shards_that_are_finished(place, monkeypatch):
    folder, run, digest = place
    append, calls = _GrowingArray.append, []

    def fills_up(self, picture):
        calls.append(1)
        if len(calls) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, picture)

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="disk is full"):
        patch.setattr(_GrowingArray, "append", fills_up)
        run(folder / "data")
    (working,) = folder.glob(".data.*.preparing")
    assert sorted(entry.name for entry in working.iterdir()) == [".lock", "00000", "00001", "00002"]
    assert run(folder / "data").digest == digest


EXPLOSIVE = """
import os
from synthmed.data.kinds.generic import DEFAULT_SIZE, Settings, describe, find
from synthmed.data.kinds.generic import make as make_generic

def make(item, info, settings):
    if "005" in item.name:
        os.abort()
    return make_generic(item, info, settings)
"""


def csv_lines(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_an_item_that_kills_its_worker_again_and_again_is_left_out_and_the_rest_goes_on(
    tmp_path, make_source, monkeypatch
):
    from synthmed.data import kinds

    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "explosive.py").write_text(EXPLOSIVE)
    customize = f"import synthmed.data.kinds as kinds\nkinds.__path__.append({str(tmp_path / 'kinds')!r})\n"
    (tmp_path / "kinds" / "sitecustomize.py").write_text(customize)
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path / "kinds")])
    paths = [
        str(tmp_path / "kinds"),
        os.path.dirname(os.path.dirname(preparing.__file__)) + "/..",
        os.environ.get("PYTHONPATH", ""),
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    source = make_source(tmp_path / "source", 8)
    dataset = prepare(source, tmp_path / "data", kind="explosive", size=16, workers=2)
    assert len(dataset) == 7
    (keyed, file, reason), (mask, beside, left) = csv_lines(list_file(default_key_file(), dataset.path))
    assert (file, reason) == ("images/scan 005.png", CRASHED)
    assert (beside, left) == ("masks/scan 005.png", "Its image is left out.")
    assert sorted((dataset.path / "rejected.csv").read_text().splitlines()[1:]) == sorted(
        [f'{keyed},"{CRASHED}"', f"{mask},Its image is left out."]
    )


def test_every_planned_item_is_accounted_for(tmp_path, make_source):
    source = make_source(tmp_path / "source", 20, masks=False)
    numbers = np.random.default_rng(0)
    for path in sorted((source / "images").iterdir())[::2]:
        content = bytearray(path.read_bytes())
        content[int(numbers.integers(8, len(content)))] ^= 0xFF
        path.write_bytes(content)
    dataset = prepare(source, tmp_path / "data", size=16)
    counts = dataset.info.provenance["counts"]
    assert counts["accepted"] == len(dataset) and counts["accepted"] + dataset.num_rejected == 20
    assert dataset.num_rejected == 10

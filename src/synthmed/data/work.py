"""Many workers, one result: processes of this machine or a Dask cluster, limits for each item, workers that die.

Jobs go through ``concurrent.futures.Executor``. A job whose worker dies is tried again, at last alone, so that a
file that makes its reader crash costs only itself.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing.connection import wait as wait_for
from types import ModuleType, TracebackType
from typing import Any, Self

from synthmed.data.limits import LIMITS, Limits, attempt
from synthmed.errors import ConfigError, SourceError
from synthmed.running.threads import cores, for_worker

CRASHED = "It made the reader crash, again and again. Export it anew."
_TOGETHER, _ALONE = 2, 2
"""How often a job may lose its worker beside others, and then alone, before it is given up."""
_CHUNK = 64
"""Values in one job of ``map``."""
_PATIENCE = 5.0
"""Seconds in which a pool whose processes are dead has ended."""


class Died:
    """The outcome of a job that was given up because its worker died each time."""


@dataclass(frozen=True, slots=True)
class _Job:
    value: Any
    deaths: int = 0

    @property
    def is_alone(self) -> bool:
        return self.deaths >= _TOGETHER


@dataclass(frozen=True, slots=True)
class _Chunk:
    number: int
    function: Callable[[Any], Any]
    values: list[Any]
    limits: Limits


class Workers:
    """Processes that do jobs; a context manager.

    Args:
        workers: how many processes; 1 = this process; None = as many as there are cores.
        cluster: address of a Dask scheduler, whose workers are used instead; "" = none.
        limits: what one item may cost.

    Raises:
        ConfigError: workers below 1, Dask is missing, or no scheduler answers.

    Example:
        >>> with Workers(1) as workers:
        ...     list(workers.map(abs, [-1, 2]))
        [1, 2]
    """

    def __init__(self, workers: int | None = None, cluster: str = "", limits: Limits = LIMITS) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"{workers} workers were asked for; expected 1 or more.")
        self._workers = workers or cores()
        self._cluster = cluster
        self._client: Any = None
        self._executor: Executor | None = None
        self.is_here = self._workers == 1 and not cluster
        self.limits = replace(limits, may_end_process=not self.is_here)

    def __enter__(self) -> Self:
        if self._cluster:
            self._client = _connect(self._cluster)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._client is not None:
            self._client.close()

    def as_finished(
        self, function: Callable[[Any], Any], values: Iterable[Any], *, alone: bool = False
    ) -> Iterator[tuple[Any, Any]]:
        """Do jobs; yields (value, outcome) in the order in which they end.

        The outcome is what ``function(value)`` gives, or ``Died``; what it raises is raised here. Values are taken
        from the iterable as workers become free.

        Args:
            function: of a module, so that it can be sent to a process.
            values: likewise.
            alone: whether each is done while no other is.
        """
        if self.is_here:
            yield from ((value, function(value)) for value in values)
            return
        running: dict[Future[Any], _Job] = {}
        try:
            yield from self._as_finished(function, values, running, _TOGETHER if alone else 0)
        finally:
            for future in running:
                future.cancel()

    def _as_finished(
        self, function: Callable[[Any], Any], values: Iterable[Any], running: dict[Future[Any], _Job], deaths: int
    ) -> Iterator[tuple[Any, Any]]:
        fresh = (_Job(value, deaths) for value in values)
        again: deque[_Job] = deque()
        while True:
            while len(running) < self._room() and (job := _next(fresh, again, running)) is not None:
                running[self._submit(function, job.value)] = job
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            if any(_is_death(future.exception()) for future in ended) and self._client is None:
                # A pool dies whole.
                ended, _ = wait(running)
                self._stop()
            for future in ended:
                job, error = running.pop(future), future.exception()
                if error is None:
                    yield job.value, future.result()
                elif not _is_death(error):
                    raise error
                elif job.deaths + 1 >= _TOGETHER + _ALONE:
                    yield job.value, Died()
                else:
                    # Dask has tried several workers before it says so.
                    again.append(replace(job, deaths=job.deaths + (1 if self._client is None else _TOGETHER)))

    def map(self, function: Callable[[Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        """``function(value)`` for each value, in order; a SourceError in the place of what failed, hung or crashed."""
        finished: dict[int, list[Any]] = {}
        following = 0
        for chunk, outcome in self.as_finished(_do_chunk, self._chunks(function, values, _CHUNK)):
            died = isinstance(outcome, Died)
            finished[chunk.number] = list(self.map_alone(function, chunk.values)) if died else outcome
            while following in finished:
                yield from finished.pop(following)
                following += 1

    def map_alone(self, function: Callable[[Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        """Like ``map``, one value after the other while nothing else is done; finds the one that kills."""
        for _, outcome in self.as_finished(_do_chunk, self._chunks(function, values, 1), alone=True):
            yield SourceError(CRASHED) if isinstance(outcome, Died) else outcome[0]

    def _chunks(self, function: Callable[[Any], Any], values: Iterable[Any], size: int) -> Iterator[_Chunk]:
        iterator = iter(values)
        number = 0
        while chunk := list(islice(iterator, size)):
            yield _Chunk(number, function, chunk, self.limits)
            number += 1

    def _room(self) -> int:
        # One job more than workers: it is sent while the others are at work.
        if self._client is None:
            return self._workers + 1
        return max(2, 2 * sum(self._client.nthreads().values()))

    def _submit(self, function: Callable[[Any], Any], value: Any) -> "Future[Any]":
        if self._executor is None and self._client is not None:
            self._executor = self._client.get_executor()
        elif self._executor is None:
            context = multiprocessing.get_context("spawn")
            self._executor = ProcessPoolExecutor(
                self._workers, mp_context=context, initializer=_begin, initargs=(for_worker(),)
            )
        with _without_main(), _deaf():
            return self._executor.submit(function, value)

    def _stop(self) -> None:
        """End the workers now: what they were at is done again."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        processes = list((getattr(executor, "_processes", None) or {}).values())
        manager = getattr(executor, "_executor_manager_thread", None)
        executor.shutdown(wait=False)
        for process in processes:
            process.terminate()
            process.join()
        if manager is not None:  # it closes its pipes, and Python ends the pool a second time when it exits
            manager.join(_PATIENCE)


def _next(fresh: Iterator[_Job], again: deque[_Job], running: dict[Future[Any], _Job]) -> _Job | None:
    """The job to begin now, or None: a job that is to be alone waits for the others and lets none begin."""
    if any(job.is_alone for job in running.values()):
        return None
    if again:
        return None if again[0].is_alone and running else again.popleft()
    job = next(fresh, None)
    if job is not None and job.is_alone and running:
        again.append(job)
        return None
    return job


def _do_chunk(chunk: _Chunk) -> list[Any]:
    return [attempt(chunk.function, value, chunk.limits) for value in chunk.values]


def _is_death(error: BaseException | None) -> bool:
    return isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"


def _begin(environment: dict[str, str]) -> None:
    """Of a worker: Ctrl-C is the parent's to answer, a worker does not outlive it, and works with one thread."""
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that begin now be deaf to Ctrl-C from their first moment: it is the parent's to answer."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the caller's script from new processes: they need nothing of it, and importing it would run it again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            "A cluster needs Dask, which is not installed. Run: pip install 'synthmed[cluster]'"
        ) from error
    try:
        return Client(address, timeout=20, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"No Dask scheduler answers at {address} ({type(error).__name__}); expected an address such as "
            "tcp://machine:8786. Start one with: dask scheduler"
        ) from error

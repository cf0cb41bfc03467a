"""What one item may cost: time and memory, so that no file hangs or fills the machine."""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import IO, Any

from synthmed.errors import SourceError, StorageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one item may cost: the same on every machine, so that every machine gives the same set.

    Args:
        seconds: after these it is stopped; after twice as many its process is ended, where it may be.
        memory: bytes that it may ask for beyond what its process has. Linux only.
        may_end_process: whether the process is a worker's, which may be ended.
    """

    seconds: float = 300.0
    memory: int = 4 << 30
    may_end_process: bool = False


LIMITS = Limits()


class _TooLongError(BaseException):
    """Not an Exception: a reader that catches everything must not catch this."""


def attempt(function: Callable[[Any], Any], value: Any, limits: Limits) -> Any:
    """``function(value)``, or a SourceError where it raises one, fails, takes too long or wants too much memory.

    Raises:
        StorageError: the disk is full; that is no fault of the value.
    """
    try:
        with _time(limits), _memory(limits):
            return function(value)
    except (SourceError, StorageError) as error:
        if isinstance(error, StorageError):
            raise
        return error
    except _TooLongError:
        return SourceError(f"It took longer than {limits.seconds:g} seconds to read. Export it anew.")
    except MemoryError:
        return SourceError(
            f"It asks for more than {limits.memory / 2**30:g} GiB of memory. It is damaged, or has to be divided."
        )
    except OSError:
        return SourceError("It cannot be read from the disk. Check that it is there and readable.")
    except Exception as error:
        return SourceError(f"It made the reader fail ({type(error).__name__}). It is damaged; export it anew.")


@contextmanager
def _time(limits: Limits) -> Iterator[None]:
    # An alarm stops Python code; code of a library that never returns can only be ended with its process, by a
    # watchdog that is not Python.
    has_alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    if limits.may_end_process:
        faulthandler.dump_traceback_later(2 * limits.seconds, exit=True, file=_nowhere())
    if has_alarm:
        before = signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    try:
        yield
    finally:
        if has_alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        if limits.may_end_process:
            faulthandler.cancel_dump_traceback_later()


def _stop(number: int, frame: object) -> None:
    raise _TooLongError


@contextmanager
def _memory(limits: Limits) -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    import resource

    has = int(os.pread(_statm(os.getpid()), 64, 0).split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = has + limits.memory
    if resource.RLIM_INFINITY not in (soft,) and soft < wanted:
        yield  # the user's own limit is tighter
        return
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@cache
def _statm(process: int) -> int:
    """What the kernel says of a process's memory, held open: opening it takes longer than reading a small picture."""
    return os.open(f"/proc/{process}/statm", os.O_RDONLY | os.O_CLOEXEC)


@cache
def _nowhere() -> IO[str]:
    return open(os.devnull, "w")

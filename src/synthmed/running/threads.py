"""How many threads torch works with, and how they wait for each other.

A thread that spins while it waits answers at once, and keeps its core from everybody else. On a quiet machine that
is fastest; where something else wants the core, the threads wait for one that cannot work because another one spins.
So before torch is imported (OpenMP reads its environment once) the command line looks at what other processes do, and
lets the threads spin only where each has a core to itself. What the user has set stays.

How many there are decides how sums are rounded. So it follows from the cores that the process may use, never from
the load: the same seed gives the same bits whatever else the machine does. A run records it and keeps it.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from synthmed.errors import ConfigError

_NUMBER = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""The first counts where both are set: torch asks MKL."""
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_ALONE = {name: "1" for name in (*_NUMBER, "OPENBLAS_NUM_THREADS")}
_TOLERATED = 0.25
"""Cores' worth of other work that may share the cores of threads that spin: a mail program, not a training."""
_MOMENT, _LONGER = 0.3, 1.0
"""Seconds that the machine is looked at; the longer, where its last minute was busy: work comes in bursts."""
_MOST = 4096
_ROOT = Path("/")

Part = TypeVar("Part")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is set before torch is imported.

    Args:
        environment: names and values; none of them was set by the user.
        sentence: the same for people; "" where nothing was decided.
    """

    environment: Mapping[str, str]
    sentence: str


_NOTHING = Decision(environment={}, sentence="")
_settled = _NOTHING
_told = False


def settle(environment: MutableMapping[str, str] = os.environ, root: Path = _ROOT) -> Decision:
    """Look at the machine and decide; to be called before torch is imported, later it does nothing.

    Nothing is decided where the machine does not say what it does (macOS, Windows).

    Args:
        environment: of this process; what was decided is added to it.
        root: folder in which proc and sys stand.
    """
    global _settled, _told
    if "torch" in sys.modules or not (root / "proc/stat").is_file():
        return _NOTHING
    cpus = allowed_cpus(root)
    threads = max(1, int(min(physical_cores(cpus, root), quota(root))))
    try:
        made = decide(threads, len(cpus), lambda: busy_cores(cpus, root), environment)
    except (OSError, ValueError):
        return _NOTHING  # it may not be read, or is written otherwise
    environment.update(made.environment)
    _settled, _told = made, False
    return made


def decide(threads: int, cores: int, busy: Callable[[], float], given: Mapping[str, str]) -> Decision:
    """What to set, by the cores and by what others do with them; what the user has set stays.

    Args:
        threads: how many there are to be, unless the user says.
        cores: that the process may run on.
        busy: how many of them others keep busy; asked only where it matters.
        given: environment variables of the process.
    """
    asked = [f"{name}={given[name]}" for name in _NUMBER if given.get(name)]
    waiting = [f"{name}={given[name]}" for name in _WAITING if given.get(name)]
    number = next((given[name] for name in _NUMBER if given.get(name)), str(threads))
    threads = int(number) if number.isdigit() else threads
    wanted = {} if asked else {"OMP_NUM_THREADS": number}
    said = f"{number} thread{'' if number == '1' else 's'}" + (f" ({', '.join(asked)})" if asked else "")
    if asked and waiting:
        return _NOTHING
    if waiting:
        return Decision(environment=wanted, sentence=f"Working with {said}; they wait as {', '.join(waiting)} says.")
    sleeping = wanted | {"OMP_WAIT_POLICY": "PASSIVE"}
    if threads == 1:  # it waits for nobody; but a run that goes on may bring more
        return Decision(environment=sleeping, sentence=f"Working with {said}.")
    others = busy()
    of = f"others keep {others:.1f} of {cores} cores busy"
    if others + threads <= cores + _TOLERATED:
        return Decision(environment=wanted, sentence=f"Working with {said} that spin while they wait: {of}.")
    return Decision(environment=sleeping, sentence=f"Working with {said} that sleep while they wait: {of}.")


def take_sentence() -> str:
    """What ``settle`` decided, for people; "" if there is nothing to tell, or it was told."""
    global _told
    sentence, _told = "" if _told else _settled.sentence, True
    return sentence


def for_worker(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a process needs in its environment that works beside as many others as there are cores: one thread.

    What the user has set stays; what ``settle`` has set for this process does not.
    """
    users = {name for name, value in environment.items() if value and value != _settled.environment.get(name)}
    if users & set(_NUMBER):
        return {}
    return {name: value for name, value in _ALONE.items() if name not in users}


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch works with one thread, so that what is made does not depend on how many there could be."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def side_by_side(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Do the parts of a work at once, as many as torch has threads, each with one thread.

    A second thread helps little with products of small matrices; a second part of the work helps as much as a core can.

    Example:
        >>> side_by_side(lambda number: 2 * number, [1, 2, 3])
        [2, 4, 6]
    """
    import torch

    threads = min(torch.get_num_threads(), len(parts))
    if threads < 2:
        return [work(part) for part in parts]
    with one_thread(), ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(work, parts))


@contextmanager
def kept_by(run: Path, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Work with as many threads as the run began with: their number decides bits.

    Unlike the way in which threads wait, it can be set when torch is imported already.

    Args:
        run: a training's directory; new, or with its config.toml.
        say: hears of it where this process came with another number.

    Yields:
        What config.toml says of it, or is to say: {"machine": {"threads": 2}}; {} for a run that was begun before
        this was recorded.

    Raises:
        ConfigError: config.toml holds no number of threads there.
    """
    import torch

    before = torch.get_num_threads()
    recorded = _recorded(run / "config.toml", {"machine": {"threads": before}})
    threads = recorded.get("machine", {}).get("threads", before)
    if threads != before:
        say(f"{run} was begun with {threads} threads and keeps that number, not {before}: it decides bits.")
    torch.set_num_threads(threads)
    try:
        yield recorded
    finally:
        torch.set_num_threads(before)


def _recorded(file: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    from synthmed.config import read_toml  # not before torch's threads are settled

    try:
        found = read_toml(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return fresh
    except ValueError:
        return {}  # the loop says that it is another's
    if "machine" not in found:
        return {}
    threads = found["machine"].get("threads") if isinstance(found["machine"], dict) else found["machine"]
    if not isinstance(threads, int) or isinstance(threads, bool) or not 0 < threads <= _MOST:
        raise ConfigError(
            f"{file} says that the run was begun with {threads!r} threads; expected a whole number from 1 to {_MOST}. "
            "Put back the number, or give another RUN to begin anew."
        )
    return {"machine": {"threads": threads}}


def cores() -> int:
    """How many processes of ours run side by side on the cores that this process may use, by affinity and quota."""
    return max(1, int(min(len(allowed_cpus()), quota())))


def allowed_cpus(root: Path = _ROOT) -> frozenset[int]:
    """Numbers of the processors that this process may run on; where the system does not tell, all of them."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/status").read_text().splitlines():
            name, _, listed = line.partition(":")
            if name == "Cpus_allowed_list" and (found := _numbers(listed)):
                return found
    return frozenset(range(os.cpu_count() or 1))


def _numbers(listed: str) -> frozenset[int]:
    """The numbers of a list such as "0-3,8"."""
    ranges = [part.partition("-") for part in listed.strip().split(",") if part]
    return frozenset(one for low, _, high in ranges for one in range(int(low), int(high or low) + 1))


def physical_cores(cpus: frozenset[int], root: Path = _ROOT) -> int:
    """How many cores these processors are; two that share one do not compute twice as fast."""
    found = set()
    for cpu in cpus:
        try:
            siblings = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
            found.add(siblings.read_text().strip())
        except OSError:
            found.add(str(cpu))
    return len(found)


def quota(root: Path = _ROOT) -> float:
    """Cores' worth of time that the process's groups grant it (cgroup 1 and 2); infinite if they set no limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return inf
    granted = [inf]
    for line in lines:
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not path or (controllers and "cpu" not in controllers.split(",")):
            continue
        place = Path(path.lstrip("/"))
        for mount in ("", "cpu", "cpu,cpuacct"):
            groups = [root / "sys/fs/cgroup" / mount / group for group in (place, *place.parents)]
            granted += map(_quota_of, groups)
    return min(granted)


def _quota_of(group: Path) -> float:
    try:
        if (group / "cpu.max").is_file():
            granted, period = (group / "cpu.max").read_text().split()
        else:
            granted, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(granted) / int(period) if int(granted) > 0 else inf
    except (OSError, ValueError, ZeroDivisionError):
        return inf  # no such group, or "max"


def busy_cores(cpus: frozenset[int], root: Path = _ROOT) -> float:
    """How many of these processors others keep busy, seen over a moment in which this process does nothing."""
    total, idle = _ticks(cpus, root)
    time.sleep(_LONGER if _load(root) >= 1 else _MOMENT)
    later = _ticks(cpus, root)
    total, idle = later[0] - total, later[1] - idle
    return len(cpus) * max(0.0, 1 - idle / total) if total > 0 else 0.0


def _ticks(cpus: frozenset[int], root: Path) -> tuple[int, int]:
    """Ticks of these processors since the machine began: all, and those in which nothing was done."""
    total = idle = 0
    for line in (root / "proc/stat").read_text().splitlines():
        name, *words = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus:
            ticks = [int(word) for word in words[:8]]  # what follows is counted in these already
            total += sum(ticks)
            idle += sum(ticks[3:5])
    return total, idle


def _load(root: Path) -> float:
    """How many processes wanted to run, on average over the last minute."""
    try:
        return float((root / "proc/loadavg").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0

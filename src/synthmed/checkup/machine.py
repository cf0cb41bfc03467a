"""What this machine has: processor, memory, graphics card, disk, and which extras are installed."""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from synthmed import __version__
from synthmed.running.threads import cores

_EXTRA = re.compile(r"^([\w.-]+).*extra == ['\"]([\w-]+)['\"]")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Facts for people and for reports of faults.

    Args:
        synthmed: its version.
        python: version of Python.
        system: of the operating system and the processor.
        torch: version of PyTorch.
        cores: processor cores that this process may use.
        memory_gib: of main memory; 0 = unknown.
        gpus: names of the graphics cards that PyTorch can use.
        disk_free_gib: where the folder, or the current directory, lies.
        extras: name of an extra -> its packages that are missing; none missing = installed.
    """

    synthmed: str
    python: str
    system: str
    torch: str
    cores: int
    memory_gib: float
    gpus: tuple[str, ...]
    disk_free_gib: float
    extras: dict[str, tuple[str, ...]]


def look_at_machine(place: Path) -> Machine:
    """Look at the machine; ``place`` is on the disk whose free space is told."""
    import torch

    cuda = torch.cuda
    cards = cuda.device_count() if cuda.is_available() else 0
    return Machine(
        synthmed=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        torch=torch.__version__,
        cores=cores(),
        memory_gib=round(_memory() / 2**30, 1),
        gpus=tuple(cuda.get_device_name(number) for number in range(cards)),
        disk_free_gib=round(shutil.disk_usage(place).free / 2**30, 1),
        extras=_extras(),
    )


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _extras() -> dict[str, tuple[str, ...]]:
    """Of the extras that the installed package declares; none where it runs from its source folder."""
    try:
        declared = metadata.requires("synthmed") or []
    except metadata.PackageNotFoundError:
        return {}
    missing: dict[str, list[str]] = {}
    for requirement in declared:
        if match := _EXTRA.match(requirement):
            lacking = missing.setdefault(match[2], [])
            if not _is_installed(match[1]):
                lacking.append(match[1])
    return {extra: tuple(packages) for extra, packages in sorted(missing.items())}


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True

"""``doctor``: the machine, and what a folder of images holds, before anything is prepared.

Nothing that names a patient leaves this file: identifiers are counted, and file names are taken out of reasons.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthmed.checkup.duplicates import count_copies
from synthmed.checkup.headers import Census, Look, look
from synthmed.checkup.machine import Machine, look_at_machine
from synthmed.checkup.proposal import Proposal, propose
from synthmed.checkup.sample import Sample, look_at_pixels
from synthmed.data.work import Workers
from synthmed.errors import ConfigError, SourceError
from synthmed.files.paths import takes_paths
from synthmed.running.progress import Progress
from synthmed.sources.folders import list_files

_FEW = 64
"""Files up to which starting workers takes longer than reading."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What a folder holds.

    Args:
        files: in it and below, hidden ones left out.
        census: counts of all that the headers say.
        copies: files that have the same bytes as another one before them.
        sample: what the pixels of some pictures show; None = no pixels were looked at.
        proposal: the command to prepare it, and what would be left out.
    """

    files: int
    census: Census
    copies: int
    sample: Sample | None
    proposal: Proposal


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """The machine, and the folder where one was given."""

    machine: Machine
    folder: Folder | None

    def facts(self) -> dict[str, Any]:
        """All of it in words and numbers, for JSON."""
        return asdict(self)


@takes_paths
def doctor(
    source: Path | None = None, *, pixels: int = 0, workers: int | None = None, progress: Progress | None = None
) -> Checkup:
    """Look at the machine, and at a folder of images if one is given. Nothing is written.

    Args:
        source: a folder; links out of it are not followed.
        pixels: pictures, evenly spread over what would be prepared, whose pixels are looked at too: likely text in
            the picture and likely copies under other names. 0 = headers only.
        workers: processes; None = as many as there are cores.
        progress: hears how many files are read.

    Raises:
        SourceError: there is no such folder.
        ConfigError: pixels below 0.
    """
    if pixels < 0:
        raise ConfigError(f"pixels is {pixels}; expected 0 or more pictures to look at.")
    if source is None:
        return Checkup(machine=look_at_machine(Path.cwd()), folder=None)
    source = Path(source)
    files, left_out = list_files(source)
    with Workers(1 if workers is None and len(files) <= _FEW else workers) as pool:
        looks: list[Look | SourceError] = []
        for seen in pool.map(look, files):
            looks.append(seen)
            if progress:
                progress(len(looks), len(files))
        readable = {path: seen for path, seen in zip(files, looks, strict=True) if isinstance(seen, Look)}
        proposal, items = propose(source, readable, pool.map)
        folder = Folder(
            files=len(files) + len(left_out),
            census=Census.of(readable.values()),
            copies=count_copies(list(readable)),
            sample=look_at_pixels(items, pixels, pool.map) if pixels else None,
            proposal=proposal,
        )
    return Checkup(machine=look_at_machine(source), folder=folder)

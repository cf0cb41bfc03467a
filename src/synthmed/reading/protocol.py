"""A study on the disk: its protocol, its cases and its pictures, frozen by a digest before anybody reads.

The folder is an artifact: ``protocol.json``, ``cases.csv`` and ``stimuli``, raw pixels without header, all of one size.
Its digest is the protocol's. ``answers.sqlite`` beside them grows and belongs to no digest. The truth is in
``cases.csv``, on the server's disk alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator

from synthmed.artifacts import read_manifest, verify
from synthmed.config import Settings
from synthmed.errors import ArtifactError, StudyError
from synthmed.files.tables import as_csv, read_csv
from synthmed.reading.trials import find_trial
from synthmed.reading.trials._contract import TrialType

KIND = "study"
SCHEMA: Literal[1] = 1
PROTOCOL_FILE = "protocol.json"
CASES_FILE = "cases.csv"
REAL = "real"
CHECK: Literal["check"] = "check"

Part = Literal["warmup", "scored", "check"]


class StudySettings(Settings):
    """What a study is. Everything here is frozen before the first answer."""

    paradigm: str = Field(description="Type of trial: yes_no, rating5, two_alternative or locate.")
    num: int = Field(50, ge=2, description="Scored images of each synthetic set; of each truth for locate.")
    num_real: int = Field(0, ge=0, description="Scored real images; 0 = as many as suit the paradigm.")
    warmup: int = Field(4, ge=0, description="Warm-up trials of each kind, real and synthetic; never scored.")
    feedback: bool = Field(True, description="Tell the truth after each warm-up trial; it changes what is measured.")
    repeats: int = Field(0, ge=0, description="Images of each kind that come a second time, unannounced.")
    checks: int = Field(0, ge=0, description="Attention checks: patterns that nobody who looks takes for real.")
    sessions: int = Field(1, ge=1, le=10, description="Sessions of every reader; each shows all cases in a new order.")
    washout_days: float = Field(14, ge=0, description="Days between two sessions of a reader, at least.")
    readers: int = Field(2, ge=1, description="Readers that are planned, for the sample size.")
    paired: bool = Field(False, description="The same masks through every method: pictures of one mask are one case.")
    block: int = Field(20, ge=1, description="Trials within which the kinds are balanced.")
    break_every: int = Field(50, ge=1, description="Scored trials after which a break is offered.")
    measure: Literal["d_prime", "auc"] = Field("d_prime", description="What the equivalence test looks at.")
    margin: float = Field(0.0, ge=0, description="Equivalence margin: of d' from 0, of the AUC from 1/2; 0 = no test.")
    correlation: float = Field(0.2, ge=0, le=1, description="Of two readers' estimates, for the sample size.")
    split: str = Field("all", description="Split of the real set that images are drawn from, or all.")
    panels: tuple[str, ...] = Field(
        (), description="Channels shown side by side, or differences such as post1-pre; empty = all channels."
    )
    windows: dict[str, tuple[float, float]] = Field(
        {}, description="Presets of the grey panels: name = [darkest, brightest] in stored numbers."
    )
    target: int = Field(1, ge=1, le=255, description="Label of the mask that is the target of locate.")
    tolerance: float = Field(3.0, ge=0, description="Pixels beside the target at which a mark still counts.")
    min_width: int = Field(1000, ge=320, description="Narrowest window, in CSS pixels, in which may be read.")
    accept_cues: bool = Field(False, description="Begin although something trivial tells real from synthetic.")
    question: str = Field("", description="Asked instead of the paradigm's own question.")
    consent: str = Field("", description="Text that readers agree to; empty = a general one.")
    seed: int = Field(0, ge=0, description="Of the choice of images and of every order.")

    @field_validator("windows")
    @classmethod
    def _in_order(cls, windows: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for name, (low, high) in windows.items():
            if not low < high:
                raise ValueError(f"the window {name} runs from {low} to {high}; expected the darkest value first")
        return windows

    @property
    def trial(self) -> TrialType:
        """The type of trial."""
        return find_trial(self.paradigm)


class Panel(Settings):
    """One picture of a trial: a channel, three channels in colour, or a difference of two channels."""

    name: str
    kind: Literal["grey", "colour", "difference"]
    channel: int
    minus: int = 0
    low: float
    high: float


class Source(Settings):
    """A set that images came from; the path is its last part only."""

    name: str
    folder: str
    digest: str
    images: int
    lineage: dict[str, int] = Field(default_factory=dict)


class Cue(Settings):
    """How well something trivial tells synthetic from real images."""

    name: str
    auc: float
    low: float
    verdict: Literal["fine", "warn", "refuse"]
    told: str = ""


class Protocol(Settings):
    """The content of ``protocol.json``."""

    schema_version: Literal[1] = SCHEMA
    settings: StudySettings
    channels: list[str]
    height: int
    width: int
    bits: Literal[8, 16]
    panels: list[Panel]
    sources: list[Source]
    cues: list[Cue]

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture as it is sent."""
        return len(self.channels) * self.height * self.width * self.bits // 8


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case.

    Args:
        name: a number that says nothing.
        modality: "real", the name of a synthetic set, or "check".
        truth: 0 or 1; of a pair it is decided by the side it is shown on.
        part: "warmup", "scored" or "check".
        stimuli: numbers of its pictures; two for a pair, the real one first.
        group: cases of one mask share it; else the case's own name.
        origin: file or row that it came from.
        targets: pixels of the target, "x0-x1 y" runs joined by ";"; "" = none.
    """

    name: str
    modality: str
    truth: int
    part: Part
    stimuli: tuple[int, ...]
    group: str
    origin: str
    targets: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study, opened and checked.

    Args:
        path: its folder.
        protocol: what was frozen.
        cases: all of them.
        digest: of the frozen part.
    """

    path: Path
    protocol: Protocol
    cases: tuple[Case, ...]
    digest: str

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a study, every file compared with its digest.

        Raises:
            ArtifactError: no study, or a damaged one.
            StudyError: it was written by a newer synthmed.
        """
        path = Path(path)
        read_manifest(path, KIND)
        _refuse_newer(path)  # before the digests: a newer version may hold other files
        manifest = verify(path, KIND, (PROTOCOL_FILE, CASES_FILE))
        try:
            protocol = Protocol.model_validate_json((path / PROTOCOL_FILE).read_bytes())
            return cls(path=path, protocol=protocol, cases=_read_cases(path / CASES_FILE), digest=manifest.digest)
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise ArtifactError(f"{path} cannot be read as a study ({error}); make it anew.") from error

    @property
    def settings(self) -> StudySettings:
        """What was decided before reading."""
        return self.protocol.settings

    @property
    def trial(self) -> TrialType:
        """The type of trial."""
        return self.settings.trial

    def stimulus(self, number: int) -> bytes:
        """One picture: raw pixels [C H W], little-endian."""
        return (self.path / stimulus_name(number)).read_bytes()


def _refuse_newer(path: Path) -> None:
    try:
        version = json.loads((path / PROTOCOL_FILE).read_bytes())["schema_version"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # what is damaged is found by its digest
    if isinstance(version, int) and version > SCHEMA:
        raise StudyError(
            f"{path} is a study of version {version}; this synthmed knows versions up to {SCHEMA}. Use the synthmed "
            "that made it, or a newer one; nothing was changed."
        )


def stimulus_name(number: int) -> str:
    """Where a picture lies below the study."""
    return f"stimuli/{number:05d}.raw"


def cases_csv(cases: Sequence[Case]) -> str:
    """The content of ``cases.csv``."""
    rows = ({**asdict(case), "stimuli": " ".join(map(str, case.stimuli))} for case in cases)
    return as_csv([field.name for field in fields(Case)], ([*row.values()] for row in rows))


def _read_cases(path: Path) -> tuple[Case, ...]:
    columns, *rows = read_csv(path)
    return tuple(_case(dict(zip(columns, row, strict=True))) for row in rows)


def _case(row: Mapping[str, str]) -> Case:
    values: dict[str, Any] = dict(row)
    values["truth"] = int(row["truth"])
    values["stimuli"] = tuple(int(word) for word in row["stimuli"].split())
    return Case(**values)

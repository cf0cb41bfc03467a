"""``study new``: choose images, audit the blinding, freeze the protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import new_directory, refuse_existing, write_file, write_json
from synthmed.config import did_you_mean, parse, read_overrides
from synthmed.data.dataset import PreparedDataset
from synthmed.errors import ConfigError, GateError, StudyError
from synthmed.evaluation.inputs import check_sides, open_real
from synthmed.files.paths import takes_paths
from synthmed.reading.analysis.equivalence import SampleSize, sample_size
from synthmed.reading.blinding import blinding
from synthmed.reading.protocol import (
    CASES_FILE,
    CHECK,
    KIND,
    PROTOCOL_FILE,
    REAL,
    Case,
    Cue,
    Panel,
    Protocol,
    Source,
    Study,
    StudySettings,
    cases_csv,
    stimulus_name,
)
from synthmed.reading.selection import Chosen, choose, mask_of, numbered
from synthmed.reading.trials import find_trial
from synthmed.samples import SampleSet

_COLOURS = ["red", "green", "blue"]


@dataclass(frozen=True, kw_only=True)
class Designed:
    """A new study and what to expect of it.

    Args:
        study: as it lies on the disk.
        size: half-widths for its images and readers.
        cues: sentences of the blinding audit; () = nothing was found.
    """

    study: Study
    size: SampleSize
    cues: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What a person wants to know of a study that was just made."""
        scored = [case for case in self.study.cases if case.part == "scored"]
        kinds = {
            name: sum(case.modality == name for case in scored) for name in dict.fromkeys(c.modality for c in scored)
        }
        settings = self.study.settings
        told = [
            f"{self.study.path} holds {len(scored)} scored cases ("
            + ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()))
            + f"), protocol {self.study.digest[:16]}.",
            f"At chance the 95 % interval of {_MEASURES[settings.measure]} is +-{self.size.one_reader:.2f} for one "
            f"reader and +-{self.size.all_readers:.2f} for the mean of {settings.readers}.",
        ]
        if settings.margin:
            told.append(f"If the truth is chance, equivalence within +-{settings.margin:g} is shown with probability "
                        f"{self.size.power:.2f}.")  # fmt: skip
        told += [f"Blinding: {cue}." for cue in self.cues]
        return "\n".join(told)


_MEASURES = {"d_prime": "d'", "auc": "the AUC"}


@takes_paths
def study_new(
    real: Path,
    out: Path,
    *,
    synthetic: Iterable[str | Path],
    paradigm: str = "yes_no",
    num: int = 50,
    readers: int = 2,
    sessions: int = 1,
    margin: float = 0.0,
    seed: int = 0,
    overrides: Iterable[str] = (),
) -> Designed:
    """Make a reader study of real and synthetic images and freeze it.

    Args:
        real: a prepared data set, or a folder of real images.
        out: a new folder.
        synthetic: sample sets or folders of any tool; ``NAME=PATH`` gives one a name.
        paradigm: "yes_no", "rating5", "two_alternative" or "locate".
        num: scored images of each synthetic set.
        readers: how many are planned, for the sample size.
        sessions: of every reader.
        margin: of the equivalence test, fixed from now on; 0 = no test.
        seed: of the choice of images and of every order.
        overrides: further settings as KEY=VALUE.

    Raises:
        ConfigError: an unknown paradigm or setting, or two sets of one name.
        DataError: sets of different size, channels or bit depth.
        StudyError: fewer images than the design needs.
        GateError: something trivial tells real from synthetic images, and ``accept_cues`` is not set.
        ArtifactError: an input is damaged, or something stands at ``out``.
    """
    refuse_existing(out)
    find_trial(paradigm)
    given = {"paradigm": paradigm, "num": num, "readers": readers, "sessions": sessions, "margin": margin, "seed": seed}
    settings = parse(StudySettings, {**given, **read_overrides(overrides)}, "study")
    if settings.checks and settings.trial.truth == "target":
        raise ConfigError("A study of paradigm locate has no attention checks; leave out checks.")
    made = {name: SampleSet.open(path) for name, path in _named(synthetic).items()}
    true = open_real(real)
    true = true if settings.split == "all" else true.split(settings.split)
    for one in made.values():
        check_sides(one, true)
    chosen = choose(true, made, settings)
    cases = numbered(chosen, settings.seed)
    pictures = _Pictures(true, made)
    cues = _audit(cases, pictures)
    _gate(cues, settings)
    protocol = Protocol(
        settings=settings, channels=true.info.channels, height=true.info.height, width=true.info.width,
        bits=true.info.bits, panels=_panels(settings, true, cases, pictures), sources=_sources(true, made), cues=cues,
    )  # fmt: skip
    inputs = {REAL: true.digest, **{name: one.digest for name, one in made.items()}}
    with new_directory(
        out, KIND, inputs=inputs, facts={"paradigm": settings.paradigm, "seed": settings.seed}
    ) as folder:
        (folder / "stimuli").mkdir()
        written = [_write(folder, case, one, pictures, settings) for case, one in cases]
        write_file(folder / CASES_FILE, cases_csv(written))
        write_json(folder / PROTOCOL_FILE, protocol.model_dump(mode="json"))
    size = sample_size(settings.num, settings.readers, measure=settings.measure, margin=settings.margin,
                       correlation=settings.correlation)  # fmt: skip
    return Designed(study=Study.open(out), size=size, cues=tuple(cue.told for cue in cues if cue.verdict != "fine"))


class _Pictures:
    """The pixels of every picture of a study, [C H W]."""

    def __init__(self, true: PreparedDataset, made: Mapping[str, SampleSet]) -> None:
        self.true, self.made = true, made

    def __call__(self, name: str, index: int) -> NDArray[np.integer]:
        if name == CHECK:
            return self._pattern(index)
        return (self.true if name == REAL else self.made[name]).images([index])[0]

    def _pattern(self, index: int) -> NDArray[np.integer]:
        """Large squares of random brightness: nothing that anyone could take for a patient."""
        info = self.true.info
        squares = np.random.default_rng(index).integers(0, 2, (8, 8)) * 0.6 + 0.2
        rows, columns = (np.arange(size) * 8 // size for size in (info.height, info.width))
        one = (squares[rows][:, columns] * (2**info.bits - 1)).astype(info.dtype)
        return np.repeat(one[None], len(info.channels), axis=0)


def _named(synthetic: Iterable[str | Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for given in map(str, synthetic):
        name, equals, path = given.partition("=")
        name, place = (name, Path(path)) if equals else (Path(given).name, Path(given))
        if name in (REAL, CHECK, "") or name in found:
            raise ConfigError(f"Two sets are called {name!r}, or that name is taken; expected names of their own. Name "
                              "them: --synthetic NAME=PATH.")  # fmt: skip
        found[name] = place
    if not found:
        raise ConfigError("No synthetic set was given; expected one at least: --synthetic SAMPLES.")
    return found


def _audit(cases: Sequence[tuple[Case, Chosen]], pictures: _Pictures) -> list[Cue]:
    sides: tuple[list[NDArray[np.integer]], list[NDArray[np.integer]]] = ([], [])
    for _, one in cases:
        for name, index in one.pictures:
            if name != CHECK and one.part != CHECK:
                sides[name != REAL].append(pictures(name, index))
    return blinding(*sides)


def _gate(cues: Sequence[Cue], settings: StudySettings) -> None:
    refused = [cue.told for cue in cues if cue.verdict == "refuse"]
    if refused and not settings.accept_cues:
        raise GateError(
            f"Readers need not look at the images to tell real from synthetic: {'; '.join(refused)}. Prepare both "
            "kinds alike, or begin all the same by --set accept_cues=true; the report will say so."
        )


def _panels(settings: StudySettings, true: PreparedDataset, cases: Sequence[tuple[Case, Chosen]],
            pictures: _Pictures) -> list[Panel]:  # fmt: skip
    names, top = true.info.channels, 2.0**true.info.bits - 1
    if names == _COLOURS and not settings.panels:
        return [Panel(name="colour", kind="colour", channel=0, low=0, high=top)]
    shown = [picture for _, one in cases for picture in one.pictures if picture[0] != CHECK]
    pixels = np.stack([pictures(*picture) for picture in shown[:64]]).astype(np.float64)
    found = []
    for word in settings.panels or names:
        if word in names:
            channel = names.index(word)
            # Phases of one contrast share a window, or what takes up contrast agent would not look brighter.
            phases = [other for other in range(len(names)) if _are_phases(channel, other, true)]
            low, high = (0.0, top) if true.info.bits == 8 else map(float, np.percentile(pixels[:, phases], [0.1, 99.9]))
            found.append(Panel(name=word, kind="grey", channel=channel, low=low, high=max(high, low + 1)))
            continue
        plus, minus = _difference(word, names, true)
        reach = max(1.0, float(np.percentile(np.abs(pixels[:, plus] - pixels[:, minus]), 99.8)))
        found.append(Panel(name=word, kind="difference", channel=plus, minus=minus, low=-reach, high=reach))
    return found


def _are_phases(one: int, other: int, true: PreparedDataset) -> bool:
    """Whether two channels are of one contrast, by the first word of their names, and on one scale."""
    names = true.info.channels
    return names[one].split()[0] == names[other].split()[0] and _odd_row(one, other, true) is None


def _odd_row(one: int, other: int, true: PreparedDataset) -> str | None:
    """A row in which stored numbers of two channels mean different things; None = there is none."""
    for row in true.rows:
        if len(row.low) > 1 and (row.low[one], row.high[one]) != (row.low[other], row.high[other]):
            return row.id
    return None


def _difference(word: str, names: Sequence[str], true: PreparedDataset) -> tuple[int, int]:
    for place in (place for place, letter in enumerate(word) if letter == "-"):
        one, other = word[:place].strip(), word[place + 1 :].strip()
        if one in names and other in names:
            plus, minus = names.index(one), names.index(other)
            odd = _odd_row(plus, minus, true)
            if odd is not None:
                raise StudyError(
                    f"The panel {word} cannot be shown: stored numbers of {one} and {other} mean different things in "
                    f"{odd}. Prepare them on one scale, or show a channel that holds the difference."
                )
            return plus, minus
    raise ConfigError(f"There is no channel {word!r}{did_you_mean(word, names)}; known are {', '.join(names)}, and "
                      "differences such as ONE-OTHER.")  # fmt: skip


def _sources(true: PreparedDataset, made: Mapping[str, SampleSet]) -> list[Source]:
    found = [Source(name=REAL, folder=true.path.name, digest=true.digest, images=len(true))]
    for name, one in made.items():
        lineage: dict[str, int] = {}
        for sample in one.samples:
            lineage[sample.lineage] = lineage.get(sample.lineage, 0) + 1
        found.append(Source(name=name, folder=one.path.name, digest=one.digest, images=len(one), lineage=lineage))
    return found


def _write(folder: Path, case: Case, one: Chosen, pictures: _Pictures, settings: StudySettings) -> Case:
    for number, picture in zip(case.stimuli, one.pictures, strict=True):
        pixels: NDArray[Any] = pictures(*picture)
        stored = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        write_file(folder / stimulus_name(number), np.ascontiguousarray(stored).tobytes())
    if settings.trial.truth != "target" or not case.truth:
        return case
    return replace(case, targets=_runs(mask_of(pictures.true, pictures.made, *one.pictures[0]) == settings.target))


def _runs(target: NDArray[np.bool_]) -> str:
    """The pixels of a target as runs "y x0 x1", joined by ";"."""
    found = []
    for y in np.flatnonzero(target.any(1)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], target[y].astype(np.int8), [0]])))
        found += [f"{y} {start} {stop - 1}" for start, stop in edges.reshape(-1, 2)]
    return ";".join(found)

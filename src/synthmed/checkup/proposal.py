"""The command that prepares a folder: kinds are proposed by modality, names and layout, and tried.

A kind is asked what it would find, with its own function, so what is told to be left out is what would be left out.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from synthmed import sources
from synthmed.checkup.headers import Look
from synthmed.checkup.reasons import Anonymous
from synthmed.config import parse, read_overrides
from synthmed.data.cautions import of_names
from synthmed.data.dataset import DatasetInfo
from synthmed.data.kinds import find_kind, kind_names
from synthmed.data.kinds._contract import Item, KindSettings, Map
from synthmed.data.planning import Plan, plan
from synthmed.errors import InputError, SourceError
from synthmed.sources.folders import relative

_TRIED = 3  # items that are made into images, to see whether the command works
_NO_KEY = bytes(32)  # the pseudonyms of a plan that is thrown away
_VOLUMES = ("NIfTI", "NRRD")
_MINI_MIAS = re.compile(r"mdb\d{3}\b")
_DDSM = re.compile(r"[A-Z]_\d+_\d+\.(LEFT|RIGHT)_(MLO|CC)")
_DDSM_NAMES = r"(?P<patient_id>[A-Z]_\d+)_\d+\.(?P<laterality>LEFT|RIGHT)_(?P<view>MLO|CC)"
_MASK_WORD = re.compile(r"mask|label|lesion|seg|gold|truth", re.IGNORECASE)
_MOST = 0.4  # of the files, so that a mask for each image does not hide what the images are called
_BELOW_AIR = -500  # a volume with smaller values is in Hounsfield units


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """How to prepare a folder.

    Args:
        kind: of data set; "" = none fits.
        command: to type.
        items: images, series or studies that would be used.
        left_out: reason -> files that would be left out for it.
        refused: kind -> what it said, of those that were tried before.
        cautions: what to look at before the command is used.
    """

    kind: str
    command: str
    items: int
    left_out: dict[str, int]
    refused: dict[str, str]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    kind: str
    folder: Path
    settings: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        words = ["synthmed", "prepare", str(self.folder), f"{self.folder.name or 'images'}-prepared"]
        words += ["--kind", self.kind]
        for setting in self.settings:
            words += ["--set", setting]
        return shlex.join(words)


def propose(source: Path, looks: Mapping[Path, Look], run: Map) -> tuple[Proposal, list[Item]]:
    """The first kind that finds something in the folder, and what it would make images of.

    Args:
        source: the folder.
        looks: what the headers of its images say.
        run: like ``map``.
    """
    anonymous = Anonymous(source)
    refused: dict[str, str] = {}
    for candidate in _candidates(source, looks):
        if candidate.kind not in kind_names():
            continue
        try:
            planned = _try(candidate, run)
        except InputError as error:
            refused.setdefault(candidate.kind, anonymous.reason(str(error)))
            continue
        cautions = (of_names(**asdict(planned.siblings)),) if planned.siblings else ()
        if planned.siblings and planned.siblings.pattern:
            candidate, planned = _with_patients(candidate, planned, run)
        reasons = Counter(anonymous.reason(reason, file) for file, reason in planned.rejected)
        proposal = Proposal(
            kind=candidate.kind,
            command=candidate.command,
            items=len(planned.items),
            left_out=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
            refused=refused,
            cautions=cautions,
        )
        return proposal, planned.items
    return Proposal(kind="", command="", items=0, left_out={}, refused=refused), []


def _try(candidate: _Candidate, run: Map) -> Plan:
    """What ``prepare`` would do.

    Raises:
        InputError: the kind finds nothing here, or cannot make an image of what it finds.
    """
    kind = find_kind(candidate.kind)
    settings = parse(kind.Settings, read_overrides(candidate.settings), candidate.kind)
    found = kind.find(candidate.folder, settings, run)
    info = kind.describe(found, settings, *kind.DEFAULT_SIZE)
    planned = plan(found, info, settings, _NO_KEY, {"holdout": 0.1, "test": 0.2, "seed": 0, "from_train": ()}, run)
    if not planned.items:
        raise SourceError("It finds nothing that it can use.")
    # Headers can promise what pixels do not keep: at least one of the smallest items has to come out.
    smallest = sorted(planned.items, key=lambda item: (len(item.files), item.name))[:_TRIED]
    outcomes = list(run(partial(_made, candidate.kind, planned.info, settings), smallest))
    if all(isinstance(outcome, SourceError) for outcome in outcomes):
        raise outcomes[0]
    return planned


def _with_patients(candidate: _Candidate, planned: Plan, run: Map) -> tuple[_Candidate, Plan]:
    """The same with the pattern for patients that the names call for; as it was where that does not work."""
    assert planned.siblings is not None
    told = replace(candidate, settings=(*candidate.settings, f"patient={planned.siblings.pattern}"))
    try:
        return told, _try(told, run)
    except InputError:
        return candidate, planned


def _made(kind: str, info: DatasetInfo, settings: KindSettings, item: Item) -> int:
    return len(find_kind(kind).make(item, info, settings))


def _candidates(source: Path, looks: Mapping[Path, Look]) -> Iterator[_Candidate]:
    """What the folder may be, the likeliest first."""
    modalities = Counter(one.modality for one in looks.values() if one.modality)
    likeliest = {modality: None for modality, _ in modalities.most_common()}
    if any(one.format in _VOLUMES for one in looks.values()):
        likeliest |= {"CT" if _has_hounsfield_units(looks) else "MR": None}
    for modality in likeliest:
        if modality == "MG":
            yield _Candidate("mammogram", source)
        elif modality == "CT":
            yield _Candidate("ct", source)
        elif modality == "MR":
            yield _Candidate("breast_mr", source)
            yield from _named_contrasts(source, looks)
            yield _Candidate("breast_mr", source, ("output=slices",))
    names = {relative(path, source): path for path, one in looks.items() if not one.modality}
    yield from _named_mammograms(source, names)
    folders = _folders_to_the_fullest(source, looks)
    for folder in folders:
        if any((folder / half / "images").is_dir() for half in ("training", "test")):
            yield _Candidate("retina", folder)
    for folder in folders:
        yield _Candidate("generic", folder)


def _has_hounsfield_units(looks: Mapping[Path, Look]) -> bool:
    """Whether one of the first volumes reaches below air; headers of volumes do not say their unit."""
    volumes = [path for path, one in looks.items() if one.format in _VOLUMES]
    for path in volumes[:4]:
        try:
            if float(np.nanmin(sources.read(path).pixels)) < _BELOW_AIR:
                return True
        except (SourceError, MemoryError):
            continue
    return False


def _named_contrasts(source: Path, looks: Mapping[Path, Look]) -> Iterator[_Candidate]:
    """Volumes of the same names in a folder for each patient: a contrast each, and perhaps a mask of lesions."""
    folders: dict[Path, set[str]] = defaultdict(set)
    for path, one in looks.items():
        if one.format in _VOLUMES:
            folders[path.parent].add(path.name)
    names = sorted(set.intersection(*folders.values())) if folders else []
    masks = [name for name in names if _MASK_WORD.search(name)]
    contrasts = {re.split(r"[_.]", name)[0]: f"*/{name}" for name in names if name not in masks}
    if len(masks) < 2 and len(contrasts) > 1 and len(contrasts) + len(masks) == len(names) and source not in folders:
        table = ", ".join(f'"{contrast}"="{pattern}"' for contrast, pattern in contrasts.items())
        mask = [f"mask=*/{name}" for name in masks]
        yield _Candidate("breast_mr", source, (f"contrasts={{{table}}}", *mask, "region=body"))


def _folders_to_the_fullest(source: Path, looks: Mapping[Path, Look]) -> list[Path]:
    """The source, the folder with most images, and those between, from above."""
    places = Counter(path.parent for path in looks)
    fullest = places.most_common(1)[0][0] if places else source
    return [folder for folder in (*reversed(fullest.parents), fullest) if folder.is_relative_to(source)]


def _named_mammograms(source: Path, names: Mapping[str, Path]) -> Iterator[_Candidate]:
    """Mammograms whose files are named as in the two data bases of film mammograms that everybody has."""
    if not names:
        return
    if sum(bool(_MINI_MIAS.search(name)) for name in names) > _MOST * len(names):
        yield _Candidate("mammogram", source, ("pairs=true", "crop=breast"))
    if sum(bool(_DDSM.search(name)) for name in names) > _MOST * len(names):
        settings = []
        if all(re.search(r"\b(train|test)\w*/", name) for name in names):
            settings.append(rf"names=(?P<split>train|test)\w*/.*{_DDSM_NAMES}")
        else:
            settings.append(f"names={_DDSM_NAMES}")
        if pattern := _mask_pattern(names):
            settings = [f"masks={pattern}", *_labels(names, pattern), *settings]
        yield _Candidate("mammogram", source, tuple(settings))


def _mask_pattern(names: Mapping[str, Path]) -> str:
    """{folder}_x/{stem}_y.png where such a file stands beside half of the files, else ""."""
    votes: Counter[str] = Counter()
    stems: dict[tuple[str, str], str] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        stems[folder, file.rpartition(".")[0]] = file.rpartition(".")[2]
    folders = {folder for folder, _ in stems}
    for folder, stem in stems:
        for other in folders:
            if other != folder and other.startswith(folder) and "/" not in other[len(folder) :]:
                for end in _ends(stems, other, stem):
                    votes[f"{{folder}}{other[len(folder) :]}/{{stem}}{end}.{stems[other, stem + end]}"] += 1
    pattern, count = votes.most_common(1)[0] if votes else ("", 0)
    return pattern if 2 * count >= len(names) - count else ""


def _ends(stems: Mapping[tuple[str, str], str], folder: str, stem: str) -> list[str]:
    return [other[len(stem) :] for place, other in stems if place == folder and other.startswith(stem)]


def _labels(names: Mapping[str, Path], pattern: str) -> list[str]:
    """The setting for the values of some masks where they hold more than two: the smallest is the background."""
    values: set[int] = set()
    ending = pattern.rpartition("{stem}")[2]
    for path in [path for name, path in names.items() if name.endswith(ending)][:8]:
        try:
            values |= set(np.unique(sources.read(path).pixels).tolist())
        except SourceError:
            continue
    if not 2 < len(values) <= 16:
        return []
    ordered = sorted(values)
    named = [f"background={ordered[0]}", *(f"label_{value}={value}" for value in ordered[1:])]
    return [f"labels={{{', '.join(named)}}}"]

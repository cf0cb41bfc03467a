"""The command that prepares a folder: kinds are proposed by modality, names and pictures, and tried.

A kind is asked what it would find, with its own function, so what is told to be left out is what would be left out. The
command is for the whole folder; where something is missing that would drop masks or mix contrasts, it is said, and no
command is given.
"""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from synthmed import sources
from synthmed.checkup.headers import Look
from synthmed.checkup.reasons import Anonymous
from synthmed.checkup.subject import subject_of
from synthmed.checkup.trial import Trial, try_out
from synthmed.checkup.unnamed import pattern_of, unnamed_masks
from synthmed.config import parse, read_overrides
from synthmed.data.cautions import of_names
from synthmed.data.kinds import find_kind, kind_names
from synthmed.data.kinds._contract import Item, Map
from synthmed.data.kinds._hounsfield import seems_moved
from synthmed.errors import ConfigError, InputError, LayoutError, SourceError
from synthmed.sources.contrasts import modality_of
from synthmed.sources.folders import relative
from synthmed.sources.partners import sort_names

_FEW_PICTURES, _FEW_VOLUMES = 64, 6  # that are looked at for masks without a name
_VOLUMES = ("NIfTI", "NRRD")
_PICTURES = ("retina", "cells", "generic")
_DRAWN = ("SEG", "RTSTRUCT")
_MINI_MIAS = re.compile(r"mdb\d{3}\b")
_DDSM = re.compile(r"[A-Z]_\d+_\d+\.(LEFT|RIGHT)_(MLO|CC)")
_DDSM_NAMES = r"(?P<patient_id>[A-Z]_\d+)_\d+\.(?P<laterality>LEFT|RIGHT)_(?P<view>MLO|CC)"
_MOST = 0.4  # of the files, so that a mask for each image does not hide what the images are called
_BELOW_AIR = -500  # a volume with smaller values is in Hounsfield units
_ENOUGH = 1_000_000  # values of a volume


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """How to prepare a folder.

    Args:
        kind: of data set; "" = none fits.
        command: to type; "" where something is missing.
        items: images, series or studies that would be used.
        patients: they are of, as prepare counts them.
        account: what every file would be, as a sentence; "" where nothing was planned.
        left_out: reason -> files that would be left out for it.
        refused: kind -> what it said, of those that were tried before.
        missing: what has to be given first, as a sentence; "" = nothing.
        tried: items that were made into images, as prepare does.
        failed: reason -> of these, the items that prepare would leave out besides.
        cautions: what to look at before the command is used.
    """

    kind: str
    command: str
    items: int
    patients: int
    account: str
    left_out: dict[str, int]
    refused: dict[str, str]
    missing: str
    tried: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()


class _MissingError(Exception):
    """Something has to be given before the likeliest kind can be used."""


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
    """The likeliest kind that finds something in the folder, and what it would make images of.

    Args:
        source: the folder.
        looks: what the headers of its images say.
        run: like ``map``.
    """
    anonymous = Anonymous(source)
    refused: dict[str, str] = {}
    kind = missing = ""
    for candidate in _candidates(source, looks, run):
        if candidate.kind not in kind_names():
            continue
        try:
            _refuse_drawn(looks)
            settled, trial = _try_with_masks(candidate, looks, run)
        except _MissingError as error:
            kind, missing = candidate.kind, anonymous.reason(str(error))
            break
        except InputError as error:
            refused.setdefault(candidate.kind, anonymous.reason(str(error)))
            continue
        siblings = trial.plan.siblings
        cautions = (of_names(**asdict(siblings)),) if siblings else ()
        if siblings and siblings.pattern:
            settled, trial = _with_patients(settled, trial, siblings.pattern, run)
        return replace(_proposal(settled, trial, refused, anonymous), cautions=cautions), trial.plan.items
    return _nothing(kind, missing, refused), []


def _proposal(candidate: _Candidate, trial: Trial, refused: dict[str, str], anonymous: Anonymous) -> Proposal:
    planned = trial.plan
    reasons = Counter(anonymous.reason(reason, file) for file, reason in planned.rejected)
    failed = Counter(anonymous.reason(reason, file) for file, reason in trial.failed)
    return Proposal(
        kind=candidate.kind,
        command=candidate.command,
        items=len(planned.items),
        patients=len({item.patient_id for item in planned.items}),
        account=planned.account.sentence,
        left_out=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        refused=refused,
        missing="",
        tried=trial.tried,
        failed=dict(sorted(failed.items(), key=lambda pair: (-pair[1], pair[0]))),
    )


def _nothing(kind: str, missing: str, refused: dict[str, str]) -> Proposal:
    return Proposal(
        kind=kind, command="", items=0, patients=0, account="", left_out={}, refused=refused, missing=missing
    )


def _refuse_drawn(looks: Mapping[Path, Look]) -> None:
    """Segmentations as DICOM are not read: a command would drop them."""
    drawn = Counter(one.modality for one in looks.values() if one.modality in _DRAWN)
    if drawn and any(one.modality not in _DRAWN for one in looks.values()):
        found = " and ".join(f"{count} of {modality}" for modality, count in drawn.items())
        raise _MissingError(
            f"There are segmentations as DICOM ({found}), which are not read; expected masks as NIfTI. Convert them, "
            "or move them away to go without masks."
        )


def _try_with_masks(candidate: _Candidate, looks: Mapping[Path, Look], run: Map) -> tuple[_Candidate, Trial]:
    """What ``prepare`` would do, with the setting for masks whose names do not say that they are masks.

    Raises:
        InputError: the kind finds nothing here, or cannot make an image of what it finds.
        _MissingError: it needs something that the folder does not say.
    """
    trial = _try(candidate, run)
    if candidate.kind not in (*_PICTURES, "ct"):
        return candidate, trial
    by_name = {relative(path, candidate.folder): look for path, look in looks.items()}
    names = [name for name in sort_names(list(by_name)).images if by_name[name].format != "DICOM"]
    used = {relative(path, candidate.folder) for item in trial.plan.items for path in item.files}
    # Those that are used, and those that are not, where masks of another depth than the images are.
    parts = ([name for name in names if name in used], [name for name in names if name not in used])
    few = _FEW_VOLUMES if any(by_name[name].format in _VOLUMES for name in names) else _FEW_PICTURES
    drawn = [name for part in parts for name in unnamed_masks(part, few, candidate.folder, run)]
    if not drawn:
        return candidate, trial
    pattern = pattern_of(drawn, names)
    told = replace(candidate, settings=(*candidate.settings, f"masks={pattern}"))
    try:
        if pattern:
            return told, _try(told, run)
    except (InputError, _MissingError):
        pass
    raise _MissingError(
        f"Of the pictures that were looked at {len(drawn)} hold two values, as masks do, and their names do not say "
        "whose they are; expected a folder named masks, or names that end in _mask. Name them so, or say by --set "
        "masks=PATTERN which files are masks."
    )


def _try(candidate: _Candidate, run: Map) -> Trial:
    """What ``prepare`` would do.

    Raises:
        InputError: the kind finds nothing here, or cannot make an image of what it finds.
        _MissingError: it finds images, and would drop or mix something without more being said.
    """
    kind = find_kind(candidate.kind)
    settings = parse(kind.Settings, read_overrides(candidate.settings), candidate.kind)
    try:
        found = kind.find(candidate.folder, settings, run)
    except (ConfigError, LayoutError) as error:
        raise _MissingError(str(error)) from error
    trial = try_out(candidate.folder, candidate.kind, found, settings, run)
    if len(trial.failed) < trial.tried:
        return trial
    reason = trial.failed[0][1]
    if trial.plan.items[0].partners and "mask" in reason:
        raise _MissingError(reason)
    raise SourceError(reason)


def _with_patients(candidate: _Candidate, trial: Trial, pattern: str, run: Map) -> tuple[_Candidate, Trial]:
    """The same with the pattern for patients that the names call for; as it was where that does not work."""
    told = replace(candidate, settings=(*candidate.settings, f"patient={pattern}"))
    try:
        return told, _try(told, run)
    except (InputError, _MissingError):
        return candidate, trial


def _candidates(source: Path, looks: Mapping[Path, Look], run: Map) -> Iterator[_Candidate]:
    """What the folder may be, the likeliest first."""
    names = {relative(path, source): path for path in looks}
    found = sort_names(list(names))
    modalities = Counter(one.modality for one in looks.values() if one.modality)
    likeliest = {modality: None for modality, _ in modalities.most_common()}
    volumes = [names[name] for name in found.images if looks[names[name]].format in _VOLUMES]
    if volumes:
        likeliest |= {"CT" if _is_ct(volumes, source) else "MR": None}
    for modality in likeliest:
        if modality == "MG":
            yield _Candidate("mammogram", source)
        elif modality == "CT":
            yield _Candidate("ct", source)
        elif modality == "MR":
            yield _Candidate("breast_mr", source)
            yield from _named_contrasts(source, volumes)
            yield _Candidate("breast_mr", source, ("output=slices",))
    pictures = [names[name] for name in found.images if not looks[names[name]].modality and names[name] not in volumes]
    if pictures:
        yield from _of_pictures(source, pictures, [names[name] for name in found.masks], run)
    # What the headers call CT or mammograms is not taken for pictures of any values where its own kind refuses it.
    if not {"CT", "MG"} & likeliest.keys():
        yield _Candidate("generic", source)


def _of_pictures(source: Path, pictures: list[Path], masks: list[Path], run: Map) -> Iterator[_Candidate]:
    """Pictures without headers, by what they show."""
    names = [relative(path, source) for path in pictures]
    if sum(bool(_MINI_MIAS.search(name)) for name in names) > _MOST * len(names):
        yield _Candidate("mammogram", source, ("pairs=true", "crop=breast"))
    elif sum(bool(_DDSM.search(name)) for name in names) > _MOST * len(names):
        split = r"(?P<split>train|test)\w*/.*" if all(re.search(r"\b(train|test)\w*/", name) for name in names) else ""
        yield _Candidate("mammogram", source, (*_labels(masks), f"names={split}{_DDSM_NAMES}"))
    elif sum(modality_of(f"{source.resolve().name}/{name}") == "CT" for name in names) > _MOST * len(names):
        yield _Candidate("ct", source)
    elif subject := subject_of(source, pictures, masks, run):
        yield _Candidate(subject, source)


def _is_ct(volumes: Sequence[Path], source: Path) -> bool:
    """Whether names say CT, or numbers do: they reach below air, or would be Hounsfield units by another intercept.

    Headers of volumes do not say their unit. What should be CT and is not, prepare refuses.
    """
    said = {path: modality_of(relative(path, source)) for path in volumes}
    if "CT" in said.values():
        return True
    unsaid = [path for path, modality in said.items() if not modality]
    for place in sorted({round(place) for place in np.linspace(0, len(unsaid) - 1, 4)}) if unsaid else ():
        try:
            values = sources.read(unsaid[place]).pixels
        except (SourceError, MemoryError):
            continue
        values = values.ravel()[:: max(1, values.size // _ENOUGH)].astype(np.float32)
        if float(np.nanmin(values)) < _BELOW_AIR or seems_moved(values):
            return True
    return False


def _named_contrasts(source: Path, volumes: Sequence[Path]) -> Iterator[_Candidate]:
    """Volumes of the same names in a folder for each patient: a contrast each."""
    folders: dict[Path, set[str]] = defaultdict(set)
    for path in volumes:
        folders[path.parent].add(path.name)
    names = sorted(set.intersection(*folders.values())) if len(folders) > 1 else []
    contrasts = {re.split(r"[_.]", name)[0]: f"*/{name}" for name in names}
    if len(names) > 1 and len(contrasts) == len(names) and source not in folders:
        table = ", ".join(f'"{contrast}"="{pattern}"' for contrast, pattern in contrasts.items())
        yield _Candidate("breast_mr", source, (f"contrasts={{{table}}}", "region=body"))


def _labels(masks: Sequence[Path]) -> list[str]:
    """The setting for the values of some masks where they hold more than two: the smallest is the background."""
    values: set[int] = set()
    for path in masks[:8]:
        try:
            values |= set(np.unique(sources.read(path).pixels).tolist())
        except SourceError:
            continue
    if not 2 < len(values) <= 16:
        return []
    ordered = sorted(values)
    named = [f"background={ordered[0]}", *(f"label_{value}={value}" for value in ordered[1:])]
    return [f"labels={{{', '.join(named)}}}"]

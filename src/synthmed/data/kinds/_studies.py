"""Which volumes make a study, and which mask is its own."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath

from synthmed.data.kinds._contract import Item, Rejection
from synthmed.data.kinds._contrasts import Stack, stacks_of
from synthmed.data.kinds._folders import masks_of, reject_all
from synthmed.data.kinds._series import series_of, without_copies
from synthmed.sources.contrasts import case_and_contrast
from synthmed.sources.folders import relative
from synthmed.sources.image import SourceHeader


def studies_of(headers: list[SourceHeader], source: Path, rejected: list[Rejection]) -> list[list[Stack]]:
    """The volumes of each study: DICOM by patient and study, other files by their folder.

    Studies of one patient in one frame of reference are one: archives hand out T2 as a study of its own.

    What is no grey MR, and pictures that come twice, are added to ``rejected``.
    """
    studies: dict[tuple[str, ...], list[Stack]] = defaultdict(list)
    for group in series_of(headers):
        series, copies = without_copies(group)
        for copy, first in copies:
            reason = f"It is the same picture as {relative(first, source)}; expected each once. Remove one."
            rejected.append(Rejection(file=relative(copy, source), reason=reason))
        first_header = series[0]
        stacks = stacks_of(series, lambda path: relative(path, source))
        if first_header.modality not in ("", "MR") or first_header.channels != 1:
            what = first_header.modality if first_header.modality not in ("", "MR") else "coloured"
            reject_all((header.path for header in series), f"It is {what}; expected grey MR.", source, rejected)
        elif first_header.format == "DICOM":
            studies["DICOM", first_header.patient_id, first_header.study_id] += stacks
        else:
            name = relative(first_header.path, source)
            case, channel = case_and_contrast(name)
            # In nnU-Net's layout the cases lie in one folder, each channel its own file.
            studies["file", case if channel.isdigit() else name.rpartition("/")[0]] += stacks
    return _joined(studies)


def _joined(studies: dict[tuple[str, ...], list[Stack]]) -> list[list[Stack]]:
    """Studies of DICOM, those of one patient whose positions are given in the same coordinates as one."""
    joined: dict[tuple[str, ...], list[Stack]] = {}
    owners: dict[tuple[str, str], tuple[str, ...]] = {}
    for key, stacks in studies.items():
        frames = {stack.headers[0].frame_of_reference for stack in stacks} - {""}
        known = [owners[key[1], frame] for frame in sorted(frames) if key[0] == "DICOM" and (key[1], frame) in owners]
        place = known[0] if known else key
        joined.setdefault(place, []).extend(stacks)
        owners |= {(key[1], frame): place for frame in frames}
    return list(joined.values())


def common_folder(names: list[str]) -> str:
    """The folder that holds all files named, or the first file where that is the source itself."""
    folders = [PurePosixPath(name).parent.parts for name in names]
    shared = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared) or min(names)


def with_masks(
    items: list[Item], masks: list[Path], source: Path, rejected: list[Rejection], *, told: bool
) -> list[Item]:
    """Give studies their lesion masks; one without stays, it may be healthy.

    Args:
        items: studies, named by their folders.
        masks: files.
        source: the source folder.
        rejected: masks that belong to no study, or to several, are added.
        told: whether the user said by a pattern which files are masks.
    """
    mine = masks_of(items, masks, source, rejected, told=told) if masks else {}
    return [replace(item, partners=mine[item.name]) if item.name in mine else item for item in items]

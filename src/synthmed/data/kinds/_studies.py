"""Which volumes make a study, and which mask is its own."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path, PurePosixPath

from synthmed.data.kinds._contract import Item, Rejection
from synthmed.data.kinds._contrasts import Stack, stacks_of
from synthmed.data.kinds._folders import IMAGE_FOLDERS, MASK_FOLDERS, place_of
from synthmed.data.kinds._series import series_of, without_copies
from synthmed.sources.folders import relative
from synthmed.sources.image import SourceHeader


def studies_of(headers: list[SourceHeader], source: Path, rejected: list[Rejection]) -> list[list[Stack]]:
    """The volumes of each study: DICOM by patient and study, other files by their folder.

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
            rejected.append(Rejection(file=stacks[0].name, reason=f"It is {what}; expected grey MR."))
        elif first_header.format == "DICOM":
            studies["DICOM", first_header.patient_id, first_header.study_id] += stacks
        else:
            studies["folder", str(first_header.path.parent)] += stacks
    return list(studies.values())


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
    items: list[Item], masks: list[Path], source: Path, rejected: list[Rejection], *, beside: bool
) -> list[Item]:
    """Give studies their lesion masks; one without stays, it may be healthy.

    Args:
        items: studies, named by their folders.
        masks: files.
        source: the source folder.
        rejected: masks that belong to no study, or to several, are added.
        beside: whether masks lie in the folder of their study, not in ``masks`` under its name.
    """
    owners: dict[object, list[Item]] = defaultdict(list)
    for item in items:
        folder = source / item.name
        if beside:
            for place in {folder, *(path.parent for path in item.files)}:
                owners[place].append(item)
        else:
            place_in_images = place_of(folder, source, IMAGE_FOLDERS) or place_of(item.files[0], source, IMAGE_FOLDERS)
            owners[place_in_images].append(item)
    mine: dict[str, Path] = {}
    for mask in masks:
        found = owners.get(mask.parent if beside else place_of(mask, source, MASK_FOLDERS), [])
        if len(found) == 1 and found[0].name not in mine:
            mine[found[0].name] = mask
            continue
        reason = f"It is a mask of {len(found)} studies, or a second one; expected one a study, under its name."
        rejected.append(Rejection(file=relative(mask, source), reason=reason))
    return [replace(item, partners=(mine[item.name],)) if item.name in mine else item for item in items]

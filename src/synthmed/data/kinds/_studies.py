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

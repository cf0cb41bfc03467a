"""Synthetic images as other tools leave them: which mask and which facts belong to which image of a folder.

Told in this order: a table ``samples.csv``; ``images/NAME.png`` or ``images/NAME-K.png`` beside ``masks/NAME.png``, K
counting the images of one mask; then the names that real images may have (``raster``). A folder in which an image
cannot be led to one mask is refused: an image that is left out is an image that nobody looks at.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmed.errors import ArtifactError, SourceError
from synthmed.files.paths import inside
from synthmed.harmless import from_cell
from synthmed.sources.folders import list_files
from synthmed.sources.layouts import NO_MASK
from synthmed.sources.metadata import read_table
from synthmed.sources.pixels import EXTENSIONS, binary_mask, read_image
from synthmed.sources.raster import find
from synthmed.sources.words import stem

TABLE = "samples.csv"
COLUMNS = ("file_name", "mask_name", "seed", "label", "lineage", "mask_from", "style_from")
LAYOUT = (
    "Read are images/NAME.png beside masks/NAME.png, images/NAME-1.png and so on for several images of one mask, "
    f"NAME.png beside NAME_mask.png in one folder, or a table {TABLE} with the columns file_name and mask_name."
)
_MOST_LABELS = 64
"""Values of label maps, background included; more of them are those of a picture, or of a mask saved as JPEG."""
_COUNTED = re.compile(r"(.+)[-_]\d+")


@dataclass(frozen=True, kw_only=True)
class FoundSample:
    """One synthetic image: its file, its mask's file, and what the table says of it, "" where nothing is said."""

    file_name: str
    mask_name: str = ""
    seed: str = ""
    label: str = ""
    lineage: str = ""
    mask_from: str = ""
    style_from: str = ""


def find_samples(folder: Path) -> tuple[list[FoundSample], list[str]]:
    """The synthetic images of a folder, in the order of their names, and what is left out, file and reason.

    Raises:
        SourceError: there are none, the table cannot be read, or an image cannot be led to one mask.
    """
    if (folder / TABLE).is_file():
        return _by_table(folder)
    paired = _by_names(folder)
    if paired:
        return paired, _others(folder, paired)
    found = find(folder)
    several = [image.path.name for image in found.images if len(image.mask_paths) > 1]
    alone = [one.file for one in found.rejected if one.reason == NO_MASK]
    if several or alone:
        what = f"{several[0]} has several masks" if several else f"{alone[0]} has no mask, and others have one"
        raise SourceError(f"In {folder} {what}; expected one mask for each image, or none at all. {LAYOUT}")
    samples = [
        FoundSample(
            file_name=image.path.relative_to(folder).as_posix(),
            mask_name=image.mask_paths[0].relative_to(folder).as_posix() if image.mask_paths else "",
            label=image.label,
        )
        for image in found.images
    ]
    return samples, [f"{rejection.file}: {rejection.reason}" for rejection in found.rejected]


def mask_values(paths: Iterable[Path]) -> tuple[int, ...]:
    """The values that the label maps of a set hold, all together.

    Returns:
        (0, 1) where each holds two at most, as black and white do; else the labels as they are stored.

    Raises:
        SourceError: colours, numbers of 16 bits, or more values than label maps have.
    """
    values: set[int] = set()
    for path in paths:
        pixels = read_image(path)
        if len(pixels) > 1 or pixels.dtype != np.uint8:
            binary_mask(pixels, path.name)  # of two colours
            values |= {0, 1}
            continue
        values |= set(np.unique(pixels).tolist())
        if len(values) > _MOST_LABELS:
            raise SourceError(
                f"{path.name} and the masks before it hold {len(values)} different values; expected 0 and 255, or at "
                f"most {_MOST_LABELS} labels from 0 on. Save masks as PNG, not JPEG, and without smoothing."
            )
    return (0, 1) if len(values | {0}) <= 2 else tuple(sorted(values))


def read_labels(path: Path, values: Sequence[int]) -> np.ndarray:
    """The label map [H W], uint8, of a file of a set whose masks hold these values (``mask_values``)."""
    pixels = read_image(path)
    return binary_mask(pixels, path.name) if tuple(values) == (0, 1) else pixels[0]


def _by_names(folder: Path) -> list[FoundSample]:
    """Images beside masks in two folders, each image led to the mask of its name; [] where that is not the layout."""
    images, masks = (_pictures(folder / name) for name in ("images", "masks"))
    if not images or not masks:
        return []
    by_stem = {stem(name): name for name in masks}
    if len(by_stem) < len(masks):
        return []
    found = []
    for name in images:
        bare = stem(name)
        counted = _COUNTED.fullmatch(bare)
        mask = by_stem.get(bare) or (by_stem.get(counted[1]) if counted else None)
        if mask is None:
            return []
        found.append(FoundSample(file_name=f"images/{name}", mask_name=f"masks/{mask}"))
    return found


def _others(folder: Path, samples: Sequence[FoundSample]) -> list[str]:
    """What else lies in a folder, each with the reason why it is not used."""
    used = {name for one in samples for name in (one.file_name, one.mask_name)}
    files, left_out = list_files(folder)
    names = [one.relative_to(folder).as_posix() for one in files]
    return [f"{name}: It is no image or mask of this layout." for name in names if name not in used] + [
        f"{name}: {reason}" for name, reason in left_out.items()
    ]


def _pictures(folder: Path) -> list[str]:
    """The names of the image files that lie in a folder, sorted; [] where there is no such folder."""
    if not folder.is_dir():
        return []
    files, _ = list_files(folder)
    return sorted(one.name for one in files if one.parent == folder and one.name.lower().endswith(EXTENSIONS))


def _by_table(folder: Path) -> tuple[list[FoundSample], list[str]]:
    rows = _rows(folder / TABLE)
    if not rows:
        raise SourceError(f"{folder / TABLE} has no rows; expected one for each image. {LAYOUT}")
    samples = [FoundSample(**row) for row in rows]
    names = [name for one in samples for name in (one.file_name, one.mask_name) if name]
    for name in names:
        try:
            there = inside(folder, name).is_file()
        except ArtifactError as error:
            raise SourceError(str(error)) from error
        if not there:
            raise SourceError(f"{folder / TABLE} names {name!r}, which is not there. Add the file or remove its row.")
    counts = Counter(one.file_name for one in samples)
    twice = next((name for name, count in counts.items() if count > 1), "")
    if twice:
        raise SourceError(f"{folder / TABLE} names {twice!r} twice; expected one row for each image. Remove one.")
    pictures = (*EXTENSIONS, *(end.upper() for end in EXTENSIONS))
    return samples, [told for told in _others(folder, samples) if told.partition(": ")[0].endswith(pictures)]


def _rows(table: Path) -> list[dict[str, str]]:
    rows = read_table(table, COLUMNS)
    if not all(row["file_name"] for row in rows):
        raise SourceError(f"{table} has a row without a file_name; expected one in each. Correct it.")
    return [{column: from_cell(value) for column, value in row.items()} for row in rows]

"""The two sides of an evaluation: opened, and refused with a sentence where they cannot be compared.

The real side is a prepared data set, or any folder of real images: patients and splits are those of its
``metadata.csv`` or of a known layout, otherwise every file is a patient of its own. Nothing is ever resized, rescaled
or converted to make the sides alike.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from synthmed.artifacts import MANIFEST, digest_of, file_digest
from synthmed.data.arrays import IMAGES, MASKS
from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset, split_infos
from synthmed.data.index import Row
from synthmed.data.masks import holds_two_values
from synthmed.errors import DataError
from synthmed.samples import SampleSet
from synthmed.sources.pixels import read_header, read_image, read_mask
from synthmed.sources.raster import FoundImage, find

_CHUNK = 64
_COLOURS = ["red", "green", "blue"]


def open_real(path: Path) -> PreparedDataset:
    """The real side: a prepared data set, or a folder of real images of one size, channels and depth.

    Images of a folder without a declared split are all in "train".

    Raises:
        ArtifactError: a damaged data set.
        SourceError: a folder without an image that can be read.
        DataError: the images of a folder differ in size, channels or bit depth.
    """
    if (path / MANIFEST).is_file():
        return PreparedDataset.open(path)
    found = find(path)
    headers = {(h.channels, h.height, h.width, h.bits) for h in (read_header(image.path) for image in found.images)}
    if len(headers) > 1:
        one, other = (_kind(*kind) for kind in sorted(headers)[:2])
        raise DataError(
            f"The real images in {path} are of different kinds: {one}, and {other}. Nothing is resized or converted "
            "silently: bring them to one kind, or run synthmed prepare."
        )
    channels, height, width, bits = headers.pop()
    rows = tuple(_row(image, path, height, width, bits) for image in found.images)
    info = DatasetInfo(
        kind="folder",
        channels=_COLOURS
        if channels == 3
        else ["grey"]
        if channels == 1
        else [f"channel {c}" for c in range(channels)],
        height=height,
        width=width,
        bits=8 if bits == 8 else 16,
        intensity=Intensity(low=0, high=2.0**bits - 1, unit="stored value"),
        mask_labels={"0": "background", "1": "foreground"} if all(image.mask_paths for image in found.images) else {},
        has_fields=all(image.field_path is not None for image in found.images),
        splits=split_infos(rows),
        provenance={"rejected": {rejection.file: rejection.reason for rejection in found.rejected}},
    )
    digest = digest_of({"kind": "folder", "rows": [[row.id, row.source_digest] for row in rows]})
    return PreparedDataset(path, info, rows, digest, np.arange(len(rows)), _FolderPixels(found.images))


def fitted_from(made: SampleSet, true: PreparedDataset) -> tuple[tuple[int, int], ...]:
    """The sizes that synthetic images have, the commonest first; () where all have the size of the real ones."""
    sizes = Counter(made.images([place]).shape[2:] for place in range(len(made)))
    wanted = (true.info.height, true.info.width)
    return () if set(sizes) == {wanted} else tuple((int(h), int(w)) for (h, w), _ in sizes.most_common())


def check_sides(
    made: SampleSet, true: PreparedDataset, way_out: str = "bring both to one kind first"
) -> list[str]:  # fmt: skip
    """Refuse sides that cannot be compared.

    Args:
        made: the synthetic images.
        true: the real ones.
        way_out: what to do about sides of other sizes.

    Returns:
        Warnings, such as that some images are of one value.

    Raises:
        DataError: sides of different size, channels or bit depth, fewer than two images on a side, a side whose
            images are all of one value, or pictures on one side or on both with masks among them.
    """
    expected = (len(true.info.channels), true.info.height, true.info.width, true.info.bits)
    warnings = []
    drawn: dict[str, int] = {}
    for side, images in (("synthetic", made), ("real", true)):
        flat, drawn[side] = _count_flat(side, images, expected, way_out)
        if flat == len(images):
            raise DataError(
                f"All {len(images)} {side} images in {images.path.name} are of one value everywhere; expected "
                "pictures. Look at how they were made or converted."
            )
        if flat:
            warnings.append(f"{flat} of {len(images)} {side} images are of one value everywhere.")
    if any(drawn.values()) and drawn != {"synthetic": len(made), "real": len(true)}:
        raise DataError(
            f"{drawn['synthetic']} of {len(made)} synthetic and {drawn['real']} of {len(true)} real images hold two "
            "values alone, as masks do; expected pictures. Put masks into a folder named masks, let their names end in "
            "_mask, or take them out."
        )
    known = {int(label) for label in true.info.mask_labels} or {0, 1}
    strange = sorted(set(made.labels) - known)
    if strange and true.has_masks:
        raise DataError(
            f"The masks of {made.path.name} hold the value {strange[0]}; {true.path.name} has the labels "
            f"{', '.join(map(str, sorted(known)))}. Store the same labels, or 0 and 255 where there is one."
        )
    return warnings


def _count_flat(
    side: str, images: SampleSet | PreparedDataset, expected: tuple[int, int, int, int], way_out: str
) -> tuple[int, int]:
    """How many images of a side are of one value, and how many of two, each looked at once."""
    if len(images) < 2:
        raise DataError(
            f"There is {len(images)} {side} image in {images.path.name}; expected at least 2, since sets are "
            "compared. Give more images."
        )
    flat = drawn = 0
    for first in range(0, len(images), _CHUNK):
        pixels = images.images(range(first, min(first + _CHUNK, len(images))))
        if pixels.dtype not in (np.uint8, np.uint16):
            raise DataError(
                f"The {side} images have pixels of the type {pixels.dtype}; expected uint8 or uint16. Nothing is "
                "rescaled silently: store them as whole numbers in the real images' range."
            )
        found = (*pixels.shape[1:], pixels.dtype.itemsize * 8)
        if found != expected:
            raise DataError(
                f"The {side} images in {images.path.name} have {_kind(*found)}; the real ones have "
                f"{_kind(*expected)}. Nothing is resized or converted silently: {way_out}."
            )
        flat += int((pixels.min((1, 2, 3)) == pixels.max((1, 2, 3))).sum())
        drawn += sum(holds_two_values(image) for image in pixels)
    return flat, drawn


class _FolderPixels:
    """The pixels of a folder of real images, read when they are asked for."""

    def __init__(self, images: list[FoundImage]) -> None:
        self._images = images

    def gather(self, what: str, positions: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Pictures [N ...] at the positions, in that order."""
        gathered = np.empty((len(positions), *shape), dtype)
        for place, position in enumerate(positions):
            image = self._images[int(position)]
            if what == IMAGES:
                gathered[place] = read_image(image.path)
                continue
            paths = image.mask_paths if what == MASKS else (image.field_path,)
            gathered[place] = np.maximum.reduce([read_mask(path) for path in paths if path is not None])
        return gathered


def _row(image: FoundImage, folder: Path, height: int, width: int, bits: int) -> Row:
    whole: dict[str, Any] = {"source_height": height, "source_width": width, "scale": 1.0, "pad_top": 0, "pad_left": 0}
    return Row(
        id=image.path.relative_to(folder).as_posix(),
        patient_id=image.patient_id,
        split=image.split or "train",
        label=image.label,
        mask_source="manual" if image.mask_paths else "none",
        source_digest=file_digest(image.path),
        **whole,
        low=(0.0,),
        high=(2.0**bits - 1,),
    )


def _kind(channels: int, height: int, width: int, bits: int) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'}, {height} x {width} pixels and {bits} bits"

"""NIfTI-1 with an affine, and a JSON sidecar that says what NIfTI cannot: that it is synthetic, and of what.

A synthetic slice lies nowhere in a patient. It is put as an axial one whose middle is the origin, rows to the back and
columns to the left as DICOM shows it, one voxel thick. Where the spacing is unknown a voxel measures 1 mm, and the
sidecar says so. Voxels are the stored numbers; slope and intercept make them physical.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from synthmed.formats._contract import channel_place, place
from synthmed.formats.meaning import Meaning, Provenance, facts_of
from synthmed.samples import Sample

_LEVEL = 1
"""Of compression, as nibabel has it: a fifth of the time of the usual one, files a few percent larger."""


class NiftiWriter:
    """The writer of nifti.

    Args:
        meaning: of the stored numbers.
        provenance: what the images were made from.
    """

    def __init__(self, meaning: Meaning, provenance: Provenance) -> None:
        self._meaning, self._provenance = meaning, provenance

    def add(
        self, folder: Path, number: int, sample: Sample, image: NDArray[np.integer], mask: NDArray[np.uint8] | None
    ) -> list[Path]:
        """Write a file for each channel, its mask, and one sidecar for all."""
        meaning, files = self._meaning, []
        for channel, plane in enumerate(image):
            files.append(channel_place(folder, number, meaning.channels, channel, ".nii.gz"))
            files[-1].write_bytes(packed(plane, meaning.spacing_mm, meaning.slope, meaning.low))
        if mask is not None:
            files.append(place(folder, "masks", number, ".nii.gz"))
            files[-1].write_bytes(packed(mask, meaning.spacing_mm))
        files.append(place(folder, "images", number, ".json"))
        files[-1].write_text(json.dumps(self._sidecar(sample), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return files

    def close(self, folder: Path) -> list[Path]:
        """Nothing waits."""
        return []

    def _sidecar(self, sample: Sample) -> dict[str, Any]:
        """In the words of BIDS where it has some."""
        meaning, provenance = self._meaning, self._provenance
        return {
            "SyntheticData": True,
            "ConversionSoftware": "synthmed",
            "ConversionSoftwareVersion": provenance.version,
            "MadeBy": provenance.made_by,
            "Origin": provenance.origin,
            "Kind": meaning.kind,
            "Channels": list(meaning.channels),
            "Units": meaning.unit,
            "SpacingIsKnown": bool(meaning.spacing_mm),
            "Labels": meaning.mask_labels,
        } | facts_of(sample)


def packed(plane: NDArray[np.integer], spacing_mm: tuple[float, ...], slope: float = 1.0, low: float = 0.0) -> bytes:
    """A slice [H W] uint8 or uint16 as the bytes of a ``.nii.gz`` file; the same slice, the same bytes.

    Args:
        plane: as DICOM shows an axial slice: rows to the back, columns to the left.
        spacing_mm: between rows and columns; () = unknown.
        slope: what one step means.
        low: what 0 means.
    """
    rows, columns = spacing_mm or (1.0, 1.0)
    height, width = plane.shape
    # NIfTI counts x to the right and y to the front; both run against columns and rows.
    affine = np.diag([-columns, -rows, 1.0, 1.0])
    affine[:2, 3] = columns * (width - 1) / 2, rows * (height - 1) / 2
    image = nibabel.Nifti1Image(np.ascontiguousarray(plane.T)[:, :, None], affine)
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(slope, low)
    return gzip.compress(image.to_bytes(), _LEVEL, mtime=0)

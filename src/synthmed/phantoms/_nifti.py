"""Label maps as NIfTI files that lie on their DICOM series."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray


def write_labels(
    path: Path, labels: NDArray[np.uint8], position: Sequence[float], spacing: float, distance: float
) -> None:
    """Write the label map of an axial series.

    NIfTI counts x to the right and y to the front, DICOM x to the left and y to the back, so both change sign.

    Args:
        path: the file to make, ``*.nii.gz``.
        labels: [slice row column] uint8, slices from the feet upwards.
        position: x, y, z of the centre of the first pixel of the first slice, in DICOM's millimetres.
        spacing: size of a pixel in millimetres.
        distance: from slice to slice, in millimetres.
    """
    affine = np.diag([-spacing, -spacing, distance, 1.0])
    affine[:3, 3] = np.array(position) * (-1, -1, 1)
    image = nibabel.Nifti1Image(labels.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))  # no time of writing: same labels, same bytes

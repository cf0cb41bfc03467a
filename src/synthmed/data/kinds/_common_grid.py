"""One grid for all contrasts of a study, in the coordinates of the patient."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from synthmed.data.kinds._series import Volume


@dataclass(frozen=True, kw_only=True)
class CommonGrid:
    """Slices of square pixels that cover the field of view of one volume.

    Args:
        shape: slices, rows, columns.
        affine: [4 4], from (column, row, slice) to millimetres in the patient (LPS).
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Millimetres between rows and columns."""
        column, row = np.linalg.norm(self.affine[:3, :2], axis=0)
        return float(row), float(column)


def grid_over(volume: Volume, slices: int, side: int) -> CommonGrid:
    """The grid of ``slices`` times ``side`` x ``side`` pixels over a volume.

    The longer side of its field of view becomes ``side`` pixels and the shorter one is centred; the first and the last
    slice stay where they are, the others lie evenly between.
    """
    depth, height, width = volume.slices.shape
    row, column, _ = volume.spacing_mm
    pixel = max(height * row, width * column) / side
    scale = np.diag([pixel / column, pixel / row, (depth - 1) / max(1, slices - 1) if depth > 1 else 1.0, 1.0])
    # The centres of both fields of view coincide.
    scale[0, 3] = (width - 1) / 2 - scale[0, 0] * (side - 1) / 2
    scale[1, 3] = (height - 1) / 2 - scale[1, 1] * (side - 1) / 2
    return CommonGrid(shape=(slices, side, side), affine=volume.affine @ scale)


def onto(volume: Volume, grid: CommonGrid, *, nearest: bool = False) -> np.ndarray:
    """A volume on another grid: linear between voxels, or the nearest one; 0 where it has nothing.

    Args:
        volume: of any grid.
        grid: the target.
        nearest: for masks.

    Returns:
        [Z H W] float32, or the type of the mask.
    """
    swap = np.eye(4)[[2, 1, 0, 3]]  # arrays count slices, rows, columns; affines columns, rows, slices
    matrix = swap @ np.linalg.inv(volume.affine) @ grid.affine @ swap
    values = volume.slices if nearest else volume.slices.astype(np.float32)
    if volume.padding is not None:
        values = np.where(volume.padding, 0, values)
    turn = matrix[:3, :3]
    if np.abs(turn - np.diag(np.diag(turn))).max() < 1e-6:
        turn = np.diag(turn)  # parallel axes: SciPy then goes axis by axis, several times faster
    # A frame of one voxel repeats the border, so that a target in its outer half still gets a value.
    values = np.pad(values, 1, mode="edge")
    moved = ndimage.affine_transform(
        values, turn, matrix[:3, 3] + 1, grid.shape, order=0 if nearest else 1, mode="constant"
    )
    return np.asarray(moved)

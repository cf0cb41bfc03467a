"""What the images of a set have in common, for a model that makes images like them: size of a pixel, and view."""

from collections.abc import Sequence
from statistics import median

from synthmed.data.dataset import Row

_SIDES = ("L ", "R ")


def typical_spacing(rows: Sequence[Row]) -> list[float]:
    """The median millimetres between stored pixels, [row, column]; [] where an image does not say its own.

    Pictures of different scanners, fitted into one size, have pixels of different sizes, so this is a typical number
    and none of a single image.
    """
    known = [row.spacing_mm for row in rows if len(row.spacing_mm) == 2]
    return [float(median(axis)) for axis in zip(*known, strict=True)] if known and len(known) == len(rows) else []


def common_view(rows: Sequence[Row]) -> str:
    """The view that all images share, without the side, such as "MLO"; "" where they differ or do not say it."""
    found = {row.view[2:] if row.view.startswith(_SIDES) else row.view for row in rows}
    return found.pop() if len(found) == 1 else ""

"""What Hounsfield units say by themselves: whether they are plausible, and tissues by rules.

The rules are ours. They are cheap and cannot see organs: contrast medium denser than bone becomes bone, a collapsed
lung becomes soft tissue. A mask made by them says "derived" in its row, so that nobody takes it for a manual one.
"""

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import isotropic_closing, isotropic_dilation, isotropic_opening

from synthmed.errors import SourceError

TISSUES = ("fat", "soft tissue", "bone", "lung", "lung vessels", "air")
"""Labels 1, 2, ... of a derived map; 0 is what is not body, the table included."""

BODY_ABOVE = -300
"""Hounsfield units that skin, fat and muscle exceed, and that air and most covers of a table do not."""

_DENSE = 700
_FAT = (-200, -30)
_BONE, _COMPACT, _COMPACT_SHARE = 180, 450, 0.05
_AIR_BELOW = -400
_LUNG_MEDIAN = (-960, -500)
_LUNG_SPREAD = 30
_LUNG_AREA, _VESSEL_AREA = 400.0, 900.0
"""Square millimetres."""


def check_hounsfield(values: np.ndarray, name: str) -> None:
    """Refuse values that cannot be Hounsfield units of a body, as after a wrong rescale intercept.

    Args:
        values: of one acquisition, padding left out.
        name: of the item, for the message.

    Raises:
        SourceError: nothing is as dense as a body, or a sixth and more of the body is as dense as bone.
    """
    body = values[values > BODY_ABOVE]
    dense = float((body > _DENSE).mean()) if len(body) else 0.0
    if len(body) < 0.002 * values.size:
        found = f"{100 * len(body) / max(1, values.size):.1f} % of it is denser than {BODY_ABOVE} HU"
    elif dense > 0.16:
        found = f"{100 * dense:.0f} % of what is denser than {BODY_ABOVE} HU is above {_DENSE} HU"
    else:
        return
    raise SourceError(
        f"{name} holds no plausible Hounsfield units: {found}; expected air near -1000 and muscle near 50. Its rescale "
        "intercept is probably wrong or was applied twice: export it anew."
    )


def body_of(slice_hu: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """The body in an axial slice [H W]: what is no air, without thin things such as the table, holes filled.

    Args:
        slice_hu: Hounsfield units.
        spacing_mm: between rows and columns.

    Returns:
        bool [H W]; all False where there is none.
    """
    millimetre = 1 / float(np.mean(spacing_mm))
    dense = slice_hu > BODY_ABOVE
    parts = label(isotropic_opening(dense, 4 * millimetre), connectivity=1)
    areas = np.bincount(parts.ravel())
    areas[0] = 0
    # Arms beside the chest are parts of their own.
    large = areas >= max(0.05 * areas.max(), 1)
    body = isotropic_dilation(large[parts], 2 * millimetre) & dense
    return ndimage.binary_fill_holes(isotropic_closing(body, 3 * millimetre))


def tissues_of(slice_hu: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """A label map of ``TISSUES`` for an axial slice, by thresholds and shapes.

    Inside the body: air is below -400 HU; a piece of it is lung if it has 4 square centimetres, a median between -960
    and -500 HU and half of its values spread over more than 30 HU; else it is air (trachea, bowel). What the lungs
    enclose, up to 9 square centimetres, is their vessels. Bone is above 180 HU where a twentieth of the piece is above
    450 HU; fat lies between -200 and -30 HU; the rest is soft tissue. A median of 3 x 3 pixels takes the noise out
    first.

    Args:
        slice_hu: Hounsfield units [H W].
        spacing_mm: between rows and columns.

    Returns:
        uint8 [H W], 0 outside the body.
    """
    body = body_of(slice_hu, spacing_mm)
    smooth = ndimage.median_filter(slice_hu, 3)
    area = spacing_mm[0] * spacing_mm[1]
    tissues = np.where(body, 2, 0).astype(np.uint8)
    tissues[body & (smooth > _FAT[0]) & (smooth < _FAT[1])] = 1
    tissues[_bone(smooth, body)] = 3
    air = body & (smooth < _AIR_BELOW)
    lung = np.zeros_like(body)
    parts = label(air, connectivity=1)
    for part in regionprops(parts):
        if part.area * area < _LUNG_AREA:
            continue
        inside = parts[part.slice] == part.label
        low, middle, high = np.percentile(smooth[part.slice][inside], (25, 50, 75))
        if _LUNG_MEDIAN[0] < middle < _LUNG_MEDIAN[1] and high - low > _LUNG_SPREAD:
            lung[part.slice] |= inside
    closed = ndimage.binary_fill_holes(isotropic_closing(lung, 4 / float(np.mean(spacing_mm))))
    enclosed = label(closed & body & ~air & (tissues != 3), connectivity=1)
    small = np.bincount(enclosed.ravel()) * area <= _VESSEL_AREA
    small[0] = False
    tissues[small[enclosed]] = 5
    tissues[air] = 6
    tissues[lung] = 4
    return tissues


def _bone(smooth: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Pieces above 180 HU of which at least a twentieth is compact: vessels with contrast medium seldom are."""
    parts = label(body & (smooth > _BONE), connectivity=1)
    sizes = np.bincount(parts.ravel())
    compact = np.bincount(parts.ravel(), weights=(smooth > _COMPACT).ravel()) >= _COMPACT_SHARE * sizes
    compact[0] = False
    return compact[parts]

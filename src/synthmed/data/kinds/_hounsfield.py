"""What Hounsfield units say by themselves: whether they are plausible, and tissues by rules.

The rules are ours. They are cheap and cannot see organs: contrast medium denser than bone becomes bone, a collapsed
lung becomes soft tissue. A mask made by them says "derived" in its row, so that nobody takes it for a manual one.
"""

from itertools import pairwise

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
_TISSUE, _MUSCLE = (-200, 200), (-50, 150)
_TISSUE_1024_TOO_HIGH = (850, 1180)
_THINNER_THAN_AIR = -1150
_AIR, _NO_AIR = (-1100, -900), -900
_BETWEEN_AIR_AND_FAT = (-600, -200)
_BETWEEN = (-650, -350)  # neither fat nor healthy lung
_FLAT = 60  # a body without air spans more
_GROUND = 0.02  # of all values: no single number of a body is so frequent
_ENOUGH = 1_000_000
_COARSE = 64
_JUMP, _MOSTLY = 500, 0.8
_STRAY = 0.002
_FAT = (-200, -30)
_BONE, _COMPACT, _COMPACT_SHARE = 180, 450, 0.05
_AIR_BELOW = -400
_LUNG_MEDIAN = (-960, -500)
_LUNG_SPREAD = 30
_LUNG_AREA, _VESSEL_AREA = 400.0, 900.0
"""Square millimetres."""


def check_hounsfield(values: np.ndarray) -> None:
    """Refuse values that cannot be Hounsfield units of a body, as after a wrong rescale intercept or slope.

    A body is mostly fat and soft tissue, and what is as dense as these would be 1024 HU higher is bone, whose densities
    are spread; nothing is thinner than air, but what a scanner writes where it did not measure; and air is not cut off.

    Args:
        values: of one acquisition, padding left out.

    Raises:
        SourceError: with what was found and expected.
    """
    if found := why_not_hounsfield(values):
        raise SourceError(
            f"It holds no plausible Hounsfield units: {found}; expected air near -1000, fat near -100 and muscle near "
            "50. Its rescale intercept is probably wrong, missing or was applied twice, or it was windowed or "
            "normalised: export it anew."
        )


def check_series(slices: np.ndarray, padding: np.ndarray | None) -> None:
    """The same for a stack of slices, and for each part of it where all numbers jump from one slice to the next.

    Args:
        slices: [Z H W] Hounsfield units.
        padding: [Z H W] bool, True where there is no picture; None = nowhere.

    Raises:
        SourceError: as ``check_hounsfield``.
    """
    values = slices if padding is None else slices[~padding]
    check_hounsfield(values.ravel()[:: max(1, values.size // _ENOUGH)])
    jumps = _jumps(slices, padding)
    for begin, end in pairwise([0, *jumps, len(slices)]) if jumps else ():
        part = slices[begin:end] if padding is None else slices[begin:end][~padding[begin:end]]
        part = part.ravel()[:: max(1, part.size // _ENOUGH)]
        if (part > _NO_AIR).mean() > _STRAY and (found := why_not_hounsfield(part)):
            raise SourceError(
                f"The numbers of its slices {begin} to {end - 1} of {len(slices)} lie apart from the others and are no "
                f"plausible Hounsfield units: {found}; expected one rescale intercept. Export it anew."
            )


def _jumps(slices: np.ndarray, padding: np.ndarray | None) -> list[int]:
    """The slices before which nearly all numbers change by hundreds in one direction, as no anatomy does."""
    step = max(1, slices.shape[1] // _COARSE), max(1, slices.shape[2] // _COARSE)
    small = slices[:, :: step[0], :: step[1]].astype(np.float32)
    if padding is not None:
        small[padding[:, :: step[0], :: step[1]]] = np.nan
    found = []
    for place, (before, after) in enumerate(pairwise(small), start=1):
        change = after - before
        change = change[np.isfinite(change)]
        if change.size and max((change > _JUMP).mean(), (change < -_JUMP).mean()) > _MOSTLY:
            found.append(place)
    return found


def seems_moved(values: np.ndarray) -> bool:
    """Whether values that are no Hounsfield units look like those of a CT by another intercept.

    Args:
        values: of a volume of which nobody says what it is.
    """
    for shift in (-1024, -1000, 1000, 1024):
        moved = values + shift
        dense = moved[moved > _BETWEEN_AIR_AND_FAT[0]]
        is_body = _share(dense, _TISSUE) > 0.5 and _share(dense, _BETWEEN_AIR_AND_FAT) < 0.25  # MR is full between
        if is_body and _share(moved, _AIR) > 0.02 and not (_too_low(moved) or _too_high(moved)):
            return True
    return False


def why_not_hounsfield(values: np.ndarray) -> str:
    """What shows that values are no Hounsfield units of a body; "" where nothing does."""
    return _too_low(values) or _too_high(values) or _cut_off(values) or _no_body(values)


def _share(values: np.ndarray, band: tuple[float, float]) -> float:
    return float(((values > band[0]) & (values < band[1])).mean()) if values.size else 0.0


def _cut_off(values: np.ndarray) -> str:
    """What shows that numbers were windowed or normalised: a range too small for a body, or air at another number."""
    if not values.size:
        return ""
    low, high = np.percentile(values, (1, 99))
    if high - low < _FLAT:
        return f"nearly all of it lies between {low:.4g} and {high:.4g}"
    if (values < _NO_AIR).mean() < 0.01:
        if values.min() >= 0:
            return "none of it is below 0"
        for ground in (values.min(), 0):
            if ground > _NO_AIR and (share := (values == ground).mean()) > _GROUND:
                return f"{100 * share:.0f} % of it is {ground:g}, as air that was cut off"
    return ""


def _too_low(values: np.ndarray) -> str:
    """What shows that values are too low: much that is thinner than air, or air where the body should be."""
    thin = values[values < _THINNER_THAN_AIR]
    # Outside the circle that it measured a scanner writes one number: usually -2000, -2048 or -3024.
    outside = int(np.unique(thin, return_counts=True)[1].max()) if thin.size else 0
    if thin.size - outside > 0.05 * values.size:
        return f"{100 * thin.size / values.size:.0f} % of it is thinner than {_THINNER_THAN_AIR} HU"
    body = float((values > BODY_ABOVE).mean()) if values.size else 0.0
    if body < (0.015 if outside > 0.05 * values.size else 0.002):
        return f"{100 * body:.1f} % of it is denser than {BODY_ABOVE} HU"
    if (between := _share(values, _BETWEEN)) > 3 * body:
        return f"{100 * between:.0f} % of it lies between {_BETWEEN[0]} and {_BETWEEN[1]} HU, where little of a body is"
    return ""


def _too_high(values: np.ndarray) -> str:
    """What shows that values are too high: soft tissue and fat where bone should be."""
    dense = values[values > 600]
    there = len(dense) / max(1, values.size) * _share(dense, _TISSUE_1024_TOO_HIGH)
    lone = _share(dense, _TISSUE_1024_TOO_HIGH) > 0.5
    # Metal and rings in test objects are as even, and small; a picture without any air may be cut to the body.
    if lone and (there > 0.08 or (there > 0.01 and _share(values, (-np.inf, _AIR_BELOW)) < 0.01)):
        low, high = _TISSUE_1024_TOO_HIGH
        return f"{100 * there:.0f} % of it lies between {low} and {high} HU, as even as soft tissue and fat"
    return ""


def _no_body(values: np.ndarray) -> str:
    """What shows that the dense part is no body."""
    body = values[values > BODY_ABOVE]
    for band, least, what in ((_TISSUE, 0.5, "fat or soft tissue"), (_MUSCLE, 0.15, "soft tissue")):
        if _share(body, band) < least:
            return f"{100 * _share(body, band):.0f} % of what is denser than {BODY_ABOVE} HU is {what}"
    dense = float((body > _DENSE).mean())
    return f"{100 * dense:.0f} % of what is denser than {BODY_ABOVE} HU is above {_DENSE} HU" if dense > 0.16 else ""


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

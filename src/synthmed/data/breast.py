"""Find the breast in a mammogram, and what does not belong to the picture: label markers, tape, scanner edges.

The mask is Otsu's (largest part, holes filled, pectoral muscle inside), with one addition. Otsu's threshold over a
whole mammogram lies between fatty and dense tissue and cuts the skin off; a second one over what is below the first
lies in the soft slope from air to skin, and the outline is drawn half-way between it and the level of air.
All sizes below are for pictures of ``WORKING_SIDE`` pixels on their longer side.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from synthmed.errors import SourceError

WORKING_SIDE = 512
"""Longer side in pixels of the pictures that ``find_breast`` is made for."""

Side = Literal["left", "right"]
"""The side of the picture on which the chest wall lies."""

_DARK = 3 / 255  # the black around a scanned film
_BRIGHT = 0.95  # of the brightest value: a frame of blank scanner light
_NECK = 8  # what hangs on the breast by less than twice this many pixels is not breast: tape, a label
_MARGIN = 8  # the soft slope of the skin beyond the outline, never touched
_LETTER_SIZE = 9  # letters and lines are thinner than this
_LETTER_CONTRAST = (0.04, 0.12)  # of the range; between the two, 6 times the unevenness of air
_RINGING = 4  # pixels around a letter that resizing changes
_BRIGHTEST_AIR = 0.105  # of the breast, both above the background
_EVEN = 1 / 255  # a background of one value, stored in 8 bits or compressed
_ROUND = 0.92  # of the rectangle around it; a half ellipse fills 0.79, films 0.95 and more
_SLOPE = 5  # pixels of skin at each side that say nothing of what lies between
_FEW = 100  # pixels that are too few to say something
_BACKGROUND_PART = 25  # a 25th of the picture
_MOST_ALONG = 0.15  # of the outline; on 388 films at most 0.10
_SMALLEST_BREAST = 0.03  # of the picture


@dataclass(frozen=True, kw_only=True)
class Breast:
    """What ``find_breast`` saw; masks are [H W] bool.

    Args:
        mask: the breast with the pectoral muscle.
        frame: bright edges of scanner and film, and tape, that reach the border of the film.
        markers: letters, labels and other bright things in the air.
        air: grey value of the air around the breast, 0 to 1.
        side: where the chest wall lies.
        doubtful: whether frame and markers lie along so much of the breast that they may be tissue.
    """

    mask: np.ndarray
    frame: np.ndarray
    markers: np.ndarray
    air: float
    side: Side
    doubtful: bool = False


def find_breast(picture: np.ndarray, mask: np.ndarray | None = None) -> Breast:
    """Find the breast in a mammogram whose air is dark.

    Args:
        picture: [H W] in [0, 1], white is dense.
        mask: [H W] bool, where somebody has drawn the breast by hand; it is taken as it is.

    Raises:
        SourceError: no part looks like a breast in air, or the picture is inverted.

    Example:
        >>> picture = np.zeros((512, 256), np.float32)
        >>> picture[100:400, :150] = 0.6
        >>> find_breast(picture).side
        'left'
    """
    outline, frame = _outline_and_frame(picture)
    if mask is None:
        _check(outline, frame)
        mask = outline
    air = _air_around(mask | outline, picture, frame)
    bright = _bright_things(picture, mask | outline, air)
    strips = _reaching_the_edge(bright, picture > _DARK) & ~frame
    beside, around = (frame | strips) & ~mask, bright & ~strips & ~frame
    return Breast(
        mask=mask,
        frame=beside,
        markers=around,
        air=air,
        side=side_of(mask),
        doubtful=_surrounds(beside | around, mask),
    )


def find_outline(picture: np.ndarray) -> np.ndarray:
    """The mask of ``find_breast`` alone, [H W] bool: what stands around the breast is not looked for.

    Args:
        picture: [H W] in [0, 1], white is dense.

    Raises:
        SourceError: no part looks like a breast in air, or the picture is inverted.
    """
    outline, frame = _outline_and_frame(picture)
    _check(outline, frame)
    return outline


def _outline_and_frame(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frame = _blank_edges(picture)
    smooth = ndimage.gaussian_filter(np.where(frame, 0, picture), 1)
    if smooth.max() - smooth.min() < _DARK:
        raise SourceError("The picture is of one grey value; expected a breast in air. Check the window.")
    threshold = _slope_threshold(smooth)
    rough = _air_around(_outline(smooth, threshold), picture, frame)
    outline = _outline(smooth, rough + (threshold - rough) / 2) & ~frame
    return _with_fat(outline, smooth, frame), frame


def _with_fat(outline: np.ndarray, smooth: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """The outline, or all that stands out from the background where what lies between the two is too bright for air.

    On film the thresholds above find the slope from air to skin. A digital picture has a background of one value and no
    air, so they may part fat from gland. Air on the films that were looked at (see ``docs/how-to/mammograms.md``) is at
    most a tenth as bright as the breast, above the darkest part of the picture.
    """
    background = _background(smooth[~frame])
    whole = _outline(smooth, background + _DARK) & ~frame
    between = ndimage.binary_erosion(whole & ~outline, iterations=_SLOPE)
    if between.sum() < _FEW or not outline.any() or not _is_round(whole):
        return outline
    inside, beside = (float(np.median(smooth[part])) - background for part in (outline, between))
    return whole if beside > _BRIGHTEST_AIR * inside else outline


def _background(values: np.ndarray) -> float:
    """The darkest grey value that a part of the picture has, and not only noise."""
    ordered = np.sort(values, axis=None)
    part = len(ordered) // _BACKGROUND_PART
    even = np.flatnonzero(ordered[part:] - ordered[: len(ordered) - part] <= _EVEN)
    return float(ordered[even[0]]) if len(even) else float(ordered[0])


def side_of(mask: np.ndarray) -> Side:
    """The side on which a breast mask [H W] ends in a long straight edge: the chest wall."""
    columns = np.flatnonzero(mask.any(axis=0))
    heights = mask[:, columns[0] : columns[-1] + 1].sum(axis=0)
    edge = max(1, len(heights) // 20)
    return "left" if heights[:edge].sum() >= heights[-edge:].sum() else "right"


def mirrored(breast: Breast) -> Breast:
    """The same breast with left and right exchanged."""
    turned = {name: getattr(breast, name)[:, ::-1] for name in ("mask", "frame", "markers")}
    return replace(breast, side="left" if breast.side == "right" else "right", **turned)


def _blank_edges(picture: np.ndarray) -> np.ndarray:
    """Rows and columns of blank scanner light at the four borders [H W], which would swallow the breast."""
    blank = np.zeros(picture.shape, bool)
    light = picture >= _BRIGHT * picture.max()
    for turn in range(4):
        lines = np.rot90(light, turn).mean(axis=1) >= 0.8  # rotated, each border is once on top
        depth = len(lines) if lines.all() else int(np.argmin(lines))
        np.rot90(blank, turn)[:depth] = True
    return blank


def _slope_threshold(smooth: np.ndarray) -> float:
    """Otsu's threshold over all that lies below Otsu's threshold, the black around a film left out."""
    first = threshold_otsu(smooth)
    below = smooth[(smooth <= first) & (smooth > _DARK)]
    # Without a slope, as in a drawing of two grey values, there is nothing to divide.
    return float(threshold_otsu(below)) if below.size > 1 and np.ptp(below) > 0 else float(first)


def _outline(smooth: np.ndarray, threshold: float) -> np.ndarray:
    """The largest part above the threshold, without what hangs on it by a thin neck, holes filled."""
    above = smooth > threshold
    heart = _within(~np.pad(above, _NECK, mode="edge"), _NECK)[_NECK:-_NECK, _NECK:-_NECK]
    parts, num = ndimage.label(~heart)
    if num == 0:
        return above & False
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(above & _within(parts == sizes.argmax(), _NECK + 1))


def _within(mask: np.ndarray, distance: float) -> np.ndarray:
    """All pixels [H W] that lie within a distance in pixels from a mask."""
    return ndimage.distance_transform_edt(~mask) <= distance if mask.any() else mask


def _air_around(mask: np.ndarray, picture: np.ndarray, frame: np.ndarray) -> float:
    """The grey value of the film around the breast; of the black around the film where there is no other air."""
    distance = ndimage.distance_transform_edt(~mask) if mask.any() else np.zeros(mask.shape)
    ring = picture[(distance > 2 * _MARGIN) & (distance < 5 * _MARGIN) & ~frame]
    film = ring[ring > _DARK]
    if 4 * film.size >= ring.size and film.size:
        return float(np.median(film))
    return float(np.median(ring)) if ring.size else 0.0


def _is_round(mask: np.ndarray) -> bool:
    """Whether a part may be a breast by its shape: no film, which fills the rectangle around it, nor all there is."""
    rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
    return bool(mask.sum() <= _ROUND * rows * columns) and not _touches_all_borders(mask)


def _touches_all_borders(mask: np.ndarray) -> bool:
    return bool(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean() > 0.75)


def _check(mask: np.ndarray, frame: np.ndarray) -> None:
    if _touches_all_borders(mask) or frame.mean() > 0.4:
        raise SourceError(
            "The bright part reaches all borders of the picture; expected a breast in dark air. If air is white "
            "here, set invert=true; if the picture shows no air, leave it out."
        )
    if mask.mean() < _SMALLEST_BREAST:
        raise SourceError(
            f"No breast was found: the largest bright part is {mask.mean():.1%} of the picture; expected at least "
            f"{_SMALLEST_BREAST:.0%}. Look at it, and choose another window or leave it out."
        )


def _bright_things(picture: np.ndarray, mask: np.ndarray, air: float) -> np.ndarray:
    """What is brighter than the air around it, with its soft edge, and stands clear of the breast [H W]."""
    distance = ndimage.distance_transform_edt(~mask)
    outside = distance > _MARGIN
    ground = ndimage.grey_opening(picture, 2 * _LETTER_SIZE + 1)
    film = outside & (picture > _DARK)
    noise = float(np.median((picture - ground)[film])) if film.any() else 0.0
    contrast = min(max(_LETTER_CONTRAST[0], 6 * noise), _LETTER_CONTRAST[1])
    thin = picture - ground > contrast  # letters and lines, on whatever they stand
    large = picture - air > 3 * contrast  # labels and tape
    seeds = (thin | large) & outside
    # The dim rest of a bright thing goes with it; near the breast it may be the slope of the skin, and stays.
    dim = (picture - air > contrast) & (distance > 4 * _MARGIN)
    parts, _ = ndimage.label(seeds | dim)
    seen = np.bincount(parts[seeds], minlength=parts.max() + 1) > 0
    seen[0] = False
    # Resizing rings around sharp letters: what is left of them could still be read.
    return ndimage.binary_dilation(seen[parts], np.ones((3, 3)), iterations=_RINGING) & outside


def _surrounds(things: np.ndarray, mask: np.ndarray) -> bool:
    """Whether things follow the outline of the breast: labels and tape touch it in places, fat does all along."""
    distance = ndimage.distance_transform_edt(~mask)
    along = things[(distance > _MARGIN + 1) & (distance <= _MARGIN + 5)]
    return bool(along.size and along.mean() > _MOST_ALONG)


def _reaching_the_edge(bright: np.ndarray, film: np.ndarray) -> np.ndarray:
    """The strips among bright parts [H W]: half as long as the picture, or along the border of picture or film."""
    edge = ~ndimage.binary_erosion(ndimage.binary_closing(film, iterations=2), iterations=4)
    parts, num = ndimage.label(bright)
    touching = np.bincount(parts[edge & bright], minlength=num + 1)
    # A label in the corner touches the edge too; a strip does so along its length.
    strips = touching > 4 * max(bright.shape) // 10
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        height, width = (extent.stop - extent.start for extent in box)
        strips[number] |= 2 * height > bright.shape[0] or 2 * width > bright.shape[1]
    strips[0] = False
    return strips[parts]


def without(picture: np.ndarray, removed: np.ndarray, air: float) -> np.ndarray:
    """The picture with the removed parts [H W] at the level of the air; the rest is not touched."""
    return np.where(removed, np.asarray(air, picture.dtype), picture)

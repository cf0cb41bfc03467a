"""Points in time of a dynamic series, the curves read in them, and what channels share: functions of arrays."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthmed.errors import DataError
from synthmed.pictures import RGB

CURVES = ("E1", "Tpeak", "SER", "wash-in", "wash-out", "type III")
DARK = 0.002
"""Share of the stored range below which a signal before contrast medium counts as this."""
_BINS = 16


@dataclass(frozen=True, kw_only=True)
class Times:
    """Places of the channels of a dynamic series.

    Args:
        pre: before contrast medium.
        posts: after it, in the order of time; () = there is no dynamic.
        sub: the subtraction, or None.
    """

    pre: int = -1
    posts: tuple[int, ...] = ()
    sub: int | None = None


def times_of(names: Sequence[str]) -> Times:
    """Which channels are the points in time of a dynamic series, by their names: "T1 pre", "T1 post1", "Sub".

    Raises:
        DataError: a point in time is missing, or they are not in order.

    Example:
        >>> times_of(["T2", "T1_pre", "T1_post1", "T1_post2"])
        Times(pre=1, posts=(2, 3), sub=None)
    """
    found = {place: re.fullmatch(r".*?[ _-]?(pre|post)[ _-]?(\d*)", name, re.I) for place, name in enumerate(names)}
    pre = [place for place, match in found.items() if match and match[1].lower() == "pre"]
    posts = {place: int(match[2] or 1) for place, match in found.items() if match and match[1].lower() == "post"}
    if not pre or not posts:
        numbered = [names[place] for place, match in found.items() if match and match[2]]
        if numbered and not pre:
            raise DataError(
                f"The channels have {', '.join(numbered)}, and none before contrast medium; expected one such as "
                "T1 pre. Prepare the images with it."
            )
        return Times()
    expected = list(range(1, len(posts) + 1))
    if len(pre) > 1 or sorted(posts.values()) != expected:
        missing = sorted({*range(1, max(posts.values()) + 1)} - {*posts.values()})
        told = f"T1 post{missing[0]} is missing" if missing else "a point in time comes twice"
        raise DataError(
            f"The channels are {', '.join(names)}: {told}; expected one before contrast medium and every point after "
            "it once. Prepare the images with all points in time."
        )
    if [*posts.values()] != expected or pre[0] > min(posts):
        raise DataError(
            f"The channels {', '.join(names)} are not in the order of time; expected that before contrast medium "
            "first, then post1, post2 and so on. Prepare the images in this order."
        )
    lowered = [name.lower() for name in names]
    return Times(pre=pre[0], posts=tuple(posts), sub=lowered.index("sub") if "sub" in lowered else None)


def curves(images: NDArray[np.integer], times: Times, region: int, share: float) -> NDArray[np.float64]:
    """Mean signals of the region before contrast medium and at each point after it, [N 1+P], in shares of the range.

    Args:
        images: [N C H W] as stored.
        times: of its channels.
        region: side in pixels of the square in the middle in which the region lies.
        share: of the square's pixels, those that enhance most, which are the region.
    """
    side = min(region, *images.shape[2:])
    top, left = ((length - side) // 2 for length in images.shape[2:])
    square = images[:, [times.pre, *times.posts], top : top + side, left : left + side]
    shares = square.astype(np.float64) / np.iinfo(images.dtype).max
    rise = ndimage.uniform_filter(shares[:, 1:].mean(1) - shares[:, 0], (0, 3, 3), mode="nearest")
    count = max(1, round(share * side * side))
    chosen = np.argsort(-rise.reshape(len(images), -1), axis=1, kind="stable")[:, None, :count]
    return np.take_along_axis(shares.reshape(*shares.shape[:2], -1), chosen, axis=2).mean(2)


def described(signals: NDArray[np.float64], seconds: float, change: float) -> NDArray[np.float64]:
    """The numbers of ``CURVES`` [N 6] of signals [N 1+P], P of at least 1.

    Example:
        >>> described(np.array([[10.0, 20.0, 16.0]]), 60.0, 0.1).round(2).tolist()  # rises, then washes out
        [[1.0, 60.0, 1.67, 1.0, -0.4, 1.0]]
    """
    before, after = signals[:, 0].clip(DARK), signals[:, 1:]
    minutes = seconds / 60
    first = after[:, 0] - signals[:, 0]
    last = after[:, -1] - signals[:, 0]
    early = after[:, :2].max(1)
    reached = after[:, :2].argmax(1)
    left = np.maximum(after.shape[1] - 1 - reached, 1) * minutes
    return np.stack(
        [
            first / before,
            seconds * (1 + after.argmax(1)),
            (first / np.maximum(last, 0.05 * before)).clip(-3, 3),  # what does not enhance has no ratio
            np.diff(signals, axis=1).max(1) / before / minutes,
            (after[:, -1] - early) / before / left,
            (after[:, -1] < (1 - change) * early).astype(float),
        ],
        axis=1,
    )


def structure(images: NDArray[np.integer]) -> NDArray[np.float64]:
    """Of each pair of channels how their edges correlate, then their mutual information in bits: [N 2 pairs]."""
    smooth = ndimage.uniform_filter(images.astype(np.float32), (0, 0, 3, 3), mode="nearest")
    edges = np.hypot(*np.gradient(smooth, axis=(2, 3))).reshape(*images.shape[:2], -1)
    edges -= edges.mean(2, keepdims=True)
    edges /= np.sqrt(np.square(edges).sum(2, keepdims=True)) + 1e-12
    pairs = list(combinations(range(images.shape[1]), 2))
    agreement = [np.einsum("np,np->n", edges[:, one], edges[:, other]) for one, other in pairs]
    flat = images.reshape(*images.shape[:2], -1)
    # Bins of as many pixels each, so that no curve of intensity matters.
    places = np.argsort(np.argsort(flat, axis=2, kind="stable"), axis=2, kind="stable")
    bins = places * _BINS // flat.shape[2]
    information = [[_information(image[one], image[other]) for image in bins] for one, other in pairs]
    return np.column_stack([*agreement, *(np.array(values) for values in information)])


def _information(one: NDArray[np.intp], other: NDArray[np.intp]) -> float:
    """Mutual information in bits of two images whose bins are equally full: 2 log2 B - H(one, other)."""
    counts = np.bincount(one * _BINS + other, minlength=_BINS * _BINS)
    shares = counts[counts > 0] / len(one)
    return float(2 * np.log2(_BINS) + (shares * np.log2(shares)).sum())


def image_row(image: NDArray[np.integer], white: NDArray[np.float64], times: Times) -> list[RGB]:
    """Every channel of an image [C H W], then each subtraction, enlarged twice; ``white`` [C] is shown as white."""
    planes = [(plane, white[place]) for place, plane in enumerate(image.astype(np.float64))]
    for place in times.posts:
        planes.append(((image[place].astype(np.float64) - image[times.pre]).clip(0), white[list(times.posts)].max()))
    grey = [(255 * (plane / top).clip(0, 1)).astype(np.uint8).repeat(2, 0).repeat(2, 1) for plane, top in planes]
    return [np.repeat(plane[:, :, None], 3, axis=2) for plane in grey]

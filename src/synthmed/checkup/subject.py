"""What pictures without headers show, guessed from names, and where these do not tell from a few pictures."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from synthmed import sources
from synthmed.data.geometry import fit_image, fit_of
from synthmed.data.kinds._contract import Map
from synthmed.data.masks import field_of_view
from synthmed.errors import SourceError

_WORDS = {
    "mammogram": re.compile(
        r"mammo\w*|mlo|l_?cc|r_?cc|mini_?mias|mias|mdb\d+|\w*ddsm|inbreast|breast_?films?", re.IGNORECASE
    ),
    "retina": re.compile(
        r"retinas?|retinal|fundus|eyes?|eye_\w+|chase\w*|stare|hrf|idrid\w*|messidor\w*|vessels?|o[ds]", re.IGNORECASE
    ),
    "cells": re.compile(
        r"cells?|nucle[ui]s?|nuclear|neurons?|histolog\w*|histopatholog\w*|microscop\w*|cytolog\w*|monuseg|bbbc\d*|dsb\d*",
        re.IGNORECASE,
    ),
}
_MOST = 0.4  # of the names, so that a mask for each image does not hide what the images are called
_NAMES, _LOOKED_AT = 2000, 6
_SIDE = 64
_DARK = 0.15  # of the brightest value
_FOG = 0.25  # likewise: air on a film
_MANY = 5  # parts of a mask


def subject_of(source: Path, images: Sequence[Path], masks: Sequence[Path], run: Map) -> str:
    """The kind that pictures look like, or "" where neither names nor pictures tell.

    Args:
        source: the folder; its own name counts.
        images: its pictures.
        masks: of them.
        run: like ``map``.
    """
    own = source.resolve().name
    names = [f"{own}/{path.relative_to(source).as_posix()}" for path in _some([*images, *masks], _NAMES)]
    for kind, pattern in _WORDS.items():
        if names and sum(_says(name, pattern) for name in names) > _MOST * len(names):
            return kind
    looks = [look for look in run(_look, _some(images)) if not isinstance(look, SourceError)]
    for kind in ("retina", "mammogram"):
        if looks and sum(kind == look for look in looks) > len(looks) / 2:
            return kind
    parts = [count for count in run(_parts, _some(masks)) if not isinstance(count, SourceError)]
    return "cells" if parts and float(np.median(parts)) >= _MANY else ""


def _says(name: str, pattern: re.Pattern[str]) -> bool:
    words = re.split(r"[\W]+|_", name)
    return any(pattern.fullmatch(word) for word in words) or any(
        pattern.fullmatch(f"{one}_{other}") for one, other in pairwise(words)
    )


def _some(paths: Sequence[Path], number: int = _LOOKED_AT) -> list[Path]:
    places = np.linspace(0, len(paths) - 1, min(number, len(paths)))
    return [paths[round(place)] for place in places]


def _look(path: Path) -> str:
    """What one picture looks like."""
    pixels = sources.read(path).pixels[0]
    if pixels.dtype.kind != "u" or pixels.min() == pixels.max():
        return ""
    _, height, width = pixels.shape
    side = _SIDE / max(height, width)
    rows, columns = max(1, round(height * side)), max(1, round(width * side))
    small = fit_image(pixels, fit_of(height, width, rows, columns), rows, columns).astype(np.float32)
    small /= max(float(np.percentile(small, 99)), 1.0)
    if _is_fundus(small):
        return "retina"
    return "mammogram" if _is_mammogram(small) else ""


def _is_fundus(picture: np.ndarray) -> bool:
    """A round bright field, more red than blue, on black: all four corners are dark, the middle is not."""
    if len(picture) != 3:
        return False
    brightest = picture.max(axis=0)
    corner = max(2, min(brightest.shape) // 16)
    corners = [
        brightest[rows, columns]
        for rows in (slice(corner), slice(-corner, None))
        for columns in (slice(corner), slice(-corner, None))
    ]
    field = field_of_view(np.rint(picture.clip(0, 1) * 255).astype(np.uint8)).astype(bool)
    red, _, blue = (float(plane[field].mean()) for plane in picture)
    return max(float(part.mean()) for part in corners) < _DARK and 0.35 < field.mean() < 0.95 and red > 1.3 * blue


def _is_mammogram(picture: np.ndarray) -> bool:
    """Grey and taller than wide, bright at one side and dark at the other, with much air."""
    grey = picture.mean(axis=0)
    if grey.shape[0] < 1.2 * grey.shape[1] or (len(picture) == 3 and np.abs(picture - grey).max() > _DARK):
        return False
    edge = max(2, grey.shape[1] // 10)
    dark, bright = sorted((float(np.median(grey[:, :edge])), float(np.median(grey[:, -edge:]))))
    return dark < _FOG and bright > 2 * max(dark, _DARK) and 0.2 < float((grey < _FOG).mean()) < 0.8


def _parts(path: Path) -> int:
    """Connected parts of a mask."""
    from scipy import ndimage

    mask = sources.read(path).pixels[0].max(axis=0)
    return int(ndimage.label(mask > 0, np.ones((3, 3)))[1])

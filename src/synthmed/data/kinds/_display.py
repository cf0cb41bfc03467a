"""How a picture is shown: by a window or table of its header, by what its bits hold, or by its own range."""

from dataclasses import dataclass

import numpy as np

from synthmed.errors import SourceError
from synthmed.sources.image import LookupTable, SourceImage, Window
from synthmed.sources.windows import apply_table, apply_window, is_usable


@dataclass(kw_only=True)
class Shown:
    """A picture as a display shows it.

    Args:
        values: [H W] float32 in [0, 1], white large; 0 where the file says that there is no picture.
        low: physical value of 0; of a sigmoid the value where its tangent in the middle reaches 0.
        high: physical value of 1, likewise.
        curve: what lies between: "linear", "sigmoid" or "table".
    """

    values: np.ndarray
    low: float
    high: float
    curve: str


def is_shown_by_range(source: SourceImage, window: str) -> bool:
    """Whether nothing in a picture's header says how it is shown, so that what its bits hold does."""
    windowed = any(is_usable(one) for one in source.header.windows) or bool(source.tables)
    return window == "full" or (window == "first" and not windowed)


def show(source: SourceImage, window: str, *, invert: bool = False, whole: tuple[float, float] | None = None) -> Shown:
    """Apply a window or a table to the first frame of a grey picture.

    Args:
        source: a decoded file; three channels are taken where they are alike.
        window: "first" = first window, else first table, else "full"; "lut" = first table; "full" = all that the bits
            hold; "image" = darkest to brightest; else the name of a window or table in the header.
        invert: make dark what is bright.
        whole: black and white of all pictures of the set that are shown by what their bits hold; None = those of this
            picture.

    Raises:
        SourceError: it is coloured, of one value, or has no such window.
    """
    pixels = _grey(source)
    tables = {table.explanation: table for table in reversed(source.tables)}
    usable = [one for one in source.header.windows if is_usable(one)]
    windows = {one.explanation: one for one in reversed(usable)}
    first = usable[0] if usable else None
    if window == "lut" or (window == "first" and first is None and source.tables):
        if not source.tables:
            raise SourceError("Its header has no display table; expected one (window=lut). Choose another window.")
        shown = _by_table(pixels, source.tables[0])
    elif window == "first" and first is not None:
        shown = _by_window(pixels, first)
    elif window in ("first", "full", "image"):
        shown = _by_range(pixels, source, None if window == "image" else whole or _held(pixels, source))
    elif window in windows:
        shown = _by_window(pixels, windows[window])
    elif window in tables:
        shown = _by_table(pixels, tables[window])
    else:
        named = [one.explanation for one in usable] + [one.explanation for one in source.tables]
        known = [name for name in dict.fromkeys(named) if name]
        raise SourceError(
            f"Its header has no window {window!r}; expected one of {', '.join(['first', 'full', 'image', *known])}."
        )
    if invert:
        shown = Shown(values=1 - shown.values, low=shown.high, high=shown.low, curve=shown.curve)
    if source.padding is not None:
        shown.values[source.padding[0]] = 0
    return shown


def _grey(source: SourceImage) -> np.ndarray:
    planes = source.pixels[0]
    if len(planes) == 3 and not ((planes[0] == planes[1]) & (planes[0] == planes[2])).all():
        raise SourceError("It is coloured; expected a grey picture. Save it as grey.")
    return planes[0]


def _by_window(pixels: np.ndarray, window: Window) -> Shown:
    # DICOM's linear function reaches black and white half a unit lower, and a unit nearer (PS3.3 C.11.2.1.2.1).
    shift = 0.5 if window.function == "linear" else 0.0
    middle, half = window.center - shift, window.width / 2 - shift
    return Shown(
        values=apply_window(pixels, window),
        low=middle - half,
        high=middle + half,
        curve="sigmoid" if window.function == "sigmoid" else "linear",
    )


def _by_table(pixels: np.ndarray, table: LookupTable) -> Shown:
    last = table.first + len(table.values) - 1
    return Shown(values=apply_table(pixels, table), low=table.first, high=last, curve="table")


def _held(pixels: np.ndarray, source: SourceImage) -> tuple[float, float] | None:
    """What the bits hold; numbers that are not counted from 0 have no such range."""
    return (0.0, float(2**source.header.bits - 1)) if pixels.dtype.kind == "u" else None


def _by_range(pixels: np.ndarray, source: SourceImage, whole: tuple[float, float] | None) -> Shown:
    """By a range of numbers, or by the picture's own, padding left out."""
    seen = pixels if source.padding is None else pixels[~source.padding[0]]
    low, high = whole or ((float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0))
    if not low < high:
        raise SourceError(f"All its pixels are {low:g}; expected a picture. Export it anew.")
    window = Window(center=(low + high) / 2, width=high - low, function="linear_exact")
    return Shown(values=apply_window(pixels, window), low=low, high=high, curve="linear")

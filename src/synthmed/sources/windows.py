"""Display windows and display tables as functions of pixels: physical values -> [0, 1], black to white.

DICOM PS3.3 C.11.2, to the letter. White is large, whatever the file's photometric interpretation was: the sources
turn MONOCHROME1 around together with its windows.
"""

from collections.abc import Callable

import numpy as np

from synthmed.sources.image import LookupTable, Window

_PART = 1 << 16


def apply_window(pixels: np.ndarray, window: Window) -> np.ndarray:
    """Physical values of any shape -> [0, 1] float32 of the same shape, as a display with this window shows them.

    Args:
        pixels: integers or floating-point numbers, in the window's unit.
        window: a ``linear`` one has a width of at least 1, the others above 0.

    Raises:
        ValueError: the window is narrower than that.

    Example:
        >>> apply_window(np.array([-200, 40, 240], np.int16), Window(center=40, width=400)).round(3).tolist()
        [0.0, 0.501, 1.0]
    """
    if not is_usable(window):
        raise ValueError(f"the window has a width of {window.width}; a {window.function} window is wider")
    return _map_values(pixels, lambda values: _shown(values, window))


def is_usable(window: Window) -> bool:
    """Whether a window is finite and as wide as its function needs it: 1 for linear, more than 0 for the others."""
    finite = bool(np.isfinite(window.center) and np.isfinite(window.width))
    return finite and (window.width >= 1 if window.function == "linear" else window.width > 0)


def apply_table(pixels: np.ndarray, table: LookupTable) -> np.ndarray:
    """Physical values of any shape -> [0, 1] float32 of the same shape by a display table.

    Values below the table's first get its first entry, values above its last get its last; values between two
    whole steps get the nearer one.

    Args:
        pixels: integers or floating-point numbers, in the unit of the table's first value.
        table: at least one entry.

    Example:
        >>> apply_table(np.array([-5, 1, 9]), LookupTable(first=0, values=np.array([0, 51, 255]), bits=8)).tolist()
        [0.0, 0.20000000298023224, 1.0]
    """
    shown = (table.values.astype(np.float64) / (2**table.bits - 1)).clip(0, 1)

    def look_up(values: np.ndarray) -> np.ndarray:
        steps = np.rint(values - table.first).clip(0, len(shown) - 1)
        return shown[steps.astype(np.intp)]

    return _map_values(pixels, look_up)


def turn_window(window: Window, total: float) -> Window:
    """The window that shows ``total - x`` as white minus what ``window`` shows for x.

    The linear function of DICOM is not symmetric about its centre but about half a unit below it.
    """
    center = total - window.center + (1 if window.function == "linear" else 0)
    return Window(center=center, width=window.width, function=window.function, explanation=window.explanation)


def turn_table(table: LookupTable, total: float) -> LookupTable:
    """The table that shows ``total - x`` as white minus what ``table`` shows for x."""
    return LookupTable(
        first=total - table.first - (len(table.values) - 1),
        values=(2**table.bits - 1) - table.values[::-1],
        bits=table.bits,
        explanation=table.explanation,
    )


def _shown(values: np.ndarray, window: Window) -> np.ndarray:
    """Float64 values -> [0, 1] float64 (C.11.2.1.2 and C.11.2.1.3)."""
    center, width = window.center, window.width
    if window.function == "sigmoid":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-4 * (values - center) / width))
    if window.function == "linear":
        center, width = center - 0.5, width - 1
    if width == 0:  # a threshold
        return (values > center).astype(np.float64)
    return ((values - center) / width + 0.5).clip(0, 1)


def _map_values(pixels: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a function of float64 values, once for each of the values that occur where these are few."""
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 and pixels.size > 2**12:
        low, high = int(pixels.min()), int(pixels.max())
        shown = function(np.arange(low, high + 1, dtype=np.float64)).astype(np.float32)
        return _looked_up(shown, _steps_from(pixels, low))
    if pixels.ndim > 2:
        return np.stack([_map_values(part, function) for part in pixels])  # float64 for one picture at a time
    return function(pixels.astype(np.float64)).astype(np.float32)


def _looked_up(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The entries at the places, part by part: NumPy makes eight bytes of each place, and a part stays in the cache."""
    flat = np.ascontiguousarray(places).reshape(-1)
    found = np.empty(flat.shape, table.dtype)
    for first in range(0, flat.size, _PART):
        part = slice(first, first + _PART)
        np.take(table, flat[part], out=found[part], mode="clip")
    return found.reshape(places.shape)


def _steps_from(pixels: np.ndarray, low: int) -> np.ndarray:
    """Pixels minus the smallest of them, in the unsigned type of the same size, which holds every difference."""
    kind = np.dtype(f"u{pixels.dtype.itemsize}")
    if low == 0 and pixels.dtype == kind:
        return pixels
    return pixels.view(kind) - np.array(low, pixels.dtype).view(kind)

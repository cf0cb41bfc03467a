"""Display windows and tables, by the formulas of DICOM PS3.3 C.11.2."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthmed.sources.image import LookupTable, Window
from synthmed.sources.windows import apply_table, apply_window


def shown(x, window):
    """The standard's pseudo-code, for one value."""
    c, w = window.center, window.width
    if window.function == "sigmoid":
        return 1 / (1 + math.exp(min(700, -4 * (x - c) / w)))
    if window.function == "linear_exact":
        return 0 if x <= c - w / 2 else 1 if x > c + w / 2 else (x - c) / w + 0.5
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    return 1 if x > c - 0.5 + (w - 1) / 2 else (x - (c - 0.5)) / (w - 1) + 0.5


@pytest.mark.parametrize("function", ["linear", "linear_exact", "sigmoid"])
@pytest.mark.parametrize("center, width", [(40, 400), (0, 1), (-3.5, 7.25), (2653, 900)])
@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int8, np.int32, np.float32])
def test_a_window_is_that_of_the_standard(function, center, width, kind):
    window = Window(center=center, width=width, function=function)
    limits = (-1000, 3000) if np.dtype(kind).itemsize > 1 else (-128, 127)
    values = np.linspace(max(0, limits[0]) if kind == np.uint16 else limits[0], limits[1], 6000).astype(kind)
    found = apply_window(values.reshape(2, 1, 60, 50), window)
    assert found.dtype == np.float32 and found.shape == (2, 1, 60, 50)
    expected = [shown(float(value), window) for value in values]
    assert np.allclose(found.reshape(-1), expected, atol=1e-6)


@settings(deadline=None)
@given(st.floats(-5000, 5000), st.floats(1, 5000), st.integers(-32768, 32767))
def test_few_and_many_pixels_are_shown_alike(center, width, value):
    window = Window(center=center, width=width)
    many = apply_window(np.full(5000, value, np.int16), window)
    few = apply_window(np.full(3, value, np.int16), window)
    assert many[0] == few[0] and 0 <= few[0] <= 1


@pytest.mark.parametrize(
    "function, width", [("linear", 0.5), ("linear_exact", 0), ("sigmoid", -1), ("linear", math.inf)]
)
def test_a_window_too_narrow_to_show_anything_is_an_error(function, width):
    with pytest.raises(ValueError, match="width"):
        apply_window(np.zeros(3), Window(center=0, width=width, function=function))


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float64])
def test_a_table_gives_its_ends_to_what_lies_beyond(kind):
    table = LookupTable(first=-2, values=np.array([0, 100, 1023], np.uint16), bits=10)
    values = np.array([-500, -2, -1, 0, 700] * 1000, kind)
    assert np.allclose(apply_table(values, table)[:5], np.array([0, 0, 100, 1023, 1023]) / 1023)

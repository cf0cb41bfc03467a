"""Numbers as people read them."""

import math


def number(value: float | None) -> str:
    """Three decimals, one of what is above a hundred, three digits of what is below a thousandth; "-" for none.

    Example:
        >>> number(0.25), number(1234.56), number(0.00012), number(None)
        ('0.250', '1,234.6', '1.20e-04', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.2e}" if value and abs(value) < 0.001 else f"{value:.3f}"


def interval_text(value: float | None, low: float | None, high: float | None) -> str:
    """A number with its interval, where it has one."""
    return number(value) + (f" ({number(low)} to {number(high)})" if low is not None else "")


def duration(seconds: float) -> str:
    """A time in the unit that one would say it in.

    Example:
        >>> duration(40), duration(100), duration(90 * 60)
        ('40 seconds', '1.7 minutes', '1.5 hours')
    """
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.{0 if seconds >= 10 * size else 1}f} {unit}"
    return f"{round(seconds)} seconds" if seconds >= 1.5 else "1 second"

"""Points in time of a dynamic: told apart within one series, and put in order across several.

What is asked, in this order: the trigger time, the time of acquisition, whether contrast medium was given, the number
of the point in time, the number of the acquisition, and the number of the series. The first of them that every picture
says, and that tells all points in time apart, decides; so headers without times are read as well.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from synthmed.sources.image import SourceHeader

Value = float | int | None
"""None where a picture does not say it."""

CRITERIA: dict[str, Callable[[SourceHeader], Value]] = {
    "the trigger time": lambda header: header.trigger_time if header.trigger_time >= 0 else None,
    "the time of acquisition": lambda header: header.acquisition_time if header.acquisition_time >= 0 else None,
    "the contrast medium": lambda header: int(header.contrast_agent),
    "the number of the point in time": lambda header: header.temporal_position or None,
    "the number of the acquisition": lambda header: header.acquisition_number or None,
    "the number of the series": lambda header: header.series_number or None,
}
"""In doctor's words -> what a picture says of it."""


def apart(series: Sequence[SourceHeader], levels: Sequence[int], count: int) -> tuple[list[list[SourceHeader]], str]:
    """The points in time of one series that has ``count`` pictures at its heights, in order, and what told them apart.

    Each point in time has one value of its own; or, where every slice has a time of its own, the pictures at each
    height are counted by it.

    Args:
        series: pictures, sorted by height.
        levels: the height of each, counted from 0.
        count: pictures at a height.

    Returns:
        The points in time, or none, with "".
    """
    at: dict[int, list[SourceHeader]] = defaultdict(list)
    for header, level in zip(series, levels, strict=True):
        at[int(level)].append(header)
    whole = all(len(pictures) == count for pictures in at.values())
    for name, value_of in CRITERIA.items():
        values = [value_of(header) for header in series]
        if None in values:
            continue
        known = sorted({value for value in values if value is not None})
        pairs = list(zip(series, levels, strict=True))
        groups = [[(header, level) for header, level in pairs if value_of(header) == value] for value in known]
        if len(known) == count and all(len({level for _, level in group}) == len(group) for group in groups):
            return [[header for header, _ in group] for group in groups], name
        if whole and all(len({value_of(header) for header in pictures}) == count for pictures in at.values()):
            ordered = [sorted(pictures, key=lambda header: value_of(header) or 0) for _, pictures in sorted(at.items())]
            return [[pictures[place] for pictures in ordered] for place in range(count)], name
    return [], ""


def in_time(firsts: Sequence[SourceHeader]) -> tuple[list[int], str]:
    """The order of several volumes by a picture of each, and what decided it; "" where nothing tells them apart."""
    for name, value_of in CRITERIA.items():
        values = [value_of(header) for header in firsts]
        if None not in values and len(set(values)) == len(values):
            return sorted(range(len(values)), key=lambda place: values[place] or 0), name
    return list(range(len(firsts))), ""


def why_out_of_order(phases: Sequence[SourceHeader], decided: str) -> str:
    """Why volumes in this order cannot be a dynamic: contrast medium before, none after; "" where nothing says so."""
    given = [header.contrast_agent for header in phases]
    if any(given) and not all(given) and given != sorted(given):
        return (
            f"In the order of {decided or 'its files'} a phase with contrast medium comes before one without; expected "
            "the one without first. Its headers contradict each other: name the phases by contrasts."
        )
    return ""

"""Series of one MR study -> channels: by contrast and acquisition time, or by patterns that the user gives."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from synthmed.data.kinds._one_grid import SAME_MM, same_place
from synthmed.data.kinds._phases import apart, in_time, why_out_of_order
from synthmed.data.kinds._series import heights_of, why_no_stack
from synthmed.sources.image import SourceHeader

T2, PRE, SUB = "T2", "T1 pre", "Sub"

_SUBTRACTION = re.compile(r"sub", re.I)
_NOT_A_CONTRAST = re.compile(r"sub|mip|tirm|stir|diff|dwi|adc|mapit|localizer|scout|wash", re.I)


def post(number: int) -> str:
    """The name of a phase after contrast medium, from 1."""
    return f"T1 post{number}"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One volume of a study: the files of a series, of one phase of it, or one time point of a 4-D file.

    Args:
        name: of its first file relative to the source, for ``rejected.csv``.
        headers: of its files, from the feet to the head.
        volume: which time point of its file it is, from 0.
    """

    name: str
    headers: tuple[SourceHeader, ...]
    volume: int = 0

    @property
    def description(self) -> str:
        """The scanner's name of the series."""
        return self.headers[0].series_description

    def files(self) -> tuple[Path, ...]:
        """Its files, from the feet to the head."""
        return tuple(header.path for header in self.headers)


def stacks_of(series: Sequence[SourceHeader], name_of: Callable[[Path], str]) -> list[Stack]:
    """The volumes of a series: one, its points in time where a scanner put all of them under one number
    (``_phases.apart``), or those of a 4-D file.
    """
    first = series[0]
    name = name_of(first.path)
    if first.volumes > 1:
        return [Stack(name=name, headers=(first,), volume=volume) for volume in range(first.volumes)]
    heights = np.sort(heights_of(series))
    levels = np.concatenate([[0], np.cumsum(np.diff(heights) > SAME_MM)])
    most = int(np.bincount(levels).max())
    phases, _ = apart(series, levels.tolist(), most) if most > 1 else ([], "")
    return [
        Stack(name=name_of(min(header.path for header in phase)), headers=tuple(phase))
        for phase in phases or [list(series)]
    ]


def by_patterns(stacks: Sequence[Stack], contrasts: Mapping[str, str]) -> tuple[dict[str, Stack], str]:
    """Channels by the user's patterns; the second is the reason why there are none, or "".

    Args:
        stacks: of one patient.
        contrasts: name of a channel -> pattern for the file's name or the series' description; ``[2]`` at its end
            takes the third time point of a 4-D file.
    """
    found: dict[str, Stack] = {}
    for name, pattern in contrasts.items():
        pattern, volume = _with_time_point(pattern)
        fitting = [
            stack
            for stack in stacks
            if stack.volume == volume and (fnmatch(stack.name, pattern) or fnmatch(stack.description, pattern))
        ]
        if len(fitting) != 1:
            return {}, f"It has {len(fitting)} volumes for {name} ({pattern}); expected one. Change the pattern."
        found[name] = fitting[0]
    return found, ""


def _with_time_point(pattern: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*)\[(\d+)\]", pattern)
    return (match[1], int(match[2])) if match else (pattern, 0)


def by_headers(
    stacks: Sequence[Stack], *, posts: int, t2: str, dynamic: str, scanner_sub: bool
) -> tuple[dict[str, Stack], str]:
    """Channels of a breast study by its headers; the second is the reason why there are none, or "".

    The dynamic is the largest group of volumes on one grid whose descriptions fit; ``_phases.in_time`` puts its points
    in time in order. The first is before contrast medium, the following ones are after it.

    Args:
        stacks: of one study.
        posts: phases after contrast medium that are needed; further ones are left out.
        t2: regular expression for T2's description; "" = without T2.
        dynamic: regular expression for the descriptions of the dynamic.
        scanner_sub: whether the scanner's subtraction is a channel.
    """
    usable = [stack for stack in stacks if not _NOT_A_CONTRAST.search(stack.description)]
    largest = _dynamic(usable, dynamic)
    order, decided = in_time([stack.headers[0] for stack in largest])
    phases = [largest[place] for place in order]
    others = [stack for stack in usable if stack not in phases and t2 and re.search(t2, stack.description, re.I)]
    if len(phases) < posts + 1 or (t2 and not others):
        return {}, _missing(phases, decided, posts, t2_is_missing=bool(t2) and not others)
    if not decided and phases[0].headers[0].volumes == 1:
        return {}, (
            "Its phases cannot be put in order: its headers have no times, no contrast medium and no numbers that "
            "differ. Export it with all headers, or name the phases by contrasts."
        )
    if reason := why_out_of_order([stack.headers[0] for stack in phases], decided):
        return {}, reason
    found = {}
    if t2:
        found[T2] = min(others, key=lambda stack: (stack.headers[0].series_number, stack.name))
    found[PRE] = phases[0]
    found |= {post(number): phases[number] for number in range(1, posts + 1)}
    if scanner_sub:
        wanted = phases[1].headers[0].acquisition_number
        subs = [stack for stack in stacks if _SUBTRACTION.search(stack.description)]
        fitting = [stack for stack in subs if stack.headers[0].acquisition_number == wanted] or subs
        if len(fitting) != 1 or not _same_grid(fitting[0], phases[0]):
            return {}, f"It has {len(fitting)} subtractions of the first phase; expected one. Set sub=computed."
        found[SUB] = fitting[0]
    return found, ""


def why_not(stack: Stack, *, gaps: bool) -> str:
    """Why the files of a channel make no volume; "" where they do."""
    return why_no_stack(stack.headers, gaps=gaps)


def why_not_together(found: Mapping[str, Stack]) -> str:
    """Why the channels of a study cannot be laid over each other; "" where their headers say nothing against it."""
    frames: dict[str, str] = {}
    for channel, stack in found.items():
        frames.setdefault(stack.headers[0].frame_of_reference, channel)
    if len(frames) > 1:
        return (
            f"Its contrasts have different frames of reference ({' and '.join([*frames.values()][:2])}, for instance), "
            "as if the patient had moved between them; expected one. Register them to each other and save NIfTI."
        )
    return ""


def _same_grid(one: Stack, other: Stack) -> bool:
    return len(one.headers) == len(other.headers) and same_place(one.headers[0], other.headers[0])


def _dynamic(usable: Sequence[Stack], dynamic: str) -> list[Stack]:
    """The largest group of volumes on one grid whose descriptions fit the pattern."""
    groups: list[list[Stack]] = []
    for stack in usable:
        if re.search(dynamic, stack.description, re.I):
            own = next((group for group in groups if _same_grid(group[0], stack)), None)
            if own is None:
                groups.append([stack])
            else:
                own.append(stack)
    return max(groups, key=len, default=[])


def _missing(phases: Sequence[Stack], decided: str, posts: int, *, t2_is_missing: bool) -> str:
    """What a study lacks, all of it, and the settings to go without it."""
    after = max(0, len(phases) - 1)
    told, settings = [], []
    if after < posts:
        found = f"{after} phase{'' if after == 1 else 's'} after contrast medium"
        told.append(f"its dynamic has {found}" + (f" (told apart by {decided})" if after and decided else "") +
                    f" instead of {posts}")  # fmt: skip
        settings.append(f"posts={after}" if after else "dynamic to a word of its series' names")
    if t2_is_missing:
        told.append("it has no T2 series")
        settings.append("t2='' to go without T2, or t2 to a word of its name")
    return (
        f"Something is missing: {' and '.join(told)}; expected T2, one phase before contrast medium and {posts} after "
        f"it. Set {' and '.join(settings)}, or name the channels by contrasts."
    )

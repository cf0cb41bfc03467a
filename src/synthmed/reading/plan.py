"""In which order a reader sees the cases: seeded, balanced, decided on the server.

Within every block of trials the kinds are mixed as in the whole. Pictures of one mask lie in different blocks, and
which method a mask is seen in first turns with the number of the reader. Hidden repeats come in the last third, of
cases from the first half. Every reader and session has an order of its own, the same whenever it is asked for.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from synthmed.reading.protocol import CHECK, Case, StudySettings

Role = Literal["warmup", "scored", "repeat", "check"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One trial of a reader.

    Args:
        case: number of the case in ``Study.cases``.
        role: repeats and checks look like any other trial.
        swapped: of a pair, the synthetic picture is on the right.
    """

    case: int
    role: Role
    swapped: bool


def plan(cases: Sequence[Case], settings: StudySettings, reader: int, session: int) -> list[Planned]:
    """The trials of a reader in a session, in order.

    Args:
        cases: of the study.
        settings: of the study.
        reader: number of the reader, from 0.
        session: from 1.
    """
    numbers = _numbers(settings.seed, "order", reader, session)
    warm = [index for index, case in enumerate(cases) if case.part == "warmup"]
    numbers.shuffle(warm)
    scored = _balanced(cases, settings, reader, numbers)
    trials: list[tuple[int, Role]] = [(index, "scored") for index in scored]
    trials = _with_repeats(trials, cases, settings.repeats, numbers)
    for index, case in enumerate(cases):
        if case.part == CHECK:
            trials.insert(int(numbers.integers(1, len(trials) + 1)), (index, "check"))
    every: list[tuple[int, Role]] = [*((index, "warmup") for index in warm), *trials]
    sides = np.arange(len(every)) % 2 == 1
    numbers.shuffle(sides)
    return [Planned(case=index, role=role, swapped=bool(side))
            for (index, role), side in zip(every, sides, strict=True)]  # fmt: skip


def _balanced(cases: Sequence[Case], settings: StudySettings, reader: int, numbers: np.random.Generator) -> list[int]:
    scored = [index for index, case in enumerate(cases) if case.part == "scored"]
    kinds = sorted({(cases[index].modality, cases[index].truth) for index in scored})
    count = max(len(kinds) if settings.paired else 1, -(-len(scored) // settings.block))
    groups = sorted({cases[index].group for index in scored})
    numbers.shuffle(groups)
    place = {group: number for number, group in enumerate(groups)}
    blocks: list[list[int]] = [[] for _ in range(count)]
    for turn, kind in enumerate(kinds):
        members = [index for index in scored if (cases[index].modality, cases[index].truth) == kind]
        members.sort(key=lambda index: place[cases[index].group])
        for rank, index in enumerate(members):
            # One mask has one rank in every method where the design is paired, so its pictures lie blocks apart.
            rank = place[cases[index].group] if settings.paired else rank
            # Every other round of blocks turns the methods round, so that none is seen first more often.
            turned = turn if (rank // count + reader) % 2 else len(kinds) - 1 - turn
            blocks[(rank + reader + turned * max(1, count // len(kinds))) % count].append(index)
    order: list[int] = []
    for block in blocks:
        order += _apart(block, order, cases, numbers)
    return order


def _apart(block: list[int], before: list[int], cases: Sequence[Case], numbers: np.random.Generator) -> list[int]:
    """A block in random order in which no mask follows itself within three trials, if twenty draws find one."""
    for _ in range(20):
        numbers.shuffle(block)
        groups = [cases[index].group for index in before[-3:] + block]
        if all(group not in groups[place + 1 : place + 4] for place, group in enumerate(groups)):
            break
    return block


def _with_repeats(trials: list[tuple[int, Role]], cases: Sequence[Case], repeats: int,
                  numbers: np.random.Generator) -> list[tuple[int, Role]]:  # fmt: skip
    first_half = [index for index, _ in trials[: max(1, len(trials) // 2)]]
    again: list[int] = []
    for kind in sorted({(cases[index].modality, cases[index].truth) for index in first_half}):
        members = [index for index in first_half if (cases[index].modality, cases[index].truth) == kind]
        numbers.shuffle(members)
        again += members[:repeats]
    start, found = 2 * len(trials) // 3, list(trials)
    for index in again:
        found.insert(int(numbers.integers(start, len(found) + 1)), (index, "repeat"))
    return found


def _numbers(seed: int, *purpose: object) -> np.random.Generator:
    words = ":".join(map(str, (seed, *purpose)))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big"))

"""What an audit finds, and the verdict that follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from synthmed.privacy.copies import Space
from synthmed.privacy.membership import Inference

LEVEL = 0.01
"""Probability that the tests together block a clean set; the clear copies have another 0.01 (``copies.CLEAR``)."""
ALL_KINDS = "all kinds"


@dataclass(frozen=True, kw_only=True)
class Test:
    """One exact test of the audit: its question, p, and p corrected for all tests of the audit (Holm)."""

    question: str
    p_value: float
    corrected: float

    @property
    def blocks(self) -> bool:
        """Whether chance is ruled out at ``LEVEL``."""
        return self.corrected < LEVEL


@dataclass(frozen=True, kw_only=True)
class Power:
    """How many planted copies of one kind the audit found.

    Args:
        of: "images" or "masks".
        kind: of alteration; "all kinds" = all of them together.
        planted, found: how many, and of how many the true patient was found by the rule of clear copies.
        low, high: exact 95 % interval of the share.
    """

    of: Literal["images", "masks"]
    kind: str
    planted: int
    found: int
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that an audit found.

    Args:
        num: synthetic images.
        patients: split -> patients.
        spaces: near copies, space by space.
        inferences: membership inference, attack by attack.
        tests: all exact tests.
        power: planted copies, kind by kind, and all kinds of images and of masks together. Empty = none were planted.
        statement: what differential privacy the model has, "" for none.
        warnings: what a reader must know before trusting the verdict.
    """

    num: int
    patients: Mapping[str, int]
    spaces: tuple[Space, ...]
    inferences: tuple[Inference, ...]
    tests: tuple[Test, ...]
    power: tuple[Power, ...]
    statement: str
    warnings: tuple[str, ...]

    @property
    def overall(self) -> list[Power]:
        """The power over all kinds: of images, and of masks if they were audited."""
        return [one for one in self.power if one.kind == ALL_KINDS]

    @property
    def flagged(self) -> list[int]:
        """The synthetic images that are clear copies in some space."""
        return np.flatnonzero(np.any([space.clear for space in self.spaces], axis=0)).tolist()

    @property
    def reasons(self) -> list[str]:
        """Why the release is blocked, in sentences; [] if it is not."""
        found = [
            f"In {space.name}, clear copies of training patients: {space.clear.sum()} of {self.num} synthetic images, "
            f"patients met: {space.met(space.train, space.clear_below)} (of the holdout, which no generator has seen: "
            f"{space.met(space.holdout, space.clear_below)})."
            for space in self.spaces
            if space.blocks
        ]
        found += [f"{test.question} p = {test.corrected:.2g}, corrected." for test in self.tests if test.blocks]
        return found

    @property
    def blocked(self) -> bool:
        """Whether the release is blocked."""
        return bool(self.reasons)

    @property
    def verdict(self) -> str:
        """The result in a few plain sentences."""
        if self.blocked:
            return " ".join(["BLOCKED.", *self.reasons, self.statement]).rstrip()
        text = (
            f"No evidence of copying (n = {self.num} synthetic images against {self.patients['train']} training and "
            f"{self.patients['holdout']} holdout patients; {self._told_power()}). This is no certificate: "
            "it says what was looked for and not found."
        )
        return f"{text} {self.statement}".rstrip()

    def _told_power(self) -> str:
        if not self.power:
            return "power not measured: no copies were planted"
        told = []
        for whole in self.overall:
            of = "" if whole.of == "images" else f" for {whole.of}"
            kinds = [one for one in self.power if one.of == whole.of and one is not whole]
            worst = min(kinds, key=lambda one: one.found / one.planted)
            told.append(
                f"power{of} = {whole.found / whole.planted:.0%}: of {whole.planted} planted copies {whole.found} were "
                f"found, of the worst kind, {worst.kind}, {worst.found} of {worst.planted}"
            )
        return "; ".join(told)

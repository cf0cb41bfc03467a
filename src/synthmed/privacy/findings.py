"""What an audit finds, and the verdict that follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np

from synthmed.data.split import SPLITS
from synthmed.privacy.copies import Space
from synthmed.privacy.identity import Identity
from synthmed.privacy.membership import Inference

LEVEL = 0.01
"""Probability that the tests together block a clean set; images that are a patient's by chance have another 0.01."""
ALL_KINDS = "all kinds"
_WORST = 4
"""Kinds of planted copies that the verdict names; the page has all of them."""


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
        sealed: whether there was a holdout to hold the training patients against.
        patients: split -> patients.
        persons: split -> their numbers; who has images in two splits stands in both.
        identities: whose single images are, space by space.
        spaces: training and holdout patients met, space by space.
        inferences: membership inference, attack by attack.
        tests: all exact tests.
        power: planted copies, kind by kind, and all kinds of images and of masks together. Empty = none were planted.
        statement: what differential privacy the model has, "" for none.
        unproven: why it is not shown that the generator learned from the split train; "" where it is.
        warnings: what a reader must know before trusting the verdict.
    """

    num: int
    sealed: bool
    patients: Mapping[str, int]
    persons: Mapping[str, frozenset[int]]
    identities: tuple[Identity, ...]
    spaces: tuple[Space, ...]
    inferences: tuple[Inference, ...]
    tests: tuple[Test, ...]
    power: tuple[Power, ...]
    statement: str
    unproven: str
    warnings: tuple[str, ...]

    @property
    def overall(self) -> list[Power]:
        """The power over all kinds: of images, and of masks if they were audited."""
        return [one for one in self.power if one.kind == ALL_KINDS]

    @property
    def flagged(self) -> list[int]:
        """The synthetic images that are a patient's in some space, by themselves or by their mask."""
        return np.flatnonzero(np.any([one.clear for one in self.identities], axis=0)).tolist()

    def shown(self, split: str, of: Literal["images", "masks"]) -> tuple[list[int], set[int]]:
        """The synthetic images, or those by their masks alone, that are of a split, and the patients they are of."""
        images, patients = set[int](), set[int]()
        for one in self.identities:
            if (one.name == "masks") == (of == "masks"):
                chosen = one.clear & one.near.shows(self.persons[split])
                images |= set(np.flatnonzero(chosen).tolist())
                patients |= set(one.near.owners[chosen].ravel().tolist()) & self.persons[split]
        return sorted(images), patients

    @property
    def reasons(self) -> list[str]:
        """Why the release is blocked, in sentences; [] if it is not."""
        found = []
        for of in ("images", "masks"):
            for split in SPLITS:
                images, patients = self.shown(split, of)
                if images:
                    found.append(_sentence(of, split, len(images), self.num, len(patients)))
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
            return " ".join(["BLOCKED.", *self.reasons, *filter(None, (self.unproven, self.statement))])
        if self.sealed:
            text = (
                f"No evidence of copying (n = {self.num} synthetic images against {self.patients['train']} training "
                f"and {self.patients['holdout']} holdout patients; {self._told_power()}). This is no certificate: "
                "it says what was looked for and not found."
            )
        else:
            text = (
                f"No image of a known patient was found (n = {self.num} synthetic images against "
                f"{sum(self.patients.values())} real patients; {self._told_power()}). Single images were looked for "
                "and nothing else: there is no holdout, so whether the set as a whole gives its training patients away "
                "was not asked. This is less than an audit, and no certificate."
            )
        return " ".join([text, *filter(None, (self.unproven, self.statement))])

    def _told_power(self) -> str:
        if not self.power:
            return "power not measured: no copies were planted"
        told = []
        for whole in self.overall:
            of = "" if whole.of == "images" else f" for {whole.of}"
            told.append(
                f"power{of} = {whole.found / whole.planted:.0%}: of {whole.planted} planted copies {whole.found} were "
                f"found, worst {_listed(self.kinds(whole.of)[:_WORST])}; {bound(self.num, whole)}"
            )
        return "; ".join(told)

    def kinds(self, of: Literal["images", "masks"]) -> list[Power]:
        """The power of each kind of planted copies, the worst first."""
        kinds = [one for one in self.power if one.of == of and one.kind != ALL_KINDS]
        return sorted(kinds, key=lambda one: one.found / one.planted)


def bound(num: int, power: Power) -> str:
    """How many copies a set without a flagged image may hold, in words.

    Where a share x of what a generator makes are copies, each found with probability p, none of n images is flagged
    with probability (1 - x p)^n. The two ends, of p and of x p, are taken at 97.5 % each, so that both hold together
    in 95 of 100 audits.

    Args:
        num: n, of images none of which is flagged.
        power: of planted copies of these kinds.
    """
    share = most_copies(num, power)
    of = "these kinds" if power.kind == ALL_KINDS else "this kind"
    if share >= 1:
        return f"{num} images and this power set no bound to the share of copies of {of}"
    return f"with 95 % confidence at most {max(1, ceil(1000 * share))} of 1,000 {power.of} are copies of {of}"


def most_copies(num: int, power: Power) -> float:
    """The same as a share, at most 1."""
    return min(1.0, (1 - 0.025 ** (1 / num)) / power.low) if power.low > 0 else 1.0


def _listed(kinds: Sequence[Power]) -> str:
    return ", ".join(f"{one.kind} {one.found} of {one.planted}" for one in kinds)


def _sentence(of: str, split: str, images: int, num: int, patients: int) -> str:
    """What it means that synthetic images are those of patients of a split."""
    are = "is" if images == 1 else "are"
    if of == "masks":
        mask, who = "the mask" if images == 1 else "masks", "patients" if patients > 1 else "a patient"
        return (
            f"{images} of {num} synthetic images {are} under {mask} of {who} of the split {split}: a mask is handed on "
            "with its image. Make the images under masks of nobody, or hand them on without masks."
        )
    whose = f"{patients} patients" if patients > 1 else "a patient"
    text = f"{images} of {num} synthetic images {are} of {whose} of the split {split}"
    if split == "train":
        return f"{text}: copies of training patients."
    seen = "the sealed holdout was seen" if split == "holdout" else "the test patients were seen"
    return (
        f"{text}, whom the generator should never have seen: {seen}, or the splits are not independent, or these are "
        "not the generator's images. This audit is invalid beyond what it found."
    )

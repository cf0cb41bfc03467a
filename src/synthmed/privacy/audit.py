"""``audit``: may these synthetic images be handed on? It may say no; it never says yes.

BLOCKED means that copies were found, or that membership can be told. Anything else means that this audit found
nothing, and how much it would have found: its power, measured with planted copies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import new_directory, refuse_existing, write_file, write_json
from synthmed.data.dataset import PreparedDataset
from synthmed.errors import ConfigError, DataError, GateError
from synthmed.privacy._neighbours import nearest
from synthmed.privacy._tails import holm, proportion
from synthmed.privacy._views import Features, Views, join, random_features, view
from synthmed.privacy.canaries import Planted, plant
from synthmed.privacy.copies import SPACES, Space, compare
from synthmed.privacy.membership import Attack, Inference, infer, known_attacks, read_scores
from synthmed.samples import OF_NOBODY, SampleSet

LEVEL = 0.01
"""Probability that the tests together block a clean set; the clear copies have another 0.01 (``copies.CLEAR``)."""
FEW_PATIENTS = 30

Progress = Callable[[int, int, str], None]


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
        kind: of alteration.
        planted, found: how many, and of how many the true patient was found by the rule of clear copies.
        low, high: exact 95 % interval of the share.
    """

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
        power: planted copies, kind by kind; the last is all kinds together. Empty = none were planted.
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
            f"{self.patients['holdout']} holdout patients; {_told(self.power)}). This is no certificate: "
            "it says what was looked for and not found."
        )
        return f"{text} {self.statement}".rstrip()


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """A written audit that did not block: where it is, and what it found."""

    path: Path
    verdict: str
    findings: Findings


def audit(
    synthetic: Path,
    real: Path,
    out: Path,
    *,
    canaries: int = 20,
    scores: Path | None = None,
    attacks: Mapping[str, Attack] | None = None,
    features: Features = random_features,
    seed: int = 0,
    progress: Progress | None = None,
) -> AuditReport:
    """Look for copies of training patients in synthetic images, and write what was found.

    Args:
        synthetic: a sample set, or any folder with ``images`` and perhaps ``masks``.
        real: the prepared data set whose split ``train`` the generator was trained on, with its sealed holdout.
        out: a new folder for ``report.html`` (complete in itself; it shows real images) and ``report.json``.
        canaries: copies of each kind that are planted to measure the audit's power; 0 = none.
        scores: a CSV file of membership scores from elsewhere (``membership.read_scores``).
        attacks: name -> function of stored images that scores membership.
        features: stored pixels [N C H W] -> [N D], for the feature space.
        seed: source of all draws.
        progress: called with how much is done, how much there is, and what is being done.

    Raises:
        GateError: the release is blocked; the report is written all the same.
        DataError: there is no holdout, or the two sets differ in size, channels or bit depth.
        ConfigError: ``canaries`` is below 0.
        ArtifactError: an input is damaged, or something stands at ``out``.
    """
    from synthmed.privacy._page import as_html, as_json

    synthetic, real, out = Path(synthetic), Path(real), Path(out)
    refuse_existing(out)
    if canaries < 0:
        raise ConfigError(f"--canaries is {canaries}; expected 0 or more.")
    made, true = SampleSet.open(synthetic), PreparedDataset.open(real)
    found = examine(made, true, canaries=canaries, scores=scores, attacks=attacks, features=features, seed=seed,
                    progress=progress)  # fmt: skip
    origin = {
        "command": f"synthmed audit {synthetic.name} {real.name} {out.name} --canaries {canaries} --seed {seed}"
        + (f" --scores {scores.name}" if scores else ""),
        "synthetic": {"name": synthetic.name, "digest": made.digest, "images": len(made)},
        "real": {"name": real.name, "digest": true.digest,
                 "splits": {name: split.model_dump() for name, split in true.info.splits.items()}},
        "features": getattr(features, "__name__", "given by the caller"),
        "seed": seed,
    }  # fmt: skip
    facts = {"blocked": found.blocked, "verdict": found.verdict}
    with new_directory(out, "audit", inputs={"synthetic": made.digest, "real": true.digest}, facts=facts) as folder:
        write_json(folder / "report.json", as_json(found, made, true, origin))
        write_file(folder / "report.html", as_html(found, made, true, origin))
    if found.blocked:
        raise GateError(f"{found.verdict} Every flagged pair is shown in {out / 'report.html'}.")
    return AuditReport(path=out, verdict=found.verdict, findings=found)


def examine(
    made: SampleSet,
    true: PreparedDataset,
    *,
    canaries: int = 20,
    scores: Path | None = None,
    attacks: Mapping[str, Attack] | None = None,
    features: Features = random_features,
    seed: int = 0,
    progress: Progress | None = None,
) -> Findings:
    """All of the audit but the writing; the arguments are those of ``audit``."""
    tell = progress or (lambda done, total, what: None)
    _check_alike(made, true)
    train, holdout = _sides(true)
    masks = made.has_masks and all(row.mask_source != "none" for row in (*train.rows, *holdout.rows))
    labels = max(2, len(true.info.mask_labels))

    def seen(source: Any, patients: Sequence[int], what: str) -> Views:
        return view(source.images, patients, features, masks=source.masks if masks else None, num_labels=labels,
                    progress=lambda done: tell(done, len(patients), f"looking at {what}"))  # fmt: skip

    numbers = {name: number for number, name in enumerate(sorted({row.patient_id for row in true.rows}))}
    of_train, of_holdout = ([numbers[row.patient_id] for row in side.rows] for side in (train, holdout))
    known, sealed = seen(train, of_train, "training images"), seen(holdout, of_holdout, "holdout images")
    asked = seen(made, range(len(made)), "synthetic images")

    names = [name for name in SPACES if name != "masks" or masks]
    spaces = []
    for place, name in enumerate(names):
        tell(place, len(names), f"comparing {name}")
        spaces.append(compare(name, asked, known, sealed, spaces=len(names), seed=seed))
    tell(0, 1, "membership")
    others = _given_scores(train, holdout, attacks or {}, scores)
    inferences, tests = conclude(spaces, asked, known, sealed, others, seed=seed)
    power: tuple[Power, ...] = ()
    if canaries:
        tell(0, 1, "planted copies")
        planted = plant(train.images(), canaries, seed=seed, backgrounds=holdout.images())
        power = measure_power(planted, known, [space for space in spaces if space.name != "masks"], features)
    counts = {"train": len(set(of_train)), "holdout": len(set(of_holdout))}
    return Findings(
        num=len(made),
        patients=counts,
        spaces=tuple(spaces),
        inferences=inferences,
        tests=tests,
        power=power,
        statement=_statement(made),
        warnings=tuple(_warnings(made, spaces, counts, masks)),
    )


def conclude(
    spaces: Sequence[Space],
    asked: Views,
    known: Views,
    sealed: Views,
    others: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    seed: int = 0,
) -> tuple[tuple[Inference, ...], tuple[Test, ...]]:
    """Membership inference, and all exact tests corrected for their number.

    Args:
        spaces: what was found of near copies.
        asked: synthetic images.
        known: training images.
        sealed: holdout images.
        others: attack -> membership scores of the training images, then of the holdout images.
        seed: source of all draws.
    """
    members = np.r_[np.ones(len(known), bool), np.zeros(len(sealed), bool)]
    both, draws = join(known, sealed), np.random.default_rng((seed, 1))
    scores = {**known_attacks(both, asked), **(others or {})}
    inferences = [infer(name, values, both.patients, members, draws) for name, values in scores.items()]
    return tuple(inferences), _tests(spaces, inferences)


def measure_power(planted: Planted, train: Views, spaces: Sequence[Space], features: Features) -> tuple[Power, ...]:
    """Of planted copies, how many are found by the rule of clear copies and led back to their patient.

    Args:
        planted: altered copies of training images; ``rows`` are rows of the training split.
        train: the training images.
        spaces: of the audit; their thresholds are used.
        features: as in the audit.
    """
    views = view(lambda indices: planted.images[list(indices)], range(len(planted.images)), features)
    owners = train.patients[planted.rows]
    found = np.zeros(len(owners), bool)
    for space in spaces:
        near = nearest(space.name, views, train)
        found |= (near.relative < space.clear_below) & (near.patients[:, 0] == owners)
    kinds = np.array(planted.kinds)
    groups = {kind: kinds == kind for kind in dict.fromkeys(planted.kinds)} | {"all kinds": np.ones(len(kinds), bool)}
    return tuple(_power(kind, found[chosen]) for kind, chosen in groups.items())


def _power(kind: str, found: NDArray[np.bool_]) -> Power:
    low, high = proportion(int(found.sum()), len(found))
    return Power(kind=kind, planted=len(found), found=int(found.sum()), low=low, high=high)


def _told(power: Sequence[Power]) -> str:
    if not power:
        return "power not measured: no copies were planted"
    whole, worst = power[-1], min(power[:-1], key=lambda one: one.found / one.planted)
    return (
        f"power = {whole.found / whole.planted:.0%}: of {whole.planted} planted copies {whole.found} were found, of "
        f"the worst kind, {worst.kind}, {worst.found} of {worst.planted}"
    )


def _check_alike(made: SampleSet, true: PreparedDataset) -> None:
    found = (*made.shape, made.images([0]).dtype.itemsize * 8)
    expected = (len(true.info.channels), true.info.height, true.info.width, true.info.bits)
    if found != expected:
        raise DataError(
            "The synthetic images have {} channels, {} x {} pixels and {} bits; ".format(*found)
            + "the real ones have {}, {} x {} and {}. ".format(*expected)
            + "Nothing is resized or converted silently: bring both to one kind first."
        )


def _sides(true: PreparedDataset) -> tuple[PreparedDataset, PreparedDataset]:
    """Training and holdout images; an audit without a holdout would only pretend."""
    sides = [true.where(lambda row, name=name: row.split == name) for name in ("train", "holdout")]  # type: ignore[misc]
    for side, name, needed in zip(sides, ("train", "holdout"), (3, 2), strict=True):
        count = len({row.patient_id for row in side.rows})
        if count < needed:
            raise DataError(
                f"{true.path} has {count} patients in {name}; the audit compares with patients the generator has "
                f"never seen and needs at least {needed}, better {FEW_PATIENTS} or more. Prepare the images with a "
                "holdout (--holdout 0.2), train anew on that set, and audit then."
            )
    return sides[0], sides[1]


def _given_scores(
    train: PreparedDataset, holdout: PreparedDataset, attacks: Mapping[str, Attack], scores: Path | None
) -> dict[str, NDArray[np.float64]]:
    """Scores of attacks that come from outside, of training then of holdout images."""
    given = {
        name: np.concatenate([np.asarray(attack(side.images()), np.float64) for side in (train, holdout)])
        for name, attack in attacks.items()
    }
    if scores is not None:
        given |= read_scores(scores, [row.id for row in (*train.rows, *holdout.rows)])
    return given


def _tests(spaces: Sequence[Space], inferences: Sequence[Inference]) -> tuple[Test, ...]:
    asked = {}
    for space in spaces:
        asked[f"In {space.name}, more training than holdout patients are met in the tail, of as many."] = space.tail_p
        asked[f"In {space.name}, a larger share of training than of holdout patients is met by raw distance."] = (
            space.raw_p
        )
    for one in inferences:
        asked[f"The attack '{one.name}' tells training from holdout patients (AUC {one.auc:.2f})."] = one.p_value
    corrected = holm(list(asked.values()))
    return tuple(
        Test(question=question, p_value=p, corrected=q)
        for (question, p), q in zip(asked.items(), corrected, strict=True)
    )


def _statement(made: SampleSet) -> str:
    """The differential-privacy statement of the model behind a set of ours, or ""."""
    private = (made.facts.get("model") or {}).get("privacy")
    if not private:
        return ""
    return (
        f"The generator was trained with differential privacy: epsilon = {private['epsilon']:.2f}, "
        f"delta = {private['delta']:.0e}, unit: one {private['unit']} ({private['assumption']})."
    )


def _warnings(made: SampleSet, spaces: Sequence[Space], counts: Mapping[str, int], masks: bool) -> list[str]:
    warnings = [
        f"There are only {count} {name} patients: thresholds are rough and the power is low."
        for name, count in counts.items()
        if count < FEW_PATIENTS
    ]
    if made.has_masks and not masks:
        warnings.append("The masks were not audited: some real images have none.")
    taken = sum(sample.lineage not in OF_NOBODY | {"unknown"} for sample in made.samples)
    if taken:
        warnings.append(
            f"{taken} synthetic images were made from real masks or images: they carry a patient's shape on."
        )
    for space in spaces:
        leaked = int((space.real[: space.holdout_patients] < space.clear_below).sum())
        if leaked:
            warnings.append(
                f"In {space.name}, {leaked} holdout patients are themselves clear copies of training patients: the "
                "holdout is not sealed, or one patient stands under two names."
            )
    warnings += [f"Left out: {file}" for file in made.left_out]
    return warnings

"""Looking for training patients in synthetic images: near copies, membership, and how much would be found.

The verb that opens the folders and writes the report is ``auditing.audit``; this room knows images, not models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.data.split import AUDIT_NEEDS, SPLITS
from synthmed.errors import DataError
from synthmed.evaluation.features.extractor import open_extractor
from synthmed.evaluation.features.images import chunks
from synthmed.evaluation.inputs import check_sides
from synthmed.privacy import copies, identity
from synthmed.privacy._tails import holm
from synthmed.privacy._views import Look, Views
from synthmed.privacy.copies import Space, compare
from synthmed.privacy.findings import Findings, Power, Test
from synthmed.privacy.identity import Identity, identify
from synthmed.privacy.membership import Attack, Inference, infer, known_attacks, read_scores
from synthmed.privacy.origin import origin_of
from synthmed.privacy.people import People, find_people, part_of
from synthmed.privacy.power import measure_power, there_and_back
from synthmed.running.memory import give_back
from synthmed.running.progress import Progress, silence, titled
from synthmed.samples import OF_NOBODY, SampleSet

EXTRACTOR = "random_filters"
"""What makes the features unless said otherwise: quick, and it needs no weights."""
FEW_PATIENTS = 30
"""Patients of a split without whom both sides cannot be compared."""
LEAST = 3
"""Real patients without whom nothing can be told from chance."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an audit looks.

    Args:
        arrived: sizes, height and width, that the synthetic images had before they were brought to that of the real
            ones, the commonest first; () = they came in it.
        canaries: copies of each kind that are planted to measure the audit's power; 0 = none.
        extractor: makes the features of the feature space; see ``docs/evaluation.md``.
        channels: which channels it sees: "auto", "each", or names or numbers joined by commas.
        features: folder of stored features; None = they are not kept.
        weights: folder of pretrained weights; None = the usual one.
        device: where an extractor's network runs.
        seed: source of all draws.
    """

    arrived: tuple[tuple[int, int], ...] = ()
    canaries: int = 20
    extractor: str = EXTRACTOR
    channels: str = "auto"
    features: Path | None = None
    weights: Path | None = None
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Attacks:
    """Membership attacks beside those that need the images alone.

    Args:
        outside: name -> attack with what the receiver of the images may have; what it tells can block.
        inside: name -> attack with what is never handed on, such as the discriminator; it is reported.
        scores: a CSV file of scores from elsewhere (``membership.read_scores``); they count as outside.
    """

    outside: Mapping[str, Attack] = field(default_factory=dict)
    inside: Mapping[str, Attack] = field(default_factory=dict)
    scores: Path | None = None


def examine(
    made: SampleSet,
    true: PreparedDataset,
    settings: Settings | None = None,
    attacks: Attacks | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Compare the synthetic images with the training patients, and with the holdout as control.

    Args:
        made: the synthetic images.
        true: the prepared data set whose split ``train`` the generator was trained on, with its sealed holdout; without
            one, single images are looked for and nothing else.
        settings: how it looks.
        attacks: further membership attacks.
        progress: hears how far it is.

    Raises:
        DataError: there are too few patients, attacks but no holdout, the sets differ in size, channels or bit depth,
            or one is no set of pictures.
        ConfigError: an unknown extractor or channel.
        WeightsError: the extractor's weights are not there.
    """
    settings, attacks = settings or Settings(), attacks or Attacks()
    tell = progress or silence
    flat = check_sides(made, true, "bring both to one kind first, or give --fit where the size alone differs")
    unproven = origin_of(made, true)
    _check_copies_within(made)
    masks = made.has_masks and all(row.mask_source != "none" for row in true.rows if row.split in AUDIT_NEEDS)
    look = Look(
        extractor=open_extractor(settings.extractor, device=settings.device, weights=settings.weights),
        channels=true.info.channels, seen=settings.channels, folder=settings.features,
        num_labels=max(2, len(true.info.mask_labels)) if masks else 0,
    )  # fmt: skip
    real = look.at(true, np.zeros(len(true), np.intp), {"set": true.digest},
                   titled(tell, "looking at real images"))  # fmt: skip
    people = find_people(true, real)
    real = real.of(people.numbers)
    sealed = _is_sealed(true, people, attacks)
    asked = look.at(made, range(len(made)), {"set": made.digest},
                    titled(tell, "looking at synthetic images"))  # fmt: skip
    names = [name for name in identity.SPACES if name != "masks" or masks]
    identities = []
    for place, name in enumerate(names):
        tell(place, len(names), f"comparing {name}")
        give_back()
        identities.append(identify(name, asked, real, spaces=len(names), seed=settings.seed))
    tell(0, 1, "comparing both sides")
    give_back()
    both = _compare_sides(true, people, asked, real, identities, attacks, settings.seed) if sealed else _Both()
    power: tuple[Power, ...] = ()
    if settings.canaries:
        tell(0, 1, "planted copies")
        give_back()
        back = there_and_back(settings.arrived[0]) if settings.arrived else None
        power = measure_power(true, people, real, identities, look, settings.canaries, settings.seed, back)
    counts = {name: len(np.unique(people.numbers[people.rows(name)])) for name in SPLITS}
    return Findings(
        num=len(made),
        sealed=sealed,
        patients=counts,
        persons={split: people.of(split) for split in SPLITS},
        identities=tuple(identities),
        spaces=both.spaces,
        inferences=(*both.inferences, *both.insiders),
        tests=both.tests,
        power=power,
        statement=_statement(made),
        unproven=unproven,
        warnings=(*_fitted(settings.arrived, true), *_warnings(made, people, counts, masks, both.insiders), *flat),
    )


@dataclass(frozen=True, kw_only=True)
class _Both:
    """What the comparison of training and holdout tells; nothing, where there is no holdout."""

    spaces: tuple[Space, ...] = ()
    inferences: tuple[Inference, ...] = ()
    insiders: tuple[Inference, ...] = ()
    tests: tuple[Test, ...] = ()


def _compare_sides(
    true: PreparedDataset, people: People, asked: Views, real: Views, identities: Sequence[Identity],
    attacks: Attacks, seed: int,
) -> _Both:  # fmt: skip
    train, holdout = (people.rows(side) for side in AUDIT_NEEDS)
    both = real.rows(np.r_[train, holdout])
    known, sealed = both.rows(slice(0, len(train))), both.rows(slice(len(train), None))
    spaces = [compare(one, asked, known, sealed, seed=seed) for one in identities if one.name in copies.SPACES]
    sides = part_of(true, train), part_of(true, holdout)
    given = _given_scores(*sides, attacks)
    inferences, tests = conclude(spaces, asked, both, len(train), given, seed=seed)
    insiders = _infer_all(_scored(*sides, attacks.inside), both, len(train), (seed, 2), inside=True)
    return _Both(spaces=tuple(spaces), inferences=inferences, insiders=insiders, tests=tests)


def conclude(
    spaces: Sequence[Space],
    asked: Views,
    real: Views,
    members: int,
    others: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    seed: int = 0,
) -> tuple[tuple[Inference, ...], tuple[Test, ...]]:
    """Membership inference, and all exact tests corrected for their number.

    Args:
        spaces: what was found of near copies.
        asked: synthetic images.
        real: training images, then holdout images.
        members: how many of them are training images.
        others: attack -> membership scores of the training images, then of the holdout images.
        seed: source of all draws.
    """
    scores = {**known_attacks(real, asked), **(others or {})}
    inferences = _infer_all(scores, real, members, (seed, 1))
    return inferences, _tests(spaces, inferences)


def _infer_all(
    scores: Mapping[str, NDArray[np.float64]], real: Views, members: int, seed: tuple[int, int], inside: bool = False
) -> tuple[Inference, ...]:
    inner, draws = np.arange(len(real)) < members, np.random.default_rng(seed)
    return tuple(infer(name, values, real.patients, inner, draws, inside=inside) for name, values in scores.items())


def _is_sealed(true: PreparedDataset, people: People, attacks: Attacks) -> bool:
    """Whether there are training patients and a holdout to hold them against; else single images are all that is left.

    Raises:
        DataError: too few patients even for that, or attacks on membership were asked for.
    """
    persons = len(np.unique(people.numbers))
    if persons < LEAST:
        raise DataError(
            f"{true.path} has {persons} patients; the audit learns from real patients how alike strangers are and "
            f"needs at least {LEAST}, better {FEW_PATIENTS} or more. Give more real images."
        )
    counts = {side: len(np.unique(people.numbers[people.rows(side)])) for side in AUDIT_NEEDS}
    sealed = all(counts[side] >= needed for side, needed in AUDIT_NEEDS.items())
    if not sealed and (attacks.outside or attacks.inside or attacks.scores):
        raise DataError(
            f"{true.path} has {counts['train']} patients in train and {counts['holdout']} in holdout; whether it can "
            f"be told who was trained on needs at least {AUDIT_NEEDS['train']} and {AUDIT_NEEDS['holdout']}. Prepare "
            "the images with a holdout (--holdout 0.2) and train anew on that set, or audit without attacks on "
            "membership."
        )
    return sealed


def _check_copies_within(made: SampleSet) -> None:
    """Refuse a set that holds one picture twice: it would be counted as two."""
    known: dict[bytes, int] = {}
    for done, stored in chunks(made):
        for place, image in enumerate(stored, done):
            first = known.setdefault(sha256(image.tobytes()).digest(), place)
            if first != place:
                one, other = (made.samples[index].file_name for index in (first, place))
                raise DataError(
                    f"{one} and {other} in {made.path.name} are the same picture; expected each once, since images "
                    "are counted. Leave the second one out."
                )


def _scored(
    train: PreparedDataset, holdout: PreparedDataset, attacks: Mapping[str, Attack]
) -> dict[str, NDArray[np.float64]]:
    """Scores of training images, then of holdout images."""
    return {
        name: np.concatenate([np.asarray(attack(side), np.float64) for side in (train, holdout)])
        for name, attack in attacks.items()
    }


def _given_scores(train: PreparedDataset, holdout: PreparedDataset, attacks: Attacks) -> dict[str, NDArray[np.float64]]:
    given = _scored(train, holdout, attacks.outside)
    if attacks.scores is not None:
        given |= read_scores(attacks.scores, [row.id for row in (*train.rows, *holdout.rows)])
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


def _fitted(arrived: Sequence[tuple[int, int]], true: PreparedDataset) -> list[str]:
    """What it means that images were brought to another size."""
    if not arrived:
        return []
    height, width = arrived[0]
    others = f", the commonest of {len(arrived)} sizes," if len(arrived) > 1 else ""
    return [
        f"The synthetic images came as {height} x {width} pixels{others} and were brought to {true.info.height} x "
        f"{true.info.width} as those of {true.path.name} were: by one factor, centred between zeros. Planted copies "
        "went the same way. Nothing else that prepare may have done to real images, such as cropping, was done to them."
    ]


def _statement(made: SampleSet) -> str:
    """The differential-privacy statement of the model behind a set of ours, or ""."""
    private = (made.facts.get("model") or {}).get("privacy")
    if not private:
        return ""
    return (
        f"The generator was trained with differential privacy: epsilon = {private['epsilon']:.2f}, "
        f"delta = {private['delta']:.0e}, unit: one {private['unit']} ({private['assumption']})."
    )


def _warnings(
    made: SampleSet, people: People, counts: Mapping[str, int], masks: bool, insiders: Sequence[Inference]
) -> list[str]:
    warnings = [
        f"There are only {count} {name} patients: thresholds are rough and the power is low."
        for name, count in counts.items()
        if name in AUDIT_NEEDS and 0 < count < FEW_PATIENTS
    ]
    if made.has_masks and not masks:
        warnings.append("The masks were not audited: some real images have none.")
    taken = sum(sample.lineage not in OF_NOBODY | {"unknown"} for sample in made.samples)
    if taken:
        warnings.append(
            f"{taken} synthetic images were made from real masks or images: they carry a patient's shape on."
        )
    warnings += people.divided()
    if people.twins:
        one, other = people.twins[0]
        warnings.append(
            f"{len(people.twins)} pairs of patients are one person under two names, such as {one} and {other}; they "
            "are counted as one."
        )
    warnings += [
        f"The attack '{one.name}' tells training from holdout patients (AUC {one.auc:.2f}, {one.low:.2f} to "
        f"{one.high:.2f}). It needs what is not handed on with the images, so it does not block them; the run with its "
        "checkpoints must stay where the data are."
        for one in insiders
        if one.low > 0.5
    ]
    warnings += [f"Left out: {file}" for file in made.left_out]
    return warnings

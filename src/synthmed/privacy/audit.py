"""Looking for training patients in synthetic images: near copies, membership, and how much would be found.

The verb that opens the folders and writes the report is ``auditing.audit``; this room knows images, not models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.artifacts import digest_of
from synthmed.data.dataset import PreparedDataset
from synthmed.data.split import AUDIT_NEEDS
from synthmed.errors import DataError
from synthmed.evaluation.features.extractor import open_extractor
from synthmed.evaluation.inputs import check_sides
from synthmed.privacy._tails import holm
from synthmed.privacy._views import Look, Views, join
from synthmed.privacy.copies import SPACES, Space, compare
from synthmed.privacy.findings import Findings, Power, Test
from synthmed.privacy.membership import Attack, Inference, infer, known_attacks, read_scores
from synthmed.privacy.power import image_power, mask_power
from synthmed.progress import Progress, silence, titled
from synthmed.samples import OF_NOBODY, SampleSet

EXTRACTOR = "random_filters"
"""What makes the features unless said otherwise: quick, and it needs no weights."""
FEW_PATIENTS = 30


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an audit looks.

    Args:
        canaries: copies of each kind that are planted to measure the audit's power; 0 = none.
        extractor: makes the features of the feature space; see ``docs/evaluation.md``.
        channels: which channels it sees: "auto", "each", or names or numbers joined by commas.
        features: folder of stored features; None = they are not kept.
        weights: folder of pretrained weights; None = the usual one.
        device: where an extractor's network runs.
        seed: source of all draws.
    """

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
        true: the prepared data set whose split ``train`` the generator was trained on, with its sealed holdout.
        settings: how it looks.
        attacks: further membership attacks.
        progress: hears how far it is.

    Raises:
        DataError: there is no holdout, the sets differ in size, channels or bit depth, or one is no set of pictures.
        ConfigError: an unknown extractor or channel.
        WeightsError: the extractor's weights are not there.
    """
    settings, attacks = settings or Settings(), attacks or Attacks()
    tell = progress or silence
    flat = check_sides(made, true)
    train, holdout = _sides(true)
    masks = made.has_masks and all(row.mask_source != "none" for row in (*train.rows, *holdout.rows))
    look = Look(
        extractor=open_extractor(settings.extractor, device=settings.device, weights=settings.weights),
        channels=true.info.channels, seen=settings.channels, folder=settings.features,
        num_labels=max(2, len(true.info.mask_labels)) if masks else 0,
    )  # fmt: skip
    numbers = {name: number for number, name in enumerate(sorted({row.patient_id for row in true.rows}))}

    def seen(side: PreparedDataset, what: str) -> Views:
        key = {"set": true.digest, "rows": digest_of([row.id for row in side.rows])}
        return look.at(side, [numbers[row.patient_id] for row in side.rows], key,
                       titled(tell, f"looking at {what}"))  # fmt: skip

    known, sealed = seen(train, "training images"), seen(holdout, "holdout images")
    asked = look.at(made, range(len(made)), {"set": made.digest},
                    titled(tell, "looking at synthetic images"))  # fmt: skip
    names = [name for name in SPACES if name != "masks" or masks]
    spaces = []
    for place, name in enumerate(names):
        tell(place, len(names), f"comparing {name}")
        spaces.append(compare(name, asked, known, sealed, spaces=len(names), seed=settings.seed))
    tell(0, 1, "membership")
    inferences, tests = conclude(spaces, asked, known, sealed, _given_scores(train, holdout, attacks),
                                 seed=settings.seed)  # fmt: skip
    insiders = _infer_all(_scored(train, holdout, attacks.inside), known, sealed, (settings.seed, 2), inside=True)
    power: tuple[Power, ...] = ()
    if settings.canaries:
        tell(0, 1, "planted copies")
        power = image_power(train, holdout, known, spaces, look, settings.canaries, settings.seed)
        if masks:
            power += mask_power(train, known, spaces[-1], look, settings.canaries, settings.seed)
    counts = {name: len(np.unique(side.patients)) for name, side in (("train", known), ("holdout", sealed))}
    return Findings(
        num=len(made),
        patients=counts,
        spaces=tuple(spaces),
        inferences=(*inferences, *insiders),
        tests=tests,
        power=power,
        statement=_statement(made),
        warnings=(*_warnings(made, spaces, counts, masks, insiders), *flat),
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
    scores = {**known_attacks(join(known, sealed), asked), **(others or {})}
    inferences = _infer_all(scores, known, sealed, (seed, 1))
    return inferences, _tests(spaces, inferences)


def _infer_all(
    scores: Mapping[str, NDArray[np.float64]], known: Views, sealed: Views, seed: tuple[int, int], inside: bool = False
) -> tuple[Inference, ...]:
    members = np.r_[np.ones(len(known), bool), np.zeros(len(sealed), bool)]
    patients, draws = np.concatenate([known.patients, sealed.patients]), np.random.default_rng(seed)
    return tuple(infer(name, values, patients, members, draws, inside=inside) for name, values in scores.items())


def _sides(true: PreparedDataset) -> tuple[PreparedDataset, PreparedDataset]:
    """Training and holdout images; an audit without a holdout would only pretend."""
    sides = [true.where(lambda row, name=name: row.split == name) for name in AUDIT_NEEDS]  # type: ignore[misc]
    for side, (name, needed) in zip(sides, AUDIT_NEEDS.items(), strict=True):
        count = len({row.patient_id for row in side.rows})
        if count < needed:
            raise DataError(
                f"{true.path} has {count} patients in {name}; the audit compares with patients the generator has "
                f"never seen and needs at least {needed}, better {FEW_PATIENTS} or more. Prepare the images with a "
                "holdout (--holdout 0.2), train anew on that set, and audit then."
            )
    return sides[0], sides[1]


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
    made: SampleSet, spaces: Sequence[Space], counts: Mapping[str, int], masks: bool,
    insiders: Sequence[Inference],
) -> list[str]:  # fmt: skip
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
    warnings += [
        f"The attack '{one.name}' tells training from holdout patients (AUC {one.auc:.2f}, {one.low:.2f} to "
        f"{one.high:.2f}). It needs what is not handed on with the images, so it does not block them; the run with its "
        "checkpoints must stay where the data are."
        for one in insiders
        if one.low > 0.5
    ]
    warnings += [f"Left out: {file}" for file in made.left_out]
    return warnings

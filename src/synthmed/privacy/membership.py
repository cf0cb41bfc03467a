"""Membership inference: can it be told from the synthetic images who was in the training set?

Every real image gets a score by an attack, high where it looks like a member. A patient's score is the highest
of its images. Training patients are the members, those of the sealed holdout are not, and nothing else tells
them apart; so an attack that does better than chance has found something that the generator gave away.

Attacks on the images alone are here: the distance to the nearest synthetic image, the same calibrated by how hard an
image is (GAN-Leaks; Chen et al. 2020), and counting synthetic images in a ball (Monte-Carlo; Hilprecht, Härterich,
Bernau 2019). Attacks on the generator or the discriminator come from outside, as functions of real images or as a
table of scores: this room knows folders of images, not models. ``calibrated`` makes one of reconstruction errors.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.data.dataset import PreparedDataset
from synthmed.errors import DataError
from synthmed.privacy._spaces import nearest
from synthmed.privacy._tails import proportion
from synthmed.privacy._views import Views

Attack = Callable[[PreparedDataset], NDArray[np.floating]]
"""N real images -> scores [N], higher for those it takes for members."""

RATES = (0.01, 0.001)
"""False-positive rates at which true positives are counted."""
_DRAWS = 1000
_PERMUTATIONS = 20_000
_MANY = 50
"""Patients on either side from which the normal approximation of the rank test is taken."""
_CHUNK = 256


@dataclass(frozen=True, kw_only=True)
class AtRate:
    """Members that are recognised at one false-positive rate.

    Args:
        rate: the rate asked for.
        found, members: members above the threshold, and all.
        low, high: exact 95 % interval of their share.
        sentence: what the number of non-members allows to say.
    """

    rate: float
    found: int
    members: int
    low: float
    high: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What one attack tells.

    Args:
        name: of the attack.
        auc: area under its ROC curve over patients, 0.5 = chance.
        low, high: 95 % interval by bootstrap over patients.
        p_value: one-sided rank test (Mann-Whitney) against chance.
        rates: true positives at the rates of ``RATES``.
        members, others: [n] scores of patients.
        inside: whether it needs what is not handed on with the images; then it is reported and no reason to block.
    """

    name: str
    auc: float
    low: float
    high: float
    p_value: float
    rates: tuple[AtRate, ...]
    members: NDArray[np.float64]
    others: NDArray[np.float64]
    inside: bool = False


def by_distance(real: Views, synthetic: Views, space: str) -> NDArray[np.float64]:
    """Minus the distance to the nearest synthetic image: scores [N] of real images."""
    return -nearest(space, real, synthetic).distances[:, 0].astype(float)


def by_counting(real: Views, synthetic: Views) -> NDArray[np.float64]:
    """Share of synthetic images in a ball around each real image, in features: scores [N].

    The radius is the median over the real images of the distance to the nearest synthetic one, as its authors
    advise. Within the ball a synthetic image weighs the more the nearer it is, by the logarithm of the distance.
    """
    stored = synthetic.features[0]
    spread = np.maximum(stored.std(0), 1e-6)
    stored, asked = stored / spread, real.features[0] / spread
    squares = np.square(stored).sum(1)
    distances = np.concatenate([
        np.sqrt(np.maximum(
            np.square(part).sum(1)[:, None] + squares[None] - 2 * part @ stored.T, 1e-12))
        for part in (asked[first : first + _CHUNK] for first in range(0, len(asked), _CHUNK))
    ]).astype(np.float64)  # fmt: skip
    radius = float(np.median(distances.min(1)))
    return np.where(distances <= radius, 1 + np.log(radius / np.maximum(distances, 1e-6)), 0).mean(1)


def calibrated(reconstruct: Attack, reference: Attack | None = None) -> Attack:
    """An attack made of reconstruction errors: a member is reconstructed better than others.

    Args:
        reconstruct: real images -> error [N] of the nearest image that the generator can make.
        reference: the same with a generator that was trained on other patients; its error says how hard an image
            is for anyone and is subtracted (Chen et al. 2020, eq. 13). None = not calibrated.
    """
    if reference is None:
        return lambda images: -reconstruct(images)
    return lambda images: reference(images) - reconstruct(images)


def read_scores(path: Path, ids: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Scores of other attacks: a CSV file with a column ``id`` and one column an attack, higher for members.

    Args:
        path: the file.
        ids: of all images that need a score, as in the data set's ``index.csv``.

    Returns:
        Attack -> scores in the order of ``ids``.

    Raises:
        DataError: no such table, an image without a row, or a score that is no finite number.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = {row["id"]: row for row in csv.DictReader(file, strict=True)}
    except (KeyError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is not a table of scores ({type(error).__name__}: {error}); expected CSV with a column id "
            "and one column an attack. Write it anew."
        ) from error
    missing = [one for one in ids if one not in table]
    if missing:
        raise DataError(
            f"{path} has no score for image {missing[0]}; expected all {len(ids)} images of train and holdout. "
            "Score these too."
        )
    names = [name for name in table[ids[0]] if name and name != "id"]
    try:
        scores = {name: np.array([float(table[one][name]) for one in ids]) for name in names}
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} holds a score that is no number ({error}). Mend that cell.") from error
    for name, values in scores.items():
        if not np.isfinite(values).all():
            raise DataError(f"The scores {name} in {path} are not all finite. Mend them.")
    return scores


def infer(
    name: str, scores: NDArray[np.float64], patients: NDArray[np.intp], members: NDArray[np.bool_],
    numbers: np.random.Generator, *, inside: bool = False,
) -> Inference:  # fmt: skip
    """How well an attack's scores tell members from others.

    Args:
        name: of the attack.
        scores: [N], one an image.
        patients: [N].
        members: [N] whether the image was trained on.
        numbers: for the bootstrap.
        inside: whether it needs what is not handed on.

    Raises:
        DataError: the scores are not N finite numbers.
    """
    scores = np.asarray(scores, np.float64)
    if scores.shape != members.shape or not np.isfinite(scores).all():
        raise DataError(
            f"The attack {name} gave {list(scores.shape)} scores for {len(members)} images; expected one finite "
            "number each. Mend the attack."
        )
    scores_in, scores_out = (
        np.array([scores[chosen & (patients == one)].max() for one in np.unique(patients[chosen])])
        for chosen in (members, ~members)
    )
    drawn = [
        _auc(numbers.choice(scores_in, len(scores_in)), numbers.choice(scores_out, len(scores_out)))
        for _ in range(_DRAWS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Inference(
        name=name,
        auc=_auc(scores_in, scores_out),
        low=float(low),
        high=float(high),
        p_value=_rank_test(scores_in, scores_out, numbers),
        rates=tuple(_at_rate(scores_in, scores_out, rate) for rate in RATES),
        members=scores_in,
        others=scores_out,
        inside=inside,
    )


def _rank_test(inside: NDArray[np.float64], outside: NDArray[np.float64], numbers: np.random.Generator) -> float:
    """One-sided p of the rank sum of the members: by permutation of patients where there are few.

    The usual approximation is far too sure of itself where there are few patients and many equal scores.
    """
    if min(len(inside), len(outside)) >= _MANY:
        return float(stats.mannwhitneyu(inside, outside, alternative="greater").pvalue)
    ranks = stats.rankdata(np.r_[inside, outside])
    found = ranks[: len(inside)].sum()
    copies = np.tile(ranks, (1_000, 1))
    sums = (numbers.permuted(copies, axis=1)[:, : len(inside)].sum(1) for _ in range(_PERMUTATIONS // len(copies)))
    drawn = np.concatenate(list(sums))
    return float((1 + (drawn >= found - 1e-9).sum()) / (1 + _PERMUTATIONS))


def _auc(inside: NDArray[np.float64], outside: NDArray[np.float64]) -> float:
    """P(member above other) + P(equal) / 2."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
    return float(below.mean() / (2 * len(outside)))


def _at_rate(inside: NDArray[np.float64], outside: NDArray[np.float64], rate: float) -> AtRate:
    allowed = int(rate * len(outside) + 1e-9)
    threshold = np.sort(outside)[::-1][allowed]
    found = int((inside > threshold).sum())
    low, high = proportion(found, len(inside))
    needed = round(1 / rate)
    if allowed:
        sentence = f"{allowed} of {len(outside)} non-members lie above the threshold."
    else:
        worst = proportion(0, len(outside))[1]
        sentence = (
            f"A rate of {rate:.1%} needs {needed} non-members; there are {len(outside)}. The threshold is the "
            f"highest of them, and its true rate is only known to be below {worst:.1%}."
        )
    return AtRate(rate=rate, found=found, members=len(inside), low=low, high=high, sentence=sentence)


def by_reconstruction(real: Views, synthetic: Views) -> NDArray[np.float64]:
    """How much better the synthetic images reconstruct a real one than other patients do: scores [N].

    The full black-box attack of GAN-Leaks (Chen et al. 2020, section 4.2): an image is reconstructed by the nearest of
    the samples. Its calibration (eq. 13) needs a generator trained on other patients, whose error says how hard an
    image is for anyone; the best such generator gives the other patients themselves, training and holdout alike.
    """
    others = nearest("pixels", real, real, exclude_own=True).distances[:, 0].astype(float)
    return others + by_distance(real, synthetic, "pixels")


def known_attacks(real: Views, synthetic: Views) -> Mapping[str, NDArray[np.float64]]:
    """The scores of the attacks that need the images alone."""
    return {
        "distance, pixels": by_distance(real, synthetic, "pixels"),
        "distance, features": by_distance(real, synthetic, "features"),
        "calibrated reconstruction, pixels": by_reconstruction(real, synthetic),
        "counting in a ball": by_counting(real, synthetic),
    }

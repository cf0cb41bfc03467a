"""Several readers and cases by the one-shot U-statistic: no model, any design, unbiased.

Gallas, Acad. Radiol. 13 (2006) 353; for uncrossed designs Gallas, Pennello and Myers, JOSA A 24 (2007) B70. The area
of a modality is a weighted mean of s(reader, positive, negative), 1 where the positive case has the higher rating,
1/2 for ties. Two such terms vary together by what they share: the reader, the positive case, the negative case. So
the variance is a sum over the 8 ways to share, each the mean product of pairs that share just that, less the mean
product of pairs that share nothing. The sums over pairs come from marginal sums by inclusion and exclusion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.reading.analysis.table import Cube

Values = NDArray[np.float64]
Part = tuple[Values, Values, Values]
"""Success, design of {0, 1} and weights that sum to 1, all [..., axes of what is drawn at random]."""
Products = dict[tuple[int, ...], float]
"""Axes that two terms share -> sum over such pairs of terms."""


@dataclass(frozen=True, kw_only=True)
class Success:
    """Of one modality, both [R P N]: readers, positive cases, negative cases; 0 where not both were rated.

    Args:
        success: 1, 1/2 or 0.
        design: 1 where both were rated.
    """

    success: Values
    design: Values

    @property
    def weights(self) -> Values:
        """Such that the weighted sum is the mean of the readers' areas."""
        pairs = self.design.sum((1, 2), keepdims=True)
        return self.design / np.maximum(pairs, 1) / max(1, int((pairs > 0).sum()))


@dataclass(frozen=True, kw_only=True)
class OneShot:
    """Readers' mean area of every modality, and how it varies over readers and cases.

    Args:
        modalities: [M].
        areas: [M].
        covariance: [M M]; over readers and cases, or over cases alone where there is one reader.
        readers_random: whether it holds for other readers.
        biased: [M M] of bool: the unbiased estimate of a variance was not positive, and the biased one stands.
        degrees: [M M] of degrees of freedom: of a modality, and of the difference of two.
        notes: what a reader of the numbers must know.
    """

    modalities: tuple[str, ...]
    areas: Values
    covariance: Values
    readers_random: bool
    biased: NDArray[np.bool_]
    degrees: Values
    notes: tuple[str, ...]

    def standard_error(self, modality: int) -> float:
        """Of the area of a modality."""
        return float(np.sqrt(self.covariance[modality, modality]))

    def difference(self, one: int, other: int) -> tuple[float, float]:
        """The difference of two areas, and its standard error."""
        variance = self.covariance[one, one] + self.covariance[other, other] - 2 * self.covariance[one, other]
        return float(self.areas[one] - self.areas[other]), float(np.sqrt(max(0.0, variance)))


def one_shot(cube: Cube) -> OneShot:
    """The one-shot analysis of a cube, crossed or not.

    A variance whose unbiased estimate is not positive is replaced by the biased one, which is never negative on
    crossed data, and this is said.
    """
    parts = success(cube)
    triples = [(part.success, part.design, part.weights) for part in parts]
    random = all((part.design.sum((1, 2)) > 0).sum() > 1 for part in parts)
    if not random:  # one reader: the cases alone are drawn
        triples = [tuple(array.sum(0) for array in triple) for triple in triples]
    count = len(parts)
    found, biased = np.zeros((count, count)), np.zeros((count, count), bool)
    for one in range(count):
        for other in range(one, count):
            found[one, other] = found[other, one] = covariance(triples[one], triples[other])
    notes = [] if random else ["There is one reader: the numbers hold for this reader and for cases like these."]
    for one in range(count):
        for other in range(count):
            if _variance(found, one, other) <= 0:
                biased[one, other] = True
    if biased.any():
        plain = [[covariance(a, b, unbiased=False) for b in triples] for a in triples]
        found = np.array(plain)
        notes.append("An unbiased variance was not positive, as happens with few readers or cases; all variances here "
                     "are the biased ones instead.")  # fmt: skip
        found[np.diag_indices(count)] = np.maximum(found.diagonal(), 0)
    areas = np.array([(part.success * part.weights).sum() for part in parts])
    return OneShot(modalities=cube.modalities, areas=areas, covariance=found, readers_random=random,
                   biased=biased, degrees=_degrees(parts, found, random), notes=tuple(notes))  # fmt: skip


def success(cube: Cube) -> list[Success]:
    """For every modality the comparison of all positive with all negative cases, by every reader."""
    found = []
    for ratings in cube.ratings:
        positive, negative = ratings[:, cube.truth == 1, None], ratings[:, None, cube.truth == 0]
        design = ~np.isnan(positive) & ~np.isnan(negative)
        score = (positive > negative) + 0.5 * (positive == negative)
        found.append(Success(success=np.where(design, score, 0.0), design=design.astype(float)))
    return found


def covariance(one: Part, other: Part, *, unbiased: bool = True) -> float:
    """The covariance of two weighted means over the same axes.

    Args:
        one: success, design and weights of the first.
        other: of the second, on the same axes.
        unbiased: pairs that share an axis in name only are left out; else the cases stand for their population.

    Returns:
        The covariance; NaN where no two terms share nothing.
    """
    subsets = list(_subsets(one[0].ndim))
    products = [{shared: _product(first, second, shared) for shared in subsets}
                for first, second in zip(one, other, strict=True)]  # fmt: skip
    weights = _exactly(products[2], subsets)
    tops, bottoms = (_exactly(p, subsets) if unbiased else p for p in products[:2])
    if not bottoms[()] > 0:
        return float("nan")
    means = {shared: tops[shared] / bottoms[shared] if bottoms[shared] > 0 else 0.0 for shared in subsets}
    return float(sum(weights[shared] * means[shared] for shared in subsets) - means[()])


def _product(first: Values, second: Values, shared: tuple[int, ...]) -> float:
    others = tuple(axis for axis in range(first.ndim) if axis not in shared)
    return float((first.sum(others) * second.sum(others)).sum())


def _exactly(
    products: dict[tuple[int, ...], float], subsets: Sequence[tuple[int, ...]]
) -> dict[tuple[int, ...], float]:
    """Sums over pairs that share just these axes, from sums over pairs that share at least these."""
    return {
        shared: sum((-1) ** (len(more) - len(shared)) * products[more] for more in subsets if set(shared) <= set(more))
        for shared in subsets
    }


def _subsets(axes: int) -> "chain[tuple[int, ...]]":
    return chain.from_iterable(combinations(range(axes), count) for count in range(axes + 1))


def _variance(found: Values, one: int, other: int) -> float:
    if one == other:
        return float(found[one, one])
    value = float(found[one, one] + found[other, other] - 2 * found[one, other])
    # Modalities of the very same readings do not differ, which is no failure.
    return 1.0 if abs(value) < 1e-15 else value


def _degrees(parts: Sequence[Success], found: Values, random: bool) -> Values:
    """Hillis' degrees of freedom in words that need no crossed cases.

    (R - 1) (variance / (s^2 / R))^2, s^2 the variance of the readers' areas (or of their differences); on crossed data
    this is the df of Obuchowski and Rockette with two modalities (Hillis, Stat. Med. 26 (2007) 596).
    """
    count = len(parts)
    degrees = np.full((count, count), np.inf)
    if not random:
        return degrees
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = np.array([part.success.sum((1, 2)) / part.design.sum((1, 2)) for part in parts])
    for one in range(count):
        for other in range(count):
            values = areas[one] if one == other else areas[one] - areas[other]
            values = values[~np.isnan(values)]
            if len(values) > 1 and (spread := np.var(values, ddof=1) / len(values)) > 0:
                degrees[one, other] = (len(values) - 1) * (_variance(found, one, other) / spread) ** 2
    return degrees


def t_test(difference: float, error: float, degrees: float) -> float:
    """The two-sided p of a difference; NaN without a standard error."""
    if not error > 0:
        return float("nan")
    return float(2 * stats.t.sf(abs(difference) / error, degrees) if np.isfinite(degrees)
                 else 2 * stats.norm.sf(abs(difference) / error))  # fmt: skip

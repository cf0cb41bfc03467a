"""Five-point scores: means of every method, and paired tests between methods.

Scores are ordinal, so a mean is a summary, the tests are of ranks. Where methods share their cases (the same mask
through every method), a case's mean over readers is paired; else the rank-sum test compares cases. Intervals come
from a bootstrap of readers and cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.reading.analysis.table import Cube

DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class MeanScore:
    """The scores of one method.

    Args:
        name: of the method.
        mean: over readers and cases.
        low, high: its 95 % interval over readers and cases.
        shares: [levels] of the answers that were each score, in the order of ``levels``.
        n: answers.
    """

    name: str
    mean: float
    low: float
    high: float
    shares: tuple[float, ...]
    n: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two methods compared by their cases' means over readers.

    Args:
        one, other: names.
        difference: of the means.
        test: "paired (Wilcoxon signed-rank)" or "unpaired (rank-sum)".
        p: two-sided.
        p_adjusted: by Holm over all comparisons.
        n: pairs, or cases of both.
    """

    one: str
    other: str
    difference: float
    test: str
    p: float
    p_adjusted: float
    n: int


def mean_scores(cube: Cube, levels: Sequence[float], numbers: np.random.Generator) -> list[MeanScore]:
    """The mean score of every modality.

    Args:
        cube: scores [M R N], NaN where none was given.
        levels: the scores that can be given.
        numbers: source of the bootstrap's draws.
    """
    found = []
    for name, scores in zip(cube.modalities, cube.ratings, strict=True):
        used = scores[:, ~np.isnan(scores).all(0)]
        readers, cases = used.shape
        draws = []
        for _ in range(DRAWS):
            drawn = used[numbers.integers(0, readers, readers)][:, numbers.integers(0, cases, cases)]
            if not np.isnan(drawn).all():
                draws.append(np.nanmean(drawn))
        low, high = np.percentile(draws, [2.5, 97.5])
        given = used[~np.isnan(used)]
        shares = tuple(float((given == level).mean()) for level in levels)
        found.append(MeanScore(name=name, mean=float(given.mean()), low=float(low), high=float(high), shares=shares,
                               n=len(given)))  # fmt: skip
    return found


def compare_scores(cube: Cube) -> list[Comparison]:
    """Every two modalities, paired where they share cases, corrected by Holm."""
    with np.errstate(invalid="ignore"):
        means = np.array([_case_means(scores) for scores in cube.ratings])
    found: list[Comparison] = []
    count = len(cube.modalities)
    for one in range(count):
        for other in range(one + 1, count):
            shared = ~np.isnan(means[one]) & ~np.isnan(means[other])
            first, second = means[one][~np.isnan(means[one])], means[other][~np.isnan(means[other])]
            if shared.sum() >= 2 and shared.sum() >= 0.8 * min(len(first), len(second)):
                gaps = means[one][shared] - means[other][shared]
                p, test, n = _signed_rank(gaps), "paired (Wilcoxon signed-rank)", int(shared.sum())
                difference = float(gaps.mean())
            else:
                p = float(stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)
                test, n, difference = (
                    "unpaired (rank-sum)",
                    len(first) + len(second),
                    float(first.mean() - second.mean()),
                )
            found.append(Comparison(one=cube.modalities[one], other=cube.modalities[other], difference=difference,
                                    test=test, p=p, p_adjusted=p, n=n))  # fmt: skip
    adjusted = holm([comparison.p for comparison in found])
    return [Comparison(**{**vars(one), "p_adjusted": p}) for one, p in zip(found, adjusted, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """P corrected for the number of tests.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(values)
    corrected, largest = np.zeros(len(values)), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, values[place] * (len(values) - rank)))
        corrected[place] = largest
    return [float(value) for value in corrected]


def _signed_rank(gaps: NDArray[np.float64]) -> float:
    if not (gaps != 0).any():
        return 1.0
    # Differences of 0 keep their ranks (Pratt), as there are many with five scores.
    return float(stats.wilcoxon(gaps, zero_method="pratt").pvalue)


def _case_means(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = (~np.isnan(scores)).sum(0)
    return np.where(counts > 0, np.nansum(scores, 0) / np.maximum(counts, 1), np.nan)

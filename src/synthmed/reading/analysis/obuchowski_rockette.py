"""Several readers and cases by Obuchowski and Rockette, with the degrees of freedom of Hillis.

Obuchowski and Rockette, Commun. Stat. Simul. 24 (1995) 285; Hillis, Stat. Med. 26 (2007) 596. Readers must have read in
every modality; cases may differ between modalities, since the covariances come from the cases that were shared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError, DataError
from synthmed.reading.analysis import covariance
from synthmed.reading.analysis.roc import area
from synthmed.reading.analysis.table import Cube

Values = NDArray[np.float64]
Covariance = Literal["jackknife", "delong", "unbiased"]


@dataclass(frozen=True, kw_only=True)
class Test:
    """A test that all modalities are alike.

    Args:
        statistic: F, or chi-square where readers are fixed.
        df1: degrees of freedom, of modalities.
        df2: of the denominator; inf for chi-square.
        p: two-sided.
    """

    __test__ = False

    statistic: float
    df1: float
    df2: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over readers, or a difference of two such means.

    Args:
        name: of the modality, or of both.
        value: the estimate.
        standard_error: of the estimate.
        df: degrees of freedom of its t.
        low: of the 95 % interval.
        high: of the 95 % interval.
        p: of a difference, that it is 0; NaN for a mean.
    """

    name: str
    value: float
    standard_error: float
    df: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class MultiReader:
    """What Obuchowski and Rockette's analysis finds.

    Args:
        covariance: how the covariances were estimated.
        figures: [M R] figures of merit.
        variance: mean variance over cases of one reader in one modality.
        cov1: mean covariance of one reader in two modalities.
        cov2: of two readers in one modality.
        cov3: of two readers in two modalities.
        modalities: the mean over readers of every modality, readers and cases random.
        differences: of every two modalities, readers and cases random.
        both_random: test for other readers and other cases; None with one modality or one reader.
        readers_fixed: test for these readers and other cases.
        cases_fixed: test for other readers and these cases.
        notes: what a reader of the numbers must know.
    """

    covariance: str
    figures: Values
    variance: float
    cov1: float
    cov2: float
    cov3: float
    modalities: tuple[Estimate, ...]
    differences: tuple[Estimate, ...]
    both_random: Test | None
    readers_fixed: Test | None
    cases_fixed: Test | None
    notes: tuple[str, ...]


def obuchowski_rockette(cube: Cube, covariances: Covariance = "unbiased", *,
                        figure: Callable[[NDArray, NDArray], float] = area) -> MultiReader:  # fmt: skip
    """Analyse figures of merit of several readers in one or several modalities.

    Args:
        cube: ratings [M R N]; every reader must have read cases of both truths in every modality.
        covariances: "jackknife", "delong" or "unbiased"; another figure of merit than the area needs the jackknife.
        figure: the figure of merit of one reader in one modality.

    Raises:
        ConfigError: an unknown covariance, or one that another figure of merit than the area cannot have.
        DataError: a reader has not read in every modality; the one-shot analysis takes such tables.
    """
    if covariances not in get_args(Covariance):
        known = get_args(Covariance)
        raise ConfigError(f"There is no covariance {covariances!r}{did_you_mean(covariances, known)}; known are "
                          f"{', '.join(known)}.")  # fmt: skip
    if figure is not area and covariances != "jackknife":
        raise ConfigError(f"{covariances} covariances are those of areas; expected jackknife for another figure.")
    if not cube.readers_crossed:
        raise DataError(
            "Not every reader has read cases of both truths in every modality; Obuchowski and Rockette's needs "
            "that; the one-shot analysis takes such tables."
        )
    if covariances == "jackknife":
        matrix = covariance.jackknife(cube, figure)
    else:
        matrix = covariance.delong(cube) if covariances == "delong" else covariance.unbiased(cube)
    return from_covariance(covariance.figures(cube, figure), matrix, cube.modalities, covariances)


def from_covariance(figures: Values, matrix: Values, names: tuple[str, ...], how: str = "given") -> MultiReader:
    """The analysis from figures of merit [M R] and their covariances over cases [MR MR]."""
    num, readers = figures.shape
    blocks = matrix.reshape(num, readers, num, readers).transpose(0, 2, 1, 3)  # [M M R R]
    within = [_mean_off_diagonal(blocks[m, m]) for m in range(num)]
    between = [(a, b) for a in range(num) for b in range(num) if a != b]
    variance = float(np.mean([np.diag(blocks[m, m]).mean() for m in range(num)]))
    cov1 = float(np.mean([np.diag(blocks[a, b]).mean() for a, b in between])) if between else 0.0
    cov2 = float(np.mean(within))
    cov3 = float(np.mean([_mean_off_diagonal(blocks[a, b]) for a, b in between])) if between else 0.0
    notes = []
    if readers == 1:
        notes.append("There is one reader: standard errors are those over cases, for this reader.")
    if readers > 1 and num > 1 and cov2 < cov3:
        notes.append("Cov2 is smaller than Cov3, which no model allows; their difference was taken to be 0.")
    if any(value < 0 for value in within) and readers > 1:
        notes.append("A covariance between readers was negative; it was taken to be 0.")
    means, extra = figures.mean(1), max(readers * (cov2 - cov3), 0.0)
    residual = figures - means[:, None] - figures.mean(0) + figures.mean()
    ms_reader = float((residual**2).sum() / ((num - 1) * (readers - 1))) if num > 1 and readers > 1 else 0.0
    single = [_mean(names[m], figures[m], blocks[m, m], within[m]) for m in range(num)]
    compared = [
        _difference(f"{names[a]} - {names[b]}", figures[a] - figures[b],
                    float(means[a] - means[b]), ms_reader, extra, (num - 1) * (readers - 1),
                    (variance - cov1 + (readers - 1) * max(cov2 - cov3, 0.0)) / readers)
        for a in range(num) for b in range(a + 1, num)
    ]  # fmt: skip
    both, fixed_readers, fixed_cases = _tests(figures, ms_reader, variance, cov1, cov2, cov3)
    return MultiReader(covariance=how, figures=figures, variance=variance, cov1=cov1, cov2=cov2, cov3=cov3,
                       modalities=tuple(single), differences=tuple(compared), both_random=both,
                       readers_fixed=fixed_readers, cases_fixed=fixed_cases, notes=tuple(notes))  # fmt: skip


def _tests(figures: Values, ms_reader: float, variance: float, cov1: float, cov2: float,
           cov3: float) -> tuple[Test | None, Test | None, Test | None]:  # fmt: skip
    num, readers = figures.shape
    if num < 2:
        return None, None, None
    means, free = figures.mean(1), (num - 1) * (readers - 1)
    ms_modality = float(readers * ((means - means.mean()) ** 2).sum() / (num - 1))
    below = variance - cov1 + (readers - 1) * max(cov2 - cov3, 0.0)
    fixed = None
    if below > 0:
        chi = (num - 1) * ms_modality / below
        fixed = Test(statistic=chi, df1=num - 1, df2=np.inf, p=float(stats.chi2.sf(chi, num - 1)))
    if readers < 2:
        return None, fixed, None
    extra = max(readers * (cov2 - cov3), 0.0)
    both, cases = None, None
    if ms_reader + extra > 0:
        df2 = (ms_reader + extra) ** 2 / (ms_reader**2 / free) if ms_reader > 0 else np.inf
        both = _f_test(ms_modality / (ms_reader + extra), num - 1, df2)
    if ms_reader > 0:
        cases = _f_test(ms_modality / ms_reader, num - 1, free)
    return both, fixed, cases


def _f_test(statistic: float, df1: int, df2: float) -> Test:
    p = stats.f.sf(statistic, df1, df2) if np.isfinite(df2) else stats.chi2.sf(df1 * statistic, df1)
    return Test(statistic=statistic, df1=df1, df2=float(df2), p=float(p))


def _mean(name: str, figures: Values, block: Values, cov2: float) -> Estimate:
    readers = len(figures)
    if readers == 1:
        return _estimate(name, float(figures[0]), float(block[0, 0]), np.inf)
    ms = float(np.var(figures, ddof=1))
    total = ms + max(readers * cov2, 0.0)
    df = total**2 / (ms**2 / (readers - 1)) if ms > 0 else np.inf
    return _estimate(name, float(figures.mean()), total / readers, df)


def _difference(name: str, by_reader: Values, value: float, ms_reader: float, extra: float, free: int,
                fixed: float) -> Estimate:  # fmt: skip
    readers = len(by_reader)
    if readers == 1:
        return _estimate(name, value, 2 * fixed, np.inf, test=True)
    total = ms_reader + extra
    df = total**2 / (ms_reader**2 / free) if ms_reader > 0 else np.inf
    return _estimate(name, value, 2 * total / readers, df, test=True)


def _estimate(name: str, value: float, variance: float, df: float, *, test: bool = False) -> Estimate:
    error = float(np.sqrt(max(0.0, variance)))
    known = stats.t(df) if np.isfinite(df) else stats.norm
    half = float(known.ppf(0.975)) * error
    p = float(2 * known.sf(abs(value) / error)) if test and error > 0 else float("nan")
    return Estimate(
        name=name, value=value, standard_error=error, df=float(df), low=value - half, high=value + half, p=p
    )


def _mean_off_diagonal(block: Values) -> float:
    count = len(block)
    return float((block.sum() - np.trace(block)) / (count * (count - 1))) if count > 1 else 0.0

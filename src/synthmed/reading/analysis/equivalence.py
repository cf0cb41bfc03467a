"""Equivalence: is a number so near to its value at chance that it does not matter? And how many readings that takes.

That d' is not shown to differ from 0 does not show that it is 0: 50 + 50 images give d' a half-width of 0.49 at
chance. So a margin is fixed before anybody reads, and two one-sided tests ask whether the number lies inside it
(Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from synthmed.errors import ConfigError

Measure = Literal["d_prime", "auc"]


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """The result of two one-sided tests.

    Args:
        value: the estimate.
        target: its value at chance.
        margin: how far from the target still counts as equivalent.
        low, high: the 90 % interval; inside the margin exactly where p is below 0.05.
        p: the larger of both one-sided p.
        equivalent: whether p is below 0.05.
        different: whether the 95 % interval leaves out the target.
        worse: whether the 95 % interval leaves out all that the margin allows.
    """

    value: float
    target: float
    margin: float
    low: float
    high: float
    p: float
    equivalent: bool
    different: bool
    worse: bool


def equivalence(value: float, error: float, margin: float, *, target: float = 0.0, df: float = np.inf) -> Equivalence:
    """Two one-sided tests of an estimate against a margin.

    Args:
        value: the estimate.
        error: its standard error, above 0.
        margin: above 0, fixed before reading.
        target: value at chance: 0 for d', 0.5 for an area.
        df: degrees of freedom of the estimate's t.

    Raises:
        ConfigError: a margin or an error that is not above 0.

    Example:
        >>> equivalence(0.02, 0.1, 0.3).equivalent, equivalence(0.02, 0.25, 0.3).equivalent
        (True, False)
    """
    if not margin > 0 or not error > 0:
        raise ConfigError(f"The margin is {margin} and the standard error {error}; expected numbers above 0.")
    known = stats.t(df) if np.isfinite(df) else stats.norm
    away = value - target
    p = float(max(known.sf((away + margin) / error), known.cdf((away - margin) / error)))
    half, wide = float(known.ppf(0.95)) * error, float(known.ppf(0.975)) * error
    return Equivalence(value=value, target=target, margin=margin, low=value - half, high=value + half, p=p,
                       equivalent=p < 0.05, different=abs(away) > wide, worse=abs(away) - wide > margin)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SampleSize:
    """What a number of images and readers lets one expect, where readers guess.

    Args:
        measure: of what.
        images: of each kind, real and synthetic.
        readers: each of whom reads all.
        one_reader: half-width of one reader's 95 % interval.
        all_readers: half-width of the 95 % interval of the readers' mean.
        power: that equivalence is shown if the truth is chance; NaN without a margin.
    """

    measure: str
    images: int
    readers: int
    one_reader: float
    all_readers: float
    power: float


def sample_size(images: int, readers: int = 1, *, measure: Measure = "d_prime", margin: float = 0.0,
                correlation: float = 0.2, between: float = 0.0) -> SampleSize:  # fmt: skip
    """Half-widths at chance: of d', sqrt(pi / n) as the standard error; of an area, sqrt((2 n + 1) / (12 n^2)).

    Readers share the images, so their mean is less certain than that of as many strangers:
    variance of the mean = variance (1 + (R - 1) correlation) / R + between^2 / R.

    Args:
        images: of each kind.
        readers: each of whom reads all.
        measure: "d_prime" or "auc".
        margin: of the equivalence test; 0 = none.
        correlation: of two readers' estimates, because they read the same images; 0 to 1.
        between: standard deviation of the readers' true values.

    Raises:
        ConfigError: fewer than 2 images or 1 reader.

    Example:
        >>> round(sample_size(50).one_reader, 2), round(sample_size(100).one_reader, 2)
        (0.49, 0.35)
    """
    if images < 2 or readers < 1 or not 0 <= correlation <= 1:
        raise ConfigError(
            f"{images} images and {readers} readers with correlation {correlation} were given; expected "
            "2 images and 1 reader at least, and a correlation of 0 to 1."
        )
    # d' = z(H) - z(F): 2 p (1 - p) / (n phi(0)^2) = pi / n at p = 1/2. Area: Mann and Whitney's (n + n + 1) / (12 n n).
    variance = np.pi / images if measure == "d_prime" else (2 * images + 1) / (12 * images**2)
    mean = variance * (1 + (readers - 1) * correlation) / readers + between**2 / readers
    z = stats.norm.ppf(0.975)
    power = float("nan")
    if margin > 0:
        power = float(max(0.0, 2 * stats.norm.cdf(margin / np.sqrt(mean) - stats.norm.ppf(0.95)) - 1))
    return SampleSize(measure=measure, images=images, readers=readers, one_reader=float(z * np.sqrt(variance)),
                      all_readers=float(z * np.sqrt(mean)), power=power)  # fmt: skip

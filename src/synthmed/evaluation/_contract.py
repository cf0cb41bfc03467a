"""What every metric takes and gives. A metric is a file of this folder that has a ``measure`` function.

::

    class Config(BaseModel)                                        its settings, each with a sentence
    def measure(synthetic, real, config, setup) -> Measurement

Beside it stand pure functions of arrays that do the arithmetic.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError, DataError
from synthmed.pages.figures import Figure
from synthmed.pages.numbers import interval_text as interval_text  # metrics take their words from here
from synthmed.pages.numbers import number as number
from synthmed.running.progress import Progress

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset
    from synthmed.samples import SampleSet

FEW_SAMPLES = 30
"""Below this many images or patients a number is printed with a warning."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an evaluation gives to every metric.

    Args:
        seed: source of all randomness.
        device: where networks run.
        unfinished: a file beside the report that keeps finished parts, so that a killed evaluation goes on.
        progress: hears how far it is.
        reference: the split of the real images that distributions are compared with, or "all".
        extractor: makes the features; see ``features``.
        channels: which channels it sees; see ``features/channels.py``.
        features: folder of stored features; None = they are not kept.
        weights: folder of pretrained weights; None = the usual one.
    """

    seed: int
    device: str
    unfinished: Path
    progress: Progress
    reference: str = "train"
    extractor: str = "random_vgg"
    channels: str = "auto"
    features: Path | None = None
    weights: Path | None = None

    def reference_of(self, real: "PreparedDataset") -> "PreparedDataset":
        """The real images that distributions are compared with."""
        return real if self.reference == "all" else real.split(self.reference)

    def numbers(self, stream: int) -> np.random.Generator:
        """A generator of random numbers; every ``stream`` gives other ones."""
        return np.random.default_rng((self.seed, stream))


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the report; every cell is text."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number with its interval and its real-against-real floor, and what explains it.

    Args:
        name: the metric's file name.
        title: its name for people.
        value: the number.
        low, high: its 95 % interval; None where there is none, with a warning that says why.
        floor: what real against real gives; None where it cannot be had.
        floor_low, floor_high: the interval of the floor.
        matched: the same number with as many images as the floor has: the two may be compared.
        matched_low, matched_high: its interval.
        matched_n: images of a side in ``matched`` and in the floor.
        unit: of value and floor.
        times: what people are shown is so many times the number.
        direction: which way is better.
        n: number of synthetic images measured.
        n_real: number of real images they were compared with; 0 where none were.
        extractor: what made the features; "" where none were needed.
        sentence: the number in plain words.
        details: all else that was computed, as JSON values.
        figures, tables: for the report.
        warnings: what a reader must know before trusting the number.
        alarm: what a reader must know before anything else, such as that images look like copies; "" = nothing.
    """

    name: str
    title: str
    value: float
    low: float | None
    high: float | None
    floor: float | None
    floor_low: float | None = None
    floor_high: float | None = None
    matched: float | None = None
    matched_low: float | None = None
    matched_high: float | None = None
    matched_n: int = 0
    unit: str
    direction: Literal["lower is better", "higher is better", "no direction"]
    n: int
    n_real: int = 0
    extractor: str = ""
    sentence: str
    details: dict[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    warnings: Sequence[str] = ()
    alarm: str = ""
    times: int = 1

    def shown(self, value: float | None) -> str:
        """A number of this measurement as people read it."""
        return number(None if value is None else value * self.times)

    def shown_interval(self, value: float | None, low: float | None, high: float | None) -> str:
        """The same with its interval, where it has one."""
        return self.shown(value) + (f" ({self.shown(low)} to {self.shown(high)})" if low is not None else "")

    @property
    def shown_title(self) -> str:
        """The title, and by what the numbers that people are shown are multiplied."""
        return self.title if self.times == 1 else f"{self.title}, times {self.times:,}"

    @property
    def shown_unit(self) -> str:
        """The unit of what people are shown."""
        return self.unit if self.times == 1 else f"times {self.times:,}, {self.unit}"

    @property
    def differs(self) -> bool | None:
        """Whether synthetic and real differ by more than two halves of the real patients; None = not known."""
        if self.matched is None or self.floor_low is None or self.floor_high is None:
            return None
        above, below = self.matched > self.floor_high, self.matched < self.floor_low
        return {"lower is better": above, "higher is better": below, "no direction": above or below}[self.direction]


class Estimate(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float | None
    high: float | None


def beside_real(made: Estimate, true: Estimate | None, *, comparable: bool = True, n: int, **told: Any) -> Measurement:
    """The measurement of a number that is taken of synthetic and of real images alike, each side on its own.

    Args:
        made: of the synthetic images.
        true: of the real ones: the floor; None where there are too few.
        comparable: whether the two may be compared as they are, whatever the numbers of images.
        n: synthetic images measured.
        told: the other fields of ``Measurement``.
    """
    floor = true or Estimate(None, None, None)  # type: ignore[arg-type]
    matched = made if comparable and true else Estimate(None, None, None)  # type: ignore[arg-type]
    return Measurement(
        value=made.value, low=made.low, high=made.high,
        floor=floor.value, floor_low=floor.low, floor_high=floor.high,
        matched=matched.value, matched_low=matched.low, matched_high=matched.high, matched_n=n if comparable else 0,
        n=n, **told,
    )  # fmt: skip


class PartMissing(DataError):
    """A set lacks what a metric is about; where all metrics are taken, that one is left out."""


class MasksMissing(PartMissing):
    """A metric of masks was given a set without masks."""


class ChannelsMissing(PartMissing):
    """A metric of several channels was given a set with one."""


class ClassesMissing(PartMissing):
    """A metric of classes was given a set without classes."""


def known_metrics() -> list[str]:
    """The names of all metrics: the files of this folder that have a ``measure`` function."""
    import synthmed.evaluation as folder

    names = [module.name for module in pkgutil.iter_modules(folder.__path__) if not module.name.startswith("_")]
    return [name for name in names if hasattr(importlib.import_module(f"{folder.__name__}.{name}"), "measure")]


def find_metric(name: str) -> ModuleType:
    """The module of a metric.

    Raises:
        ConfigError: there is no such metric; the message lists the known ones.
    """
    known = known_metrics()
    if name not in known:
        meant = did_you_mean(name, [*known, "quick"])
        raise ConfigError(f"The metric {name!r} is unknown{meant}; expected quick, or some of {', '.join(known)}.")
    return importlib.import_module(f"synthmed.evaluation.{name}")


def require_masks(synthetic: "SampleSet", reference: "PreparedDataset", name: str) -> None:
    """Refuse sides of which one lacks masks.

    Raises:
        MasksMissing: says which side, and to leave out the metric of that name.
    """
    if not synthetic.has_masks or any(row.mask_source == "none" for row in reference.rows):
        side = "real reference" if synthetic.has_masks else "synthetic set"
        raise MasksMissing(f"The {side} has no masks; expected one for each image. Leave out {name}.")


def some_rows(count: int, most: int, numbers: np.random.Generator) -> list[int]:
    """All rows of ``count``, or as many as allowed, chosen at random."""
    return sorted(numbers.permutation(count)[:most].tolist())


def few_samples(count: int, what: str) -> list[str]:
    """The warning that goes with a small number, or nothing."""
    if count >= FEW_SAMPLES:
        return []
    return [f"Only {count} {what}: the interval is wide, and may still be too narrow."]


def plain(array: NDArray[Any], digits: int = 6) -> list[Any]:
    """An array as JSON numbers, rounded."""
    return [[round(float(x), digits) for x in row] if np.ndim(row) else round(float(row), digits) for row in array]

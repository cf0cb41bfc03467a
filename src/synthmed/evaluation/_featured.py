"""What all metrics of features share: the features of both sides, and the way from a statistic to a measurement."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synthmed.artifacts import digest_of
from synthmed.evaluation._contract import Measurement, Setup, Table, few_samples
from synthmed.evaluation._intervals import percentiles
from synthmed.evaluation._jackknife import Bounds, Compared, Points, Statistic, compare
from synthmed.evaluation.features._contract import Extractor
from synthmed.evaluation.features.extractor import open_extractor
from synthmed.evaluation.features.images import Images, image_features
from synthmed.pages.figures import Figure
from synthmed.running.progress import titled
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


class FeatureConfig(BaseModel):
    """What every metric of features can be told."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    draws: int = Field(default=100, ge=10)
    """Sub-samples for the interval, and halves of the real patients for the floor."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Both sides as features.

    Args:
        synthetic: every image a group of its own.
        real: the reference, grouped by patient.
        extractor: its name.
        about: what it is.
    """

    synthetic: Points
    real: Points
    extractor: str
    about: str


def sides(synthetic: SampleSet, real: "PreparedDataset", setup: Setup) -> Sides:
    """The features of the synthetic images and of the real reference images.

    Raises:
        ConfigError: an unknown extractor or channel.
        WeightsError: the extractor's weights are absent.
    """
    reference = setup.reference_of(real)
    extractor = _opened(setup.extractor, setup.device, setup.weights)
    rows = digest_of([row.id for row in reference.rows])
    real_key = {"set": real.digest, "rows": rows}

    def features(images: Images, key: dict[str, str]) -> NDArray[np.float32]:
        return image_features(
            images, key, real.info.channels, extractor, channels=setup.channels, folder=setup.features,
            progress=titled(setup.progress, f"features of {extractor.name}"),
        )  # fmt: skip

    made, true = features(synthetic, {"set": synthetic.digest}), features(reference, real_key)
    if extractor.arbitrary_units:
        made, true = in_real_units(made, true)
    return Sides(
        synthetic=Points(values=made, groups=own_groups(len(made))),
        real=Points(values=true, groups=np.array([row.patient_id for row in reference.rows])),
        extractor=extractor.name,
        about=extractor.about,
    )


def in_real_units(
    made: NDArray[np.float32], true: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both sides [N D] moved and divided feature by feature, so that the real ones have mean 0 and spread 1.

    A feature that is the same in all real images is divided by nothing, so that a difference in it still counts.
    """
    mean, spread = true.mean(0), true.std(0)
    spread = np.where(spread > 1e-6 * np.maximum(1e-6, np.abs(mean)), spread, 1)
    return (made - mean) / spread, (true - mean) / spread


def own_groups(count: int) -> NDArray[np.str_]:
    """A group of its own for each synthetic image."""
    return np.array([f"synthetic image {index}" for index in range(count)])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A statistic of both sides with its interval and floor, on the way to a measurement.

    Args:
        name: of the metric.
        points: both sides.
        about: what made the numbers that were compared.
        compared: what was found.
        shown: which of the statistic's numbers is the measurement's.
    """

    name: str
    sides: Sides
    compared: Compared
    shown: int

    def measurement(
        self,
        *,
        title: str,
        unit: str,
        direction: Literal["lower is better", "higher is better", "no direction"],
        what: str,
        details: dict[str, Any] | None = None,
        figures: Sequence[Figure] = (),
        tables: Sequence[Table] = (),
        warnings: Sequence[str] = (),
        alarm: str = "",
        times: int = 1,
    ) -> Measurement:
        """The measurement; ``what`` begins its sentence and ends with the subject of "is 0.3"."""
        found, column = self.compared, self.shown
        low, high = float(found.low[column]), float(found.high[column])
        has_interval, has_floor = not np.isnan(low), len(found.floors) > 0
        floors, matched = found.floors[:, column], found.matched[:, column]
        floor_low, floor_high = percentiles(floors) if has_floor else (None, None)
        matched_low, matched_high = percentiles(matched) if has_floor else (None, None)
        patients = len(np.unique(self.sides.real.groups))
        told = few_samples(len(self.sides.synthetic), "synthetic images") + few_samples(patients, "real patients")
        if not has_interval:
            told.append("There is no interval: it needs 4 synthetic images and 4 real patients at least.")
        if not has_floor:
            told.append("There is no floor: it needs 4 real patients at least.")
        one = Measurement(
            name=self.name,
            title=title,
            value=float(found.value[column]),
            low=low if has_interval else None,
            high=high if has_interval else None,
            floor=float(floors.mean()) if has_floor else None,
            floor_low=floor_low,
            floor_high=floor_high,
            matched=float(matched.mean()) if has_floor else None,
            matched_low=matched_low,
            matched_high=matched_high,
            matched_n=found.half_size,
            unit=unit,
            direction=direction,
            n=len(self.sides.synthetic),
            n_real=len(self.sides.real),
            extractor=self.sides.extractor,
            sentence="",
            details={**(details or {}), "extractor": self.sides.about, "draws": len(found.floors)},
            figures=figures,
            tables=tables,
            warnings=[*([alarm] if alarm else []), *warnings, *told],
            alarm=alarm,
            times=times,
        )
        return replace_sentence(one, what)


def replace_sentence(one: Measurement, what: str) -> Measurement:
    """The measurement with its sentence: value, interval, and how it stands to the floor."""
    import dataclasses

    text = f"{what} is {one.shown(one.value)}"
    if one.low is not None:
        text += f" (95 % interval {one.shown(one.low)} to {one.shown(one.high)})"
    if one.matched is not None:
        verdict = "a difference is shown" if one.differs else "no difference is shown"
        text += (
            f"; with {one.matched_n} images a side it is {one.shown(one.matched)}, and between two halves of the real "
            f"patients {one.shown_interval(one.floor, one.floor_low, one.floor_high)}: {verdict}"
        )
    return dataclasses.replace(one, sentence=text + ".")


def judge(
    name: str,
    statistic: Statistic,
    synthetic: SampleSet,
    real: "PreparedDataset",
    config: FeatureConfig,
    setup: Setup,
    *,
    bounds: Bounds = (-np.inf, np.inf),
    shown: int = 0,
) -> Judged:
    """A statistic of the features of both sides, with its interval and floor.

    Args:
        name: of the metric; it also decides its random draws.
        statistic: features of synthetic and real images to numbers.
        synthetic: the images to judge.
        real: the data set of the reference.
        config: how many draws.
        setup: seed, extractor, progress.
        bounds: the range of the statistic.
        shown: which of its numbers is the measurement's.
    """
    return judge_points(name, statistic, sides(synthetic, real, setup), config, setup, bounds=bounds, shown=shown)


def judge_points(
    name: str,
    statistic: Statistic,
    both: Sides,
    config: FeatureConfig,
    setup: Setup,
    *,
    bounds: Bounds = (-np.inf, np.inf),
    shown: int = 0,
) -> Judged:
    """The same for sides that are there already; see ``judge``."""
    compared = compare(
        statistic,
        both.synthetic,
        both.real,
        setup.numbers(zlib.crc32(name.encode())),
        draws=config.draws,
        bounds=bounds,
        progress=titled(setup.progress, name),
    )
    return Judged(name=name, sides=both, compared=compared, shown=shown)


@lru_cache(maxsize=2)
def _opened(name: str, device: str, weights: Path | None) -> Extractor:
    return open_extractor(name, device=device, weights=weights)

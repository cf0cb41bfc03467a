"""What the copier (``copier``) scores beside a set, metric by metric, and whether the metric tells it from others."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from synthmed import __version__
from synthmed.artifacts import digest_of, write_json
from synthmed.errors import ArtifactError, DataError
from synthmed.evaluation._contract import MasksMissing, Measurement, Setup, Table, find_metric
from synthmed.evaluation.copier import copier_of
from synthmed.files.seals import read_json, sealed, unsealed
from synthmed.running.progress import titled
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


@dataclass(frozen=True, kw_only=True)
class Control:
    """The copier of a data set, measured.

    Args:
        measurements: one of each metric that can be taken of it, without figures, tables and details.
        reason: why there is no copier; "" where there is one.
    """

    measurements: tuple[Measurement, ...] = ()
    reason: str = ""

    def of(self, name: str) -> Measurement | None:
        """The measurement of a metric, None where there is none."""
        return next((one for one in self.measurements if one.name == name), None)


def measure_copier(true: "PreparedDataset", configs: Mapping[str, BaseModel], setup: Setup) -> Control:
    """Measure the copier by the same metrics, or read what was found when it was measured before.

    Args:
        true: the real images.
        configs: name of a metric -> its settings.
        setup: of the evaluation; what is found is kept in its folder of features.
    """
    folder = setup.features
    assert folder is not None, "an evaluation keeps what it finds of the copier"
    setup = dataclasses.replace(setup, progress=titled(setup.progress, "the copier"))
    try:
        made = copier_of(true, folder)
        found = [_kept(made, true, name, config, setup) for name, config in configs.items()]
    except DataError as error:
        return Control(reason=str(error))
    return Control(measurements=tuple(one for one in found if one is not None))


def told_from_real(copier: Measurement) -> bool | None:
    """Whether a metric tells the copier from real patients, on either side of them; None = not known."""
    if copier.matched is None or copier.floor_low is None or copier.floor_high is None:
        return None
    return not copier.floor_low <= copier.matched <= copier.floor_high


def told_apart(one: Measurement, copier: Measurement) -> bool | None:
    """Whether a metric tells a set from the copier: their intervals at one size lie apart; None = not known."""
    if one.matched_n and one.matched_n == copier.matched_n:
        ends = (one.matched_low, one.matched_high, copier.matched_low, copier.matched_high)
    else:
        ends = (one.low, one.high, copier.low, copier.high)
    low, high, its_low, its_high = ends
    if low is None or high is None or its_low is None or its_high is None:
        return None
    return high < its_low or low > its_high


def sentence(control: Control) -> str:
    """What follows from the copier for the reader of a report; "" where nothing is known of it."""
    known = {one.title: told for one in control.measurements if (told := told_from_real(one)) is not None}
    if not known:
        return ""
    passed = [title for title, told in known.items() if not told]
    begins = "A copier, which bends training images until they fit a mask,"
    if not passed:
        return f"{begins} is distinguished from real patients by each of these {len(known)} measures."
    return (
        f"{begins} passes for real patients in {len(passed)} of {len(known)} measures ({', '.join(passed)}): a good "
        "value there says nothing about copying. Run synthmed audit."
    )


def copier_table(sets: Mapping[str, Sequence[Measurement]], control: Control) -> Table:
    """Every metric with the copier beside the sets and beside real patients."""
    rows = []
    for copier in control.measurements:
        of_sets = [next((one for one in found if one.name == copier.name), None) for found in sets.values()]
        apart = [None if one is None else told_apart(one, copier) for one in of_sets]
        rows.append([
            f"{copier.shown_title} ({copier.direction})", *(_cell(one) for one in of_sets), _cell(copier),
            copier.shown_interval(copier.floor, copier.floor_low, copier.floor_high), _yes(told_from_real(copier)),
            *map(_yes, apart),
        ])  # fmt: skip
    return Table(
        caption="A copier bends training images until they fit a mask. Where it cannot be distinguished from real "
        "patients, a good value says nothing about copying. Values at the size of the floor where there is one "
        "(95 % interval)",
        columns=["", *sets, "copier", "real against real", "distinguished from real",
                 *(f"distinguished from {name}" for name in sets)],
        rows=rows,
    )  # fmt: skip


def as_entries(sets: Mapping[str, Sequence[Measurement]], control: Control) -> dict[str, Any]:
    """The copier as JSON values."""
    return {
        "reason": control.reason,
        "sentence": sentence(control),
        "measurements": {
            one.name: {
                **_plain(one),
                "told_from_real": told_from_real(one),
                "told_from": {name: told_apart(mine, one) for name, found in sets.items()
                              for mine in found if mine.name == one.name},
            }
            for one in control.measurements
        },
    }  # fmt: skip


def _kept(
    made: SampleSet, true: "PreparedDataset", name: str, config: BaseModel, setup: Setup
) -> Measurement | None:  # fmt: skip
    """The measurement of one metric, from the file that keeps it or made now; None where masks are missing for it."""
    key = {
        "copier": made.digest, "set": true.digest, "metric": name, "config": config.model_dump(mode="json"),
        "reference": setup.reference, "extractor": setup.extractor, "channels": setup.channels, "seed": setup.seed,
        "version": __version__, "form": 2,
    }  # fmt: skip
    assert setup.features is not None
    file = setup.features / f"copier-{name}-{digest_of(key)[:32]}.json"
    if file.is_file():
        return read_kept(file, key)
    try:
        found = find_metric(name).measure(made, true, config, setup)
    except MasksMissing:
        found = None
    keep(file, key, found)
    return found if found is None else dataclasses.replace(found, figures=(), tables=(), details={})


def keep(file: Path, key: Mapping[str, Any], found: Measurement | None) -> None:
    """Write what ``read_kept`` reads: a measurement, or None where it cannot be taken."""
    write_json(file, sealed({"key": dict(key), "measurement": None if found is None else _plain(found)}))


def read_kept(file: Path, key: Mapping[str, Any]) -> Measurement | None:
    """What a file keeps of the copier, which must be that of the key.

    Raises:
        ArtifactError: it is damaged, or of something else.
    """
    try:
        said = unsealed(read_json(file.read_bytes()))
        if said["key"] != key:
            raise ValueError("it is of another evaluation")
        return None if said["measurement"] is None else Measurement(**said["measurement"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{file} cannot be read ({error}). Remove it; it is made anew.") from error


def _plain(one: Measurement) -> dict[str, Any]:
    """Without what only its own report shows."""
    whole = dataclasses.asdict(dataclasses.replace(one, figures=(), tables=(), details={}))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in whole.items()}


def _cell(one: Measurement | None) -> str:
    if one is None:
        return "-"
    if one.matched is None:
        return one.shown_interval(one.value, one.low, one.high)
    return one.shown_interval(one.matched, one.matched_low, one.matched_high)


def _yes(told: bool | None) -> str:
    return {None: "not known", True: "yes", False: "no"}[told]

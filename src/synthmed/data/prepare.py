"""``prepare``: what a folder holds -> a prepared data set, split by patient, the holdout sealed.

The kind says which items there are and makes images of one; here they are planned, split, shared out to workers in
shards and put together. Whatever the workers, and however often it was interrupted, the set is the same.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from synthmed import artifacts
from synthmed.config import parse, read_overrides
from synthmed.data import shards
from synthmed.data.balance import rows_of, settled
from synthmed.data.dataset import KIND, PreparedDataset
from synthmed.data.keyed_names import OwnNames, keep_names, list_file, without_names
from synthmed.data.kinds import find_kind, measured
from synthmed.data.kinds._contract import KindSettings
from synthmed.data.planning import Plan, plan
from synthmed.data.pseudonyms import default_key_file, read_key
from synthmed.data.store import finish_set
from synthmed.data.work import CRASHED, Died, Workers
from synthmed.errors import ConfigError, Interrupted, SourceError, SynthmedError
from synthmed.files.paths import takes_paths
from synthmed.phantoms import phantom_kind
from synthmed.running.progress import Progress, silence
from synthmed.sources.folders import real_reason, relative
from synthmed.sources.layouts import IMAGE_LEFT_OUT

_SIZES = range(8, 8193)
_USUAL_SHARES = {"holdout": 0.1, "test": 0.2}


@takes_paths
def prepare(
    source: Path,
    out: Path,
    *,
    kind: str = "generic",
    size: tuple[int, int] | int | None = None,
    holdout: float | None = None,
    test: float | None = None,
    seed: int = 0,
    overrides: Iterable[str] = (),
    table: Path | None = None,
    key: Path | None = None,
    workers: int | None = None,
    cluster: str = "",
    fast_j2k: bool = False,
    progress: Progress | None = None,
) -> PreparedDataset:
    """Prepare a folder of images for training.

    What cannot be used is noted in ``rejected.csv`` with its reason, and the rest goes on. The same source, settings
    and key give the same digest, whatever the workers. What was done before an interruption is kept beside ``out``,
    and the same call goes on from there.

    Args:
        source: a folder; what it may look like is said by the kind.
        out: a new place.
        kind: name of a kind, such as "retina".
        size: (height, width) in pixels, or one number for both; None = the kind's own.
        holdout: fraction of the patients to seal away. None = 0.1 of those without a declared split; a number is also
            taken out of those that the source declares for training, where it declares none for holdout.
        test: fraction of the patients to test on, likewise; None = 0.2.
        seed: another seed, another split. The key plays no part in it.
        overrides: settings of the kind, as key=value.
        table: a CSV file with patients, labels or classes, as the kind reads it.
        key: file with the key of the pseudonyms, made if it is not there; None = that of this user.
        workers: processes; 1 = this one, where a file that makes its reader crash or hang is not survived; None = as
            many as there are cores.
        cluster: address of a Dask scheduler to use instead, whose workers see the same files; "" = none.
        fast_j2k: read JPEG 2000 at a lower resolution where that is enough.
        progress: hears how many items are done.

    Raises:
        ConfigError: an unknown kind or setting, a size or a fraction out of range, a key that is none.
        SourceError: no usable images, or one patient in two declared splits. Errors name no file: which one is meant
            stands in a list beside the key.
        ArtifactError: something with content already stands at ``out``, or is being prepared.
        StorageError: the disk is full or may not be written.
        Interrupted: Ctrl-C; finished shards are kept.
    """
    given = Path(out)
    source, out = (Path(os.path.abspath(path)) for path in (source, out))
    height, width = _checked_size(kind, size)
    settings = _settings(kind, overrides, table, fast_j2k)
    artifacts.refuse_existing(out)
    if not source.is_dir():
        raise SourceError(f"{source} is not a folder; expected a folder of images. Check the path.")
    key_file = Path(os.path.abspath(key or default_key_file()))
    secret, listed = _key(key_file, source, out), list_file(key_file, out)
    recorded = dict(kind=kind, height=height, width=width, seed=seed, **_shares(holdout=holdout, test=test))
    with Workers(workers, cluster) as pool, without_names(secret, source, listed):
        found = find_kind(kind).find(source, settings, pool.map)
        found = measured(find_kind(kind), found, settings, pool.map)
        info = find_kind(kind).describe(found, settings, height, width)
        planned = plan(source, found, info, settings, secret, recorded, pool.map)
        del found
        if not planned.items:
            raise SourceError(_all_rejected(source, planned.rejected))
        with shards.working_folder(out, planned.digest) as folder:
            try:
                _make_shards(planned, folder, kind, settings, pool, progress or silence)
            except KeyboardInterrupt as error:
                raise Interrupted(
                    f"Preparing {out} was stopped; what was finished is kept. The same command goes on from there."
                ) from error
            _assemble(planned, folder, source, out, secret, listed)
    return PreparedDataset.open(given, verify=False)


def _shares(**given: float | None) -> dict[str, Any]:
    """The share of each split, and which were given: these are taken out of a declared training half too."""
    shares: dict[str, Any] = {name: _USUAL_SHARES[name] if share is None else share for name, share in given.items()}
    return {**shares, "from_train": [name for name, share in given.items() if share is not None]}


def _checked_size(kind: str, size: tuple[int, int] | int | None) -> tuple[int, int]:
    default = find_kind(kind).DEFAULT_SIZE
    height, width = default if size is None else (size, size) if isinstance(size, int) else size
    if height not in _SIZES or width not in _SIZES:
        raise ConfigError(
            f"The size {height} x {width} was asked for; expected whole numbers of {_SIZES[0]} to {_SIZES[-1]} pixels."
        )
    return height, width


def _settings(kind: str, overrides: Iterable[str], table: Path | None, fast_j2k: bool) -> KindSettings:
    given = read_overrides(overrides)
    if table is not None:
        if not table.is_file():
            raise ConfigError(f"The table {table} is not a file; expected a table in CSV. Check --table.")
        given["table"] = os.path.abspath(table)
    if fast_j2k:
        given["fast_j2k"] = True
    return parse(find_kind(kind).Settings, given, kind)


def _key(path: Path, source: Path, out: Path) -> bytes:
    for folder, what in ((out, "the data set"), (source, "the source")):
        if path.is_relative_to(folder):
            raise ConfigError(
                f"The key file {path} would stand in {what}; whoever gets that folder could lead the pseudonyms back. "
                "Name a place outside by --key."
            )
    return read_key(path)


def _make_shards(
    planned: Plan, folder: Path, kind: str, settings: KindSettings, pool: Workers, progress: Progress
) -> None:
    """Have every shard made; one whose worker dies each time is made without the items that kill it."""
    jobs = (
        shards.Shard(
            number=number,
            folder=folder,
            kind=kind,
            items=tuple(planned.items[place] for place in places),
            info=planned.info,
            settings=settings,
            limits=pool.limits,
        )
        for number, places in enumerate(planned.ranges)
    )
    done = 0
    for shard, outcome in pool.as_finished(shards.make, jobs):
        if isinstance(outcome, Died):
            _make_without_crashes(shard, pool)
        done += len(shard.items)
        progress(done, len(planned.items))


def _make_without_crashes(shard: shards.Shard, pool: Workers) -> None:
    singles = [replace(shard, items=(item,)) for item in shard.items]
    outcomes = [str(outcome) for outcome in pool.map_alone(shards.probe, singles)]
    crashing = {place: outcome for place, outcome in enumerate(outcomes) if outcome == CRASHED}
    for _, outcome in pool.as_finished(shards.make, [replace(shard, crashing=crashing)], alone=True):
        if isinstance(outcome, Died):
            raise SynthmedError(
                "Workers die again and again, and no single file is to blame; perhaps the memory is full. "
                "Run the same command again with fewer --workers."
            )


def _assemble(planned: Plan, folder: Path, source: Path, out: Path, key: bytes, listed: Path) -> None:
    """Put the finished shards together to the set; the names of what was left out go to the list beside the key."""
    finished = shards.FinishedShards(folder, len(planned.ranges))
    left_out = [(planned.items[planned.ranges[shard][place]], why) for shard, place, why in finished.left_out()]
    lost = [item for item, _ in left_out]
    rows = [row for item, why in left_out for row in rows_of(item, OwnNames(item).shown(why), source)]
    rejected = planned.rejected + rows
    if not finished.images:
        raise SourceError(_all_rejected(source, rejected))
    counts = {
        "accepted": len(planned.items) - len(lost), "images": finished.images, "rejected": len(rejected),
    }  # fmt: skip
    account = asdict(settled(planned.account, source, lost, rows))
    made_by_code = {"phantom": phantom} if (phantom := phantom_kind(source)) else {}
    provenance = {**planned.info.provenance, "counts": counts, "account": account, **made_by_code}
    info = planned.info.model_copy(update={"provenance": provenance})
    known = finished.manifest_entries()
    keyed = keep_names(rejected, _names(planned, source), key, listed)
    with artifacts.new_directory(out, KIND, known=known) as directory:
        finished.link_into(directory)
        finish_set(directory, info, finished.rows(), keyed, finished.prints())


def _names(planned: Plan, source: Path) -> Iterator[str]:
    """Every name of what was not rejected."""
    for item in planned.items:
        yield item.name
        yield from (relative(path, source) for path in (*item.files, *item.partners))


def _all_rejected(source: Path, rejected: list[tuple[str, str]]) -> str:
    own = [row for row in rejected if row[1] != IMAGE_LEFT_OUT]
    why = real_reason(own) or " There is no file."
    return f"{source} holds no usable images: all {len(own)} were left out; expected at least one.{why}"

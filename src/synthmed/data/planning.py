"""What is decided before a pixel is decoded: which items, whose, in which split, in which shard.

A plan depends on source, settings and key, never on the workers.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from synthmed import __version__, artifacts
from synthmed.data.account import Account
from synthmed.data.balance import account_of, rows_of
from synthmed.data.dataset import DatasetInfo
from synthmed.data.kinds._contract import Found, Item, KindSettings, Map
from synthmed.data.pseudonyms import fingerprint, pseudonyms
from synthmed.data.shards import cut
from synthmed.data.siblings import Siblings, siblings_of
from synthmed.data.split import split_patients
from synthmed.errors import SourceError
from synthmed.phantoms import phantom_kind
from synthmed.sources.names import identity

_SAMPLE = 4096
"""Bytes at the beginning, in the middle and at the end of files that are compared before all of them is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a preparation does.

    Args:
        items: in the order of their names, with pseudonyms in the place of patients, and with splits.
        rejected: file and reason of what is left out already.
        info: of the set, with its provenance but for the counts.
        ranges: places of the items of each shard.
        account: what every file of the source is.
        digest: names all of this, and the state of every source file.
        siblings: what the names say where nobody says whose images are; None = nothing.
    """

    items: list[Item]
    rejected: list[tuple[str, str]]
    info: DatasetInfo
    ranges: list[range]
    account: Account
    digest: str
    siblings: Siblings | None


def plan(
    source: Path,
    found: Found,
    info: DatasetInfo,
    settings: KindSettings,
    key: bytes,
    recorded: dict[str, Any],
    run: Map,
) -> Plan:
    """Leave out second copies, split the patients, name them, cut the rest into shards.

    Args:
        source: the folder.
        found: what a kind found in it.
        info: what it says of the set.
        settings: its settings.
        key: of the pseudonyms.
        recorded: the settings of the preparation, for the provenance; "holdout", "test", "seed" and "from_train" make
            the split.
        run: the workers.

    Raises:
        SourceError: one patient in two declared splits.
    """
    ours = {source / artifacts.MANIFEST} if phantom_kind(source) else set[Path]()
    rejected = [(one.file, one.reason) for one in found.rejected if source / one.file not in ours]
    states: dict[Path, tuple[int, int]] = {}
    items = _present(sorted(found.items, key=lambda item: item.name), states, rejected, source)
    items = _one_spelling(_first_copies(items, states, rejected, source, run))
    tables = {*found.tables, *([Path(settings.table)] if settings.table else []), *ours}
    account = account_of(source, items, tables, rejected)
    unsaid = [item for item in items if not item.patient_said]
    siblings = siblings_of([item.name for item in unsaid], [item.patient_id for item in unsaid]) if unsaid else None
    declared = _declared(items)
    splits = split_patients(declared, **{name: recorded[name] for name in ("holdout", "test", "seed", "from_train")})
    names = pseudonyms(declared, key)
    items = [replace(item, patient_id=names[item.patient_id], split=splits[item.patient_id]) for item in items]
    noted = {**recorded, **settings.model_dump(mode="json", exclude={"table"})}
    if settings.table:
        noted["table"] = artifacts.file_digest(Path(settings.table))
    alike = {"names_look_like": asdict(siblings)} if siblings else {}
    provenance = {**info.provenance, **alike, "layout": found.layout, "settings": noted, "key": fingerprint(key)}
    info = info.model_copy(update={"provenance": provenance})
    sizes = [sum(states[file][0] for file in item.files) for item in items]
    return Plan(
        items=items,
        rejected=rejected,
        info=info,
        ranges=cut(sizes, [len(item.files) for item in items], info),
        account=account,
        digest=_digest(items, states, info),
        siblings=siblings,
    )


def _present(
    items: Iterable[Item], states: dict[Path, tuple[int, int]], rejected: list[tuple[str, str]], source: Path
) -> list[Item]:
    """The items whose files are all there; size and time of change of each file are noted in ``states``."""
    present: list[Item] = []
    for item in items:
        try:
            for file in (*item.files, *item.partners):
                state = os.stat(file)
                states[file] = (state.st_size, state.st_mtime_ns)
        except OSError:
            rejected += rows_of(item, "It cannot be read from the disk. Check that it is there and readable.", source)
        else:
            present.append(item)
    return present


def _first_copies(
    items: list[Item],
    states: dict[Path, tuple[int, int]],
    rejected: list[tuple[str, str]],
    source: Path,
    run: Map,
) -> list[Item]:
    """Leave out second copies: the same bytes could land in two splits, trained on and tested on."""
    # Cheap marks first: equal size, then an equal sample, then all bytes.
    twins = _sharing((tuple(states[file][0] for file in item.files) for item in items), range(len(items)))
    twins = _sharing(run(_sample, [items[place].files for place in twins]), twins)
    first_with: dict[Any, str] = {}
    second: set[int] = set()
    for place, digest in zip(twins, run(_whole, [items[place].files for place in twins]), strict=True):
        first = (
            items[place].name if isinstance(digest, SourceError) else first_with.setdefault(digest, items[place].name)
        )
        if first != items[place].name:
            second.add(place)
            reason = f"Its bytes are those of {first}; expected each image once. Remove one."
            rejected += rows_of(items[place], reason, source)
    return [item for place, item in enumerate(items) if place not in second] if second else items


def _sharing(marks: Iterable[Any], places: Iterable[int]) -> list[int]:
    """The places whose mark another place has too."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for mark, place in zip(marks, places, strict=True):
        if not isinstance(mark, SourceError):
            groups[mark].append(place)
    return sorted(place for group in groups.values() if len(group) > 1 for place in group)


def _sample(files: tuple[Path, ...]) -> bytes:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for start in (0, size // 2, max(0, size - _SAMPLE)):
                file.seek(start)
                digest.update(file.read(_SAMPLE))
    return digest.digest()


def _whole(files: tuple[Path, ...]) -> bytes:
    return hashlib.sha256("".join(artifacts.file_digest(file) for file in files).encode()).digest()


def _one_spelling(items: list[Item]) -> list[Item]:
    """Patients whose names differ in capitals alone are one; the first of the spellings stands for all."""
    spelling: dict[str, str] = {}
    keys = [identity(item.patient_id) for item in items]
    for key, item in zip(keys, items, strict=True):
        spelling[key] = min(spelling.get(key, item.patient_id), item.patient_id)
    return [
        item if item.patient_id == spelling[key] else replace(item, patient_id=spelling[key])
        for key, item in zip(keys, items, strict=True)
    ]


def _declared(items: Iterable[Item]) -> dict[str, str]:
    """Patient -> the split that the source declares, or ""."""
    declared: dict[str, str] = {}
    for item in items:
        known = declared.setdefault(item.patient_id, item.split)
        if known and item.split and known != item.split:
            raise SourceError(
                f"The patient of {item.name} is in the splits {known} and {item.split}; expected one split a patient, "
                "or images that were trained on would be tested on. Correct the declared splits."
            )
        declared[item.patient_id] = known or item.split
    return declared


def _digest(items: Iterable[Item], states: dict[Path, tuple[int, int]], info: DatasetInfo) -> str:
    digest = hashlib.sha256(f"{__version__} {info.model_dump_json()}".encode())
    for item in items:
        files = [states[file] for file in (*item.files, *item.partners)]
        digest.update(f"{item!r} {files}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()

"""Drawing up the account of a source folder, and checking that it balances."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from synthmed.data.account import Account
from synthmed.data.kinds._contract import Item
from synthmed.errors import SynthmedError
from synthmed.sources.folders import leads_out, list_names, relative, written
from synthmed.sources.layouts import IMAGE_LEFT_OUT


def account_of(
    source: Path, items: Iterable[Item], tables: Iterable[Path], rejected: Iterable[tuple[str, str]]
) -> Account:
    """Count every file below a folder once.

    Args:
        source: the folder.
        items: what images are made from.
        tables: that were read.
        rejected: file and reason; rows about folders, or about files that are not there, are not counted.

    Raises:
        SynthmedError: a file is nowhere, which is a mistake of ours.
    """
    names, others = list_names(source)
    base = os.path.join(source, "")
    left = {f"{base}{name}" for name in names}
    left |= {f"{base}{name}" for name in others if not os.path.isdir(f"{base}{name}")}
    total = len(left)
    masks, images = set[str](), set[str]()
    for item in items:
        images.update(map(os.fspath, item.files))
        masks.update(map(os.fspath, item.partners))
    counts = []
    for used in (images, masks - images, set(map(os.fspath, tables))):
        before = len(left)
        left -= used
        counts.append(before - len(left))
    told = {f"{base}{file}" for file, _ in rejected}
    unexplained = {path for path in left if path not in told and f"{base}{written(path[len(base) :])}" not in told}
    if unexplained:
        raise SynthmedError(
            f"{len(unexplained)} of {total} files of {source} are neither used nor left out with a reason, such as "
            f"{min(unexplained)}. This is a mistake in synthmed: please report it."
        )
    linked = sum(leads_out(path, source) for path in images | masks)
    return Account(files=total, images=counts[0], masks=counts[1], tables=counts[2], left_out=len(left), linked=linked)


def rows_of(item: Item, reason: str, source: Path) -> list[tuple[str, str]]:
    """A row for each file of an item that is left out."""
    partners = [(relative(path, source), IMAGE_LEFT_OUT) for path in item.partners if path.is_relative_to(source)]
    return [(relative(path, source), reason) for path in item.files] + partners


def settled(account: Account, source: Path, lost: Sequence[Item], rows: Sequence[tuple[str, str]]) -> Account:
    """The account after some items could not be made.

    Args:
        account: as it was planned.
        source: the folder.
        lost: the items.
        rows: what is told of their files.

    Raises:
        SynthmedError: the sum is not the number of files, which is a mistake of ours.
    """
    images = {path for item in lost for path in item.files}
    masks = {path for item in lost for path in item.partners}
    end = replace(
        account,
        images=account.images - len(images),
        masks=account.masks - len(masks),
        left_out=account.left_out + len({file for file, _ in rows}),
        linked=account.linked - sum(leads_out(os.fspath(path), source) for path in images | masks),
    )
    if end.files != end.images + end.masks + end.tables + end.left_out:
        raise SynthmedError(f"{end.sentence} The sum is wrong. This is a mistake in synthmed: please report it.")
    return end

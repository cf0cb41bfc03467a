"""Who is who among the real images: patients, and patients who are one person under several names.

A near twin hides a copy: where one picture stands under two names, the first and the second nearest patient of its
copy are alike, and their quotient is 1. So twins are joined before anything is compared: those that ``prepare``
noted (``duplicates.csv``), and those that a search finds over turns, flips and shifts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.data.dataset import DUPLICATES_FILE, PreparedDataset
from synthmed.data.index import Row
from synthmed.data.split import SPLITS
from synthmed.files.tables import read_csv
from synthmed.privacy._spaces import nearest
from synthmed.privacy._tails import middle_tail
from synthmed.privacy._views import Views

_TWINS = 5
"""Names that one person may have for all of them to be joined by the search."""
_CHANCE = 0.01
"""Pairs of different patients that the search may join by mistake, in a whole set."""
_SURELY = 0.1
"""A quotient that is no chance in any set of pictures; it holds where twins are so many that they make the law."""
_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class People:
    """The persons of a data set.

    Args:
        numbers: [N] the person of each image.
        splits: [N] the split of each image.
        twins: pairs of names that are one person.
    """

    numbers: NDArray[np.intp]
    splits: NDArray[np.str_]
    twins: tuple[tuple[str, str], ...]

    def of(self, *splits: str) -> frozenset[int]:
        """The persons with an image in one of these splits."""
        return frozenset(self.numbers[np.isin(self.splits, splits)].tolist())

    def rows(self, split: str) -> NDArray[np.intp]:
        """The images of a split; of holdout and test without the persons who also stand in train."""
        own = self.splits == split
        if split != "train":
            own &= ~np.isin(self.numbers, list(self.of("train")))
        return np.flatnonzero(own)

    def divided(self) -> list[str]:
        """Sentences on twins who stand on two sides of the split."""
        sides = {split: self.of(split) for split in SPLITS}
        found = []
        for split in ("holdout", "test"):
            both = len(sides["train"] & sides[split])
            if both:
                found.append(
                    f"{both} patients of {split} are training patients under another name, picture by picture: "
                    f"{split} is not independent, and they count as training patients here. Give one patient one "
                    "name, and prepare anew."
                )
        return found


def part_of(true: PreparedDataset, rows: NDArray[np.intp]) -> PreparedDataset:
    """Some images of a set, in its order."""
    ids = {true.rows[row].id for row in rows}
    return true.where(lambda row: row.id in ids)


def people_of(rows: Sequence[Row], pairs: Iterable[tuple[int, int]] = ()) -> People:
    """The persons of a set.

    Args:
        rows: of the data set.
        pairs: images of one person though their patients have different names, by their places in ``rows``.
    """
    names = [row.patient_id for row in rows]
    first = {name: place for place, name in reversed(list(enumerate(names)))}
    head = {name: name for name in first}

    def found(name: str) -> str:
        while head[name] != name:
            name = head[name]
        return name

    twins = sorted({tuple(sorted((names[one], names[other]))) for one, other in pairs if names[one] != names[other]})
    for one, other in twins:
        ends = sorted((found(one), found(other)), key=first.__getitem__)
        head[ends[1]] = ends[0]
    return People(
        numbers=np.array([first[found(name)] for name in names], np.intp),
        splits=np.array([row.split for row in rows]),
        twins=tuple(twins),  # type: ignore[arg-type]
    )


def noted_pairs(true: PreparedDataset) -> list[tuple[int, int]]:
    """The pairs of alike images that ``prepare`` noted, by their places in ``true.rows``."""
    file = true.path / DUPLICATES_FILE
    if not file.is_file():
        return []
    places = {row.id: place for place, row in enumerate(true.rows)}
    columns, *lines = read_csv(file)
    pairs = [(line[columns.index("id")], line[columns.index("other_id")]) for line in lines]
    return [(places[one], places[other]) for one, other in pairs if one in places and other in places]


def find_people(true: PreparedDataset, views: Views) -> People:
    """The persons of a set, twins joined.

    Args:
        true: the data set.
        views: of all its images, in the order of its rows.
    """
    pairs = noted_pairs(true)
    people = people_of(true.rows, pairs)
    for _ in range(_ROUNDS):
        more = _alike(views, people.numbers)
        if not more:
            break
        pairs += more
        people = people_of(true.rows, pairs)
    return people


def _alike(views: Views, numbers: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Pairs of images of different persons that are much nearer to each other than chance brings real patients.

    Of one image up to ``_TWINS`` nearest persons are joined: all before a gap that is wider than chance makes one.
    The quotient of the j-th and the next distance is the nearer to 1 the larger j is, so the law of the first holds.
    """
    if len(np.unique(numbers)) < 3:
        return []
    views = views.of(numbers)
    near = nearest("pixels", views, views, exclude_own=True)
    ordered = near.distances.astype(float)
    # Where even the next distance is 0, nothing tells these images apart from anything: constant ones.
    told = ordered[:, 1:] > 1e-3
    gaps = np.where(told, ordered[:, :-1] / np.maximum(ordered[:, 1:], 1e-3), 1.0)[:, :_TWINS]
    below = max(middle_tail(gaps[:, 0]).threshold(_CHANCE / len(views)), _SURELY)
    return [
        (query, int(near.rows[query, place]))
        for query, wide in enumerate(gaps < below)
        for place in range(int(np.flatnonzero(wide).max(initial=-1)) + 1)
    ]

"""The power of an audit: of copies that it plants itself, how many its thresholds find and lead back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.data.geometry import fit_image, fit_of, image_to_source
from synthmed.privacy._spaces import nearest
from synthmed.privacy._tails import proportion
from synthmed.privacy._views import InMemory, Look, Views
from synthmed.privacy.canaries import MASK_ALTERATIONS, plant
from synthmed.privacy.findings import ALL_KINDS, Power
from synthmed.privacy.identity import DEAREST, Identity
from synthmed.privacy.people import People, part_of

Way = Callable[[NDArray[np.integer]], NDArray[np.integer]]
"""A stored image [C H W] -> the same after it went another way."""


def there_and_back(size: tuple[int, int]) -> Way:
    """The way of an image to another height and width, as if it had been made there, and back by ``--fit``."""

    def way(image: NDArray[np.integer]) -> NDArray[np.integer]:
        height, width = image.shape[1:]
        fit = fit_of(*size, height, width)
        return fit_image(image_to_source(image, fit), fit, height, width)

    return way


def measure_power(
    true: PreparedDataset, people: People, real: Views, identities: Sequence[Identity], look: Look, num: int, seed: int,
    way: Way | None = None,
) -> tuple[Power, ...]:  # fmt: skip
    """Of altered copies of training images and masks, how many some space knows as their own patient's.

    Args:
        true: the data set; without a split train, all its images are copied.
        people: the persons of the set.
        real: the views of all its images.
        identities: spaces of the audit, whose thresholds are used.
        look: how the audit looks at images.
        num: copies of each kind.
        seed: source of all draws.
        way: what the synthetic images went through before they came to this audit; None = nothing.
    """
    train, holdout = people.rows("train"), people.rows("holdout")
    train = train if len(train) else np.arange(len(true))
    images = part_of(true, train)
    others = part_of(true, holdout if len(holdout) else train).images()
    planted = plant(images.images(), num, seed=seed, backgrounds=others)
    owners = people.numbers[train][planted.rows]
    copies = planted.images if way is None else np.stack([way(image) for image in planted.images])
    views = replace(look, num_labels=0).at(InMemory(pixels=copies), range(len(copies)))
    seeing = [one for one in identities if one.name != "masks"]
    power = _counted("images", planted.kinds, _found(seeing, views, real, owners))
    of_masks = [one for one in identities if one.name == "masks"]
    filled = (
        np.flatnonzero(images.masks().any((1, 2))) if of_masks else np.empty(0, np.intp)
    )  # empty masks are nobody's
    if len(filled):
        planted = plant(images.masks()[filled, None], num, seed=seed, kinds=MASK_ALTERATIONS)
        rows = train[filled[planted.rows]]
        views = replace(real.rows(rows), planes=look.planes(planted.images[:, 0].astype(np.uint8)))
        power += _counted("masks", planted.kinds, _found(of_masks, views, real, people.numbers[rows]))
    return power


def _found(
    spaces: Sequence[Identity], views: Views, real: Views, owners: NDArray[np.intp]
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether each copy is known as its own patient's in some space; one that was found is looked for no more."""
    found = np.zeros(len(owners), bool)
    for space in sorted(spaces, key=lambda one: one.name == DEAREST):
        left = np.flatnonzero(~found)
        if len(left):
            near = nearest(space.name, views.rows(left), real)
            found[left] = (near.relative < space.below) & (near.owners == owners[left, None]).any(1)
    return found


def _counted(of: Literal["images", "masks"], kinds: Sequence[str], found: NDArray[np.bool_]) -> tuple[Power, ...]:
    names = np.array(kinds)
    groups = {kind: names == kind for kind in dict.fromkeys(kinds)} | {ALL_KINDS: np.ones(len(names), bool)}
    return tuple(_power(of, kind, found[chosen]) for kind, chosen in groups.items())


def _power(of: Literal["images", "masks"], kind: str, found: NDArray[np.bool_]) -> Power:
    low, high = proportion(int(found.sum()), len(found))
    return Power(of=of, kind=kind, planted=len(found), found=int(found.sum()), low=low, high=high)

"""The power of an audit: of copies that it plants itself, how many its thresholds find and lead back."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.privacy._spaces import nearest
from synthmed.privacy._tails import proportion
from synthmed.privacy._views import InMemory, Look, Views
from synthmed.privacy.canaries import MASK_ALTERATIONS, plant
from synthmed.privacy.findings import ALL_KINDS, Power
from synthmed.privacy.identity import Identity


def image_power(
    train: PreparedDataset, holdout: PreparedDataset, known: Views, real: Views, spaces: Sequence[Identity], look: Look,
    num: int, seed: int,
) -> tuple[Power, ...]:  # fmt: skip
    """Of altered copies of training images, how many some space finds; parts are pasted into holdout images.

    Args:
        train: the training images.
        holdout: those of the holdout.
        known: the views of ``train``.
        real: the views of all real images.
        spaces: of the audit; their thresholds are used, those of masks left out.
        look: how the audit looks at images.
        num: copies of each kind.
        seed: source of all draws.
    """
    planted = plant(train.images(), num, seed=seed, backgrounds=holdout.images())
    views = replace(look, num_labels=0).at(InMemory(pixels=planted.images), range(len(planted.images)))
    seeing = [space for space in spaces if space.name != "masks"]
    return _counted("images", planted.kinds, _found(seeing, views, real, known.patients[planted.rows]))


def mask_power(
    train: PreparedDataset, known: Views, real: Views, space: Identity, look: Look, num: int, seed: int
) -> tuple[Power, ...]:
    """Of altered copies of training masks, how many the mask space finds; empty masks are nobody's.

    Args:
        train: the training images with their masks.
        known: the views of the same.
        real: the views of all real images.
        space: of masks.
        look: how the audit looks at masks.
        num: copies of each kind.
        seed: source of all draws.
    """
    masks = train.masks()
    filled = np.flatnonzero(masks.any((1, 2)))
    if not len(filled):
        return ()
    planted = plant(masks[filled, None], num, seed=seed, kinds=MASK_ALTERATIONS)
    rows = filled[planted.rows]
    views = replace(known.rows(rows), planes=look.planes(planted.images[:, 0].astype(np.uint8)))
    return _counted("masks", planted.kinds, _found([space], views, real, known.patients[rows]))


def _found(
    spaces: Sequence[Identity], views: Views, real: Views, owners: NDArray[np.intp]
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether each copy is known as its own patient's in some space."""
    found = np.zeros(len(owners), bool)
    for space in spaces:
        near = nearest(space.name, views, real)
        found |= (near.relative < space.below) & (near.patients[:, 0] == owners)
    return found


def _counted(of: Literal["images", "masks"], kinds: Sequence[str], found: NDArray[np.bool_]) -> tuple[Power, ...]:
    names = np.array(kinds)
    groups = {kind: names == kind for kind in dict.fromkeys(kinds)} | {ALL_KINDS: np.ones(len(names), bool)}
    return tuple(_power(of, kind, found[chosen]) for kind, chosen in groups.items())


def _power(of: Literal["images", "masks"], kind: str, found: NDArray[np.bool_]) -> Power:
    low, high = proportion(int(found.sum()), len(found))
    return Power(of=of, kind=kind, planted=len(found), found=int(found.sum()), low=low, high=high)

"""A prepared set for training loops of one's own."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from synthmed.data.index import Item
from synthmed.data.intensity import to_unit_range


class Items(Protocol):
    """What has a length and gives items by their place: a prepared set, or a split of it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Item: ...


class TorchImages(Dataset[dict[str, Tensor]]):
    """Items for a ``torch.utils.data.DataLoader``, whose workers read the shards side by side.

    An item is a dictionary of ``image``, [C H W] float32 in [-1, 1]; ``field_of_view``, [H W] uint8 of {0, 1};
    ``mask``, [H W] int64, where the set has masks; and ``label``, int64, the place of its class in ``classes``, where
    the set has classes: -1 for an image of none.

    Args:
        items: the images.
        classes: names of the classes that its rows are of.
    """

    def __init__(self, items: Items, classes: Sequence[str] = ()) -> None:
        self.items, self.classes = items, tuple(classes)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        item = self.items[index]
        found = {"image": to_unit_range(item.image[None])[0], "field_of_view": torch.from_numpy(item.field_of_view)}
        if item.mask is not None:
            found["mask"] = torch.from_numpy(item.mask).long()
        if self.classes:
            found["label"] = torch.tensor(self.classes.index(item.row.label) if item.row.label else -1)
        return found

"""Which images a step sees: a function of the data set, the seed and the number of images seen, no state."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from synthmed.config import did_you_mean
from synthmed.data.dataset import PreparedDataset
from synthmed.data.index import Row
from synthmed.data.intensity import to_unit_range
from synthmed.data.sampler import batch_indices
from synthmed.draws import Draws, seed_of
from synthmed.errors import DataError
from synthmed.methods._contract import Method, Stage
from synthmed.shapes import Batch, Given, Input, Labels, Pairs

RESIDENT_SHARE = 0.4
"""A set that takes less than this share of the free device memory is held there whole."""


def rows_for(dataset: PreparedDataset, stage: Stage, method: Method) -> PreparedDataset:
    """The images that a stage may learn from.

    Raises:
        DataError: the data set lacks what the stage or its method needs: masks of an origin, classes, patients.
    """
    chosen = dataset
    if stage.mask_sources:
        chosen = dataset.where(lambda row: row.mask_source in stage.mask_sources)
    if not len(chosen):
        raise DataError(
            f"{dataset.path} has no training image whose mask is {' or '.join(sorted(stage.mask_sources))}; "
            f"stage {stage.name} learns from them. Prepare a folder with masks, or choose another recipe."
        )
    taken = method.needs | method.accepts
    if "labels" in taken:
        _check_classes(chosen, needed="labels" in method.needs)
    if "styles" in method.needs and len({row.patient_id for row in chosen.rows}) < 2:
        raise DataError(
            f"{dataset.path} has one training patient; stage {stage.name} learns from the texture of another one. "
            "Prepare two patients or more."
        )
    patients = len({row.patient_id for row in chosen.rows})
    if stage.private and patients <= stage.batch_size:
        raise DataError(
            f"There are {patients} training patients and batches of {stage.batch_size}; a private training draws each "
            "patient with a probability below 1. Set a smaller batch size."
        )
    return chosen


def class_counts(dataset: PreparedDataset) -> dict[str, int]:
    """How many images each class has, in the order of ``ImageSpec.classes``."""
    labels = [row.label for row in dataset.rows]
    return {name: labels.count(name) for name in dataset.spec.classes}


def class_numbers(rows: Sequence[Row], classes: tuple[str, ...]) -> Labels:
    """The place of each image's class among the known ones.

    Raises:
        DataError: an image has no class, or one that is not among ``classes``.
    """
    places = {name: place for place, name in enumerate(classes)}
    for row in rows:
        if row.label not in places:
            raise DataError(
                f"Image {row.id} is of class {row.label!r}{did_you_mean(row.label, classes)}; the method was made for "
                f"{', '.join(classes)}. Prepare the images with the same classes."
            )
    return torch.tensor([places[row.label] for row in rows])


def given_of(method: Method, dataset: PreparedDataset, rows: Sequence[int]) -> Given:
    """What a method takes of the images of these rows, and their masks; the style of each is the next row's image.

    Raises:
        DataError: an image is of a class that the method was not made for.
    """
    taken, following = method.needs | method.accepts, [*rows[1:], *rows[:1]]
    classed = "labels" in taken and any(dataset.rows[row].label for row in rows)
    styled = "styles" in method.needs
    return Given(
        masks=torch.from_numpy(dataset.masks(rows)) if dataset.has_masks else None,
        images=to_unit_range(dataset.images(rows)) if "images" in taken else None,
        labels=class_numbers([dataset.rows[row] for row in rows], method.spec.classes) if classed else None,
        styles=Pairs(
            images=to_unit_range(dataset.images(following)), masks=torch.from_numpy(dataset.masks(following))
        ) if styled else None,
    )  # fmt: skip


def _check_classes(dataset: PreparedDataset, *, needed: bool) -> None:
    without = sum(not row.label for row in dataset.rows)
    if without == len(dataset) and not needed:
        return
    if without:
        raise DataError(
            f"Of the {len(dataset)} training images of {dataset.path} {without} have no class; the recipe learns "
            "classes. Give every image one, in a table by --table, or leave those without out of the folder."
        )


class Batches:
    """The batches of one stage.

    Args:
        dataset: the training split.
        stage: what it needs.
        seed: seed of the order.
        device: where the batches go.
        method: says what beside masks its images are made under.

    Raises:
        DataError: as ``rows_for``.
    """

    def __init__(self, dataset: PreparedDataset, stage: Stage, seed: int, device: torch.device, method: Method) -> None:
        self.dataset = rows_for(dataset, stage, method)
        self.taken: Collection[Input] = method.needs | method.accepts
        self.seed, self.batch_size, self.device = seed, stage.batch_size, device
        self._patients = _rows_by_patient(self.dataset.rows) if stage.private else []
        self._labels: Tensor | None = None
        if "labels" in self.taken and any(row.label for row in self.dataset.rows):
            self._labels = class_numbers(self.dataset.rows, dataset.spec.classes)
        self._others = _rows_of_others(self.dataset.rows) if "styles" in self.taken else []
        self._resident = self._load(np.arange(len(self.dataset))) if self._fits() else None
        if self._labels is not None and self._resident:
            self._labels = self._labels.to(device)

    def at(self, first: int, draws: Draws) -> Batch:
        """The batch that begins with image number ``first`` of the stage."""
        indices = (
            _poisson(self._patients, self.batch_size)
            if self._patients
            else batch_indices(len(self.dataset), self.batch_size, self.seed, first)
        )
        count = len(indices)
        if self._others:  # behind the images of the batch stand those whose style they take
            shares = Draws(seed_of("styles", self.seed, first)).uniform(count).tolist()
            others = [self._others[row] for row in indices.tolist()]
            styles = [rows[int(share * len(rows))] for rows, share in zip(others, shares, strict=True)]
            indices = np.concatenate([indices, np.array(styles, np.int64)])
        images, masks, fields_of_view, labels = self._pictures(indices)
        both = Pairs(images=images, masks=masks)
        return Batch(
            images=images[:count],
            given=Given(
                masks=both[:count].masks,
                labels=None if labels is None else labels[:count],
                styles=both[count:] if self._others else None,
            ),
            fields_of_view=fields_of_view[:count],
            rows=tuple(indices[:count].tolist()),
            draws=draws,
        )

    def _pictures(self, indices: np.ndarray) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Images, masks, fields of view and classes of these rows, on the device."""
        if self._resident is None:
            images, masks, fields_of_view = self._load(indices)
            labels = None if self._labels is None else _sent(self._labels[indices], self.device)
            return images, masks, fields_of_view, labels
        places = _sent(torch.from_numpy(indices), self.device)  # all that is copied in a step
        images, masks, fields_of_view = self._resident
        labels = None if self._labels is None else self._labels[places]
        return images[places], None if masks is None else masks[places], fields_of_view[places], labels

    def _load(self, indices: np.ndarray) -> tuple[Tensor, Tensor | None, Tensor]:
        images = _sent(to_unit_range(self.dataset.images(indices)), self.device)
        fields_of_view = _sent(torch.from_numpy(self.dataset.fields_of_view(indices)), self.device)
        masks = _sent(torch.from_numpy(self.dataset.masks(indices)), self.device) if self.dataset.has_masks else None
        return images, masks, fields_of_view

    def _fits(self) -> bool:
        spec = self.dataset.spec
        needed = len(self.dataset) * spec.height * spec.width * (4 * spec.channels + 2)
        if self.device.type == "cuda":
            return needed < RESIDENT_SHARE * torch.cuda.mem_get_info(self.device)[0]
        return needed < 2**30


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device, from pinned memory where that lets the device work on in the meantime."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _rows_by_patient(rows: tuple[Row, ...]) -> list[np.ndarray]:
    patients = np.array([row.patient_id for row in rows])
    return [np.flatnonzero(patients == one) for one in np.unique(patients)]


def _rows_of_others(rows: tuple[Row, ...]) -> list[np.ndarray]:
    """For each image the images of other patients that have a mask, or all that have one where there are no others."""
    patients = np.array([row.patient_id for row in rows])
    usable = np.array([row.mask_source != "none" for row in rows])
    others = {one: np.flatnonzero(usable & (patients != one)) for one in np.unique(patients)}
    return [others[one] if len(others[one]) else np.flatnonzero(usable) for one in patients]


def _poisson(patients: list[np.ndarray], expected: int) -> np.ndarray:
    """One image of every patient who is drawn, each with probability expected / patients, apart from all others.

    Who was in which batch must stay unknown, so this draw has no seed: it comes from the operating system.
    """
    numbers = np.random.default_rng()
    drawn = numbers.random(len(patients)) < expected / len(patients)
    chosen = [int(numbers.choice(rows)) for rows, taken in zip(patients, drawn, strict=True) if taken]
    return np.array(chosen, np.int64)

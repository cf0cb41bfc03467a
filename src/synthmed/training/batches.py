"""Which images a step sees: a function of the data set, the seed and the number of images seen, no state."""

import numpy as np
import torch
from torch import Tensor

from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.data.sampler import batch_indices
from synthmed.errors import DataError
from synthmed.methods._contract import Stage
from synthmed.shapes import Batch, no_masks

RESIDENT_SHARE = 0.4
"""A set that takes less than this share of the free device memory is held there whole."""


def rows_for(dataset: PreparedDataset, stage: Stage) -> PreparedDataset:
    """The images that a stage may learn from.

    Raises:
        DataError: the stage needs masks of an origin that the data set lacks.
    """
    if not stage.mask_sources:
        return dataset
    chosen = dataset.where(lambda row: row.mask_source in stage.mask_sources)
    if not len(chosen):
        raise DataError(
            f"{dataset.path} has no training image whose mask is {' or '.join(sorted(stage.mask_sources))}; "
            f"stage {stage.name} learns from them. Prepare a folder with masks, or choose another recipe."
        )
    return chosen


class Batches:
    """The batches of one stage.

    Args:
        dataset: the training split.
        stage: what it needs.
        seed: seed of the order.
        device: where the batches go.

    Raises:
        DataError: the stage needs masks of an origin that the data set lacks.
    """

    def __init__(self, dataset: PreparedDataset, stage: Stage, seed: int, device: torch.device) -> None:
        self.dataset = rows_for(dataset, stage)
        self.has_masks = bool(dataset.info.mask_labels)
        self.seed, self.batch_size, self.device = seed, stage.batch_size, device
        self._patients = _rows_by_patient(self.dataset) if stage.private else []
        if stage.private and len(self._patients) < self.batch_size:
            raise DataError(
                f"There are {len(self._patients)} training patients and batches of {self.batch_size}; a private "
                "training draws each patient with a probability below 1. Set a smaller batch size."
            )
        self._resident = self._load(np.arange(len(self.dataset))) if self._fits() else None

    def at(self, first: int, generator: torch.Generator) -> Batch:
        """The batch that begins with image number ``first`` of the stage."""
        indices = (
            _poisson(self._patients, self.batch_size)
            if self._patients
            else batch_indices(len(self.dataset), self.batch_size, self.seed, first)
        )
        if self._resident is None:
            images, masks, fields = self._load(indices)
        else:
            images, masks, fields = (tensor[torch.from_numpy(indices).to(self.device)] for tensor in self._resident)
        return Batch(images=images, masks=masks, fields=fields, generator=generator)

    def _load(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        images = to_unit_range(self.dataset.images(indices)).to(self.device)
        fields = torch.from_numpy(self.dataset.fields(indices)).to(self.device)
        masks = (
            torch.from_numpy(self.dataset.masks(indices)).to(self.device) if self.has_masks else no_masks(len(images))
        )
        return images, masks, fields

    def _fits(self) -> bool:
        spec = self.dataset.spec
        needed = len(self.dataset) * spec.height * spec.width * (4 * spec.channels + 2)
        if self.device.type == "cuda":
            return needed < RESIDENT_SHARE * torch.cuda.mem_get_info(self.device)[0]
        return needed < 2**30


def _rows_by_patient(dataset: PreparedDataset) -> list[np.ndarray]:
    patients = np.array([row.patient_id for row in dataset.rows])
    return [np.flatnonzero(patients == one) for one in np.unique(patients)]


def _poisson(patients: list[np.ndarray], expected: int) -> np.ndarray:
    """One image of every patient who is drawn, each with probability expected / patients, apart from all others.

    Who was in which batch must stay unknown, so this draw has no seed: it comes from the operating system.
    """
    numbers = np.random.default_rng()
    drawn = numbers.random(len(patients)) < expected / len(patients)
    chosen = [int(numbers.choice(rows)) for rows, taken in zip(patients, drawn, strict=True) if taken]
    return np.array(chosen, np.int64)

"""What the log tells of the terms: their means between two lines."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from synthmed.errors import TrainingError


class Means:
    """The means of named terms between two lines of the log, summed where they are: nothing waits for a device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, learners: str, terms: Mapping[str, Tensor]) -> None:
        """Take the terms of one update of these networks."""
        for name, term in terms.items():
            key = f"{learners}.{name}"
            self._sums[key] = self._sums[key] + term if key in self._sums else term
            self._counts[key] = self._counts.get(key, 0) + 1

    def refuse_non_finite(self, stage: str, done: int) -> None:
        """Stop a training that went wrong since the last line.

        Raises:
            TrainingError: a term was not finite; says which.
        """
        if not self._sums or torch.isfinite(torch.stack(list(self._sums.values()))).all():
            return
        means = {key: float(total) / self._counts[key] for key, total in self._sums.items()}
        named = ", ".join(f"{key} = {value:g}" for key, value in means.items() if not math.isfinite(value))
        raise TrainingError(
            f"The loss is not finite in stage {stage}, some steps before {done} images ({named}). The last "
            "checkpoint is good; lower the learning rate or the weight of the term, and train to another RUN."
        )

    def taken(self, stage: str, done: int) -> dict[str, float]:
        """The means by name, after which counting starts anew.

        Raises:
            TrainingError: as ``refuse_non_finite``.
        """
        self.refuse_non_finite(stage, done)
        values = torch.stack(list(self._sums.values())).tolist() if self._sums else []
        means = {key: value / self._counts[key] for key, value in zip(self._sums, values, strict=True)}
        self._sums, self._counts = {}, {}
        return means

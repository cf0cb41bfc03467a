"""What the discriminators of a training remember: how real they take each image to be, as attacks on membership.

The white-box attack of LOGAN (Hayes et al. 2019): a discriminator that was trained on an image takes it for more real
than others of its kind. It needs the checkpoints of the run, which are never handed on with the images; it is an
upper bound of what the training knows of its patients.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from synthmed.config import parse
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.draws import Draws, seed_of
from synthmed.errors import ConfigError, DataError
from synthmed.methods import find_method
from synthmed.methods._contract import Method, build
from synthmed.running.devices import find_device
from synthmed.shapes import Batch
from synthmed.training import checkpoint
from synthmed.training.batches import given_of
from synthmed.training.claim import read_claim

_CHUNK = 16


def discriminator_attacks(
    run: Path, data: PreparedDataset, device: str = "cpu"
) -> dict[str, Callable[[PreparedDataset], NDArray[np.float64]]]:
    """The discriminators of a run, each as a function of real images to scores [N], higher for more real.

    Args:
        run: directory of a training, finished or not.
        data: the data set that it was trained on.
        device: where the networks run.

    Raises:
        ConfigError: no training there, no checkpoint in it, or its method tells nothing of its discriminators.
        DataError: it was trained on another data set.
        ArtifactError: a damaged checkpoint.
    """
    method, learned = _trained(run, data)
    method.networks.to(find_device(device)).eval().requires_grad_(False)
    told = list(_scores(method, data, [0]))
    if not told:
        raise ConfigError(
            f"The method of {run} does not tell what its discriminators take for real; expected one with "
            "`discriminate`. Audit without --run."
        )
    names = [name for name in told if name in learned]
    if not names:
        raise ConfigError(
            f"In {run} no discriminator has learned yet (its newest checkpoint comes before {', '.join(told)}). Train "
            "on, then audit."
        )
    return {f"white box, {name}": partial(_scores_of, method, name) for name in names}


def _trained(run: Path, data: PreparedDataset) -> tuple[Method, set[str]]:
    """The method as it stood at the newest checkpoint, and the names of the networks that had learned by then."""
    asked = read_claim(run)
    kind, config, digest = find_method(asked["method"]), asked["config"], asked["data"].get("digest", "")
    if digest != data.digest:
        raise DataError(
            f"{run} was trained on a data set with the digest {digest[:12]}, {data.path} has {data.digest[:12]}. Give "
            "the run that was trained on this set."
        )
    position = checkpoint.latest(run / "checkpoints")
    if position is None:
        raise ConfigError(f"{run} has no checkpoint yet; expected one in {run / 'checkpoints'}. Train on, then audit.")
    with torch.random.fork_rng():
        method = build(kind, parse(kind.Config, config, "config"), data.split("train").spec)
    checkpoint.load_trained(run / "checkpoints", position, method.networks)
    stages = method.stages()
    begun = stages[: position.stage + (position.images > 0)]
    if begun:  # a network that grows is asked at the size that it has reached
        length = begun[-1].images * asked["training"].get("budget", 1.0)
        begun[-1].on_progress(min(1.0, position.images / length) if position.images else 1.0)
    return method, {name for stage in begun for name in stage.trains}


def _scores_of(method: Method, name: str, side: PreparedDataset) -> NDArray[np.float64]:
    """Scores [N] of all images by one discriminator, a few at a time."""
    firsts = range(0, len(side), _CHUNK)
    return np.concatenate(
        [_scores(method, side, range(first, min(first + _CHUNK, len(side))))[name] for first in firsts]
    )


@torch.no_grad()
def _scores(method: Method, side: PreparedDataset, rows: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    device = next(method.networks.parameters()).device
    images = to_unit_range(side.images(rows)).to(device)
    batch = Batch(
        images=images, given=given_of(method, side, rows).to(device),
        fields_of_view=torch.from_numpy(side.fields_of_view(rows)).to(device),
        draws=Draws(seed_of("discriminators"), device),
    )  # fmt: skip
    return {
        name: logits.flatten(1).mean(1).double().cpu().numpy() for name, logits in method.discriminate(batch).items()
    }

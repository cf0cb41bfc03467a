"""Train the arms of the usefulness comparison, one after the other, and keep what is finished.

Each finished training is one line of a file beside the report. The line is keyed by everything that decides
its result, so the same command goes on where a killed one stopped, and any other command starts anew.
"""

import base64
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthmed import __version__
from synthmed.artifacts import digest_of
from synthmed.evaluation._contract import Setup
from synthmed.files import lines
from synthmed.running.progress import titled
from synthmed.segmentation.segmenter import SegmenterConfig, describe, predict_masks, train_segmenter

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

ARMS = ("synthetic", "real", "both")
THRESHOLD = 0.5
_SHOWN = 3
_CHUNK = 16


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Images [N C H W] as stored, with their masks [N H W]."""

    images: NDArray[np.integer]
    masks: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What one training found on the test images.

    Args:
        arm: "synthetic", "real" or "both".
        seed: of the training.
        counts: [N 3] true positive, false positive, false negative pixels of each test image.
        shown: [n H W] the masks found in the first test images, {0, 1}.
    """

    arm: str
    seed: int
    counts: NDArray[np.int64]
    shown: NDArray[np.uint8]


def train_arms(
    synthetic: Pair,
    real: Pair,
    test: "PreparedDataset",
    config: SegmenterConfig,
    seeds: int,
    key: dict[str, str],
    setup: Setup,
) -> list[Trained]:
    """Train every arm with every seed, except those already finished, and test each.

    Args:
        synthetic: pairs to judge.
        real: pairs of the reference.
        test: real images with manual masks.
        config: the same for every arm.
        seeds: trainings of each arm.
        key: digests of what the pairs come from, "synthetic" and "real".
        setup: seed, device, progress, file of finished trainings.
    """
    finished = _read_finished(setup.unfinished)
    results = []
    for number in range(seeds):
        for arm in ARMS:
            seed = setup.seed + number
            # What is trained on real pairs does not depend on the synthetic ones: several sets share it.
            made_of = {"real": key["real"]} if arm == "real" else key
            settings = {**made_of, "arm": arm, "seed": seed, "device": setup.device, **describe(config)}
            line = digest_of({**settings, "version": __version__})
            if line not in finished:
                images, masks, weights = arm_data(arm, synthetic, real)
                network = train_segmenter(
                    images, masks, config, seed, weights=weights, device=setup.device,
                    progress=titled(setup.progress, f"usefulness: {arm}, seed {seed}"),
                )  # fmt: skip
                one = _test(network, test, arm, seed)
                _keep(setup.unfinished, line, one)
                finished[line] = one
            results.append(finished[line])
    return results


def arm_data(
    arm: str, synthetic: Pair, real: Pair
) -> tuple[NDArray[np.integer], NDArray[np.uint8], NDArray[np.float64] | None]:
    """Images, masks and chances of one arm; in "both", half of what is drawn is synthetic."""
    if arm != "both":
        pair = synthetic if arm == "synthetic" else real
        return pair.images, pair.masks, None
    chances = np.concatenate([np.full(len(side.images), 0.5 / len(side.images)) for side in (synthetic, real)])
    images = np.concatenate([synthetic.images, real.images])
    return images, np.concatenate([synthetic.masks, real.masks]), chances


def confusion(
    probabilities: NDArray[np.float32], truth: NDArray[np.uint8], fields_of_view: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Count pixels inside the field of view, with a threshold of 0.5.

    Args:
        probabilities: [N H W] of foreground.
        truth: [N H W], any label above 0 is foreground.
        fields_of_view: [N H W] of {0, 1}; only pixels of 1 count.

    Returns:
        [N 3] true positives, false positives, false negatives.
    """
    found, true, seen = probabilities >= THRESHOLD, truth > 0, fields_of_view > 0
    counts = [found & true & seen, found & ~true & seen, ~found & true & seen]
    return np.stack([count.sum((1, 2)) for count in counts], 1).astype(np.int64)


def _test(network: Any, test: "PreparedDataset", arm: str, seed: int) -> Trained:
    counts, shown = [], np.zeros((0, test.info.height, test.info.width), np.uint8)
    for first in range(0, len(test.rows), _CHUNK):
        rows = range(first, min(first + _CHUNK, len(test.rows)))
        probabilities = predict_masks(network, test.images(rows))
        counts.append(confusion(probabilities, test.masks(rows), test.fields_of_view(rows)))
        if first == 0:
            shown = (probabilities[:_SHOWN] >= THRESHOLD).astype(np.uint8)
    return Trained(arm=arm, seed=seed, counts=np.concatenate(counts), shown=shown)


def _keep(file: Path, key: str, one: Trained) -> None:
    packed = base64.b64encode(zlib.compress(np.packbits(one.shown).tobytes())).decode()
    line = {
        "key": key,
        "arm": one.arm,
        "seed": one.seed,
        "counts": one.counts.tolist(),
        "shape": list(one.shown.shape),
        "shown": packed,
    }
    lines.append(file, line, flush=True)


def _read_finished(file: Path) -> dict[str, Trained]:
    """The trainings whose lines are as they were written; any other is done again."""
    finished: dict[str, Trained] = {}
    for line in lines.salvage(file):
        bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(line["shown"])), np.uint8))
        finished[line["key"]] = Trained(
            arm=line["arm"],
            seed=line["seed"],
            counts=np.array(line["counts"], np.int64),
            shown=bits[: int(np.prod(line["shape"]))].reshape(line["shape"]),
        )
    return finished

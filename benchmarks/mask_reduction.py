"""Masks made smaller by nearest neighbour and by area: pieces, area, holes, and what a U-Net learns from them.

    python benchmarks/mask_reduction.py DRIVE [--sides 256 128] [--seeds 3] [--steps 0]

DRIVE holds ``training`` and ``test`` with ``images``, ``1st_manual`` and ``mask``. For each side the masks of the
training half are reduced both ways, and told is the mean of pieces, area and holes beside those of the source. With
``--steps`` a U-Net is trained on ten of the twenty with either kind of masks. Its probabilities, brought back to the
size of the source, are compared with the masks of the source inside the field of view: F1 on the other ten at the
threshold that is best on those it learned from (no test patient is looked at).
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional

from synthmed.data.geometry import _resize_nearest, fit_image, fit_of
from synthmed.data.reduction import reduce_labels
from synthmed.segmentation.segmenter import SegmenterConfig, predict_masks, train_segmenter

AROUND = np.ones((3, 3), bool)


def read(folder: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Image [3 h w], mask and field [h w] of each eye."""
    found = []
    for path in sorted((folder / "images").iterdir()):
        number = path.name[:2]
        mask, field = (next((folder / name).glob(f"{number}_*")) for name in ("1st_manual", "mask"))
        planes = np.array(Image.open(path).convert("RGB")).transpose(2, 0, 1)
        found.append(
            (planes, *((np.array(Image.open(one).convert("L")) > 127).astype(np.uint8) for one in (mask, field)))
        )
    return found


def told(mask: np.ndarray) -> tuple[float, float, float]:
    pieces, holes = ndimage.label(mask, AROUND)[1], ndimage.label(mask == 0)[1] - 1
    return pieces, 100 * mask.mean(), holes


def f1(chance: np.ndarray, truth: np.ndarray) -> float:
    hit = (chance & truth).sum()
    return 2 * hit / max(1, chance.sum() + truth.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("drive", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 128])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    eyes = read(asked.drive / "training")
    print("source: {:.1f} pieces, {:.2f} % area, {:.1f} holes".format(*np.mean([told(eye[1]) for eye in eyes], axis=0)))
    for side in asked.sides:
        height, width = fit_of(*eyes[0][1].shape, side, side).inner
        side_of = lambda length: -(-length // 32) * 32  # noqa: E731
        images = np.stack(
            [fit_image(image, fit_of(*image.shape[1:], height, width), height, width) for image, *_ in eyes]
        )
        images = np.pad(images, ((0, 0), (0, 0), (0, side_of(height) - height), (0, side_of(width) - width)))
        for name, way in (("nearest", _resize_nearest), ("area", reduce_labels)):
            start = time.perf_counter()
            masks = np.stack([way(mask, height, width) for _, mask, _ in eyes])
            took = (time.perf_counter() - start) / len(eyes)
            numbers = np.mean([told(mask) for mask in masks], axis=0)
            print(
                f"{side} {name}: {numbers[0]:.1f} pieces, {numbers[1]:.2f} % area, {numbers[2]:.1f} holes, {took:.3f} s"
            )
            if not asked.steps:
                continue
            padded = np.pad(masks, ((0, 0), (0, side_of(height) - height), (0, side_of(width) - width)))
            scores = []
            for seed in range(asked.seeds):
                order = np.random.default_rng(seed).permutation(len(eyes))
                learn, test = order[: len(eyes) // 2], order[len(eyes) // 2 :]
                network = train_segmenter(images[learn], padded[learn], SegmenterConfig(steps=asked.steps), seed)
                chances = predict_masks(network, images)[:, :height, :width]
                large = functional.interpolate(torch.from_numpy(chances)[:, None], eyes[0][1].shape, mode="bilinear")[
                    :, 0
                ]
                inside = [large[row].numpy()[eyes[row][2] > 0] for row in range(len(eyes))]
                truth = [eyes[row][1][eyes[row][2] > 0] > 0 for row in range(len(eyes))]
                pick = lambda rows, some: np.concatenate([some[row] for row in rows])  # noqa: E731
                known, real = pick(learn, inside), pick(learn, truth)
                best = max(np.linspace(0.1, 0.9, 17), key=lambda level: f1(known > level, real))
                scores.append(f1(pick(test, inside) > best, pick(test, truth)))
            each = ", ".join(f"{one:.4f}" for one in scores)
            print(f"{side} {name}: F1 {np.mean(scores):.4f} on masks of the source ({each})", flush=True)


if __name__ == "__main__":
    main()

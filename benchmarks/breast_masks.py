"""Masks of the breast against maps drawn by hand: Dice on the 66 films of DDSM, beside a single Otsu threshold.

python benchmarks/breast_masks.py DDSM_TISSUE66
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu

from synthmed.data.breast import WORKING_SIDE, find_breast
from synthmed.data.geometry import fit_image, fit_mask, fit_of
from synthmed.sources.pixels import read_image

BACKGROUND = 64


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def single_threshold(picture: np.ndarray) -> np.ndarray:
    """Otsu's threshold, the largest part, holes filled."""
    smooth = ndimage.gaussian_filter(picture, 1)
    parts, _ = ndimage.label(smooth > threshold_otsu(smooth))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ndimage.binary_fill_holes(parts == sizes.argmax())


def main(folder: Path) -> None:
    scores: dict[str, list[float]] = {"two thresholds": [], "one threshold": []}
    for path in sorted(folder.glob("*/fgt_seg/*.png")):
        film = read_image(path)
        drawn = read_image(path.parent.with_name("fgt_seg_labels") / f"{path.stem}_LI.png")[0] > BACKGROUND
        height, width = (round(length * WORKING_SIDE / max(drawn.shape)) for length in drawn.shape)
        fit = fit_of(drawn.shape[0], drawn.shape[1], height, width)
        picture = fit_image(film, fit, height, width)[0].astype(np.float32) / 255
        truth = fit_mask(drawn, fit, height, width)
        scores["two thresholds"].append(dice(find_breast(picture).mask, truth))
        scores["one threshold"].append(dice(single_threshold(picture), truth))
    for name, values in scores.items():
        print(f"{name}: {len(values)} films, Dice mean {np.mean(values):.3f}, median {np.median(values):.3f}, "
              f"least {np.min(values):.3f}")  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))

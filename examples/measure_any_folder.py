"""Measure images that another tool made: any folder with ``images`` and perhaps ``masks`` will do.

Run it: python examples/measure_any_folder.py OUT

Here the "other tool" is another seed of the phantom, so that the example needs nothing; its numbers should be
close to those of real images against real images.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import synthmed


def another_tool(source: Path, out: Path, size: int) -> Path:
    """Write a plain folder of pairs, as any program could."""
    made = synthmed.prepare(source, out / "other-data", kind="retina", size=size).split("train")
    for folder in ("images", "masks"):
        (out / "other" / folder).mkdir(parents=True)
    for number, (image, mask) in enumerate(zip(made.images(), made.masks(), strict=True)):
        Image.fromarray(np.moveaxis(image, 0, -1)).save(out / "other" / "images" / f"{number:03d}.png")
        Image.fromarray(mask * 255).save(out / "other" / "masks" / f"{number:03d}.png")
    return out / "other"


def main(out: Path, num: int = 40, size: int = 64) -> str:
    synthmed.phantom("retina", out / "eyes", num=num, size=4 * size, seed=0)
    synthmed.prepare(out / "eyes", out / "data", kind="retina", size=size)
    synthmed.phantom("retina", out / "other-eyes", num=num, size=4 * size, seed=1)
    other = another_tool(out / "other-eyes", out, size)

    # Leave out ``metrics`` to train the judging networks as well.
    metrics = ("histogram_kl", "nearest_mask")
    report = synthmed.evaluate(other, out / "data", out / "report", metrics=metrics)
    for name in metrics:
        number = report[name]
        print(f"{number.title}: {number.value:.4f}; real against real {number.floor:.4f}. {number.sentence}")
    print(report.proof.sentence)
    return report.verdict


if __name__ == "__main__":
    main(Path(sys.argv[1]))

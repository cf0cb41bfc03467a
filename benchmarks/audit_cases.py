"""Does the audit command say no in the plain cases? Each as a command with its exit code, on images of one's own.

    python benchmarks/audit_cases.py IMAGES WORK [--size 128x64] [--copies 10] [--only geometry]

IMAGES is a folder that ``prepare --kind mammogram --set pairs=true`` reads, such as mini-MIAS. A quarter of its
patients are prepared apart and stand for a clean synthetic set: the outsiders. WORK keeps what was prepared. Every case
is a folder of outsiders with something among them that must not pass; 3 is the exit code of a blocked audit, 2 of a
refused one. Ends with 1 if a case has another exit code than it must have.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from audit_power import KINDS
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.data.prepare import prepare
from synthmed.generation.generate import generate
from synthmed.samples import Sample, write_samples
from synthmed.training.loop import train

Images = NDArray[np.uint8]
GEOMETRY = ("rotated by 5 degrees", "rotated by 10 degrees", "scaled +5 %", "scaled -5 %", "scaled +10 %",
            "squashed by 3 %", "cropped by 6 %", "elastic 4 px", "elastic 8 px", "gamma 0.5", "noise 15 %", "blur 4",
            "half pasted", "blend 50:50")  # fmt: skip


def apart(images: Path, work: Path, size: tuple[int, int]) -> None:
    """Prepare three quarters of the patients as ``data``, the others as ``outsiders``; and both again, divided anew."""
    files = sorted(path for path in images.iterdir() if path.suffix in {".png", ".tif", ".pgm", ".jpg"})
    pairs = [files[place : place + 2] for place in range(0, len(files), 2)]
    numbers = np.random.default_rng(0).permutation(len(pairs))
    for name, chosen in (("outside", numbers[: len(pairs) // 4]), ("inside", numbers[len(pairs) // 4 :])):
        (work / name).mkdir(parents=True)
        for place in sorted(chosen):
            for file in pairs[place]:
                shutil.copy(file, work / name)
    settings = ["pairs=true", "crop=breast", "flip=left"]
    how = {"kind": "mammogram", "size": size, "overrides": settings}
    prepare(work / "outside", work / "outsiders", holdout=0, test=0, **how)
    prepare(work / "inside", work / "data", holdout=0.2, test=0.2, **how)
    prepare(work / "inside", work / "divided-anew", holdout=0.2, test=0.2, seed=1, **how)


def with_twin(data: PreparedDataset, work: Path) -> tuple[Path, Images]:
    """DATA as a folder of plain images, with a noisy mirrored twin of one under a second name; and that image."""
    from PIL import Image

    source = work / "with-twin" / "images"
    source.mkdir(parents=True)
    pixels = data.images()
    numbers = np.random.default_rng(0)
    for number, image in enumerate(pixels):
        Image.fromarray(image[0]).save(source / f"p{number:04d}.png")
    twin = pixels[7, 0, :, ::-1].astype(int) + numbers.integers(-3, 4, pixels.shape[2:])
    Image.fromarray(twin.clip(0, 255).astype(np.uint8)).save(source / "q0001.png")
    return work / "with-twin", pixels[7:8]


def cases(work: Path, copies: int) -> Iterator[tuple[str, str, Path, Images | Path, int]]:
    """Group, name, the real images, the synthetic ones, and the exit code that must come."""
    data = PreparedDataset.open(work / "data")
    outside = PreparedDataset.open(work / "outsiders").images()
    real = {name: data.split(name).images() for name in ("train", "holdout", "test")}
    numbers = np.random.default_rng(0)
    others = outside[:40]

    def altered(kind: str, count: int) -> Images:
        rows, beside = numbers.choice(len(real["train"]), count, replace=False), numbers.choice(len(outside), count)
        made = [KINDS[kind](real["train"][row].astype(float), outside[other].astype(float), numbers)
                for row, other in zip(rows, beside, strict=True)]  # fmt: skip
        return np.stack(made).round().clip(0, 255).astype(np.uint8)

    yield "plain", "outsiders alone", work / "data", outside, 0
    mixed = np.concatenate([others, real["train"][:6], real["holdout"][:1]])
    yield "plain", "40 outsiders, 6 copies of training images, 1 of a holdout image", work / "data", mixed, 3
    yield "plain", "all holdout images", work / "data", real["holdout"], 3
    yield "plain", "all test images", work / "data", real["test"], 3
    yield "plain", "the training set itself", work / "data", real["train"], 3
    model = work / "run" / "model.safetensors"
    if not model.is_file():
        train("dcgan_tiny", work / "data", work / "run", overrides=["training.budget=0.02"])
        generate(model, work / "samples", num=40)
    yield (
        "plain",
        "samples of a model that learned from another division of DATA",
        work / "divided-anew",
        work / "samples",
        2,
    )
    folder, copied = with_twin(data, work)
    slightly = (copied.astype(int) + numbers.integers(-3, 4, copied.shape)).clip(0, 255).astype(np.uint8)
    yield (
        "plain",
        "a copy whose mirrored twin stands under a second name",
        folder,
        np.concatenate([others, slightly]),
        3,
    )
    for kind in GEOMETRY:
        yield (
            "geometry",
            f"40 outsiders, {copies} copies {kind}",
            work / "data",
            np.concatenate([others, altered(kind, copies)]),
            3,
        )
    for kind in ("cropped by 6 %", "blend 50:50"):
        yield "geometry", f"40 copies {kind}, nothing else", work / "data", altered(kind, 40), 3
    yield "plain", "one image", work / "data", outside[:1], 2
    yield "plain", "one picture twice", work / "data", outside[[0, 1, 2, 0]], 2


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--size", default="128x64")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--only", choices=("plain", "geometry"))
    arguments = parser.parse_args()
    work, wrong = arguments.work, 0
    if not (work / "divided-anew").exists():
        height, width = map(int, arguments.size.split("x"))
        apart(arguments.images, work, (height, width))
    shutil.rmtree(work / "with-twin", ignore_errors=True)
    for number, (group, name, real, images, expected) in enumerate(cases(work, arguments.copies)):
        if arguments.only not in (None, group):
            continue
        made, out = work / f"case-{number}", work / f"audit-{number}"
        for folder in (made, out):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(images, Path):
            made = images
        else:
            drawn = ((Sample(seed=k, label="", lineage="unknown"), image, None) for k, image in enumerate(images))
            write_samples(made, drawn, file_format="png", inputs={}, facts={"run_seed": 0})
        words = ["audit", made, real, out, "--canaries", "0", "--features", work / "features"]
        done = subprocess.run([sys.executable, "-m", "synthmed", *map(str, words)], capture_output=True, text=True)
        said = [line for line in (done.stderr + done.stdout).splitlines() if "BLOCKED" in line or "synthmed:" in line]
        wrong += done.returncode != expected
        sign = "" if done.returncode == expected else f"  EXPECTED {expected}"
        print(f"exit {done.returncode}{sign}  {name}: {(said or [''])[0][:150]}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""How long does a whole audit take, and how much memory: 2,000 synthetic against 2,000 training images of 256x256?

    python benchmarks/audit_whole.py [--num 2000] [--size 256] [--threads 2] [--canaries 20] [--folder FOLDER]

Images are noise of several scales, a patient each, and a quarter as many are a holdout. The audit is the command
itself, in a process of its own, with everything it does by itself: all spaces, planted copies, attacks, the page.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthmed.data.dataset import DatasetInfo, Intensity, Row
from synthmed.data.store import DatasetWriter
from synthmed.samples import Sample, write_samples


def noise(number: int, size: int, seed: int) -> NDArray[np.uint8]:
    """An image [1 size size]: smooth noise of four scales, and the grain of a scanner."""
    numbers, image = np.random.default_rng((seed, number)), np.zeros((size, size))
    for side in (4, 8, 16, 32):
        image += ndimage.zoom(numbers.normal(size=(side, side)), size / side, order=1) / side**0.5
    image = 110 + 45 * image + numbers.normal(0, 3, image.shape)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)[None]


def prepared(folder: Path, train: int, holdout: int, size: int) -> None:
    """A prepared set of one image a patient."""
    info = DatasetInfo(kind="generic", channels=["grey"], height=size, width=size, bits=8, mask_labels={},
                       intensity=Intensity(low=0, high=255, unit="grey value"), has_fields=False)  # fmt: skip
    with DatasetWriter(folder, info) as writer:
        for number in range(train + holdout):
            row = Row(id=f"{number:06d}", patient_id=f"P{number:05d}", split="train" if number < train else "holdout",
                      label="", mask_source="none", source_digest=str(number), source_height=size, source_width=size,
                      scale=1.0, pad_top=0, pad_left=0, low=(0.0,), high=(255.0,))  # fmt: skip
            writer.add(row, noise(number, size, 0), None, None)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--canaries", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where images are made, or stand already")
    arguments = parser.parse_args()
    num, size = arguments.num, arguments.size
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "samples").exists():
            prepared(folder / "data", num, num // 4, size)
            made = ((Sample(seed=k, label="", lineage="sampled"), noise(k, size, 1), None) for k in range(num))
            write_samples(folder / "samples", made, file_format="png", inputs={}, facts={"run_seed": 1})
        began, out = time.monotonic(), Path(temporary, "audit")
        words = ["audit", folder / "samples", folder / "data", out, "--canaries", arguments.canaries]
        environment = os.environ | {"OMP_NUM_THREADS": str(arguments.threads)}
        command = [sys.executable, "-m", "synthmed", *map(str, words)]
        code = subprocess.run(command, env=environment, check=False).returncode
        used, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - began
    print(
        f"{num} synthetic against {num} training and {num // 4} holdout images of {size}x{size}, "
        f"{arguments.canaries} copies a kind, {arguments.threads} threads: {took:.0f} s, "
        f"{used.ru_utime + used.ru_stime:.0f} s of processor, {used.ru_maxrss / 2**20:.2f} GiB at most, "
        f"exit code {code}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How fast is a prepared set read? Batches of images of 256 x 512 from the page cache, beside a bare copy of memory.

    python benchmarks/read_speed.py

Prints images per second of processor time, for one process, and what the same bytes take when a batch that is in
memory already is copied: no reader that gives batches of its own can be faster than that.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset
from synthmed.data.index import Row
from synthmed.data.store import DatasetWriter

HEIGHT, WIDTH = 512, 256


def write(path: Path, num: int) -> PreparedDataset:
    info = DatasetInfo(
        kind="generic", channels=["grey"], height=HEIGHT, width=WIDTH, bits=8,
        intensity=Intensity(low=0, high=255, unit="grey value"), mask_labels={}, has_fields=False,
    )  # fmt: skip
    numbers = np.random.default_rng(0)
    with DatasetWriter(path, info) as writer:
        for index in range(num):
            row = Row(
                id="", patient_id=f"P{index}", split="train", label="", mask_source="none",
                source_digest=f"{index:064x}", source_height=HEIGHT, source_width=WIDTH, scale=1.0, pad_top=0,
                pad_left=0, low=0.0, high=255.0,
            )  # fmt: skip
            writer.add(row, numbers.integers(0, 256, (1, HEIGHT, WIDTH), np.uint8), None, None)
    return PreparedDataset.open(path, verify=False)


def best(work: Callable[[], object], repeats: int) -> float:
    """Seconds of processor time of the fastest repeat: others on the machine only ever make it slower."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        data = write(Path(place) / "data", given.num)
        order = np.random.default_rng(1).permutation(given.num)
        batches = [order[first : first + given.batch] for first in range(0, given.num, given.batch)]

        def read() -> None:
            for batch in batches:
                data.images(batch)

        read()  # into the page cache
        images = data.images(batches[0])
        copied = np.empty_like(images)
        rates = {
            "shuffled batches of a prepared set": best(read, given.repeats),
            "copying a batch to new memory": best(lambda: [images.copy() for _ in batches], given.repeats),
            "copying a batch to the same memory": best(
                lambda: [np.copyto(copied, images) for _ in batches], given.repeats
            ),
        }
        for what, seconds in rates.items():
            rate = given.num / seconds
            print(f"{what:36} {rate:9.0f} images/s  {rate * HEIGHT * WIDTH / 1e9:5.1f} GB/s")


if __name__ == "__main__":
    main()

"""How long does the search for near copies take, over all turns, flips and small shifts?

    python benchmarks/nearest_copies.py [--num 10000] [--size 256] [--threads 2]

Makes so many training and so many synthetic images of smooth noise, plants one turned and shifted copy, and times
both parts of the search in whole images: looking at every image once, and comparing. A direct comparison of all
pairs in 8 orientations and 81 shifts at 64x64 is timed on a few pairs, and its time for all of them is computed.
"""

import argparse
import resource
import sys
import time

import numpy as np
import torch
from numpy.typing import NDArray

from synthmed.evaluation.features.filters import random_filters
from synthmed.privacy._correlation import correlate
from synthmed.privacy._spaces import nearest
from synthmed.privacy._views import InMemory, Look, orient


def smooth(num: int, size: int, seed: int) -> NDArray[np.uint8]:
    """Smooth noise [num 1 size size]."""
    coarse = torch.rand(num, 1, 24, 24, generator=torch.Generator().manual_seed(seed))
    parts = [
        (torch.nn.functional.interpolate(part, (size, size), mode="bicubic").clamp(0, 1) * 255).to(torch.uint8)
        for part in coarse.split(256)
    ]
    return torch.cat(parts).numpy()


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    num, size = arguments.num, arguments.size
    train, synthetic = smooth(num, size, 0), smooth(num, size, 1)
    synthetic[7] = np.roll(np.rot90(train[num // 2], 1, (1, 2)), (size // 32, -size // 40), (1, 2))

    began = time.monotonic(), time.process_time()
    look = Look(extractor=random_filters(), channels=["grey"])
    views = [look.at(InMemory(pixels=images), range(num)) for images in (train, synthetic)]
    looked = time.monotonic() - began[0], time.process_time() - began[1]
    began = time.monotonic(), time.process_time()
    found = nearest("pixels", views[1], views[0])
    compared = time.monotonic() - began[0], time.process_time() - began[1]

    pairs = views[1].small[:64], views[0].small[:64]
    start = time.process_time()
    for orientation in range(8):
        correlate(orient(pairs[0], orientation), pairs[1])
    direct = (time.process_time() - start) / 64 * num * num
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{num} against {num} images of {size}x{size}, {arguments.threads} threads")
    print(f"looking at all: {looked[0]:.0f} s ({looked[1]:.0f} s of processor); "
          f"comparing: {compared[0]:.0f} s ({compared[1]:.0f} s); {memory:.1f} GiB at most")  # fmt: skip
    print(f"all pairs by Fourier transforms, without the coarse search first: {direct / 3600:.1f} hours of processor")
    print(f"the planted copy: image {found.rows[7, 0]}, relative distance {found.relative[7]:.3f}; "
          f"lowest of the others {np.delete(found.relative, 7).min():.3f}")  # fmt: skip
    return int(found.rows[7, 0] != num // 2)


if __name__ == "__main__":
    sys.exit(main())

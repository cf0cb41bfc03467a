"""Speed and memory of the metrics, beside what a user would write instead.

    python benchmarks/metrics_speed.py [--only frechet|small|wide]

- "frechet": the Frechet distance of 1,000 x 2048 features beside ``scipy.linalg.sqrtm`` of the covariances;
- "small":   precision, recall, density, coverage and 1-NN of 50,000 x 64 features a side;
- "wide":    the same of 10,000 x 2048 features a side.

Every part runs in a process of its own, whose peak memory is measured. Features are normal random numbers: neither
time nor memory depends on their values.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIZES = {"small": (50_000, 64), "wide": (10_000, 2048)}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of processor time, over all threads: other work on the machine does not count."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def frechet() -> dict[str, float]:
    from scipy import linalg

    from synthmed.evaluation.frechet_distance import frechet_distance

    numbers = np.random.default_rng(0)
    x, y = numbers.normal(size=(1000, 2048)), 1.1 * numbers.normal(size=(1000, 2048)) + 0.1

    def by_square_root() -> float:
        s_x, s_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
        root = linalg.sqrtm(s_x @ s_y)
        return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s_x + s_y) - 2 * np.trace(root).real)

    ours = min((timed(lambda: frechet_distance(x, y)) for _ in range(3)), key=lambda one: one[0])
    theirs = timed(by_square_root)
    return {
        "seconds": ours[0],
        "sqrtm_seconds": theirs[0],
        "times_faster": theirs[0] / ours[0],
        "value": ours[1],
        "sqrtm_value": theirs[1],
    }


def neighbours(count: int, width: int) -> dict[str, Any]:
    from synthmed.evaluation.one_nn import one_nn
    from synthmed.evaluation.precision_recall import precision_recall

    numbers = np.random.default_rng(0)
    x, y = (numbers.standard_normal((count, width), dtype=np.float32) for _ in range(2))
    shares = timed(lambda: precision_recall(x, y, 5))
    accuracy = timed(lambda: one_nn(x, y))
    return {
        "precision_recall_seconds": shares[0],
        "precision_recall": shares[1],
        "one_nn_seconds": accuracy[0],
        "one_nn": accuracy[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=["frechet", *SIZES])
    parser.add_argument("--here", action="store_true", help="run the part in this process")
    given = parser.parse_args()
    if given.here:
        found = frechet() if given.only == "frechet" else neighbours(*SIZES[given.only])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(json.dumps({"part": given.only, "peak_GiB": round(peak, 2), "threads": threads(), **found}))
        return
    for part in [given.only] if given.only else ["frechet", *SIZES]:
        subprocess.run([sys.executable, __file__, "--here", "--only", part], check=True)


def threads() -> str:
    return os.environ.get("OMP_NUM_THREADS", f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()

"""How often does the audit block 1 % of planted near copies, and how often a clean set?

    python benchmarks/audit_one_percent.py [--seeds 20] [--samples 2000] [--share 0.01]

In each seed a population of images is drawn: an outline, some organs, texture and noise, no two alike. 200 of
them are the training set, 100 the sealed holdout, 2,000 more the synthetic set, which is as clean as can be. Then
1 % of it is replaced by copies of training images, each shifted, brightened, re-compressed as JPEG, mirrored or
turned, or all of it. Prints both verdicts, the p of the strongest test, and the ratio of the medians of nearest
distances (training by holdout) that other audits look at. Exit code 1 if 1 of 20 is exceeded on either side.
"""

import argparse
import math
import sys
import time
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from synthmed.evaluation.features.filters import random_filters
from synthmed.privacy._views import InMemory, Look, Views
from synthmed.privacy.canaries import ALTERATIONS, plant
from synthmed.privacy.copies import Space, compare
from synthmed.privacy.examination import conclude
from synthmed.privacy.findings import Findings
from synthmed.privacy.identity import Identity, identify

SIDE = 64
SPACES = ("pixels", "features", "patches")
KINDS = ("shifted", "brightened", "re-compressed", "turned", "all of it")


def population(num: int, numbers: np.random.Generator, side: int = SIDE) -> NDArray[np.uint8]:
    """Images [num 1 side side] of a body with four to seven organs, texture and noise."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    images = np.zeros((num, 1, side, side), np.uint8)
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    for index in range(num):
        height, width = numbers.uniform(0.30, 0.42, 2)
        y, x = numbers.normal(0.5, 0.03, 2)
        body = 1 / (1 + np.exp((((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 - 1) * 12))
        image = 0.45 * body
        for _ in range(numbers.integers(4, 8)):
            y, x = numbers.uniform(0.25, 0.75, 2)
            long, wide = numbers.uniform(0.02, 0.10, 2)
            angle = numbers.uniform(0, math.pi)
            along = (rows - y) * math.cos(angle) + (columns - x) * math.sin(angle)
            across = (columns - x) * math.cos(angle) - (rows - y) * math.sin(angle)
            image += numbers.uniform(-0.2, 0.35) * np.exp(-((along / long) ** 2 + (across / wide) ** 2) / 2)
        spectrum = np.fft.rfft2(numbers.normal(size=(side, side))) * np.exp(-((frequencies * side / 8) ** 2))
        texture = np.fft.irfft2(spectrum, s=(side, side))
        image += 0.05 * body * texture / texture.std() + numbers.normal(0, 0.02, image.shape)
        images[index, 0] = np.clip(255 * image, 0, 255)
    return images


def look(images: NDArray[np.uint8]) -> Views:
    """The views of images of one patient each."""
    how = Look(extractor=random_filters(), channels=["grey"])
    return how.at(InMemory(pixels=images), range(len(images)))


def verdict(
    identities: list[Identity], spaces: list[Space], chosen: NDArray[np.intp], samples: Views, real: Views,
    members: int, seed: int,
) -> Findings:  # fmt: skip
    """The audit of some of the samples, without files."""
    spaces = [
        replace(one, train=one.train.of(chosen), holdout=one.holdout.of(chosen), equal=one.equal.of(chosen))
        for one in spaces
    ]
    samples = samples.rows(chosen)
    inferences, tests = conclude(spaces, samples, real, members, seed=seed)
    sides = {"train": real.patients[:members], "holdout": real.patients[members:], "test": real.patients[:0]}
    counts = {side: len(sides[side]) for side in ("train", "holdout")}
    persons = {side: frozenset(patients.tolist()) for side, patients in sides.items()}
    return Findings(num=len(samples), sealed=True, patients=counts, persons=persons,
                    identities=tuple(replace(one, near=one.near.of(chosen)) for one in identities),
                    spaces=tuple(spaces), inferences=inferences, tests=tests, power=(), statement="", unproven="",
                    warnings=())  # fmt: skip


def median_ratio(found: Findings) -> float:
    """Median nearest distance to training by that to the holdout, in pixels, training cut to equal size."""
    pixels = found.spaces[0]
    return float(np.median(pixels.equal.distances[:, 0]) / np.median(pixels.holdout.distances[:, 0]))


def describe(found: Findings) -> str:
    strongest = min(found.tests, key=lambda test: test.corrected)
    clear = ", ".join(f"{one.name} {int(one.clear.sum())}" for one in found.identities)
    word = "BLOCKED" if found.blocked else "passed "
    return f"{word} clear copies: {clear}; lowest p {strongest.corrected:.2g}"


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--share", type=float, default=0.01)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    copies = max(1, round(arguments.share * arguments.samples))
    each = math.ceil(copies / len(KINDS))
    blocked = passed = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        began = time.monotonic()
        numbers = np.random.default_rng(seed)
        train, holdout, clean = (population(num, numbers) for num in (200, 100, arguments.samples))
        planted = plant(train, each, seed=seed, kinds={kind: ALTERATIONS[kind] for kind in KINDS})
        chosen = numbers.permutation(len(planted.images))[:copies]
        real = look(np.concatenate([train, holdout]))
        known, sealed = real.rows(slice(0, len(train))), real.rows(slice(len(train), None))
        # An image's neighbours do not depend on the other samples: both sets are compared in one go.
        every = look(np.concatenate([clean, planted.images[chosen]]))
        identities = [identify(name, every, real, spaces=len(SPACES), seed=seed) for name in SPACES]
        spaces = [compare(one, every, known, sealed, seed=seed) for one in identities]
        rows = np.arange(len(every))
        without, found = (
            verdict(identities, spaces, some, every, real, len(train), seed)
            for some in (rows[: len(clean)], rows[copies:])
        )
        blocked, passed = blocked + found.blocked, passed + (not without.blocked)
        print(f"seed {seed:2d} planted {describe(found)}, median ratio {median_ratio(found):.3f}", flush=True)
        print(f"        clean   {describe(without)}, median ratio {median_ratio(without):.3f}"
              f"   [{time.monotonic() - began:.0f} s]", flush=True)  # fmt: skip
    print(f"{copies} copies among {arguments.samples}: blocked in {blocked} of {arguments.seeds} seeds; "
          f"clean: passed in {passed} of {arguments.seeds}")  # fmt: skip
    allowed = arguments.seeds // 20
    return int(min(blocked, passed) < arguments.seeds - allowed)


if __name__ == "__main__":
    sys.exit(main())

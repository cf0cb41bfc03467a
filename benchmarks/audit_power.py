"""Which altered copies does the audit find on a data set, kind by kind, and how often does it block a clean set?

    python benchmarks/audit_power.py DATA [--copies 20] [--divisions 5] [--resplits 20] [--spaces overlays] [--one]

A quarter of the patients is set aside: they stand for a clean synthetic set, and for what copies are mixed with. Of the
others, all taken as real, copies are altered at stated strengths and looked for as ``audit`` does. Found is a copy that
some space takes for its own patient's, by the threshold of a clean set. With --divisions all of this is done so many
times, each with another quarter and other copies, and the sums are printed last. With --resplits the division is drawn
anew so many times, and it is counted how often a clean set has an image that is flagged. With --one the first image of
each patient is all there is.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from synthmed import PreparedDataset
from synthmed.evaluation.features.filters import random_filters
from synthmed.privacy import canaries
from synthmed.privacy._spaces import nearest
from synthmed.privacy._views import InMemory, Look, Views
from synthmed.privacy.identity import SPACES, Identity, identify
from synthmed.privacy.people import find_people

Image = NDArray[np.floating]
Alteration = Callable[[Image, Image, np.random.Generator], Image]


def turned(image: Image, other: Image, numbers: np.random.Generator, degrees: float) -> Image:
    return ndimage.rotate(image, degrees, (1, 2), reshape=False, order=1, mode="nearest")


def scaled(image: Image, other: Image, numbers: np.random.Generator, down: float, across: float) -> Image:
    matrix, middle = np.diag([1, 1 / down, 1 / across]), (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(image, matrix, middle - matrix @ middle, order=1, mode="nearest")


def cropped(image: Image, other: Image, numbers: np.random.Generator, share: float) -> Image:
    sides = np.array(image.shape) * [0, 1, 1]
    matrix = np.diag([1, 1 - 2 * share, 1 - 2 * share])
    return ndimage.affine_transform(image, matrix, sides * share, order=1, mode="nearest")


def elastic(image: Image, other: Image, numbers: np.random.Generator, pixels: float) -> Image:
    """Bent by so many pixels at most, of an image of 128."""
    unit = max(image.shape) / 128
    away = np.stack([ndimage.gaussian_filter(numbers.normal(size=image.shape[1:]), 12 * unit) for _ in "yx"])
    places = np.indices(image.shape[1:]) + pixels * unit * away / np.abs(away).max()
    return np.stack([ndimage.map_coordinates(plane, places, order=1, mode="nearest") for plane in image])


def noisy(image: Image, other: Image, numbers: np.random.Generator, share: float) -> Image:
    return image + numbers.normal(0, share * 255, image.shape)


def blurred(image: Image, other: Image, numbers: np.random.Generator, sigma: float) -> Image:
    sigma *= max(image.shape) / 128
    return ndimage.gaussian_filter(image, (0, sigma, sigma))


def pasted(image: Image, other: Image, numbers: np.random.Generator) -> Image:
    height, width = image.shape[1:]
    made = other.copy()
    part = (slice(None), slice(height // 4, height // 4 + height // 2), slice(0, width // 2))
    made[part] = image[part]
    return made


def ours(image: Image, other: Image, numbers: np.random.Generator, alter: canaries.Alteration) -> Image:
    return alter(image.astype(np.uint8), numbers).astype(np.float64)


KINDS: dict[str, Alteration] = {
    "exact": lambda image, other, numbers: image,
    "flipped": lambda image, other, numbers: image[..., ::-1],
    "turned": partial(ours, alter=canaries.turn),
    "shifted": partial(ours, alter=canaries.shift),
    "brightened": partial(ours, alter=canaries.brighten),
    "recompressed": partial(ours, alter=canaries.compress),
    "noise 5 %": partial(noisy, share=0.05),
    "rotated by 5 degrees": partial(turned, degrees=5),
    "rotated by 10 degrees": partial(turned, degrees=-10),
    "scaled +5 %": partial(scaled, down=1.05, across=1.05),
    "scaled -5 %": partial(scaled, down=0.95, across=0.95),
    "scaled +10 %": partial(scaled, down=1.1, across=1.1),
    "scaled -10 %": partial(scaled, down=0.9, across=0.9),
    "squashed by 3 %": partial(scaled, down=1, across=0.97),
    "cropped by 6 %": partial(cropped, share=0.06),
    "elastic 4 px": partial(elastic, pixels=4),
    "elastic 8 px": partial(elastic, pixels=8),
    "gamma 0.5": lambda image, other, numbers: 255 * (image / 255) ** 0.5,
    "blur 4": partial(blurred, sigma=4),
    "noise 15 %": partial(noisy, share=0.15),
    "half pasted": pasted,
    "blend 50:50": lambda image, other, numbers: (image + other) / 2,
    "inverted": lambda image, other, numbers: 255 - image,
    "several": partial(ours, alter=canaries.several),
}


def divided(people: NDArray[np.intp], outside: float, numbers: np.random.Generator) -> NDArray[np.bool_]:
    """Which images are of the patients that are set aside."""
    names = numbers.permutation(np.unique(people))
    return np.isin(people, names[: round(outside * len(names))])


def judged(names: list[str], asked: Views, real: Views, seed: int) -> list[Identity]:
    return [identify(name, asked, real, spaces=len(SPACES) - 1, seed=seed) for name in names]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--divisions", type=int, default=1)
    parser.add_argument("--resplits", type=int, default=0)
    parser.add_argument("--spaces", default=",".join(name for name in SPACES if name != "masks"))
    parser.add_argument("--outside", type=float, default=0.25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.spaces.split(",")
    data = PreparedDataset.open(arguments.data)
    if arguments.one:
        first = {row.patient_id: row.id for row in reversed(data.rows)}
        data = data.where(lambda row: first[row.patient_id] == row.id)
    pixels = data.images()
    if pixels.dtype != np.uint8:
        raise SystemExit("images of 8 bits are expected")
    look = Look(extractor=random_filters(), channels=data.info.channels)
    views = look.at(data, np.zeros(len(data), np.intp))
    people = find_people(data, views).numbers
    views = views.of(people)
    print(
        f"{len(data)} images of {data.info.height}x{data.info.width}, {len(np.unique(people))} persons; spaces {names}"
    )
    if arguments.copies:
        seeds = range(arguments.seed, arguments.seed + arguments.divisions)
        every = [planted(arguments, seed, names, look, pixels, people, views) for seed in seeds]
        total = arguments.copies * len(every)
        print(f"of {total}: " + ", ".join(f"{kind} {sum(one[kind] for one in every)}" for kind in KINDS))
    blocked = dict.fromkeys([*names, "any"], 0)
    for number in range(arguments.resplits):
        away = divided(people, arguments.outside, np.random.default_rng((arguments.seed, number)))
        found = judged(names, views.rows(np.flatnonzero(away)), views.rows(np.flatnonzero(~away)), number)
        for name, one in zip(names, found, strict=True):
            blocked[name] += bool(one.clear.any())
        blocked["any"] += any(one.clear.any() for one in found)
        if number % 10 == 9:
            print(f"clean sets with a flagged image, of {number + 1}: {blocked}", flush=True)
    return 0


def planted(
    arguments: argparse.Namespace, seed: int, names: list[str], look: Look, pixels: NDArray[np.integer],
    people: NDArray[np.intp], views: Views,
) -> dict[str, int]:  # fmt: skip
    """Plant copies of every kind, print how many are found, and give their numbers."""
    numbers, counts = np.random.default_rng(seed), {}
    away = divided(people, arguments.outside, numbers)
    kept, others = np.flatnonzero(~away), np.flatnonzero(away)
    real, clean = views.rows(kept), views.rows(others)
    identities = judged(names, clean, real, seed)
    flagged = {one.name: int(one.clear.sum()) for one in identities}
    print(f"{len(kept)} real images; of {len(others)} clean ones flagged: {flagged}")
    print(f"thresholds { ({one.name: round(one.below, 3) for one in identities}) }")
    print(f"{'':24s} {'found':>5s}  nearest by space, found by space")
    for kind, alter in KINDS.items():
        began = time.process_time()
        rows = numbers.choice(kept, arguments.copies, replace=arguments.copies > len(kept))
        made = np.stack([alter(pixels[row].astype(float), pixels[numbers.choice(others)].astype(float), numbers)
                         for row in rows])  # fmt: skip
        stored = np.clip(np.rint(made), 0, 255).astype(np.uint8)
        asked = look.at(InMemory(pixels=stored), np.arange(len(rows)))
        found, told = np.zeros(len(rows), bool), []
        for one in identities:
            near = nearest(one.name, asked, real)
            right = (near.owners == people[rows][:, None]).any(1)
            hit = right & (near.relative < one.below)
            found |= hit
            told.append(f"{one.name} {right.sum()} {hit.sum()}")
        counts[kind], took = int(found.sum()), time.process_time() - began
        print(f"{kind:24s} {found.sum():2d}/{len(rows)}  {', '.join(told)}  [{took:.0f} s]", flush=True)
    return counts


if __name__ == "__main__":
    sys.exit(main())

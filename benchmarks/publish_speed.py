"""Seconds to publish and to verify 1,000 images, beside a plain copy and a SHA-256 of every file, in one run.

    python benchmarks/publish_speed.py --num 1000 --side 256 --repeats 3

The copy is what anybody would do by hand: ``shutil.copytree``, then a digest of each file. Publishing looks for letters
in every image besides, which is most of its time and is given apart; packs archives, flushes them to the disk and
writes card and Croissant file. Verifying reads every file, then decodes every image. The audit is not measured: a
report that says it did not block stands in its place.
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from synthmed.artifacts import new_directory, write_json
from synthmed.publishing import gates
from synthmed.publishing.release import publish
from synthmed.publishing.verifying import verify
from synthmed.running.progress import silence
from synthmed.samples import Sample, SampleSet, write_samples


def pictures(num, side):
    rng = np.random.default_rng(0)
    for number in range(num):
        image = gaussian_filter(rng.normal(size=(3, side, side)), (0, 3, 3))
        scaled = ((image - image.min()) / np.ptp(image) * 255).astype(np.uint8)
        yield Sample(seed=number, label="", lineage="sampled"), scaled, (scaled[0] > 150).astype(np.uint8)


def stand_in(place, samples):
    """An audit's folder of the form that ``publish`` reads."""
    said = {
        "blocked": False, "sealed": True, "num": len(samples), "patients": {"train": 99, "holdout": 40, "test": 40},
        "power": [], "warnings": [], "unproven": "", "differential_privacy": "", "verdict": "", "method": {},
    }  # fmt: skip
    with new_directory(place, "audit", inputs={"synthetic": samples.digest}, facts={"blocked": False}) as folder:
        write_json(folder / "report.json", said)
    return place


def timed(work):
    """Seconds on the clock and of the processor."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - began, time.process_time() - used])


def copy_and_digest(source, place):
    shutil.copytree(source, place)
    for file in place.rglob("*"):
        if file.is_file():
            with file.open("rb") as content:
                hashlib.file_digest(content, "sha256").hexdigest()


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--num", type=int, default=1000)
    asked.add_argument("--side", type=int, default=256)
    asked.add_argument("--repeats", type=int, default=3)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        samples = write_samples(place / "samples", pictures(given.num, given.side), inputs={}, facts={"run_seed": 0})
        audit = stand_in(place / "audit", samples)
        rounds = []
        for number in range(given.repeats):
            out = place / f"release-{number}"
            copy = timed(lambda n=number: copy_and_digest(samples.path, place / f"copy-{n}"))
            opened = SampleSet.open(samples.path)
            letters = timed(lambda opened=opened: gates.check_text(opened, {}, silence))
            made = timed(lambda out=out: publish(samples.path, out, audit=audit, licence="CC0-1.0", contact="a@b.org"))
            checked = timed(lambda out=out: verify(out))
            rounds.append((copy, made, letters, checked))
            shutil.rmtree(out)
            shutil.rmtree(place / f"copy-{number}")
        copy, made, letters, checked = np.median(rounds, axis=0) * 1000 / given.num
        print(f"{given.num} images of {given.side} x {given.side} with masks, median of {given.repeats} rounds")
        print("seconds for 1,000 on the clock and of the processor, each also as a multiple of the copy's")
        lines = {"copy and digest": copy, "publish": made, "  looking for letters": letters,
                 "  all else": made - letters, "verify": checked}  # fmt: skip
        for what, (wall, processor) in lines.items():
            print(f"{what:24}{wall:8.2f} {wall / copy[0]:7.1f}x {processor:8.2f} {processor / copy[1]:7.1f}x")


if __name__ == "__main__":
    main()

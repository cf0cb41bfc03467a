"""Does the report find what simulated readers are made of? Whole studies, answered over HTTP.

    python benchmarks/study_recovery.py --studies 100

Each study has one reader, 50 real and 50 synthetic images and 20 attention checks. Prints in how many of them the
intervals of the report hold the reader's d', bias, drift and lapse rate, each and all together; and in how many studies
of three readers without lapses and drift the mean d' and the mean area over readers and cases.
"""

import argparse
import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from synthmed.reading.design import study_new
from synthmed.reading.protocol import Study
from synthmed.reading.readings import readings
from synthmed.reading.results import results_of_study
from synthmed.reading.server import application
from synthmed.reading.serving import Place
from synthmed.reading.simulate import Course, Eyes, Observer, invitations, read
from synthmed.reading.store import Store
from synthmed.samples import Sample, write_samples

TRUE = {"d_prime": 1.2, "criterion": 0.3, "drift": 0.8, "lapse": 0.06}


def study_of(folder: Path) -> Study:
    """A study of noise: there is nothing to see for anyone but a simulated reader."""
    for name, seed in (("real", 1), ("made", 2)):
        rng = np.random.default_rng(seed)
        sample = Sample(seed=seed, label="", lineage="sampled")
        drawn = ((sample, rng.integers(0, 256, (1, 16, 16)).astype(np.uint8), None) for _ in range(50))
        write_samples(folder / name, drawn, inputs={}, facts={"seed": seed})
    settings = ["warmup=0", "accept_cues=true", "checks=20"]
    real = folder / "real" / "images"
    return study_new(real, folder / "study", synthetic=[folder / "made"], num=50, overrides=settings).study


def answered(study: Study, observers: list[Observer], eyes: Eyes) -> None:
    """Let observers read through the whole interface, without sockets."""
    tokens = invitations(study, [f"reader {number}" for number in range(len(observers))])
    store = Store(study)
    app = application(study, store, hosts=Place().hosts(8123))

    async def together() -> None:
        await asyncio.gather(*(read("http://127.0.0.1:8123", token, one, eyes, Course(), app=app)
                               for token, one in zip(tokens, observers, strict=True)))  # fmt: skip

    asyncio.run(together())
    store.close()


def fresh(study: Study, place: Path) -> Study:
    """The same study without answers."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(study.path, place, ignore=shutil.ignore_patterns("answers*"))
    return Study.open(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=100)
    given = parser.parse_args()
    kept = dict.fromkeys([*TRUE, "all four together", "mean d_prime of three readers", "mean auc of three readers"], 0)
    with tempfile.TemporaryDirectory() as place:
        study = study_of(Path(place))
        eyes = Eyes(study)
        for number in range(given.studies):
            one = fresh(study, Path(place) / "one")
            answered(one, [Observer(**TRUE, seed=number)], eyes)
            (course,) = results_of_study(one, readings(one)).courses
            held = {name: getattr(course.course, name).low <= true <= getattr(course.course, name).high
                    for name, true in TRUE.items()}  # fmt: skip
            for name, holds in held.items():
                kept[name] += holds
            kept["all four together"] += all(held.values())
            three = fresh(study, Path(place) / "three")
            answered(three, [Observer(d_prime=1.0, seed=10000 + 3 * number + k) for k in range(3)], eyes)
            results = results_of_study(three, readings(three))
            (mean,), multi = results.d_prime, results.areas
            kept["mean d_prime of three readers"] += mean.low <= 1.0 <= mean.high
            (area,) = multi.by_covariance["unbiased"].modalities if multi else ()
            kept["mean auc of three readers"] += area.low <= AREA <= area.high
    print(json.dumps({"studies": given.studies, "kept": kept}))


AREA = 0.755
"""Area of the ratings of an observer with d' = 1 and its four levels of confidence, from 800,000 trials."""

if __name__ == "__main__":
    main()

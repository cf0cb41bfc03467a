"""A twin run: plant canaries in the training data, train, and see whether the audit finds them again.

Run it: python examples/canaries_in_training.py OUT

Canaries are images of another origin (another seed of the phantom), each put into the training set several times
under one patient. A training that lets them through would let a patient through who has many images. The twin is
audited against its own training set; the original training is untouched.
"""

import csv
import shutil
import sys
from pathlib import Path

import synthmed
from synthmed.errors import GateError


def source_with_canaries(out: Path, num: int, canaries: int, times: int, size: int) -> Path:
    """Phantom photographs as a plain folder with a table, canaries among them as training patients."""
    synthmed.phantom("retina", out / "eyes", num=num, size=4 * size, seed=0)
    synthmed.phantom("retina", out / "others", num=max(2, canaries), size=4 * size, seed=9)
    (out / "source" / "images").mkdir(parents=True)
    rows = []
    for place in sorted((out / "eyes").rglob("images/*")):
        name = f"{place.parent.parent.name}-{place.name}"
        shutil.copy(place, out / "source" / "images" / name)
        rows.append({"file_name": name, "patient_id": name, "split": ""})
    for number, place in enumerate(sorted((out / "others").rglob("images/*"))[:canaries]):
        for time in range(times):
            name = f"canary-{number}-{time}{place.suffix}"
            shutil.copy(place, out / "source" / "images" / name)
            rows.append({"file_name": name, "patient_id": f"canary-{number}", "split": "train"})
    with (out / "source" / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file_name", "patient_id", "split"])
        table.writeheader()
        table.writerows(rows)
    return out / "source"


def main(
    out: Path, num: int = 60, canaries: int = 3, times: int = 20, size: int = 64, samples: int = 200,
    planted: int = 20, overrides: tuple[str, ...] = ("training.budget=3",),
) -> str:  # fmt: skip
    source = source_with_canaries(out, num, canaries, times, size)
    synthmed.prepare(source, out / "data", kind="retina", size=size, holdout=0.3, test=0)
    settings = ["config.makes=images", *overrides]
    model = synthmed.train("dcgan_tiny", out / "data", out / "twin", overrides=settings)
    synthmed.generate(model, out / "samples", num=samples)
    try:
        verdict = synthmed.audit(out / "samples", out / "data", out / "audit", canaries=planted).verdict
    except GateError as blocked:
        verdict = str(blocked)
    print(verdict)
    return verdict


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Patches around the lesions of mini-MIAS, with a mask of each: a folder for ``prepare``, and its table of patients.

    python benchmarks/lesion_patches.py MINI_MIAS OUT
    synthmed prepare OUT data/lesions --size 64 --table OUT/patients.csv

MINI_MIAS holds ``png512`` and ``labels_converted.csv``. A patch is 96 pixels of the 512 on each side, moved so that it
lies inside the film; its mask is the disc that the radiologist gave, by its centre (y counted from the bottom, in the
frame of 1,024) and radius. Left and right breasts of one patient bear consecutive numbers.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    for folder in ("images", "masks"):
        (asked.out / folder).mkdir(parents=True)
    rows = list(csv.DictReader((asked.source / "labels_converted.csv").open()))
    told, counts = [], {}
    for row in rows:
        if not row["r"] or not row["x"]:
            continue
        film = np.array(Image.open(asked.source / "png512" / f"{row['Name']}.png").convert("L"))
        across, down, radius = float(row["x"]) / 2, (1024 - float(row["y"])) / 2, float(row["r"]) / 2
        left, top = (int(np.clip(round(at) - SIDE // 2, 0, 512 - SIDE)) for at in (across, down))
        patch = film[top : top + SIDE, left : left + SIDE]
        ys, xs = np.mgrid[top : top + SIDE, left : left + SIDE]
        disc = np.hypot(ys - down, xs - across) <= radius
        if not disc.any():
            continue
        counts[row["Name"]] = counts.get(row["Name"], 0) + 1
        name = f"{row['Name']}-{counts[row['Name']]}"
        Image.fromarray(patch).save(asked.out / "images" / f"{name}.png")
        Image.fromarray((disc * 255).astype(np.uint8)).save(asked.out / "masks" / f"{name}.png")
        patient = (int(row["Name"].removeprefix("mdb")) + 1) // 2
        told.append((f"{name}.png", f"p{patient:03d}"))
    with (asked.out / "patients.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "patient_id"), *told])
    print(f"{len(told)} patches of {len({patient for _, patient in told})} patients")


if __name__ == "__main__":
    main()

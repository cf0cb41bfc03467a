"""A prepared set of phantom breast MR patches, straight from the phantom's functions: no DICOM is written or read.

    python benchmarks/breast_mr_patches.py OUT [--patients 100] [--seed 0]

Each patient of the phantom ``breast_mr`` is drawn as always. Its patches are measured as the scanner of the phantom
measures (coil, blur, Rician noise, 1.02 mm), and brought to 64 x 64 pixels of 0.70 mm, the grid that ``prepare --kind
breast_mr`` makes: around each lesion in slices 2.5 mm apart, and at eight healthy places inside the breasts. The seven
channels are those of Haarburger et al. 2019. All patients share one scale, so nothing but the phantom decides contrast.
Of ten pairs of patients two test and one is sealed. Prints what the set holds, and E1, Tpeak and SER of each class as
they were drawn, before coil, blur and noise: the truth.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthmed.artifacts import digest_of
from synthmed.data.dataset import DatasetInfo, Intensity, PreparedDataset, Row
from synthmed.data.split import SPLITS
from synthmed.data.store import DatasetWriter
from synthmed.evaluation._dynamic import described
from synthmed.phantoms._chest import Grid
from synthmed.phantoms._hanging_breast import Lesion, Torso, draw_torso, skin
from synthmed.phantoms.breast_mr import _coil, _settings, make_slice

SIDE, SPACING, NATIVE = 64, 360 / 512, 360 / 352
CHANNELS = ["T2", "T1 pre", "T1 post1", "T1 post2", "T1 post3", "T1 post4", "Sub"]
WHITE = {"T2": 450.0, "T1": 920.0}
"""Scanner's numbers that are stored as the largest; T1 has four times the phantom's signal, as in its files."""
HEALTHY = 8


def patch(torso: Torso, centre: tuple[float, float, float], seed: int, number: int, place: int) -> NDArray[np.uint16]:
    """One patch [7 64 64] as it would be stored."""
    count = int(np.ceil(SIDE * SPACING / NATIVE)) + 2
    places = (np.arange(count) - (count - 1) / 2) * NATIVE
    grid = Grid(x=(centre[0] + places)[None], y=(centre[1] + places)[:, None], z=centre[2], spacing=NATIVE)
    signals, _ = make_slice(torso, grid, slice(0, 6))
    strength, noise = _settings(seed, number)
    generator = np.random.default_rng([seed, number, 7, place])
    gains = np.array([1.0, *[4.0] * 5])[:, None, None]
    spreads = np.array([2.5 * noise, *[4 * noise] * 5])[:, None, None]
    blurred = ndimage.gaussian_filter(signals * gains * _coil(grid, strength), (0, 0.585, 0.585))
    real, imaginary = (spreads * generator.standard_normal(blurred.shape) for _ in range(2))
    measured = np.rint(np.hypot(blurred + real, imaginary))
    at = (np.arange(SIDE) - (SIDE - 1) / 2) * SPACING / NATIVE + (count - 1) / 2
    rows, columns = np.meshgrid(at, at, indexing="ij")
    fine = np.stack([ndimage.map_coordinates(plane, [rows, columns], order=1, mode="nearest") for plane in measured])
    fine = np.concatenate([fine, (fine[2:3] - fine[1:2]).clip(0)])
    tops = np.array([WHITE["T2"], *[WHITE["T1"]] * 6])[:, None, None]
    return np.rint((fine / tops).clip(0, 1) * 65535).astype(np.uint16)


def centres(torso: Torso, numbers: np.random.Generator) -> list[tuple[str, tuple[float, float, float]]]:
    """Class and middle (x, y, z) of every patch of a patient."""
    found = []
    for lesion in torso.lesions:
        label, reach = "malignant" if lesion.malignant else "benign", 0.8 * lesion.radius
        for z in np.arange(lesion.centre[2] - reach, lesion.centre[2] + reach, 2.5):
            found.append((label, (lesion.centre[0], lesion.centre[1], float(z))))
    healthy = 0
    while healthy < HEALTHY:
        side = numbers.choice([-1, 1])
        x, y = side * torso.apart + numbers.uniform(-0.5, 0.5) * torso.width, numbers.uniform(-0.8, 0) * torso.length
        z = numbers.uniform(-30, 30)
        grid = Grid(x=np.array([[x - 8, x + 8]]), y=np.array([[y - 8], [y + 8]]), z=z, spacing=16.0)
        inside = skin(torso, grid)[0].max() < 0
        if inside and all(_far(lesion, (x, y, z)) for lesion in torso.lesions):
            found.append(("healthy", (float(x), float(y), float(z))))
            healthy += 1
    return found


def _far(lesion: Lesion, place: tuple[float, float, float]) -> bool:
    return bool(np.linalg.norm(np.subtract(place, lesion.centre)) > 20 + 2 * lesion.radius)


def write(out: Path, patients: int, seed: int) -> None:
    info = DatasetInfo(
        kind="breast_mr", channels=CHANNELS, height=SIDE, width=SIDE, bits=16, has_fields=False, mask_labels={},
        intensity=Intensity(low=0, high=1023, unit="intensity scaled by contrast"),
        provenance={"phantom": "breast_mr", "patches": "without files", "seed": seed},
    )  # fmt: skip
    high = (WHITE["T2"], *[WHITE["T1"]] * 6)
    truth: dict[str, list[NDArray[np.float64]]] = {"benign": [], "malignant": []}
    with DatasetWriter(out, info) as writer:
        for number in range(patients):
            torso = draw_torso(np.random.default_rng([seed, number]), malignant=number % 2 == 0)
            for lesion in torso.lesions:
                signals = np.concatenate([[1.0], 1 + lesion.uptake])[None]
                truth["malignant" if lesion.malignant else "benign"].append(described(signals, 75.0, 0.1)[0])
            # Two of ten test, one is sealed, in turn over pairs, so that both classes are in each.
            split = {8: SPLITS[1], 6: SPLITS[2], 7: SPLITS[2]}.get(number // 2 % 10, SPLITS[0])
            for place, (label, centre) in enumerate(centres(torso, np.random.default_rng([seed, number, 9]))):
                row = Row(
                    id=f"{number:04d}-{place:02d}", patient_id=f"P{number:04d}", split=split, label=label,
                    mask_source="none", source_digest=digest_of([seed, number]), source_height=SIDE, source_width=SIDE,
                    scale=1.0, pad_top=0, pad_left=0, part=f"patch {place:02d}", view="axial",
                    spacing_mm=(SPACING, SPACING), low=(0.0,) * 7, high=high,
                )  # fmt: skip
                writer.add(row, patch(torso, centre, seed, number, place), None, None)
    made = PreparedDataset.open(out)
    print(made.summary.split("\n")[0])
    for name, split_info in made.info.splits.items():
        counts = {label: sum(row.label == label for row in made.split(name).rows) for label in made.spec.classes}
        print(f"{name}: {split_info.patients} patients, {counts}")
    for label, rows in truth.items():
        middle, spread = np.mean(rows, 0), np.std(rows, 0)
        names = ("E1", "Tpeak", "SER")  # the first of what ``described`` gives
        told = [f"{name} {middle[place]:.2f} (spread {spread[place]:.2f})" for place, name in enumerate(names)]
        print(f"{label}, as drawn: {', '.join(told)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    write(asked.out, asked.patients, asked.seed)

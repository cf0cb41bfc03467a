"""Breast MR examinations made by code: T2, and T1 before and at four times after contrast agent, as DICOM.

The written folder::

    images/PATIENT/NN_DESCRIPTION/*.dcm   the series of one study: T2, five of the dynamic, a subtraction
    masks/PATIENT.nii.gz                  lesions on the grid of the dynamic series, numbered from 1
    lesions.csv                           class, place and size of each lesion

T2 has a finer matrix, other slices and a smaller field than the dynamic, as scanners give them. ``num`` counts
patients, whose lesions are malignant and benign in turn. The five of the dynamic have one description; which is
which stands in their acquisition numbers and times.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import MRImageStorage
from scipy import ndimage

from synthmed.files.tables import write_csv
from synthmed.phantoms._chest import Grid, box
from synthmed.phantoms._dicom import Series, patient_id, plane, uid, write_image
from synthmed.phantoms._hanging_breast import (
    Torso,
    draw_torso,
    gland,
    heart,
    lesion_distance,
    skin,
    vessels,
)
from synthmed.phantoms._nifti import write_labels
from synthmed.phantoms._texture import cover
from synthmed.phantoms._vessels import Floats

USUAL_NUM = 4
USUAL_SIZE = 352
TIMES = 5
"""One before contrast agent, four after it."""
_SECONDS = 75  # from one time to the next
_FRONT = -140.0  # y of the first row


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """The grid of a series.

    Args:
        field: side of the square field of view in millimetres.
        first: z of the lowest slice.
        distance: from slice to slice.
        thickness: of a slice.
        slices: their number.
    """

    field: float
    first: float
    distance: float
    thickness: float
    slices: int

    def grid(self, k: int, size: int) -> Grid:
        """Slice k, counted from the feet, with ``size`` rows and columns."""
        spacing = self.field / size
        places = (np.arange(size, dtype=np.float64) + 0.5) * spacing
        return Grid(
            x=(places - self.field / 2)[None],
            y=(places + _FRONT)[:, None],
            z=self.first + k * self.distance,
            spacing=spacing,
        )


DYNAMIC = Geometry(field=360.0, first=-40.0, distance=4.0, thickness=4.0, slices=20)
T2 = Geometry(field=330.0, first=-42.5, distance=5.5, thickness=5.0, slices=16)

# Signals: T2, then T1 with fat suppressed before contrast agent and at four times after it.
_SIGNALS = {
    "fat": (430, 30, 30, 30, 31, 31),
    "gland": (190, 60, 64, 67, 69, 70),
    "skin": (170, 84, 90, 94, 96, 97),
    "muscle": (75, 48, 53, 55, 56, 56),
    "marrow": (240, 30, 33, 34, 35, 35),
    "cortex": (10, 7, 7, 7, 7, 7),
    "lung": (10, 4, 5, 5, 5, 5),
    "mediastinum": (90, 14, 15, 16, 16, 16),
    "heart muscle": (60, 44, 84, 80, 76, 73),
    "blood": (16, 26, 205, 172, 150, 138),
    "vessel": (40, 48, 150, 132, 120, 114),
    "benign": (330, 56, 56, 56, 56, 56),
    "malignant": (165, 54, 54, 54, 54, 54),
}


def make_slice(torso: Torso, grid: Grid, contrasts: slice = slice(1, 6)) -> tuple[Floats, NDArray[np.uint8]]:
    """Make one slice as a perfect scanner would see it, without coils and noise.

    Args:
        torso: the patient.
        grid: pixels of the slice.
        contrasts: which of T2, T1 before and T1 at four times after contrast agent.

    Returns:
        Signals [contrast H W], and the number of the lesion at each pixel, 0 for none, [H W].

    Example:
        >>> torso = draw_torso(np.random.default_rng(0), malignant=True)
        >>> signals, lesions = make_slice(torso, DYNAMIC.grid(10, 64))
        >>> signals.shape, lesions.shape
        ((5, 64, 64), (64, 64))
    """
    canvas = _Canvas(grid, contrasts)
    outside, chest = skin(torso, grid)
    canvas.paint(outside, "skin")
    canvas.paint(outside + 2.2, "fat")
    share, strands = gland(torso, grid, outside)
    canvas.lay(strands, "gland")
    canvas.lay(share, "gland")
    _chest_wall(canvas, torso, grid, chest)
    canvas.paint(np.maximum(vessels(torso, grid), outside + 2), "vessel")
    canvas.signals *= 1 + 0.045 * torso.mottle.on(np.array([grid.z]), grid.y[:, 0], grid.x[0])[0]
    labels = np.zeros(outside.shape, dtype=np.uint8)
    for number, lesion in enumerate(torso.lesions, start=1):
        distance = np.maximum(lesion_distance(lesion, grid), outside + 3)
        base = np.array(_SIGNALS["malignant" if lesion.malignant else "benign"], dtype=np.float64)
        rise = np.append([0, 0], lesion.uptake)
        if lesion.malignant:  # the rim takes up more, and first; the middle is late
            core = (
                np.clip(-distance / lesion.radius - 0.25, 0, 1)[None]
                * np.array([0, 0, 0.85, 0.6, 0.4, 0.3])[:, None, None]
            )
            value = base[:, None, None] * (1 + rise[:, None, None] * (1 - core))
        else:
            value = (base * (1 + rise))[:, None, None]
        canvas.mix(cover(distance, canvas.softness), value[contrasts])
        labels[distance < 0] = number
    return canvas.signals, labels


def write(out: Path, numbers: Iterable[int], seed: int, size: int) -> None:
    """Fill a folder with the examinations of the patients of these numbers."""
    for folder in ("images", "masks"):
        (out / folder).mkdir()
    rows = []
    for number in numbers:
        malignant = number % 2 == 0
        torso = draw_torso(np.random.default_rng([seed, number]), malignant)
        person = patient_id("breast_mr", seed, number)
        _write_t2(out / "images" / person, torso, seed, number, round(size * 16 / 11))
        labels = _write_dynamic(out / "images" / person, torso, seed, number, size)
        grid = DYNAMIC.grid(0, size)
        write_labels(out / "masks" / f"{person}.nii.gz", labels, _first_pixel(grid), grid.spacing, DYNAMIC.distance)
        for label, lesion in enumerate(torso.lesions, start=1):
            place = tuple(f"{value:.1f}" for value in (*lesion.centre, 2 * lesion.radius))
            rows.append((person, label, "malignant" if lesion.malignant else "benign", *place))
    columns = ("patient_id", "label", "class", "x_mm", "y_mm", "z_mm", "diameter_mm")
    write_csv(out / "lesions.csv", columns, rows)


class _Canvas:
    """The signals [contrast H W] of a slice that is being painted."""

    def __init__(self, grid: Grid, contrasts: slice) -> None:
        self.contrasts = contrasts
        count = len(range(*contrasts.indices(6)))
        self.signals = np.zeros((count, *np.broadcast_shapes(grid.x.shape, grid.y.shape)))
        self.softness = max(1.1 * grid.spacing, 1.0)

    def paint(self, distance: Floats, tissue: str) -> None:
        """Fill what has a negative distance [H W] with a tissue."""
        self.lay(cover(distance, self.softness), tissue)

    def lay(self, share: Floats, tissue: str) -> None:
        """Mix a tissue in by its share [H W] of each pixel."""
        self.mix(share, np.array(_SIGNALS[tissue], dtype=np.float64)[self.contrasts, None, None])

    def mix(self, share: Floats, value: Floats) -> None:
        """Mix signals [contrast H W] in by their share [H W] of each pixel."""
        near = share > 0
        seen = self.signals[:, near]
        value = np.broadcast_to(value, self.signals.shape)[:, near]
        self.signals[:, near] = seen + share[near] * (value - seen)


def _chest_wall(canvas: _Canvas, torso: Torso, grid: Grid, chest: Floats) -> None:
    """Pectoral muscle, ribs with the muscles between them, breastbone, lungs and heart."""
    cloud = torso.lobes[0][0].on(np.array([grid.z]), grid.y[:, 0], grid.x[0])[0]
    inner = chest + 13 + 2 * cloud - 5 * np.exp(-((grid.x / 20) ** 2))
    canvas.paint(inner, "muscle")
    canvas.paint(np.maximum(np.abs(inner + 11.5) - 0.8, np.abs(grid.x) - 130), "fat")
    # Ribs slope down to the front, so a slice cuts each one along a piece.
    angle = np.arctan2(np.abs(grid.x), torso.chest[1] / 2 - grid.y)  # 0 at the front
    off = (grid.z - 80 * angle / np.pi + 6) % 26 - 13
    rib = (np.hypot(off / 6.5, (chest + 30) / 4.5) - 1) * 4.5
    rib = np.where(angle > 0.32, rib, 99.0)
    canvas.paint(rib, "cortex")
    canvas.paint(rib + 1.3, "marrow")
    bone = box(grid, (0, 23), (19, 6), 4.5)
    canvas.paint(bone, "cortex")
    canvas.paint(bone + 1.2, "marrow")
    canvas.paint(chest + 37, "lung")
    organ = heart(torso, grid)
    canvas.paint(np.maximum(organ.around, chest + 38), "mediastinum")
    canvas.paint(np.maximum(organ.muscle, chest + 40), "heart muscle")
    canvas.paint(np.maximum(organ.blood, chest + 41), "blood")


def _coil(grid: Grid, strength: Floats) -> Floats:
    """Sensitivity of the breast coil, [H W]: high around the breasts, falling towards the back."""
    depth = np.maximum(grid.y + 25, 0)
    along = 1 / (1 + (depth / 85) ** 2.4)
    flank = 0.45 * np.exp(-(((np.abs(grid.x) - 178) / 34) ** 2) - ((grid.y - 40) / 60) ** 2)
    front = 0.25 * np.exp(-(((grid.y + 110) / 40) ** 2))
    return (along + flank + front) * (1 + strength[0] * grid.x / 180 + strength[1] * np.cos(grid.x / 60))


def _measure(
    generator: np.random.Generator, signals: Floats, grid: Grid, strength: Floats, noise: float
) -> NDArray[np.uint16]:
    """What the scanner stores of signals [contrast H W]: coil, blur, and the Rician noise of a magnitude."""
    spread = 0.45 * min(signals.shape[-1] / 256, 1.3)
    seen = ndimage.gaussian_filter(signals * _coil(grid, strength), (0, spread, spread))
    real, imaginary = (noise * generator.standard_normal(seen.shape) for _ in range(2))
    stored: NDArray[np.uint16] = np.clip(np.rint(np.hypot(seen + real, imaginary)), 0, 4095).astype(np.uint16)
    return stored


def _first_pixel(grid: Grid) -> tuple[float, float, float]:
    return float(grid.x[0, 0]), float(grid.y[0, 0]), grid.z


def _settings(seed: int, number: int) -> tuple[Floats, float]:
    """How even the coil is, and the noise of T1, of one examination."""
    generator = np.random.default_rng([seed, number, 1])
    return generator.normal(0, 0.06, 2), float(generator.uniform(2.2, 3.8))


def _write_t2(folder: Path, torso: Torso, seed: int, number: int, size: int) -> None:
    strength, noise = _settings(seed, number)
    timing = _timing(time="090000", echo="101", repetition="5800", flip="150")
    series = _series(seed, number, 3, "t2_tse_tra", {**timing, "ScanningSequence": "SE", "MRAcquisitionType": "2D"})
    place = folder / "03_t2_tse_tra"
    place.mkdir(parents=True)
    for k in range(T2.slices):
        grid = T2.grid(k, size)
        signals, _ = make_slice(torso, grid, slice(0, 1))
        generator = np.random.default_rng([seed, number, 2, k])
        (pixels,) = _measure(generator, signals, grid, strength, 2.5 * noise)
        write_image(place / f"{k + 1:04d}.dcm", pixels, series, k + 1, _plane(T2, grid))


def _write_dynamic(folder: Path, torso: Torso, seed: int, number: int, size: int) -> NDArray[np.uint8]:
    """Write all times of the dynamic and a subtraction; the labels [slice H W] of its grid."""
    strength, noise = _settings(seed, number)
    numbers = (8, 9, 13, 15, 17)
    name = "t1_fl3d_tra_dyn_1+4"
    every = [_series(seed, number, numbers[time], name, _phase(time)) for time in range(TIMES)]
    derived = {**_phase(1), "ImageType": ["DERIVED", "SECONDARY", "M", "SUB"]}
    subtraction = _series(seed, number, 10, f"{name}_SUB", derived)
    for series in (*every, subtraction):
        (folder / _folder_name(series)).mkdir(parents=True)
    labels = []
    for k in range(DYNAMIC.slices):
        grid = DYNAMIC.grid(k, size)
        signals, found = make_slice(torso, grid)
        # Four times the signal, as scanners scale to use more of their 12 bits.
        pixels = _measure(np.random.default_rng([seed, number, 3, k]), 4 * signals, grid, strength, 4 * noise)
        for time, series in enumerate(every):
            write_image(
                folder / _folder_name(series) / f"{k + 1:04d}.dcm", pixels[time], series, k + 1, _plane(DYNAMIC, grid)
            )
        change = pixels[1].astype(np.int16) - pixels[0].astype(np.int16)
        path = folder / _folder_name(subtraction) / f"{k + 1:04d}.dcm"
        write_image(path, change, subtraction, k + 1, _plane(DYNAMIC, grid), bits=16)
        labels.append(found)
    return np.stack(labels)


def _folder_name(series: Series) -> str:
    return f"{series.number:02d}_{series.description}".replace("+", "p")


def _phase(time: int) -> dict[str, object]:
    """What the header of one time of the dynamic says of it; the agent is injected after the first."""
    seconds = 9 * 3600 + 20 * 60 + _SECONDS * time + (60 if time else 0)
    clock = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    facts = {
        **_timing(time=clock, echo="1.73", repetition="4.3", flip="10"),
        "ScanningSequence": "GR",
        "MRAcquisitionType": "3D",
        "ScanOptions": ["PFP", "SFS"],
        "AcquisitionNumber": time + 1,
        "TemporalPositionIdentifier": time + 1,
        "NumberOfTemporalPositions": TIMES,
        "TemporalResolution": str(1000 * _SECONDS),
    }
    return {**facts, "ContrastBolusAgent": "gadolinium"} if time else facts


def _timing(time: str, echo: str, repetition: str, flip: str) -> dict[str, object]:
    return {
        "AcquisitionTime": time,
        "SeriesTime": time,
        "EchoTime": echo,
        "RepetitionTime": repetition,
        "FlipAngle": flip,
        "AcquisitionNumber": 1,
    }


def _series(seed: int, number: int, series: int, description: str, facts: dict[str, object]) -> Series:
    shared = {
        "Modality": "MR",
        "StudyDescription": "phantom breast MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM"],
        "BodyPartExamined": "BREAST",
        "PatientPosition": "HFP",
        "PatientSex": "F",
        "SequenceVariant": "SP",
        "ScanOptions": "",
        "EchoTrainLength": 1,
        "MagneticFieldStrength": "1.5",
        "FrameOfReferenceUID": uid("breast_mr", seed, number, "frame"),
        "PositionReferenceIndicator": "",
        "WindowCenter": "400",
        "WindowWidth": "800",
    }
    return Series(
        kind="breast_mr",
        seed=seed,
        patient=number,
        number=series,
        storage=MRImageStorage,
        description=description,
        facts={**shared, **facts},
    )


def _plane(geometry: Geometry, grid: Grid) -> dict[str, object]:
    facts = plane(_first_pixel(grid), grid.spacing, geometry.thickness)
    return {**facts, "SpacingBetweenSlices": f"{geometry.distance:.8g}"}

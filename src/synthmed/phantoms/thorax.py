"""Chest CT made by code: axial DICOM series in Hounsfield units, with label maps of six values as NIfTI.

The written folder::

    images/PATIENT/*.dcm     eight slices of each patient, from the head down, 12 bits or signed 16
    masks/PATIENT.nii.gz     the labels of the same slices, on the same positions in space
    labels.csv               value and name of each label

The values are the six of Krishna and Mueller. ``num`` counts patients.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage
from scipy import ndimage

from synthmed.files.tables import write_csv
from synthmed.phantoms import _chest, _chest_organs
from synthmed.phantoms._airways import Branches, grow, seen_in_slice
from synthmed.phantoms._chest import Chest, Grid, draw_chest
from synthmed.phantoms._dicom import Series, patient_id, plane, uid, write_image
from synthmed.phantoms._nifti import write_labels
from synthmed.phantoms._texture import Cloud, cover, draw_cloud, ridges
from synthmed.phantoms._vessels import Floats

USUAL_NUM = 6
USUAL_SIZE = 512
SLICES = 8
LABELS = {
    0: "background",
    50: "soft tissue",
    100: "lung",
    150: "bone",
    200: "heart and vessels",
    230: "airway",
}
_SOFT, _LUNG, _BONE, _BLOOD, _AIRWAY = 50, 100, 150, 200, 230
_PADDING = -2000  # stored outside the circle that some scanners reconstruct
_BOX = (-52.0, -240.0, -240.0), (46.0, 240.0, 240.0)  # z, y, x


@dataclass(frozen=True, kw_only=True)
class Patient:
    """One patient on the table.

    Args:
        chest: the shape.
        arteries: of the lungs.
        veins: of the lungs.
        bronchi: behind the main bronchi.
        contrast: Hounsfield units of blood before and behind the lungs.
        clouds: textures by the length of their structures in millimetres.
        top: z of the first slice.
        distance: from slice to slice, in millimetres.
        noise: standard deviation in the middle of the body, in Hounsfield units.
        signed: whether pixels are stored signed, with padding outside the circle.
    """

    chest: Chest
    arteries: Branches
    veins: Branches
    bronchi: Branches
    contrast: tuple[float, float]
    clouds: dict[int, Cloud]
    top: float
    distance: float
    noise: float
    signed: bool

    @property
    def thickness(self) -> float:
        """Of a slice, in millimetres."""
        return 5.0

    def half_width(self) -> float:
        """Half the side of the field of view, in millimetres: the body and some air."""
        chest = self.chest
        return float(np.ceil(1.06 * (chest.width + 21 + 0.9 * chest.muscle + chest.fat + 6)))


def draw_patient(generator: np.random.Generator) -> Patient:
    """Draw a patient and how the scanner is set."""
    chest = draw_chest(generator)
    with_contrast = generator.random() < 0.7
    contrast = (generator.uniform(150, 230), generator.uniform(220, 330)) if with_contrast else (42.0, 42.0)
    distance = float(generator.choice([5, 7.5, 10]))
    return Patient(
        chest=chest,
        arteries=_tree(generator, chest, (44, 13, -20), count=17, radius=3.1, thinnest=0.5),
        veins=_tree(generator, chest, (48, 28, -46), count=13, radius=2.8, thinnest=0.55),
        bronchi=_tree(generator, chest, (42, 10, -24), count=9, radius=2.5, thinnest=1.35),
        contrast=contrast,
        clouds={length: draw_cloud(generator, *_BOX, float(length)) for length in (6, 14, 40)},
        top=generator.uniform(22, 42),
        distance=distance,
        noise=generator.uniform(7, 15),
        signed=bool(generator.random() < 0.4),
    )


def _tree(
    generator: np.random.Generator,
    chest: Chest,
    hilum: tuple[float, float, float],
    count: int,
    radius: float,
    thinnest: float,
) -> Branches:
    """Trees of both lungs, from their hila in all directions but towards the other lung."""
    roots, directions = [], []
    for side in (-1, 1):
        for turn in range(count):
            # Points spread evenly over a sphere (Fibonacci's spiral), and shaken.
            height = 1 - 2 * (turn + 0.5) / count
            angle = 2.4 * turn + generator.normal(0, 0.3)
            flat = np.sqrt(1 - height**2)
            away = np.array([side * abs(flat * np.cos(angle)) + side * 0.25, 1.1 * flat * np.sin(angle), height])
            directions.append(away / np.linalg.norm(away))
            roots.append(np.array(hilum) * (side, 1, 1) + (chest.shift, 0, 0) + generator.normal(0, 2.5, 3))
    radii = radius * generator.uniform(0.65, 1.1, 2 * count) * chest.vessel
    return grow(generator, np.array(roots), np.array(directions), radii, thinnest)


def make_slice(patient: Patient, z: float, size: int = 512) -> tuple[Floats, NDArray[np.uint8]]:
    """Make one slice, without the noise of the scanner.

    Args:
        patient: who lies on the table.
        z: height of the slice in millimetres above the bifurcation of the trachea.
        size: rows and columns.

    Returns:
        Hounsfield units [H W], and labels [H W], values as in ``LABELS``.

    Example:
        >>> hounsfield, labels = make_slice(draw_patient(np.random.default_rng(0)), 0.0, size=64)
        >>> sorted(set(labels.ravel().tolist()))
        [0, 50, 100, 150, 200, 230]
    """
    grid = grid_of(patient, z, size)
    canvas = _Canvas(grid)
    wall = _chest.cavity(patient.chest, grid)
    clouds = {length: cloud.on(np.array([z]), grid.y[:, 0], grid.x[0])[0] for length, cloud in patient.clouds.items()}
    _table(canvas, grid, patient.chest)
    _trunk(canvas, patient.chest, grid, wall, clouds)
    organs = _chest_organs.blood(patient.chest, grid)
    pipe = _chest_organs.windpipe(patient.chest, grid)
    vertebra, canal, cord = _chest_organs.spine(patient.chest, grid)
    gullet = _chest_organs.gullet(patient.chest, grid)
    divide = _chest.mediastinum(patient.chest, grid)
    middle = np.minimum.reduce([organs.around, pipe - 4, vertebra[0].distance - 9, gullet - 6, divide])
    # Blurred, so that fat fills the gaps between the organs.
    filled = ndimage.gaussian_filter(np.clip((middle - 2) / 10, -1, 1), 3.5 / grid.spacing) * 10
    lung = np.maximum(wall, -filled)
    _lungs(canvas, patient, grid, lung, clouds)
    canvas.paint(gullet, 38, _SOFT)
    canvas.paint(np.maximum(gullet + 4.2, wall), -350)
    before, behind = patient.contrast
    muscle = 110.0 if before > 100 else 44.0
    canvas.paint(organs.muscle, muscle + 5 * clouds[14], _BLOOD)
    canvas.paint(organs.right, before + 7 * clouds[40], _BLOOD)
    canvas.paint(organs.left, behind + 5 * clouds[40], _BLOOD)
    canvas.paint(pipe - 1.6, 30, _SOFT)
    canvas.paint(pipe, -995, _AIRWAY)
    _bones(canvas, patient.chest, grid, wall, clouds)
    canvas.paint(canal, 5, _SOFT)
    canvas.paint(cord, 38, _SOFT)
    return canvas.hounsfield, canvas.labels


def grid_of(patient: Patient, z: float, size: int) -> Grid:
    """The pixels of a slice: square, the body in the middle, the table just inside."""
    half, chest = patient.half_width(), patient.chest
    spacing = 2 * half / size
    places = (np.arange(size, dtype=np.float64) - (size - 1) / 2) * spacing
    low = 0.5 * (chest.back - chest.front) + 8
    return Grid(x=places[None], y=places[:, None] + low, z=z, spacing=spacing)


def write(out: Path, numbers: Iterable[int], seed: int, size: int) -> None:
    """Fill a folder with the patients of these numbers: a series of slices and a label map each."""
    for folder in ("images", "masks"):
        (out / folder).mkdir()
    for number in numbers:
        patient = draw_patient(np.random.default_rng([seed, number]))
        _write_patient(out, patient, seed, number, size)
    write_csv(out / "labels.csv", ("value", "name"), LABELS.items())


def _write_patient(out: Path, patient: Patient, seed: int, number: int, size: int) -> None:
    person = patient_id("thorax", seed, number)
    (out / "images" / person).mkdir()
    contrast = patient.contrast[0] > 100
    series = Series(
        kind="thorax",
        seed=seed,
        patient=number,
        number=2,
        storage=CTImageStorage,
        description="Chest 5.0 with contrast" if contrast else "Chest 5.0",
        facts=_series_facts(patient, contrast, uid("thorax", seed, number, "frame")),
    )
    labels = []
    for k in range(SLICES):
        z = patient.top - k * patient.distance
        hounsfield, seen = make_slice(patient, z, size)
        pixels = _scan(np.random.default_rng([seed, number, k]), patient, hounsfield)
        grid = grid_of(patient, z, size)
        facts = plane(_first_pixel(grid), grid.spacing, patient.thickness)
        write_image(
            out / "images" / person / f"{k + 1:04d}.dcm",
            pixels,
            series,
            k + 1,
            facts,
            bits=16 if patient.signed else 12,
        )
        labels.append(seen)
    lowest = grid_of(patient, patient.top - (SLICES - 1) * patient.distance, size)
    volume = np.stack(labels[::-1])  # NIfTI's slices go up
    write_labels(out / "masks" / f"{person}.nii.gz", volume, _first_pixel(lowest), lowest.spacing, patient.distance)


def _first_pixel(grid: Grid) -> tuple[float, float, float]:
    return float(grid.x[0, 0]), float(grid.y[0, 0]), grid.z


def _series_facts(patient: Patient, contrast: bool, frame: str) -> dict[str, object]:
    facts: dict[str, object] = {
        "Modality": "CT",
        "StudyDescription": "phantom chest CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "BodyPartExamined": "CHEST",
        "PatientPosition": "HFS",
        "PatientSex": "F" if patient.chest.breasts else "M",
        "KVP": "120",
        "ConvolutionKernel": "STANDARD",
        "ReconstructionDiameter": f"{2 * patient.half_width():.8g}",
        "SpacingBetweenSlices": f"{patient.distance:.8g}",
        "FrameOfReferenceUID": frame,
        "PositionReferenceIndicator": "",
        "AcquisitionNumber": 1,
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RescaleType": "HU",
        "WindowCenter": ["40", "-550"],
        "WindowWidth": ["400", "1600"],
        "WindowCenterWidthExplanation": ["MEDIASTINUM", "LUNG"],
    }
    if contrast:
        facts["ContrastBolusAgent"] = "iodine"
    if patient.signed:
        facts["PixelPaddingValue"] = _PADDING
    return facts


class _Canvas:
    """Hounsfield units and labels of a slice that is being painted, both [H W]."""

    def __init__(self, grid: Grid) -> None:
        shape = np.broadcast_shapes(grid.x.shape, grid.y.shape)
        self.hounsfield = np.full(shape, -1000.0)
        self.labels = np.zeros(shape, dtype=np.uint8)
        self.softness = max(1.1 * grid.spacing, 0.6)

    def paint(self, distance: Floats, value: float | Floats, label: int | None = None) -> None:
        """Fill what has a negative distance [H W]; at the edge by how much of a pixel is covered."""
        self.lay(cover(distance, self.softness), value)
        if label is not None:
            self.labels[distance < 0] = label

    def lay(self, share: Floats, value: float | Floats) -> None:
        """Mix a value in, by its share [H W] of each pixel."""
        self.hounsfield += share * (value - self.hounsfield)


def _table(canvas: _Canvas, grid: Grid, chest: Chest) -> None:
    """A curved table of carbon fibre, on which the back lies."""
    top = chest.back + 27 + 0.7 * chest.muscle + 0.6 * chest.fat + 4 - grid.x**2 / 900
    across = 195 - np.abs(grid.x)
    inner = np.maximum(np.maximum(top - grid.y, grid.y - top - 26 + np.abs(grid.x / 195) ** 6 * 20), -across)
    canvas.paint(inner, -300)
    canvas.paint(inner + 1.8, -960)


def _trunk(canvas: _Canvas, chest: Chest, grid: Grid, wall: Floats, clouds: dict[int, Floats]) -> None:
    """Skin, fat, breasts, muscles and the wall of the chest, and fat where the organs will be."""
    skin, over = _chest.body(chest, grid), _chest.muscles(chest, grid)
    fat = -104 + 5 * clouds[14] + 4 * clouds[40]
    canvas.paint(skin, 5, _SOFT)
    canvas.paint(skin + 2.0, fat)
    canvas.lay(cover(skin + 4, 2) * ridges(clouds[14] + 0.5 * clouds[40], 0.06) * 0.35, 0)  # septa in the fat
    if chest.breasts:
        gland = np.hypot(np.abs(grid.x) - 72, grid.y + chest.front + 32 + chest.breasts * 0.5) / 21
        share = np.clip(1.35 - gland + 0.28 * clouds[14] + 0.3 * clouds[6], 0, 1) * np.exp(-(((grid.z + 50) / 45) ** 2))
        canvas.lay(share * cover(skin + 5, 4) * cover(-over - 3, 3), 25)
    meat = 56 + 4 * clouds[14] + 4 * clouds[6]
    canvas.paint(over, meat)
    # Fat between the muscles: sheets along the wall, others between the heads of a muscle.
    depth = -over
    between = ridges(depth - 0.5 * chest.muscle - 3 - 2.2 * clouds[40], 1.3) * (np.abs(grid.x) > 12)
    heads = ridges(clouds[40] + 0.35 * clouds[14], 0.06)
    canvas.lay(cover(over + 2, 2) * cover(11 - wall, 2) * np.clip(0.75 * between + heads, 0, 0.9), -80)
    canvas.paint(wall - 10.5, -60)
    canvas.paint(wall - 9.3, 48 + 4 * clouds[6])
    canvas.paint(wall - 1.2, -70)
    canvas.paint(wall, -98 + 5 * clouds[14] + 40 * ridges(clouds[14] + 0.3 * clouds[6], 0.12))


def _lungs(canvas: _Canvas, patient: Patient, grid: Grid, lung: Floats, clouds: dict[int, Floats]) -> None:
    """Air and tissue, denser towards the back, with vessels, bronchi and a fissure."""
    x, y, z, thickness = grid.x[0], grid.y[:, 0], grid.z, patient.thickness
    air = -868 + 34 * (grid.y / 80) + 11 * clouds[6] + 12 * clouds[14] + 12 * clouds[40]
    canvas.paint(lung, air, _LUNG)
    inside = cover(lung + 1, 2)
    deep = cover(lung + 7 + 2 * clouds[14], 8)  # under the pleura vessels are too fine to be seen
    level = grid.y - 20 + 0.35 * (z + 30) + 0.1 * np.abs(grid.x) + 3 * clouds[40]
    canvas.lay(inside * np.exp(-((level / 1.1) ** 2)) * 0.14, -300)  # the oblique fissure
    within = lung < -5
    for tree, blood in ((patient.veins, patient.contrast[1]), (patient.arteries, patient.contrast[0])):
        share, depth = seen_in_slice(tree, z, thickness, x, y)
        canvas.lay(share * deep, min(blood, 200))
        canvas.labels[within & (share > 0.6) & (depth > 0.3)] = _BLOOD
    central = cover(lung + 20, 14)  # further out their walls are too thin to be seen
    share, _ = seen_in_slice(patient.bronchi, z, thickness, x, y, swell=0.7)
    canvas.lay(0.7 * share * central, -250)
    share, depth = seen_in_slice(patient.bronchi, z, thickness, x, y, swell=-0.25)
    canvas.lay(share * central, -980)
    canvas.labels[(lung < -20) & (share > 0.6) & (depth > 0.3)] = _AIRWAY


def _bones(canvas: _Canvas, chest: Chest, grid: Grid, wall: Floats, clouds: dict[int, Floats]) -> None:
    rib, cartilage = _chest_organs.ribs(chest, grid, wall)
    vertebra, _, _ = _chest_organs.spine(chest, grid)
    bones = [
        _chest_organs.Bone(distance=rib, cortex=1.3, hard=780, soft=260),
        *vertebra,
        *_chest_organs.flat_bones(chest, grid),
    ]
    canvas.paint(cartilage, 105 + 25 * clouds[6])
    for bone in bones:
        canvas.paint(bone.distance, bone.hard, _BONE)
        marrow = bone.soft + 45 * clouds[6] + 22 * clouds[14]
        canvas.paint(bone.distance + bone.cortex, np.maximum(marrow, 40))


def _scan(generator: np.random.Generator, patient: Patient, hounsfield: Floats) -> NDArray[np.integer]:
    """What the scanner stores: blur, correlated noise that is strongest in the middle, padding."""
    side = len(hounsfield)
    seen = ndimage.gaussian_filter(hounsfield, 0.55 * min(side / 256, 1.2))
    white = generator.standard_normal(seen.shape)
    grain = ndimage.gaussian_filter(white, 0.7) - ndimage.gaussian_filter(white, 2.2)
    place = (np.arange(side) - (side - 1) / 2) / (side / 2)
    radius = np.hypot(place[:, None], place)
    seen = seen + patient.noise * (1.15 - 0.6 * np.minimum(radius, 1) ** 2) * grain / grain.std()
    stored = np.clip(np.rint(seen) + 1024, 0, 4095)
    if not patient.signed:
        return stored.astype(np.uint16)
    stored[radius > 1] = _PADDING
    return stored.astype(np.int16)

"""Mammograms made by code: breasts of all densities, with masses and calcifications, as DICOM for presentation.

The written folder::

    images/PATIENT/*.dcm     two views (both oblique) or four of a patient, 12 of 16 bits
    masks/PATIENT/*.png      the breast with its muscle, 255 on 0, named as the images
    lesions.csv              every lesion in every view: what it is, where and how large

Letters of lead, the white edge of a film in the scanner and inverted grey values are in the pictures because
they are in those of hospitals.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation
from scipy import ndimage

from synthmed.files.tables import write_csv
from synthmed.phantoms._compressed_breast import FIELD_HEIGHT, Breast, View, draw_breast, look, other_side
from synthmed.phantoms._compressed_tissue import Lesion, draw_lesions, place, tissue
from synthmed.phantoms._dicom import Series, code, patient_id, write_image
from synthmed.phantoms._texture import cover
from synthmed.phantoms._vessels import Floats

USUAL_NUM = 40
USUAL_SIZE = 1024
_LARGEST = 4095
# Images 0 to 3 are of one patient, 4 and 5 of the next, 6 to 9 of the third ...
_VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"), ("R", "MLO"), ("L", "MLO"))
_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}


@dataclass(frozen=True, kw_only=True)
class Mammogram:
    """One view of one breast.

    Args:
        pixels: [H W] uint16 of 12 bits, bright where tissue is dense.
        breast: [H W] bool, the breast and what is seen of the muscle.
        lesions: what there is to be found, and x, y and radius of each in pixels.
    """

    pixels: NDArray[np.uint16]
    breast: NDArray[np.bool_]
    lesions: list[tuple[Lesion, tuple[float, float, float]]]


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What the views of one patient share.

    Args:
        breasts: by laterality, "R" and "L".
        lesions: by laterality.
        inverted: whether air is stored bright (MONOCHROME1).
        film: whether the pictures are scanned films.
        sigmoid: whether the window is meant as a sigmoid curve.
        dose: relative number of quanta.
    """

    breasts: dict[str, Breast]
    lesions: dict[str, list[Lesion]]
    inverted: bool
    film: bool
    sigmoid: bool
    dose: float


def draw_patient(generator: np.random.Generator) -> Patient:
    """Draw a patient: two breasts that are alike, their findings, and the machine."""
    right = draw_breast(generator)
    breasts = {"R": right, "L": other_side(generator, right)}
    return Patient(
        breasts=breasts,
        lesions={side: draw_lesions(generator, breast) for side, breast in breasts.items()},
        inverted=bool(generator.random() < 0.25),
        film=bool(generator.random() < 0.35),
        sigmoid=bool(generator.random() < 0.4),
        dose=generator.uniform(0.7, 1.5),
    )


def make_mammogram(
    generator: np.random.Generator, patient: Patient, laterality: str, position: str, size: int = 1024
) -> Mammogram:
    """Make one view.

    Args:
        generator: source of the texture and of the noise.
        patient: whose breast.
        laterality: "R" or "L".
        position: "MLO" or "CC".
        size: height in pixels; the width is 25 / 32 of it.

    Example:
        >>> patient = draw_patient(np.random.default_rng(1))
        >>> view = make_mammogram(np.random.default_rng(0), patient, "L", "CC", size=96)
        >>> view.pixels.shape, view.breast.shape
        ((96, 75), (96, 75))
    """
    breast, lesions = patient.breasts[laterality], patient.lesions[laterality]
    view = look(breast, position, size)
    bright = tissue(generator, breast, view, position, lesions)
    bright = _expose(generator, patient, view, bright)
    inside = view.inside > 0
    found = []
    for lesion in lesions:
        x, y = place(lesion, view, position)
        found.append((lesion, (x / view.spacing, y / view.spacing, lesion.radius / view.spacing)))
    if laterality == "R":  # the chest wall of a right breast is shown on the right
        bright, inside = bright[:, ::-1], inside[:, ::-1]
        found = [(lesion, (inside.shape[1] - 1 - x, y, radius)) for lesion, (x, y, radius) in found]
    bright = _mark(generator, bright, inside, f"{laterality} {position}", patient.film)
    pixels = np.clip(np.rint(bright * _LARGEST), 0, _LARGEST).astype(np.uint16)
    return Mammogram(pixels=pixels, breast=np.ascontiguousarray(inside), lesions=found)


def write(out: Path, numbers: Iterable[int], seed: int, size: int) -> None:
    """Fill a folder with the views of these numbers; patients have four and two in turn."""
    rows = []
    for k in numbers:
        block, within = divmod(k, len(_VIEWS))
        number = 2 * block + (within > 3)
        laterality, position = _VIEWS[within]
        patient = draw_patient(np.random.default_rng([seed, 1, number]))
        mammogram = make_mammogram(np.random.default_rng([seed, 0, k]), patient, laterality, position, size)
        name, person = f"{laterality}-{position}", patient_id("mammogram", seed, number)
        for folder in ("images", "masks"):
            (out / folder / person).mkdir(parents=True, exist_ok=True)
        _save(out / "images" / person / f"{name}.dcm", mammogram, patient, (seed, number, within), size)
        Image.fromarray(mammogram.breast.astype(np.uint8) * 255).save(out / "masks" / person / f"{name}.png")
        for lesion, (x, y, radius) in mammogram.lesions:
            kind = "malignant" if lesion.malignant else "benign"
            place_of = (f"{x:.1f}", f"{y:.1f}", f"{radius:.1f}")
            rows.append((f"{person}/{name}.dcm", person, laterality, position, lesion.finding, kind, *place_of))
    columns = ("file_name", "patient_id", "laterality", "view", "finding", "class", "x", "y", "radius")
    write_csv(out / "lesions.csv", columns, rows)


def _expose(generator: np.random.Generator, patient: Patient, view: View, bright: Floats) -> Floats:
    """Scatter, the blur of the detector, noise and the curve of the picture, [H W] of 0 to 1."""
    wide = ndimage.gaussian_filter(bright, 10 / view.spacing, mode="nearest")
    bright = 0.88 * bright + 0.12 * wide
    bright = ndimage.gaussian_filter(bright, 0.45 + 0.05 / view.spacing)
    # Fewer quanta arrive behind dense tissue.
    amount = 0.0105 * np.sqrt(np.exp(1.6 * bright) / patient.dose) * np.clip(0.4 / view.spacing, 0.6, 1.4)
    noise = ndimage.gaussian_filter(generator.standard_normal(bright.shape), 0.5) / 0.56
    seen = 0.045 + 0.95 * (bright + amount * noise * (0.25 + 0.75 * (view.inside > 0)))
    if not patient.film:
        air = 0.012 + 0.3 * np.abs(amount * noise)
        return air + cover(-view.inside, 2 * view.spacing) * (seen - air)
    # Film: the air is dark, not empty, and the skin is lost in it.
    return 0.03 + 0.97 * np.clip(seen, 0, None) ** 1.25 + 0.006 * generator.standard_normal(bright.shape)


def _mark(generator: np.random.Generator, bright: Floats, inside: NDArray[np.bool_], text: str, film: bool) -> Floats:
    """Lay lead letters, and on films the white edge of the scanner, beside the breast."""
    height, width = bright.shape
    bright = bright.copy()
    if film:
        thick = max(int(height * generator.uniform(0.008, 0.025)), 1)
        side = generator.choice(["top", "bottom", "outer"], p=[0.35, 0.3, 0.35])
        tone = generator.uniform(0.85, 0.98)
        outer = np.s_[:, -thick:] if inside[:, 0].sum() > inside[:, -1].sum() else np.s_[:, :thick]
        edge = {"top": np.s_[:thick, :], "bottom": np.s_[-thick:, :], "outer": outer}[side]
        bright[edge] = tone + 0.02 * generator.standard_normal(bright[edge].shape)
    label = _letters(text, max(round(height * 0.034), 6), boxed=film)
    rows, columns = label.shape
    chest_left = inside[:, 0].sum() > inside[:, -1].sum()
    away = max(int(0.05 * width), 2)
    left = width - columns - away if chest_left else away
    free = [top for top in range(int(0.04 * height), height - rows, max(rows // 2, 1))
            if not inside[top : top + rows, left : left + columns].any()]  # fmt: skip
    if free:
        place_of = np.s_[free[0] : free[0] + rows, left : left + columns]
        bright[place_of] = np.maximum(bright[place_of], 0.97 * label)
    return bright


def _letters(text: str, height: int, boxed: bool) -> Floats:
    """Letters as 1 on 0, or cut out of a white label, [H W]."""
    font = ImageFont.load_default(size=height)
    left, top, right, bottom = font.getbbox(text)
    pad = max(height // 3, 1)
    canvas = Image.new("L", (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad), 255 if boxed else 0)
    ImageDraw.Draw(canvas).text((pad - left, pad - top), text, fill=40 if boxed else 255, font=font)
    return np.array(canvas, dtype=np.float64) / 255


def _save(path: Path, mammogram: Mammogram, patient: Patient, numbers: tuple[int, int, int], size: int) -> None:
    seed, number, within = numbers
    laterality, position = _VIEWS[within]
    series = Series(
        kind="mammogram",
        seed=seed,
        patient=number,
        number=within + 1,
        storage=DigitalMammographyXRayImageStorageForPresentation,
        description=f"{laterality} {position}",
        facts={"Modality": "MG", "StudyDescription": "phantom mammography"},
    )
    facts = {**_view_facts(patient, laterality, position), **_shown_facts(patient)}
    spacing = [f"{FIELD_HEIGHT / size:.8g}"] * 2
    facts |= {"ImagerPixelSpacing": spacing, "PixelSpacing": spacing, "PixelSpacingCalibrationType": "GEOMETRY"}
    pixels = (_LARGEST - mammogram.pixels).astype(np.uint16) if patient.inverted else mammogram.pixels
    write_image(path, pixels, series, 1, facts)


def _view_facts(patient: Patient, laterality: str, position: str) -> dict[str, object]:
    """Attributes of what is seen, and how it was taken."""
    view_code = code(_VIEW_CODES[position][0], "SCT", _VIEW_CODES[position][1])
    view_code.ViewModifierCodeSequence = []
    return {
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PresentationIntentType": "FOR PRESENTATION",
        "BodyPartExamined": "BREAST",
        "OrganExposed": "BREAST",
        "AnatomicRegionSequence": [code("76752008", "SCT", "Breast")],
        "ImageLaterality": laterality,
        "ViewPosition": position,
        "ViewCodeSequence": [view_code],
        "PatientOrientation": _orientation(laterality, position),
        "PatientSex": "F",
        "PositionerType": "MAMMOGRAPHIC",
        "PositionerPrimaryAngle": {"CC": "0", "MLO": "45"}[position],
        "BodyPartThickness": f"{patient.breasts[laterality].thickness:.0f}",
        "KVP": "29",
        "DetectorType": "SCINTILLATOR",
        "BreastImplantPresent": "NO",
        "EstimatedRadiographicMagnificationFactor": "1",
        "AcquisitionContextSequence": [],
    }


def _shown_facts(patient: Patient) -> dict[str, object]:
    """Attributes of how stored values become grey: inverted or not, two windows, a straight or an S-shaped curve."""
    low, high = (0.03, 0.86) if patient.film else (0.05, 0.80)
    centre, width = round((low + high) / 2 * _LARGEST), round((high - low) * _LARGEST)
    if patient.inverted:
        centre = _LARGEST - centre
    return {
        "PhotometricInterpretation": "MONOCHROME1" if patient.inverted else "MONOCHROME2",
        "PresentationLUTShape": "INVERSE" if patient.inverted else "IDENTITY",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": 1 if patient.inverted else -1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "WindowCenter": [str(centre), str(centre)],
        "WindowWidth": [str(width), str(round(0.8 * width))],
        "WindowCenterWidthExplanation": ["NORMAL", "HARDER"],
        "VOILUTFunction": "SIGMOID" if patient.sigmoid else "LINEAR",
    }


def _orientation(laterality: str, position: str) -> list[str]:
    """Where the rows and the columns of a view point to in the patient."""
    down = {"CC": {"R": "L", "L": "R"}, "MLO": {"R": "FL", "L": "FR"}}[position][laterality]
    return ["P" if laterality == "R" else "A", down]

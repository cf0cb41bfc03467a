"""What each kind of DICOM object says beside its pixels: the modules of its definition (PS3.3, annex A).

Of what only an acquisition has - a tube, an echo, a detector - everything that may stay empty is empty.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid as storage
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from synthmed.formats.dicom_codes import BREAST, EYE, FUNDUS_CAMERA, MASK_IMAGE, NO_VIEW, VIEWS, Code
from synthmed.formats.identifiers import Subject, uid
from synthmed.formats.meaning import Meaning

MADE_UP_DATE, MADE_UP_TIME = "20000101", "000000"
"""Of every study and object: a date that is plainly made up, so that equal images are equal files."""
DEPTH_WINDOWS = (("SOFT TISSUE", 40.0, 400.0), ("LUNG", -600.0, 1500.0), ("BONE", 400.0, 1800.0))
"""Name, middle and width in Hounsfield units of the windows that radiologists use."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The pixels of one file.

    Args:
        stored: [F H W] or [F H W 3] uint8 or uint16, F above 1 in multi-frame objects alone.
        meaning: of the stored numbers.
        subject: whose file it is.
        mask: SOP Instance UID of the mask of the first frame; "" = it has none.
    """

    stored: NDArray[np.integer]
    meaning: Meaning
    subject: Subject
    mask: str = ""


@dataclass(frozen=True, kw_only=True)
class Object:
    """A kind of DICOM object.

    Args:
        kinds: of data sets that it fits; () = all.
        storage: the SOP class for so many bits, in colour or not.
        modality: DICOM's code; "" = that of the kind of data set.
        modules: what it says beside its pixels.
        image_type: DERIVED, then whether pixels are as acquired, then its own word.
        needs_spacing: whether it must say how large a pixel is.
        least_bits: that a grey stored number has.
    """

    kinds: tuple[str, ...]
    storage: Callable[[int, bool], str]
    modality: str
    modules: Callable[[Frames], dict[str, Any]]
    image_type: tuple[str, ...] = ("DERIVED", "SECONDARY")
    needs_spacing: bool = False
    least_bits: int = 8


def decimal(value: float) -> str:
    """A number as a decimal string, which holds 16 characters."""
    return format_number_as_ds(float(value))


def coded(code: Code) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def rescale(meaning: Meaning) -> dict[str, Any]:
    """How stored numbers become physical ones; for MR and pictures the unit has no DICOM name and is "US"."""
    kind = "HU" if meaning.is_hounsfield else "US"
    return {"RescaleSlope": decimal(meaning.slope), "RescaleIntercept": decimal(meaning.low), "RescaleType": kind}


def windows(meaning: Meaning) -> dict[str, Any]:
    """The whole range first, then those of radiologists that lie in it.

    DICOM's linear function reaches black half a unit above, and white half a unit below the ends of a window
    (PS3.3, C.11.2.1.2.1); a range of few units is given without that.
    """
    span = meaning.high - meaning.low
    unit = 1.0 if span >= 255 else 0.0
    found = [("WHOLE RANGE", (meaning.low + meaning.high + unit) / 2, span + unit)]
    if meaning.is_hounsfield and unit:
        ends = (meaning.low - 400, meaning.high + 400)
        found += [one for one in DEPTH_WINDOWS if ends[0] <= one[1] - one[2] / 2 and one[1] + one[2] / 2 <= ends[1]]
    return {
        "WindowCenter": [decimal(one[1]) for one in found],
        "WindowWidth": [decimal(one[2]) for one in found],
        "WindowCenterWidthExplanation": [one[0] for one in found],
        "VOILUTFunction": "LINEAR" if unit else "LINEAR_EXACT",
    }


def _spacing(meaning: Meaning) -> dict[str, Any]:
    return {"PixelSpacing": [decimal(size) for size in meaning.spacing_mm]} if meaning.spacing_mm else {}


def _grey(frames: Frames) -> dict[str, Any]:
    """Rescale and window of a grey picture; a coloured one has none."""
    return {} if frames.stored.ndim == 4 else rescale(frames.meaning) | windows(frames.meaning)


def _plane(frames: Frames) -> dict[str, Any]:
    """An axial slice whose middle is the origin: rows to the left, columns to the back."""
    rows, columns = frames.meaning.spacing_mm
    height, width = frames.stored.shape[1:3]
    corner = (-columns * (width - 1) / 2, -rows * (height - 1) / 2, 0.0)
    return _spacing(frames.meaning) | {
        "Laterality": "",
        "FrameOfReferenceUID": frames.subject.frame_of_reference,
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "ImagePositionPatient": [decimal(value) for value in corner],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "SliceThickness": None,
    }


def _secondary_capture(frames: Frames) -> dict[str, Any]:
    return {"ConversionType": "SYN", "PatientOrientation": [], "Laterality": ""} | _spacing(frames.meaning) | _grey(
        frames
    )  # fmt: skip


def _multi_frame(frames: Frames) -> dict[str, Any]:
    count = len(frames.stored)
    said = _secondary_capture(frames) | {
        "BurnedInAnnotation": "NO",
        "NumberOfFrames": count,
        "FrameIncrementPointer": 0x00182001,
        "PageNumberVector": list(range(1, count + 1)),
    }
    if frames.stored.ndim == 3:
        said["PresentationLUTShape"] = "IDENTITY"
    return said


def _ct(frames: Frames) -> dict[str, Any]:
    return _plane(frames) | _grey(frames) | {"KVP": None, "AcquisitionNumber": None}


def _mr(frames: Frames) -> dict[str, Any]:
    empty = ("ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength", "RepetitionTime")
    said = {"ScanningSequence": "RM", "SequenceVariant": "NONE"} | dict.fromkeys(empty)
    return _plane(frames) | _grey(frames) | said


def _mg(frames: Frames) -> dict[str, Any]:
    side = chest_wall(frames.stored[0])
    view = coded(VIEWS.get(frames.meaning.view, NO_VIEW))
    view.ViewModifierCodeSequence = []
    toward = "A" if side == "L" else "P"
    return rescale(frames.meaning) | windows(frames.meaning) | {
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageLaterality": side,
        "PatientOrientation": [toward, "F"],
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "PresentationLUTShape": "IDENTITY",
        "BurnedInAnnotation": "NO",
        "DetectorType": "",
        "ImagerPixelSpacing": [decimal(size) for size in frames.meaning.spacing_mm],
        "PositionerType": "MAMMOGRAPHIC",
        "OrganExposed": "BREAST",
        "AnatomicRegionSequence": [coded(BREAST)],
        "ViewCodeSequence": [view],
        "AcquisitionContextSequence": [],
    }  # fmt: skip


def _op(frames: Frames) -> dict[str, Any]:
    empty = ("PatientEyeMovementCommanded", "HorizontalFieldOfView", "EmmetropicMagnification", "IntraOcularPressure")
    stacks = (
        *("RefractiveStateSequence", "IlluminationTypeCodeSequence", "LightPathFilterTypeStackCodeSequence"),
        *("ImagePathFilterTypeStackCodeSequence", "LensesCodeSequence"),
    )
    said: dict[str, Any] = dict.fromkeys((*empty, "PupilDilated", "DetectorType"))
    said |= {name: [] for name in stacks}
    if frames.stored.ndim == 3:
        said["PresentationLUTShape"] = "IDENTITY"
    return said | _source(frames.mask) | _spacing(frames.meaning) | {
        "NumberOfFrames": 1,
        "FrameIncrementPointer": 0x00181063,
        "FrameTime": 0,
        "SynchronizationFrameOfReferenceUID": uid(frames.subject.key, "time"),
        "SynchronizationTrigger": "NO TRIGGER",
        "AcquisitionTimeSynchronized": "N",
        "ContentDate": MADE_UP_DATE,
        "ContentTime": MADE_UP_TIME,
        "BurnedInAnnotation": "NO",
        # An eye that never was is neither the right nor the left one.
        "ImageLaterality": "B",
        "AnatomicRegionSequence": [coded(EYE)],
        "AcquisitionDeviceTypeCodeSequence": [coded(FUNDUS_CAMERA)],
        "PatientOrientation": ["L", "F"],
        "DeviceSerialNumber": "none",
        "AcquisitionContextSequence": [],
    }  # fmt: skip


def _source(mask: str) -> dict[str, Any]:
    """What a derived photograph of an eye has to say: of which images it was made. The mask is all there is."""
    if not mask:
        return {"SourceImageSequence": []}
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = storage.SegmentationStorage, mask
    item.PurposeOfReferenceCodeSequence = [coded(MASK_IMAGE)]
    return {"SourceImageSequence": [item]}


def chest_wall(stored: NDArray[np.integer]) -> str:
    """The side that a mammogram [H W] looks like: "L" where the chest wall is at the left of the picture.

    The breast hangs on the chest wall, so the half that it fills more of is that of the wall.
    """
    middle = stored.shape[1] // 2
    return "L" if stored[:, :middle].mean() >= stored[:, stored.shape[1] - middle :].mean() else "R"


def _multi_frame_storage(bits: int, colour: bool) -> str:
    if colour:
        return storage.MultiFrameTrueColorSecondaryCaptureImageStorage
    if bits == 8:
        return storage.MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    return storage.MultiFrameGrayscaleWordSecondaryCaptureImageStorage


def _eye_storage(bits: int, colour: bool) -> str:
    return (
        storage.OphthalmicPhotography8BitImageStorage if bits == 8 else storage.OphthalmicPhotography16BitImageStorage
    )


MODALITIES = {"ct": "CT", "breast_mr": "MR", "mammogram": "MG", "retina": "OP"}
"""Kind of data set -> DICOM's code, for secondary captures; other kinds are "OT"."""
OBJECTS: dict[str, Object] = {
    "sc": Object(
        kinds=(),
        storage=lambda bits, colour: storage.SecondaryCaptureImageStorage,
        modality="",
        modules=_secondary_capture,
    ),
    "multi-frame": Object(kinds=(), storage=_multi_frame_storage, modality="", modules=_multi_frame),
    "ct": Object(
        kinds=("ct",),
        storage=lambda bits, colour: storage.CTImageStorage,
        modality="CT",
        modules=_ct,
        image_type=("DERIVED", "SECONDARY", "AXIAL"),
        needs_spacing=True,
        least_bits=12,
    ),
    "mr": Object(
        kinds=("breast_mr",),
        storage=lambda bits, colour: storage.MRImageStorage,
        modality="MR",
        modules=_mr,
        image_type=("DERIVED", "SECONDARY", "OTHER"),
        needs_spacing=True,
        least_bits=12,
    ),
    "mg": Object(
        kinds=("mammogram",),
        storage=lambda bits, colour: storage.DigitalMammographyXRayImageStorageForPresentation,
        modality="MG",
        modules=_mg,
        image_type=("DERIVED", "PRIMARY"),
        needs_spacing=True,
    ),
    "op": Object(
        kinds=("retina",),
        storage=_eye_storage,
        modality="OP",
        modules=_op,
        image_type=("DERIVED", "PRIMARY", "COLOR"),
    ),
}
"""What ``--dicom-object`` may ask for: secondary captures, or the objects of a modality."""

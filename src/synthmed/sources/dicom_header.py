"""What a DICOM file says of itself: sizes, spacing, place in the patient, whose it is.

A value that is missing or malformed is unknown, never guessed. What cannot be an image is refused with its reason.
"""

import math

import numpy as np
from pydicom.dataset import Dataset

from synthmed.errors import SourceError
from synthmed.sources.dicom_colour import PALETTE_ELEMENTS, palette_of
from synthmed.sources.dicom_elements import FrameValues, integer, item, items, number, numbers, octets, text, texts
from synthmed.sources.dicom_file import DicomFile, cut_short, syntax_name
from synthmed.sources.dicom_frames import ENCAPSULATED, RAW, PixelLayout
from synthmed.sources.dicom_values import Modality
from synthmed.sources.dicom_windows import windows_of
from synthmed.sources.image import SourceHeader
from synthmed.sources.pixels import PIXEL_LIMIT

VALUE_LIMIT = 2**30
"""Values that all frames of a file may have together; beyond it a small file could fill the memory."""

KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet", "Modality", "SeriesDescription", "ViewPosition"),
    *(
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "PatientID",
        "PatientName",
        "SeriesNumber",
        "AcquisitionNumber",
        "InstanceNumber",
    ),
    *("AcquisitionTime", "AcquisitionDateTime", "ContentTime", "ImageLaterality", "Laterality", "ViewCodeSequence"),
    *("BurnedInAnnotation", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"),
    *("PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence", "Units"),
    *("DoseGridScaling", "DoseUnits", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
    *("VOILUTFunction", "VOILUTSequence", "PixelSpacing", "PixelSpacingCalibrationType", "ImagerPixelSpacing"),
    *("NominalScannedPixelSpacing", "SequenceOfUltrasoundRegions", "SpacingBetweenSlices", "GridFrameOffsetVector"),
    *("ImagePositionPatient", "ImageOrientationPatient", "ExtendedOffsetTable", "PixelDataProviderURL"),
    *("TriggerTime", "TemporalPositionIdentifier", "ContrastBolusAgent"),
    *("FrameOfReferenceUID", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", *PALETTE_ELEMENTS),
    "SegmentationType",
)
_PHOTOMETRICS = {
    1: ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"),
    3: ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT"),
}
_NO_AGENT = ("", "NONE", "NO", "N/A", "WITHOUT")
"""What stands in the place of a contrast medium where none was given."""
_DICOMDIR = "1.2.840.10008.1.3.10"
_VIEWS = {"R-10224": "ML", "R-10226": "MLO", "R-10228": "LM", "R-10230": "LMO", "R-10242": "CC", "R-10244": "FB"}
_VIEWS |= {"399260004": "ML", "399368009": "MLO", "399352003": "LM", "399099002": "LMO", "399162004": "CC"}
_VIEWS |= {"261665006": ""}  # SNOMED CT's word for unknown


def layout_of(file: DicomFile) -> PixelLayout:
    """How the pixels are stored; refuses what is no image, cannot be read, or is larger than the limits.

    Raises:
        SourceError: with the reason.
    """
    dataset, name = file.dataset, file.path.name
    _check_is_image(file)
    keyword = file.pixels.keyword if file.pixels else "PixelData"
    floating = keyword != "PixelData"
    samples = integer(dataset, "SamplesPerPixel", 1)
    height, width = _needed(file, "Rows"), _needed(file, "Columns")
    allocated = _needed(file, "BitsAllocated")
    photometric = text(dataset, "PhotometricInterpretation").upper()
    known = _PHOTOMETRICS.get(samples, ())
    if photometric not in known:
        raise SourceError(
            f"{name} has {samples} values a pixel of an unknown kind of colour; expected one of "
            f"{', '.join(sum(_PHOTOMETRICS.values(), ()))}. Export it as grey or RGB."
        )
    stored = allocated if floating else integer(dataset, "BitsStored", allocated)
    if allocated not in ((32, 64) if floating else (1, 8, 16, 32)) or not 1 <= stored <= allocated:
        raise SourceError(
            f"{name} has pixels of {stored} bits in {allocated}; expected 1, 8, 16 or 32. Export it with 16 bits."
        )
    frames = max(1, integer(dataset, "NumberOfFrames", 1))
    if height * width > PIXEL_LIMIT or frames * height * width * samples > VALUE_LIMIT:
        raise SourceError(
            f"{name} promises {frames} frames of {width} x {height} pixels; expected at most {PIXEL_LIMIT} pixels a "
            f"frame and {VALUE_LIMIT} values in all. Split it into smaller files, if it is not damaged."
        )
    high_bit = integer(dataset, "HighBit", stored - 1)
    return PixelLayout(
        frames=frames,
        height=height,
        width=width,
        samples=samples,
        allocated=allocated,
        stored=stored,
        high_bit=high_bit if stored <= high_bit + 1 <= allocated else stored - 1,
        signed=not floating and integer(dataset, "PixelRepresentation", 0) == 1 and allocated > 1,
        floating=floating,
        planar=integer(dataset, "PlanarConfiguration", 0) == 1,
        photometric=photometric,
    )


def _check_is_image(file: DicomFile) -> None:
    dataset, name = file.dataset, file.path.name
    kind = text(dataset, "SOPClassUID")
    if file.kind == _DICOMDIR or kind == _DICOMDIR:
        raise SourceError(
            f"{name} is a DICOMDIR, the table of contents of a medium, and no image; the files that it lists are "
            "found without it. Leave it out."
        )
    if text(dataset, "PixelDataProviderURL"):
        raise SourceError(f"{name} keeps its pixels on a server, not in itself. Export it with its pixels.")
    if file.pixels is None:
        if "Rows" in dataset:
            raise SourceError(f"{name} has no pixels, though its header describes some. Export it again.")
        if not kind and not text(dataset, "Modality"):
            raise cut_short(file.path)
        what = syntax_name(kind) if kind else "an object"
        raise SourceError(f"{name} holds no image ({what}); expected one with pixels. Leave it out.")
    if file.syntax not in RAW | ENCAPSULATED:
        raise SourceError(
            f"{name} is compressed as {syntax_name(file.syntax)}, which is not read; expected JPEG, JPEG-LS, "
            "JPEG 2000, RLE or no compression. Export it uncompressed."
        )


def _needed(file: DicomFile, keyword: str) -> int:
    value = integer(file.dataset, keyword, 0)
    if value <= 0:
        raise SourceError(f"{file.path.name} does not say its {keyword}; expected an image. Export it again.")
    return value


def header_of(file: DicomFile, layout: PixelLayout, modality: Modality) -> SourceHeader:
    """The header as all sources give it."""
    dataset = file.dataset
    frames = FrameValues(dataset)
    palette = layout.photometric == "PALETTE COLOR"
    bits = layout.stored
    if palette:
        bits = 8 * palette_of(dataset, little_endian=file.little_endian, name=file.path.name).dtype.itemsize
    positions = _positions(frames, layout.frames)
    orientation = _finite(frames.numbers(0, "PlaneOrientationSequence", "ImageOrientationPatient"), 6)
    spacing, source = _spacing(dataset, frames, layout, positions, orientation)
    return SourceHeader(
        path=file.path,
        format="DICOM",
        height=layout.height,
        width=layout.width,
        frames=layout.frames,
        channels=3 if palette else layout.samples,
        bits=bits,
        unit=modality.unit,
        spacing_mm=spacing,
        spacing_from=source,
        modality=text(dataset, "Modality"),
        patient_id=_patient(dataset),
        study_id=text(dataset, "StudyInstanceUID"),
        series_id=text(dataset, "SeriesInstanceUID"),
        instance_id=text(dataset, "SOPInstanceUID"),
        series_description=text(dataset, "SeriesDescription"),
        series_number=integer(dataset, "SeriesNumber", 0),
        acquisition_number=integer(dataset, "AcquisitionNumber", 0),
        instance_number=integer(dataset, "InstanceNumber", 0),
        acquisition_time=_seconds(dataset),
        trigger_time=number(dataset, "TriggerTime", -1.0),
        temporal_position=integer(dataset, "TemporalPositionIdentifier", 0),
        contrast_agent=text(dataset, "ContrastBolusAgent").upper() not in _NO_AGENT,
        view=_view(dataset),
        laterality=_laterality(dataset, frames),
        position_mm=positions[0] if positions else (),
        frame_positions_mm=positions if layout.frames > 1 else (),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        frames_alike=_frames_alike(frames, layout.frames),
        orientation=orientation,
        photometric=layout.photometric,
        transfer_syntax=syntax_name(file.syntax) if file.syntax else "not said",
        windows=windows_of(dataset, modality),
        burned_in={"YES": True, "NO": False}.get(text(dataset, "BurnedInAnnotation").upper()),
    )


def _patient(dataset: Dataset) -> str:
    """Whose it is: the number of the patient, or else the name."""
    return _said_of_patient(dataset, "PatientID") or _said_of_patient(dataset, "PatientName")


def _said_of_patient(dataset: Dataset, keyword: str) -> str:
    """Bytes that are not of the character set that the file declares are read as UTF-8, or as Latin-1."""
    stored = octets(dataset, keyword)  # before the next line decodes them
    said = "\\".join(texts(dataset, keyword)).strip()
    if stored is None or "\ufffd" not in said:
        return said
    try:
        return stored.decode("utf-8")
    except UnicodeDecodeError:
        return stored.decode("latin-1")


def _spacing(
    dataset: Dataset,
    frames: FrameValues,
    layout: PixelLayout,
    positions: tuple[tuple[float, ...], ...],
    orientation: tuple[float, ...],
) -> tuple[tuple[float, ...], str]:
    """Millimetres between rows, columns and, for volumes, slices; and where they were measured."""
    spacing = _positive(frames.numbers(0, "PixelMeasuresSequence", "PixelSpacing"), 2)
    source = "patient"
    if spacing and text(dataset, "PixelSpacingCalibrationType"):
        source = "calibrated"
    elif spacing and spacing == numbers(dataset, "ImagerPixelSpacing"):
        source = "detector"  # PS3.3 10.7.1.3: equal values without a calibration are those of the detector
    for keyword, measured in (("ImagerPixelSpacing", "detector"), ("NominalScannedPixelSpacing", "film")):
        if not spacing:
            spacing, source = _positive(numbers(dataset, keyword), 2), measured
    if not spacing:
        spacing, source = _ultrasound_spacing(dataset), "patient"
    if not spacing:
        return (), ""
    between = _between_slices(dataset, frames, layout.frames, positions, orientation)
    return (*spacing, between) if between else spacing, source


def _ultrasound_spacing(dataset: Dataset) -> tuple[float, ...]:
    """Of the one region of an ultrasound picture, which says centimetres a pixel; () for several that differ."""
    found = {
        _positive((10 * number(region, "PhysicalDeltaY", 0), 10 * number(region, "PhysicalDeltaX", 0)), 2)
        for region in items(dataset, "SequenceOfUltrasoundRegions")
        if integer(region, "PhysicalUnitsXDirection", 0) == integer(region, "PhysicalUnitsYDirection", 0) == 3
    }
    return found.pop() if len(found) == 1 else ()


def _between_slices(
    dataset: Dataset,
    frames: FrameValues,
    count: int,
    positions: tuple[tuple[float, ...], ...],
    orientation: tuple[float, ...],
) -> float:
    """Between neighbouring frames along their normal where they are evenly spread; 0 = unknown."""
    if count < 2:
        return 0.0
    if len(positions) == count and orientation:
        row, column = np.array(orientation[:3]), np.array(orientation[3:])
        steps = np.diff(np.sort(np.array(positions) @ np.cross(row, column)))
        even = steps.min() > 1e-3 and steps.max() - steps.min() <= 0.01 * steps.mean()
        return float(steps.mean()) if even else 0.0
    said = frames.numbers(0, "PixelMeasuresSequence", "SpacingBetweenSlices")
    offsets = np.diff(numbers(dataset, "GridFrameOffsetVector"))
    if len(offsets) == count - 1 and offsets[0] != 0 and np.allclose(offsets, offsets[0], rtol=0.01):
        return abs(float(offsets[0]))
    return abs(said[0]) if said else 0.0


def _positions(frames: FrameValues, count: int) -> tuple[tuple[float, ...], ...]:
    """Of every frame; of the first one where frames do not say their own; () = unknown."""
    described = count if frames.described >= count else 1
    found = [
        _finite(frames.numbers(frame, "PlanePositionSequence", "ImagePositionPatient"), 3) for frame in range(described)
    ]
    return tuple(found) if all(found) else ()


def _frames_alike(frames: FrameValues, count: int) -> bool:
    """Whether all frames have one plane and one size of pixels, to the rounding of a header."""
    for sequence, keyword, tolerance in (
        ("PlaneOrientationSequence", "ImageOrientationPatient", 5e-3),
        ("PixelMeasuresSequence", "PixelSpacing", 1e-3),
    ):
        first = frames.numbers(0, sequence, keyword)
        for frame in range(1, count if frames.described >= count else 1):
            here = frames.numbers(frame, sequence, keyword)
            if len(here) != len(first) or not np.allclose(here, first, rtol=1e-3, atol=tolerance):
                return False
    return True


def _finite(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return values if len(values) == count and all(abs(value) < 1e6 for value in values) else ()


def _positive(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return values if len(values) == count and all(0 < value < 1e6 for value in values) else ()


def _seconds(dataset: Dataset) -> float:
    """Seconds since midnight of the acquisition, else of the picture's making; negative = unknown."""
    for keyword, start in (("AcquisitionTime", 0), ("AcquisitionDateTime", 8), ("ContentTime", 0)):
        digits = text(dataset, keyword)[start:].replace(":", "")
        try:
            hours, minutes = int(digits[:2]), int(digits[2:4] or 0)
            seconds = float(digits[4:].split("+")[0].split("-")[0] or 0)
        except ValueError:
            continue
        if hours < 24 and minutes < 60 and 0 <= seconds < 61 and math.isfinite(seconds):
            return 3600.0 * hours + 60.0 * minutes + seconds
    return -1.0


def _view(dataset: Dataset) -> str:
    if said := text(dataset, "ViewPosition"):
        return said
    code = item(dataset, "ViewCodeSequence")
    return _VIEWS.get(text(code, "CodeValue"), text(code, "CodeMeaning"))


def _laterality(dataset: Dataset, frames: FrameValues) -> str:
    said = text(dataset, "ImageLaterality") or text(dataset, "Laterality")
    said = said or (frames.texts(0, "FrameAnatomySequence", "FrameLaterality") or ("",))[0]
    return said if said in ("L", "R") else ""

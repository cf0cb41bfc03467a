"""What every source gives, whatever its format: a header that costs nothing, and pixels in physical units.

A format is one module of this folder with the functions ``read_header(path) -> SourceHeader`` and
``read(path) -> SourceImage``. Nothing here is rescaled silently: pixels come as the modality means them (grey
values, Hounsfield units), windows are handed on as they stand in the file and are applied by a kind of data set.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from synthmed.sources.names import person


@dataclass(frozen=True, kw_only=True)
class Window:
    """A display window of the source, in physical units (DICOM PS3.3 C.11.2).

    Args:
        center: middle of the window.
        width: its width, above 0.
        function: how values between black and white are shown.
        explanation: what the source calls it, such as "NORMAL"; "" for nothing.
    """

    center: float
    width: float
    function: Literal["linear", "linear_exact", "sigmoid"] = "linear"
    explanation: str = ""


@dataclass(frozen=True, kw_only=True)
class LookupTable:
    """A display curve that the source gives as a table (DICOM VOI LUT).

    Args:
        first: physical value that the first entry belongs to; smaller values get it too.
        values: what is shown, one entry a unit step.
        bits: depth of the entries; white is 2**bits - 1.
        explanation: what the source calls it; "" for nothing.
    """

    first: float
    values: np.ndarray
    bits: int
    explanation: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceHeader:
    """What a file says of itself, read without decoding its pixels. Unknown text is "", unknown tuples are ().

    Identifiers are the source's own words, the patient's in one form (``names.person``): they are never logged, only
    pseudonyms of them are written down.

    Args:
        path: the file.
        format: "DICOM", "NIfTI", "NRRD", "PNG", "JPEG", "TIFF", "GIF", "PPM" or "BMP".
        height, width: pixels of one picture.
        frames: pictures in the file (slices of a volume, frames of a cine).
        volumes: of which the frames are one after another: time points; each has ``frames / volumes`` slices.
        channels: 1 (grey) or 3 (red, green, blue) as ``read`` gives them.
        bits: meaningful bits of a stored value.
        unit: of the pixels that ``read`` gives: "HU", "grey value", ...
        spacing_mm: millimetres between rows, columns, and for volumes slices.
        modality: DICOM's code such as "MG", "CT", "MR"; "" for photographs.
        patient_id, study_id, series_id, instance_id: whose, and of which visit, acquisition and picture.
        series_description: the scanner's name of the acquisition.
        series_number, acquisition_number, instance_number: as numbered by the scanner; 0 = unknown.
        acquisition_time: seconds since midnight; negative = unknown.
        trigger_time: milliseconds since the trigger or the start of a dynamic; negative = unknown.
        temporal_position: number of the point in time in a dynamic, from 1; 0 = unknown.
        contrast_agent: whether it names a contrast medium that was given.
        view: "MLO", "CC", ...
        laterality: "L" or "R".
        position_mm: patient coordinates (x, y, z; DICOM's LPS) of the first pixel's centre.
        orientation: direction cosines of a row and of a column, six numbers (DICOM's LPS).
        photometric: DICOM's photometric interpretation as stored, such as "MONOCHROME1".
        transfer_syntax: DICOM's name of the compression; "" for other formats.
        windows: display windows in the order of the file.
        burned_in: whether the file says that text is part of the picture; None = it does not say.
        spacing_from: where ``spacing_mm`` was measured: "patient", "calibrated" (by an object of known size),
            "detector" (larger than in the patient by the magnification), "film"; "" = unknown.
        frame_positions_mm: ``position_mm`` of every frame in the order of the file, where the file says them.
        frame_of_reference: DICOM's name of the coordinates that positions are given in; positions of another one cannot
            be compared with them.
        frames_alike: whether all frames have one plane and one size of pixels.
        exif_orientation: 1 to 8, how the file says that its pixels lie; ``read`` gives them upright.
        reduced: how often height and width were halved while decoding, because the user asked for speed.
    """

    path: Path
    format: str
    height: int
    width: int
    frames: int = 1
    volumes: int = 1
    channels: int = 1
    bits: int = 8
    unit: str = "grey value"
    spacing_mm: tuple[float, ...] = ()
    modality: str = ""
    patient_id: str = ""
    study_id: str = ""
    series_id: str = ""
    instance_id: str = ""
    series_description: str = ""
    series_number: int = 0
    acquisition_number: int = 0
    instance_number: int = 0
    acquisition_time: float = -1.0
    trigger_time: float = -1.0
    temporal_position: int = 0
    contrast_agent: bool = False
    view: str = ""
    laterality: str = ""
    position_mm: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()
    photometric: str = ""
    transfer_syntax: str = ""
    windows: tuple[Window, ...] = ()
    burned_in: bool | None = None
    spacing_from: str = ""
    frame_positions_mm: tuple[tuple[float, ...], ...] = ()
    frame_of_reference: str = ""
    frames_alike: bool = True
    exif_orientation: int = 1
    reduced: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient_id", person(self.patient_id))


@dataclass(frozen=True, kw_only=True)
class SourceImage:
    """A decoded file.

    Args:
        header: what the file says of itself.
        pixels: [F C H W], F = ``header.frames``, in ``header.unit``. An integer type where every value is whole (of the
            smallest type that holds them), else float32. White is large: MONOCHROME1 is inverted already.
        padding: [F H W] bool, True where the file says that there is no picture; None = nowhere.
        tables: display curves given as tables, in the order of the file.
    """

    header: SourceHeader
    pixels: np.ndarray
    padding: np.ndarray | None = None
    tables: tuple[LookupTable, ...] = ()

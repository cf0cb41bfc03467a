"""Writing DICOM files with the headers that a scanner gives them, and marked as synthetic.

All identifiers follow from the kind, the seed and the number of what they name: UUIDs under the root 2.25,
which anyone may use without being registered (DICOM PS3.5, B.2).
"""

import uuid
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

_NAMESPACE = uuid.UUID("6f1c2f0e-4e55-5d3a-9d3b-0d2b5a0c7f11")
_DATE = "20000101"
"""Of every examination: a date that is plainly made up."""


def uid(*names: str | int) -> str:
    """The identifier that belongs to these names, always the same, such as "2.25.3184...".

    Example:
        >>> uid("thorax", 0, 3) == uid("thorax", 0, 3) != uid("thorax", 0, 4)
        True
    """
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, names))).int}"


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series of images of one patient.

    Args:
        kind: the kind of phantom, "mammogram", ...
        seed: seed of the folder.
        patient: number of the patient, from 0.
        number: number of the series in its study, from 1.
        storage: what is stored, a SOP Class UID.
        description: what the scanner calls the series.
        facts: further attributes that all images of the series share, keyword -> value.
    """

    kind: str
    seed: int
    patient: int
    number: int
    storage: str
    description: str
    facts: Mapping[str, Any]

    @property
    def patient_id(self) -> str:
        """Such as "phantom-thorax-0-0001"; never like a name."""
        return patient_id(self.kind, self.seed, self.patient)


def patient_id(kind: str, seed: int, patient: int) -> str:
    """The name of a patient of a phantom, also in its tables and folders."""
    return f"phantom-{kind}-{seed}-{patient + 1:04d}"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def write_image(
    path: Path, pixels: NDArray[np.integer], series: Series, instance: int, facts: Mapping[str, Any], *, bits: int = 12
) -> None:
    """Write one image.

    Args:
        path: the file to make.
        pixels: [H W] uint16 or int16, as stored.
        series: what it belongs to.
        instance: its number in the series, from 1.
        facts: attributes of this image, keyword -> value; they may replace those of the series.
        bits: how many bits of 16 are used.
    """
    names = (series.kind, series.seed, series.patient)
    image = Dataset()
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SyntheticData = "YES"
    image.SOPClassUID = series.storage
    image.SOPInstanceUID = uid(*names, series.number, instance, *pixels.shape)
    image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = _DATE
    image.StudyTime, image.ContentTime = "080000", f"08{series.number:02d}{instance % 60:02d}"
    image.AccessionNumber = image.ReferringPhysicianName = image.StudyID = ""
    image.Manufacturer, image.ManufacturerModelName = "synthmed", "phantom"
    image.SeriesDescription = series.description
    image.PatientName = image.PatientID = series.patient_id
    image.PatientBirthDate, image.PatientSex = "", "O"
    image.PatientIdentityRemoved = "YES"
    image.DeidentificationMethod = "made by code, no patient"
    image.StudyInstanceUID = uid(*names)
    image.SeriesInstanceUID = uid(*names, series.number)
    image.SeriesNumber, image.InstanceNumber = series.number, instance
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = pixels.shape
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, bits, bits - 1
    image.PixelRepresentation = int(pixels.dtype.kind == "i")
    image.BurnedInAnnotation, image.LossyImageCompression = "NO", "00"
    for keyword, value in {**series.facts, **facts}.items():
        setattr(image, keyword, value)
    image.PixelData = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    image["PixelData"].VR = "OW"
    _save(path, image)


def _save(path: Path, image: Dataset) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Ours, not the library's, so that the bytes do not change with its version.
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(uid("synthmed")), "SYNTHMED"
    image.file_meta = meta
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a value that the standard does not allow is a mistake of ours
        image.save_as(path, enforce_file_format=True)


def plane(position: Sequence[float], spacing: float, thickness: float) -> dict[str, Any]:
    """Where an axial slice lies: attributes of the image plane.

    Args:
        position: x (left), y (back), z (head) of the centre of the first pixel, in millimetres.
        spacing: size of a pixel in millimetres.
        thickness: thickness of the slice in millimetres.
    """
    return {
        "ImagePositionPatient": [_decimal(value) for value in position],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [_decimal(spacing)] * 2,
        "SliceThickness": _decimal(thickness),
        "SliceLocation": _decimal(position[2]),
    }


def _decimal(value: float) -> str:
    """A number as a decimal string, which holds 16 characters."""
    return f"{value:.8g}"

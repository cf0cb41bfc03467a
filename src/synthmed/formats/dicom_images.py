"""One DICOM image: the modules that all have, by highdicom, those of its object, and its pixels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from synthmed.artifacts import storage_errors
from synthmed.formats.dicom_modules import MADE_UP_DATE, MADE_UP_TIME, MODALITIES, Frames, Object
from synthmed.formats.identifiers import Subject, uid
from synthmed.formats.meaning import Provenance

MANUFACTURER = "synthmed"
_NOT_REAL = "Synthetic image, made by a generative model; of no person. Not for diagnosis."
_CLOCK = ("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime")


def image_of(frames: Frames, kind: Object, provenance: Provenance, *, series: int, name: str) -> Dataset:
    """The dataset of one file.

    Args:
        frames: its pixels.
        kind: what object it becomes.
        provenance: what the image was made from.
        series: number of the series in its study, from 1.
        name: of the series, such as that of a channel; "" = none.
    """
    stored, subject = frames.stored, frames.subject
    colour = stored.ndim == 4
    bits = frames.meaning.bits
    storage = kind.storage(bits, colour)
    image = highdicom.base.SOPClass(
        **general(subject, provenance, series=series, number=1),
        series_instance_uid=subject.series(storage, series),
        sop_instance_uid=subject.instance(storage, series, 1, stored),
        sop_class_uid=storage,
        modality=kind.modality or MODALITIES.get(frames.meaning.kind, "OT"),
        series_description=(f"Synthetic {name}" if name else "Synthetic")[:64],
    )
    shared = {
        "ImageType": list(kind.image_type),
        "DerivationDescription": _NOT_REAL,
        "ImageComments": provenance.made_by or _NOT_REAL,
        "LossyImageCompression": "00",
    }
    marked(image, provenance, shared | kind.modules(frames))
    _put_pixels(image, stored, max(bits, 8 if colour else kind.least_bits))
    return image


def general(subject: Subject, provenance: Provenance, *, series: int, number: int) -> dict[str, Any]:
    """What every object of a subject says: patient, study, equipment; as highdicom's classes take it."""
    return {
        "study_instance_uid": subject.study,
        "series_number": series,
        "instance_number": number,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": provenance.version,
        "device_serial_number": "none",
        "transfer_syntax_uid": ExplicitVRLittleEndian,
        "patient_id": subject.patient_id,
        "patient_name": subject.patient_name,
        "patient_birth_date": "",
        "patient_sex": "",
        "accession_number": "",
        "study_id": "SYNTHETIC",
        "study_date": MADE_UP_DATE,
        "study_time": MADE_UP_TIME,
        "referring_physician_name": "",
        "specific_character_set": "ISO_IR 192",
    }


def marked(image: Dataset, provenance: Provenance, said: Mapping[str, Any]) -> None:
    """Take the clock's word out, say that it is synthetic and made by what, and add what else it says."""
    for keyword in _CLOCK:
        if keyword in image:
            delattr(image, keyword)
    image.SyntheticData = "YES"
    image.ContributingEquipmentSequence = [
        highdicom.ContributingEquipment(
            manufacturer=MANUFACTURER,
            purpose_of_reference=codes.DCM.SynthesizingEquipment,
            manufacturer_model_name=MANUFACTURER,
            software_versions=provenance.version,
            contribution_description=(provenance.made_by or _NOT_REAL)[:1024],
        )
    ]
    for keyword, value in said.items():
        setattr(image, keyword, value)


def save(path: Path, image: Dataset) -> None:
    """Write a file whose bytes depend on the image alone, and on no version of a library.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(uid("synthmed")), "SYNTHMED"
    image.file_meta = meta
    with storage_errors(path):
        dcmwrite(path, image, enforce_file_format=True)


def _put_pixels(image: Dataset, stored: np.ndarray, bits: int) -> None:
    wide = stored.astype("<u2" if bits > 8 else "u1", copy=False)
    image.Rows, image.Columns = wide.shape[1:3]
    image.SamplesPerPixel = 3 if wide.ndim == 4 else 1
    image.PhotometricInterpretation = "RGB" if wide.ndim == 4 else "MONOCHROME2"
    if wide.ndim == 4:
        image.PlanarConfiguration = 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8 * wide.itemsize, bits, bits - 1
    image.PixelRepresentation = 0
    content = np.ascontiguousarray(wide).tobytes()
    image.PixelData = content + b"\0" * (len(content) % 2)
    image["PixelData"].VR = "OW" if bits > 8 else "OB"

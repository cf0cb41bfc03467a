"""Masks as DICOM segmentation objects, by highdicom: each label is a segment, and names the image it belongs to."""

from typing import Any

import highdicom
import numpy as np
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import SecondaryCaptureImageStorage, SegmentationStorage

from synthmed.formats.dicom_codes import of_label
from synthmed.formats.dicom_images import MANUFACTURER, general, marked
from synthmed.formats.dicom_modules import MADE_UP_DATE, MADE_UP_TIME
from synthmed.formats.identifiers import Subject, uid
from synthmed.formats.meaning import Meaning, Provenance, label_names

_CLASS = 0x00080016
_SERIES = 100
"""Number of the series of masks, beyond those of all channels."""
_TAKEN_FROM_IMAGE = (
    *("study_instance_uid", "patient_id", "patient_name", "patient_birth_date", "patient_sex", "accession_number"),
    *("study_id", "study_date", "study_time", "referring_physician_name"),
)


def mask_of(
    mask: NDArray[np.uint8], image: Dataset, frame: int, meaning: Meaning, provenance: Provenance, subject: Subject,
) -> Dataset:  # fmt: skip
    """The segmentation object of a frame of an image.

    Args:
        mask: [H W] labels.
        image: as written.
        frame: which of its frames, from 1; also the number of the object in the series of masks.
        meaning: names the labels.
        provenance: what made them.
        subject: whose they are.
    """
    names = label_names(meaning, max(1, len(meaning.mask_labels) - 1, int(mask.max(initial=0))))
    shared = general(subject, provenance, series=_SERIES, number=frame)
    made = Segmentation(
        source_images=[_flat(image)],
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[_segment(label, name, provenance) for label, name in names.items()],
        series_instance_uid=subject.series(SegmentationStorage, _SERIES),
        sop_instance_uid=mask_uid(subject, frame, mask),
        content_label="SEGMENTATION",
        content_date=MADE_UP_DATE,
        content_time=MADE_UP_TIME,
        series_description="Synthetic mask",
        omit_empty_frames=False,
        **{name: value for name, value in shared.items() if name not in _TAKEN_FROM_IMAGE},
    )
    said: dict[str, Any] = {"ContentDate": MADE_UP_DATE, "ContentTime": MADE_UP_TIME, "ContentCreatorName": ""}
    if "FrameOfReferenceUID" in image:
        # A slice alone has no thickness, and a mask must say one: a voxel, as in NIfTI.
        made.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness = 1
    else:
        said["PatientOrientation"] = []
    marked(made, provenance, said)
    _refer(made, image, frame)
    return made


def _flat(image: Dataset) -> Dataset:
    """What highdicom has to know of an image, as if it had one frame: of several it asks for places in a patient."""
    flat = Dataset()
    flat.update({element.tag: element for element in image if element.keyword not in ("PixelData", "NumberOfFrames")})
    if "NumberOfFrames" in image:
        flat[_CLASS] = DataElement(_CLASS, "UI", SecondaryCaptureImageStorage)
    return flat


def _refer(mask: Dataset, image: Dataset, frame: int) -> None:
    """Let a mask name the class of its image, and its frame where there are several; nothing in it is drawn."""

    def mend(item: Dataset, element: DataElement) -> None:
        if element.keyword == "ReferencedSOPClassUID" and item.ReferencedSOPInstanceUID == image.SOPInstanceUID:
            element.value = image.SOPClassUID
        if element.keyword == "DimensionOrganizationUID":
            element.value = dimensions

    dimensions = uid(mask.SOPInstanceUID, "dimensions")  # highdicom draws one
    mask.walk(mend)
    if int(image.get("NumberOfFrames", 1)) > 1:
        for group in mask.PerFrameFunctionalGroupsSequence:
            group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frame


def mask_uid(subject: Subject, frame: int, mask: NDArray[np.uint8]) -> str:
    """SOP Instance UID of the mask of a frame."""
    return subject.instance(SegmentationStorage, _SERIES, frame, mask)


def _segment(label: int, name: str, provenance: Provenance) -> SegmentDescription:
    category, kind = of_label(name)
    return SegmentDescription(
        segment_number=label,
        segment_label=name[:64],
        segmented_property_category=Code(*category),
        segmented_property_type=Code(*kind),
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=MANUFACTURER, family=codes.DCM.ArtificialIntelligence, version=provenance.version
        ),
    )

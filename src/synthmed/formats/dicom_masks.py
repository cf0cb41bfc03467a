"""Masks as DICOM segmentation objects, by highdicom: each label a segment, each frame beside the image it belongs to."""

from typing import Any

import highdicom
import numpy as np
from highdicom.seg import Segmentation, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from synthmed.formats.dicom_codes import of_label
from synthmed.formats.dicom_images import MANUFACTURER, general, marked
from synthmed.formats.dicom_modules import MADE_UP_DATE, MADE_UP_TIME
from synthmed.formats.identifiers import Subject
from synthmed.formats.meaning import Meaning, Provenance, label_names

_TAKEN_FROM_IMAGE = (
    *("study_instance_uid", "patient_id", "patient_name", "patient_birth_date", "patient_sex", "accession_number"),
    *("study_id", "study_date", "study_time", "referring_physician_name"),
)


def mask_of(
    masks: NDArray[np.uint8], image: Dataset, meaning: Meaning, provenance: Provenance, subject: Subject, *,
    series: int,
) -> Dataset:  # fmt: skip
    """The segmentation object of an image.

    Args:
        masks: [F H W] labels, one frame a frame of the image.
        image: as written.
        meaning: names the labels.
        provenance: what made them.
        subject: whose they are.
        series: number of the series in its study, from 1.
    """
    names = label_names(meaning, max(1, len(meaning.mask_labels) - 1, int(masks.max(initial=0))))
    shared = general(subject, provenance, series=series)
    mask = Segmentation(
        source_images=[image],
        pixel_array=masks,
        segmentation_type="BINARY",
        segment_descriptions=[_segment(label, name, provenance) for label, name in names.items()],
        series_instance_uid=subject.series(SegmentationStorage, series),
        sop_instance_uid=subject.instance(SegmentationStorage, series, masks),
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
        mask.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness = 1
    else:
        said["PatientOrientation"] = []
    marked(mask, provenance, said)
    return mask


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

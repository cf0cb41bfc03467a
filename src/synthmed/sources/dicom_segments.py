"""Segmentation objects of DICOM: one frame a segment and place in the file -> one label map a place.

The label of a pixel is the number of its segment. Objects whose frames are probabilities, or label maps already, are
read as the pictures that they are.
"""

from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from synthmed.errors import SourceError
from synthmed.sources.dicom_elements import FrameValues, integer, item, items, text
from synthmed.sources.image import SourceHeader

_LARGEST = 255
Planes = list[list[tuple[int, int]]]
"""Of each place, in the order of the file: frames, and the segment that each shows."""


def planes_of(dataset: Dataset, frames: int) -> Planes | None:
    """Which frames show the same place; None for what is no object of binary segments, or does not say its segments."""
    if text(dataset, "SOPClassUID") != SegmentationStorage or text(dataset, "SegmentationType") != "BINARY":
        return None
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    values = FrameValues(dataset)
    planes: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for frame in range(frames):
        segment = values.numbers(frame, "SegmentIdentificationSequence", "ReferencedSegmentNumber")
        if len(segment) != 1 or len(groups) != frames:
            return None
        place: tuple[object, ...] = values.numbers(frame, "PlanePositionSequence", "ImagePositionPatient")
        source = item(item(groups[frame], "DerivationImageSequence"), "SourceImageSequence")
        place = place or (text(source, "ReferencedSOPInstanceUID"), integer(source, "ReferencedFrameNumber", 0))
        planes.setdefault(place, []).append((frame, int(segment[0])))
    return list(planes.values())


def header_of_planes(header: SourceHeader, planes: Planes) -> SourceHeader:
    """The header of the label maps: one frame a place."""
    firsts = [plane[0][0] for plane in planes]
    known = header.frame_positions_mm
    places = tuple(known[frame] for frame in firsts) if len(known) == header.frames and len(firsts) > 1 else ()
    return replace(header, frames=len(planes), frame_positions_mm=places, bits=8)


def join(stored: np.ndarray, planes: Planes, name: str) -> np.ndarray:
    """Frames [F H W 1] of {0, 1} -> label maps [P H W 1] uint8.

    Raises:
        SourceError: a pixel is in two segments, or a segment has a number that no label has.
    """
    labels = np.zeros((len(planes), *stored.shape[1:]), np.uint8)
    for label_map, plane in zip(labels, planes, strict=True):
        for frame, segment in plane:
            if not 1 <= segment <= _LARGEST:
                raise SourceError(f"{name} has the segment {segment}; expected 1 to {_LARGEST}. Number them anew.")
            inside = stored[frame] > 0
            if label_map[inside].any():
                raise SourceError(
                    f"{name} has segments that overlap; expected each pixel in one. Export each segment as its own "
                    "mask."
                )
            label_map[inside] = segment
    return labels

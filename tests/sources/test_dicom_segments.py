import numpy as np
import pydicom
import pytest
from formats.written import CT, written

from synthmed import sources
from synthmed.errors import SourceError


@pytest.fixture
def mask(tmp_path):
    """The drawn mask of three labels, and the path of its object of three frames."""
    drawn, files = written(tmp_path, "dicom", CT, "ct", count=1)
    return drawn[0][2], files[1]


def test_segments_of_one_place_are_one_label_map(mask):
    labels, path = mask
    assert pydicom.dcmread(path).NumberOfFrames == 3
    read = sources.read(path)
    assert read.pixels.dtype == np.uint8 and np.array_equal(read.pixels[0, 0], labels)
    assert sources.open_header(path) == read.header and (read.header.frames, read.header.bits) == (1, 8)


def test_places_stay_apart(mask):
    labels, path = mask
    changed = pydicom.dcmread(path)
    changed.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[0].ImagePositionPatient = [0, 0, 5]
    changed.save_as(path)
    read = sources.read(path)
    assert np.array_equal(read.pixels[:, 0], [np.where(labels < 3, labels, 0), np.where(labels == 3, 3, 0)])
    assert [place[2] for place in read.header.frame_positions_mm] == [0, 5]


def test_segments_that_overlap_are_refused(mask):
    _, path = mask
    changed = pydicom.dcmread(path)
    changed.PixelData = b"\xff" * len(changed.PixelData)
    changed.save_as(path)
    with pytest.raises(SourceError, match="segments that overlap"):
        sources.read(path)


def test_a_segment_that_no_label_can_be_is_refused(mask):
    _, path = mask
    changed = pydicom.dcmread(path)
    changed.PerFrameFunctionalGroupsSequence[2].SegmentIdentificationSequence[0].ReferencedSegmentNumber = 300
    changed.save_as(path)
    with pytest.raises(SourceError, match="has the segment 300"):
        sources.read(path)


@pytest.mark.parametrize("change", ["kind", "groups"])
def test_other_objects_are_read_as_the_pictures_that_they_are(mask, change):
    _, path = mask
    changed = pydicom.dcmread(path)
    if change == "kind":
        changed.SegmentationType = "FRACTIONAL"
    else:
        del changed.PerFrameFunctionalGroupsSequence[2].SegmentIdentificationSequence
    changed.save_as(path)
    assert sources.read(path).pixels.shape == (3, 1, 20, 31)

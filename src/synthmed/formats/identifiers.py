"""Identifiers of DICOM files: always the same for the same images, and of no patient.

They are UUIDs under the root 2.25, which anyone may use without being registered (PS3.5, B.2): hashes of what the
images were made from, of the image's seed and of its number. The identifier of a file hashes its pixels as well, so
other pixels, such as those of another device, never go by the name of these.
"""

import hashlib
import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.formats.meaning import Provenance
from synthmed.samples import Sample

_NAMESPACE = uuid.UUID("0b7a2f5c-6d5e-5b62-9b0a-3f8f6f1f2a55")
_ID_LETTERS = 16


def uid(*names: str | int) -> str:
    """The identifier that belongs to these names, such as "2.25.3184...".

    Example:
        >>> uid("study", 3) == uid("study", 3) != uid("study", 4)
        True
    """
    return f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, names))).int}"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The one that a synthetic image would be of, were it real: a patient that never was, with one study.

    Args:
        key: tells it from all others.
    """

    key: str

    @classmethod
    def of(cls, provenance: Provenance, sample: Sample, number: int) -> "Subject":
        """The subject of image ``number`` of a set."""
        names = (provenance.origin, sample.seed, sample.label, sample.mask_from, sample.style_from, number)
        return cls(key=hashlib.sha256("/".join(map(str, names)).encode()).hexdigest())

    @property
    def patient_id(self) -> str:
        """Such as "SYN-0123456789ABCDEF"."""
        return f"SYN-{self.key[:_ID_LETTERS].upper()}"

    @property
    def patient_name(self) -> str:
        """Such as "SYNTHETIC^0123456789ABCDEF"."""
        return f"SYNTHETIC^{self.key[:_ID_LETTERS].upper()}"

    @property
    def study(self) -> str:
        """Study Instance UID."""
        return uid(self.key, "study")

    @property
    def frame_of_reference(self) -> str:
        """Frame of Reference UID: that of all its images, which lie on one grid."""
        return uid(self.key, "frame of reference")

    def series(self, storage: str, number: int) -> str:
        """Series Instance UID of the series ``number`` (from 1) of files of one SOP class."""
        return uid(self.key, "series", storage, number)

    def instance(self, storage: str, series: int, number: int, pixels: NDArray[np.integer]) -> str:
        """SOP Instance UID of the file ``number`` (from 1) of a series, with this content."""
        content = hashlib.sha256(pixels.tobytes()).hexdigest()
        return uid(self.key, "instance", storage, series, number, content)

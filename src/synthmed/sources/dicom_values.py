"""Stored values of DICOM -> physical values (PS3.3 C.11.1): rescaling, modality tables, padding, MONOCHROME1."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from synthmed.errors import SourceError
from synthmed.sources.dicom_elements import FrameValues, item, text, words
from synthmed.sources.dicom_frames import PixelLayout

_TRANSFORMATION = "PixelValueTransformationSequence"
_NEVER_HOUNSFIELD = ("MR", "PT", "NM", "US", "MG")
_INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "i8")


@dataclass(frozen=True, kw_only=True)
class Modality:
    """How stored values become physical ones; first the table, else slope and intercept, then turned around.

    Args:
        slopes, intercepts: physical value = slope * stored value + intercept, one number a frame.
        table: physical values by stored value, or None.
        first: stored value of the table's first entry.
        turned: whether the file shows small values white, so that ``total`` minus the value is given.
        total: smallest plus largest value that can be stored, in physical units.
        unit: of the physical values.
    """

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    table: np.ndarray | None
    first: int
    turned: bool
    total: float
    unit: str


def modality_of(dataset: Dataset, layout: PixelLayout, *, little_endian: bool, name: str) -> Modality:
    """How the stored values of a file become physical ones.

    Raises:
        SourceError: a slope of 0, or a modality table that is not whole.
    """
    frames = FrameValues(dataset)
    slopes, intercepts, unit = [], [], ""
    for frame in range(layout.frames if frames.described else 1):
        slopes.append((frames.numbers(frame, _TRANSFORMATION, "RescaleSlope") or (1.0,))[0])
        intercepts.append((frames.numbers(frame, _TRANSFORMATION, "RescaleIntercept") or (0.0,))[0])
        unit = unit or (frames.texts(frame, _TRANSFORMATION, "RescaleType") or ("",))[0]
    if text(dataset, "Modality") == "RTDOSE":
        slopes = [(frames.numbers(0, _TRANSFORMATION, "DoseGridScaling") or (1.0,))[0]]
        unit = {"GY": "Gy"}.get(text(dataset, "DoseUnits"), "")
    if 0.0 in slopes:
        raise SourceError(
            f"{name} has a rescale slope of 0, so all its pixels would be equal; expected another. Export it again."
        )
    table, first = _modality_table(dataset, layout, little_endian=little_endian, name=name)
    if table is not None:
        unit = text(item(dataset, "ModalityLUTSequence"), "ModalityLUTType")
    low, high = _stored_range(layout)
    if table is not None:
        total = float(table.min()) + float(table.max())
    else:
        total = 0.0 if layout.floating else slopes[0] * (low + high) + 2 * intercepts[0]
    return Modality(
        slopes=tuple(slopes),
        intercepts=tuple(intercepts),
        table=table,
        first=first,
        turned=layout.photometric == "MONOCHROME1",
        total=total,
        unit=_unit(dataset, unit, rescaled=bool(frames.numbers(0, _TRANSFORMATION, "RescaleIntercept"))),
    )


def to_physical(stored: np.ndarray, layout: PixelLayout, modality: Modality) -> np.ndarray:
    """Stored values [F H W 1] -> physical values, of the smallest integer type that holds them, else float32."""
    if modality.table is not None:
        indices = stored.astype(np.int32) - modality.first
        values = modality.table[indices.clip(0, len(modality.table) - 1)]
        return _scaled(values, (1.0,), (0.0,), modality, 0, int(modality.table.max()))
    return _scaled(stored, modality.slopes, modality.intercepts, modality, *_stored_range(layout))


def padding_of(stored: np.ndarray, dataset: Dataset, layout: PixelLayout, *, little_endian: bool) -> np.ndarray | None:
    """Where there is no picture [F H W] bool, by the pixel padding value and its range; None = nowhere.

    Args:
        stored: [F H W 1] before rescaling: the padding value is a stored value.
        dataset: the elements of the file.
        layout: how its pixels are stored.
        little_endian: byte order of the file.
    """
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        found = words(dataset, keyword, little_endian=little_endian)
        if len(found):
            # Often written as unsigned where pixels are signed; the bits are the same.
            ends.append(int(found.view(np.int16)[0]) if layout.signed else int(found[0]))
    if not ends or stored.shape[-1] != 1 or layout.floating:
        return None
    plane = stored[..., 0]
    padding = plane == ends[0] if len(ends) == 1 else (plane >= min(ends)) & (plane <= max(ends))
    return padding if padding.any() else None


def _modality_table(
    dataset: Dataset, layout: PixelLayout, *, little_endian: bool, name: str
) -> tuple[np.ndarray | None, int]:
    sequence = item(dataset, "ModalityLUTSequence")
    descriptor = words(sequence, "LUTDescriptor", little_endian=little_endian)
    if len(descriptor) != 3 or layout.samples != 1 or layout.floating:
        return None, 0
    table = lut_values(sequence, descriptor, little_endian=little_endian)
    if table is None:
        raise SourceError(f"{name} has a modality table that is not whole. Export it again.")
    return table, signed_word(descriptor[1], signed=layout.signed)


def signed_word(word: np.uint16, *, signed: bool) -> int:
    """The first value of a table, whose sign is that of the pixels whatever its element says."""
    return int(word.astype(np.uint16).view(np.int16)) if signed else int(word)


def lut_values(sequence: Dataset, descriptor: np.ndarray, *, little_endian: bool) -> np.ndarray | None:
    """The entries of a look-up table [K] uint16, of 8-bit entries too; None where some are missing."""
    entries = int(descriptor[0]) or 2**16
    values = words(sequence, "LUTData", little_endian=little_endian)
    if len(values) * 2 in (entries, entries + 1) and descriptor[2] <= 8:
        values = values.astype("<u2" if little_endian else ">u2").view(np.uint8).astype(np.uint16)
    return values[:entries] if len(values) >= entries else None


def _stored_range(layout: PixelLayout) -> tuple[int, int]:
    if layout.floating:
        return 0, 0
    if layout.signed:
        return -(2 ** (layout.stored - 1)), 2 ** (layout.stored - 1) - 1
    return 0, 2**layout.stored - 1


def _scaled(
    values: np.ndarray,
    slopes: tuple[float, ...],
    intercepts: tuple[float, ...],
    modality: Modality,
    low: int,
    high: int,
) -> np.ndarray:
    sign, shift = (-1.0, modality.total) if modality.turned else (1.0, 0.0)
    factors = np.array([sign * slope for slope in slopes])
    terms = np.array([shift + sign * intercept for intercept in intercepts])
    whole = values.dtype.kind in "iu" and all(float(x).is_integer() and abs(x) < 2**31 for x in (*factors, *terms))
    if not whole:
        scaled = np.empty(values.shape, np.float32)
        for frame in range(len(values)):
            which = frame if len(factors) > 1 else 0
            scaled[frame] = values[frame] * np.float64(factors[which]) + terms[which]
        return scaled
    ends = [end * factor + term for end in (low, high) for factor, term in zip(factors, terms, strict=True)]
    kind = _smallest(min(ends), max(ends))
    if kind.itemsize > 2 and values.size:  # what can be stored does not fit two bytes; what is stored may
        low, high = int(values.min()), int(values.max())
        ends = [end * factor + term for end in (low, high) for factor, term in zip(factors, terms, strict=True)]
        kind = _smallest(min(ends), max(ends))
    if (factors == 1).all() and (terms == 0).all():
        return values.astype(kind, copy=False)
    wide = np.result_type(kind, values.dtype) if (factors == 1).all() else np.dtype(np.int64)
    shape = (-1,) + (1,) * (values.ndim - 1)
    scaled = values.astype(wide) * factors.astype(wide).reshape(shape) if wide == np.int64 else values.astype(wide)
    scaled += terms.astype(wide).reshape(shape)
    return scaled.astype(kind, copy=False)


def _smallest(low: float, high: float) -> np.dtype:
    for name in _INTEGERS:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return np.dtype(name)
    return np.dtype(np.int64)


def _unit(dataset: Dataset, said: str, *, rescaled: bool) -> str:
    if said == "HU" and text(dataset, "Modality") in _NEVER_HOUNSFIELD:
        said = ""  # some writers fill in what they know from CT
    if said and said != "US":  # "US" is DICOM's "unspecified"
        return said
    if text(dataset, "Modality") == "CT" and rescaled:
        return "HU"
    units = text(dataset, "Units")  # of PET, such as BQML
    return units or "grey value"

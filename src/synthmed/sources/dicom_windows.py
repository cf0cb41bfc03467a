"""Display windows and display tables that a DICOM file carries (VOI, PS3.3 C.11.2), in physical units."""

from typing import Literal, get_args

from pydicom.dataset import Dataset

from synthmed.sources.dicom_elements import FrameValues, items, text, words
from synthmed.sources.dicom_values import Modality, lut_values, signed_word
from synthmed.sources.image import LookupTable, Window
from synthmed.sources.windows import is_usable, turn_table, turn_window

_VOI = "FrameVOILUTSequence"
Function = Literal["linear", "linear_exact", "sigmoid"]


def windows_of(dataset: Dataset, modality: Modality) -> tuple[Window, ...]:
    """The windows of the file, of its first frame where frames have their own; unusable ones are left out.

    Where the file shows small values white, the windows are turned around like the pixels.
    """
    frames = FrameValues(dataset)
    centers = frames.numbers(0, _VOI, "WindowCenter")
    widths = frames.numbers(0, _VOI, "WindowWidth")
    words_for = frames.texts(0, _VOI, "WindowCenterWidthExplanation")
    said = (frames.texts(0, _VOI, "VOILUTFunction") or ("linear",))[0].lower()
    function: Function = next((known for known in get_args(Function) if known == said), "linear")
    found = [
        Window(
            center=center,
            width=width,
            function=function,
            explanation=words_for[index] if index < len(words_for) else "",
        )
        for index, (center, width) in enumerate(zip(centers, widths, strict=False))
    ]
    usable = [window for window in found if is_usable(window)]
    return tuple(turn_window(window, modality.total) if modality.turned else window for window in usable)


def tables_of(dataset: Dataset, modality: Modality, *, little_endian: bool, signed: bool) -> tuple[LookupTable, ...]:
    """The display tables of the file, of its first frame where frames have their own; one not whole is left out.

    Args:
        dataset: the elements of the file.
        modality: how its stored values become physical ones.
        little_endian: byte order of the file.
        signed: whether physical values may be negative.
    """
    found = []
    holders = FrameValues(dataset).holders(0, _VOI)
    for one in next((said for holder in holders if (said := items(holder, "VOILUTSequence"))), ()):
        descriptor = words(one, "LUTDescriptor", little_endian=little_endian)
        if len(descriptor) != 3 or not 1 <= descriptor[2] <= 16:
            continue
        values = lut_values(one, descriptor, little_endian=little_endian)
        if values is not None:
            table = LookupTable(
                first=signed_word(descriptor[1], signed=signed),
                values=values,
                bits=int(descriptor[2]),
                explanation=text(one, "LUTExplanation"),
            )
            found.append(turn_table(table, modality.total) if modality.turned else table)
    return tuple(found)

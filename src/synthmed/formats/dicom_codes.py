"""Codes for what DICOM has said in codes: regions, views, and what the labels of a mask are (SNOMED CT, PS3.16)."""

from typing import NamedTuple


class Code(NamedTuple):
    """A code, the scheme that defines it, and its meaning in words."""

    value: str
    scheme: str
    meaning: str


OWN_SCHEME = "99SYNTHMED"
"""Of labels that no table here knows: their name is all that is said."""
BREAST = Code("76752008", "SCT", "Breast")
EYE = Code("81745001", "SCT", "Eye")
FUNDUS_CAMERA = Code("409898007", "SCT", "Fundus camera")
MASK_IMAGE = Code("121321", "DCM", "Mask image for image processing operation")
VIEWS = {
    "CC": Code("399162004", "SCT", "cranio-caudal"),
    "MLO": Code("399368009", "SCT", "medio-lateral oblique"),
    "ML": Code("399260004", "SCT", "medio-lateral"),
    "LM": Code("399352003", "SCT", "latero-medial"),
}
NO_VIEW = Code("261665006", "SCT", "Unknown")
_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")
_TISSUE = Code("85756007", "SCT", "Tissue")
_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_LABELS = {
    "breast": (_STRUCTURE, BREAST),
    "vessel": (_STRUCTURE, Code("59820001", "SCT", "Blood vessel")),
    "liver": (_STRUCTURE, Code("10200004", "SCT", "Liver")),
    "spleen": (_STRUCTURE, Code("78961009", "SCT", "Spleen")),
    "kidney": (_STRUCTURE, Code("64033007", "SCT", "Kidney")),
    "pancreas": (_STRUCTURE, Code("15776009", "SCT", "Pancreas")),
    "lung": (_STRUCTURE, Code("39607008", "SCT", "Lung")),
    "heart": (_STRUCTURE, Code("80891009", "SCT", "Heart")),
    "aorta": (_STRUCTURE, Code("15825003", "SCT", "Aorta")),
    "trachea": (_STRUCTURE, Code("44567001", "SCT", "Trachea")),
    "bone": (_STRUCTURE, Code("272673000", "SCT", "Bone")),
    "fat": (_TISSUE, Code("55603005", "SCT", "Adipose tissue")),
    "soft tissue": (_TISSUE, Code("87784001", "SCT", "Soft tissue")),
    "air": (Code("91720002", "SCT", "Body Substance"), Code("15158005", "SCT", "Air")),
    "cell": (_STRUCTURE, Code("4421005", "SCT", "Cell")),
    "lesion": (_ABNORMAL, Code("52988006", "SCT", "Lesion")),
    "mass": (_ABNORMAL, Code("4147007", "SCT", "Mass")),
    "tumor": (_ABNORMAL, Code("108369006", "SCT", "Neoplasm")),
}


def of_label(name: str) -> tuple[Code, Code]:
    """Category and type of what a label is called, a name of our own scheme where the word is not known.

    Example:
        >>> of_label("vessels")[1].meaning
        'Blood vessel'
    """
    word = name.strip().lower().replace("_", " ")
    for known in (word, word.removesuffix("s"), word.removesuffix("es")):
        if known in _LABELS:
            return _LABELS[known]
    # A code has 16 letters at most, its meaning 64.
    return _STRUCTURE, Code(word.upper().replace(" ", "-")[:16], OWN_SCHEME, name[:64])

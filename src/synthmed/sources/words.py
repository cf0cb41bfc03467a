"""What the names of files and folders say: image, mask or field of view, which split, and whose.

Words are looked for in the names that people and data bases give: ``masks_gt_png``, ``labelsTr``, ``1st_manual``,
``GroundTruth``; ``benign (4)_mask_1``, ``21_training_mask``, ``segmentation-0``. Nothing is opened.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Role = Literal["", "image", "mask", "field"]

ENDINGS = (
    ".nii.gz", ".nii", ".nrrd", ".dcm", ".ima", ".png", ".tiff", ".tif", ".jpeg", ".jpg", ".bmp", ".gif", ".pgm",
    ".ppm", ".npy",
)  # fmt: skip
"""Of image files, the longest of those that end alike first."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_IMAGE = _set(
    "image images img imgs imaging picture pictures pics photo photos photograph photographs original "
    "originals orig input inputs volume volumes"
)
_MASK = _set(
    "mask masks maske masken label labels labelmap labelmaps seg segs segm segmentation segmentations "
    "annotation annotations anno annos annot annots gt gts groundtruth groundtruths truth truths manual "
    "manuals delineation delineations"
)
_MAYBE_MASK = _set(
    "vessel vessels lesion lesions tumor tumors tumour tumours roi rois contour contours outline outlines "
    "binary target targets nuclei gland glands polyp polyps av artery arteries vein veins disc cup"
)
"""What is drawn in masks, but is photographed as well: a mask only beside the image that it belongs to."""
_FIELD = _set("field fields fov fovs")
_ROLES = {"mask": _MASK, "field": _FIELD, "image": _IMAGE, "maybe": _MAYBE_MASK}
_BOTH = _set("with without and no")
"""Of folders that hold images and masks: Dataset_BUSI_with_GT."""
_SPLITS = {
    "train": "train", "training": "train", "tr": "train", "valid": "valid", "validation": "valid", "val": "valid",
    "dev": "valid", "test": "test", "testing": "test", "ts": "test", "holdout": "holdout",
}  # fmt: skip
_NOTHING = _set(
    "png jpg jpeg tif tiff gif bmp pgm ppm npy nii nifti nrrd dcm dicom set sets data dataset half split "
    "folder files all raw"
)
"""Words of folders that tell neither patients nor roles apart."""
_OTHERS = re.compile(r"(?:^|[\W_])(?:[2-9](?:nd|rd|th)|(?:manual|observer|rater|reader|expert)[\W_]?[2-9])(?![^\W_])")
"""The drawing of a second observer, where the first's is there too: 2nd_manual, 2ndHO, rater2."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_MASK_WORDS = (
    r"masks?|masken?|labels?|label[\s._-]?maps?|segs?|segm|segmentations?|annotations?|annos?|annots?|gts?|"
    r"ground[\s._-]?truths?|truths?|gold[\s._-]?standard|manuals?|(?:1st|2nd|3rd)[\s._-]?(?:ho|manual|observer)|"
    r"delineations?"
)
_FIELD_WORDS = r"fields?|fovs?"
_MAYBE_WORDS = "|".join(sorted(_MAYBE_MASK))
_IMAGE_WORDS = r"images?|imgs?|imaging|pictures?|photos?|originals?|orig|inputs?|volumes?"
_SPLIT_WORDS = "|".join(word for word in _SPLITS if len(word) > 2)
_NUMBER = r"(?:[\s._-]*\(?\d+\)?)?"
_CHANNEL = re.compile(r"(.+)_(\d{4})")


def _at_end(words: str) -> re.Pattern[str]:
    return re.compile(rf"(.*?)(?:^|[\s._-]+|(?<=[a-z\d)])(?=[A-Z]))(?i:{words}){_NUMBER}$")


def _at_start(words: str) -> re.Pattern[str]:
    return re.compile(rf"^(?i:{words})(?:$|[\s._-]+|(?=\d)|(?<=[a-z])(?=[A-Z]))(.*)")


_PATTERNS = {
    role: (_at_end(words), _at_start(words))
    for role, words in (
        ("mask", _MASK_WORDS), ("field", _FIELD_WORDS), ("maybe", _MAYBE_WORDS), ("image", _IMAGE_WORDS),
        ("split", _SPLIT_WORDS),
    )
}  # fmt: skip
_SUSPECT = {
    "mask": re.compile(r"mask|label|seg|anno|gt|truth|gold|manual|1st|2nd|3rd|delin", re.I),
    "field": re.compile(r"field|fov", re.I),
    "maybe": re.compile(_MAYBE_WORDS, re.I),
    "image": re.compile(r"im|pict|phot|orig|input|vol", re.I),
    "split": re.compile(_SPLIT_WORDS, re.I),
}
_ANY = re.compile("|".join(_SUSPECT[kind].pattern for kind in ("mask", "field", "maybe")), re.I)
"""Most names hold none of the words; this is found out cheaply."""


def words_of(name: str) -> list[str]:
    """The words and numbers of a name, in small letters.

    Example:
        >>> words_of("imagesTr"), words_of("1st_manual"), words_of("PNGMasks (2)")
        (['images', 'tr'], ['1', 'st', 'manual'], ['png', 'masks', '2'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def stem(name: str) -> str:
    """A file name without the ending of an image.

    Example:
        >>> stem("liver 7.nii.gz"), stem("IM.1.2.840")
        ('liver 7', 'IM.1.2.840')
    """
    small = name.lower()
    if not small.endswith(ENDINGS):
        return name
    return name[:-7] if small.endswith(".nii.gz") else name[: name.rindex(".")]


def without(kind: Literal["mask", "field", "maybe", "image", "split"], stem: str) -> str | None:
    """A stem without the words of one kind at its end, else at its beginning; None where there is no such word.

    Args:
        kind: whose words: of masks, of fields of view, of what may be masks, of images, of splits.
        stem: of a file.

    Example:
        >>> without("mask", "benign (4)_mask_1"), without("mask", "segmentation-0"), without("mask", "masked man")
        ('benign (4)', '0', None)
    """
    if not _SUSPECT[kind].search(stem):
        return None
    found = [match[1] for pattern in _PATTERNS[kind] if (match := pattern.match(stem))]
    return next((key for key in found if key), found[0] if found else None)


def role_of(stem: str) -> Literal["image", "mask", "field", "maybe"]:
    """What a file is by its own name: "maybe" where it says what masks show, "image" where it says nothing."""
    if _ANY.search(stem):
        if without("mask", stem) is not None:
            return "mask"
        if without("field", stem) is not None:
            return "field"
        if without("maybe", stem) is not None:
            return "maybe"
    return "image"


def keys_of_image(stem: str) -> list[str]:
    """What a mask of an image may be called: as the image, or without what says that it is one.

    nnU-Net's number of the channel and words of splits are left out too: the mask of ``liver_001_0000`` is called
    ``liver_001``, that of ``21_training`` ``21_manual1``.
    """
    keys = [stem]
    if channel := _CHANNEL.fullmatch(stem):
        keys.append(channel[1])
    keys += [key for kind in ("image", "split") if (key := without(kind, stem)) is not None]
    return _folded(keys)


def keys_of_mask(stem: str) -> list[str]:
    """What the image of a mask may be called: as the mask, or without the words of masks, one after the other."""
    keys = [stem]
    for kind in ("mask", "field", "split", "maybe", "mask"):
        if (key := without(kind, keys[-1])) is not None:
            keys.append(key)
    return _folded(keys)


def beginnings(stem: str) -> list[str]:
    """The beginnings of a stem up to a separator, the longest first: ``IDRiD_01_MA`` belongs to ``IDRiD_01``."""
    return _folded([stem[: match.start()] for match in reversed(list(re.finditer(r"[\s._-]+", stem))) if match.start()])


def _folded(keys: list[str]) -> list[str]:
    return list(dict.fromkeys([*keys, *(key.casefold() for key in keys)]))


def is_other_observer(name: str) -> bool:
    """Whether a name says that a second observer drew the mask.

    Example:
        >>> is_other_observer("2nd_manual"), is_other_observer("Image_01L_2ndHO"), is_other_observer("1st_manual")
        (True, True, False)
    """
    return bool(_OTHERS.search(re.sub(r"(?<=\d)(st|nd|rd|th)(?=[A-Z])", r"\1_", name).lower()))


@dataclass(frozen=True, slots=True)
class Place:
    """What the folders of a file say.

    Args:
        role: of its files, by the deepest folder that says one; "maybe" where it says what masks show.
        split: "train", "valid", "test", "holdout", or "".
        owners: folders that tell patients or classes apart.
        close: all folders without the words of roles: where image and mask are looked for first.
        loose: the same without the folders that have a role.
        observer: whether a second observer's drawings lie here.
    """

    role: str
    split: str
    owners: tuple[str, ...]
    close: tuple[str, ...]
    loose: tuple[str, ...]
    observer: bool = False


def place_of(folder: str, images: frozenset[str] = frozenset()) -> Place:
    """What a folder's path says, relative to the source, with / between folders; "" or "." is the source itself.

    Args:
        folder: the path.
        images: folders that hold images whatever their names say.

    Example:
        >>> place_of("train/masks").role, place_of("train/masks").split, place_of("p7/masks").owners
        ('mask', 'train', ('p7',))
    """
    return _place_of(folder, images)


def _ancestors(folder: str) -> list[str]:
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


@lru_cache(maxsize=65536)
def _place_of(folder: str, images: frozenset[str]) -> Place:
    role, split, observer = "", "", False
    owners: list[str] = []
    close: list[str] = []
    loose: list[str] = []
    for path in _ancestors(folder):
        name = unicodedata.normalize("NFC", path.rpartition("/")[2])
        said, part_split, rest = _folder_says(name)
        said = "image" if path in images else said
        role, split = said or role, part_split or split
        observer = observer or is_other_observer(name)
        if said == "maybe" or (not said and rest):
            owners.append(name)
        kept = [part_split] if part_split else [name] if rest and not said else []
        loose += kept
        close += [*kept, *(["".join(rest)] if said and rest else [])]
    return Place(role, split, tuple(owners), tuple(close), tuple(loose), observer)


def _folder_says(name: str) -> tuple[str, str, list[str]]:
    """Role and split of one folder by its name, and its words that say neither."""
    words = words_of(name)
    role = next((role for role, known in _ROLES.items() if known.intersection(words)), "")
    if {"gold", "standard"} <= set(words) or {"st", "ho"} <= set(words):
        role = "mask"
    if _BOTH.intersection(words):
        role = ""
    said = [_SPLITS[word] for word in words if word in _SPLITS]
    telling = [word for word in words if word not in _NOTHING and word not in _SPLITS]
    rest = [word for word in telling if not role or not any(word in known for known in _ROLES.values())]
    # "a. Training set" is a split; "test patient 7" is not.
    if said and not role and any(len(word) > 1 or (word.isdigit() and word != words[0]) for word in rest):
        return "", "", words
    return role, said[0] if said else "", [] if said and not role else rest

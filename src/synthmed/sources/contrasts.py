"""What the names of files say of modality and contrast, where no header does: PET beside CT, FLAIR beside T1."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from synthmed.errors import LayoutError
from synthmed.sources.words import stem, words_of

_MODALITIES = {
    "CT": re.compile(r"ct|cta|ctres|cbct|ldct"),
    "PT": re.compile(r"pet|petct|suv|suvbw"),
    "MR": re.compile(r"mri?|t[12](w|wi|c|ce|gd|n|f|post|pre)?|flair|adc|dwi|swi|dce|tirm|stir"),
}
_CHANNEL = re.compile(r".+_(\d{4})")
_OF_NNUNET = ({"images", "tr"}, {"images", "ts"})


def modality_of(name: str) -> str:
    """DICOM's code of the modality that a file's name says: "CT", "PT", "MR", or "" where it says none or two.

    Args:
        name: relative to the source; the folders above are looked at too, the deepest first.

    Example:
        >>> modality_of("p7/PET.nii.gz"), modality_of("BraTS_1/BraTS_1_t1ce.nii.gz"), modality_of("ct/p7.nii.gz")
        ('PT', 'MR', 'CT')
    """
    *folders, file = name.split("/")
    for text in (stem(file), *reversed(folders)):
        words = _words(text)
        said = [modality for modality, pattern in _MODALITIES.items() if any(map(pattern.fullmatch, words))]
        if said:
            return said[0] if len(said) == 1 else ""
    return ""


def is_contrast(word: str) -> bool:
    """Whether a word is that of a modality or contrast, such as ``FLAIR``."""
    return any(known.fullmatch(word.lower()) for known in _MODALITIES.values())


def case_and_contrast(name: str) -> tuple[str, str]:
    """A file's name without the word of its contrast, and that word, "" for none; nnU-Net's channel is one.

    Example:
        >>> case_and_contrast("p7/p7_flair.nii.gz"), case_and_contrast("imagesTr/liver_001_0000.nii.gz")
        (('p7/p7', 'flair'), ('imagesTr/liver_001', '0000'))
    """
    folder, _, file = name.rpartition("/")
    own = stem(file)
    if set(words_of(folder.rpartition("/")[2])) in _OF_NNUNET and (channel := _CHANNEL.fullmatch(own)):
        return f"{folder}/{own[: -len(channel[1]) - 1]}", channel[1]
    words = _words(own)
    contrast = next(filter(is_contrast, words), "")
    rest = "_".join(word for word in words if word != contrast)
    return f"{folder}/{rest}" if folder else rest, contrast


def refuse_contrasts(names: Iterable[str]) -> None:
    """Refuse images of which some are one case in several contrasts: a set holds one kind of picture.

    One such case among others may be an accident of names, as t1 and t2 between t0 and t3.

    Args:
        names: of the images, relative to the source.

    Raises:
        LayoutError: there are such, and how to choose one.
    """
    cases: dict[str, dict[str, str]] = defaultdict(dict)
    names = list(names)
    for name in names:
        case, contrast = case_and_contrast(name)
        if contrast:
            cases[case][contrast] = name
    several = [found for found in cases.values() if len(found) > 1]
    if len(several) > 1 or (several and sum(map(len, several)) == len(names)):
        raise LayoutError(_choose(several))


def _choose(cases: Sequence[Mapping[str, str]]) -> str:
    contrasts = sorted({contrast for found in cases for contrast in found})
    first = sorted(cases[0])[0]
    file = cases[0][first].rpartition("/")[2]
    at = file.lower().rindex(first)
    pattern = f"*{file[at:]}" if stem(file).lower().endswith(first) else f"*{file[at : at + len(first)]}*"
    return (
        f"Cases are there in several contrasts ({', '.join(contrasts)}; {len(cases)} of them); expected one kind of "
        f"picture in a set. Choose one by images, such as --set 'images={pattern}', or make them channels by --kind "
        "breast_mr with contrasts."
    )


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", text.lower()) if word]

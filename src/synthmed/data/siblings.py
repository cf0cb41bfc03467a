r"""Names of images that look like several of one patient, where nobody said whose the images are.

``pat00_OD`` and ``pat00_OS`` are two eyes of one person, ``P7_L_CC`` and ``P7_R_CC`` two breasts, ``case3_slice12`` one
of many slices. Each counted as a patient of its own would put one person on two sides of a split. What is found here is
told and proposed as a pattern for the setting ``patient``; it is never applied unasked, because names can deceive.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthmed.sources.names import identity

_VIEWS = (
    "od|os|ou|le|re|l|r|left|right|lt|rt|cc|mlo|ml|lm|lcc|rcc|lmlo|rmlo|ap|pa|lat|lateral|frontal|ax|axial|sag|sagittal|"
    "cor|coronal|t1|t1w|t1c|t1ce|t1gd|t2|t2w|flair|dwi|adc|pre|post|macula|disc|baseline|followup"
)
"""What tells two images of one patient apart: sides, views, contrasts."""
_COUNTED = (
    "slice|slc|frame|frm|image|img|im|scan|visit|study|series|ser|session|ses|exam|time|timepoint|tp|day|week|month|year|"
    "fu|view|patch|tile|crop|roi|copy|aug|rep|repeat|run|phase"
)
"""What is numbered within a patient."""
_LETTERS = "s|z|t|f|i|v|n"
"""The same in one letter; a name before it must hold a number, or they could be the patients themselves."""
_BETWEEN = r"[_\-. ]"
_STRONG = rf"(?:{_VIEWS}|(?:{_COUNTED}){_BETWEEN}?\d+)"
_ATTACHED = rf"(?<=\d)(?:od|os|ou|l|r|(?:{_COUNTED}){_BETWEEN}?\d+)"
_ENDING = re.compile(rf"(?:{_BETWEEN}+{_STRONG}|{_ATTACHED})(?:{_BETWEEN}+\(?\d+\)?)?$", re.IGNORECASE)
_ENDING_AFTER_NUMBER = re.compile(rf"{_BETWEEN}+(?:{_LETTERS}){_BETWEEN}?\d+$", re.IGNORECASE)
_BEGINNING = re.compile(rf"^{_STRONG}{_BETWEEN}+(?=.)", re.IGNORECASE)
_NUMBER = re.compile(r"[_\- ]+\(?\d+\)?$|(?<=\d)[a-h]$")
_FEWEST = 4
"""Groups that plain numbers must make: fewer are classes or batches rather than patients."""


@dataclass(frozen=True, kw_only=True)
class Siblings:
    """What the names say.

    Args:
        images: whose patient nobody names.
        counted: patients that they were counted as.
        likely: patients that their names look like.
        pattern: a regular expression for the setting ``patient`` that finds these; "" = none fits all names.
    """

    images: int
    counted: int
    likely: int
    pattern: str


def siblings_of(names: Sequence[str], patients: Sequence[str]) -> Siblings | None:
    """Whether the names of images look like those of fewer patients; None where they do not.

    Args:
        names: of the images relative to their source, of whose patients nobody says who they are.
        patients: what each was counted as, in the same order: a part of its name.

    Example:
        >>> siblings_of(["a1_OD.png", "a1_OS.png", "a2_OD.png", "a2_OS.png"], ["a1_OD", "a1_OS", "a2_OD", "a2_OS"])
        Siblings(images=4, counted=4, likely=2, pattern='([^/]+)_(?:OD|OS)')
    """
    distinct = sorted(set(patients))
    counted = len({identity(name) for name in distinct})
    stems = {name: _without_views(name) for name in distinct}
    likely = {identity(stem) for stem in stems.values()}
    if len(likely) == counted or not _are_patients(likely):
        stems = {name: _without_number(name) for name in distinct}
        likely = {identity(stem) for stem in stems.values()}
        if len(likely) == counted or not _are_persons(stems):
            return None
    pattern = _pattern(names, patients, stems)
    return Siblings(images=len(names), counted=counted, likely=len(likely), pattern=pattern)


def _without_views(name: str) -> str:
    """A name without the words for sides, views, contrasts and numbered parts at its end, or else its beginning."""
    rest = name
    while match := _ENDING.search(rest) or _ENDING_AFTER_NUMBER.search(rest):
        before = rest[: match.start()]
        if not before or (match.re is _ENDING_AFTER_NUMBER and not re.search(r"\d", before)):
            break
        rest = before
    while rest == name[-len(rest) :] and (match := _BEGINNING.search(rest)):
        rest = rest[match.end() :]
    return rest


def _without_number(name: str) -> str:
    """A name without the number at its end: all numbers after one like P07, else one number."""
    if match := re.match(rf"[^\W\d_]+{_BETWEEN}?\d+(?=(?:[_\- ]+\d+)+$)", name):
        return match[0]
    match = _NUMBER.search(name)
    return name[: match.start()] if match and match.start() else name


def _are_patients(stems: set[str]) -> bool:
    """A single stem without a number is no patient: ``brain_slice1``, ``brain_slice2``, ..."""
    return len(stems) > 1 or any(re.search(r"\d", stem) for stem in stems)


def _are_persons(stems: Mapping[str, str]) -> bool:
    """Whether names that differ by a plain number are of persons, not of classes, batches or one long count."""
    sizes = Counter(stems.values())
    together = sum(size for size in sizes.values() if size > 1)
    if len(sizes) < _FEWEST or 2 * together < len(stems):
        return False
    numbered = sum(size for stem, size in sizes.items() if re.search(r"\d", stem))
    return 2 * numbered > len(stems) or max(sizes.values()) <= len(sizes)


def _pattern(names: Sequence[str], patients: Sequence[str], stems: Mapping[str, str]) -> str:
    """The shortest of a few patterns that finds exactly these groups; it holds no part of a stem."""
    wanted = [identity(stems[patient]) for patient in patients]
    ends, begins = set(), set()
    for patient, stem in stems.items():
        at = patient.find(stem)
        begins.add(_shape(patient[:at]))
        ends.add(_shape(patient[at + len(stem) :]))
    for before, after in _around(begins, ends):
        pattern = f"{before}([^/]+{'?' if after.endswith(('?', '.', '/')) else ''}){after}"
        found = [re.search(pattern, name) for name in names]
        if [identity(match[1]) if match else None for match in found] == wanted:
            return pattern
    return ""


def _around(begins: set[str], ends: set[str]) -> list[tuple[str, str]]:
    """What may stand before and after the group: as little as possible, then with what follows a name."""
    after = _alternatives(ends)
    if begins != {""}:
        before = _alternatives(begins - {""}) + ("?" if "" in begins else "")
        return [(before, after + r"\."), (before, after + "/")]
    if "" in ends:
        return [("", after + r"\."), ("", after + "/")]
    return [("", after), ("", after + r"\."), ("", after + "/")]


def _shape(text: str) -> str:
    """A piece of a name as a regular expression, any number in the place of its numbers."""
    return re.sub(r"\d+", r"\\d+", re.sub(r"([.()])", r"\\\1", text))


def _alternatives(shapes: set[str]) -> str:
    words = sorted(shapes - {""})
    if not words:
        return ""
    optional = "?" if "" in shapes else ""
    if len(words) == 1:
        return f"(?:{words[0]})?" if optional else words[0]
    first = words[0][0]
    if first in "_- " and all(word[0] == first for word in words) and not optional:
        return f"{first}(?:{'|'.join(word[1:] for word in words)})"
    return f"(?:{'|'.join(words)}){optional}"

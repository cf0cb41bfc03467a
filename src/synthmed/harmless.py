"""Words from outside, made harmless before they reach a terminal, a page or a table.

A file name can hold the commands of a terminal, and a cell that begins with ``=`` is a formula to a spreadsheet.
"""

from functools import lru_cache

_FORMULA = tuple("=+-@＝＋－＠")
"""Beginnings of cells that spreadsheets compute."""
_RISKY = (*_FORMULA, "'")


def printable(text: str) -> str:
    r"""The text with every character that has no shape, or commands a terminal, written as its code.

    Example:
        >>> print(printable("scan\x1b[31m 7"))
        scan\x1b[31m 7
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _code(one) for one in text)


@lru_cache(maxsize=1 << 12)
def cell(text: str) -> str:
    """The text as it stands in a table: printable, and an apostrophe before what would be a formula.

    Example:
        >>> cell("=1+1"), cell("-3.5"), cell("benign")
        ("'=1+1", '-3.5', 'benign')
    """
    if text.isprintable() and not text.startswith(_RISKY):
        return text
    text = printable(text)
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) and not _is_number(text) else text


def from_cell(text: str) -> str:
    """The text of a cell that ``cell`` wrote."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

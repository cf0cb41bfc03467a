"""Names are found in sentences, and the words of the sentences are left as they are, whatever files are called."""

import ast
import re
from pathlib import Path

import pytest

import synthmed
from synthmed.data.name_finder import NameFinder, our_words

HOLE = "Wu_7"


def told(names, text):
    """The text with N in the place of every name."""
    parts, at = [], 0
    for begin, end in NameFinder(names).places(text):
        parts += [text[at:begin], "N"]
        at = end
    return "".join([*parts, text[at:]])


def sentences():
    """Every sentence of ours with a name in each hole, and with N there."""
    found = set()
    for package in ("sources", "data"):
        for path in (Path(synthmed.__file__).parent / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.JoinedStr):
                    continue
                parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
                words = "".join(part for part in parts if part)
                if " " not in words.strip() or re.search(r"\w\0|\0\w|\0\0", "".join(part or "\0" for part in parts)):
                    continue  # no sentence, or a hole that is a part of a word
                found.add(tuple("".join(hole if part is None else part for part in parts) for hole in (HOLE, "N")))
    return sorted(found)


def test_a_folder_with_all_words_of_our_sentences_leaves_the_sentences_readable():
    names = [f"images/{HOLE}.png", *(f"{word}.png" for word in our_words()), *(f"{word}/a.png" for word in our_words())]
    finder = NameFinder([*names, "cut short/b.nii.gz", "16 bits.png"])
    cases = sentences()
    assert len(cases) > 100
    for text, expected in cases:
        parts, at = [], 0
        for begin, end in finder.places(text):
            parts += [text[at:begin], "N"]
            at = end
        assert "".join([*parts, text[at:]]) == expected


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        (["cut.nii.gz"], "cut.nii.gz cannot be unpacked: it is damaged or cut short. Copy it again.",
         "N cannot be unpacked: it is damaged or cut short. Copy it again."),
        (["May/x.dcm"], "The patient of May is in the splits train and test; expected one split a patient",
         "The patient of N is in the splits train and test; expected one split a patient"),
        (["may/x.dcm", "test/y.dcm"], "The patient of may is in the splits train and test; expected one split a ",
         "The patient of N is in the splits train and test; expected one split a "),
        (["10007/x.dcm", "0042/x.dcm"], "Its bytes are those of 10007; not those of 0042, of 42 or of 512 x 512.",
         "Its bytes are those of N; not those of N, of 42 or of 512 x 512."),
        (["p/flair.nii.gz", "p/Ng.nii.gz"], "Choose one by images, such as --set 'images=*flair.nii.gz', or Ng.",
         "Choose one by images, such as --set 'images=*flair.nii.gz', or N."),
        (["images/Anna.png"], "There are 2 folders of images (images, Anna.png, images/Anna.png)",
         "There are 2 folders of images (images, N, N)"),
        (["metadata.csv", "a.png"], "metadata.csv names a.png twice", "metadata.csv names N twice"),
    ],
)  # fmt: skip
def test_what_is_a_name_and_what_is_not(names, text, expected):
    assert told(names, text) == expected

"""What a type of trial is: what is shown, what is asked, and what an answer is worth.

The page draws its controls from the questions, so a type needs no code in the browser. Its English words stand here;
a file in ``languages`` may translate them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from synthmed.errors import StudyError
from synthmed.reading.analysis.detection import Paradigm

Answer = Mapping[str, Any]
"""Name of a question -> value of the choice; "spot" -> [x, y] in pixels of the image."""

SPOT = "spot"


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a trial; the first choice has the key 1.

    Args:
        name: of the question.
        choices: values of the choices, in the order on the page.
    """

    name: str
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TrialType:
    """A type of trial.

    Args:
        questions: in the order in which they are asked.
        rating: what an answer is worth, higher = truth 1.
        says: 1 where the answer says truth 1, else 0.
        words: English: "task", "how", "question.NAME", "choice.NAME.VALUE".
        truth: what truth 1 is: the image is synthetic, the synthetic image is on the right, a target is there.
        paradigm: which formula gives d'.
        images: how many are shown side by side.
        marks: whether a spot in the image is marked.
        sure: the answer of a reader without doubt that says 0 and that which says 1, for those who simulate.
        scores: the scores of a scale that is averaged, such as realism; () = none.
        score: what an answer scores on that scale.
    """

    questions: tuple[Question, ...]
    rating: Callable[[Answer], float]
    says: Callable[[Answer], int]
    words: Mapping[str, str]
    truth: Literal["synthetic", "right", "target"] = "synthetic"
    paradigm: Paradigm = "yes_no"
    images: int = 1
    marks: bool = False
    sure: Callable[[float, float], Answer]
    scores: tuple[float, ...] = ()
    score: Callable[[Answer], float] | None = None

    def check(self, answer: Any, width: int, height: int) -> dict[str, Any]:
        """An answer as it came from a browser, checked.

        Raises:
            StudyError: a question that is not answered, or an answer that is none of the choices.
        """
        expected = [question.name for question in self.questions] + ([SPOT] if self.marks else [])
        if not isinstance(answer, dict) or sorted(answer) != sorted(expected):
            given = sorted(answer) if isinstance(answer, dict) else type(answer).__name__
            raise StudyError(f"The answer has {given}; expected {', '.join(expected)}. Answer every question.")
        for question in self.questions:
            if answer[question.name] not in question.choices:
                raise StudyError(f"The answer to {question.name} is {answer[question.name]!r}; expected one of "
                                 f"{', '.join(question.choices)}.")  # fmt: skip
        if self.marks:
            spot = answer[SPOT]
            if not (isinstance(spot, list) and len(spot) == 2 and all(_is_number(x) for x in spot)
                    and 0 <= spot[0] < width and 0 <= spot[1] < height):  # fmt: skip
                raise StudyError(
                    f"The spot is {spot!r}; expected [x, y] inside the image of {width} x {height} pixels."
                )
        return answer


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

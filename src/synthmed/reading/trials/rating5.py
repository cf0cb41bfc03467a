"""Realism on five points, from definitely fake to definitely realistic.

The task of Ren Y. et al. 2019: real images and those of several methods in random order, a mean score for each. The
ROC curve asks how well the scores tell synthetic from real images, so its rating runs the other way.
"""

from synthmed.reading.trials._contract import Answer, Question, TrialType

SCORES = ("1", "2", "3", "4", "5")


def sure(evidence: float, criterion: float) -> Answer:
    """The score of some evidence that an image is synthetic; around the criterion it is neutral."""
    away = evidence - criterion
    return {"realism": str(5 - sum(away > cut for cut in (-1.0, -0.3, 0.3, 1.0)))}


TRIAL = TrialType(
    questions=(Question(name="realism", choices=SCORES),),
    rating=lambda answer: 6 - float(answer["realism"]),
    says=lambda answer: int(answer["realism"] in ("1", "2")),
    sure=sure,
    scores=(1.0, 2.0, 3.0, 4.0, 5.0),
    score=lambda answer: float(answer["realism"]),
    words={
        "task": "How realistic is this image?",
        "how": "You see one case at a time, real ones and ones made by a computer in random order. Give each a score "
        "from 1 (definitely fake) to 5 (definitely realistic). There is no time limit, and you cannot go back.",
        "question.realism": "This image is",
        "choice.realism.1": "definitely fake",
        "choice.realism.2": "fake",
        "choice.realism.3": "neutral",
        "choice.realism.4": "realistic",
        "choice.realism.5": "definitely realistic",
    },
)

"""Mark a spot: where is the finding, and how sure are you that there is one?

The task of an LROC study: every case has one target or none, by its mask. It compares how well targets are found in
real and in synthetic images. The mark counts where it lies on the target or within a tolerance of it.
"""

from synthmed.reading.trials._contract import Answer, Question, TrialType

LEVELS = ("1", "2", "3", "4", "5")


def sure(evidence: float, criterion: float) -> Answer:
    """The confidence for some evidence that there is a target; whoever simulates adds the spot."""
    away = evidence - criterion
    return {"confidence": str(1 + sum(away > cut for cut in (-0.7, 0.0, 0.7, 1.4)))}


TRIAL = TrialType(
    questions=(Question(name="confidence", choices=LEVELS),),
    rating=lambda answer: float(answer["confidence"]),
    says=lambda answer: int(answer["confidence"] in ("3", "4", "5")),
    sure=sure,
    truth="target",
    marks=True,
    words={
        "task": "Is there a finding, and where?",
        "how": "You see one case at a time; some have a finding, some have none. Mark the most suspicious spot in "
        "every case (double click, or M at the middle of the image, then the arrow keys with Alt), and say how sure "
        "you are that it is a finding. There is no time limit, and you cannot go back.",
        "question.confidence": "A finding is there",
        "choice.confidence.1": "surely not",
        "choice.confidence.2": "probably not",
        "choice.confidence.3": "perhaps",
        "choice.confidence.4": "probably",
        "choice.confidence.5": "surely",
    },
)

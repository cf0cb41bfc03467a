"""Real or synthetic, and how sure: one image (or one series of panels) at a time.

The task of Ren Z., Yu and Whitney 2021, and, with the panels of a dynamic series and its subtractions, of Haarburger et
al. 2019. It is a yes-no task: d' = z(H) - z(F). The rating for the ROC curve joins both answers: from "surely real" to
"surely synthetic".
"""

from synthmed.reading.trials._contract import Answer, Question, TrialType

LEVELS = ("1", "2", "3", "4")


def rating(answer: Answer) -> float:
    """-4 (surely real) to 4 (surely synthetic), without 0."""
    confidence = float(answer["confidence"])
    return confidence if answer["verdict"] == "synthetic" else -confidence


def sure(evidence: float, criterion: float) -> Answer:
    """The answer to some evidence: the farther from the criterion, the surer."""
    level = 1 + sum(abs(evidence - criterion) > cut for cut in (0.4, 0.9, 1.5))
    return {"verdict": "synthetic" if evidence > criterion else "real", "confidence": str(level)}


TRIAL = TrialType(
    questions=(
        Question(name="verdict", choices=("real", "synthetic")),
        Question(name="confidence", choices=LEVELS),
    ),
    rating=rating,
    says=lambda answer: int(answer["verdict"] == "synthetic"),
    sure=sure,
    words={
        "task": "Is this image of a patient, or was it made by a computer?",
        "how": "You see one case at a time. About half of them are real. Say what you think it is, then how sure you "
        "are. There is no time limit, and you cannot go back.",
        "question.verdict": "This image is",
        "choice.verdict.real": "real",
        "choice.verdict.synthetic": "synthetic",
        "question.confidence": "How sure are you?",
        "choice.confidence.1": "guessing",
        "choice.confidence.2": "rather sure",
        "choice.confidence.3": "sure",
        "choice.confidence.4": "certain",
    },
)

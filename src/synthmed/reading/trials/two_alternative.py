"""Two images side by side, one real and one synthetic: which is the synthetic one?

A two-alternative forced choice: d' = sqrt(2) z(PC). Truth is 1 where the synthetic image is on the right; which side it
is on is balanced and drawn on the server.
"""

from synthmed.reading.trials._contract import Answer, Question, TrialType


def sure(evidence: float, criterion: float) -> Answer:
    """The side that some evidence speaks for."""
    return {"side": "right" if evidence > criterion else "left"}


TRIAL = TrialType(
    questions=(Question(name="side", choices=("left", "right")),),
    rating=lambda answer: float(answer["side"] == "right"),
    says=lambda answer: int(answer["side"] == "right"),
    sure=sure,
    truth="right",
    paradigm="two_alternative",
    images=2,
    words={
        "task": "Which of the two images was made by a computer?",
        "how": "You see two cases side by side. One is real, the other was made by a computer. Say which one was made "
        "by a computer; guess if you cannot tell. There is no time limit, and you cannot go back.",
        "question.side": "Made by a computer:",
        "choice.side.left": "left",
        "choice.side.right": "right",
    },
)

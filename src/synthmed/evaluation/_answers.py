"""What the images may be used for, as a physician would ask it: the first lines of a report.

An answer never says more than its measure: "usable" needs the whole interval on the good side, "not usable" the whole
interval, or a difference beyond the floor, on the bad side; all else is "not shown to be usable".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthmed.evaluation._contract import Measurement

CLOSE = 0.9
"""Of what real pairs teach, synthetic ones must teach at least so much to take their place. The choice is ours."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether the images can be used for something.

    Args:
        purpose: what for, such as "to train segmentation networks".
        usable: None = not shown.
        because: the reason, a sentence.
    """

    purpose: str
    usable: bool | None
    because: str

    @property
    def word(self) -> str:
        """Usable, Not usable, or Not shown to be usable."""
        return {True: "Usable", False: "Not usable", None: "Not shown to be usable"}[self.usable]

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.word} {self.purpose}. {self.because}"


def answers(measurements: Sequence[Measurement], *, unseen: bool) -> list[Answer]:
    """The answers that the measurements of one set allow, the most important first.

    Args:
        measurements: of the set.
        unseen: whether it is shown that no test patient was trained on.
    """
    found = {one.name: one for one in measurements}
    return [*_to_train(found.get("usefulness"), unseen), *_to_stand_for_real(measurements), _to_hand_on(measurements)]


def _to_train(one: Measurement | None, unseen: bool) -> Iterator[Answer]:
    purpose = "to train a segmentation network in place of the real pairs"
    if one is None:
        return
    made, true = (one.details["arms"][arm]["F1"]["mean"] for arm in ("synthetic", "real"))
    scores = (
        f"trained on these pairs alone it reaches F1 {made:.2f} on real test patients, trained on real pairs {true:.2f}"
    )
    seen = "" if unseen else " It is not shown that the test patients are new to the generator."
    if true < 0.5 or one.low is None or one.high is None:
        usable, because = None, f"The network does not learn the task well enough to tell: {scores}."
    elif one.low >= CLOSE:
        usable, because = (True if unseen else None), f"At most {_percent(1 - one.low)} is lost: {scores}."
    elif one.high < CLOSE:
        usable, because = False, f"At least {_percent(1 - one.high)} is lost: {scores}."
    else:
        usable = None
        because = f"Between {_percent(1 - one.high)} and {_percent(1 - one.low)} may be lost: {scores}."
    yield Answer(purpose=purpose, usable=usable, because=because + seen)


def _percent(share: float) -> str:
    return f"{100 * max(0.0, share):.0f} %"


def _to_stand_for_real(measurements: Sequence[Measurement]) -> Iterator[Answer]:
    judged = [one for one in measurements if one.differs is not None and one.name != "usefulness"]
    worse = [one.title for one in judged if one.differs]
    purpose = "where images must be like real ones"
    if not judged:
        return
    if worse:
        because = (
            f"In {len(worse)} of {len(judged)} measures they differ from real images by more than patients differ."
        )
        yield Answer(purpose=purpose, usable=False, because=because)
    else:
        because = (
            f"In none of {len(judged)} measures is a difference shown, which does not show that there is none. Ask "
            "readers too (synthmed study)."
        )
        yield Answer(purpose=purpose, usable=None, because=because)


def _to_hand_on(measurements: Sequence[Measurement]) -> Answer:
    alarms = [one.alarm for one in measurements if one.alarm]
    if alarms:
        return Answer(purpose="to hand on", usable=False, because=" ".join(alarms))
    because = "This report does not look for copies of patients. Run synthmed audit before anyone else sees the images."
    return Answer(purpose="to hand on", usable=None, because=because)

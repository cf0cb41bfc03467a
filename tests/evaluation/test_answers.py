"""The first lines of a report never say more than its measures."""

import dataclasses

import pytest

from synthmed.evaluation._answers import answers
from synthmed.evaluation._contract import Measurement

TAUGHT = Measurement(
    name="usefulness", title="Usefulness", value=0.95, low=0.92, high=0.98, floor=1.0, unit="ratio",
    direction="higher is better", n=50, sentence="",
    details={"arms": {"synthetic": {"F1": {"mean": 0.81}}, "real": {"F1": {"mean": 0.85}}}},
)  # fmt: skip
NEAR = Measurement(
    name="one_nn", title="1-NN", value=0.6, low=0.5, high=0.7, floor=0.5, floor_low=0.4, floor_high=0.6, matched=0.55,
    unit="accuracy", direction="lower is better", n=50, sentence="",
)  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "usable"), [(0.92, 0.98, True), (0.6, 0.89, False), (0.85, 0.95, None), (None, None, None)]
)
def test_pairs_are_usable_where_the_whole_interval_is_close_to_real_pairs(low, high, usable):
    first, *_ = answers([dataclasses.replace(TAUGHT, low=low, high=high)], unseen=True)
    assert first.usable is usable and "0.81" in first.because and first.sentence.startswith(first.word)


def test_nothing_is_usable_for_training_where_test_patients_may_have_been_seen():
    first, *_ = answers([TAUGHT], unseen=False)
    assert first.usable is None and "not shown that the test patients are new" in first.because


def test_a_network_that_has_not_learned_the_task_answers_nothing():
    arms = {"synthetic": {"F1": {"mean": 0.2}}, "real": {"F1": {"mean": 0.3}}}
    first, *_ = answers([dataclasses.replace(TAUGHT, details={"arms": arms})], unseen=True)
    assert first.usable is None and "does not learn the task" in first.because


def test_no_difference_shown_is_not_usable_as_real():
    first, _ = answers([NEAR], unseen=True)
    assert first.usable is None and "does not show that there is none" in first.because
    first, _ = answers([dataclasses.replace(NEAR, matched=0.8)], unseen=True)
    assert first.sentence.startswith("Not usable where images must be like real ones. In 1 of 1 measures")


def test_whether_to_hand_on_is_never_answered_with_yes():
    assert answers([TAUGHT, NEAR], unseen=True)[-1].usable is None
    alarmed = answers([dataclasses.replace(NEAR, alarm="They look like copies.")], unseen=True)[-1]
    assert alarmed.sentence == "Not usable to hand on. They look like copies."

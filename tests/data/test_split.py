"""Splits are of whole patients, seeded, and blind to the order of the files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthmed.data.split import split_patients
from synthmed.errors import ConfigError

PATIENTS = st.dictionaries(
    st.text(min_size=1, max_size=8), st.sampled_from(["", "", "train", "holdout", "test"]), max_size=40
)
FRACTIONS = st.tuples(st.floats(0, 0.5), st.floats(0, 0.49))
FROZEN = {"test": ["4", "7"], "holdout": ["9"]}


@given(PATIENTS, FRACTIONS, st.integers(0, 5))
def test_every_patient_has_one_split_and_declared_ones_keep_theirs(declared, fractions, seed):
    splits = split_patients(declared, holdout=fractions[0], test=fractions[1], seed=seed)
    assert splits.keys() == declared.keys()
    for patient, split in declared.items():
        assert splits[patient] == split if split else splits[patient] in ("train", "holdout", "test")


@given(PATIENTS, FRACTIONS, st.integers(0, 5), st.randoms())
def test_the_order_of_the_patients_does_not_matter(declared, fractions, seed, random):
    shuffled = list(declared.items())
    random.shuffle(shuffled)
    options = {"holdout": fractions[0], "test": fractions[1], "seed": seed}
    assert split_patients(declared, **options) == split_patients(dict(shuffled), **options)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=60), FRACTIONS, st.integers(0, 5))
def test_the_fractions_are_met_within_one_patient_and_train_is_never_empty(patients, fractions, seed):
    holdout, test = fractions
    splits = list(split_patients(dict.fromkeys(patients, ""), holdout=holdout, test=test, seed=seed).values())
    assert splits.count("train") >= 1
    assert abs(splits.count("test") - test * len(patients)) <= 1
    assert abs(splits.count("holdout") - holdout * len(patients)) <= 1


def test_another_seed_gives_another_split():
    patients = dict.fromkeys(map(str, range(50)), "")
    assert split_patients(patients, seed=0) != split_patients(patients, seed=1)


def test_the_split_of_a_seed_never_changes_between_releases():
    splits = split_patients(dict.fromkeys(map(str, range(10)), ""), seed=0)
    assert {name: sorted(p for p in splits if splits[p] == name) for name in ("test", "holdout")} == FROZEN


@pytest.mark.parametrize(("holdout", "test"), [(-0.1, 0.2), (0.5, 0.5), (0, 1), (float("nan"), 0.1)])
def test_fractions_that_leave_no_train_are_an_error(holdout, test):
    with pytest.raises(ConfigError, match="together below 1"):
        split_patients({"a": ""}, holdout=holdout, test=test)


def test_a_share_that_was_asked_for_is_taken_out_of_the_declared_training_half():
    declared = {f"p{number}": "train" if number < 20 else "test" for number in range(40)}
    assert split_patients(declared, holdout=0.2) == declared
    splits = split_patients(declared, holdout=0.2, from_train=["holdout", "test"])
    assert [splits[name] for name in declared if declared[name] == "test"] == ["test"] * 20
    assert list(splits.values()).count("holdout") == 4 and list(splits.values()).count("train") == 16


def test_a_declared_holdout_is_kept_and_none_added_to_it():
    declared = {"a": "holdout", **{f"p{number}": "train" for number in range(20)}}
    splits = split_patients(declared, holdout=0.2, test=0.1, from_train=["holdout"])
    assert splits == declared


@given(PATIENTS, FRACTIONS, st.integers(0, 5))
def test_what_is_taken_out_of_train_leaves_the_others_where_they_were(declared, fractions, seed):
    options = {"holdout": fractions[0], "test": fractions[1], "seed": seed}
    before, after = split_patients(declared, **options), split_patients(declared, **options, from_train=["holdout"])
    assert all(declared[name] == "train" and after[name] == "holdout" for name in before if before[name] != after[name])
    assert "train" in after.values() or "train" not in before.values()

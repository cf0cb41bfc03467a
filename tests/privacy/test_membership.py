import numpy as np
import pytest
from privacy.conftest import look

from synthmed.errors import DataError
from synthmed.privacy.membership import calibrated, infer, known_attacks, read_scores


def told(inside, outside, patients=None):
    scores = np.r_[inside, outside].astype(float)
    members = np.r_[np.ones(len(inside), bool), np.zeros(len(outside), bool)]
    patients = np.arange(len(scores)) if patients is None else patients
    return infer("toy", scores, patients, members, np.random.default_rng(0))


def test_perfect_and_useless_attacks_have_the_known_numbers(rng):
    perfect = told(np.arange(100, 200), np.arange(100))
    assert (perfect.auc, perfect.low, perfect.high) == (1, 1, 1) and perfect.p_value < 1e-20
    assert perfect.rates[0].found == 100
    useless = told(rng.normal(size=400), rng.normal(size=400))
    assert useless.low < 0.5 < useless.high and useless.p_value > 0.01
    assert told([1, 1], [1, 1]).auc == 0.5


def test_a_low_rate_says_how_many_non_members_it_needs(rng):
    few = told([9.0, 0.5], np.linspace(0, 1, 48))
    assert few.rates[1].found == 1
    assert "needs 1000 non-members; there are 48" in few.rates[1].sentence
    many = told(np.linspace(0, 2, 1000), np.linspace(0, 1, 1000))
    assert "10 of 1000 non-members" in many.rates[0].sentence
    assert many.rates[0].found == pytest.approx(505, abs=3)


def test_patients_count_not_images():
    """A hundred images of one patient are one member."""
    patients = np.r_[np.zeros(100, int), np.arange(1, 21)]
    found = told(np.ones(100), np.zeros(20), patients)
    assert (len(found.members), len(found.others)) == (1, 20)
    assert found.p_value > 0.04


def test_copies_give_members_away_and_clean_images_do_not(sides, looked):
    clean = looked[2]
    both = np.concatenate([sides[0][0], sides[1][0]])
    members = np.arange(100) < 60
    noisy = np.clip(sides[0][0].astype(int) + np.random.default_rng(0).integers(-9, 10, sides[0][0].shape), 0, 255)
    for synthetic, low, high in ((look(noisy.astype(np.uint8)), 0.85, 1), (clean, 0.3, 0.7)):
        for name, scores in known_attacks(look(both), synthetic).items():
            found = infer(name, scores, np.arange(100), members, np.random.default_rng(0))
            assert low <= found.auc <= high, name


def test_calibration_takes_out_what_is_hard_for_anyone(rng):
    hardness = rng.uniform(0, 10, 200)
    members = np.arange(200) < 100
    images = np.zeros((200, 1, 4, 4), np.uint8)
    attack = calibrated(lambda _: hardness - 0.5 * members, lambda _: hardness)
    plain = calibrated(lambda _: hardness - 0.5 * members)
    aucs = [infer("x", one(images), np.arange(200), members, rng).auc for one in (attack, plain)]
    assert aucs[0] == 1 and aucs[1] < 0.7


def test_scores_from_elsewhere_are_read_by_id_and_checked(tmp_path):
    file = tmp_path / "scores.csv"
    file.write_text("id,white box\nb,2\na,1\nc,3\n")
    assert read_scores(file, ["a", "b"])["white box"].tolist() == [1, 2]
    with pytest.raises(DataError, match="no score for image d"):
        read_scores(file, ["a", "d"])
    file.write_text("id,white box\na,nan\n")
    with pytest.raises(DataError, match="not all finite"):
        read_scores(file, ["a"])
    file.write_text("id,white box\na,high\n")
    with pytest.raises(DataError, match="no number"):
        read_scores(file, ["a"])
    file.write_text("name\na\n")
    with pytest.raises(DataError, match="not a table of scores"):
        read_scores(file, ["a"])
    with pytest.raises(DataError, match="expected one finite number each"):
        infer("x", np.zeros(3), np.arange(4), np.arange(4) < 2, np.random.default_rng(0))

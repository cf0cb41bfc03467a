"""One reader at a time, agreement, equivalence, scores: results known by hand, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from synthmed.errors import ConfigError, DataError
from synthmed.reading.analysis import agreement, binormal, roc, scores, spots
from synthmed.reading.analysis.detection import detect
from synthmed.reading.analysis.equivalence import equivalence, sample_size
from synthmed.reading.analysis.exports import as_csv, as_imrmc
from synthmed.reading.analysis.observer import course
from synthmed.reading.analysis.table import ReaderTable, read_table


def answers(hits, positives, alarms, negatives):
    truth = np.repeat([1, 0], [positives, negatives])
    said = np.concatenate([np.arange(positives) < hits, np.arange(negatives) < alarms]).astype(int)
    return truth, said


def test_d_prime_of_the_published_reader_tests():
    """Haarburger 2019: 73.3 % of real and 75.0 % of synthetic images right is d' 1.30; 76.7 % is 1.35."""
    assert detect(*answers(90, 120, 64, 240)).d_prime == pytest.approx(1.30, abs=0.02)
    assert detect(*answers(92, 120, 64, 240)).d_prime == pytest.approx(1.35, abs=0.02)


def test_fifty_images_of_each_kind_leave_half_a_unit_open():
    found = detect(*answers(25, 50, 25, 50))
    assert found.d_prime == 0 and (found.d_high - found.d_low) / 2 == pytest.approx(0.49, abs=0.01)


def test_the_paradigm_decides_the_formula():
    truth, said = answers(38, 50, 12, 50)
    one, two = detect(truth, said, "yes_no"), detect(truth, said, "two_alternative")
    assert two.d_prime == pytest.approx(np.sqrt(2) * stats.norm.ppf(76.5 / 101))
    assert one.d_prime == pytest.approx(2 * stats.norm.ppf(38.5 / 51))
    assert one.criterion == pytest.approx(0)


def test_a_perfect_reader_has_a_finite_d_prime_and_a_cautious_one_a_positive_criterion():
    assert 3 < detect(*answers(30, 30, 0, 30)).d_prime < 6
    assert detect(*answers(10, 30, 1, 30)).criterion > 0.5


def test_one_kind_of_case_is_refused():
    with pytest.raises(DataError, match="needs both"):
        detect(np.ones(4), np.ones(4))
    with pytest.raises(DataError, match="needs both"):
        roc.area(np.zeros(4), np.ones(4))


@pytest.mark.parametrize("d", [0.0, 1.0])
def test_intervals_of_d_prime_hold_in_95_of_100_readers(d):
    rng, kept = np.random.default_rng(1), 0
    truth = np.repeat([1, 0], 60)
    for _ in range(400):
        said = rng.normal(size=120) + d * (truth - 0.5) > 0.2
        found = detect(truth, said)
        kept += found.d_low <= d <= found.d_high
    assert 0.93 <= kept / 400 <= 0.985


def test_delong_intervals_hold_in_95_of_100_readers():
    rng, kept, truth = np.random.default_rng(2), 0, np.repeat([1, 0], 40)
    true = stats.norm.cdf(1 / np.sqrt(2))
    for _ in range(400):
        found = roc.delong(truth, rng.normal(size=80) + truth)
        kept += found.low <= true <= found.high
    assert 0.92 <= kept / 400 <= 0.98


def test_an_area_without_variance_gets_an_exact_interval():
    truth = np.repeat([1, 0], 20)
    perfect = roc.delong(truth, truth.astype(float))
    assert perfect.value == perfect.high == 1 and perfect.low == pytest.approx(0.025 ** (1 / 20))
    assert roc.delong(truth, np.ones(40)).value == 0.5


def test_placements_are_those_counted_one_by_one(rng):
    positive, negative = rng.integers(1, 6, 17).astype(float), rng.integers(1, 6, 23).astype(float)
    above, below = roc.placements(positive, negative)
    pairs = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    assert above == pytest.approx(pairs.mean(1)) and below == pytest.approx(pairs.mean(0))


def test_the_binormal_fit_finds_the_curve_that_made_the_ratings():
    rng = np.random.default_rng(3)
    truth = np.repeat([1, 0], 4000)
    x = np.where(truth == 1, rng.normal(1.5, 1 / 0.7, 8000), rng.normal(size=8000))
    for cuts in ([-0.5, 0.3, 0.9, 1.6], np.linspace(-3, 4, 400)):
        found = binormal.fit(truth, np.digitize(x, cuts).astype(float))
        assert (found.a, found.b) == pytest.approx((1.5 * 0.7, 0.7), abs=0.06)
        assert found.area == pytest.approx(stats.norm.cdf(1.05 / np.sqrt(1.49)), abs=3 * found.standard_error)


@pytest.mark.parametrize("rating", [[1, 1, 1, 5, 5, 5], [1, 1, 2, 2, 1, 2]])
def test_a_degenerate_binormal_fit_says_so(rating):
    assert binormal.fit(np.array([0, 0, 0, 1, 1, 1]), np.array(rating, float)).trouble.endswith(".")


def simulated_course(rng, d, c, drift, lapse, n=100, checks=24):
    truth = rng.permutation(np.repeat([0, 1], n))
    place = np.linspace(-0.5, 0.5, 2 * n)
    said = rng.normal(size=2 * n) + (d + drift * place) * (truth - 0.5) > c
    said = np.where(rng.random(2 * n) < lapse, rng.random(2 * n) < 0.5, said)
    return truth, said, (checks, int((rng.random(checks) < lapse / 2).sum()))


def test_d_prime_bias_drift_and_lapses_are_recovered_together_in_95_of_100_readers():
    rng, true, kept = np.random.default_rng(4), (1.2, 0.3, 0.8, 0.08), 0
    for _ in range(40):
        found = course(*simulated_course(rng, *true))
        estimates = (found.d_prime, found.criterion, found.drift, found.lapse)
        kept += all(one.low <= value <= one.high for one, value in zip(estimates, true, strict=True))
    assert kept >= 34  # of 40 at 95 %: fewer than 34 in one of 300 tests


def test_without_attention_checks_lapses_are_not_estimated():
    truth, said, _ = simulated_course(np.random.default_rng(0), 1, 0, 0, 0)
    found = course(truth, said)
    assert found.lapse is None and found.d_prime.low < found.d_prime.value < found.d_prime.high


def test_simple_matching_and_kappa_by_hand():
    """Cohen 1960 in the form of a 2 x 2 table: 20, 5, 10, 15."""
    first = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    second = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    found = agreement.cohen(first, second)
    assert (found.matching, round(found.kappa, 10)) == (0.7, 0.4)
    assert found.kappa_low == pytest.approx(0.4 - 1.96 * 0.1271, abs=2e-3)
    assert np.isnan(agreement.cohen(np.ones(4), np.ones(4)).kappa)


def test_fleiss_kappa_of_the_published_example():
    """Fleiss 1971 as often reprinted: 10 cases, 14 raters, 5 categories, kappa 0.210."""
    table = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
             [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]  # fmt: skip
    found = agreement.fleiss(np.array([np.repeat(range(5), counts) for counts in table]))
    assert round(found.kappa, 3) == 0.210
    assert found.kappa_low < 0.21 < found.kappa_high


def test_fleiss_of_two_readers_is_near_cohen(rng):
    both = rng.integers(0, 2, (400, 1)) ^ (rng.random((400, 2)) < 0.2)
    assert agreement.fleiss(both).kappa == pytest.approx(agreement.cohen(*both.T).kappa, abs=0.01)


def test_equivalence_is_shown_only_inside_the_margin():
    assert equivalence(0.02, 0.1, 0.3).equivalent
    few = equivalence(0.02, 0.25, 0.3)
    assert not few.equivalent and not few.different
    far = equivalence(1.0, 0.1, 0.3)
    assert far.different and far.worse and not far.equivalent
    shown = equivalence(0.1, 0.1, 0.3)
    assert (shown.low > -0.3 and shown.high < 0.3) == shown.equivalent
    with pytest.raises(ConfigError, match="above 0"):
        equivalence(0, 0.1, 0)


def test_equivalence_is_wrong_in_5_of_100_studies_at_the_margin():
    rng = np.random.default_rng(0)
    wrong = [equivalence(x, 0.1, 0.3).equivalent for x in rng.normal(0.3, 0.1, 4000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("images, half", [(50, 0.49), (100, 0.35), (200, 0.25), (500, 0.155), (1000, 0.11)])
def test_the_half_width_of_d_prime_for_a_number_of_images(images, half):
    assert sample_size(images).one_reader == pytest.approx(half, abs=0.006)


def test_readers_help_less_the_more_they_share():
    assert sample_size(50, 4, correlation=1).all_readers == pytest.approx(sample_size(50).one_reader)
    assert sample_size(50, 4, correlation=0).all_readers == pytest.approx(sample_size(50).one_reader / 2)
    assert sample_size(50, margin=0.3).power < 0.2 < 0.9 < sample_size(2000, margin=0.3).power
    rng = np.random.default_rng(0)
    areas = [roc.area(np.repeat([1, 0], 40), rng.normal(size=80)) for _ in range(2000)]
    assert 1.96 * np.std(areas) == pytest.approx(sample_size(40, measure="auc").one_reader, rel=0.05)
    with pytest.raises(ConfigError, match="expected 2 images"):
        sample_size(1)


def scored(rng, paired):
    means, rows = {"real": 3.8, "with": 2.4, "without": 1.3}, []
    for name, mean in means.items():
        for case in range(30):
            for reader in ("a", "b"):
                score = int(np.clip(round(rng.normal(mean, 0.8)), 1, 5))
                case_name = f"{case}" if paired else f"{name} {case}"
                rows.append({"reader": reader, "case": case_name, "modality": name, "truth": 0, "rating": score})
    return ReaderTable.of(rows).cube()


@pytest.mark.parametrize("paired", [True, False])
def test_methods_are_compared_in_pairs_where_they_share_masks(rng, paired):
    cube = scored(rng, paired)
    found = scores.mean_scores(cube, (1, 2, 3, 4, 5), rng)
    assert [round(one.mean) for one in found] == [4, 2, 1] and all(one.low < one.mean < one.high for one in found)
    assert all(sum(one.shares) == pytest.approx(1) for one in found)
    tests = scores.compare_scores(cube)
    assert {one.test.split()[0] for one in tests} == {"paired" if paired else "unpaired"}
    assert all(one.p_adjusted < 0.01 and one.p_adjusted >= one.p for one in tests)


def test_a_target_that_was_not_found_ranks_last():
    truth, rating, located = np.array([1, 1, 0, 0]), np.array([5.0, 5, 4, 1]), np.array([1, 0, 0, 0])
    assert spots.lroc_area(truth, rating, located) == 0.5
    assert spots.lroc_area(truth, rating, np.array([1, 1, 0, 0])) == roc.area(truth, rating) == 1


ROWS = [{"reader": "a", "case": str(k), "modality": "m", "truth": k % 2, "rating": k} for k in range(4)]
WRONG = {
    "a second rating": (ROWS[:1] * 2, "two ratings of reader a"),
    "a case with two truths": ([*ROWS, {**ROWS[0], "reader": "b", "truth": 1}], "one truth for a"),
    "a truth of another kind": ([{**ROWS[0], "truth": "yes"}], "truth is 'yes'"),
    "a rating that is none": ([{**ROWS[0], "rating": "high"}], "rating is 'high'"),
    "a rating that is missing": ([{**ROWS[0], "rating": ""}], "rating is empty"),
    "a rating that is infinite": ([{**ROWS[0], "rating": "inf"}], "rating is 'inf'"),
    "nothing": ([], "holds no reading"),
}


@pytest.mark.parametrize("rows, told", WRONG.values(), ids=WRONG)
def test_a_wrong_table_is_refused_with_a_sentence(rows, told):
    with pytest.raises(DataError, match=told):
        ReaderTable.of(rows)


def test_a_table_is_read_as_it_was_written(tmp_path):
    table = ReaderTable.of(ROWS)
    (tmp_path / "t.csv").write_text(as_csv(table))
    again = read_table(tmp_path / "t.csv")
    assert again.case == table.case and again.rating.tolist() == table.rating.tolist()
    (tmp_path / "wrong.csv").write_text("reader,case,modality,truth,ratings\n")
    with pytest.raises(DataError, match="did you mean 'ratings'"):
        read_table(tmp_path / "wrong.csv")


def test_the_imrmc_file_has_a_truth_of_every_case_and_every_reading():
    lines = as_imrmc(ReaderTable.of(ROWS), "a study").splitlines()
    start = lines.index("BEGIN DATA:")
    assert lines[1:start] == ["NR: 1", "N0: 2", "N1: 2", "NM: 1"]
    assert lines[start + 1 :] == [*(f"truth,{k},truth,{k % 2}" for k in range(4)), *(f"a,{k},m,{k}" for k in range(4))]

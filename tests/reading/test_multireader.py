"""Several readers and cases: golden numbers of trusted packages, and two analyses that must agree."""

from pathlib import Path

import numpy as np
import pytest

from synthmed.errors import ConfigError, DataError
from synthmed.reading.analysis import binormal, roc
from synthmed.reading.analysis.detection import d_prime
from synthmed.reading.analysis.obuchowski_rockette import obuchowski_rockette
from synthmed.reading.analysis.table import ReaderTable, read_table
from synthmed.reading.analysis.u_statistics import one_shot, t_test

VAN_DYKE = Path(__file__).parents[3] / "shared" / "data" / "readers" / "van_dyke.csv"
needs_van_dyke = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not VAN_DYKE.is_file(), reason=f"{VAN_DYKE.name} is not there: shared/data is missing"),
]
AREAS = [
    [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066],
    [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169],
]
GOLDEN = {
    "jackknife": (0.03317360, 0.02156637, 0.02075, 15.26, 0.0517),
    "delong": (0.03307642, 0.02150464, 0.0206825, 15.06611, 0.05123303),
    "unbiased": (0.0330712, 0.0214912, 0.02067154, 15.03418, 0.0511618),
}


def simulated(rng, modalities=2, readers=4, positives=18, negatives=15, shift=1.0):
    """A crossed table of ratings 1 to 5 with reader and case effects."""
    rows, truth = [], [1] * positives + [0] * negatives
    cases = rng.normal(0, 0.6, (modalities, len(truth)))
    for m in range(modalities):
        for r in range(readers):
            bias = rng.normal(0, 0.3)
            for c, true in enumerate(truth):
                x = shift * true + cases[m, c] + bias + rng.normal(0, 0.7)
                rows.append({"reader": f"r{r}", "case": f"c{c}", "modality": f"m{m}", "truth": true,
                             "rating": int(np.clip(round(x * 1.2 + 3), 1, 5))})  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def van_dyke():
    return read_table(VAN_DYKE)


class TestVanDyke:
    pytestmark = needs_van_dyke

    def test_the_ten_areas_to_eight_digits(self, van_dyke):
        found = [[roc.area(part.truth, part.rating) for r in "12345" for part in [van_dyke.one(modality=m, reader=r)]]
                 for m in "12"]  # fmt: skip
        assert np.abs(np.array(found) - AREAS).max() < 5e-9
        assert np.mean(found, 1).round(8).tolist() == [0.89703704, 0.94083736]

    @pytest.mark.parametrize("covariance", GOLDEN)
    def test_standard_errors_degrees_of_freedom_and_p(self, van_dyke, covariance):
        found = obuchowski_rockette(van_dyke.cube(), covariance)
        one, other, gap, df, p = GOLDEN[covariance]
        assert [e.standard_error for e in found.modalities] == pytest.approx([one, other], abs=6e-8)
        (difference,) = found.differences
        assert difference.standard_error == pytest.approx(gap, abs=6e-8 if covariance != "jackknife" else 5e-6)
        assert difference.df == pytest.approx(df, abs=6e-6 if covariance != "jackknife" else 5e-3)
        assert difference.p == pytest.approx(p, abs=6e-8 if covariance != "jackknife" else 5e-5)
        assert found.both_random.p == pytest.approx(difference.p, abs=1e-12)
        assert not found.notes

    def test_the_jackknife_with_fixed_readers(self, van_dyke):
        test = obuchowski_rockette(van_dyke.cube(), "jackknife").readers_fixed
        assert (round(test.statistic, 5), round(test.p, 4)) == (5.47595, 0.0193)

    def test_the_one_shot_statistic_is_the_unbiased_row(self, van_dyke):
        cube = van_dyke.cube()
        found, other = one_shot(cube), obuchowski_rockette(cube, "unbiased")
        assert found.covariance[[0, 1, 0], [0, 1, 1]] == pytest.approx(
            [0.00109370449, 0.000461871591, 0.000564131782], rel=2e-9
        )
        assert [found.standard_error(m) for m in (0, 1)] == pytest.approx([0.0330712033, 0.021491198], abs=5e-11)
        gap, error = found.difference(0, 1)
        assert error == pytest.approx(0.0206715388, abs=5e-11)
        assert found.degrees[0, 1] == pytest.approx(15.03418, abs=6e-6)
        assert t_test(gap, error, found.degrees[0, 1]) == pytest.approx(other.differences[0].p, abs=1e-10)

    def test_all_readers_in_one(self, van_dyke):
        """The published pooled numbers are over both modalities and all readers."""
        assert roc.area(van_dyke.truth, van_dyke.rating) == pytest.approx(0.9229791, abs=5e-8)
        called = van_dyke.rating >= 3
        assert called[van_dyke.truth == 1].mean() == pytest.approx(0.8711111, abs=5e-8)
        assert (~called)[van_dyke.truth == 0].mean() == pytest.approx(0.8478261, abs=5e-8)

    def test_the_binormal_curve_of_the_first_reader(self, van_dyke):
        part = van_dyke.one(modality="1", reader="1")
        found = binormal.fit(part.truth, part.rating)
        assert (round(found.a, 2), round(found.b, 3)) == (1.70, 0.537)
        assert found.area == pytest.approx(0.93316085, abs=1e-7)
        assert not found.trouble


def test_both_analyses_agree_on_crossed_data(rng):
    for _ in range(5):
        cube = ReaderTable.of(simulated(rng)).cube()
        found, other = obuchowski_rockette(cube, "unbiased"), one_shot(cube)
        if found.notes or other.notes:
            continue
        assert [e.standard_error for e in found.modalities] == pytest.approx(
            [other.standard_error(m) for m in (0, 1)], rel=1e-9
        )
        assert found.differences[0].standard_error == pytest.approx(other.difference(0, 1)[1], rel=1e-9)
        assert found.differences[0].df == pytest.approx(other.degrees[0, 1], rel=1e-9)


def test_the_three_covariances_are_near_each_other(rng):
    cube = ReaderTable.of(simulated(rng, positives=60, negatives=60)).cube()
    errors = [obuchowski_rockette(cube, how).differences[0].standard_error for how in GOLDEN]
    assert max(errors) / min(errors) < 1.05


def test_the_order_of_rows_changes_nothing(rng):
    rows = simulated(rng)
    shuffled = [rows[k] for k in rng.permutation(len(rows))]
    one = obuchowski_rockette(ReaderTable.of(rows).cube(), "delong").differences[0]
    other = obuchowski_rockette(ReaderTable.of(shuffled).cube(), "delong").differences[0]
    assert (one.standard_error, abs(one.value)) == pytest.approx((other.standard_error, abs(other.value)), rel=1e-10)


def test_the_variance_over_readers_and_cases_is_that_of_new_studies():
    """The mean of the estimated variance is the variance of the areas over simulated studies."""
    numbers = np.random.default_rng(5)
    areas, estimates = [], []
    for _ in range(300):
        found = one_shot(ReaderTable.of(simulated(numbers, modalities=1)).cube())
        areas.append(found.areas[0])
        estimates.append(found.covariance[0, 0])
    assert np.mean(estimates) / np.var(areas, ddof=1) == pytest.approx(1, abs=0.2)


def test_uncrossed_cases_vary_apart():
    """Cases of their own in each modality: nothing is shared but the readers."""
    numbers = np.random.default_rng(6)
    gaps, estimates = [], []
    for _ in range(200):
        rows = [{**row, "case": f"{row['modality']} {row['case']}"} for row in simulated(numbers)]
        cube = ReaderTable.of(rows).cube()
        assert not cube.crossed and cube.readers_crossed
        gap, error = one_shot(cube).difference(0, 1)
        gaps.append(gap)
        estimates.append(error**2)
    assert np.mean(estimates) / np.var(gaps, ddof=1) == pytest.approx(1, abs=0.25)
    found = obuchowski_rockette(cube, "delong")
    assert found.cov1 == found.cov3 == 0


def test_a_reader_with_missing_cases_is_analysed_and_told(rng):
    rows = simulated(rng)
    del rows[3], rows[10]
    table = ReaderTable.of(rows)
    assert len(table.missing()) == 1 and "Reader r0 has no rating for 2 of 33 cases of m0" in table.missing()[0]
    found = one_shot(table.cube())
    assert found.standard_error(0) > 0
    assert obuchowski_rockette(table.cube(), "unbiased").differences[0].standard_error > 0


def test_readers_of_one_modality_only_need_the_one_shot_analysis(rng):
    rows = [row for row in simulated(rng) if (row["reader"] in ("r0", "r1")) == (row["modality"] == "m0")]
    cube = ReaderTable.of(rows).cube()
    with pytest.raises(DataError, match="one-shot"):
        obuchowski_rockette(cube)
    assert one_shot(cube).difference(0, 1)[1] > 0


def test_one_reader_holds_for_this_reader_alone(rng):
    cube = ReaderTable.of(simulated(rng, modalities=1, readers=1)).cube()
    found, (mean,) = one_shot(cube), obuchowski_rockette(cube, "unbiased").modalities
    assert not found.readers_random and "one reader" in found.notes[0]
    assert found.standard_error(0) == pytest.approx(mean.standard_error, rel=1e-9)


def test_a_negative_variance_is_replaced_and_told():
    """Two readers whose ratings cancel each other: the unbiased variance of their mean is negative."""
    rows = []
    for case in range(12):
        true = case % 2
        for reader, sign in (("a", 1), ("b", -1)):
            rating = 3 + sign * ((case // 2) % 3 - 1) + 0.1 * true
            rows.append({"reader": reader, "case": str(case), "modality": "m", "truth": true, "rating": rating})
    found = one_shot(ReaderTable.of(rows).cube())
    assert found.biased[0, 0] and "not positive" in found.notes[0]
    assert found.covariance[0, 0] >= 0


def test_another_figure_of_merit_needs_the_jackknife(rng):
    rows = [{**row, "rating": row["rating"] > 3} for row in simulated(rng)]
    cube = ReaderTable.of([{**row, "rating": int(row["rating"])} for row in rows]).cube()
    assert obuchowski_rockette(cube, "jackknife", figure=d_prime).differences[0].standard_error > 0
    with pytest.raises(ConfigError, match="jackknife"):
        obuchowski_rockette(cube, "delong", figure=d_prime)
    with pytest.raises(ConfigError, match="did you mean 'jackknife'"):
        obuchowski_rockette(cube, "jacknife")

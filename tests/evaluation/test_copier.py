"""The copier: training images bent until they fit masks, what it scores, and which metrics tell it from patients."""

import dataclasses
import json

import numpy as np
import pytest

from synthmed.errors import ArtifactError
from synthmed.evaluation._control import Control, sentence, told_apart, told_from_real
from synthmed.evaluation.copier import bent, copier_of, fitting
from synthmed.evaluation.report import evaluate


def test_an_outline_is_carried_into_another_and_the_image_with_it():
    rows, columns = np.mgrid[:64, :48]
    one = np.hypot(rows - 30, columns - 20) < 14
    other = np.hypot((rows - 34) / 1.3, columns - 26) < 12
    image = np.where(one, 100 + rows, 0)[None].astype(np.uint8)
    made = bent(image, fitting(one, other))[0] > 60
    assert 2 * (made & other).sum() / (made.sum() + other.sum()) > 0.97


def test_it_copies_other_patients_under_masks_of_the_test_split_and_is_made_once(make_dataset, tmp_path):
    real = make_dataset(train=6, test=3)
    made = copier_of(real, tmp_path / "kept")
    assert len(made) == 9 and made.has_masks and {sample.lineage for sample in made.samples} == {"bent_from_real"}
    assert [sample.mask_from for sample in made.samples[:3]] == [f"test/{row.id}" for row in real.split("test").rows]
    assert {sample.style_from.partition("/")[0] for sample in made.samples} == {"train"}
    under_one = [sample.style_from for sample in made.samples if sample.mask_from == made.samples[0].mask_from]
    assert len(set(under_one)) == 3
    np.testing.assert_array_equal(made.masks()[:3], real.split("test").masks())
    found = made.images()[:, 0] > 100
    dice = 2 * (found & (made.masks() > 0)).sum((1, 2)) / (found.sum((1, 2)) + (made.masks() > 0).sum((1, 2)))
    assert dice.min() > 0.9
    before = (made.path / "samples.csv").stat().st_mtime_ns
    assert copier_of(real, tmp_path / "kept").digest == made.digest
    assert (made.path / "samples.csv").stat().st_mtime_ns == before


def test_without_masks_training_images_are_bent(make_dataset, tmp_path):
    real = make_dataset(train=5, test=0, mask_source="none")
    made = copier_of(real, tmp_path / "kept")
    assert len(made) == 5 and not made.has_masks
    assert (made.images() != real.images()).any((1, 2, 3)).all()


def test_the_report_shows_the_copier_and_keeps_what_it_found(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=8, test=6)
    synthetic = make_samples(real.split("test").images())
    asked = {"metrics": ["one_nn", "kernel_distance"], "settings": {"one_nn": {"draws": 10}}}
    report = evaluate(synthetic.path, real.path, tmp_path / "report", **asked)
    said = json.loads((report.path / "report.json").read_text())["copier"]
    assert set(said["measurements"]) == {"one_nn", "kernel_distance"} and not said["reason"]
    assert said["measurements"]["one_nn"]["told_from_real"] in (True, False)
    assert set(said["measurements"]["one_nn"]["told_from"]) == {"synthetic"}
    assert "distinguished from real" in (report.path / "report.html").read_text()
    assert "A copier, which bends training images" in report.verdict
    (kept,) = (tmp_path / "features").glob("copier-one_nn-*.json")
    before = kept.stat().st_mtime_ns
    again = evaluate(synthetic.path, real.path, tmp_path / "again", **asked)
    assert kept.stat().st_mtime_ns == before and again.verdict == report.verdict
    kept.write_text(kept.read_text().replace('"value": 0', '"value": 1'))
    with pytest.raises(ArtifactError, match="Remove it"):
        evaluate(synthetic.path, real.path, tmp_path / "third", **asked)


def test_a_set_without_training_images_has_no_copier_and_says_so(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=1, test=6)
    report = evaluate(make_samples(real.images()).path, real.path, tmp_path / "report", metrics=["histogram_kl"],
                      reference="test")  # fmt: skip
    assert "fewer than 2 training images" in report.control.reason
    assert "There is no copier" in (report.path / "report.html").read_text()


def test_what_tells_a_copier_is_told_by_intervals(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=8, test=6)
    report = evaluate(make_samples(real.split("test").images()).path, real.path, tmp_path / "report",
                      metrics=["kernel_distance"])  # fmt: skip
    one = dataclasses.replace(report["kernel_distance"], floor_low=1.0, floor_high=2.0, matched=1.5, matched_low=1.2,
                              matched_high=1.7, matched_n=4)  # fmt: skip
    better = dataclasses.replace(one, matched=0.5, matched_low=0.2, matched_high=0.7)
    assert told_from_real(one) is False and told_from_real(better) is True
    assert told_from_real(dataclasses.replace(one, matched=None)) is None
    assert told_apart(one, better) is True and told_apart(one, one) is False
    assert "passes for real patients in 1 of 1" in sentence(Control(measurements=(one,)))
    assert "is distinguished from real patients" in sentence(Control(measurements=(better,)))
    assert sentence(Control(reason="none")) == ""

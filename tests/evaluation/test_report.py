import json
import re

import numpy as np
import pytest

from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.evaluation._contract import known_metrics
from synthmed.evaluation.report import evaluate

TINY = {"usefulness": {"segmenter": {"width": 4, "crop": 0}}}


def test_metrics_are_found_by_their_files():
    assert known_metrics() == ["histogram_kl", "nearest_mask", "usefulness"]


@pytest.fixture
def both(make_dataset, make_samples, tmp_path):
    real = make_dataset(channels=3)
    train = real.split("train")
    synthetic = make_samples(train.images()[::-1], train.masks()[::-1], trained_on=real)
    return synthetic.path, real.path, tmp_path / "report"


def test_a_report_is_complete_in_itself(both):
    heard = []
    report = evaluate(*both, seeds=2, steps=2, settings=TINY, progress=lambda *what: heard.append(what))
    html = (report.path / "report.html").read_text()
    data = json.loads((report.path / "report.json").read_text())
    # Nothing is loaded from anywhere: every address is the picture itself.
    loads = re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']([^"']*)|url\(([^)]*)\)|@import""", html)
    assert all(re.match(r"data:|#|$", (first or second).strip("\"'")) for first, second in loads)
    assert not re.search(r"""["'(]\s*(?:https?:)?//(?!www\.w3\.org)""", html)
    assert "<script" not in html
    assert report.verdict.split(".")[0] in html
    assert set(data["measurements"]) == {"histogram_kl", "nearest_mask", "usefulness"}
    assert data["measurements"]["usefulness"]["value"] == report["usefulness"].value
    assert data["proof"]["shown"] and report.proof.shown
    assert (2, 2, "usefulness: real, seed 1") in heard
    assert not list(report.path.parent.glob("*unfinished*"))
    assert "real patients" in html


def test_the_same_command_gives_the_same_bytes(both):
    synthetic, real, out = both
    contents = []
    for name in ("a", "b"):
        report = evaluate(synthetic, real, out / name / "report", metrics=["histogram_kl", "nearest_mask"])
        contents.append([(report.path / file).read_bytes() for file in ("report.json", "report.html")])
    assert contents[0] == contents[1]


def test_names_with_markup_stay_text(make_dataset, make_samples, tmp_path):
    real = make_dataset("<b>real<b>")
    synthetic = make_samples(real.images(), name="<img src=x>")
    report = evaluate(synthetic.path, real.path, tmp_path / "report", metrics=["histogram_kl"])
    html = (report.path / "report.html").read_text()
    assert "<img src=x>" not in html and "<b>real" not in html


def test_without_masks_the_report_says_what_was_not_measured(make_dataset, make_samples, tmp_path):
    real = make_dataset()
    synthetic = make_samples(real.images())
    report = evaluate(synthetic.path, real.path, tmp_path / "report")
    assert set(report.skipped) == {"nearest_mask", "usefulness"}
    assert "usefulness was not measured" in (report.path / "report.html").read_text()
    with pytest.raises(DataError, match="no masks"):
        evaluate(synthetic.path, real.path, tmp_path / "other", metrics=["usefulness"])


def test_images_of_another_kind_are_refused_and_never_resized(make_dataset, make_samples, tmp_path):
    real = make_dataset()
    small = make_samples(real.images()[..., :16, :16], name="small")
    deep = make_samples(real.images().astype(np.uint16), name="deep")
    for synthetic in (small, deep):
        with pytest.raises(DataError, match="Nothing is resized"):
            evaluate(synthetic.path, real.path, tmp_path / "report")


def test_unknown_names_are_errors_that_list_the_known_ones(both):
    with pytest.raises(ConfigError, match="histogram_kl, nearest_mask, usefulness"):
        evaluate(*both, metrics=["fid"])
    with pytest.raises(ConfigError, match=r"histogram_kl\.bin .*bins, direction"):
        evaluate(*both, settings={"histogram_kl": {"bin": 3}})
    with pytest.raises(ConfigError, match="not among"):
        evaluate(*both, metrics=["histogram_kl"], settings={"nearest_mask": {"shown": 3}})


def test_an_old_report_is_never_overwritten(both):
    both[2].mkdir()
    (both[2] / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="already exists"):
        evaluate(*both)

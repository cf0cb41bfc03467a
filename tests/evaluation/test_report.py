import json
import re

import numpy as np
import pytest

from synthmed.errors import ArtifactError, ConfigError, DataError
from synthmed.evaluation._contract import known_metrics
from synthmed.evaluation._page import ORDER
from synthmed.evaluation.report import chosen_metrics, evaluate

OTHERS = (
    "usefulness",
    "class_usefulness",
    "ms_ssim",
    "histogram_kl",
    "nearest_mask",
    "mask_fidelity",
    "mask_dependence",
    "style_transfer",
)
ONE_GREY_CLASS = {"coherence", "class_usefulness", "style_transfer"}
"""What cannot be measured of images of one channel and no class."""
FEW = {name: {"draws": 10} for name in ORDER if name not in OTHERS}
TINY = {"usefulness": {"segmenter": {"width": 4, "crop": 0}}, **FEW}


def test_metrics_are_found_by_their_files():
    assert set(known_metrics()) == set(ORDER) and len(ORDER) == 19


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
    left_out = {"mask_diversity", "mask_dependence", "class_usefulness", "mask_topology", "style_transfer"}
    assert set(data["measurements"]) == set(ORDER) - left_out
    assert "several under each" in data["skipped"]["mask_diversity"]  # every mask has one image here
    for name, one in data["measurements"].items():
        assert one["n"] > 0 and one["n_real"] > 0 and one["floor"] is not None, name
        assert one["low"] <= one["high"] and one["floor_low"] <= one["floor_high"], name
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
    report = evaluate(synthetic.path, real.path, tmp_path / "report", settings=FEW)
    masks = {"mask_topology", "mask_diversity", "mask_fidelity", "mask_dependence", "nearest_mask", "usefulness"}
    assert set(report.skipped) == masks | ONE_GREY_CLASS
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
    with pytest.raises(ConfigError, match=r"histogram_kl, hotelling_observer, .*usefulness"):
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


def test_quick_is_all_that_train_no_networks():
    assert set(chosen_metrics(["quick"])) == set(ORDER) - {"usefulness", "class_usefulness"}
    assert chosen_metrics(["one_nn", "one_nn", "mmd"]) == ["one_nn", "mmd"]


def test_several_sets_stand_in_one_table(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=8, test=8)
    good = make_samples(real.split("test").images(), name="good")
    dark = make_samples(real.split("test").images() // 3, name="dark")
    metrics = ["kernel_distance", "histogram_kl"]
    report = evaluate(good.path, real.path, tmp_path / "report", metrics=metrics, compare=[dark.path])
    assert list(report.compared) == ["dark"]
    one, other = report["kernel_distance"], report.compared["dark"][0]
    assert other.name == "kernel_distance" and other.value > one.value
    assert other.floor == one.floor and other.differs and not one.differs
    data = json.loads((report.path / "report.json").read_text())
    assert data["compared"]["dark"]["kernel_distance"]["value"] == other.value
    html = (report.path / "report.html").read_text()
    assert "All sets against the same real images" in html and "--compare dark" in html


def test_pictures_of_every_set_are_shown(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=8)
    sets = [make_samples(real.split("test").images(), name=name) for name in ("first", "second", "third")]
    compare = [made.path for made in sets[1:]]
    report = evaluate(sets[0].path, real.path, tmp_path / "report", metrics=["nearest_real"], compare=compare)
    html = (report.path / "report.html").read_text()
    for name in ("first", "second", "third"):
        assert f"<h3>Synthetic: {name}</h3>" in html and html.count(f'<h3 class="set">{name}</h3>') == 2
    assert html.count("<h3>Worst: farthest from all real images</h3>") == 3 and html.count("<h3>Real</h3>") == 1


def test_the_reference_is_the_split_that_was_asked_for(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=6, test=4)
    synthetic = make_samples(real.split("test").images())
    for reference, count in (("train", 6), ("test", 4), ("all", 10)):
        out = tmp_path / reference
        report = evaluate(synthetic.path, real.path, out, metrics=["kernel_distance"], reference=reference)
        assert report["kernel_distance"].n_real == count
    with pytest.raises(ConfigError, match="train, holdout, test, or all"):
        evaluate(synthetic.path, real.path, tmp_path / "x", reference="validation")


def test_the_verdict_says_first_whether_a_difference_is_shown(make_dataset, make_samples, tmp_path):
    real = make_dataset(train=12, test=12)
    same = make_samples(real.split("test").images(), name="same")
    report = evaluate(same.path, real.path, tmp_path / "same-report", metrics=["kernel_distance", "mmd"])
    assert report.verdict.startswith("In none of 2 measures")
    dark = make_samples(real.split("test").images() // 3, name="dark")
    report = evaluate(dark.path, real.path, tmp_path / "dark-report", metrics=["kernel_distance", "mmd"])
    assert report.verdict.startswith("In 2 of 2 measures")

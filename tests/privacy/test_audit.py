import json
import re
import sys

import numpy as np
import pytest
from privacy.conftest import SIDE, dataset, population, samples

import synthmed
from synthmed import cli
from synthmed.auditing import audit
from synthmed.errors import ArtifactError, ConfigError, DataError, GateError
from synthmed.privacy.canaries import ALTERATIONS, plant
from synthmed.privacy.examination import Attacks, Settings, examine

pytestmark = pytest.mark.usefixtures("without_the_longest_search")


@pytest.fixture(scope="module")
def folders(sides, tmp_path_factory):
    """A prepared set, a clean sample set and one with three planted copies, with masks."""
    place = tmp_path_factory.mktemp("audit")
    (train, train_masks), (holdout, holdout_masks), (clean, masks) = sides
    dataset(place / "real", train, holdout, np.concatenate([train_masks, holdout_masks]))
    samples(place / "clean", clean[:60], masks[:60])
    planted, copied = clean[:60].copy(), masks[:60].copy()
    kinds = {kind: ALTERATIONS[kind] for kind in ("turned", "with noise", "re-compressed")}
    planted[:3] = plant(train, 1, kinds=kinds).images
    copied[7] = train_masks[11]
    samples(place / "planted", planted, copied)
    return place


@pytest.fixture(scope="module")
def blocked(folders):
    """The folder of a report that blocked, all spaces searched."""
    with pytest.raises(GateError, match=r"^BLOCKED\. 3 of 60 .* split train: copies .* Every flagged pair"):
        audit(folders / "planted", folders / "real", folders / "blocked", canaries=2)
    return folders / "blocked"


def test_a_blocked_release_has_its_report_all_the_same(blocked):
    told = json.loads((blocked / "report.json").read_text())
    assert told["blocked"] and told["verdict"].startswith("BLOCKED")
    shown = {pair["sample"]: pair["spaces"] for pair in told["flagged"]}
    assert set(shown) == {0, 1, 2, 7} and shown[7] == ["masks"]
    assert told["images of patients"]["train"] == {
        "images": {"images": 3, "patients": 3},
        "masks": {"images": 1, "patients": 1},
    }
    assert told["images of patients"]["holdout"]["images"]["images"] == 0
    synthmed.artifacts.verify(blocked, "audit")


def test_every_flagged_pair_is_shown_in_a_page_that_needs_nothing_else(blocked):
    page = (blocked / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 4
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page) and "<script" not in page
    assert "images/00007.png shows P0011 in masks" in page and "BLOCKED" in page


def test_a_clean_set_passes_with_its_number_and_power_and_no_certificate(folders):
    report = synthmed.audit(folders / "clean", folders / "real", folders / "passed", canaries=3)
    assert report.verdict.startswith("No evidence of copying (n = 60 synthetic images against 60 training and 40")
    assert "power = " in report.verdict and "no certificate" in report.verdict
    power = {(one.of, one.kind): one for one in report.findings.power}
    assert power["images", "turned"].found == power["images", "turned"].planted == 3
    assert power["images", "all kinds"].planted == 63 and power["images", "all kinds"].found >= 30
    assert power["masks", "all kinds"].planted == 12 and power["masks", "all kinds"].found >= 9
    assert "power for masks = " in report.verdict
    worst = [one.found / one.planted for one in report.findings.kinds("images")]
    assert worst == sorted(worst) and "of 1,000 images are copies of these kinds" in report.verdict
    assert not json.loads((folders / "passed" / "report.json").read_text())["blocked"]


def test_the_command_line_ends_with_3_if_blocked(folders, monkeypatch, capsys):
    words = ["synthmed", "audit", folders / "planted", folders / "real", folders / "by-command", "--canaries", 0]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 3
    assert "\nsynthmed: BLOCKED. 3 of 60 " in "\n" + capsys.readouterr().err
    assert (folders / "by-command" / "report.html").is_file()


def test_without_a_holdout_single_images_are_looked_for_and_the_verdict_says_so(sides, folders, tmp_path):
    dataset(tmp_path / "unsealed", sides[0][0], sides[1][0][:0])
    report = audit(folders / "clean", tmp_path / "unsealed", tmp_path / "out", canaries=1)
    assert report.verdict.startswith("No image of a known patient was found (n = 60 synthetic images against 60 real")
    assert "less than an audit" in report.verdict and "No evidence of copying" not in report.verdict
    assert "there is no holdout" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(GateError, match=r"^BLOCKED\. 3 of 60 .* of 3 patients of the split train"):
        audit(folders / "planted", tmp_path / "unsealed", tmp_path / "blocked", canaries=0)
    with pytest.raises(DataError, match=r"0 in holdout; whether it can be told who was trained on needs"):
        audit(folders / "clean", tmp_path / "unsealed", tmp_path / "x", attacks={"mine": lambda side: np.zeros(60)})
    dataset(tmp_path / "two", sides[0][0][:2], sides[1][0][:0])
    with pytest.raises(DataError, match=r"has 2 patients; .* needs at least 3"):
        audit(folders / "clean", tmp_path / "two", tmp_path / "x", canaries=0)


def test_a_plain_folder_of_real_images_will_do(sides, folders, tmp_path):
    from PIL import Image

    (tmp_path / "known" / "images").mkdir(parents=True)
    for number, image in enumerate(sides[0][0]):
        Image.fromarray(image[0]).save(tmp_path / "known" / "images" / f"{number}.png")
    with pytest.raises(GateError, match="3 of 60 synthetic images are of 3 patients"):
        audit(folders / "planted", tmp_path / "known", tmp_path / "out", canaries=0)


def test_unlike_sets_bad_settings_and_a_taken_place_are_refused(folders, tmp_path):
    samples(tmp_path / "small", population(3, 0, side=32)[0])
    samples(tmp_path / "deep", population(3, 0)[0].astype(np.uint16))
    for name in ("small", "deep"):
        with pytest.raises(DataError, match="Nothing is resized or converted silently"):
            audit(tmp_path / name, folders / "real", tmp_path / "out")
    samples(tmp_path / "one", population(1, 0)[0])
    samples(tmp_path / "flat", np.full((3, 1, SIDE, SIDE), 7, np.uint8))
    for name, told in (("one", "expected at least 2"), ("flat", "are of one value everywhere")):
        with pytest.raises(DataError, match=told):
            audit(tmp_path / name, folders / "real", tmp_path / "out")
    with pytest.raises(ConfigError, match="expected 0 or more"):
        audit(folders / "clean", folders / "real", tmp_path / "out", canaries=-1)
    with pytest.raises(ArtifactError, match="already exists"):
        audit(folders / "clean", folders / "real", folders / "real")
    with pytest.raises(ConfigError, match="The extractor 'beauty' is unknown"):
        audit(folders / "clean", folders / "real", tmp_path / "out", extractor="beauty")


def test_two_images_and_attacks_from_outside_are_audited(folders, sides, tmp_path):
    made = samples(tmp_path / "two", sides[2][0][:2])
    real = synthmed.PreparedDataset.open(folders / "real")
    known = {image.tobytes() for image in sides[0][0]}

    def white_box(side):
        return np.array([float(image.tobytes() in known) for image in side.images()])

    found = examine(made, real, Settings(canaries=0), Attacks(outside={"white box": white_box}))
    assert found.blocked and "The attack 'white box' tells" in found.verdict


def test_what_is_never_handed_on_is_reported_and_does_not_block(folders, sides, tmp_path):
    made = samples(tmp_path / "inside", sides[2][0][:8])
    real = synthmed.PreparedDataset.open(folders / "real")
    known = {image.tobytes() for image in sides[0][0]}
    attack = Attacks(inside={"white box": lambda side: [float(one.tobytes() in known) for one in side.images()]})
    found = examine(made, real, Settings(canaries=0), attack)
    assert not found.blocked and found.inferences[-1].auc == 1 and found.inferences[-1].inside
    assert any("'white box' tells training from holdout patients (AUC 1.00" in told for told in found.warnings)
    assert not any("white box" in test.question for test in found.tests)


def test_features_are_kept_and_the_second_audit_takes_them(folders, sides, tmp_path):
    made, real = (one.open(folders / name) for one, name in
                  ((synthmed.SampleSet, "clean"), (synthmed.PreparedDataset, "real")))  # fmt: skip
    first, second = (
        examine(made, real, Settings(canaries=0, extractor="texture", features=tmp_path / "kept")) for _ in range(2)
    )
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert first.identities[1].near.relative.tolist() == second.identities[1].near.relative.tolist()


def test_a_private_model_is_named_with_epsilon_delta_and_unit(folders, sides, tmp_path):
    privacy = {"epsilon": 3.21, "delta": 1e-5, "unit": "patient", "assumption": "Poisson sampling"}
    made = samples(tmp_path / "private", sides[2][0][:4], facts={"run_seed": 0, "model": {"privacy": privacy}})
    found = examine(made, synthmed.PreparedDataset.open(folders / "real"), Settings(canaries=0))
    assert "power not measured" in found.verdict
    assert "epsilon = 3.21, delta = 1e-05, unit: one patient" in found.verdict


def test_images_made_from_real_masks_are_named(folders, sides, tmp_path):
    made = samples(tmp_path / "conditioned", sides[2][0][:5], lineage="mask_from_real")
    found = examine(made, synthmed.PreparedDataset.open(folders / "real"), Settings(canaries=0))
    assert any("5 synthetic images were made from real masks" in warning for warning in found.warnings)
    assert made.shape[1] == SIDE

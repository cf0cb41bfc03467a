"""An image that is a patient's blocks, whatever split it is of and whatever else the audit finds."""

import csv
import json

import numpy as np
import pytest
from privacy.conftest import dataset, samples

from synthmed.auditing import audit
from synthmed.errors import DataError, GateError
from synthmed.privacy import copies, identity
from synthmed.privacy.examination import Settings, examine
from synthmed.privacy.people import people_of

QUICK = Settings(canaries=0)


@pytest.fixture(autouse=True)
def without_the_longest_search(monkeypatch):
    """Bent copies have tests of their own; here they would take most of the time."""
    monkeypatch.setattr(identity, "SPACES", copies.SPACES)


@pytest.fixture(scope="module")
def real(sides, tmp_path_factory):
    """60 training, 25 holdout and 15 test patients."""
    (train, _), (others, _), _ = sides
    return dataset(tmp_path_factory.mktemp("identity") / "real", train, others[:25], test=others[25:])


def folder(path, images):
    """A folder of another tool."""
    from PIL import Image

    (path / "images").mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image[0]).save(path / "images" / f"{number:04d}.png")
    return path


def test_one_copy_of_a_holdout_image_unblocks_nothing(sides, real, tmp_path):
    (train, _), (others, _), (clean, _) = sides
    made = samples(tmp_path / "made", np.concatenate([clean[:40], train[:6], others[:1]]))
    found = examine(made, real, QUICK)
    assert found.flagged == list(range(40, 47))
    assert found.shown("train", "images") == (list(range(40, 46)), set(range(6)))
    assert found.reasons[0].startswith("6 of 47 synthetic images are of 6 patients of the split train: copies")
    assert found.reasons[1].startswith("1 of 47 synthetic images is of a patient of the split holdout, whom the gener")
    assert "audit is invalid" in found.verdict


@pytest.mark.parametrize(("split", "part"), [("holdout", slice(0, 25)), ("test", slice(25, 40))])
def test_real_images_of_any_split_do_not_pass_as_synthetic(sides, real, tmp_path, split, part):
    images = sides[1][0][part]
    made = samples(tmp_path / "made", images)
    found = examine(made, real, QUICK)
    assert found.blocked and found.shown(split, "images")[0] == list(range(len(images)))
    assert found.shown("train", "images") == ([], set())


def test_the_training_set_itself_is_blocked_and_a_picture_that_stands_twice_is_refused(sides, real, tmp_path):
    train, clean = sides[0][0], sides[2][0]
    with pytest.raises(GateError, match=r"60 of 60 synthetic images are of 60 patients of the split train"):
        audit(folder(tmp_path / "itself", train), real.path, tmp_path / "out", canaries=0)
    with pytest.raises(DataError, match=r"0000\.png and images/0003\.png in twice are the same picture"):
        audit(folder(tmp_path / "twice", clean[[0, 1, 2, 0]]), real.path, tmp_path / "other", canaries=0)


def test_nothing_is_flagged_on_a_page_that_says_no_evidence(sides, real, tmp_path):
    report = audit(folder(tmp_path / "clean", sides[2][0][:40]), real.path, tmp_path / "out", canaries=0)
    assert report.verdict.startswith("No evidence of copying") and report.findings.flagged == []
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["flagged"] == [] and "No image is flagged" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize("twin", ["mirrored", "a little noisy", "noted"])
def test_a_twin_under_a_second_name_hides_no_copy(sides, tmp_path, twin, rng):
    (train, _), (others, _), (clean, _) = sides
    second = train[7][..., ::-1] if twin == "mirrored" else train[7] // 2 + rng.integers(0, 4, train[7].shape)
    if twin == "noted":
        second = others[30]  # alike by what prepare says, not by what the search sees
    real = dataset(tmp_path / "real", np.concatenate([train, second[None].astype(np.uint8)]), others[:25])
    if twin == "noted":
        lines = [["id", "other_id", "similarity", "identical"], ["000007", "000060", "0.9", "no"]]
        with (real.path / "duplicates.csv").open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    copy = np.clip(train[7].astype(int) + rng.integers(-3, 4, train[7].shape), 0, 255).astype(np.uint8)
    found = examine(samples(tmp_path / "made", np.concatenate([clean[:20], copy[None]])), real, QUICK)
    assert found.flagged == [20]
    assert any("1 pairs of patients are one person under two names, such as P0007 and P0060" in told
               for told in found.warnings)  # fmt: skip


def test_a_training_patient_who_also_stands_in_the_holdout_is_no_control(sides, tmp_path):
    (train, _), (others, _), (clean, _) = sides
    holdout = np.concatenate([others[:20], train[:3, ..., ::-1]])
    real = dataset(tmp_path / "real", train, holdout)
    found = examine(samples(tmp_path / "made", np.concatenate([clean[:20], train[:1]])), real, QUICK)
    assert found.patients["holdout"] == 20 and found.flagged == [20]
    assert any("3 patients of holdout are training patients under another name" in told for told in found.warnings)


def test_names_of_one_person_are_joined_in_chains(real):
    people = people_of(real.rows, [(3, 9), (9, 80), (2, 2)])
    assert people.numbers[[3, 9, 80]].tolist() == [3, 3, 3] and people.numbers[[2, 4]].tolist() == [2, 4]
    assert people.twins == (("P0003", "P0009"), ("P0009", "P0080"))
    assert people.of("train") & people.of("holdout") == {3} and 80 not in people.rows("holdout")


def facts_of(info, **digests):
    splits = {name: split.model_dump() | {"digest": digests.get(name, split.digest)}
              for name, split in info.splits.items()}  # fmt: skip
    return {"run_seed": 0, "model": {"digest": "m" * 64, "data": {"digest": "d" * 64, "splits": splits}}}


def test_the_data_behind_the_samples_are_compared_and_another_split_is_refused(sides, real, tmp_path):
    images = sides[2][0][:10]
    same = samples(tmp_path / "same", images, facts=facts_of(real.info))
    assert "Unknown origin" not in examine(same, real, QUICK).verdict
    for split in ("train", "holdout", "test"):
        other = samples(tmp_path / split, images, facts=facts_of(real.info, **{split: "0" * 64}))
        with pytest.raises(DataError, match=f"another division of as many images.* the split {split} of its data has "
                                            f"the digest 000000000000, .*Audit against the data set"):  # fmt: skip
            examine(other, real, QUICK)
    unknown = examine(samples(tmp_path / "unknown", images), real, QUICK)
    assert "Unknown origin: unknown does not name the data of its model." in unknown.verdict
    foreign = audit(folder(tmp_path / "foreign", images), real.path, tmp_path / "out", canaries=0)
    assert "Unknown origin: foreign says nothing of its origin." in foreign.verdict


def test_a_run_that_made_another_model_is_refused(sides, real, tmp_path, monkeypatch):
    monkeypatch.setattr("synthmed.training.discriminators.discriminator_attacks", lambda *_: {})
    made = samples(tmp_path / "made", sides[2][0][:10], inputs={"model": "0" * 64})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"another")
    with pytest.raises(DataError, match=r"made was made by a model with the digest 0{12}; .*run holds "):
        audit(made.path, real.path, tmp_path / "out", run=tmp_path / "run")

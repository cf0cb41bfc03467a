"""A study is chosen by its seed, balanced, blind and frozen."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from reading.conftest import SIDE, folder

from synthmed.errors import ArtifactError, ConfigError, DataError, GateError, StudyError
from synthmed.reading.blinding import blinding, cues
from synthmed.reading.plan import plan
from synthmed.reading.protocol import Study
from synthmed.reading.trials import find_trial, trial_names


def test_a_study_is_the_same_for_the_same_seed(make):
    one, same, other = make("one"), make("same"), make("other", seed=1)
    assert one.digest == same.digest != other.digest
    assert [case.origin for case in one.cases] != [case.origin for case in other.cases]


def test_the_number_of_a_case_says_nothing(make):
    study = make(num=20)
    kinds = [case.truth for case in study.cases]
    stimuli = [case.stimuli[0] for case in sorted(study.cases, key=lambda case: case.stimuli)]
    assert kinds != sorted(kinds) and stimuli == list(range(len(stimuli)))
    by_stimulus = [case.truth for case in sorted(study.cases, key=lambda case: case.stimuli)]
    assert by_stimulus != sorted(by_stimulus)


@pytest.mark.parametrize("paradigm, expected", [
    ("yes_no", {("real", 0): 12, ("gan", 1): 6, ("other", 1): 6}),
    ("rating5", {("real", 0): 6, ("gan", 1): 6, ("other", 1): 6}),
    ("two_alternative", {("gan", 0): 6, ("other", 0): 6}),
    ("locate", {(name, truth): 6 for name in ("real", "gan", "other") for truth in (0, 1)}),
])  # fmt: skip
def test_every_paradigm_has_its_cases(make, paradigm, expected):
    study = make(paradigm=paradigm, synthetic=("gan", "other"))
    scored = Counter((case.modality, case.truth) for case in study.cases if case.part == "scored")
    assert scored == expected
    origins = [origin for case in study.cases for origin in case.origin.split(" | ")]
    per_set = [(case.modality, case.origin) for case in study.cases]
    assert len(set(per_set)) == len(per_set) and len(origins) >= len(study.cases)


def test_the_pictures_are_the_stored_pixels_of_one_length(make, sets):
    study = make(real="deep", synthetic=("deep_made",))
    assert (study.protocol.bits, study.protocol.height) == (16, SIDE)
    for case in study.cases:
        stored = study.stimulus(case.stimuli[0])
        assert len(stored) == study.protocol.picture_bytes == SIDE * SIDE * 2
        name = sets["deep" if case.modality == "real" else "deep_made"] / case.origin.removeprefix("train/")
        assert np.array_equal(np.frombuffer(stored, "<u2").reshape(SIDE, SIDE), np.array(Image.open(name)))


def test_every_reader_has_a_balanced_order_of_their_own(make):
    study = make(num=20, overrides=["block=10", "repeats=3", "checks=2", "warmup=2"], sessions=2)
    orders = {(r, s): plan(study.cases, study.settings, r, s) for r in range(3) for s in (1, 2)}
    assert orders == {(r, s): plan(study.cases, study.settings, r, s) for r in range(3) for s in (1, 2)}
    assert len({tuple(one.case for one in order) for order in orders.values()}) == 6
    for order in orders.values():
        roles = Counter(one.role for one in order)
        assert roles == {"warmup": 4, "scored": 40, "repeat": 6, "check": 2}
        assert {one.role for one in order[:4]} == {"warmup"}
        counted = [one for one in order if one.role == "scored"]
        assert sorted(one.case for one in counted) == sorted({one.case for one in counted})
        for start in range(0, 40, 10):
            assert sum(study.cases[one.case].truth for one in counted[start : start + 10]) == 5
        first = {one.case: place for place, one in enumerate(order) if one.role == "scored"}
        for place, one in enumerate(order):
            if one.role == "repeat":
                assert place - first[one.case] >= 6


def test_sides_of_pairs_are_balanced(make):
    study = make(num=20, paradigm="two_alternative")
    sides = [one.swapped for one in plan(study.cases, study.settings, 0, 1)]
    assert abs(sum(sides) - len(sides) / 2) <= 0.5


def test_pictures_of_one_mask_lie_apart_and_methods_take_turns(make):
    study = make(num=20, paradigm="rating5", synthetic=("gan", "other"), overrides=["paired=true", "warmup=0"])
    groups = Counter(case.group for case in study.cases if case.modality != "real")
    assert set(groups.values()) == {2}
    firsts = Counter()
    for reader in range(4):
        order = [study.cases[one.case] for one in plan(study.cases, study.settings, reader, 1)]
        seen = {}
        for place, case in enumerate(order):
            if case.modality != "real":
                seen.setdefault(case.group, []).append((place, case.modality))
        assert min(places[1][0] - places[0][0] for places in seen.values()) > 3
        firsts.update(places[0][1] for places in seen.values())
    assert 0.3 < firsts["gan"] / firsts.total() < 0.7


def test_real_images_of_one_patient_come_last(make, sets, tmp_path):
    rows = ["file_name,patient_id"] + [f"images/{n:03d}.png,{'same' if n < 50 else n}" for n in range(60)]
    (sets["real"] / "metadata.csv").write_text("\n".join(rows) + "\n")
    try:
        study = make(num=6)
    finally:
        (sets["real"] / "metadata.csv").unlink()
    numbers = [int(case.origin[-7:-4]) for case in study.cases if case.modality == "real"]
    assert sum(number < 50 for number in numbers) == 1


def test_attention_checks_are_patterns_beside_images_of_their_own(make):
    study = make(paradigm="two_alternative", overrides=["checks=2"])
    checks = [case for case in study.cases if case.part == "check"]
    used = [number for case in study.cases for number in case.stimuli]
    assert len(checks) == 2 and len(used) == len(set(used))


WRONG = {
    "too few real images": ({"real": "few"}, StudyError, "images left for 6 scored trials"),
    "too few synthetic images": ({"synthetic": ("few",)}, StudyError, "set few has 5 images left for 6"),
    "too few for the warm-up": ({"num": 30, "overrides": ["warmup=31"]}, StudyError, "warm-up trials"),
    "too few pairs": ({"num": 70, "paradigm": "two_alternative"}, StudyError, "left for"),
    "other bit depth": ({"synthetic": ("deep",)}, DataError, "16 bits"),
    "an unknown paradigm": ({"paradigm": "rating"}, ConfigError, "did you mean 'rating5'"),
    "an unknown setting": ({"overrides": ["warmups=3"]}, ConfigError, "did you mean 'warmup'"),
    "a window that is upside down": ({"overrides": ["windows={dark=[9, 3]}"]}, ConfigError, "darkest value first"),
    "an unknown panel": ({"overrides": ['panels=["gray"]']}, ConfigError, "did you mean 'grey'"),
    "an unknown split": ({"overrides": ["split=tests"]}, DataError, "no split 'tests'"),
    "pairs without masks in common": ({"num": 61, "overrides": ["paired=true"]}, StudyError, "masks in common"),
    "checks where spots are marked": ({"paradigm": "locate", "overrides": ["checks=1"]}, ConfigError, "attention"),
    "a negative margin": ({"margin": -1.0}, ConfigError, "greater than or equal to 0"),
}


@pytest.mark.parametrize("given, error, told", WRONG.values(), ids=WRONG)
def test_a_design_that_cannot_be_is_refused_with_a_sentence(make, tmp_path, given, error, told):
    with pytest.raises(error, match=told):
        make(**given)
    assert not (tmp_path / "study").exists()


def test_a_target_needs_masks(make):
    with pytest.raises(StudyError, match="has no masks"):
        make(real="few", paradigm="locate")


def test_a_damaged_or_newer_study_is_refused(make):
    study = make()
    picture = study.path / "stimuli" / "00000.raw"
    kept = picture.read_bytes()
    picture.write_bytes(bytes([kept[0] ^ 1]) + kept[1:])
    with pytest.raises(ArtifactError, match="damaged"):
        Study.open(study.path)
    picture.write_bytes(kept)
    protocol = study.path / "protocol.json"
    protocol.write_text(json.dumps({**json.loads(protocol.read_text()), "schema_version": 2}))
    with pytest.raises(StudyError, match=r"version 2.*up to 1"):
        Study.open(study.path)
    protocol.write_text("{")
    with pytest.raises(ArtifactError, match="damaged"):
        Study.open(study.path)


def images(rng, num, change=lambda image: image, side=40):
    base = rng.integers(0, 256, (num, 1, side, side)).astype(np.uint8)
    return [change(image.copy()) for image in base]


def padded(image):
    image[:, :3] = 0
    return image


def inside(image):
    image[:, :, 30:] = image.min()
    image[:, 0, 35] = 7
    return image


GIVEAWAYS = {
    "padding": padded,
    "grey levels": lambda image: image // 16 * 16,
    "histogram gaps": lambda image: image // 2 * 2,
    "darkest value": lambda image: np.maximum(image, 9),
    "brightest value": lambda image: np.minimum(image, 240),
    "field of view": inside,
}


@pytest.mark.parametrize("name", GIVEAWAYS)
def test_what_gives_a_kind_away_is_refused(name, rng):
    found = {cue.name: cue for cue in blinding(images(rng, 30), images(rng, 30, GIVEAWAYS[name]))}
    assert found[name].verdict == "refuse" and found[name].told


def test_the_size_of_a_file_only_warns(rng):
    def smooth(image):
        image[0, ::2] = image[0, 1::2]
        return image

    found = {cue.name: cue for cue in blinding(images(rng, 30), images(rng, 30, smooth))}
    assert found["file size"].verdict == "warn"


def test_alike_kinds_raise_no_alarm():
    rng = np.random.default_rng(8)
    alarms = [cue.verdict for _ in range(10) for cue in blinding(images(rng, 25), images(rng, 25))]
    assert alarms.count("refuse") == 0 and alarms.count("warn") <= 6


def test_cues_count_what_they_say():
    image = np.zeros((1, 10, 12), np.uint8)
    image[0, 2:7, 3:9] = np.arange(100, 130).reshape(5, 6)
    found = cues(image)
    assert (found["padding"], found["grey levels"], found["brightest value"]) == (2 + 3 + 3 + 3, 31, 129)
    assert found["field of view"] == 30 / 120


def test_a_study_that_is_not_blind_needs_a_word_of_consent(make, sets, tmp_path):
    place = folder(tmp_path / "bordered", 30, 9)
    for file in (place / "images").glob("*.png"):
        image = np.array(Image.open(file))
        image[:2] = 0
        Image.fromarray(image).save(file)
    sets["bordered"] = place
    with pytest.raises(GateError, match=r"plain borders.*accept_cues"):
        make(synthetic=("bordered",), num=12)
    study = make(synthetic=("bordered",), num=12, overrides=["accept_cues=true"])
    assert any(cue.verdict == "refuse" for cue in study.protocol.cues)


@pytest.mark.parametrize("name", trial_names())
def test_every_type_of_trial_keeps_its_contract(name):
    trial = find_trial(name)
    assert {"task", "how"} <= trial.words.keys()
    for question in trial.questions:
        assert f"question.{question.name}" in trial.words
        assert all(f"choice.{question.name}.{value}" in trial.words for value in question.choices)
    spot = {"spot": [1, 2]} if trial.marks else {}
    ratings = []
    for evidence in np.linspace(-4, 4, 17):
        answer = trial.check({**trial.sure(evidence, 0.3), **spot}, 10, 10)
        ratings.append(trial.rating(answer))
        assert trial.says(answer) == (evidence > 0.3) or trial.scores or name == "locate"
    assert ratings == sorted(ratings) and len(set(ratings)) > 1
    for wrong in (None, [], {}, {**answer, "more": 1}, {**answer, trial.questions[0].name: "9"}):
        with pytest.raises(StudyError):
            trial.check(wrong, 10, 10)
    for spot in ([1], [1, 10], [-1, 1], ["1", 2], None, [True, 1], [float("nan"), 1]):
        if trial.marks:
            with pytest.raises(StudyError):
                trial.check({**answer, "spot": spot}, 10, 10)


def test_phases_of_one_contrast_share_a_window_and_a_scale(tmp_path):
    import synthmed
    from synthmed.data.dataset import PreparedDataset
    from synthmed.reading.design import study_new
    from synthmed.samples import Sample, write_samples

    synthmed.phantom("breast_mr", tmp_path / "source", num=1, seed=1, size=64)
    synthmed.prepare(tmp_path / "source", tmp_path / "data", kind="breast_mr", size=32, holdout=0, test=0)
    true = PreparedDataset.open(tmp_path / "data")
    drawn = ((Sample(seed=k, label="", lineage="sampled"), true.images([k])[0], None) for k in range(8))
    write_samples(tmp_path / "made", drawn, file_format="npy", inputs={}, facts={"seed": 0})
    settings = ['panels=["T2", "T1 pre", "T1 post1", "T1 post1-T1 pre"]', "warmup=0"]
    given = {"synthetic": [tmp_path / "made"], "num": 4}
    panels = study_new(tmp_path / "data", tmp_path / "study", overrides=settings, **given).study.protocol.panels
    assert [panel.kind for panel in panels] == ["grey", "grey", "grey", "difference"]
    windows = [(panel.low, panel.high) for panel in panels]
    assert windows[1] == windows[2] != windows[0] and windows[3][0] == -windows[3][1]
    with pytest.raises(StudyError, match="T2 and T1 pre mean different things"):
        study_new(tmp_path / "data", tmp_path / "wrong", overrides=['panels=["T2-T1 pre"]', "warmup=0"], **given)

import numpy as np
import pytest

from synthmed.errors import DataError
from synthmed.evaluation.proof import prove
from synthmed.samples import SampleSet


def test_it_is_shown_for_the_data_set_the_model_was_trained_on(make_dataset, make_samples):
    real = make_dataset()
    proof = prove(make_samples(real.images([0]), trained_on=real), real)
    assert proof.shown and all(check.holds for check in proof.checks)
    assert any(real.info.splits["test"].digest in check.evidence for check in proof.checks)


def test_it_is_not_shown_for_a_foreign_folder(make_dataset, tmp_path):
    from PIL import Image

    (tmp_path / "other/images").mkdir(parents=True)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "other/images/1.png")
    proof = prove(SampleSet.open(tmp_path / "other"), make_dataset())
    assert not proof.shown and "not written by synthmed" in proof.sentence


def test_it_is_not_shown_for_another_data_set(make_dataset, make_samples):
    real, other = make_dataset(), make_dataset("other", seed=1)
    proof = prove(make_samples(real.images([0]), trained_on=other), real)
    assert not proof.shown and "Evaluate against the data set" in proof.sentence


def test_it_is_not_shown_when_a_test_picture_is_in_train(make_dataset, make_samples, monkeypatch):
    real = make_dataset()
    train_picture, images = real.images([0]), type(real).images

    def with_a_double(self, indices=None):
        return train_picture if self.rows[0].split == "test" else images(self, indices)

    synthetic = make_samples(real.images([0]), trained_on=real)
    monkeypatch.setattr(type(real), "images", with_a_double)
    proof = prove(synthetic, real)
    assert not proof.shown and "pixel by pixel" in proof.sentence


def test_a_patient_on_both_sides_cannot_even_be_written(make_dataset):
    with pytest.raises(DataError):
        make_dataset(train=2, test=1, patients=["a", "b", "a"])


def test_given_masks_must_be_those_of_the_data_set(make_dataset, make_samples):
    real = make_dataset()
    for name, digest, shown in (("own", real.digest, True), ("other", "0" * 64, False)):
        made = make_samples(
            real.images([0]), name=name, trained_on=real, lineage="mask_from_real", inputs={"masks": digest}
        )
        assert prove(made, real).shown is shown
    spliced = make_samples(real.images([0]), name="spliced", trained_on=real, lineage="spliced_from_real")
    assert not prove(spliced, real).shown

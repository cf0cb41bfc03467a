"""Images of another size: refused, or brought to the real ones' by their own rule, planted copies on the same way."""

import numpy as np
import pytest
from privacy.conftest import dataset, population, samples

from synthmed.auditing import audit
from synthmed.data.geometry import fit_image, fit_of
from synthmed.errors import DataError, GateError
from synthmed.privacy.power import there_and_back

pytestmark = pytest.mark.usefixtures("without_the_longest_search")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    train, holdout = population(30, 1)[0], population(12, 2)[0]
    folder = tmp_path_factory.mktemp("fit")
    return dataset(folder / "data", train, holdout).path, train


def larger(images):
    """The same as they may come from a tool that works with 96 x 96 pixels."""
    return np.stack([fit_image(image, fit_of(*image.shape[1:], 96, 96), 96, 96) for image in images])


def test_other_sizes_are_refused_with_the_way_out_and_fitted_if_asked(real, tmp_path):
    data, train = real
    clean = samples(tmp_path / "clean", larger(population(12, 3)[0]))
    with pytest.raises(DataError, match="--fit"):
        audit(clean.path, data, tmp_path / "no")
    report = audit(clean.path, data, tmp_path / "fitted", fit=True, canaries=1)
    told = [one for one in report.findings.warnings if "came as 96 x 96 pixels" in one]
    assert told and "brought to 48 x 48" in told[0] and "Planted copies went" in told[0]
    copied = samples(tmp_path / "copied", np.concatenate([larger(population(11, 3)[0]), larger(train[:1])]))
    with pytest.raises(GateError, match="of the split train"):
        audit(copied.path, data, tmp_path / "blocked", fit=True, canaries=0)


def test_a_copy_that_went_to_another_size_and_back_has_lost_a_little(real):
    image = real[1][0]
    again = there_and_back((24, 24))(image)
    assert again.shape == image.shape and again.dtype == image.dtype
    assert 0 < np.abs(again.astype(int) - image).mean() < 12

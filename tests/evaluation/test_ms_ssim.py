import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from synthmed.evaluation import ms_ssim as module
from synthmed.evaluation.ms_ssim import Config, measure, ms_ssim, random_pairs, scales


def test_one_scale_is_scikit_images_structural_similarity(rng):
    one, other = rng.random((2, 20, 20))
    other = 0.7 * one + 0.3 * other
    assert scales(20, 20) == 1
    expected = structural_similarity(
        one, other, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, win_size=11, full=True
    )[1][5:-5, 5:-5].mean()
    found = ms_ssim(torch.tensor(one)[None, None], torch.tensor(other)[None, None])
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_several_scales_are_the_product_of_their_powers(rng):
    one, other = rng.random((2, 48, 48))
    other = 0.8 * one + 0.2 * other
    assert scales(48, 48) == 3
    weights = np.array(module.WEIGHTS[:3]) / sum(module.WEIGHTS[:3])
    expected, a, b = 1.0, torch.tensor(one)[None, None], torch.tensor(other)[None, None]
    for scale, weight in enumerate(weights):
        luminance, structure = module._ssim_parts(a, b)
        expected *= float((structure * luminance if scale == 2 else structure).mean()) ** weight
        a, b = (torch.nn.functional.avg_pool2d(x, 2) for x in (a, b))
    found = ms_ssim(torch.tensor(one)[None, None], torch.tensor(other)[None, None])
    assert found.item() == pytest.approx(expected)
    assert scales(176, 300) == 5 and scales(11, 11) == 1


def test_equal_images_are_alike_and_opposed_ones_are_not(rng):
    image = torch.tensor(rng.random((1, 3, 32, 32)))
    assert ms_ssim(image, image).item() == pytest.approx(1)
    assert ms_ssim(image, 1 - image).item() == pytest.approx(0)


def test_pairs_are_of_different_patients_and_each_comes_once(rng):
    pairs = random_pairs(["a", "a", "b", "b"], 100, rng)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_a_generator_that_repeats_itself_is_less_diverse(make_dataset, make_samples, setup):
    real = make_dataset(train=8)
    once = np.repeat(real.images([0]), 8, 0)
    found = measure(make_samples(once), real, Config(), setup)
    assert found.value == pytest.approx(1) and found.floor < 0.9
    assert "less diverse" in found.sentence and found.differs

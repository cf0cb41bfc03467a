import numpy as np
import pytest
import torch

from synthmed.errors import DataError, TrainingError
from synthmed.segmentation.segmenter import SegmenterConfig, predict_masks, train_segmenter

TINY = SegmenterConfig(width=4, steps=40, batch_size=4, crop=0, learning_rate=1e-2)


def bright_squares(count=12, dtype=np.uint8, seed=0):
    numbers = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    images = numbers.integers(0, top // 4, (count, 1, 32, 32)).astype(dtype)
    masks = np.zeros((count, 32, 32), np.uint8)
    for index, (y, x) in enumerate(numbers.integers(2, 18, (count, 2))):
        masks[index, y : y + 12, x : x + 12] = 1
        images[index, 0, y : y + 12, x : x + 12] += dtype(top // 2)
    return images, masks


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bright_squares_are_learned_in_few_steps(dtype):
    network = train_segmenter(*bright_squares(dtype=dtype), TINY, seed=0)
    images, truth = bright_squares(6, dtype=dtype, seed=1)
    found = predict_masks(network, images) >= 0.5
    dice = 2 * (found & (truth > 0)).sum() / (found.sum() + truth.sum())
    assert dice > 0.9


def test_the_same_seed_gives_the_same_weights_and_leaves_global_randomness_alone():
    config = TINY.model_copy(update={"steps": 3})
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = train_segmenter(*bright_squares(), config, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    second = train_segmenter(*bright_squares(), config, seed=3)
    other = train_segmenter(*bright_squares(), config, seed=4)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_predictions_do_not_depend_on_batch_size_or_order():
    images, masks = bright_squares()
    network = train_segmenter(images, masks, TINY.model_copy(update={"steps": 2}), seed=0)
    whole = predict_masks(network, images, batch_size=12)
    backwards = predict_masks(network, images[::-1], batch_size=5)[::-1]
    assert np.allclose(whole, backwards, atol=1e-5)
    assert whole.dtype == np.float32 and whole.min() >= 0 and whole.max() <= 1


def test_sides_that_are_no_multiple_of_sixteen_are_taken():
    images, masks = np.zeros((2, 3, 45, 70), np.uint8), np.zeros((2, 45, 70), np.uint8)
    network = train_segmenter(images, masks, TINY.model_copy(update={"steps": 2, "crop": 50}), seed=0)
    assert predict_masks(network, images).shape == (2, 45, 70)


def test_an_image_of_weight_zero_is_never_seen():
    images, masks = bright_squares(4)
    config = TINY.model_copy(update={"steps": 3})
    chances = np.array([1, 1, 1, 0], np.float32)
    first = train_segmenter(images, masks, config, seed=0, weights=chances)
    images[3] = 255
    second = train_segmenter(images, masks, config, seed=0, weights=chances)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_progress_hears_of_every_step():
    heard = []
    config = TINY.model_copy(update={"steps": 3})

    def hear(done, total, *, numbers):
        heard.append((done, total, numbers["loss"] > 0))

    train_segmenter(*bright_squares(), config, seed=0, progress=hear)
    assert heard == [(1, 3, True), (2, 3, True), (3, 3, True)]


def test_what_cannot_be_learned_from_is_refused():
    images, masks = bright_squares(2)
    with pytest.raises(DataError, match="one mask an image"):
        train_segmenter(images, masks[:1], TINY, seed=0)
    with pytest.raises(DataError, match="at least 32"):
        train_segmenter(images[..., :20, :20], masks[..., :20, :20], TINY, seed=0)


def test_a_loss_that_is_not_finite_stops_the_training():
    with pytest.raises(TrainingError, match="finite"):
        train_segmenter(*bright_squares(2), TINY.model_copy(update={"learning_rate": 1e30}), seed=0)

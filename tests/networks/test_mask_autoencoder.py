"""The autoencoder of masks: sizes, and that a code holds what a mask shows."""

import pytest
import torch

from synthmed.networks.mask_autoencoder import MaskAutoencoder
from synthmed.objectives.losses import cross_entropy


@pytest.mark.parametrize(("halvings", "rows", "columns"), [(2, 16, 8), (3, 8, 4), (4, 4, 2)])
def test_a_code_is_a_grid_and_comes_back_at_full_size(halvings, rows, columns):
    network = MaskAutoencoder(mask_channels=2, code=5, features=8, halvings=halvings)
    mean, log_variance = network.encode(torch.zeros(3, 2, 64, 32))
    assert mean.shape == log_variance.shape == (3, 5, rows, columns)
    assert network.decode(mean).shape == (3, 2, 64, 32)


def test_it_learns_to_give_a_mask_back():
    torch.manual_seed(0)
    network = MaskAutoencoder(mask_channels=1, code=4, features=8, halvings=2)
    masks = torch.zeros(2, 1, 16, 16)
    masks[0, 0, 5] = 1
    masks[1, 0, :, 10] = 1
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        cross_entropy(network.decode(network.encode(masks)[0]), masks).mean().backward()
        optimizer.step()
    assert torch.equal(network.decode(network.encode(masks)[0]) > 0, masks > 0)


def test_the_usual_coverage_is_known_from_the_first_batch_on():
    network = MaskAutoencoder(mask_channels=2, code=4, features=8, halvings=2)
    one_hot = torch.zeros(2, 2, 16, 16)
    one_hot[:, 1, :4] = 1
    for _ in range(3):
        network.remember(one_hot)
        assert network.mean_coverage.tolist() == [0.0, 0.25]

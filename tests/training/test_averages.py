"""Averaged weights: half-life, and statistics that are averaged with them."""

import torch
from torch import nn

from synthmed.training import averages


def test_statistics_are_averaged_as_the_weights_are_and_counters_follow_at_once():
    average, network = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        network.weight.fill_(3.0)
        network.running_mean.fill_(5.0)
        network.num_batches_tracked.fill_(7)
    averages.update(average, network, half_life=10, seen=1000, batch_size=10)
    torch.testing.assert_close(average.weight, torch.full((2,), 2.0))  # half of the way from 1 to 3
    torch.testing.assert_close(average.running_mean, torch.full((2,), 2.5))
    assert average.num_batches_tracked == 7

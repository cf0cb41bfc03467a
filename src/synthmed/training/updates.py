"""One optimizer update of a phase, and the optimizers of a stage: what the loop repeats."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from synthmed.methods._contract import Phase, Stage
from synthmed.running.devices import lowered_precision
from synthmed.shapes import Batch
from synthmed.training.private import private_gradients


def optimizers_of(networks: nn.ModuleDict, stage: Stage) -> dict[str, torch.optim.Optimizer]:
    """One optimizer for each network that learns: that of its first phase; its other phases share it."""
    optimizers: dict[str, torch.optim.Optimizer] = {}
    for phase in stage.phases:
        for name in phase.networks:
            if name not in optimizers:
                optimizers[name] = phase.optimizer(networks[name].parameters())
    return optimizers


def update(
    phase: Phase, stage: Stage, batch: Batch, networks: nn.ModuleDict, optimizers: Mapping[str, torch.optim.Optimizer],
    *, lowered: bool = False,
) -> dict[str, Tensor]:  # fmt: skip
    """Let the networks of a phase learn from a batch, and no others.

    Args:
        phase: says which networks, and what they minimise.
        stage: that the phase belongs to.
        batch: as its objective takes it.
        networks: all networks of the method.
        optimizers: by network name.
        lowered: whether convolutions and products run in bfloat16. Sums do not.

    Returns:
        The mean of each term, a scalar tensor in float32, without gradient.
    """
    for name, network in networks.items():
        network.requires_grad_(name in phase.networks)
    if stage.private and stage.private[0] in phase.networks:
        parameters = list(networks[stage.private[0]].parameters())
        terms = private_gradients(phase.objective, batch, parameters, stage.private[1], stage.batch_size)
    else:
        with lowered_precision(batch.device, lowered):
            found = phase.objective(batch)
        terms = {name: values.float().mean() for name, values in found.items()}
        for name in phase.networks:
            optimizers[name].zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
    for name in phase.networks:
        optimizers[name].step()
    return {name: term.detach() for name, term in terms.items()}

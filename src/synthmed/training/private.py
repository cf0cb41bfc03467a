"""Training with differential privacy (Abadi et al. 2016), patients as the unit, and what it guarantees.

In every step each patient takes part with the same probability, with one image (``batches``). The gradient of each
is clipped on its own, they are summed, and noise is added. The generator sees real images only through the
discriminator, so what holds for the discriminator's gradients holds for the generator.

The gradients are taken image by image, by the objective of the method as it stands. Opacus' modules would take them
in one pass, but they hook into networks and count their uses, and a discriminator is used twice in a step; what is
not written by hand is the accounting, which is Opacus'.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from synthmed.errors import ConfigError
from synthmed.methods._contract import Privacy, Stage
from synthmed.shapes import Batch

_ORDERS = [1 + order / 10 for order in range(1, 100)] + list(range(12, 64)) + [2**power for power in range(6, 11)]
"""Renyi orders among which the best is taken; any set of them gives a bound that holds."""

ASSUMPTION = "each patient is drawn for each step with the same probability, apart from all others, with one image"


def private_gradients(
    objective: Callable[[Batch], dict[str, Tensor]],
    batch: Batch,
    parameters: Sequence[nn.Parameter],
    privacy: Privacy,
    expected: int,
) -> dict[str, Tensor]:
    """Fill ``parameter.grad`` with clipped and noised gradients, and return the mean terms for the log.

    Args:
        objective: of the phase; it must treat every sample on its own.
        batch: one image of each patient who was drawn; may be empty.
        parameters: of the private network.
        privacy: clip and noise.
        expected: the mean number of patients in a batch, by which the sum is divided.
    """
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    seen: dict[str, Tensor] = {}
    for index in range(len(batch)):
        terms = {name: values.mean() for name, values in objective(batch[index : index + 1]).items()}
        gradients = torch.autograd.grad(torch.stack(list(terms.values())).sum(), parameters)
        norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        scale = (privacy.clip / norm.clamp_min(1e-12)).clamp_max(1)  # g min(1, C / |g|)
        for total, gradient in zip(sums, gradients, strict=True):
            total += scale * gradient
        for name, value in terms.items():
            seen[name] = seen.get(name, torch.zeros_like(value)) + value.detach() / len(batch)
    # The noise must stay unknown, so it has no seed: two runs differ, and so does a resumed one.
    generator = torch.Generator().manual_seed(secrets.randbits(63))
    sizes = [total.numel() for total in sums]
    drawn = torch.randn(sum(sizes), generator=generator).to(sums[0].device).split(sizes)
    for parameter, total, noise in zip(parameters, sums, drawn, strict=True):
        parameter.grad = (total + privacy.noise * privacy.clip * noise.view(total.shape)) / expected
    return seen


def guarantee(stages: Sequence[Stage], steps: Sequence[int], patients: int) -> dict[str, Any] | None:
    """What the whole training guarantees, for the header of the model; None if a stage is not private.

    Args:
        stages: of the method.
        steps: how many updates of the private network each stage makes.
        patients: in the training split.

    Raises:
        ConfigError: delta is no less than one in the number of patients, or Opacus is missing.
    """
    if len(stages) != 1 or stages[0].private is None:
        return None
    privacy, rate = stages[0].private[1], stages[0].batch_size / patients
    if privacy.delta >= 1 / patients:
        raise ConfigError(
            f"config.privacy.delta is {privacy.delta:g}; with {patients} training patients a guarantee needs a delta "
            f"below {1 / patients:.2g}. Set a smaller one."
        )
    return {
        "epsilon": epsilon(privacy.noise, rate, steps[0], privacy.delta),
        "delta": privacy.delta,
        "unit": "patient",
        "noise": privacy.noise,
        "clip": privacy.clip,
        "patients": patients,
        "rate": rate,
        "steps": steps[0],
        "accountant": "RDP (Opacus)",
        "assumption": ASSUMPTION,
    }


def epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    """Epsilon of so many steps of the subsampled Gaussian mechanism, by Renyi accounting (Mironov et al. 2019).

    Args:
        noise: spread of the noise by the clipped norm.
        rate: probability of a patient to take part in a step.
        steps: how many.
        delta: the probability that epsilon does not hold.

    Raises:
        ConfigError: Opacus is not installed.
    """
    try:
        from opacus.accountants import RDPAccountant
    except ImportError as error:
        raise ConfigError(
            f"Private training needs Opacus to account for its privacy ({error}). Install it: pip install "
            "'synthmed[dp]'."
        ) from error
    accountant = RDPAccountant()
    accountant.history = [(noise, rate, steps)]
    return float(accountant.get_epsilon(delta, alphas=_ORDERS))

"""How adversarial methods pair generator and discriminator, and what keeps the discriminator's slope small.

Each method says what is made and what is judged; which loss, which penalty, and in which order the networks learn is
said here once.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor

from synthmed.methods._contract import Adam, Phase
from synthmed.networks.layers import Norm
from synthmed.objectives import losses
from synthmed.shapes import Batch, Image, Logits, PerSample

Pairing = Literal["logistic", "relativistic"]
"""Which adversarial losses face each other; see ``losses``."""

Objective = Callable[[Batch], dict[str, Tensor]]


def discriminator_loss(pairing: Pairing, real: Logits, fake: Logits) -> PerSample:
    """The discriminator's side."""
    if pairing == "logistic":
        return losses.logistic_discriminator(real, fake)
    return losses.relativistic_discriminator(real, fake)


def generator_loss(pairing: Pairing, real: Callable[[], Logits], fake: Logits) -> PerSample:
    """The generator's side; ``real`` is only asked where the pairing compares with real images."""
    if pairing == "logistic":
        return losses.logistic_generator(fake)
    return losses.relativistic_generator(real(), fake)


def slope_terms(
    judge: Callable[[Image], Logits], real: Image, fake: Image, *, weight: float, every: int
) -> dict[str, Tensor]:
    """Zero-centred penalties at real and made images, as the terms of a lazy phase: weight/2 * (R1 + R2).

    The weight is multiplied by the steps between two penalties. Step size and betas are not rescaled for the more
    updates that a lazy phase makes (Karras et al. 2020, appendix B): the recipes' step sizes were chosen with those
    updates in place, so a rescaled one would only be another name for the same number.

    Args:
        judge: the discriminator.
        real: what it sees of real images.
        fake: what it sees of made ones.
        weight: of the penalties at every step.
        every: steps between two of them.
    """
    share = weight * every / 2
    return {"r1": share * losses.gradient_penalty(judge, real), "r2": share * losses.gradient_penalty(judge, fake)}


def refuse_norm_of_batches(norm: Norm, penalty: float) -> None:
    """A penalty is of one image's slope; batch norm ties an image's logit to all others.

    Raises:
        ValueError: batch norm and a penalty together.
    """
    if norm == "batch" and penalty:
        raise ValueError(
            "The discriminator has batch norm and a gradient penalty; a penalty needs logits that depend on one image "
            "alone. Set its norm to instance or none, or the penalty to 0"
        )


def adversarial_phases(
    generator: Objective, discriminator: Objective, penalty: Objective | None = None, *, adam: Adam,
    penalty_every: int = 1, networks: tuple[str, ...] = ("generator",), opponent: str = "discriminator",
) -> tuple[Phase, ...]:  # fmt: skip
    """The usual order of an adversarial step: discriminator, its lazy penalty if there is one, generator.

    Args:
        generator: objective of the generator's side.
        discriminator: objective of the other side.
        penalty: objective of the discriminator's lazy phase.
        adam: optimizer of all networks.
        penalty_every: steps between two penalties.
        networks: that learn on the generator's side.
        opponent: name of the discriminator.
    """
    phase = partial(Phase, optimizer=adam.build)
    phases = [phase(networks=(opponent,), objective=discriminator)]
    if penalty:
        phases.append(phase(networks=(opponent,), objective=penalty, every=penalty_every))
    return (*phases, phase(networks=networks, objective=generator))

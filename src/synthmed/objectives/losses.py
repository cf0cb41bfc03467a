"""Losses: functions of logits and images, one value per sample, no state, no hidden activation.

``real`` and ``fake`` are logits of a discriminator (``shapes.Logits``), above 0 where it believes; where a
discriminator gives one logit a patch, the value of a sample is the mean over its patches. The weight stands
where the term is named, in the method.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from synthmed.shapes import Image, Latent, Logits, OneHot, PerSample


def logistic_discriminator(real: Logits, fake: Logits) -> PerSample:
    """Cross-entropy of a discriminator (Goodfellow et al. 2014, eq. 1): -log s(real) - log(1 - s(fake))."""
    return _per_sample(functional.softplus(-real.float())) + _per_sample(functional.softplus(fake.float()))


def logistic_generator(fake: Logits) -> PerSample:
    """Non-saturating generator loss (Goodfellow et al. 2014, section 3): -log s(fake)."""
    return _per_sample(functional.softplus(-fake.float()))


def relativistic_discriminator(real: Logits, fake: Logits) -> PerSample:
    """Relativistic pairing loss (Jolicoeur-Martineau 2018): -log s(real - fake), each real with its fake."""
    return _per_sample(functional.softplus(fake.float() - real.float()))


def relativistic_generator(real: Logits, fake: Logits) -> PerSample:
    """The generator's side of the relativistic pairing loss: -log s(fake - real)."""
    return _per_sample(functional.softplus(real.float() - fake.float()))


def wasserstein_discriminator(real: Logits, fake: Logits) -> PerSample:
    """The critic's side of the Wasserstein distance (Arjovsky et al. 2017, eq. 2): D(G) - D(x)."""
    return _per_sample(fake) - _per_sample(real)


def wasserstein_generator(fake: Logits) -> PerSample:
    """The generator's side of it: -D(G)."""
    return -_per_sample(fake)


def drift(real: Logits) -> PerSample:
    """D(x)^2, which keeps the critic's level near zero (Karras et al. 2018, appendix A.1)."""
    return _per_sample(real).square()


def slope_penalty(discriminate: Callable[[Image], Logits], real: Image, fake: Image, shares: PerSample) -> PerSample:
    """WGAN-GP's penalty (Gulrajani et al. 2017, eq. 3): (||grad_x D(x)|| - 1)^2 between real and fake images.

    Args:
        discriminate: the critic, as a function of images alone.
        real: one end of the lines on which the slope is measured, one line an image.
        fake: the other end.
        shares: [N] in [0, 1], where on its line each point lies; drawn uniformly in the paper.
    """
    between = torch.lerp(real.detach(), fake.detach(), shares[:, None, None, None])
    gradient = _input_gradient(discriminate, between)
    norm = (gradient.float().square().flatten(1).sum(1) + 1e-12).sqrt()  # the root has no slope at 0
    return (norm - 1).square()


def gradient_penalty(discriminate: Callable[[Image], Logits], images: Image) -> PerSample:
    """Squared norm of the discriminator's input gradient (R1 on real, R2 on fake; Mescheder et al. 2018).

    Differentiable by the discriminator's parameters; the images get no gradient. Patch logits are averaged
    first, so that the size of the penalty does not depend on the number of patches.
    """
    return _input_gradient(discriminate, images.detach()).float().square().flatten(1).sum(1)  # ||grad_x D(x)||^2


def absolute_error(output: Image, target: Image) -> PerSample:
    """Mean absolute difference of two images, the L1 term of pix2pix (Isola et al. 2017, eq. 3)."""
    return _per_sample((output - target).abs())


def repetition(one: Image, other: Image, one_hot: OneHot, target: float) -> PerSample:
    """By how much two images under one mask differ less than they should (mode seeking; Mao et al. 2019); at least 0.

    The difference is that of means of 4x4 pixels, summed over the image and divided by the foreground's size: grain
    does not count, nor does a small foreground.

    Args:
        one: made of some latents.
        other: made of others, under the same mask.
        one_hot: of the masks.
        target: how much they should differ, in the units of images.
    """
    difference = functional.avg_pool2d(one - other, 4).abs().mean((1, 2, 3))
    foreground = one_hot.amax(1).mean((1, 2)).clamp_min(0.05)
    return functional.relu(target - difference / foreground)


def cross_entropy(logits: Tensor, target: Tensor) -> PerSample:
    """Mean cross-entropy of the pixels of one_hot [N P H W] in {0, 1}, each on its own."""
    return _per_sample(functional.binary_cross_entropy_with_logits(logits, target, reduction="none"))


def divergence_from_normal(mean: Latent, log_variance: Latent) -> PerSample:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1) (Kingma and Welling 2014, appendix B)."""
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)


def _input_gradient(discriminate: Callable[[Image], Logits], images: Image) -> Image:
    """grad_x D(x), itself differentiable by the discriminator's parameters.

    By ``torch.func``, because ``torch.autograd.grad`` around a compiled discriminator loses the second derivative
    without a word (seen with torch 2.11 to 2.14).
    """
    return torch.func.grad(lambda inputs: _per_sample(discriminate(inputs)).sum())(images)


def _per_sample(values: Tensor) -> PerSample:
    return values.float().flatten(1).mean(1)  # bfloat16 keeps 8 bits; a sum needs more

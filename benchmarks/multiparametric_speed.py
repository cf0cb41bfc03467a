"""Multiparametric patches beside the plainest loop, and beside MONAI's networks at equal processor seconds.

    pip install einops                                    # MONAI's diffusion network needs it
    python benchmarks/breast_mr_patches.py DATA
    python benchmarks/multiparametric_speed.py DATA [--seconds 60] [--steps 20] [--recipe multiparametric]

- Milliseconds an image of the training loop (batches, warps, objectives, lazy penalty, averaged weights), with and
  without the distance of patches, and of the same networks in a loop as anyone would write it, without that distance:
  images in memory, one loop body, ``torch.autograd.grad``.
- Three rivals trained for the same processor seconds: the recipe; MONAI's ``Generator`` and ``Discriminator`` as a GAN
  that is not told classes; MONAI's ``DiffusionModelUNet``, told the class, sampled in 20 DDIM steps. Of each as many
  images as there are real test images, classes alike, and the kernel distance (KID) of all to the test patients.

Times are seconds of processor time of this process with one thread, since other work may run on the machine.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from synthmed.config import parse, read_recipe
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_stored, to_unit_range
from synthmed.draws import Draws
from synthmed.evaluation._featured import in_real_units
from synthmed.evaluation.features.extractor import open_extractor
from synthmed.evaluation.kernel_distance import kernel_distance
from synthmed.methods import find_method
from synthmed.methods._contract import build
from synthmed.shapes import Given
from synthmed.training import averages
from synthmed.training.batches import Batches
from synthmed.training.updates import optimizers_of, update

TRIPLET = [0, 1, 2]
"""T2, T1 pre, T1 post1."""


def ours(recipe: str, data: PreparedDataset, *overrides: str) -> tuple[Any, Callable[[int], None], int]:
    """The method, one step of its loop as ``train`` does it, and the images of a step."""
    found = read_recipe(recipe, overrides)
    kind = find_method(found.method)
    torch.manual_seed(0)
    method = build(kind, parse(kind.Config, found.config, "config"), data.spec)
    (stage,) = method.stages()
    batches = Batches(data, stage, 0, torch.device("cpu"), method)
    optimizers = optimizers_of(method.networks, stage)
    kept = build(kind, method.config, data.spec).networks["generator"]

    def step(number: int) -> None:
        done = number * stage.batch_size
        draws = Draws(number)
        batch = stage.transform(batches.at(done, draws))
        for phase in stage.phases:
            if number % phase.every == 0:
                for turn in range(phase.repeat):
                    if turn:
                        batch = stage.transform(batches.at(done + turn * stage.images, draws))
                    update(phase, stage, batch, method.networks, optimizers)
        averages.update(kept, method.networks["generator"], half_life=1000, seen=done + stage.batch_size,
                        batch_size=stage.batch_size)  # fmt: skip

    method.kept = kept
    return method, step, stage.batch_size


def plain(recipe: str, data: PreparedDataset) -> Callable[[int], None]:
    """The same networks and losses, written down without the package: images in memory, one body, no draws of ours."""
    found = read_recipe(recipe)
    kind = find_method(found.method)
    torch.manual_seed(0)
    method = build(kind, parse(kind.Config, found.config, "config"), data.spec)
    config, generator, discriminator = method.config, method.networks["generator"], method.networks["discriminator"]
    images = method._learned(to_unit_range(data.images()))
    labels = torch.tensor([data.spec.classes.index(row.label) for row in data.rows])
    adam = {"lr": config.adam.learning_rate, "betas": (config.adam.beta1, config.adam.beta2)}
    first, second = (
        torch.optim.Adam(generator.parameters(), **adam),
        torch.optim.Adam(discriminator.parameters(), **adam),
    )

    def seen(pictures: Tensor) -> Tensor:
        from synthmed.networks.layers import frequency_bands

        return frequency_bands(pictures, config.detail)

    def slope(pictures: Tensor, classes: Tensor) -> Tensor:
        pictures = pictures.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(discriminator(pictures, classes).sum(), pictures, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()

    def step(number: int) -> None:
        rows = torch.randint(len(images), (config.batch_size,))
        real = images[rows]
        real = torch.where(torch.rand(len(real), 1, 1, 1) < 0.5, real, real.flip(3))
        classes = functional.one_hot(labels[rows], len(data.spec.classes)).float()
        with torch.no_grad():
            fake = generator(torch.randn(len(real), config.latent_size), classes)
        loss = functional.softplus(discriminator(seen(fake), classes) - discriminator(seen(real), classes)).mean()
        second.zero_grad()
        loss.backward()
        second.step()
        if number % config.penalty_every == 0:
            with torch.no_grad():
                fake = generator(torch.randn(len(real), config.latent_size), classes)
            share = config.penalty * config.penalty_every / 2
            second.zero_grad()
            (share * (slope(seen(real), classes) + slope(seen(fake), classes))).backward()
            second.step()
        fake = generator(torch.randn(len(real), config.latent_size), classes)
        with torch.no_grad():
            true = discriminator(seen(real), classes)
        loss = functional.softplus(true - discriminator(seen(fake), classes)).mean()
        first.zero_grad()
        loss.backward()
        first.step()

    return step


def monai_gan(data: PreparedDataset) -> tuple[Callable[[int], None], Callable[[Tensor], Tensor]]:
    """MONAI's Generator and Discriminator with the losses of DCGAN; one step, and labels -> images."""
    from monai.networks.nets import Discriminator, Generator

    torch.manual_seed(0)
    channels, side = data.spec.channels, data.spec.height
    base = side // 16
    generator = Generator(
        latent_shape=64, start_shape=(128, base, base), channels=(128, 64, 32, channels), strides=(2, 2, 2, 2)
    )
    discriminator = Discriminator(in_shape=(channels, side, side), channels=(16, 32, 64, 128), strides=(2, 2, 2, 2),
                                  last_act=None)  # fmt: skip
    first, second = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (generator, discriminator)
    )
    images = to_unit_range(data.images())

    def step(number: int) -> None:
        real = images[torch.randint(len(images), (16,))]
        fake = generator(torch.randn(16, 64)).tanh()
        loss = functional.softplus(-discriminator(real)) + functional.softplus(discriminator(fake.detach()))
        second.zero_grad()
        loss.mean().backward()
        second.step()
        first.zero_grad()
        functional.softplus(-discriminator(fake)).mean().backward()
        first.step()

    @torch.no_grad()
    def make(labels: Tensor) -> Tensor:
        generator.eval()
        return generator(torch.randn(len(labels), 64)).tanh()

    return step, make


def monai_diffusion(data: PreparedDataset) -> tuple[Callable[[int], None], Callable[[Tensor], Tensor]]:
    """MONAI's DiffusionModelUNet, told the class; one step, and labels -> images by 20 DDIM steps."""
    from monai.networks.nets import DiffusionModelUNet
    from monai.networks.schedulers import DDIMScheduler

    torch.manual_seed(0)
    channels, classes = data.spec.channels, len(data.spec.classes)
    network = DiffusionModelUNet(
        spatial_dims=2, in_channels=channels, out_channels=channels, channels=(32, 64, 64), num_res_blocks=1,
        attention_levels=(False, False, True), num_head_channels=32, norm_num_groups=16, num_class_embeds=classes,
    )  # fmt: skip
    noise_of, optimizer = DDIMScheduler(num_train_timesteps=1000), torch.optim.Adam(network.parameters(), lr=1e-3)
    images = to_unit_range(data.images())
    labels = torch.tensor([data.spec.classes.index(row.label) for row in data.rows])

    def step(number: int) -> None:
        rows = torch.randint(len(images), (16,))
        noise, times = torch.randn_like(images[rows]), torch.randint(1000, (16,))
        noisy = noise_of.add_noise(original_samples=images[rows], noise=noise, timesteps=times)
        loss = functional.mse_loss(network(noisy, timesteps=times, class_labels=labels[rows]), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def make(wanted: Tensor) -> Tensor:
        network.eval()
        noise_of.set_timesteps(20)
        pictures = torch.randn(len(wanted), channels, data.spec.height, data.spec.width)
        for moment in noise_of.timesteps:
            times = torch.full((len(wanted),), int(moment))
            predicted = network(pictures, timesteps=times, class_labels=wanted)
            pictures, _ = noise_of.step(predicted, int(moment), pictures)
        return pictures.clamp(-1, 1)

    return step, make


def timed(step: Callable[[int], None], steps: int) -> float:
    """Processor seconds a step, after two to warm up."""
    for number in range(2):
        step(number)
    began = time.process_time()
    for number in range(steps):
        step(number)
    return (time.process_time() - began) / steps


def trained(step: Callable[[int], None], seconds: float) -> int:
    """Train for so many processor seconds; the steps that were made."""
    began, number = time.process_time(), 0
    while time.process_time() - began < seconds:
        step(number)
        number += 1
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", default="multiparametric")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    dataset = PreparedDataset.open(asked.data)
    training, test = dataset.split("train"), dataset.split("test")
    _, whole, batch = ours(asked.recipe, training)
    _, less, _ = ours(asked.recipe, training, "config.patches=0.0")
    loops = {"our loop": whole, "our loop without patches": less, "plain loop": plain(asked.recipe, training)}
    for name, step in loops.items():
        print(f"{name}: {1000 * timed(step, asked.steps) / batch:.1f} ms of processor an image", flush=True)

    extractor = open_extractor("random_vgg")
    wanted = torch.tensor([dataset.spec.classes.index(row.label) for row in test.rows])
    true = extractor.run(test.images()[:, TRIPLET])

    def judged(name: str, steps: int, make: Callable[[Tensor], Tensor]) -> None:
        pictures = torch.cat([make(part) for part in wanted.split(32)])
        made = extractor.run(np.ascontiguousarray(to_stored(pictures, dataset.info.bits)[:, TRIPLET]))
        distance = kernel_distance(*in_real_units(made, true))
        print(f"{name}: {steps} steps in {asked.seconds:.0f} s, KID {distance:.4f}", flush=True)

    @torch.no_grad()
    def generate(labels: Tensor) -> Tensor:
        method.networks["generator"].load_state_dict(method.kept.state_dict())
        method.networks.eval()
        return method.generate(torch.randn(len(labels), *method.latent_shape), Given(labels=labels)).images

    method, loop, _ = ours(asked.recipe, training)
    judged(asked.recipe, trained(loop, asked.seconds), generate)
    for name, rival in (("MONAI GAN", monai_gan), ("MONAI diffusion", monai_diffusion)):
        step, make = rival(training)
        judged(name, trained(step, asked.seconds), make)


if __name__ == "__main__":
    main()

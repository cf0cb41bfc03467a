"""Style inversion: step times of ours, of a plain loop and of the published network; inversion in batches; the encoder.

    python benchmarks/style_inversion.py --speed DATA [--steps 10]
    python benchmarks/style_inversion.py MODEL DATA [--steps 100]

The first prints milliseconds an image of the generator's stage: as ``train`` does it with the recipe, as anyone would
write it (the same networks and losses, no channels-last memory, a penalty at every step), and of the published recipe;
then the share of the core's limit, which is that of a large product of matrices, that our step reaches. The second
prints seconds an image of the encoder, and of inversion of eight images at once and one after the other. Times are
processor time of one thread, since other work may run on the machine.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from synthmed.config import parse, read_recipe
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.draws import Draws
from synthmed.editing._optimise import Search, optimised
from synthmed.evaluation.features.perception import perception
from synthmed.generation.model import load_model
from synthmed.methods import find_method
from synthmed.methods._contract import build
from synthmed.networks.layers import frequency_bands
from synthmed.objectives.patch_distance import patch_distance
from synthmed.training.batches import Batches
from synthmed.training.updates import optimizers_of, update


def method_of(recipe: str, data: PreparedDataset):
    found = read_recipe(recipe)
    kind = find_method(found.method)
    torch.manual_seed(0)
    return build(kind, parse(kind.Config, found.config, "config"), data.spec)


def looped(recipe: str, data: PreparedDataset):
    """One step of the generator's stage as ``train`` does it, and its images."""
    method = method_of(recipe, data)
    stage = method.stages()[0]
    batches = Batches(data, stage, 0, torch.device("cpu"), method)
    optimizers = optimizers_of(method.networks, stage)

    def step(number: int) -> None:
        batch = stage.transform(batches.at(number * stage.batch_size, Draws(number)))
        for phase in stage.phases:
            if number % phase.every == 0:
                update(phase, stage, batch, method.networks, optimizers)

    return step, stage.batch_size


def plain(recipe: str, data: PreparedDataset):
    """The same networks and losses, written down without the package."""
    method = method_of(recipe, data)
    config, generator = method.config, method.networks["generator"].to(memory_format=torch.contiguous_format)
    judge = method.networks["discriminator"].to(memory_format=torch.contiguous_format)
    images = to_unit_range(data.images())
    adam = {"lr": config.adam.learning_rate, "betas": (config.adam.beta1, config.adam.beta2)}
    first = torch.optim.Adam(generator.parameters(), **adam)
    second = torch.optim.Adam(judge.judge.parameters(), **adam)

    def made() -> Tensor:
        return generator.paint(generator.codes(torch.randn(config.batch_size, config.latent_size)))

    def logits(pictures: Tensor) -> Tensor:
        return judge(frequency_bands(pictures, config.detail))

    def slope(pictures: Tensor) -> Tensor:
        pictures = frequency_bands(pictures, config.detail).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(judge(pictures).sum(), pictures, create_graph=True)
        return gradient.square().flatten(1).sum(1).mean()

    def step(number: int) -> None:
        real = images[torch.randint(len(images), (config.batch_size,))]
        with torch.no_grad():
            fake = made()
        loss = functional.softplus(logits(fake) - logits(real)).mean()
        loss = loss + config.penalty / 2 * (slope(real) + slope(fake))
        second.zero_grad()
        loss.backward()
        second.step()
        fake = made()
        with torch.no_grad():
            true = logits(real)
        loss = functional.softplus(true - logits(fake)).mean()
        whole = torch.ones_like(real[:, :1])
        loss = loss + config.patches * patch_distance(fake, real, whole * 0, whole[:, 0], Draws(number)).mean()
        first.zero_grad()
        loss.backward()
        first.step()

    return step, config.batch_size


def timed(step, images: int, steps: int, begin: int = 0) -> float:
    """Milliseconds of processor time an image."""
    step(begin)
    start = time.process_time()
    for number in range(begin + 1, begin + 1 + steps):
        step(number)
    return (time.process_time() - start) / steps / images * 1000


def limit() -> float:
    """Operations a second that one thread does in a product of matrices."""
    one = torch.randn(2048, 2048)
    one @ one
    start = time.process_time()
    for _ in range(4):
        one @ one
    return 4 * 2 * 2048**3 / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--speed", action="store_true", help="the first argument is a data set")
    parser.add_argument("--steps", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.speed:
        data, steps = PreparedDataset.open(asked.model).split("train"), asked.steps or 16
        for name, way, recipe in (("ours", looped, "style_inversion"), ("plain loop", plain, "style_inversion"),
                                  ("published", looped, "style_inversion_paper")):  # fmt: skip
            step, images = way(recipe, data)
            took = timed(step, images, steps)
            print(f"{name}: {took:.1f} ms an image", end="")
            if name == "ours":
                with FlopCounterMode(display=False) as counter:
                    step(1)  # one without penalties, whose operations cannot be counted
                share = counter.get_total_flops() / images / (timed(step, images, 6) / 1000) / limit()
                print(f", {share:.0%} of the core's limit (a step without penalties)", end="")
            print()
        return
    model, steps = load_model(asked.model), asked.steps or 100
    wanted = to_unit_range(PreparedDataset.open(asked.data).split("test").images(range(8)))
    network, search = perception("random"), Search(steps=steps)
    start = time.process_time()
    begin = model.encode(wanted)
    print(f"encoder: {(time.process_time() - start) / 8:.4f} s an image")
    times = []
    for groups in ([slice(0, 8)], [slice(one, one + 1) for one in range(8)]):
        start = time.process_time()
        for rows in groups:
            optimised(model, wanted[rows], begin[rows], search, network)
        times.append((time.process_time() - start) / 8)
    print(f"inversion, {steps} steps: {times[0]:.2f} s an image together, {times[1]:.2f} s alone, "
          f"{times[1] / times[0]:.1f} times")  # fmt: skip


if __name__ == "__main__":
    main()

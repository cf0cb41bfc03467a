"""The training step of mask embedding: operations, bytes, share of the machine's limit, and beside the plainest code.

    python benchmarks/mask_embedding_step.py [--recipe mask_embedding] [--size 128x64] [--batch 8] [--compiled]

- Operations and bytes are counted as the step runs: operations of convolutions and products; bytes of all that each
  operation reads and writes ("eager") and of convolutions and products alone ("fused", all else free).
- The limit is measured: operations a second of a large product, bytes a second of a large copy.
- "plain" is the same step as anyone would write it: one loop body, ``torch.autograd.grad``, an optimizer as it is.
- ``--compiled`` lets TorchInductor compile the penalty too, and compares its gradients with the eager ones.

Times are seconds of processor time of this process, since other work may run on the machine.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.flop_counter import flop_registry

from synthmed.config import parse, read_recipe
from synthmed.draws import Draws
from synthmed.methods import find_method
from synthmed.objectives import losses
from synthmed.objectives.patch_distance import patch_distance
from synthmed.shapes import Batch, Given, ImageSpec, to_one_hot
from synthmed.training.updates import optimizers_of, update


class Traffic(TorchDispatchMode):
    """Counts operations, and the bytes that they read and write; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.all = self.products = self.operations = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            tensors = [one for one in tree_flatten((args, kwargs, result))[0] if isinstance(one, Tensor)]
            moved = sum(one.numel() * one.element_size() for one in tensors)
            self.all += moved
            name = str(operation)
            self.products += moved if any(word in name for word in ("conv", "mm", "linear")) else 0
        count = flop_registry.get(operation._overloadpacket)
        self.operations += count(*args, **(kwargs or {}), out_val=result) if count else 0
        return result


def made(recipe: str, height: int, width: int, batch: int) -> tuple[Any, Any, Batch]:
    """A method, its last stage, and a batch."""
    found = read_recipe(recipe)
    kind = find_method(found.method)
    torch.manual_seed(0)
    method = kind(parse(kind.Config, found.config, "config"), ImageSpec(channels=1, size=(height, width)))
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    masks = ((rows - height / 2) ** 2 + columns**2 < (width * 0.8) ** 2).to(torch.uint8).repeat(batch, 1, 1)
    images = torch.rand(batch, 1, height, width) * 2 - 1
    draws = Draws(0)
    given = Given(masks=masks)
    return method, method.stages()[-1], Batch(images=images, given=given, fields_of_view=torch.ones_like(masks),
                                              draws=draws)  # fmt: skip


def ours(method: Any, stage: Any, batch: Batch) -> Callable[[int], None]:
    """The step as the loop makes it."""
    optimizers = optimizers_of(method.networks, stage)

    def step(number: int) -> None:
        stage.on_progress(1.0)
        for phase in stage.phases:
            if number % phase.every:
                continue
            update(phase, stage, batch, method.networks, optimizers)

    return step


def plain(method: Any, batch: Batch) -> Callable[[int], None]:
    """The same mathematics in one body, without anything of this package but the networks."""
    generator, judge, config = method.networks["generator"], method.networks["discriminator"], method.config
    rates = {"lr": config.adam.learning_rate, "betas": (config.adam.beta1, config.adam.beta2)}
    of_generator = torch.optim.Adam(generator.parameters(), **rates)
    of_judge = torch.optim.Adam(judge.parameters(), **rates)
    one_hot, real = to_one_hot(batch.masks, 2), batch.images

    def seen(images: Tensor) -> Tensor:
        return method._seen(images, one_hot, batch)

    def slope(images: Tensor) -> Tensor:
        images = images.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(judge(images).sum(), images, create_graph=True)
        return gradient.square().flatten(1).sum(1)

    def step(number: int) -> None:
        judge.requires_grad_(True)
        of_judge.zero_grad()
        with torch.no_grad():
            fake = generator(one_hot, torch.randn(len(real), *method.latent_shape))
        if config.loss == "wasserstein":
            share = torch.rand(len(real), 1, 1, 1)
            between = torch.lerp(real, fake, share).requires_grad_(True)
            logits = judge(torch.cat([between, one_hot * 2 - 1], dim=1))
            (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
            penalty = (gradient.square().flatten(1).sum(1).sqrt() - 1).square()
            true, false = judge(seen(real)), judge(seen(fake))
            loss = false.mean() - true.mean() + config.penalty * penalty.mean() + config.drift * true.square().mean()
            loss.backward()
            of_judge.step()
        else:
            torch.nn.functional.softplus(judge(seen(fake)) - judge(seen(real))).mean().backward()
            of_judge.step()
            if number % config.penalty_every == 0:
                of_judge.zero_grad()
                with torch.no_grad():
                    fake = generator(one_hot, torch.randn(len(real), *method.latent_shape))
                weight = config.penalty * config.penalty_every / 2
                (weight * (slope(seen(real)) + slope(seen(fake)))).mean().backward()
                of_judge.step()
        judge.requires_grad_(False)
        of_generator.zero_grad()
        made = generator(one_hot, torch.randn(len(real), *method.latent_shape))
        false = judge(seen(made))
        if config.loss == "wasserstein":
            loss = -false.mean()
        else:
            with torch.no_grad():
                true = judge(seen(real))
            loss = torch.nn.functional.softplus(true - false).mean()
        if config.patches:
            inside = batch.masks.clamp(max=1)
            loss = (
                loss + config.patches * patch_distance(made, real, one_hot, inside, batch.draws, together=True).mean()
            )
        if config.variety:
            few = one_hot[: max(1, len(one_hot) // 4)]
            other = generator(few, torch.randn(len(few), *method.latent_shape))
            missing = losses.repetition(made[: len(few)], other, few, config.variety_target)
            loss = loss + config.variety * missing.mean()
        loss.backward()
        of_generator.step()

    return step


def seconds(steps: list[Callable[[int], None]], cycle: int, rounds: int = 4) -> list[float]:
    """Processor time of one step of each, the best of some rounds in turn."""
    best = [float("inf")] * len(steps)
    for round_ in range(rounds + 1):
        for place, step in enumerate(steps):
            began = time.process_time()
            for number in range(cycle):
                step(number)
            if round_:
                best[place] = min(best[place], (time.process_time() - began) / cycle)
    return best


def limits() -> tuple[float, float]:
    """Operations and bytes a second that this process can reach."""
    one = torch.rand(1024, 1024)
    large, other = torch.rand(2**25), torch.empty(2**25)
    products, copies = [], []
    for _ in range(8):
        began = time.process_time()
        one @ one
        products.append(2 * 1024**3 / (time.process_time() - began))
        began = time.process_time()
        other.copy_(large)
        copies.append(2 * 4 * 2**25 / (time.process_time() - began))
    return max(products), max(copies)


def compiled_difference(method: Any, batch: Batch) -> tuple[float, float]:
    """Largest difference of compiled and eager gradients of the penalty, by the largest gradient; and the seconds."""
    judge = method.networks["discriminator"].requires_grad_(True)
    images = torch.cat([batch.images, to_one_hot(batch.masks, 2) * 2 - 1], dim=1)

    def penalty(seen: Tensor) -> Tensor:
        return losses.gradient_penalty(judge, seen)

    found = []
    began = time.perf_counter()
    for loss in (penalty, torch.compile(penalty, fullgraph=True)):
        judge.zero_grad(set_to_none=True)
        loss(images).mean().backward()
        found.append([p.grad.clone() for p in judge.parameters() if p.grad is not None])
    size = max(float(one.abs().max()) for one in found[0])
    difference = max(float((one - other).abs().max()) for one, other in zip(*found, strict=True))
    return difference / size, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="mask_embedding")
    parser.add_argument("--size", default="128x64")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--compiled", action="store_true")
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    method, stage, batch = made(arguments.recipe, height, width, arguments.batch)
    cycle = max(phase.every for phase in stage.phases)
    step = ours(method, stage, batch)
    with Traffic() as traffic:
        for number in range(cycle):
            step(number)
    count = cycle * arguments.batch
    flops, moved, fused = traffic.operations / count, traffic.all / count, traffic.products / count
    peak, bandwidth = limits()
    own, other = (taken / arguments.batch for taken in seconds([step, plain(method, batch)], cycle))
    floor = max(flops / peak, fused / bandwidth)
    print(f"{arguments.recipe}, {arguments.size}, batch {arguments.batch}, {torch.get_num_threads()} threads")
    print(f"an image: {flops / 1e9:.2f} G operations, {moved / 1e6:.1f} MB eager, {fused / 1e6:.1f} MB fused")
    print(f"limits:   {peak / 1e9:.0f} G operations/s, {bandwidth / 1e9:.1f} GB/s")
    print(f"so long:  {flops / peak * 1e3:.1f} ms by operations, {moved / bandwidth * 1e3:.1f} ms by eager bytes, "
          f"{fused / bandwidth * 1e3:.1f} ms by fused ones")  # fmt: skip
    print(f"ours      {own * 1e3:.1f} ms an image, {floor / own:.0%} of the limit")
    print(f"plain     {other * 1e3:.1f} ms an image   (plain / ours = {other / own:.2f})")
    if arguments.compiled:
        difference, taken = compiled_difference(method, batch)
        print(f"compiled penalty: gradients differ by {difference:.1e} of the largest; {taken:.0f} s to compile")


if __name__ == "__main__":
    main()

"""A compiled penalty is the eager one: compilers have dropped its second derivative without a word.

The penalty is taken by ``torch.func`` inside the compiled loss. Dynamo and AOTAutograd, where the derivative was lost,
run here; code is not generated, which would take minutes (``benchmarks/mask_embedding_step.py`` does that).
"""

import pytest
import torch
from contracts.toys import tiny_method, toy_batch
from torch import Tensor, nn

from synthmed import losses
from synthmed.methods import method_names

PENALTIES = {
    "r1": lambda judge, images: losses.gradient_penalty(judge, images),
    "slope": lambda judge, images: losses.slope_penalty(
        judge, images, images.flip(0), torch.linspace(0.1, 0.9, len(images))
    ),
}


def discriminators() -> list[tuple[str, str]]:
    found = []
    for name in method_names():
        method = tiny_method(name)
        found += [(name, key) for key in method.networks if key not in method.generator_networks]
    return found


def what_it_sees(name: str, key: str) -> tuple[nn.Module, Tensor]:
    """A discriminator and the first images that it judges in its own stage."""
    method = tiny_method(name)
    stage, phase = next((s, p) for s in method.stages() for p in s.phases if p.network == key)
    seen: list[Tensor] = []
    hook = method.networks[key].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    phase.objective(stage.transform(toy_batch(4)))
    hook.remove()
    return method.networks[key], seen[0]


def gradients(loss, judge: nn.Module, images: Tensor, weight: float) -> list[Tensor]:
    judge.zero_grad(set_to_none=True)
    # A little of the logits themselves, as in training: without it a weight of 0 would have no gradient at all.
    (weight * loss(images).mean() + judge(images).mean()).backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in judge.parameters()]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name, key", discriminators(), ids=lambda word: word)
def test_gradients_of_a_compiled_penalty_are_the_eager_ones(name: str, key: str, penalty: str) -> None:
    judge, images = what_it_sees(name, key)

    def loss(batch: Tensor) -> Tensor:
        return PENALTIES[penalty](judge, batch)

    torch._dynamo.reset()
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    eager, none = gradients(loss, judge, images, 10.0), gradients(loss, judge, images, 0.0)
    found = gradients(compiled, judge, images, 10.0)
    size = max(float(gradient.abs().max()) for gradient in eager)
    for one, other in zip(eager, found, strict=True):
        assert float((one - other).abs().max()) <= 1e-4 * size
    assert any(not torch.allclose(one, other) for one, other in zip(eager, none, strict=True))

"""A compiled penalty is the eager one: compilers have dropped its second derivative without a word.

The penalty is taken by ``torch.func`` inside the compiled loss. Dynamo and AOTAutograd, where the derivative was lost,
run here; code is not generated, which would take minutes (``benchmarks/mask_embedding_step.py`` does that).
"""

from typing import Any

import jaxtyping
import pytest
import torch
from contracts.toys import tiny_method, toy_batch
from torch import Tensor, nn

from synthmed.methods import method_names
from synthmed.objectives import losses

AS_PUBLISHED = {
    "blocks": "deconvolution", "loss": "wasserstein", "features": 16,
    "levels": [{"batch_size": 4, "learning_rate": 1e-3, "fade_images": 8, "stable_images": 8}] * 4,
}  # fmt: skip


def cases() -> list[tuple[str, str, dict[str, Any]]]:
    """Every discriminator of every method; that of mask embedding also as published."""
    found = []
    for name in method_names():
        method = tiny_method(name)
        found += [(name, key, {}) for key in method.networks if key.endswith("discriminator")]
    return [*found, ("mask_embedding", "discriminator", AS_PUBLISHED)]


def what_it_sees(name: str, key: str, changes: dict[str, Any]) -> tuple[nn.Module, Tensor]:
    """A discriminator and the first images that it judges in its last stage."""
    method = tiny_method(name, **changes)
    stage, _ = [(s, p) for s in method.stages() for p in s.phases if key in p.networks][-1]
    seen: list[Tensor] = []
    hook = method.networks[key].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    first = next(one for one in stage.phases if key in one.networks)
    first.objective(stage.transform(toy_batch(4)))
    hook.remove()
    return method.networks[key], seen[0]


def gradients(loss, judge: nn.Module, images: Tensor, weight: float) -> list[Tensor]:
    judge.zero_grad(set_to_none=True)
    # A little of the logits themselves, as in training: without it a weight of 0 would have no gradient at all.
    (weight * loss(images).mean() + judge(images).mean()).backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in judge.parameters()]


@pytest.mark.parametrize("name, key, changes", cases(), ids=lambda word: word if isinstance(word, str) else "")
def test_gradients_of_a_compiled_penalty_are_the_eager_ones(
    name: str, key: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # its checks cannot be traced
    judge, images = what_it_sees(name, key, changes)
    shares = torch.linspace(0.1, 0.9, len(images))

    def loss(batch: Tensor) -> Tensor:
        if changes:
            return losses.slope_penalty(judge, batch, batch.flip(0), shares)
        return losses.gradient_penalty(judge, batch)

    torch._dynamo.reset()
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    eager, none = gradients(loss, judge, images, 10.0), gradients(loss, judge, images, 0.0)
    found = gradients(compiled, judge, images, 10.0)
    size = max(float(gradient.abs().max()) for gradient in eager)
    for one, other in zip(eager, found, strict=True):
        assert float((one - other).abs().max()) <= 1e-4 * size
    assert any(not torch.allclose(one, other) for one, other in zip(eager, none, strict=True))

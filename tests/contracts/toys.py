"""Every method in a size that trains in a second: found by the recipes named <method>_tiny, made smaller still."""

from typing import Any

import torch

from synthmed.config import parse, read_recipe
from synthmed.draws import Draws
from synthmed.methods import find_method
from synthmed.methods._contract import Method
from synthmed.shapes import Batch, Given, ImageSpec, Pairs

SPEC = ImageSpec(channels=3, size=(32, 32), num_labels=2, classes=("benign", "malignant"))


def tiny_method(name: str, spec: ImageSpec = SPEC, **changes: Any) -> Method:
    """The method as its tiny recipe sets it, built from seed 0."""
    kind = find_method(name)
    table = read_recipe(f"{name}_tiny").config | changes
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(parse(kind.Config, table, "config"), spec)


def toy_batch(size: int = 4, seed: int = 0, spec: ImageSpec = SPEC) -> Batch:
    """Random images under random discs, of each class in turn."""
    draws = Draws(seed)
    rows = torch.arange(spec.height)[None, :, None]
    columns = torch.arange(spec.width)[None, None, :]
    centre = draws.uniform(2, size, 1, 1) * spec.height
    masks = ((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 64).to(torch.uint8)
    images = draws.uniform(size, spec.channels, *spec.size) * 2 - 1
    labels = (torch.arange(size) + seed) % len(spec.classes) if spec.classes else None
    styles = Pairs(images=images.roll(1, 0), masks=masks.roll(1, 0))
    given = Given(masks=masks, labels=labels, styles=styles)
    return Batch(images=images, given=given, fields_of_view=torch.ones_like(masks), draws=draws)

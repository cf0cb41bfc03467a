"""One step of every phase of recipes, then averages, discriminate and generate, on a device that only has shapes.

    python tests/contracts/device_without_arithmetic.py RECIPE [RECIPE ...]

A tensor on the wrong device raises an error here as it does on a real one, and copies between devices are counted:
each back to the CPU would wait for the device. Prints a line of JSON for each recipe. It is a script of its own because
a device, once it is registered, stays for the life of the process. Autocast is not tried: torch has no kernels of it
for a device from outside.
"""

import json
import sys
import types
import warnings

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

from synthmed.config import parse, read_recipe
from synthmed.draws import Draws
from synthmed.methods import find_method
from synthmed.shapes import Batch, Given, ImageSpec, Pairs
from synthmed.training import averages
from synthmed.training.means import Means
from synthmed.training.updates import optimizers_of, update

DEVICE = "shapes"
SIDES = (64, 256)  # the published pix2pix halves eight times; what works with less is tried with less


def register() -> None:
    """Make the device known: without a build for one, a Python-only backend gives fake tensors a second device."""
    backend = types.ModuleType(f"torch.{DEVICE}")
    backend.is_available = backend.is_initialized = lambda: True
    backend.current_device, backend.device_count = lambda: 0, lambda: 1
    backend._is_in_bad_fork, backend.manual_seed_all = lambda: False, lambda seed: None
    backend_registration._setup_privateuseone_for_python_backend(DEVICE, backend_module=backend)


class Copies(TorchDispatchMode):
    """Counts copies between devices by the line of synthmed that asks for them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}

    def __torch_dispatch__(self, function, kinds, arguments=(), words=None):
        made = function(*arguments, **(words or {}))
        source = next((one for one in arguments if isinstance(one, torch.Tensor)), None)
        crosses = isinstance(made, torch.Tensor) and source is not None and source.device.type != made.device.type
        if crosses or "_local_scalar_dense" in str(function):
            frame = sys._getframe(1)
            while frame and "/synthmed/" not in frame.f_code.co_filename:
                frame = frame.f_back
            where = f"{frame.f_code.co_filename.split('/synthmed/')[-1]}:{frame.f_lineno}" if frame else "elsewhere"
            where += " to the device" if crosses and made.device.type == DEVICE else " back"
            self.seen[where] = self.seen.get(where, 0) + 1
        return made


def move(networks: torch.nn.Module) -> None:
    """Put parameters and buffers on the device; ``Module.to`` cannot with tensors that only have shapes."""
    for part in networks.modules():
        for table in (part._parameters, part._buffers):
            for name, old in table.items():
                if old is not None:
                    new = torch.empty_strided(old.shape, old.stride(), dtype=old.dtype, device=DEVICE)
                    table[name] = torch.nn.Parameter(new) if table is part._parameters else new


def made_batch(spec: ImageSpec, count: int) -> Batch:
    """Ones of every kind, on the device."""
    images = torch.ones(count, spec.channels, *spec.size, device=DEVICE)
    masks = torch.ones(count, *spec.size, dtype=torch.uint8, device=DEVICE) if spec.num_labels > 1 else None
    labels = torch.zeros(count, dtype=torch.int64, device=DEVICE) if spec.classes else None
    return Batch(
        images=images,
        given=Given(masks=masks, labels=labels, styles=Pairs(images=images, masks=masks)),
        fields_of_view=torch.ones(count, *spec.size, dtype=torch.uint8, device=DEVICE),
        rows=tuple(range(count)),
        draws=Draws(0, DEVICE),
    )


def one_step(recipe: str, spec: ImageSpec) -> dict[str, int]:
    """Copies between devices in one step of all stages of a recipe."""
    table = read_recipe(recipe)
    kind = find_method(table.method)
    config = parse(kind.Config, table.config, "config")
    method, other, copies = kind(config, spec), kind(config, spec), Copies()
    with FakeTensorMode():
        move(method.networks)
        move(other.networks)
        for stage in method.stages():
            stage.on_progress(0.5)
            optimizers = optimizers_of(method.networks, stage)
            terms = Means()
            with copies:
                batch = stage.transform(made_batch(spec, max(2, min(stage.batch_size, 4))))
                for phase in stage.phases:
                    terms.add("", update(phase, stage, batch, method.networks, optimizers))
                for name in method.generator_networks:
                    averages.update(other.networks[name], method.networks[name], half_life=10, seen=4, batch_size=4)
            wrong = [str(term.device) for term in terms._sums.values() if term.device.type != DEVICE]
            assert not wrong, f"terms of {stage.name} are on {wrong}"
        batch = made_batch(spec, 2)
        said = method.discriminate(batch)
        method.networks.eval()
        latents = Draws(1, DEVICE).normal(2, *method.latent_shape)
        for given in (method.given(batch), method.given(batch).only(method.needs)):
            with torch.no_grad():
                pairs = method.generate(latents, given)
            tensors = [pairs.images, *([] if pairs.masks is None else [pairs.masks]), *said.values()]
            assert all(tensor.device.type == DEVICE for tensor in tensors)
    return copies.seen


def specs_for(recipe: str, side: int) -> list[ImageSpec]:
    """Colour images with masks and classes; for a recipe that needs no masks also images without."""
    table = read_recipe(recipe)
    words = {"channels": 3, "size": (side, side), "channel_names": ("r", "g", "b")}
    spec, bare = ImageSpec(classes=("benign", "malignant"), **words), ImageSpec(num_labels=1, **words)
    kind = find_method(table.method)
    try:
        kind(parse(kind.Config, table.config, "config"), bare)
    except ValueError:
        return [spec]
    return [spec, bare]


def told(recipe: str, side: int) -> list[dict[str, object]]:
    """What is printed of a recipe: for each kind of images the copies of a step, or the error."""
    found: list[dict[str, object]] = []
    for spec in specs_for(recipe, side):
        one: dict[str, object] = {"recipe": recipe, "labels": spec.num_labels}
        try:
            one["copies"] = one_step(recipe, spec)
        except Exception as error:
            one["error"] = f"{type(error).__name__}: {str(error)[:300]}"
        found.append(one)
    return found


def main() -> None:
    """Print what each recipe does."""
    warnings.filterwarnings("ignore")
    register()
    for recipe in sys.argv[1:]:
        for side in SIDES:
            found = told(recipe, side)
            if not any("error" in one for one in found):
                break
        for one in found:
            print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main()

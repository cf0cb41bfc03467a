"""Images per second of the training loop, beside what a user would write instead.

    python benchmarks/training_speed.py [--recipe pix2pix_tiny] [--size 64] [--steps 60]

On the same networks, objectives and batches:

- "loop":  ``synthmed.train`` as it is, with its log, checkpoints, sample grids and averaged weights;
- "bare":  the plainest eager PyTorch loop over tensors in memory, without any of that;
- "files": the same loop over a ``torch.utils.data.DataLoader`` that reads the PNG files with two workers.

Also the time to read batches from the prepared set, memory-mapped from the page cache.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from synthmed.config import parse, read_recipe
from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.data.prepare import prepare
from synthmed.data.sampler import batch_indices
from synthmed.draws import Draws
from synthmed.methods import find_method
from synthmed.phantoms import phantom
from synthmed.shapes import Batch, Given
from synthmed.training.loop import train
from synthmed.training.updates import optimizers_of


class Files(Dataset):
    """PNG files, decoded at every access."""

    def __init__(self, folder: Path, num: int) -> None:
        self.folder, self.num = folder, num

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        index %= self.num
        image = np.asarray(Image.open(self.folder / f"{index}.png")).transpose(2, 0, 1)
        mask = np.asarray(Image.open(self.folder / f"{index}-mask.png"))
        return torch.from_numpy(image.copy()).float() / 127.5 - 1, torch.from_numpy(mask.copy())


def bare_rate(method, batches, steps: int) -> float:
    """Images per second of a plain loop over the first stage."""
    stage = method.stages()[0]
    optimizers = optimizers_of(method.networks, stage)
    began = 0.0
    for step in range(steps + 5):
        if step == 5:
            began = time.perf_counter()
        batch = stage.transform(next(batches))
        for phase in stage.phases:
            if step % phase.every:
                continue
            for name, network in method.networks.items():
                network.requires_grad_(name in phase.networks)
            for name in phase.networks:
                optimizers[name].zero_grad()
            torch.stack([term.mean() for term in phase.objective(batch).values()]).sum().backward()
            for name in phase.networks:
                optimizers[name].step()
    return steps * stage.batch_size / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="pix2pix_tiny")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=60)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        phantom("retina", place / "source", num=32, size=2 * arguments.size)
        dataset = prepare(place / "source", place / "data", kind="retina", size=arguments.size)
        training = PreparedDataset.open(place / "data").split("train")
        recipe = read_recipe(arguments.recipe)
        kind = find_method(recipe.method)
        method = kind(parse(kind.Config, recipe.config, "config"), dataset.spec)
        size = method.stages()[0].batch_size

        images, masks, fields_of_view = to_unit_range(training.images()), training.masks(), training.fields_of_view()
        (place / "png").mkdir()
        for index, (image, mask) in enumerate(zip(training.images(), masks, strict=True)):
            Image.fromarray(image.transpose(1, 2, 0)).save(place / "png" / f"{index}.png")
            Image.fromarray(mask).save(place / "png" / f"{index}-mask.png")
        masks, fields_of_view = torch.from_numpy(masks), torch.from_numpy(fields_of_view)

        def memory():
            for step in range(10**9):
                chosen = torch.from_numpy(batch_indices(len(images), size, 0, step * size))
                draws = Draws(step)
                yield Batch(
                    images=images[chosen],
                    given=Given(masks=masks[chosen]),
                    fields_of_view=fields_of_view[chosen],
                    draws=draws,
                )

        def files():
            loader = DataLoader(Files(place / "png", len(training)), batch_size=size, num_workers=2)
            for step, (some, their) in enumerate(loader):
                draws = Draws(step)
                yield Batch(images=some, given=Given(masks=their), fields_of_view=torch.ones_like(their), draws=draws)

        bare = bare_rate(method, memory(), arguments.steps)
        from_files = bare_rate(method, files(), arguments.steps)
        length = arguments.steps * size
        first = method.stages()[0].name
        settings = [f"config.images={length}"] if recipe.method != "dual_gan" else [f"config.mask.images={length}"]
        train(arguments.recipe, place / "data", place / "run", overrides=settings)
        lines = [line for line in (place / "run" / "log.jsonl").read_text().splitlines() if first in line]
        loop = json.loads(lines[-1])["images_per_second"]

        began = time.perf_counter()
        for step in range(200):
            training.images(batch_indices(len(training), 64, 0, step * 64))
        reading = 200 * 64 / (time.perf_counter() - began)

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{arguments.recipe}, stage {first}, batch {size}, {arguments.size}x{arguments.size}, "
          f"{torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
    print(f"loop   {loop:8.1f} images/s")
    print(f"bare   {bare:8.1f} images/s   (loop / bare = {loop / bare:.2f})")
    print(f"files  {from_files:8.1f} images/s   (loop / files = {loop / from_files:.2f})")
    print(f"reading {reading:,.0f} images/s from the prepared set; peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()

"""``invert``: real images as codes of a model, which makes them again (Zhu et al. 2020; Ren, Yu and Whitney 2021, S2).

The encoder says where to begin; from there pixels, features and the encoder's own view of the result are minimised, so
that codes stay where the generator is at home. On request a copy of the generator is tuned to the images with their
codes held fast (pivotal tuning; Roich et al. 2021): nearer still, and a model that holds these patients.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthmed.artifacts import refuse_existing
from synthmed.data.intensity import to_stored
from synthmed.editing._images import Originals, read_images
from synthmed.editing._optimise import Search, optimised
from synthmed.errors import ConfigError
from synthmed.evaluation.features.perception import perception
from synthmed.files.paths import takes_paths
from synthmed.files.tables import write_csv
from synthmed.formats.meaning import Meaning
from synthmed.generation import model_file
from synthmed.generation.codes import CODES, CodeFile
from synthmed.generation.model import Model, load_model
from synthmed.networks.textures import TextureNetwork
from synthmed.pictures import grid, image_to_rgb, save_png
from synthmed.running.progress import Progress, Say, silence, titled, unsaid
from synthmed.samples import Drawn, Lineage, Sample, SampleSet, write_samples
from synthmed.shapes import Given, Image

_TABLE, _PICTURE, _TUNED = "inversion.csv", "inversion.png", "model.safetensors"
_SHOWN = 8
_TUNING_RATE = 3e-4


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How near made images are to given ones, [N] each: MSE in [-1, 1], SSIM, and distance of features."""

    mse: NDArray[np.float64]
    ssim: NDArray[np.float64]
    distance: NDArray[np.float64]


@takes_paths
def invert(
    model: Path | str, images: Path, out: Path, *, split: str = "test", steps: int = 100, rate: float = 0.05,
    extractor: str = "random", weights: Path | None = None, fine_tune: int = 0, seed: int = 0, device: str = "cpu",
    progress: Progress | None = None, say: Say = unsaid,
) -> SampleSet:  # fmt: skip
    """Find the codes of images in a model, and make the images again of them.

    Args:
        model: a model with an encoder, such as style_inversion's.
        images: a prepared data set, a sample set or a folder, of the model's kind, size and intensities.
        out: a new sample set: the images made again; ``codes.safetensors`` for ``interpolate`` and
            ``generate --codes``; ``inversion.csv`` (error of each as the encoder has it, optimised and tuned);
            ``inversion.png`` (the same as pictures, beside the originals); the tuned model where one was asked for.
        split: of a data set; those that the model was not trained on say how well it does.
        steps: of the optimisation; 0 = the encoder's codes as they are.
        rate: step size. Where a search diverges it is begun again at a tenth of it.
        extractor: features that are compared: "random", "squeezenet", "vgg16" or "vgg19".
        weights: folder of pretrained weights.
        fine_tune: steps of tuning a copy of the generator to the images; 0 = none.
        seed: of the order in which tuning sees them.
        device: "cpu", "cuda".
        progress: hears how far it is.
        say: hears of searches that diverged.

    Raises:
        ConfigError: a number out of range, an unknown split or extractor.
        DataError: the model has no encoder, or could not have made such images.
        ArtifactError: the model or the images are damaged, or ``out`` exists.
        WeightsError: the extractor's weights are absent.
    """
    refuse_existing(out)
    if steps < 0 or fine_tune < 0 or not 0 < rate < np.inf:
        raise ConfigError(
            f"--steps is {steps}, --fine-tune {fine_tune} and --rate {rate:g}; expected 0 or more, and a rate above 0."
        )
    progress, loaded, network = progress or silence, load_model(model, device), perception(extractor, weights)
    loaded.encoder  # noqa: B018 - refuses a model without one before anything is read
    given = read_images(images, loaded, split=split)
    made, seconds, again, codes, tuned = _all_ways(
        loaded, given, Search(steps=steps, rate=rate), network, fine_tune, seed, progress
    )
    for place in again:
        say(f"The search for {given.names[place]} diverged and was begun again at a tenth of the rate.")
    lineage: Lineage = {"sampled": "sampled", "phantom": "mask_from_phantom"}.get(given.owner, "inverted_from_real")  # type: ignore[assignment]
    found = {way: _quality(each, given.images, network) for way, each in made.items()}
    best, bits = list(made)[-1], loaded.header["bits"]
    facts: dict[str, Any] = {
        "images": Meaning.of_model(loaded.header).facts(),
        "model": {"digest": loaded.digest, "method": loaded.header["method"]},
        "inversion": {
            "steps": steps, "rate": rate, "fine_tune": fine_tune, "extractor": extractor, "split": split,
            "diverged": len(again), "seconds_an_image": {way: round(took, 4) for way, took in seconds.items()},
            "mean": {way: _means(quality) for way, quality in found.items()},
            "nearer_to_their_own": _own(made[best], given),
        },
    }  # fmt: skip
    inputs = {"model": loaded.digest, "images": given.digest}
    file = CodeFile(values=codes, names=given.names, lineages=(lineage,) * len(given), model=loaded.digest)

    def drawn() -> Iterator[Drawn]:
        for place, stored in enumerate(to_stored(made[best], bits)):
            yield Sample(seed=0, label="", lineage=lineage, style_from=given.names[place]), stored, None

    def beside(folder: Path, samples: Any) -> Iterator[Drawn]:
        yield from samples
        (replace(file, model=_write_tuned(folder / _TUNED, loaded, tuned, given)) if tuned else file).write(
            folder / CODES
        )
        _write_table(folder / _TABLE, given, found)
        rows = [given.images, *made.values()]
        shown = [[image_to_rgb(one) for one in to_stored(row[:_SHOWN], 8)] for row in rows]
        save_png(folder / _PICTURE, grid(shown), longest_side=2048)

    return write_samples(out, drawn(), file_format="png" if loaded.spec.channels in (1, 3) else "npy", inputs=inputs,
                         facts=facts, beside=beside)  # fmt: skip


def _all_ways(
    model: Model, given: Originals, search: Search, network: TextureNetwork, fine_tune: int, seed: int,
    progress: Progress,
) -> tuple[dict[str, Image], dict[str, float], list[int], Tensor, dict[str, Tensor] | None]:  # fmt: skip
    """Images by the way they were made; seconds an image; which diverged; codes; the tuned weights."""
    count, began = len(given), time.perf_counter()
    codes = model.encode(given.images)
    times, tuned = [began, time.perf_counter()], None
    again: list[int] = []
    made = {"encoder": model.decode(codes)}
    if search.steps:
        told = titled(progress, "Optimising")
        codes, again = optimised(model, given.images, codes, search, network, told=lambda done: told(done, count))
        made["optimised"] = model.decode(codes)
        times.append(time.perf_counter())
    if fine_tune:
        before = {name: value.clone() for name, value in model.method.networks.state_dict().items()}
        _tune(model, given.images, codes, search, network, fine_tune, seed, titled(progress, "Tuning"))
        made["tuned"] = model.decode(codes)
        tuned = {name: value.clone() for name, value in model.method.networks.state_dict().items()}
        model.method.networks.load_state_dict(before)
        times.append(time.perf_counter())
    ways = (later - earlier for earlier, later in pairwise(times))
    return made, {way: took / count for way, took in zip(made, ways, strict=True)}, again, codes, tuned


def _tune(
    model: Model, wanted: Image, codes: Tensor, search: Search, network: TextureNetwork, steps: int, seed: int,
    progress: Progress,
) -> None:  # fmt: skip
    """Teach the generator, in place, to make the wanted images of their codes."""
    generator = model.method.networks["generator"].requires_grad_(True)
    optimizer = torch.optim.Adam(generator.parameters(), lr=_TUNING_RATE)
    numbers = np.random.default_rng(seed)
    for step in range(steps):
        rows = torch.from_numpy(numbers.choice(len(wanted), min(8, len(wanted)), replace=False))
        given = wanted[rows].to(model.device)
        made = model.encoder.decode(codes[rows].to(model.device), Given())
        apart = search.pixel * (made - given).square().mean()
        apart = apart + search.feature * (network.embed(made) - network.embed(given)).square().sum(1).mean()
        optimizer.zero_grad()
        apart.backward()
        optimizer.step()
        progress(step + 1, steps)
    generator.requires_grad_(False)


def _write_tuned(path: Path, model: Model, state: dict[str, Tensor], given: Originals) -> str:
    """The tuned model as a file that says on whom it was tuned; its digest."""
    networks = {name: state[name] for name in state if name.split(".")[0] in model.method.generator_networks}
    known = ("format", "version", "method", "config", "images", "tensors", "seal")
    facts = {key: value for key, value in model.header.items() if key not in known}
    tuned = {"digest": given.digest, "owner": given.owner}
    return model_file.write(path, method=model.header["method"], config=model.header["config"], spec=model.spec,
                            networks=networks, facts=facts | {"tuned_on": tuned})  # fmt: skip


def _quality(made: Image, wanted: Image, network: TextureNetwork) -> Quality:
    from skimage.metrics import structural_similarity

    apart = (made - wanted).square().mean((1, 2, 3))
    window = min(7, (min(wanted.shape[2:]) - 1) // 2 * 2 + 1)
    likeness = [structural_similarity(one, other, channel_axis=0, data_range=2.0, win_size=window)
                for one, other in zip(made.numpy(), wanted.numpy(), strict=True)]  # fmt: skip
    with torch.no_grad():
        network = network.cpu()
        distance = torch.cat([(network.embed(one) - network.embed(other)).norm(dim=1)
                              for one, other in zip(made.split(32), wanted.split(32), strict=True)])  # fmt: skip
    return Quality(mse=apart.double().numpy(), ssim=np.array(likeness), distance=distance.double().numpy())


def _means(quality: Quality) -> dict[str, float]:
    return {"mse": round(float(quality.mse.mean()), 6), "ssim": round(float(quality.ssim.mean()), 4),
            "distance": round(float(quality.distance.mean()), 4)}  # fmt: skip


def _own(made: Image, given: Originals) -> float | None:
    """The share of images nearer, pixel by pixel, to their source than to any image of another patient."""
    people = [person or name for person, name in zip(given.people, given.names, strict=True)]
    if len(set(people)) < 2:
        return None
    apart = torch.cdist(made.flatten(1), given.images.flatten(1))
    other = torch.tensor([[one != another for another in people] for one in people])
    nearest = apart.masked_fill(~other, torch.inf).min(1).values
    return round(float((apart.diagonal() < nearest).float().mean()), 4)


def _write_table(path: Path, given: Originals, found: dict[str, Quality]) -> None:
    titles = ["number", "source", *(f"{what}_{way}" for way in found for what in ("mse", "ssim", "distance"))]
    rows = (
        [f"{place:05d}", name, *(f"{one[place]:.6f}" for quality in found.values()
                                 for one in (quality.mse, quality.ssim, quality.distance))]
        for place, name in enumerate(given.names)
    )  # fmt: skip
    write_csv(path, titles, rows)

"""``splice``: the texture of one image in the shape of another (Ren, Yu and Whitney 2021, S2).

The region is cut out of the texture image and laid on the template; the encoder finds the code of what was stitched,
and the code is then moved until the region looks like the donor's, while around it the generator makes what goes with
it. Beside it stand what one would do without a generator - stitching, Poisson blending (Perez et al. 2003) - and the
encoder's output alone, as pictures and in numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from synthmed.artifacts import refuse_existing
from synthmed.data.intensity import to_stored, to_unit_range
from synthmed.editing._images import Originals, read_one
from synthmed.editing._optimise import Search, optimised
from synthmed.errors import ConfigError, DataError
from synthmed.evaluation.features.perception import perception
from synthmed.files.paths import takes_paths
from synthmed.files.tables import write_csv
from synthmed.formats.meaning import Meaning
from synthmed.generation.codes import CODES, CodeFile
from synthmed.generation.model import Model, load_model
from synthmed.networks.textures import TextureNetwork
from synthmed.objectives.organ_texture import style_distance
from synthmed.pictures import grid, image_to_rgb, mask_to_rgb, save_png
from synthmed.running.progress import Progress, Say, silence, titled, unsaid
from synthmed.samples import Drawn, Lineage, Sample, SampleSet, write_samples
from synthmed.shapes import Image
from synthmed.sources.pixels import read_mask

Region = NDArray[np.bool_]
"""[H W], what is taken of the texture image, where it comes to lie."""

_TABLE, _PICTURE = "splices.csv", "splices.png"
_WITHIN, _BEYOND = 3 / 64, 8 / 64
"""Widths of the ring on both sides of the border in which nothing is asked for, by the short side of the image: there
the generator leads from one image to the other."""
_OUTSIDE = 0.1
"""How much a pixel outside of region and ring counts beside one inside."""
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What a way of splicing achieved.

    Args:
        texture: distance of the region's Gram matrices to the donor's, 0 = the same, 2 = nothing in common.
        shape: mean absolute difference to the template outside of the region, in [0, 1] of the intensities.
        seam: mean step between neighbours across the border, by that of real images at the same border.
    """

    texture: float
    shape: float
    seam: float


@takes_paths
def splice(
    model: Path | str, out: Path, *, template: Iterable[str], texture: Iterable[str], mask: Path | None = None,
    shift: str = "0,0", steps: int = 100, rate: float = 0.05, extractor: str = "random", weights: Path | None = None,
    device: str = "cpu", progress: Progress | None = None, say: Say = unsaid,
) -> SampleSet:  # fmt: skip
    """Put the texture of one image into another.

    Args:
        model: a model with an encoder, such as style_inversion's.
        out: a new sample set: the spliced images and their codes; ``splices.png``, which shows template, texture,
            region, stitched, blended, the encoder's output and the result; ``splices.csv``, their numbers.
        template: images that keep their surroundings, such as "data:test/000012"; several make as many splices.
        texture: images of whom the texture is taken, one for each template, or one for all.
        mask: the region, white on black, of the images' size: freehand, or from another tool; None = the mask of the
            texture image.
        shift: rows and columns by which what is cut out is moved, such as "-4,10".
        steps: of the optimisation.
        rate: its step size; a search that diverges is begun again at a tenth of it.
        extractor: features that are compared: "random", "squeezenet", "vgg16" or "vgg19".
        weights: folder of pretrained weights.
        device: "cpu", "cuda".
        progress: hears how far it is.
        say: hears of searches that diverged.

    Raises:
        ConfigError: a number out of range, words that name no image.
        DataError: the model has no encoder, an image is not there or is not of its kind and size, a region is nothing,
            everything, or leaves the image.
        ArtifactError: the model or a set is damaged, or ``out`` exists.
        WeightsError: the extractor's weights are absent.
    """
    refuse_existing(out)
    if steps < 1 or not 0 < rate < np.inf:
        raise ConfigError(f"--steps is {steps} and --rate {rate:g}; expected 1 or more, and a rate above 0.")
    progress, loaded, network = progress or silence, load_model(model, device), perception(extractor, weights)
    loaded.encoder  # noqa: B018 - refuses a model without one before anything is read
    templates, textures = _all(template, loaded, "template"), _all(texture, loaded, "texture")
    if len(textures) not in (1, len(templates)):
        raise ConfigError(
            f"There are {len(templates)} templates and {len(textures)} textures; expected one texture for each, or one "
            "for all."
        )
    textures = textures * (len(templates) // len(textures))
    move, drawn_region = _shift(shift), None if mask is None else _read_region(mask, loaded)
    regions = [_region(one, drawn_region, move) for one in textures]
    given = torch.cat([one.images for one in templates])
    donors = torch.cat([torch.roll(one.images, move, (-2, -1)) for one in textures])
    shares = torch.from_numpy(np.stack(regions))[:, None].float()
    made = {"stitched": torch.where(shares > 0, donors, given)}
    if (blended := _blended(given, donors, regions)) is not None:
        made["blended"] = blended
    begin = loaded.encode(made["stitched"])
    made["encoder"] = loaded.decode(begin)
    told = titled(progress, "Splicing")
    search = Search(steps=steps, rate=rate, code=0.0)
    counted = torch.from_numpy(np.stack([_counted(one) for one in regions]))[:, None]
    codes, again = optimised(loaded, made["stitched"], begin, search, network, counted,
                             told=lambda done: told(done, len(given)))  # fmt: skip
    for place in again:
        say(f"The search for {templates[place].names[0]} diverged and was begun again at a tenth of the rate.")
    made["spliced"] = loaded.decode(codes)
    found = {way: _numbers(each, given, donors, shares, network) for way, each in made.items()}
    lineage = _lineage([*templates, *textures])
    names = [(one.names[0], other.names[0]) for one, other in zip(templates, textures, strict=True)]

    def drawn() -> Iterator[Drawn]:
        stored = to_stored(made["spliced"], loaded.header["bits"])
        for (shape, donor), image, region in zip(names, stored, regions, strict=True):
            yield (Sample(seed=0, label="", lineage=lineage, mask_from=shape, style_from=donor), image,
                   region.astype(np.uint8))  # fmt: skip

    def beside(folder: Path, samples: Iterable[Drawn]) -> Iterator[Drawn]:
        yield from samples
        CodeFile(values=codes, names=tuple(f"{one}+{other}" for one, other in names),
                 lineages=(lineage,) * len(names), model=loaded.digest).write(folder / CODES)  # fmt: skip
        _write_table(folder / _TABLE, names, found)
        _write_picture(folder / _PICTURE, given, donors, regions, made)

    facts: dict[str, Any] = {
        "images": Meaning.of_model(loaded.header).facts(),
        "model": {"digest": loaded.digest, "method": loaded.header["method"]},
        "splices": {
            "steps": steps, "rate": rate, "extractor": extractor, "shift": list(move), "diverged": len(again),
            "mean": {way: {what: round(float(np.mean([getattr(one, what) for one in each])), 4)
                           for what in ("texture", "shape", "seam")} for way, each in found.items()},
        },
    }  # fmt: skip
    inputs = {"model": loaded.digest} | {
        f"{what}_{place}": one.digest
        for what, every in (("template", templates), ("texture", textures))
        for place, one in enumerate(every)
    }
    return write_samples(out, drawn(), file_format="png" if loaded.spec.channels in (1, 3) else "npy", inputs=inputs,
                         facts=facts, beside=beside)  # fmt: skip


def _all(words: Iterable[str], model: Model, what: str) -> list[Originals]:
    named = list(words)
    if not named:
        raise ConfigError(f"No --{what} was given; expected an image such as data:test/000012.")
    return [read_one(one, model) for one in named]


def _shift(words: str) -> tuple[int, int]:
    try:
        rows, columns = (int(word) for word in words.split(","))
    except ValueError as error:
        raise ConfigError(f"--shift is {words!r}; expected ROWS,COLUMNS such as -4,10.") from error
    return rows, columns


def _read_region(path: Path, model: Model) -> Region:
    region = read_mask(path) > 0
    if region.shape != model.spec.size:
        expected = " x ".join(map(str, model.spec.size))
        found = " x ".join(map(str, region.shape))
        raise DataError(f"{path} has {found} pixels; the model makes {expected}. Draw the region on such an image.")
    return region


def _region(texture: Originals, region: Region | None, move: tuple[int, int]) -> Region:
    """The region where it comes to lie.

    Raises:
        DataError: there is none, or it covers nothing or everything, or leaves the image.
    """
    name = texture.names[0]
    if region is None:
        if texture.masks is None:
            raise DataError(f"{name} has no mask that says what to take of it; draw one and give it by --mask.")
        region = texture.masks[0] > 0
    if not region.any() or region.all():
        what = "everything" if region.any() else "nothing"
        raise DataError(f"The region to take of {name} covers {what}; expected a part of the image. Draw another.")
    moved = _moved(region, move)
    if moved.sum() < region.sum():
        raise DataError(f"Moved by {move[0]},{move[1]} the region of {name} leaves the image; expected it inside.")
    return moved


def _counted(region: Region) -> NDArray[np.float32]:
    """How much each pixel counts in the optimisation: all of it inside, some outside, nothing along the border."""
    side = min(region.shape)
    inner = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    outer = ndimage.distance_transform_edt(~region)
    within = min(_WITHIN * side, 0.4 * inner.max())  # of a small region some is left
    return ((inner > within) + _OUTSIDE * (outer > _BEYOND * side)).astype(np.float32)


def _moved(planes: Region, move: tuple[int, int]) -> Region:
    """A region moved by rows and columns; what comes in is empty."""
    out = np.zeros_like(planes)
    rows, columns = (slice(max(step, 0), side + min(step, 0)) for step, side in zip(move, planes.shape, strict=True))
    back = [slice(max(-step, 0), side + min(-step, 0)) for step, side in zip(move, planes.shape, strict=True)]
    out[rows, columns] = planes[back[0], back[1]]
    return out


def _blended(given: Image, donors: Image, regions: Sequence[Region]) -> Image | None:
    """Poisson blending by OpenCV; None where it is not installed, or the images are no pictures."""
    try:
        import cv2
    except ImportError:
        return None
    if given.shape[1] not in (1, 3):
        return None
    found = []
    for template, donor, region in zip(to_stored(given, 8), to_stored(donors, 8), regions, strict=True):
        rows, columns = np.nonzero(region)
        middle = (int(columns.min() + columns.max() + 1) // 2, int(rows.min() + rows.max() + 1) // 2)
        wide = [np.repeat(one, 3 // len(one), axis=0).transpose(1, 2, 0).copy() for one in (donor, template)]
        joined = cv2.seamlessClone(wide[0], wide[1], (region * 255).astype(np.uint8), middle, cv2.NORMAL_CLONE)
        found.append(joined.transpose(2, 0, 1)[: len(template)])
    return to_unit_range(np.stack(found))


@torch.no_grad()
def _numbers(made: Image, given: Image, donors: Image, shares: Tensor, network: TextureNetwork) -> list[Numbers]:
    network = network.cpu()
    outside = 1 - shares
    level = (donors * shares).sum((2, 3), keepdim=True) / shares.sum((2, 3), keepdim=True)
    alone = [network(shares * images + outside * level)[0] for images in (made, donors)]  # the same grey around both
    texture = style_distance(alone[0], shares, alone[1], shares)[:, 0]
    shape = ((made - given).abs().mean(1, keepdim=True) * outside).sum((1, 2, 3)) / outside.sum((1, 2, 3)) / 2
    regions = shares[:, 0].numpy() > 0
    real = np.mean([_steps(both, regions) for both in (given, donors)], axis=0)
    seam = _steps(made, regions) / np.maximum(real, 1e-6)
    return [Numbers(texture=float(one), shape=float(other), seam=float(third))
            for one, other, third in zip(texture, shape, seam, strict=True)]  # fmt: skip


def _steps(images: Image, regions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The mean step between neighbours on both sides of each region's border."""
    pixels = images.mean(1).numpy().astype(np.float64)
    total, count = np.zeros(len(pixels)), np.zeros(len(pixels))
    for axis in (1, 2):
        across = np.diff(regions, axis=axis)
        total += (np.abs(np.diff(pixels, axis=axis)) * across).sum((1, 2))
        count += across.sum((1, 2))
    return total / np.maximum(count, 1)


def _lineage(used: Sequence[Originals]) -> Lineage:
    owners = {one.owner for one in used}
    return "spliced_from_real" if "real" in owners else "mask_from_phantom" if "phantom" in owners else "sampled"


def _write_table(path: Path, names: Sequence[tuple[str, str]], found: dict[str, list[Numbers]]) -> None:
    titles = [
        "number",
        "template",
        "texture",
        *(f"{what}_{way}" for way in found for what in ("texture", "shape", "seam")),
    ]
    rows = (
        [f"{place:05d}", *pair, *(f"{number:.5f}" for each in found.values()
                                  for number in (each[place].texture, each[place].shape, each[place].seam))]
        for place, pair in enumerate(names)
    )  # fmt: skip
    write_csv(path, titles, rows)


def _write_picture(path: Path, given: Image, donors: Image, regions: Sequence[Region], made: dict[str, Image]) -> None:
    """A row a splice, as the paper's Figure 4: template, texture, region, and each way."""
    columns = [[image_to_rgb(one) for one in to_stored(each[:_SHOWN], 8)] for each in (given, donors)]
    columns.append([mask_to_rgb(one.astype(np.uint8)) for one in regions[:_SHOWN]])
    columns += [[image_to_rgb(one) for one in to_stored(each[:_SHOWN], 8)] for each in made.values()]
    save_png(path, grid([list(row) for row in zip(*columns, strict=True)]), longest_side=2048)

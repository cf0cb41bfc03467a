"""Do images have the texture of the style that they were asked for, organ by organ?

Krishna and Mueller 2019 (S3) make slices of one patient's anatomy in another's texture. For each synthetic image whose
row names its style, the distance of Gram matrices within each organ is taken to the style, to the image of its own map
where that is known, and to other patients; the number is the share of images that are nearer to their style than to all
of these. Beside it stand, by organ, the distances and how far mean intensities lie from the style's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from synthmed.data.intensity import to_unit_range
from synthmed.evaluation._contract import (
    Measurement,
    PartMissing,
    Setup,
    Table,
    few_samples,
    number,
    require_masks,
    some_rows,
)
from synthmed.evaluation._intervals import percentiles, resampled
from synthmed.evaluation.features.perception import perception
from synthmed.networks.textures import TextureNetwork
from synthmed.objectives.organ_texture import organ_levels, style_distance
from synthmed.pages.figures import Figure, picture
from synthmed.pictures import RGB, grid, image_to_rgb
from synthmed.samples import SampleSet
from synthmed.shapes import Image, OneHot, to_one_hot

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

_FEW = 16
"""Pixels of an organ below which it has no texture to compare."""
_SHOWN = 4
_ZOOM = 4
"""A zoom shows so small a part of the longest side."""


class StylesMissing(PartMissing):
    """No synthetic image names the real image whose texture it was asked for."""


class Config(BaseModel):
    """What textures are compared by, and with how many."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    textures: Literal["random", "squeezenet", "vgg16", "vgg19"] = "random"
    """Network whose feature maps are compared: one with fixed random weights, or one of ImageNet from a file."""
    most: int = Field(default=60, ge=1)
    """Synthetic images that are looked at, at most."""
    others: int = Field(default=12, ge=1)
    """Other patients that each is compared with, at most."""


@dataclass(frozen=True, kw_only=True)
class _Real:
    """The real images: pixels, organs [N K H W], the patient of each, and their places by name."""

    images: Image
    organs: OneHot
    people: NDArray[np.str_]
    places: dict[str, int]


@torch.no_grad()
def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The share of images that are nearer to their style than to their map's own image and to other patients.

    Args:
        synthetic: images with label maps, whose rows name their styles ("test/000012").
        real: the data set that they name.
        config: the settings.
        setup: seed, folder of weights.

    Raises:
        MasksMissing: one of the sides has no label maps.
        StylesMissing: no image names a style that is in the set.
    """
    splits = {one.partition("/")[0] for sample in synthetic.samples for one in (sample.style_from, sample.mask_from)}
    real = real.where(lambda row: row.split in splits)  # no other, so that a sealed holdout is not looked at
    places = {f"{row.split}/{row.id}": place for place, row in enumerate(real.rows)}
    asked = [place for place, one in enumerate(synthetic.samples) if one.style_from in places]
    if not asked:
        raise StylesMissing("No synthetic image names a style of this data set. Leave out style_transfer.")
    require_masks(synthetic, real, "style_transfer")
    rows = [asked[place] for place in some_rows(len(asked), config.most, setup.numbers(40))]
    network = perception(config.textures, setup.weights)
    labels = max(2, len(real.info.mask_labels))
    images = to_unit_range(real.images())
    known = _Real(
        images=images, organs=to_one_hot(torch.from_numpy(real.masks()), labels),
        people=np.array([row.patient_id for row in real.rows]), places=places,
    )  # fmt: skip
    made = to_unit_range(synthetic.images(rows))
    organs = to_one_hot(torch.from_numpy(synthetic.masks(rows)), labels)
    styles = [places[synthetic.samples[row].style_from] for row in rows]
    contents = [places.get(synthetic.samples[row].mask_from, -1) for row in rows]
    found = _distances(made, organs, styles, contents, known, network, config.others, setup.numbers(41))
    nearer = found["style"].mean < np.fmin(found["content"].mean, found["others"].mean)
    draws = np.array([nearer[chosen].mean() for chosen in resampled(known.people[styles].tolist(), setup.numbers(42))])
    low, high = percentiles(draws)
    scale = (real.info.intensity.high - real.info.intensity.low) / 2
    levels = (organ_levels(made, organs) - organ_levels(images[styles], known.organs[styles]))[..., 0].abs()
    names = [real.info.mask_labels.get(str(label), f"label {label}") for label in range(1, labels)]
    apart = np.where(np.isfinite(found["style"].each), levels.numpy() * scale, np.nan)
    value = float(nearer.mean())
    return Measurement(
        name="style_transfer",
        title="Texture of the style",
        value=value,
        low=low,
        high=high,
        floor=None,
        unit="share of images",
        direction="higher is better",
        n=len(rows),
        n_real=len(real),
        extractor=config.textures,
        sentence=f"Of {len(rows)} images {number(value)} are nearer in texture to their style than to their map's own "
        f"image and to other patients ({number(low)} to {number(high)}); by chance it would be about one in "
        f"{config.others + 2}.",
        details={"levels": {name: _mean(apart[:, place]) for place, name in enumerate(names)},
                 "distances": {name: _mean(one.mean) for name, one in found.items()}},
        figures=[_figure(made, organs, styles, contents, known)],
        tables=[_table(found, apart, names, real.info.intensity.unit)],
        warnings=few_samples(len(set(known.people[styles])), "patients as styles"),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Apart:
    """Distances to one kind of image: [N K] by organ, NaN where one side lacks it, and [N] their mean."""

    each: NDArray[np.float64]
    mean: NDArray[np.float64]


def _distances(
    made: Image, organs: OneHot, styles: list[int], contents: list[int], known: _Real, network: TextureNetwork,
    most: int, numbers: np.random.Generator,
) -> dict[str, _Apart]:  # fmt: skip
    """To the style, to the map's own image, and to the nearest of other patients."""
    found: dict[str, list[NDArray[np.float64]]] = {"style": [], "content": [], "others": []}
    for place, (style, content) in enumerate(zip(styles, contents, strict=True)):
        taken = {known.people[style], known.people[content] if content >= 0 else ""}
        free = np.flatnonzero(~np.isin(known.people, list(taken)))
        others = numbers.permutation(free)[:most].tolist()
        rows = [style, *([content] if content >= 0 else []), *others]
        own = organs[place : place + 1].expand(len(rows), -1, -1, -1)
        maps = [one.expand(len(rows), -1, -1, -1) for one in network(made[place : place + 1])[0]]
        theirs = known.organs[rows]
        apart = style_distance(maps, own, network(known.images[rows])[0], theirs).double().numpy()
        both = (own.sum((2, 3)) >= _FEW) & (theirs.sum((2, 3)) >= _FEW)
        apart = np.where(both.numpy(), apart, np.nan)
        missing = np.full(apart.shape[1], np.nan)
        found["style"].append(apart[0])
        found["content"].append(apart[1] if content >= 0 and content != style else missing)
        rest = apart[len(rows) - len(others) :]
        means = _row_means(rest)
        found["others"].append(rest[int(np.nanargmin(means))] if np.isfinite(means).any() else missing)
    return {name: _Apart(each=np.stack(some), mean=_row_means(np.stack(some))) for name, some in found.items()}


def _row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(values)
    return np.where(known.any(1), np.where(known, values, 0).sum(1) / np.maximum(known.sum(1), 1), np.nan)


def _mean(values: NDArray[np.floating]) -> float | None:
    known = values[np.isfinite(values)]
    return round(float(known.mean()), 4) if known.size else None


def _table(found: dict[str, _Apart], levels: NDArray[np.floating], names: list[str], unit: str) -> Table:
    rows = [
        [name, *(number(_mean(found[kind].each[:, place])) for kind in ("style", "content", "others")),
         number(_mean(levels[:, place]))]
        for place, name in enumerate(names)
    ]  # fmt: skip
    caption = (
        "By organ: distance of Gram matrices to the style, to the map's own image and to the nearest other patient "
        "(0 = the same texture, 2 = nothing in common), and how far the mean intensity lies from the style's"
    )
    return Table(caption=caption, columns=["Organ", "Style", "Own image", "Others", f"Intensity, {unit}"], rows=rows)


def _figure(made: Image, organs: OneHot, styles: list[int], contents: list[int], known: _Real) -> Figure:
    """Content, style, result and a zoom of each, a row an image (the paper's Figure 3)."""
    rows: list[list[RGB]] = []
    for place in range(min(_SHOWN, len(made))):
        content = known.images[contents[place]] if contents[place] >= 0 else torch.full_like(made[0], -1.0)
        three = [_rgb(content), _rgb(known.images[styles[place]]), _rgb(made[place])]
        window = _window(organs[place].amax(0).numpy() > 0)
        rows.append([*three, *(_zoomed(one, window) for one in three)])
    caption = (
        "Each row: the image of the map (black where it is not known), the style, the result, and a part of each four "
        "times as large."
    )
    return picture("Content, style and result", caption, grid(rows))


def _rgb(image: Tensor) -> RGB:
    return image_to_rgb(((image.numpy() + 1) * 127.5).round().clip(0, 255).astype(np.uint8))


def _window(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """A part of the image around the middle of what is inside of a map."""
    height, width = (max(1, side // _ZOOM) for side in inside.shape)
    ys, xs = np.nonzero(inside)
    middle = (int(ys.mean()), int(xs.mean())) if len(ys) else (inside.shape[0] // 2, inside.shape[1] // 2)
    top = min(max(0, middle[0] - height // 2), inside.shape[0] - height)
    left = min(max(0, middle[1] - width // 2), inside.shape[1] - width)
    return slice(top, top + height), slice(left, left + width)


def _zoomed(shown: RGB, window: tuple[slice, slice]) -> RGB:
    part: Any = shown[window].repeat(_ZOOM, 0).repeat(_ZOOM, 1)
    full = np.zeros_like(shown)
    full[: part.shape[0], : part.shape[1]] = part[: full.shape[0], : full.shape[1]]
    return full

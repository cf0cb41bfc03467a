"""The report of an audit: the verdict, every flagged pair, the numbers; one HTML file and ``report.json``."""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from synthmed import __version__
from synthmed.data.dataset import PreparedDataset
from synthmed.data.split import SPLITS
from synthmed.evaluation.features.reduction import area, shares
from synthmed.pages.figures import COLOURS, Figure, new_plot, picture, plot_figure
from synthmed.pages.frame import page
from synthmed.pictures import RGB, grid, image_to_rgb, mask_to_rgb
from synthmed.privacy._bending import laid_over
from synthmed.privacy._registration import sampled, to_size
from synthmed.privacy._views import PATCH, PATCH_SIDE, name_of, orient
from synthmed.privacy.copies import Space, equal_size_counts
from synthmed.privacy.findings import LEVEL, Findings, bound, most_copies
from synthmed.privacy.identity import CHANCE, Identity
from synthmed.samples import SampleSet

_SIDE = 256
"""Longest side of a picture in a pair."""
_NEAREST = 3
"""Pairs that are shown where none is flagged."""
_MARK = (213, 94, 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A flagged synthetic image and the real image it shows, by its place in the data set."""

    sample: int
    row: int
    spaces: tuple[str, ...]
    orientation: int
    shift: tuple[float, float]
    patch: tuple[int, int, int, int] | None
    relative: dict[str, float]


def pairs(found: Findings) -> list[Pair]:
    """One pair for every flagged image, those that stand out most first."""
    listed = [_pair(sample, [one for one in found.identities if one.clear[sample]]) for sample in found.flagged]
    return [pair for _, pair in sorted(listed, key=lambda entry: entry[0])]


def nearest_pairs(found: Findings) -> list[Pair]:
    """The pairs of whole images that came nearest to being flagged, for a reader of a set without flagged images."""
    pixels = found.identities[0]
    order = np.argsort(pixels.near.relative, kind="stable")[:_NEAREST]
    return [_pair(sample, [pixels])[1] for sample in order.tolist()]


def _pair(sample: int, here: Sequence[Identity]) -> tuple[float, Pair]:
    """How much a pair stands out, low = much, and the pair as the space sees it in which it does so most."""
    # Whole images tell more than a part: the patch is shown where nothing else is alike.
    best = min(here, key=lambda space: (space.name == "patches", space.near.relative[sample] / space.below))
    near = best.near
    place = None if near.places is None else tuple(int(value) for value in near.places[sample, 0])
    return float(near.relative[sample] / best.below), Pair(
        sample=sample, row=int(near.rows[sample, 0]), spaces=tuple(space.name for space in here),
        orientation=int(near.orientations[sample, 0]),
        shift=(float(near.shifts[sample, 0, 0]), float(near.shifts[sample, 0, 1])),
        patch=place,  # type: ignore[arg-type]
        relative={space.name: float(space.near.relative[sample]) for space in here},
    )  # fmt: skip


def as_json(found: Findings, made: SampleSet, true: PreparedDataset, origin: dict[str, Any]) -> dict[str, Any]:
    """All numbers of the report."""
    return {
        "verdict": found.verdict,
        "blocked": found.blocked,
        "reasons": found.reasons,
        "num": found.num,
        "sealed": found.sealed,
        "patients": dict(found.patients),
        "images of patients": {
            split: {of: {"images": len(images), "patients": len(patients)}
                    for of in ("images", "masks") for images, patients in [found.shown(split, of)]}
            for split in SPLITS
        },
        "identity": {one.name: _identity_json(one) for one in found.identities},
        "spaces": {space.name: _space_json(space) for space in found.spaces},
        "flagged": [
            {**dataclasses.asdict(pair), "file": made.samples[pair.sample].file_name,
             "real_image": true.rows[pair.row].id, "patient": true.rows[pair.row].patient_id,
             "split": true.rows[pair.row].split}
            for pair in pairs(found)
        ],
        "membership": {
            one.name: {key: value for key, value in dataclasses.asdict(one).items() if key not in ("members", "others")}
            for one in found.inferences
        },
        "tests": [{**dataclasses.asdict(test), "blocks": test.blocks} for test in found.tests],
        "level": {"tests together (Holm)": LEVEL, "images of patients by chance": CHANCE},
        "power": [{**dataclasses.asdict(one), "most_copies_if_none_is_flagged": most_copies(found.num, one)}
                  for one in found.power],
        "differential_privacy": found.statement,
        "unproven": found.unproven,
        "warnings": list(found.warnings),
        "method": {**origin, "versions": _versions()},
    }  # fmt: skip


def _versions() -> dict[str, str]:
    packages = ("torch", "numpy", "scipy")
    return {"synthmed": __version__, "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages}}  # fmt: skip


def _identity_json(one: Identity) -> dict[str, Any]:
    return {
        "tail": dataclasses.asdict(one.tail),
        "below": one.below,
        "images": int(one.clear.sum()),
        "lowest_relative": {"synthetic": float(one.near.relative.min()), "real": float(one.real.min())},
    }


def _space_json(space: Space) -> dict[str, Any]:
    sides = {"train": space.train, "holdout": space.holdout, "equal": space.equal}
    return {
        "tail_below": space.tail_below,
        "raw_below": space.raw_below,
        "tail": {side: {"images": int((near.relative < space.tail_below).sum()), "patients": space.met(near)}
                 for side, near in sides.items()},
        "raw": {"train_patients": space.met_raw(space.train), "of": len(space.train_patients),
                "holdout_patients": space.met_raw(space.holdout), "of_holdout": space.holdout_patients,
                "images_holdout": int((space.holdout.distances[:, 0] < space.raw_below).sum()),
                "images_equal_size_training": equal_size_counts(space).tolist()},
    }  # fmt: skip


def as_html(found: Findings, made: SampleSet, true: PreparedDataset, origin: dict[str, Any]) -> str:
    """The page, complete in itself."""
    return page(
        "audit.html",
        "synthmed.privacy",
        found=found,
        origin=origin,
        figures=[_pair_figure(pair, found, made, true) for pair in pairs(found) or nearest_pairs(found)],
        plots=[_plot(one, {space.name: space for space in found.spaces}.get(one.name)) for one in found.identities],
        identities=[(one, [_met(one, found.persons[split]) for split in SPLITS]) for one in found.identities],
        spaces=[(space, _space_json(space)) for space in found.spaces],
        splits=SPLITS,
        power=[(whole, bound(found.num, whole), found.kinds(whole.of)) for whole in found.overall],
        most=lambda one: most_copies(found.num, one),
        level=LEVEL,
        chance=CHANCE,
        versions=json.dumps(_versions(), indent=2),
    )


def _met(one: Identity, persons: frozenset[int]) -> tuple[int, int]:
    """Images that are of one of these persons, and how many persons."""
    chosen = one.clear & one.near.shows(persons)
    return int(chosen.sum()), len(set(one.near.owners[chosen].ravel().tolist()) & persons)


def _pair_figure(pair: Pair, found: Findings, made: SampleSet, true: PreparedDataset) -> Figure:
    row = true.rows[pair.row]
    image, real = made.images([pair.sample])[0], true.images([pair.row])[0]
    panels = [_aligned(image_to_rgb(image), pair), image_to_rgb(real)]
    moved = f", shifted by {pair.shift[0]:+.1%} down and {pair.shift[1]:+.1%} right" if any(pair.shift) else ""
    if "bent" in pair.spaces and pair.patch is None:
        panels[0] = _bent_over(image, real)
        moved = ", laid over the other as the search found it"
    if pair.patch is None:
        panels.append(_difference(panels[0], panels[1]))
    panels = [_fit(panel) for panel in panels]
    if pair.patch is not None:
        # In the patch space only a part is alike: it is marked, and shown large in place of the difference.
        panels = _marked(image_to_rgb(image), image_to_rgb(real), pair.patch, pair.orientation)
    rows = [panels]
    if "masks" in pair.spaces:
        masks = [_aligned(mask_to_rgb(made.masks([pair.sample])[0]), pair), mask_to_rgb(true.masks([pair.row])[0])]
        rows.append([_fit(panel) for panel in (*masks, _difference(*masks))])
    told = "; ".join(
        f"{space.name}: relative distance {pair.relative[space.name]:.3f}, chance stays above {space.below:.3f}"
        for space in found.identities
        if space.name in pair.relative
    )
    third = "the difference of the two, brought to equal brightness and contrast (grey = equal)"
    if pair.patch is not None:
        third = "the marked parts, synthetic beside real"
    caption = (
        f"Synthetic image {made.samples[pair.sample].file_name} ({name_of(pair.orientation)}{moved}), then {row.split} "
        f"image {row.id} of patient {row.patient_id}, then {third}. {told}."
    )
    told_of = "shows" if pair.sample in found.flagged else "is nearest to"
    title = f"{made.samples[pair.sample].file_name} {told_of} {row.patient_id} in {', '.join(pair.spaces)}"
    return picture(title, caption, grid(rows))


def _bent_over(image: NDArray[np.integer], real: NDArray[np.integer]) -> RGB:
    """The synthetic picture turned, resized and bent as it lies best over the real one."""
    grey = [area(shares(one[None]).mean(1, keepdim=True), PATCH_SIDE)[0] for one in (image, real)]
    orientation, positions = laid_over(grey[0], grey[1])
    turned = orient(torch.from_numpy(image_to_rgb(image).copy()).permute(2, 0, 1).float(), orientation)
    moved = sampled(turned[None], to_size(positions, turned.shape[-2:]))[0]
    return moved.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()


def _aligned(pixels: RGB, pair: Pair) -> RGB:
    """The synthetic picture as it lies over the real one."""
    if pair.patch is not None:
        return pixels
    mirrored = pixels[:, ::-1] if pair.orientation % 2 else pixels
    turned = np.rot90(mirrored, pair.orientation // 2)
    longest = max(turned.shape[:2])
    down, right = (round(part * longest) for part in pair.shift)
    reach = max(abs(down), abs(right))
    padded = np.pad(turned, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    top, left = reach - down, reach - right
    return np.ascontiguousarray(padded[top : top + turned.shape[0], left : left + turned.shape[1]])


def _difference(first: RGB, second: RGB) -> RGB:
    """Grey where the two agree, once both have the same mean and spread."""
    one, two = (pixels.astype(np.float64) for pixels in (first, second))
    spread = two.std() / max(one.std(), 1e-6)
    gap = (one - one.mean()) * spread + two.mean() - two
    return np.clip(np.rint(128 + gap / 2), 0, 255).astype(np.uint8)


def _fit(pixels: RGB) -> RGB:
    from PIL import Image

    longest = max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * _SIDE / longest)), max(1, round(pixels.shape[0] * _SIDE / longest)))
    how = Image.Resampling.NEAREST if longest < _SIDE else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(pixels).resize(size, how))


def _marked(image: RGB, real: RGB, at: tuple[int, int, int, int], orientation: int) -> list[RGB]:
    longest = max(image.shape[:2])
    scale = longest / min(longest, PATCH_SIDE)
    half = (PATCH // 2 + 2) * scale
    boxes = [_box(image.shape, at[place] * scale, at[place + 1] * scale, half) for place in (0, 2)]
    parts = [pixels[top:bottom, left:right] for pixels, (top, bottom, left, right) in
             zip((image, real), boxes, strict=True)]  # fmt: skip
    mirrored = parts[0][:, ::-1] if orientation % 2 else parts[0]
    parts[0] = np.ascontiguousarray(np.rot90(mirrored, orientation // 2))
    shown = [_fit(_framed(pixels, box)) for pixels, box in zip((image, real), boxes, strict=True)]
    height, width = shown[0].shape[:2]
    large = np.full((height, width, 3), 128, np.uint8)
    for number, part in enumerate(parts):
        sized = _nearest(part, (min(height, width // 2 - 2), width // 2 - 2))
        large[: sized.shape[0], number * (width // 2) : number * (width // 2) + sized.shape[1]] = sized
    return [*shown, large]


def _box(shape: Sequence[int], row: float, column: float, half: float) -> tuple[int, int, int, int]:
    return (max(0, round(row - half)), min(shape[0], round(row + half) + 1),
            max(0, round(column - half)), min(shape[1], round(column + half) + 1))  # fmt: skip


def _framed(pixels: RGB, box: tuple[int, int, int, int]) -> RGB:
    top, bottom, left, right = box
    framed, thick = pixels.copy(), max(1, max(pixels.shape[:2]) // 128)
    framed[top : top + thick, left:right] = framed[bottom - thick : bottom, left:right] = _MARK
    framed[top:bottom, left : left + thick] = framed[top:bottom, right - thick : right] = _MARK
    return framed


def _nearest(pixels: RGB, size: tuple[int, int]) -> RGB:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _plot(one: Identity, space: Space | None) -> Figure:
    plot, (axis,) = new_plot(8.4, 2.4)
    edges = np.linspace(0, 1, 51).tolist()
    groups: list[tuple[str, NDArray[np.float64], str, str]] = [
        ("real to other real patients", one.real, COLOURS["real"], "stepfilled"),
        ("synthetic to real", one.near.relative, COLOURS["synthetic"], "step"),
    ]
    if space is not None:
        groups.append(("synthetic to holdout alone", space.holdout.relative, COLOURS["both"], "step"))
    for name, values, colour, kind in groups:
        share = np.full(len(values), 100 / len(values))
        axis.hist(values, edges, weights=share, color=colour, histtype=kind, label=name,  # type: ignore[arg-type]
                  alpha=0.35 if kind == "stepfilled" else 1, linewidth=1.4)  # fmt: skip
    axis.axvline(one.below, color=COLOURS["synthetic"], linestyle="--", linewidth=1)
    axis.set_yscale("symlog", linthresh=0.1)
    axis.set_yticks(ticks := [0, 0.1, 1, 10, 100], [f"{tick:g}" for tick in ticks])
    axis.set_yticks([], minor=True)
    axis.set(xlabel="relative distance: nearest patient / second nearest", ylabel="% of images", xlim=(0, 1), ylim=0)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
    caption = (
        f"In {one.name}: 1 = no patient stands out, 0 = a copy. Left of the dashed line ({one.below:.3f}) an "
        "image is the patient's."
    )
    return plot_figure(f"Relative distances, {one.name}", caption, plot)

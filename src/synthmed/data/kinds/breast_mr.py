"""``breast_mr``: studies of several contrasts on one grid, as patches around lesions and healthy tissue, or as slices.

An item is one study. Its series become channels: T2, T1 before and after contrast medium, and their difference, as in
Haarburger et al. 2019; or any contrasts by patterns for names, such as aligned FLAIR, T1 and T2 of the brain. A mask
of lesions is found by the names of folders and files (``sources.partners``), under the name of the patient's folder or
in it.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from synthmed.data.dataset import DatasetInfo, Intensity
from synthmed.data.geometry import fit_image, fit_mask, fit_of
from synthmed.data.kinds._common_grid import CommonGrid, grid_over, onto
from synthmed.data.kinds._contract import Found, Item, KindSettings, Made, Map, Rejection
from synthmed.data.kinds._contrasts import PRE, SUB, T2, Stack, by_headers, by_patterns, post, why_not, why_not_together
from synthmed.data.kinds._folders import is_said, list_files, patient_of, read_headers, reject_all, roles, with_rows
from synthmed.data.kinds._lesion_classes import HEALTHY, LesionClasses, read_classes
from synthmed.data.kinds._patches import body_of, breast_of, cut, healthy_centres, lesion_centres
from synthmed.data.kinds._series import Volume, read_stack, same_grid
from synthmed.data.kinds._studies import common_folder, studies_of, with_masks
from synthmed.data.masks import join_masks
from synthmed.errors import ConfigError, SourceError
from synthmed.sources.folders import real_reason
from synthmed.sources.names import identity

DEFAULT_SIZE = (64, 64)

_HIGHEST = 1023
"""Of the paper's scale of intensities; stored numbers are finer, they use all 16 bits."""


class Settings(KindSettings):
    """What may be set with ``--kind breast_mr``."""

    output: Literal["patches", "slices"] = Field(
        "patches", description="Patches of lesions and healthy tissue, or whole slices."
    )
    posts: int = Field(4, ge=1, le=20, description="Phases after contrast medium that become channels.")
    sub: Literal["computed", "scanner", "none"] = Field(
        "computed", description="The channel Sub: first phase minus the one before, the scanner's own, or none."
    )
    t2: str = Field("t2", description="Regular expression for the description of T2; empty = without T2.")
    dynamic: str = Field(
        "dyn|dce|vibe|fl3d|vibrant|thrive|lava|t1",
        description="Regular expression for the descriptions of the dynamic.",
    )
    contrasts: dict[str, str] = Field(
        {}, description="Channel = pattern for file names or descriptions, instead of T2 and the dynamic."
    )
    mask: str = Field("", description="Pattern for the files that are lesion masks; empty = by names.")
    grid: int = Field(512, ge=64, le=2048, description="Pixels on each side of the common grid of a study.")
    slices: int = Field(32, ge=1, le=1024, description="Slices of the common grid.")
    region: Literal["breast", "body"] = Field("breast", description="Where healthy patches are sampled.")
    min_lesion: int = Field(4, ge=1, description="Pixels in a slice below which a piece of lesion gets no patch.")
    healthy: int = Field(32, ge=0, description="Healthy patches of a study, at most.")
    percentile: float = Field(
        99.99, gt=50, le=100, description="Of a contrast's values above 0; it is stored as the largest."
    )
    seed: int = Field(0, ge=0, description="Another seed, other healthy patches.")
    gaps: bool = Field(False, description="Accept series with missing slices.")


def find(source: Path, settings: Settings, run: Map) -> Found:
    """The studies of a folder, their series matched to channels, with lesion masks and classes.

    Raises:
        SourceError: no usable study.
        ConfigError: a table that cannot be read.
    """
    classes = read_classes(Path(settings.table)) if settings.table else LesionClasses()
    files, rejected = list_files(source)
    chosen = roles(files, source, rejected, masks=settings.mask, table=settings.table)
    headers, unread = read_headers(chosen.images, source, run)
    rejected += unread
    items = []
    for study in studies_of(headers, source, rejected):
        item = _item(study, source, settings, rejected)
        if item:
            items.append(item)
    items = with_masks(_named_apart(items), chosen.masks, source, rejected, told=bool(settings.mask))
    items = [_classed(item, classes) for item in with_rows(items, chosen, source, rejected)]
    if settings.output == "patches":
        items = _with_known_findings(items, source, rejected)
    if not items:
        why = real_reason((one.file, one.reason) for one in rejected)
        raise SourceError(f"{source} holds no usable MR study; expected DICOM series or NIfTI volumes.{why}")
    return Found(
        items=sorted(items, key=lambda item: item.name),
        rejected=sorted(rejected, key=lambda rejection: (rejection.file, rejection.reason)),
        layout="contrasts" if settings.contrasts else "studies",
        tables=chosen.tables,
        facts={"has_masks": any(item.partners for item in items)},
    )


def describe(found: Found, settings: Settings, height: int, width: int) -> DatasetInfo:
    """One channel for each contrast, 16 bits over the paper's scale of 0 to 1023.

    Raises:
        ConfigError: patches larger than the common grid.
    """
    if settings.output == "patches" and max(height, width) > settings.grid:
        raise ConfigError(
            f"Patches of {height} x {width} pixels were asked for, and the grid has {settings.grid}; expected less. "
            "Choose a smaller size, or output=slices."
        )
    return DatasetInfo(
        kind="breast_mr",
        channels=channels_of(settings),
        height=height,
        width=width,
        bits=16,
        intensity=Intensity(low=0, high=_HIGHEST, unit="intensity scaled by study and contrast"),
        mask_labels={"0": "background", "1": "lesion"} if found.facts["has_masks"] else {},
        has_fields=False,
    )


def channels_of(settings: Settings) -> list[str]:
    """The names of the channels in stored order."""
    if settings.contrasts:
        names = list(settings.contrasts)
        subtract = settings.sub == "computed" and {PRE, post(1)} <= set(names)
    else:
        names = ([T2] if settings.t2 else []) + [PRE, *(post(number) for number in range(1, settings.posts + 1))]
        subtract = settings.sub != "none"
    return [*names, *([SUB] if subtract and SUB not in names else [])]


def make(item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """The patches or slices of one study.

    Raises:
        SourceError: a series cannot be decoded, its phases are not in the order of enhancement, its mask lies on
            another grid, its lesions are lost between the slices, or nothing of it can be used.
    """
    study = _read_study(item, info.channels, settings)
    if settings.output == "slices":
        made = _slices(study, item, info)
    else:
        made = _lesions(study, item, info, settings) + _healthy(study, item, info, settings)
    if not made:
        raise SourceError("It has no place for a patch; expected a lesion, or tissue without one. Set output=slices.")
    return made


def _item(stacks: list[Stack], source: Path, settings: Settings, rejected: list[Rejection]) -> Item | None:
    """One study as an item, or None with the reason among the rejections; unused series are listed too."""
    name = common_folder([stack.name for stack in stacks])
    if settings.contrasts:
        found, reason = by_patterns(stacks, settings.contrasts)
    else:
        found, reason = by_headers(
            stacks,
            posts=settings.posts,
            t2=settings.t2,
            dynamic=settings.dynamic,
            scanner_sub=settings.sub == "scanner",
        )
    for channel, stack in found.items():
        problem = why_not(stack, gaps=settings.gaps)
        reason = reason or (f"Its {channel} cannot be used: {problem}" if problem else "")
    reason = reason or why_not_together(found)
    patient = patient_of(stacks[0].name, stacks[0].headers[0], settings.patient)
    if reason:
        reject_all({path for stack in stacks for path in stack.files()}, reason, source, rejected)
        return None
    used = {path for stack in found.values() for path in stack.files()}
    others = {path for stack in stacks for path in stack.files()} - used
    reject_all(sorted(others), "Its series is none of the channels of this set.", source, rejected)
    files: list[Path] = []
    parts = {}
    for channel, stack in found.items():
        parts[channel] = (len(files), len(files) + len(stack.headers), stack.volume)
        files += stack.files()
    facts = {"parts": parts, "first": min(stack.name for stack in stacks)}
    said = is_said(stacks[0].headers[0], settings.patient)
    return Item(name=name, patient_id=patient, files=tuple(files), facts=facts, patient_said=said)


def _classed(item: Item, classes: LesionClasses) -> Item:
    """The item with the classes of its patient and lesions by the user's table, which goes before the folder's own."""
    patient = identity(item.patient_id)
    label = classes.patients.get(patient, item.label)
    return replace(item, label=label, facts={**item.facts, "lesions": dict(classes.lesions.get(patient, {}))})


def _named_apart(items: list[Item]) -> list[Item]:
    """Studies of one folder are named by their first files."""
    counts = Counter(item.name for item in items)
    return [item if counts[item.name] == 1 else replace(item, name=item.facts["first"]) for item in items]


def _with_known_findings(items: list[Item], source: Path, rejected: list[Rejection]) -> list[Item]:
    """The studies of which it is known where findings are: by a mask, or because the table calls them healthy."""
    known, any_mask = [], any(item.partners for item in items)
    for item in items:
        if item.partners or item.label == HEALTHY or not (item.label or any_mask):
            known.append(item)
            continue
        reason = (
            f"It has no mask and its class is {item.label or 'unknown'}: where its lesions lie is not known. Add the "
            "mask, name the patient healthy in the table, or set output=slices."
        )
        reject_all(item.files, reason, source, rejected)
    return known


@dataclass(frozen=True, kw_only=True)
class _Study:
    """A study on its common grid.

    Args:
        channels: [C Z H W] uint16.
        low, high: what 0 and the largest stored number mean, for each channel in the scanner's numbers.
        mask: [Z H W] lesions, or None.
        body: [Z H W] bool.
        grid: the common grid.
    """

    channels: np.ndarray
    low: tuple[float, ...]
    high: tuple[float, ...]
    mask: np.ndarray | None
    body: np.ndarray
    grid: CommonGrid


def _read_study(item: Item, names: list[str], settings: Settings) -> _Study:
    parts = item.facts["parts"]
    first = PRE if PRE in parts else next(iter(parts))
    mask = _joined([read_stack([path]) for path in item.partners]) if item.partners else None
    volumes: dict[str, np.ndarray] = {}
    grid, mask_fits = None, False
    for name in sorted(parts, key=lambda name: name != first):
        start, stop, time_point = parts[name]
        volume = read_stack(item.files[start:stop], time_point)
        grid = grid or grid_over(volume, settings.slices, settings.grid)
        mask_fits = mask_fits or (mask is not None and same_grid(volume, mask))
        volumes[name] = onto(volume, grid)
    assert grid is not None, "a study has at least one channel"
    body = body_of(volumes[first])
    _subtract(volumes, body, names)
    low, high = _scales(volumes, settings.percentile)
    stored = [_stored(volumes[name], low[name], high[name]) for name in names]
    return _Study(
        channels=np.stack(stored),
        low=tuple(low[name] for name in names),
        high=tuple(high[name] for name in names),
        mask=_lesion_mask(mask, mask_fits, grid, item),
        body=body,
        grid=grid,
    )


def _joined(masks: list[Volume]) -> Volume:
    if not all(same_grid(masks[0], mask) for mask in masks):
        raise SourceError("Its masks lie on different grids; expected one. Resample them to one image.")
    return replace(masks[0], slices=join_masks([mask.slices for mask in masks]))


def _subtract(volumes: dict[str, np.ndarray], body: np.ndarray, names: list[str]) -> None:
    """Check that contrast medium makes the body brighter, and fill in Sub; where it gets darker Sub is 0."""
    if PRE in volumes and post(1) in volumes:
        change = volumes[post(1)] - volumes[PRE]
        if body.any() and change[body].mean() <= 0:
            raise SourceError(
                "Its second phase is not brighter than the first; expected enhancement. The phases are "
                "probably in another order: name them by contrasts."
            )
        if SUB in names and SUB not in volumes:
            volumes[SUB] = change.clip(min=0)
    if SUB in volumes:
        # Scanners add a constant, so that negative differences can be stored: the value of air, which does not change.
        air = volumes[SUB][~body]
        volumes[SUB] = (volumes[SUB] - (np.median(air) if air.size else 0)).clip(min=0)


def _scales(volumes: dict[str, np.ndarray], percentile: float) -> tuple[dict[str, float], dict[str, float]]:
    """What becomes 0 and the largest number: one scale for all phases of T1 and their difference, one for each other.

    So enhancement stays visible as such. 0 is the scanner's 0; only where a contrast has negative values, as after
    some normalisations, it is the opposite percentile.
    """
    low, high = {}, {}
    for key, volume in volumes.items():
        if volume.min() == volume.max() and volume.max() > 0:
            raise SourceError(f"Its {key} has one value everywhere; expected a picture. Take it out.")
    dynamic = [key for key in volumes if key in (PRE, SUB) or key.startswith(post(0)[:-1])] if PRE in volumes else []
    for group in ([dynamic] if dynamic else []) + [[key] for key in volumes if key not in dynamic]:
        values = np.concatenate([volumes[key].ravel()[::5] for key in group if key != SUB or not dynamic])
        largest = float(np.percentile(values[values > 0], percentile)) if (values > 0).any() else 0.0
        smallest = 0.0 if values.min() >= 0 else float(np.percentile(values, 100 - percentile))
        if largest <= smallest:
            raise SourceError(f"Its {group[0]} holds nothing but zeros where the others lie. Take it out.")
        for key in group:
            low[key], high[key] = (0.0 if key == SUB else smallest), largest
    return low, high


def _stored(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint((values.clip(low, high) - low) / (high - low) * 65535).astype(np.uint16)


def _lesion_mask(mask: Volume | None, fits: bool, grid: CommonGrid, item: Item) -> np.ndarray | None:
    if mask is None:
        return None
    name = item.partners[0].name
    if not fits:
        raise SourceError(
            f"The mask {name} lies on another grid than every contrast; expected that of one of them. Resample it to "
            "the image that it was drawn on."
        )
    if mask.slices.dtype.kind == "f" or mask.slices.min() < 0:
        raise SourceError(f"The mask {name} holds values that are not whole numbers from 0 on; expected labels.")
    moved = onto(mask, grid, nearest=True)
    if mask.slices.any() and not moved.any():
        raise SourceError(f"The lesions of {name} lie between the slices of the common grid. Raise the setting slices.")
    return moved


def _lesions(study: _Study, item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """A patch around each lesion in each slice."""
    if study.mask is None:
        return []
    made = []
    for *centre, value in lesion_centres(study.mask, settings.min_lesion):
        label = item.facts["lesions"].get(value, item.label) or ("" if settings.table else "lesion")
        if label in ("", HEALTHY):
            found = "the class healthy" if label else "no class"
            raise SourceError(
                f"The lesion {value} in its mask has {found} in the table; expected one such as benign "
                "or malignant. Correct the table or the mask."
            )
        made.append(_patch(study, (centre[0], centre[1], centre[2]), label, info))
    return made


def _healthy(study: _Study, item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """Patches without a finding; their label is "" where neither a mask nor the table says that they are healthy."""
    region = breast_of(study.body) if settings.region == "breast" else study.body
    label = HEALTHY if study.mask is not None or item.label == HEALTHY else ""
    key = f"{item.patient_id}/{item.name}/{settings.seed}"
    places = healthy_centres(region, study.mask, settings.healthy, key)
    return [_patch(study, place, label, info) for place in places]


def _patch(study: _Study, centre: tuple[int, int, int], label: str, info: DatasetInfo) -> Made:
    depth, row, column = centre
    mask = None
    if study.mask is not None:
        mask = (cut(study.mask, centre, info.height, info.width) > 0).astype(np.uint8)
    return Made(
        image=cut(study.channels, centre, info.height, info.width),
        mask=mask,
        fit=fit_of(info.height, info.width, info.height, info.width),
        part=f"slice {depth:02d} row {row:04d} column {column:04d}",
        label=label,
        spacing_mm=study.grid.spacing_mm,
        view="axial",
        low=study.low,
        high=study.high,
    )


def _slices(study: _Study, item: Item, info: DatasetInfo) -> list[Made]:
    """Every slice that shows the body, at the set's size."""
    fit = fit_of(*study.grid.shape[1:], info.height, info.width)
    row, column = study.grid.spacing_mm
    made = []
    for depth in np.flatnonzero(study.body.any(axis=(1, 2))):
        mask = None
        if study.mask is not None:
            mask = fit_mask((study.mask[depth] > 0).astype(np.uint8), fit, info.height, info.width)
        made.append(
            Made(
                image=fit_image(study.channels[:, depth], fit, info.height, info.width),
                mask=mask,
                fit=fit,
                part=f"slice {depth:02d}",
                label=item.label,
                spacing_mm=(row / fit.scale, column / fit.scale),
                view="axial",
                low=study.low,
                high=study.high,
            )
        )
    return made

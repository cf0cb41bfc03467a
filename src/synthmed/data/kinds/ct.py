"""``ct``: axial slices in Hounsfield units through one window, with organ labels by a table or tissues by rules.

An item is a CT series (DICOM), a volume (NIfTI, NRRD), or one picture (PNG and alike) that was windowed before. Masks
are found by the names of folders and files (``sources.partners``); the mask of a DICOM series has the name of the
series' folder, or lies in it. Other layouts are named by patterns.
"""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from synthmed.data.dataset import DatasetInfo, Intensity
from synthmed.data.geometry import fit_image, fit_mask, fit_of
from synthmed.data.kinds._contract import Found, Item, KindSettings, Made, Map, Rejection
from synthmed.data.kinds._folders import (
    is_said,
    list_files,
    masks_of,
    patient_of,
    read_headers,
    reject_all,
    roles,
    with_rows,
)
from synthmed.data.kinds._hounsfield import BODY_ABOVE, TISSUES, check_series, tissues_of
from synthmed.data.kinds._label_table import LabelTable, read_table
from synthmed.data.kinds._series import Volume, read_stack, same_grid, series_of, why_no_stack, without_copies
from synthmed.data.masks import join_masks, refuse_mask
from synthmed.errors import ConfigError, SourceError
from synthmed.sources import read
from synthmed.sources.contrasts import modality_of, refuse_contrasts
from synthmed.sources.folders import real_reason, relative
from synthmed.sources.image import SourceHeader
from synthmed.sources.layouts import IMAGE_LEFT_OUT, NO_MASK

DEFAULT_SIZE = (512, 512)

_VOLUMES = ("DICOM", "NIfTI", "NRRD")
_NO_LABELS = LabelTable(names=(), numbers={0: 0}, coloured=False)


class Settings(KindSettings):
    """What may be set with ``--kind ct``."""

    low: float = Field(-1000, description="Hounsfield units stored as 0: air and what is thinner.")
    high: float = Field(1000, description="Hounsfield units stored as the largest number; denser bone is cut.")
    bits: Literal[8, 16] = Field(16, description="Of a stored number; 8 bits hold steps of 8 HU in the default window.")
    every: int = Field(1, ge=1, description="Take every n-th slice of a series, from its middle outwards.")
    min_body: float = Field(
        0.05, ge=0, lt=1, description="Leave out slices of a series with less body than this share."
    )
    images: str = Field(
        "", description="Pattern for the files that are images, such as '*/ct.nii.gz'; empty = all but masks."
    )
    masks: str = Field("", description="Pattern for the files that are masks; empty = by names.")
    others: Literal["reject", "background"] = Field(
        "reject", description="What becomes of mask values that the table does not name."
    )
    derive: bool = Field(False, description="Make tissue maps by rules on Hounsfield units where there are no masks.")
    gaps: bool = Field(False, description="Accept series with missing slices.")


def find(source: Path, settings: Settings, run: Map) -> Found:
    """Series, volumes and pictures of a folder with their masks.

    Raises:
        SourceError: no usable image.
        ConfigError: masks without a table of their values, or settings that contradict each other.
    """
    if settings.low >= settings.high:
        raise ConfigError(f"The window goes from {settings.low:g} to {settings.high:g} HU; expected low below high.")
    files, rejected = list_files(source)
    chosen = roles(files, source, rejected, images=settings.images, masks=settings.masks, table=settings.table)
    headers, unread = read_headers(chosen.images, source, run)
    rejected += unread
    items = _items(headers, source, settings, rejected)
    if not settings.images:
        refuse_contrasts(item.name for item in items)
    items = _paired(items, chosen.masks, source, rejected, told=bool(settings.masks))
    items = with_rows(items, chosen, source, rejected)
    items, unit, bits = _alike(items, source, rejected)
    if not items:
        raise SourceError(_nothing(source, rejected))
    table = _table(items, settings)
    items = [replace(item, facts={**item.facts, "table": asdict(table)}) for item in items]
    facts = {"names": list(table.names), "unit": unit, "bits": bits}
    return Found(
        items=sorted(items, key=lambda item: item.name),
        rejected=sorted(rejected, key=lambda rejection: (rejection.file, rejection.reason)),
        layout="volumes" if unit == "HU" else "pictures",
        tables=chosen.tables,
        facts=facts,
    )


def describe(found: Found, settings: Settings, height: int, width: int) -> DatasetInfo:
    """One grey channel; the window in Hounsfield units, or the grey values of pictures."""
    bits, hounsfield = found.facts["bits"], found.facts["unit"] == "HU"
    names = tuple(found.facts["names"])
    return DatasetInfo(
        kind="ct",
        channels=["grey"],
        height=height,
        width=width,
        bits=bits,
        intensity=Intensity(
            low=settings.low if hounsfield else 0,
            high=settings.high if hounsfield else 2**bits - 1,
            unit=found.facts["unit"],
        ),
        mask_labels=LabelTable(names=names, numbers={}, coloured=False).mask_labels if names else {},
        has_fields=False,
    )


def make(item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """The slices of one item through the window, at the set's size, with their label maps.

    Raises:
        SourceError: it cannot be decoded, its values are no Hounsfield units, its mask lies on another grid or holds
            values that the table does not name, or no slice has enough body.
    """
    if info.intensity.unit != "HU":
        return [_picture(item, info, settings)]
    volume = read_stack(item.files)
    check_series(volume.slices, volume.padding)
    labels = _labels(item, volume, settings)
    made = [_slice(volume, labels, index, info, settings) for index in _wanted(volume, settings)]
    if not made:
        raise SourceError(
            f"None of its slices has body on {100 * settings.min_body:g} % of it; expected one. Lower min_body."
        )
    return made


def _items(headers: list[SourceHeader], source: Path, settings: Settings, rejected: list[Rejection]) -> list[Item]:
    """Every series, volume and picture that can be used, without masks yet."""
    items = []
    groups = series_of(headers)
    in_folder = Counter(group[0].path.parent for group in groups)
    for group in groups:
        series, copies = without_copies(group)
        for copy, first in copies:
            reason = f"It is the same picture as {relative(first, source)}; expected each once. Remove one."
            rejected.append(Rejection(file=relative(copy, source), reason=reason))
        folder = series[0].path.parent
        alone = len(series) > 1 and in_folder[folder] == 1 and {header.path.parent for header in series} == {folder}
        name = relative(folder if alone else min(header.path for header in series), source)
        patient = patient_of(name, series[0], settings.patient)
        if reason := _why_not(series, name, settings):
            reject_all((header.path for header in series), reason, source, rejected)
            continue
        unit = "HU" if series[0].format in _VOLUMES else "grey value"
        bits = settings.bits if unit == "HU" else 16 if series[0].bits > 8 else 8
        files = tuple(header.path for header in series)
        items.append(
            Item(
                name=name,
                patient_id=patient,
                files=files,
                facts={"unit": unit, "bits": bits, "series": alone},
                patient_said=is_said(series[0], settings.patient),
            )
        )
    return items


def _why_not(series: list[SourceHeader], name: str, settings: Settings) -> str:
    """Why a series, volume or picture is left out by its headers alone; "" where it is not."""
    first = series[0]
    if first.modality not in ("", "CT"):
        return f"Its modality is {first.modality}; expected CT."
    if not settings.images and (said := modality_of(name)) not in ("", "CT") and not first.modality:
        return f"Its name says {said}; expected CT. Say by images which files are CT if it is."
    if first.format not in _VOLUMES:
        return "" if first.channels == 1 else "It is in colour; expected grey values. Save it as grey."
    rows, columns = first.spacing_mm[:2] if len(first.spacing_mm) > 1 else (1.0, 1.0)
    if abs(rows - columns) > 0.01 * columns:
        return f"Its pixels measure {rows:g} x {columns:g} mm; expected squares. Resample it first."
    if first.volumes > 1:
        return f"It holds {first.volumes} time points; expected one. Save each as its own file."
    return why_no_stack(series, gaps=settings.gaps)


def _paired(items: list[Item], masks: list[Path], source: Path, rejected: list[Rejection], *, told: bool) -> list[Item]:
    """Give each item its masks; where there are masks, every item must have one."""
    if not masks:
        return items
    mine = masks_of(items, masks, source, rejected, told=told)
    for item in items:
        if item.name not in mine:
            reject_all(item.files, NO_MASK, source, rejected)
    return [replace(item, partners=mine[item.name]) for item in items if item.name in mine]


def _alike(items: list[Item], source: Path, rejected: list[Rejection]) -> tuple[list[Item], str, int]:
    """Keep the items of the unit and depth that most have: Hounsfield units and windowed pictures never mix."""
    votes = Counter((item.facts["unit"], item.facts["bits"]) for item in items)
    unit, bits = max(votes, key=lambda key: (votes[key], key), default=("HU", 16))
    for item in items:
        if (item.facts["unit"], item.facts["bits"]) != (unit, bits):
            reason = (
                f"It has {item.facts['unit']}s of {item.facts['bits']} bits; expected {unit}s of {bits} bits as most "
                "here. Prepare it as its own set."
            )
            reject_all(item.files, reason, source, rejected)
            reject_all(item.partners, IMAGE_LEFT_OUT, source, rejected)
    return [item for item in items if (item.facts["unit"], item.facts["bits"]) == (unit, bits)], unit, bits


def _table(items: list[Item], settings: Settings) -> LabelTable:
    """What the labels are called: by the user's table, or by the rules of derived maps."""
    with_masks = [item for item in items if item.partners]
    if settings.derive:
        if with_masks or items[0].facts["unit"] != "HU":
            raise ConfigError(
                "Tissue maps were asked for (derive), and there are masks or pictures without Hounsfield units; "
                "expected series or volumes without masks. Leave derive out."
            )
        return LabelTable(names=TISSUES, numbers={}, coloured=False)
    if not with_masks:
        return _NO_LABELS
    if not settings.table:
        raise ConfigError(
            f"There are masks, such as {with_masks[0].partners[0].name} with the values "
            f"{_some_values(with_masks[0].partners[0])}, and no table says what they are; expected --table with "
            "the columns value and name, such as 50,liver or #FF00FF,liver."
        )
    return read_table(Path(settings.table))


def _some_values(mask: Path) -> str:
    pixels = read(mask).pixels
    if pixels.shape[1] == 3:
        colours = np.unique(pixels.transpose(0, 2, 3, 1).reshape(-1, 3), axis=0)
        return ", ".join("#{:02X}{:02X}{:02X}".format(*colour) for colour in colours[:12])
    return ", ".join(str(value) for value in np.unique(pixels)[:12])


def _nothing(source: Path, rejected: list[Rejection]) -> str:
    why = real_reason((one.file, one.reason) for one in rejected)
    return f"{source} holds no usable CT; expected DICOM series, NIfTI or NRRD volumes, or grey pictures.{why}"


def _wanted(volume: Volume, settings: Settings) -> list[int]:
    """The slices to take: all of a single slice; of more every n-th that shows enough body."""
    depth = len(volume.slices)
    if depth == 1:
        return [0]
    indices = range((depth // 2) % settings.every, depth, settings.every)
    return [index for index in indices if (volume.slices[index] > BODY_ABOVE).mean() >= settings.min_body]


def _labels(item: Item, volume: Volume, settings: Settings) -> np.ndarray | None:
    """The label map of a volume [Z H W] uint8, from its mask on the same grid; None without a mask."""
    if not item.partners:
        return None
    table = LabelTable(**item.facts["table"])
    found = []
    for path in item.partners:
        mask = read_stack([path])
        if not same_grid(volume, mask):
            depth, height, width = mask.slices.shape
            z, y, x = volume.slices.shape
            raise SourceError(
                f"The mask {path.name} lies on another grid ({width} x {height} x {depth} voxels) than its image "
                f"({x} x {y} x {z}), or at another place; expected the same. Resample the mask to its image."
            )
        values = table.values_of(mask.slices[:, np.newaxis], path.name)
        found.append(table.apply(values, path.name, others=settings.others))
    return join_masks(found)


def _slice(volume: Volume, labels: np.ndarray | None, index: int, info: DatasetInfo, settings: Settings) -> Made:
    """One slice through the window, at the set's size."""
    hounsfield = volume.slices[index].astype(np.float32)
    if volume.padding is not None:
        hounsfield[volume.padding[index]] = settings.low
    spacing = volume.spacing_mm[:2]
    mask = tissues_of(hounsfield, spacing) if settings.derive else None if labels is None else labels[index]
    largest = np.iinfo(info.dtype).max
    scaled = (hounsfield.clip(settings.low, settings.high) - settings.low) / (settings.high - settings.low)
    return _fitted(
        np.rint(scaled * largest).astype(info.dtype),
        mask,
        info,
        part=f"slice {index:04d}" if len(volume.slices) > 1 else "",
        spacing_mm=spacing,
        view=f"axial, file {volume.turned}" if volume.turned else "axial",
        mask_source="derived" if settings.derive else "manual",
    )


def _picture(item: Item, info: DatasetInfo, settings: Settings) -> Made:
    """A picture that was windowed before, as it is."""
    pixels = read(item.files[0]).pixels[0, 0]
    if pixels.dtype != info.dtype:
        raise SourceError("It decodes to other bits than its header says. Save it anew.")
    if not settings.images:
        refuse_mask(pixels)
    table = LabelTable(**item.facts["table"])
    masks = []
    for path in item.partners:
        mask = table.apply(table.values_of(read(path).pixels, path.name)[0], path.name, others=settings.others)
        if mask.shape != pixels.shape:
            raise SourceError(
                f"The image has {pixels.shape[1]} x {pixels.shape[0]} pixels and its mask {path.name} "
                f"{mask.shape[1]} x {mask.shape[0]}; expected the same size. Correct the mask."
            )
        masks.append(mask)
    return _fitted(pixels, join_masks(masks) if masks else None, info)


def _fitted(pixels: np.ndarray, mask: np.ndarray | None, info: DatasetInfo, **facts: Any) -> Made:
    fit = fit_of(pixels.shape[0], pixels.shape[1], info.height, info.width)
    spacing = tuple(size / fit.scale for size in facts.pop("spacing_mm", ()))
    return Made(
        image=fit_image(pixels[np.newaxis], fit, info.height, info.width),
        mask=None if mask is None else fit_mask(mask, fit, info.height, info.width),
        fit=fit,
        spacing_mm=spacing,
        low=info.intensity.low,
        high=info.intensity.high,
        **facts,
    )

"""Mammograms: window of the header, breast mask, markers and scanner edges taken out, one side and size if wished.

As in Ren et al. 2019 (MICCAI): values by the window of the DICOM header to [0, 1], pictures padded and resized to
256 x 512, a breast mask by Otsu's threshold. What is ours: the picture is padded on the side of the air, so that no
edge appears at the chest wall; letters, labels and scanner edges are set to the level of the air.
"""

from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from synthmed import sources
from synthmed.data.breast import WORKING_SIDE, Breast, find_breast, find_outline, mirrored, without
from synthmed.data.brightness import Span, is_dim, range_of, span_in
from synthmed.data.dataset import DatasetInfo, Intensity
from synthmed.data.geometry import Fit, fit_field, fit_image, fit_mask, fit_of
from synthmed.data.index import LOOK_AT
from synthmed.data.kinds._contract import Found, Item, KindSettings, Made, Map
from synthmed.data.kinds._display import is_shown_by_range, show
from synthmed.data.kinds._folders import rejections_of
from synthmed.data.kinds._mammogram_files import find_mammograms
from synthmed.data.masks import join_masks, refuse_mask
from synthmed.errors import ConfigError, SourceError
from synthmed.running.threads import one_thread
from synthmed.sources import dicom
from synthmed.sources.image import SourceHeader, SourceImage
from synthmed.sources.pixels import binary_mask, refuse_odd_palette

DEFAULT_SIZE = (512, 256)
_DOUBT = "things like markers or edges surround the breast and may be tissue, so they were left"
_MARGIN = 0.03  # air left around a breast that is cut out, as a share of its height or width


class Settings(KindSettings):
    """What is taken from the files, and what is changed in them."""

    window: str = Field(
        "first",
        description="first = first window, else first table, else all; lut = first table; full = all that the bits "
        "hold; image = darkest to brightest; else the name of a window or table in the header.",
    )
    invert: bool = Field(False, description="The files show air white (no DICOM: its header says it).")
    bits: Literal[8, 16] = Field(8, description="Depth of the stored pixels.")
    mask: Literal["auto", "otsu", "none"] = Field(
        "auto", description="auto = drawn by hand where there is one, else Otsu's; otsu = always Otsu's."
    )
    masks: str = Field(
        "", description="Where masks lie, from {folder} and {stem} of the image; empty = found by names."
    )
    labels: dict[str, int | list[int]] = Field(
        {}, description="Name of a label = its value or values in masks, the background first; empty = two values."
    )
    names: str = Field(
        "", description="Regular expression for names; groups patient_id, laterality, view, split, label."
    )
    pairs: bool = Field(False, description="Files of numbers 1 and 2, 3 and 4, ... are one patient each.")
    guess_laterality: bool = Field(True, description="Where nobody says it: chest wall on the right = R.")
    remove_markers: bool = Field(True, description="Set letters and labels in the air to the level of the air.")
    remove_edges: bool = Field(True, description="Likewise bright edges of scanner and film, and tape.")
    flip: Literal["none", "left", "right"] = Field("none", description="Mirror: all chest walls on this side.")
    crop: Literal["none", "breast"] = Field("none", description="breast = the breast fills the picture.")
    texture: bool = Field(False, description="Add the texture map of Ren et al. 2019 as a channel.")


def find(source: Path, settings: Settings, run: Map) -> Found:
    """DICOM of modality MG and raster images anywhere below the folder.

    Raises:
        SourceError: no mammogram, or a table that is not understood.
        ConfigError: settings that make no sense.
    """
    _label_of(settings.labels)
    if len(settings.labels) > 2 and settings.mask != "auto":
        raise ConfigError(f"labels names {len(settings.labels)} labels and mask={settings.mask}; expected mask=auto.")
    return find_mammograms(
        source,
        table=settings.table,
        names=settings.names,
        patient=settings.patient,
        masks=settings.masks,
        pairs=settings.pairs,
        must_have_mask=len(settings.labels) > 2,
        run=run,
    )


def measure(found: Found, settings: Settings, run: Map) -> Found:
    """Black and white of the pictures that no header says how to show: one for all of a depth.

    Of 16 bits white is the largest number of the bits that are used: 4095 where no picture uses more than 12 of them.
    """
    spans = list(run(partial(_span, settings.window), [item.files[0] for item in found.items]))
    depths: dict[int, list[Span]] = defaultdict(list)
    for one in spans:
        if isinstance(one, tuple):
            depths[one[0]].append(one[1])
    ranges = {bits: range_of(alike) for bits, alike in depths.items()}
    items, rejected = [], list(found.rejected)
    for item, one in zip(found.items, spans, strict=True):
        if not isinstance(one, tuple):
            items.append(item)
        elif is_dim(one[1], *ranges[one[0]]):
            reason = (
                f"Its numbers end at {one[1].high:g}, those of others here at {ranges[one[0]][1]:g}, so that it would "
                "be nearly black; expected one depth. Prepare it as its own set, or set window=image."
            )
            rejected += rejections_of(item, reason)
        else:
            items.append(replace(item, facts={**item.facts, "range": ranges[one[0]]}))
    return replace(found, items=items, rejected=sorted(rejected, key=lambda row: (row.file, row.reason)))


def _span(window: str, path: Path) -> tuple[int, Span] | None:
    """Depth and numbers of a picture that is shown by what its bits hold; None for others, and for 8 bits."""
    header = sources.open_header(path)
    if header.bits <= 8 or (window == "first" and header.windows) or window not in ("first", "full"):
        return None
    source = sources.read(path)
    return (header.bits, span_in(source)) if is_shown_by_range(source, window) else None


def describe(found: Found, settings: Settings, height: int, width: int) -> DatasetInfo:
    """One grey channel, and the texture map if asked for; a mask of the breast or of the given labels."""
    names = list(settings.labels) or ["background", "breast"]
    return DatasetInfo(
        kind="mammogram",
        channels=["grey", "texture"] if settings.texture else ["grey"],
        height=height,
        width=width,
        bits=settings.bits,
        intensity=Intensity(low=0, high=1, unit="share of the window"),
        mask_labels={} if settings.mask == "none" else {str(label): name for label, name in enumerate(names)},
        has_fields=False,
    )


def make(item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """One mammogram with its mask.

    Raises:
        SourceError: it cannot be read, has no such window, or shows no breast in air.
    """
    header, source = _read(item.files[0], info, settings)
    refuse_mask(source.pixels)
    shown = show(source, settings.window, invert=settings.invert, whole=item.facts.get("range"))
    labels = _drawn(item, settings, header.height, header.width)
    small = _small(shown.values)
    breast = find_breast(small, None if labels is None else _nearest(labels, *small.shape) > 0)
    guessed = {"left": "L", "right": "R"}[breast.side] if settings.guess_laterality else ""
    notes: list[str] = []
    if settings.flip not in ("none", breast.side):
        shown.values, breast = shown.values[:, ::-1], mirrored(breast)
        labels = None if labels is None else labels[:, ::-1]
        notes.append("mirrored")
    fit = _placed(breast, header, info, settings.crop)
    image = _stored(shown.values, fit, info.height, info.width)
    for what, removed, wished in (
        ("markers", breast.markers, settings.remove_markers),
        ("edges", breast.frame, settings.remove_edges),
    ):
        if wished and removed.any() and not breast.doubtful:
            image = without(image, fit_field(removed, fit, info.height, info.width), breast.air)
            notes.append(f"{what} removed ({removed.mean():.2%})")
    if breast.doubtful and (settings.remove_markers or settings.remove_edges):
        notes.append(f"{LOOK_AT}{_DOUBT}")
    mask = _fitted_mask(breast.mask, labels, fit, info)
    return [
        Made(
            image=_with_texture(image, mask, info),
            mask=mask if info.mask_labels else None,
            fit=fit,
            spacing_mm=tuple(length / fit.scale for length in header.spacing_mm[:2]),
            view=f"{item.facts['laterality'] or guessed} {item.facts['view']}".strip(),
            mask_source="derived" if labels is None else "manual",
            notes="; ".join(notes),
            low=shown.low,
            high=shown.high,
            curve=shown.curve,
        )
    ]


def _read(path: Path, info: DatasetInfo, settings: Settings) -> tuple[SourceHeader, SourceImage]:
    """The header, of the whole picture, and the picture, smaller where JPEG 2000 may be read fast."""
    header = sources.open_header(path)
    if settings.fast_j2k and header.format == "DICOM":
        # A breast that is cut out is enlarged: at most to twice the size.
        zoom = 2 if settings.crop == "breast" else 1
        halvings = dicom.fast_reduction(header, zoom * info.height, zoom * info.width)
        return header, dicom.read(path, reduce=halvings)
    return header, sources.read(path)


def _drawn(item: Item, settings: Settings, height: int, width: int) -> np.ndarray | None:
    """The label map [H W] that somebody drew, uint8, or None."""
    if not item.partners or settings.mask != "auto":
        return None
    return join_masks([_drawn_in(path, settings, height, width) for path in item.partners])


def _drawn_in(path: Path, settings: Settings, height: int, width: int) -> np.ndarray:
    drawn = sources.read(path).pixels
    if drawn.shape[2:] != (height, width) or len(drawn) != 1:
        raise SourceError(
            f"The image has {width} x {height} pixels and its mask {path.name} {drawn.shape[3]} x {drawn.shape[2]}; "
            "expected the same size. Correct the mask."
        )
    values = _label_of(settings.labels)
    if not values:
        refuse_odd_palette(path)
        labels = binary_mask(drawn[0], path.name)
    else:
        unknown = np.setdiff1d(drawn[0, 0], list(values))
        if unknown.size:
            raise SourceError(
                f"Its mask {path.name} holds {unknown[0]}, which labels does not name; expected "
                f"{', '.join(map(str, values))}. Correct the mask or labels."
            )
        labels = np.zeros(drawn.shape[2:], np.uint8)
        for value, label in values.items():
            labels[drawn[0, 0] == value] = label
    if not labels.any():
        raise SourceError(f"Its mask {path.name} is empty; expected a breast. Draw it or remove the file.")
    return labels


def _label_of(labels: dict[str, int | list[int]]) -> dict[int, int]:
    """Value in a mask -> label, the first name 0."""
    found: dict[int, int] = {}
    for label, (name, values) in enumerate(labels.items()):
        for value in values if isinstance(values, list) else [values]:
            if found.setdefault(value, label) != label:
                raise ConfigError(f"labels gives the value {value} to {name} and to another label; expected one.")
    if len(labels) == 1 or len(labels) > 256:
        raise ConfigError(f"labels names {len(labels)} labels; expected the background and 1 to 255 others, or none.")
    return found


def _small(values: np.ndarray) -> np.ndarray:
    """A picture [H W] in [0, 1] reduced, or enlarged, to the size at which the breast is looked for."""
    scale = WORKING_SIDE / max(values.shape)
    height, width = (max(1, round(length * scale)) for length in values.shape)
    fit = fit_of(values.shape[0], values.shape[1], height, width)
    return _stored(values, fit, height, width)


def _stored(values: np.ndarray, fit: Fit, height: int, width: int) -> np.ndarray:
    """Fit a picture [H W] in [0, 1] over 16 bits; float32."""
    return fit_image(_levels(values, 16)[np.newaxis], fit, height, width)[0].astype(np.float32) / (2**16 - 1)


def _levels(values: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(values * np.float32(2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def _nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    return fit_mask(labels, fit_of(height, width, height, width), height, width)


def _placed(breast: Breast, header: SourceHeader, info: DatasetInfo, crop: str) -> Fit:
    """Where the picture, or the breast in it, goes: chest wall at the border, in the middle from top to bottom."""
    shares = np.array([0.0, 1.0, 0.0, 1.0])  # top, bottom, left, right of what has to be seen
    if crop == "breast":
        rows, columns = (np.flatnonzero(breast.mask.any(axis=axis)) for axis in (1, 0))
        edges = np.array([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1], np.float64)
        edges += np.array([-1, 1, -1, 1]) * _MARGIN * np.repeat(edges[1::2] - edges[::2], 2)
        edges[2 if breast.side == "left" else 3] = columns[0] if breast.side == "left" else columns[-1] + 1
        shares = (edges / np.repeat(breast.mask.shape, 2)).clip(0, 1)
    top, bottom, left, right = shares * np.repeat([header.height, header.width], 2)
    scale = float(min(info.height / (bottom - top), info.width / (right - left)))
    fit = Fit(source_height=header.height, source_width=header.width, scale=scale, pad_top=0, pad_left=0)
    pad_top = round((info.height - (top + bottom) * scale) / 2)
    spare = info.height - fit.inner[0]
    pad_top = min(max(pad_top, spare), 0) if spare < 0 else spare // 2
    pad_left = -round(left * scale) if breast.side == "left" else info.width - round(right * scale)
    return replace(fit, pad_top=pad_top, pad_left=pad_left)


def _fitted_mask(outline: np.ndarray, labels: np.ndarray | None, fit: Fit, info: DatasetInfo) -> np.ndarray:
    if labels is not None:
        return fit_mask(labels, fit, info.height, info.width)
    smooth = fit_image(outline[np.newaxis].astype(np.uint8) * 255, fit, info.height, info.width)
    return (smooth[0] > 127).astype(np.uint8)


def _with_texture(image: np.ndarray, mask: np.ndarray, info: DatasetInfo) -> np.ndarray:
    """The stored image [C H W] of a picture in [0, 1]."""
    grey = _levels(image, info.bits)[np.newaxis]
    if len(info.channels) == 1:
        return grey
    import torch  # here, because the workers of a preparation without textures do without its 200 MB

    from synthmed.data.intensity import to_unit_range
    from synthmed.data.texture import texture_map

    with one_thread():  # the same whatever the workers
        texture = texture_map(to_unit_range(grey[np.newaxis]), torch.from_numpy(mask)[np.newaxis])[0]
    return np.concatenate([grey, _levels(texture.numpy(), info.bits)])


def mask_rule(picture: np.ndarray) -> np.ndarray:
    """The breast [H W] of a picture in [0, 1], as preparing finds it at 512 pixels; all False for none."""
    height, width = picture.shape
    scale = WORKING_SIDE / max(height, width)
    large = (round(height * scale), round(width * scale))
    values = np.rint(picture * 65535).astype(np.uint16)[np.newaxis]
    enlarged = fit_image(values, fit_of(height, width, *large), *large)[0].astype(np.float32) / 65535
    try:
        mask = find_outline(enlarged)
    except SourceError:
        return np.zeros((height, width), bool)
    shares = fit_image(mask[np.newaxis].astype(np.uint8) * 255, fit_of(*large, height, width), height, width)
    return shares[0] > 127

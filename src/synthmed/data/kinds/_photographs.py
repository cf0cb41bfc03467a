"""What the kinds of single pictures share: layouts of folders, one image with its mask and field of view an item."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from synthmed import sources
from synthmed.data.brightness import PICTURES, Span, brightened, is_dim, range_of, span_of
from synthmed.data.dataset import DatasetInfo, Intensity
from synthmed.data.geometry import fit_field, fit_image, fit_mask, fit_of
from synthmed.data.index import LOOK_AT
from synthmed.data.kinds._contract import Found, Item, KindSettings, Made, Map, Rejection
from synthmed.data.kinds._folders import NO_PATIENT, in_name, rejections_of
from synthmed.data.masks import join_masks, refuse_mask
from synthmed.errors import SourceError
from synthmed.sources import pixels, raster
from synthmed.sources.folders import relative
from synthmed.sources.image import SourceImage
from synthmed.sources.layouts import IMAGE_LEFT_OUT
from synthmed.sources.metadata import EMPTY_PATIENT

FORMATS = (*pixels.EXTENSIONS, ".dcm", ".nii", ".nii.gz", ".nrrd")

_DIM = "they use less than an eighth of the numbers of the set and are nearly black, as 12 bits beside 16"

FieldOf = Callable[[np.ndarray], np.ndarray]
"""Computes a field of view [H W] of {0, 1} from stored pixels [C H W]."""


class PhotographSettings(KindSettings):
    """What the kinds of single pictures have in common: which files are what, where names do not say it."""

    images: str = Field(
        "", description="Pattern for the files that are images, such as '*_flair.png'; empty = by names."
    )
    masks: str = Field("", description="Pattern for the files that are masks, such as '*_gland.png'; empty = by names.")


def find(source: Path, settings: PhotographSettings, run: Map) -> Found:
    """The images of a folder that fit together, with their masks and fields; see ``synthmed.sources.raster``.

    Most images decide how many channels and bits the set has, and of which modality it is; of equally many the richer
    kind does.

    Raises:
        SourceError: no images, masks without images, a table that is not understood, or one patient in two declared
            splits.
    """
    found = raster.find(
        source,
        table=Path(settings.table) if settings.table else None,
        images=settings.images,
        masks=settings.masks,
        extensions=FORMATS,
    )
    rejected = [Rejection(file=rejection.file, reason=rejection.reason) for rejection in found.rejected]
    looks = list(run(_look, [image.path for image in found.images]))
    votes = Counter(look.kind for look in looks if not isinstance(look, SourceError))
    usual = max(votes, key=lambda key: (votes[key], key), default=(1, 8, ""))
    items: list[Item] = []
    for image, look in zip(found.images, looks, strict=True):
        name = image.path.relative_to(source).as_posix()
        if isinstance(look, SourceError) or look.kind != usual:
            reason = str(look) if isinstance(look, SourceError) else _unlike(look.kind, usual)
            rejected.append(Rejection(file=name, reason=reason))
        elif item := _item(image, name, look.patient_id, settings.patient):
            items.append(item)
            continue
        else:
            rejected.append(Rejection(file=name, reason=NO_PATIENT if settings.patient else EMPTY_PATIENT))
        partners = (*image.mask_paths, *([image.field_path] if image.field_path else []))
        rejected += [Rejection(file=relative(path, source), reason=IMAGE_LEFT_OUT) for path in partners]
    channels, bits, _ = usual
    facts = {
        "channels": channels,
        "bits": bits,
        "plain": bits == 8 and all(look.plain for look in looks if not isinstance(look, SourceError)),
        "masks": any("mask" in item.facts for item in items),
        "fields": any("field" in item.facts for item in items),
    }
    return Found(items=items, rejected=rejected, layout=found.layout, tables=found.tables, facts=facts)


def measure(found: Found, run: Map) -> Found:
    """Look at the pixels for the one rule of brightness of the set; a file of another unit is left out."""
    if found.facts["plain"]:
        return found
    items, rejected, spans = _of_one_unit(found.items, run)
    facts = dict(found.facts)
    if known := [span for span in spans if isinstance(span, Span)]:
        low, high = facts["range"] = range_of(known)
        dim = [isinstance(span, Span) and is_dim(span, low, high) for span in spans]
        items = [
            replace(item, facts={**item.facts, "dim": True}) if is_so else item
            for item, is_so in zip(items, dim, strict=True)
        ]
    return replace(found, items=items, rejected=sorted([*found.rejected, *rejected], key=_by_name), facts=facts)


def _of_one_unit(items: list[Item], run: Map) -> tuple[list[Item], list[Rejection], list[Span | SourceError]]:
    """The items whose numbers mean the same, those that are left out because theirs do not, and the former's spans.

    An item that cannot be read stays: it says why when its image is made.
    """
    seen = list(run(span_of, [item.files[0] for item in items]))
    units = Counter(span.unit for span in seen if isinstance(span, Span))
    usual = max(units, key=lambda unit: (units[unit], unit), default="")
    kept: list[Item] = []
    rejected: list[Rejection] = []
    spans: list[Span | SourceError] = []
    for item, span in zip(items, seen, strict=True):
        if isinstance(span, Span) and span.unit != usual:
            rejected += rejections_of(
                item,
                f"Its numbers are of the unit {span.unit}; expected {usual} as of most images here, so that one number "
                "has one brightness. Prepare it as its own set.",
            )
        else:
            kept.append(item)
            spans.append(span)
    return kept, rejected, spans


def _by_name(rejection: Rejection) -> tuple[str, str]:
    return rejection.file, rejection.reason


def describe(
    found: Found, height: int, width: int, *, kind: str, foreground: str, computes_fields: bool = False
) -> DatasetInfo:
    """What ``dataset.json`` says of a set of single pictures.

    Args:
        found: what ``find`` and ``measure`` gave; without the latter white is the largest number of the bits.
        height: of the stored images.
        width: of the stored images.
        kind: name of the kind.
        foreground: what label 1 of the masks is called.
        computes_fields: whether a field of view is computed for images without one.
    """
    bits = found.facts["bits"]
    low, high = found.facts.get("range", (0.0, 2.0**bits - 1))
    return DatasetInfo(
        kind=kind,
        channels=_channel_names(found.facts["channels"]),
        height=height,
        width=width,
        bits=bits,
        intensity=Intensity(low=low, high=high, unit="grey value"),
        mask_labels={"0": "background", "1": foreground} if found.facts["masks"] else {},
        has_fields=computes_fields or found.facts["fields"],
    )


def make(item: Item, info: DatasetInfo, settings: PhotographSettings, *, field_of: FieldOf | None = None) -> list[Made]:
    """Decode one image with its mask and field and fit them; a file of several frames gives an image for each.

    Args:
        item: what ``find`` gave.
        info: what ``describe`` gave: its intensity says which numbers become black and white.
        settings: where they name the images, a picture of two values is one too.
        field_of: computes the field of view where the source gives none.

    Raises:
        SourceError: the image, its mask or its field cannot be read, they do not belong together, or the image looks
            like a mask.
    """
    source = sources.read(item.files[0])
    if not settings.images:
        refuse_mask(source.pixels)
    if source.pixels.shape[1] != len(info.channels):
        raise SourceError(f"{item.files[0].name} decodes to other channels than its header says. Save it anew.")
    low, high = info.intensity.low, info.intensity.high
    stored = brightened(source.pixels, source.padding, info.bits, low, high)
    masks, one = _partner(item, "mask", "mask", source)
    fields, other = _partner(item, "field", "field of view", source)
    dim = f"{LOOK_AT}{_DIM}" if item.facts.get("dim") else ""
    notes = "; ".join(dict.fromkeys(note for note in (one, other, dim) if note))
    source_height, source_width = stored.shape[2:]
    fit = fit_of(source_height, source_width, info.height, info.width)
    made: list[Made] = []
    for number, frame in enumerate(stored):
        mask = None if masks is None else masks[number]
        field = field_of(frame) if fields is None and field_of else None if fields is None else fields[number]
        made.append(
            Made(
                image=fit_image(frame, fit, info.height, info.width),
                mask=None if mask is None else fit_mask(mask, fit, info.height, info.width),
                field=None if field is None else fit_field(field, fit, info.height, info.width),
                fit=fit,
                part=f"frame {number + 1:04d}" if len(stored) > 1 else "",
                spacing_mm=tuple(length / fit.scale for length in source.header.spacing_mm[:2]),
                view=item.facts.get("view") or f"{source.header.laterality} {source.header.view}".strip(),
                notes=notes,
                low=low,
                high=high,
            )
        )
    return made


class _Look(NamedTuple):
    """Channels, bits to store and modality of an image file, its patient, and whether numbers are stored as shown.

    "" = the file does not say.
    """

    kind: tuple[int, int, str]
    patient_id: str
    plain: bool


def _look(path: Path) -> _Look:
    header = sources.open_header(path)
    kind = (header.channels, 8 if header.bits <= 8 else 16, header.modality)
    return _Look(kind, header.patient_id, header.format in PICTURES)


def _unlike(kind: tuple[int, int, str], usual: tuple[int, int, str]) -> str:
    if kind[:2] == usual[:2]:
        return (
            f"Its modality is {kind[2] or 'unknown'}; expected {usual[2] or 'unknown'} as most images here have. "
            "Prepare it as its own set."
        )
    return (
        f"It has {_channels(kind[0])} of {kind[1]} bits; expected {_channels(usual[0])} of {usual[1]} bits as most "
        "images here. Convert it, or prepare it as its own set."
    )


def _item(image: raster.FoundImage, name: str, patient_in_file: str, pattern: str) -> Item | None:
    """The item of an image, or None where nobody says whose it is.

    Layout and table say whose it is, or else the pattern, or else the file itself, or nobody.
    """
    partners = {"mask": image.mask_paths, "field": (image.field_path,) if image.field_path else ()}
    facts: dict[str, Any] = {what: paths for what, paths in partners.items() if paths}
    if image.view:
        facts["view"] = image.view
    patient, said = image.patient_id, image.patient_said
    if not said and (pattern or patient_in_file):
        patient, said = in_name(name, pattern) if pattern else patient_in_file, True
    if not patient:
        return None
    return Item(
        name=name,
        patient_id=patient,
        files=(image.path,),
        split=image.split,
        label=image.label,
        partners=tuple(path for paths in partners.values() for path in paths),
        facts=facts,
        patient_said=said,
    )


def _partner(item: Item, key: str, what: str, source: SourceImage) -> tuple[np.ndarray | None, str]:
    """The masks or fields [F H W] of an image, joined and checked to be of its size, and a note on them."""
    paths: tuple[Path, ...] = item.facts.get(key, ())
    if not paths:
        return None, ""
    read = [_binary(path, what, source) for path in paths]
    notes = dict.fromkeys(note for _, note in read if note)
    if len(paths) > 1:
        notes[f"{len(paths)} {what}s joined"] = None
    return join_masks([mask for mask, _ in read]), "; ".join(notes)


def _binary(path: Path, what: str, source: SourceImage) -> tuple[np.ndarray, str]:
    """One mask or field [F H W], and a note where it may lie otherwise."""
    read = sources.read(path)
    if read.header.format in PICTURES:
        pixels.refuse_odd_palette(path)
    partner, turned = read.pixels, read.header.exif_orientation != source.header.exif_orientation
    frames, channels, height, width = partner.shape
    if (frames, height, width) != (len(source.pixels), *source.pixels.shape[2:]):
        why = " Exif turns one of them and not the other: save both upright." if turned else ""
        raise SourceError(
            f"The image has {_extent(source.pixels)} and its {what} {path.name} {_extent(partner)}; expected the "
            f"same size. Correct the {what}.{why}"
        )
    if partner.dtype.kind != "u":
        raise SourceError(f"{path.name} holds negative or broken numbers; expected a {what} of 0 and one other value.")
    planes = partner.transpose(1, 0, 2, 3).reshape(channels, frames * height, width)
    # Whether the mask was drawn on the picture as it is stored or as it is shown stands nowhere.
    note = f"{LOOK_AT}Exif turns the picture and not its {what}, which may lie otherwise" if turned else ""
    return pixels.binary_mask(planes, path.name).reshape(frames, height, width), note


def _extent(picture: np.ndarray) -> str:
    frames = f" in {len(picture)} frames" if len(picture) > 1 else ""
    return f"{picture.shape[3]} x {picture.shape[2]} pixels{frames}"


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _channel_names(number: int) -> list[str]:
    names = {1: ["grey"], 3: ["red", "green", "blue"]}
    return names.get(number, [f"channel {index}" for index in range(number)])

"""What the kinds of single pictures share: layouts of folders, one image with its mask and field of view an item."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from synthmed import sources
from synthmed.data.dataset import DatasetInfo, Intensity
from synthmed.data.geometry import fit_image, fit_mask, fit_of
from synthmed.data.kinds._contract import Found, Item, KindSettings, Made, Map, Rejection
from synthmed.data.masks import join_masks, refuse_mask
from synthmed.errors import SourceError
from synthmed.sources import pixels, raster
from synthmed.sources.folders import relative
from synthmed.sources.image import SourceImage
from synthmed.sources.layouts import IMAGE_LEFT_OUT

FORMATS = (*pixels.EXTENSIONS, ".dcm", ".nii", ".nii.gz", ".nrrd")

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
            partners = (*image.mask_paths, *([image.field_path] if image.field_path else []))
            rejected += [Rejection(file=relative(path, source), reason=IMAGE_LEFT_OUT) for path in partners]
        else:
            items.append(_item(image, name, "" if found.patients_declared else look.patient_id))
    channels, bits, _ = usual
    facts = {
        "channels": channels,
        "bits": bits,
        "masks": any("mask" in item.facts for item in items),
        "fields": any("field" in item.facts for item in items),
    }
    return Found(items=items, rejected=rejected, layout=found.layout, tables=found.tables, facts=facts)


def describe(
    found: Found, height: int, width: int, *, kind: str, foreground: str, computes_fields: bool = False
) -> DatasetInfo:
    """What ``dataset.json`` says of a set of single pictures.

    Args:
        found: what ``find`` gave.
        height: of the stored images.
        width: of the stored images.
        kind: name of the kind.
        foreground: what label 1 of the masks is called.
        computes_fields: whether a field of view is computed for images without one.
    """
    bits = found.facts["bits"]
    return DatasetInfo(
        kind=kind,
        channels=_channel_names(found.facts["channels"]),
        height=height,
        width=width,
        bits=bits,
        intensity=Intensity(low=0, high=2**bits - 1, unit="grey value"),
        mask_labels={"0": "background", "1": foreground} if found.facts["masks"] else {},
        has_fields=computes_fields or found.facts["fields"],
    )


def make(
    item: Item,
    info: DatasetInfo,
    settings: PhotographSettings,
    *,
    low: float = 0.0,
    high: float = 0.0,
    field_of: FieldOf | None = None,
) -> list[Made]:
    """Decode one image with its mask and field and fit them; a file of several frames gives an image for each.

    Args:
        item: what ``find`` gave.
        info: what ``describe`` gave.
        settings: where they name the images, a picture of two values is one too.
        low: physical value of stored 0.
        high: physical value of the largest stored number. Where it equals ``low``, whole numbers that fit are
            stored as they are, and others span the range of their own file.
        field_of: computes the field of view where the source gives none.

    Raises:
        SourceError: the image, its mask or its field cannot be read, they do not belong together, or the image looks
            like a mask.
    """
    source = sources.read(item.files[0])
    if not settings.images:
        refuse_mask(source.pixels)
    if source.pixels.shape[1] != len(info.channels) or _is_deeper(source.pixels, info.bits):
        raise SourceError(f"{item.files[0].name} decodes to other channels or bits than its header says. Save it anew.")
    stored, low, high = _stored(source.pixels, info.bits, low, high)
    masks = _partner(item, "mask", "mask", source)
    fields = _partner(item, "field", "field of view", source)
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
                field=None if field is None else fit_mask(field, fit, info.height, info.width),
                fit=fit,
                part=f"frame {number + 1:04d}" if len(stored) > 1 else "",
                spacing_mm=tuple(length / fit.scale for length in source.header.spacing_mm[:2]),
                view=f"{source.header.laterality} {source.header.view}".strip(),
                low=low,
                high=high,
                notes=f"{joined} masks joined" if (joined := len(item.facts.get("mask", ()))) > 1 else "",
            )
        )
    return made


class _Look(NamedTuple):
    """Channels, bits to store and modality of an image file, and its patient; "" = the file does not say."""

    kind: tuple[int, int, str]
    patient_id: str


def _look(path: Path) -> _Look:
    header = sources.open_header(path)
    return _Look((header.channels, 8 if header.bits <= 8 else 16, header.modality), header.patient_id)


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


def _item(image: raster.FoundImage, name: str, patient_in_file: str) -> Item:
    partners = {"mask": image.mask_paths, "field": (image.field_path,) if image.field_path else ()}
    facts = {what: paths for what, paths in partners.items() if paths}
    return Item(
        name=name,
        patient_id=patient_in_file or image.patient_id,
        files=(image.path,),
        split=image.split,
        label=image.label,
        partners=tuple(path for paths in facts.values() for path in paths),
        facts=facts,
    )


def _is_deeper(picture: np.ndarray, bits: int) -> bool:
    return picture.dtype.kind == "u" and picture.dtype.itemsize * 8 > bits


def _stored(picture: np.ndarray, bits: int, low: float, high: float) -> tuple[np.ndarray, float, float]:
    """Stored numbers of physical ones, and the physical values of 0 and of the largest number."""
    largest = 2**bits - 1
    dtype = np.uint8 if bits == 8 else np.uint16
    if low == high:
        if picture.dtype.kind == "u":
            return picture.astype(dtype, copy=False), 0.0, float(largest)
        finite = picture[np.isfinite(picture)]
        if not finite.size:
            raise SourceError("It holds no finite number. Export it anew.")
        low, high = float(finite.min()), float(finite.max())
        high = high if high > low else low + 1.0
    scaled = (np.nan_to_num(picture.astype(np.float64), nan=low) - low) * (largest / (high - low))
    return np.rint(scaled.clip(0, largest)).astype(dtype), low, high


def _partner(item: Item, key: str, what: str, source: SourceImage) -> np.ndarray | None:
    """The masks or fields [F H W] of an image, joined and checked to be of its size."""
    paths: tuple[Path, ...] = item.facts.get(key, ())
    return join_masks([_binary(path, what, source) for path in paths]) if paths else None


def _binary(path: Path, what: str, source: SourceImage) -> np.ndarray:
    partner = sources.read(path).pixels
    frames, channels, height, width = partner.shape
    if (frames, height, width) != (len(source.pixels), *source.pixels.shape[2:]):
        raise SourceError(
            f"The image has {_extent(source.pixels)} and its {what} {path.name} {_extent(partner)}; expected the "
            f"same size. Correct the {what}."
        )
    if partner.dtype.kind != "u":
        raise SourceError(f"{path.name} holds negative or broken numbers; expected a {what} of 0 and one other value.")
    planes = partner.transpose(1, 0, 2, 3).reshape(channels, frames * height, width)
    return pixels.binary_mask(planes, path.name).reshape(frames, height, width)


def _extent(picture: np.ndarray) -> str:
    frames = f" in {len(picture)} frames" if len(picture) > 1 else ""
    return f"{picture.shape[3]} x {picture.shape[2]} pixels{frames}"


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _channel_names(number: int) -> list[str]:
    names = {1: ["grey"], 3: ["red", "green", "blue"]}
    return names.get(number, [f"channel {index}" for index in range(number)])

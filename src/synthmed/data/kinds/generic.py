"""Anything with images and masks: photographs, DICOM or volumes frame by frame."""

from pathlib import Path

from pydantic import Field

from synthmed.data.dataset import DatasetInfo
from synthmed.data.kinds import _photographs
from synthmed.data.kinds._contract import Found, Item, Made, Map

DEFAULT_SIZE = (256, 256)


class Settings(_photographs.PhotographSettings):
    """What physical values are black and white."""

    low: float = Field(0.0, description="Physical value stored as 0.")
    high: float = Field(
        0.0,
        description="Physical value stored as the largest number. Where it equals low, it is the largest number of the "
        "bits that the set uses; negative numbers and decimals span the range of the whole set.",
    )


def find(source: Path, settings: Settings, run: Map) -> Found:
    """Folders of images and masks, or a plain folder."""
    return _photographs.find(source, settings, run)


def measure(found: Found, settings: Settings, run: Map) -> Found:
    """What becomes black and white, where the settings do not say it."""
    return found if settings.low != settings.high else _photographs.measure(found, run)


def describe(found: Found, settings: Settings, height: int, width: int) -> DatasetInfo:
    """Binary masks where there are any."""
    info = _photographs.describe(found, height, width, kind="generic", foreground="foreground")
    if settings.low == settings.high:
        return info
    intensity = info.intensity.model_copy(update={"low": settings.low, "high": settings.high})
    return info.model_copy(update={"intensity": intensity})


def make(item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """The image, or one for each frame, with mask and field of view where the source gives them."""
    return _photographs.make(item, info, settings)

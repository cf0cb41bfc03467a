"""Photographs of the eye's background with vessel masks; fields of view are computed where there are none."""

from pathlib import Path

from synthmed.data.dataset import DatasetInfo
from synthmed.data.kinds import _photographs
from synthmed.data.kinds._contract import Found, Item, Made, Map
from synthmed.data.masks import field_of_view

__all__ = ["DEFAULT_SIZE", "Settings", "describe", "field_of_view", "find", "make", "measure"]

DEFAULT_SIZE = (256, 256)


class Settings(_photographs.PhotographSettings):
    """Nothing of its own."""


def find(source: Path, settings: Settings, run: Map) -> Found:
    """DRIVE's layout, folders of images and masks, or a plain folder."""
    return _photographs.find(source, settings, run)


def measure(found: Found, settings: Settings, run: Map) -> Found:
    """What becomes black and white, where headers do not say it."""
    return _photographs.measure(found, run)


def describe(found: Found, settings: Settings, height: int, width: int) -> DatasetInfo:
    """Binary vessel masks, and always a field of view."""
    return _photographs.describe(found, height, width, kind="retina", foreground="vessel", computes_fields=True)


def make(item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """The photograph with its mask and its field of view."""
    return _photographs.make(item, info, settings, field_of=field_of_view)

"""Microscopy of cells with cell masks."""

from pathlib import Path

from synthmed.data.dataset import DatasetInfo
from synthmed.data.kinds import _photographs
from synthmed.data.kinds._contract import Found, Item, Made, Map

DEFAULT_SIZE = (256, 256)


class Settings(_photographs.PhotographSettings):
    """Nothing of its own."""


def find(source: Path, settings: Settings, run: Map) -> Found:
    """Folders of images and masks, or a plain folder."""
    return _photographs.find(source, settings, run)


def measure(found: Found, settings: Settings, run: Map) -> Found:
    """What becomes black and white, where headers do not say it."""
    return _photographs.measure(found, run)


def describe(found: Found, settings: Settings, height: int, width: int) -> DatasetInfo:
    """Binary cell masks where there are any."""
    return _photographs.describe(found, height, width, kind="cells", foreground="cell")


def make(item: Item, info: DatasetInfo, settings: Settings) -> list[Made]:
    """The picture with its mask, and its field of view where the source gives one."""
    return _photographs.make(item, info, settings)

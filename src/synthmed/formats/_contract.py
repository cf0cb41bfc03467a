"""What a writer of a format is. It holds settings, and at most the frames of one file that is not full yet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synthmed.samples import Sample


class Writer(Protocol):
    """Writes one image after the other below a folder."""

    def add(
        self, folder: Path, number: int, sample: Sample, image: NDArray[np.integer], mask: NDArray[np.uint8] | None
    ) -> list[Path]:
        """Write image ``number`` [C H W], checked before, and its mask [H W]; the files that are whole now."""

    def close(self, folder: Path) -> list[Path]:
        """Write what still waits for further images; the files."""


def place(folder: Path, what: str, number: int, ending: str) -> Path:
    """The file of an image or mask, its folder made: ``images/00017.dcm``."""
    (folder / what).mkdir(parents=True, exist_ok=True)
    return folder / what / f"{number:05d}{ending}"


def channel_place(folder: Path, number: int, channels: Sequence[str], channel: int, ending: str) -> Path:
    """The file of one channel of an image: that of the image, or one in its folder where there are several."""
    if len(channels) == 1:
        return place(folder, "images", number, ending)
    name = "".join(letter if letter.isalnum() else "-" for letter in channels[channel])
    inner = folder / "images" / f"{number:05d}"
    inner.mkdir(parents=True, exist_ok=True)
    return inner / f"{channel}-{name}{ending}"

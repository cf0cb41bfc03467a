"""PNG and TIFF with stored numbers, and NumPy arrays in physical units."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import ConfigError
from synthmed.formats._contract import place
from synthmed.formats.meaning import Meaning
from synthmed.samples import Sample
from synthmed.sources.exact import write_pixels


class ArrayWriter:
    """The writer of png, tiff and npy.

    Args:
        meaning: of the stored numbers.
        file_format: "png", "tiff" or "npy".

    Raises:
        ConfigError: a picture format, and channels that it cannot hold.
    """

    def __init__(self, meaning: Meaning, file_format: str) -> None:
        if file_format != "npy" and len(meaning.channels) not in (1, 3):
            raise ConfigError(
                f"The images have {len(meaning.channels)} channels; {file_format} files hold 1 or 3. Ask for npy, "
                "nifti or dicom."
            )
        self._meaning, self._ending = meaning, f".{file_format}"

    def add(
        self, folder: Path, number: int, sample: Sample, image: NDArray[np.integer], mask: NDArray[np.uint8] | None
    ) -> list[Path]:
        """Write one image and its mask."""
        files = [place(folder, "images", number, self._ending)]
        if self._ending == ".npy":
            np.save(files[0], self._meaning.physical(image), allow_pickle=False)
        else:
            write_pixels(files[0], image)
        if mask is not None:
            files.append(place(folder, "masks", number, ".npy" if self._ending == ".npy" else ".png"))
            if self._ending == ".npy":
                np.save(files[1], mask, allow_pickle=False)
            else:
                # A mask of two labels is stored as 0 and 255 so that people see it.
                write_pixels(files[1], (mask * 255 if len(self._meaning.mask_labels) <= 2 else mask)[None])
        return files

    def close(self, folder: Path) -> list[Path]:
        """Nothing waits."""
        return []

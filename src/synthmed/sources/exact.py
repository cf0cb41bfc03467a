"""Images that come back exactly as they were written: PNG and TIFF without loss, and ``.npy``."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthmed.errors import ConfigError, DataError


def write_pixels(path: Path, image: NDArray[np.integer]) -> None:
    """Write an image [C H W], uint8 or uint16, so that every pixel comes back; the ending says the format.

    Raises:
        DataError: other pixels.
        ConfigError: a format that cannot hold so many channels.
    """
    channels = image.shape[0]
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"An image to write is {image.dtype} of shape {list(image.shape)}; expected uint8 or uint16 pixels."
        )
    if path.suffix == ".npy":
        np.save(path, image, allow_pickle=False)
        return
    if channels not in (1, 3):
        raise ConfigError(
            f"The images have {channels} channels; {path.suffix[1:]} files hold 1 or 3. Ask for the format npy."
        )
    pixels = np.ascontiguousarray(image[0] if channels == 1 else image.transpose(1, 2, 0))
    if path.suffix == ".png":
        path.write_bytes(png_bytes(image))
        return
    import tifffile

    photometric = "minisblack" if channels == 1 else "rgb"
    # No description and no software tag: the same pixels give the same bytes.
    tifffile.imwrite(path, pixels, photometric=photometric, compression="zlib", metadata=None, software=False)


def png_bytes(image: NDArray[np.integer]) -> bytes:
    """The PNG file of an image [C H W], uint8 or uint16, with 1 or 3 channels: pixels and nothing else."""
    import imagecodecs

    pixels = np.ascontiguousarray(image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0))
    return bytes(imagecodecs.png_encode(pixels))


def from_png_bytes(content: bytes) -> NDArray[np.integer]:
    """The pixels [C H W] of a PNG file.

    Raises:
        ValueError, RuntimeError: it is none.
    """
    import imagecodecs

    pixels = imagecodecs.png_decode(content)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def read_pixels(path: Path) -> NDArray[np.integer]:
    """The stored pixels [C H W] of a file that ``write_pixels`` wrote.

    Raises:
        ValueError: it is not one.
    """
    if path.suffix == ".npy":
        # Mapped first: a header that promises more than the file holds is refused before memory is asked for.
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    if path.suffix == ".png":
        return from_png_bytes(path.read_bytes())
    import tifffile

    pixels = tifffile.imread(path)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def stacked(arrays: list[NDArray[np.integer]], what: str, path: Path) -> NDArray[np.integer]:
    """Pictures as one array; ``what`` and ``path`` say which they are.

    Raises:
        DataError: they differ in shape or type.
    """
    for array in arrays:
        if array.shape != arrays[0].shape or array.dtype != arrays[0].dtype:
            raise DataError(
                f"The {what} in {path} are {described(arrays[0])} and {described(array)}; expected one size, "
                "one number of channels and one bit depth. Convert them to one kind."
            )
    return np.stack(arrays)


def described(array: NDArray[Any]) -> str:
    """Type and shape of an array, for sentences."""
    return f"{array.dtype} of shape {list(array.shape)}"

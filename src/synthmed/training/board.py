"""The losses and sample grids of a training for TensorBoard, where the extra is installed. Nothing reads them back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthmed.errors import ConfigError
from synthmed.sources.exact import from_png_bytes

FOLDER = "tensorboard"
"""In the directory of a run."""


class Board:
    """What a training writes for TensorBoard beside its own log: curves by images seen, and pictures.

    Args:
        run: the directory of the run; files are added to its folder ``tensorboard``.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard is not installed; expected it where --tensorboard is given. Install the extra: "
                "pip install 'synthmed[tensorboard]'."
            ) from error
        self._writer: Any = SummaryWriter(str(run / FOLDER))

    def numbers(self, entry: Mapping[str, Any]) -> None:
        """Add what a line of the log tells."""
        for key, value in entry.items():
            if "." in key or key == "images_per_second":
                self._writer.add_scalar(f"{entry['name']}/{key}", value, entry["images"])
        self._writer.flush()

    def grid(self, file: Path, stage: str, images: int) -> None:
        """Add a sample grid that was just written."""
        self._writer.add_image(f"{stage}/samples", from_png_bytes(file.read_bytes()), images)
        self._writer.flush()

    def close(self) -> None:
        """Write the rest."""
        self._writer.close()

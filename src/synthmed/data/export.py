"""``export``: the images and masks of a prepared set as plain files, for a tool that is not ours.

Files are named by the image's id. A tool that writes ``images/ID-1.png``, ``images/ID-2.png`` and so on, and leaves
``masks/ID.png`` beside them, gives back a folder of which ``evaluate`` and ``audit`` know which image was made under
which mask.
"""

from pathlib import Path
from typing import Literal

from synthmed.artifacts import new_directory, refuse_existing, storage_errors
from synthmed.data.dataset import PreparedDataset
from synthmed.errors import ConfigError, DataError
from synthmed.files.paths import takes_paths
from synthmed.files.tables import write_csv
from synthmed.sources.exact import write_pixels

KIND = "export"
_FORMATS = ("png", "tiff", "npy")
_SPLITS = ("train", "test")


@takes_paths
def export(
    data: Path, out: Path, *, split: str = "train", masks_only: bool = False,
    file_format: Literal["png", "tiff", "npy"] = "png",
) -> int:  # fmt: skip
    """Write the images of one split, and their masks, as files.

    Args:
        data: a prepared data set.
        out: a new folder for ``images/ID.png``, ``masks/ID.png`` (0 and 255 where there is one label, else the labels
            as they are) and ``names.csv``. It shows patients: treat it like ``data``.
        split: "train" or "test"; the holdout stays sealed.
        masks_only: masks alone, for a tool that is to make images under them.
        file_format: of the images; masks are always PNG.

    Returns:
        How many images, or masks, were written.

    Raises:
        ConfigError: another split or format, or one that cannot hold the images exactly.
        DataError: the split is empty, or has no masks though masks alone are asked for.
        ArtifactError: ``data`` is damaged, or something stands at ``out``.
        StorageError: the disk is full or may not be written.
    """
    refuse_existing(out)
    if split not in _SPLITS:
        raise ConfigError(
            f"The split is {split!r}; expected {' or '.join(_SPLITS)}. The holdout is what an audit compares with, so "
            "no generator may see it."
        )
    if file_format not in _FORMATS:
        raise ConfigError(f"The file format {file_format!r} is unknown; expected one of {', '.join(_FORMATS)}.")
    true = PreparedDataset.open(data)
    chosen = true.split(split)
    if masks_only:
        chosen = chosen.where(lambda row: row.mask_source != "none")
        if not true.has_masks or not len(chosen):
            raise DataError(f"{data} has no masks in its split {split}; expected some. Export without --masks-only.")
    binary = len(true.info.mask_labels) == 2
    named = []
    with new_directory(out, KIND, inputs={"data": true.digest}, facts={"split": split}) as folder:
        for part in ("images", "masks"):
            if (part == "images" and not masks_only) or (part == "masks" and true.has_masks):
                (folder / part).mkdir()
        for place, row in enumerate(chosen.rows):
            image = "" if masks_only else f"images/{row.id}.{file_format}"
            mask = f"masks/{row.id}.png" if true.has_masks and row.mask_source != "none" else ""
            with storage_errors(folder):
                if image:
                    write_pixels(folder / image, chosen.images([place])[0])
                if mask:
                    drawn = chosen.masks([place])[0]
                    write_pixels(folder / mask, (drawn * 255 if binary else drawn)[None])
            named.append((row.id, image, mask, row.label))
        with storage_errors(folder):
            write_csv(folder / "names.csv", ("id", "file_name", "mask_name", "label"), named)
    return len(chosen)

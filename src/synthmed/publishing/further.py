"""The same images once more in another format or layout, in archives of their own beside those of ImageFolder."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from synthmed.config import did_you_mean
from synthmed.errors import ConfigError
from synthmed.formats.meaning import Meaning, Provenance
from synthmed.formats.writing import copying, writer_of
from synthmed.publishing.facts import Facts, Images
from synthmed.publishing.nnunet import write_nnunet
from synthmed.publishing.shards import Shards
from synthmed.samples import SampleSet

FURTHER = {
    "tiff": "TIFF, stored numbers",
    "npy": "NumPy arrays in physical units",
    "nifti": "NIfTI with affine and sidecar",
    "dicom": "DICOM secondary captures, masks as segmentation objects",
    "nnunet": "the layout of nnU-Net",
}
"""Formats and layouts in which images can be written besides, and what they are."""


def check_formats(formats: Sequence[str], images: Images) -> None:
    """Refuse formats that are unknown, named twice, or not for these images.

    Raises:
        ConfigError: says which are known.
    """
    for name in formats:
        if name not in FURTHER or formats.count(name) > 1:
            raise ConfigError(
                f"--format is {', '.join(formats)}{did_you_mean(name, FURTHER)}; images are always written as "
                f"{images.file_format}, and besides, each once, as {', '.join(FURTHER)}."
            )
    if "nnunet" in formats and not images.masks:
        raise ConfigError("--format nnunet needs a mask for each image; these samples have none. Leave it out.")


def write_format(
    folder: Path, name: str, facts: Facts, samples: SampleSet, meaning: Meaning, most_bytes: int, most_shards: int
) -> list[str]:  # fmt: skip
    """Write the archives of one format and give their names.

    Args:
        folder: where they are written.
        name: one of ``FURTHER``.
        facts: of the release.
        samples: the images.
        meaning: of their stored numbers.
        most_bytes: of one archive.
        most_shards: archives beyond which it is refused.

    Raises:
        ConfigError, DataError: the format cannot hold these images.
    """
    if name == "nnunet":
        return write_nnunet(folder, facts.name, facts.images, samples, most_bytes, most_shards)
    writer = writer_of(name, meaning=meaning, provenance=Provenance.of_samples(samples))
    with TemporaryDirectory(dir=folder, prefix=".") as working, Shards(folder, name, most_bytes, most_shards) as shards:
        place = Path(working)
        for _ in copying(writer, place, meaning, samples.drawn()):
            _move(place, shards)
        _move(place, shards)
        return shards.names


def _move(place: Path, shards: Shards) -> None:
    """Move the files that are whole now into the archive: those of one image stay together."""
    files = sorted(file for file in place.rglob("*") if file.is_file())
    contents = {file.relative_to(place).as_posix(): file.read_bytes() for file in files}
    if contents:
        shards.before(sum(map(len, contents.values())) + 400 * len(contents))
    for file, (name, content) in zip(files, contents.items(), strict=True):
        shards.add(name, content)
        file.unlink()

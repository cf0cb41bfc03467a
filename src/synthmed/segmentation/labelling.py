"""``label``: give unlabelled photographs masks, so that more pairs can be learned from.

Guibas, Virdi and Li (2017, section 3) train their second stage on photographs of another data base whose
masks
come from a segmentation network. Here that network learns from the labelled training pairs of a prepared data
set, and the photographs join its training split. Test and holdout stay as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from synthmed import artifacts
from synthmed.data.brightness import brightened
from synthmed.data.dataset import PreparedDataset
from synthmed.data.geometry import Fit, fit_field, fit_image, fit_of
from synthmed.data.index import Row
from synthmed.data.keyed_names import keep_names, list_file, without_names
from synthmed.data.kinds import find_kind
from synthmed.data.kinds._contract import rule_of
from synthmed.data.pseudonyms import default_key_file, read_key
from synthmed.data.store import DatasetWriter
from synthmed.errors import DataError, SourceError
from synthmed.files.paths import takes_paths
from synthmed.running.progress import Progress, silence, titled
from synthmed.segmentation.segmenter import SegmenterConfig, describe, predict_masks, train_segmenter
from synthmed.sources.folders import list_files, relative
from synthmed.sources.pixels import read_header, read_image, read_mask
from synthmed.sources.raster import FoundImage, find

THRESHOLD = 0.5
_CHUNK = 16

"""Called with how much is done, how much there is, and what is being done."""


@dataclass(frozen=True, kw_only=True)
class _Photograph:
    """One unlabelled photograph, fitted to the data set's size: image [C H W], field [H W] of {0, 1}."""

    source: FoundImage
    digest: str
    fit: Fit
    image: NDArray[np.integer]
    field: NDArray[np.uint8] | None


@takes_paths
def label(
    photographs: Path,
    data: Path,
    out: Path,
    *,
    segmenter: SegmenterConfig = SegmenterConfig(),
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> PreparedDataset:
    """Add unlabelled photographs to the training split of a data set, with masks found by a network.

    A photograph that stands in the data set already, test and holdout included, is left out, and so is one
    whose
    source declares it for another split than training; ``rejected.csv`` says why. Another photograph of a
    test patient cannot be recognised: give none.

    Args:
        photographs: a folder in one of the layouts of ``synthmed.sources.raster``; masks in it are not used.
        data: a prepared data set with manual binary masks in its split train.
        out: a new place. It gets all rows of ``data`` and then the photographs, whose patients are called
            U0001, U0002, ...
        segmenter: settings of the network that finds the masks.
        seed: source of all randomness of its training.
        device: where it is trained.
        progress: hears how far it is.

    Raises:
        DataError: the data set has no manual binary masks in its split train.
        SourceError: no photograph of the folder can be used.
        ArtifactError: something with content already stands at ``out``.
        StorageError: the disk is full or may not be written.
    """
    artifacts.refuse_existing(out)
    told = progress or silence
    known = PreparedDataset.open(data)
    pairs = _manual_pairs(known)
    network = train_segmenter(
        pairs.images(),
        pairs.masks(),
        segmenter,
        seed,
        device=device,
        progress=titled(told, "training the segmenter"),
    )
    settings = {"data": known.digest, "pairs": len(pairs), "seed": seed, "threshold": THRESHOLD}
    key, listed = read_key(default_key_file()), list_file(default_key_file(), out)
    with (
        without_names(key, photographs, listed),
        DatasetWriter(out, known.info, inputs={"data": known.digest}) as writer,
    ):
        _copy_rows(known, writer)
        before = len(writer.rows)
        _add_photographs(photographs, known, writer, network, told)
        if len(writer.rows) == before:
            reason = writer.rejected[0][1] if writer.rejected else "The folder is empty."
            raise SourceError(
                f"{photographs} holds no photograph that can be added: all {len(writer.rejected)} "
                f"were left out; expected at least one. The first: {reason}"
            )
        labelling = {**settings, "added": len(writer.rows) - before, "segmenter": describe(segmenter)}
        writer.rejected = keep_names(writer.rejected, _names(photographs), key, listed)
        writer.info = known.info.model_copy(update={"provenance": {**known.info.provenance, "labelling": labelling}})
    return PreparedDataset.open(out, verify=False)


def _names(folder: Path) -> Iterator[str]:
    files, _ = list_files(folder)
    yield from (relative(path, folder) for path in files)


def _manual_pairs(known: PreparedDataset) -> PreparedDataset:
    labels = len(known.info.mask_labels)
    if labels not in (0, 2):
        raise DataError(
            f"{known.path} has masks of {labels} labels; expected binary masks, as one network finds "
            "one kind of foreground. Prepare the data set with binary masks."
        )
    pairs = known.where(lambda row: row.split == "train" and row.mask_source == "manual")
    if len(pairs) == 0:
        raise DataError(
            f"{known.path} has no manual mask in its split train; expected some to learn from. "
            "Prepare a data set with masks."
        )
    return pairs


def _copy_rows(known: PreparedDataset, writer: DatasetWriter) -> None:
    for first in range(0, len(known), _CHUNK):
        part = range(first, min(first + _CHUNK, len(known)))
        pictures = zip(known.images(part), known.masks(part), known.fields_of_view(part), strict=True)
        for index, (image, mask, field) in zip(part, pictures, strict=True):
            writer.add(known.rows[index], image, mask, field)


def _add_photographs(
    folder: Path, known: PreparedDataset, writer: DatasetWriter, network: nn.Module, told: Progress
) -> None:
    found = find(folder)
    for rejection in found.rejected:
        writer.reject(rejection.file, rejection.reason)
    used = sum(row.patient_id.startswith("U") for row in known.rows)
    patients = sorted({image.patient_id for image in found.images})
    pseudonyms = {patient: f"U{number:04d}" for number, patient in enumerate(patients, start=used + 1)}
    waiting: list[_Photograph] = []
    for photograph in _usable(folder, found.images, known, writer, told):
        waiting.append(photograph)
        if len(waiting) == _CHUNK:
            _add_labelled(waiting, pseudonyms, writer, network)
            waiting = []
    _add_labelled(waiting, pseudonyms, writer, network)


def _usable(
    folder: Path, images: list[FoundImage], known: PreparedDataset, writer: DatasetWriter, told: Progress
) -> Iterator[_Photograph]:
    """Read and fit the photographs one by one; what cannot be used is rejected with its reason."""
    digests = {row.source_digest for row in known.rows}
    # The same photograph saved again has other bytes, but often the same pixels.
    pixels = {_pixel_digest(known.images([index])[0]) for index in range(len(known))}
    for done, image in enumerate(images, start=1):
        name = image.path.relative_to(folder).as_posix()
        try:
            photograph = _read(image, known)
        except SourceError as error:
            writer.reject(name, str(error))
            continue
        digest = _pixel_digest(photograph.image)
        if photograph.digest in digests or digest in pixels:
            writer.reject(name, "It stands in the data set already, or twice in the folder. Nothing to do.")
        elif image.split not in ("", "train"):
            writer.reject(name, f"Its source declares it for {image.split}; only training images are added.")
        else:
            yield photograph
        digests.add(photograph.digest)
        pixels.add(digest)
        told(done, len(images), "reading photographs")


def _read(image: FoundImage, known: PreparedDataset) -> _Photograph:
    info = known.info
    header = read_header(image.path)
    if (header.channels, header.bits) != (len(info.channels), info.bits):
        raise SourceError(
            f"It has {header.channels} channels of {header.bits} bits; expected {len(info.channels)} "
            f"of {info.bits} as in the data set. Convert it."
        )
    pixels = read_image(image.path)
    # The set has one rule of brightness, and these become part of it.
    shown = brightened(pixels[np.newaxis], None, info.bits, info.intensity.low, info.intensity.high)[0]
    fit = fit_of(pixels.shape[1], pixels.shape[2], info.height, info.width)
    field = None
    if image.field_path is not None:
        field = read_mask(image.field_path)
        if field.shape != pixels.shape[1:]:
            raise SourceError("Its field of view has another size; expected that of the image. Correct it.")
    elif rule := rule_of(find_kind(info.kind), "field_of_view"):
        field = rule(pixels)
    return _Photograph(
        source=image,
        digest=artifacts.file_digest(image.path),
        fit=fit,
        image=fit_image(shown, fit, info.height, info.width),
        field=None if field is None else fit_field(field, fit, info.height, info.width),
    )


def _add_labelled(
    photographs: list[_Photograph], pseudonyms: dict[str, str], writer: DatasetWriter, network: nn.Module
) -> None:
    if not photographs:
        return
    intensity = writer.info.intensity
    probabilities = predict_masks(network, np.stack([photograph.image for photograph in photographs]))
    for photograph, probability in zip(photographs, probabilities, strict=True):
        mask = (probability >= THRESHOLD).astype(np.uint8)
        if photograph.field is not None:
            mask *= photograph.field
        row = Row(
            id=f"{len(writer.rows):06d}",
            patient_id=pseudonyms[photograph.source.patient_id],
            split="train",
            label=photograph.source.label,
            mask_source="segmenter",
            source_digest=photograph.digest,
            **vars(photograph.fit),
            low=(intensity.low,),
            high=(intensity.high,),
        )
        writer.add(row, photograph.image, mask, photograph.field)


def _pixel_digest(image: NDArray[np.integer]) -> str:
    return sha256(image.tobytes()).hexdigest()

"""From a model to a folder of synthetic images: seeds, what they are made under, lineage."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from synthmed.artifacts import refuse_existing
from synthmed.data.intensity import to_stored
from synthmed.errors import ConfigError
from synthmed.files.paths import takes_paths
from synthmed.formats.meaning import Meaning, Provenance
from synthmed.formats.writing import copying, writer_of
from synthmed.generation.codes import CodeFile
from synthmed.generation.given import read_given
from synthmed.generation.model import Model, image_seed, load_model
from synthmed.running.progress import Progress, Say, unsaid
from synthmed.samples import Drawn, FileFormat, Sample, SampleSet, write_samples

_CHUNK = 64
_STORED = ("png", "tiff")
"""Formats in which a set may keep its stored pixels; the others are written beside them."""
_CARRIED = ("method", "recipe", "version", "config", "classes", "data", "privacy")
"""What a sample set repeats of its model's header."""


@takes_paths
def generate(
    model: Path | str, out: Path, *, num: int, seed: int = 0, masks: Path | None = None, styles: Path | None = None,
    label: str = "", split: str = "train", style_weight: Iterable[str] = (), missing_organ: str = "refuse",
    leave_out_empty: bool = False, codes: Path | None = None, file_format: str = "png", dicom_object: str = "sc",
    device: str = "cpu", progress: Progress | None = None, say: Say = unsaid,
) -> SampleSet:  # fmt: skip
    """Make synthetic images, with their masks where the model makes or takes them.

    Args:
        model: a model file, or the name of a model of the package or of one that was fetched.
        out: a new directory for the sample set.
        num: how many.
        seed: the run seed; image i depends on (seed, i) and what it is made under alone.
        masks: a prepared data set, a sample set or a folder whose masks are used, in order and again from the
            first when they run out; see ``generation.given``.
        styles: the same for images whose texture is used, with their label maps.
        label: the class of all images; "" = of each class as many as its share of the training images asks for.
        split: of the data set, whose masks and styles these are.
        style_weight: how much of a label's texture is the style's, 0 to 1, such as "lung=0.3"; the rest is what is
            usual in training. All of it is the style's where nothing is said.
        missing_organ: "refuse" a style that lacks a label of its map, or give that label the texture of the "nearest"
            organ that the style has: the one that usually looks most like it.
        leave_out_empty: go on without masks that are background alone, which are an error otherwise.
        codes: a file of codes that ``invert``, ``interpolate`` or ``splice`` wrote; image i is that of code i, and no
            latents are drawn. Its lineage is that of the code.
        file_format: "png", "tiff", "npy", "nifti" or "dicom". The set always keeps its stored pixels under ``images``
            and ``masks``, PNG where that holds them; the last three are written beside them, in physical units, into a
            folder of their name.
        dicom_object: what DICOM files become: "sc", "multi-frame", "ct", "mr", "mg" or "op".
        device: "cpu", "cuda".
        progress: hears how far it is.
        say: hears of labels that take the texture of another, or of which a style shows too little.

    Raises:
        ConfigError: ``num`` is below 1, or a format or DICOM object is unknown or does not fit the images.
        DataError: something that the model needs is missing, or what is given does not fit it.
        ArtifactError: the model or what is given is damaged, or ``out`` exists.
    """
    if num < 1:
        raise ConfigError(f"--num is {num}; expected at least 1.")
    refuse_existing(out)
    loaded = load_model(model, device)
    file = _codes(codes, loaded, num, masks, styles, label) if codes else None
    source = read_given(loaded, most=num, masks=masks, styles=styles, label=label, split=split,
                        leave_out_empty=leave_out_empty, style_weights=style_weight,
                        missing_organ=missing_organ, say=say)  # fmt: skip
    inputs = {"model": loaded.digest} | source.inputs | ({"codes": file.digest} if file else {})
    meaning = Meaning.of_model(loaded.header)
    facts: dict[str, Any] = {
        "run_seed": seed,
        "images": meaning.facts(),
        "model": {"digest": loaded.digest} | {key: loaded.header[key] for key in _CARRIED if key in loaded.header},
    } | source.facts
    writer = writer_of(file_format, meaning=meaning, provenance=Provenance.of(inputs, facts), dicom_object=dicom_object)
    stored: FileFormat = "tiff" if file_format == "tiff" else "npy" if _is_no_picture(meaning, file_format) else "png"
    if file_format not in _STORED:
        facts["beside"] = {"format": file_format} | ({"object": dicom_object} if file_format == "dicom" else {})

    def drawn() -> Iterator[Drawn]:
        for first in range(0, num, _CHUNK):
            numbers = range(first, min(first + _CHUNK, num))
            if file:
                stored = to_stored(loaded.decode(file.values[first : numbers.stop]), loaded.header["bits"])
                for number in numbers:
                    sample = Sample(seed=0, label="", lineage=file.lineages[number], style_from=file.names[number])
                    yield sample, stored[number - first], None
                if progress:
                    progress(numbers.stop, num)
                continue
            given = loaded.completed(source.at(numbers), len(numbers), seed, first)
            pairs = loaded.generate(len(numbers), seed=seed, first=first, given=given)
            images = to_stored(pairs.images, loaded.header["bits"])
            for place, number in enumerate(numbers):
                sample = Sample(
                    seed=image_seed(seed, number),
                    label="" if given.labels is None else loaded.spec.classes[int(given.labels[place])],
                    lineage=source.lineage,
                    **source.names(number),
                )
                yield sample, images[place], None if pairs.masks is None else pairs.masks[place].numpy()
            if progress:
                progress(numbers.stop, num)

    def beside(directory: Path, samples: Iterable[Drawn]) -> Iterator[Drawn]:
        return copying(writer, directory / file_format, meaning, samples)

    return write_samples(out, drawn(), file_format=stored, num_labels=max(2, loaded.spec.num_labels), inputs=inputs,
                         facts=facts, beside=None if file_format in _STORED else beside)  # fmt: skip


def _codes(path: Path, model: Model, num: int, masks: Path | None, styles: Path | None, label: str) -> CodeFile:
    """The codes of a file, which need nothing beside them and are as many as are asked for, or more."""
    model.encoder  # noqa: B018 - refuses a model that has none
    if masks or styles or label:
        raise ConfigError("Codes make images by themselves; generate without --masks, --styles and --label.")
    file = CodeFile.read(path, model=model.digest)
    if num > len(file):
        raise ConfigError(f"--num is {num}, and {path} holds {len(file)} codes; expected no more.")
    return file


def _is_no_picture(meaning: Meaning, file_format: str) -> bool:
    """Whether stored pixels of so many channels fit no picture, and none was asked for."""
    return file_format not in _STORED and len(meaning.channels) not in (1, 3)

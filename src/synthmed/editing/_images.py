"""Images that are to be edited, by where they lie: a prepared data set, a sample set, or a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.data.intensity import to_unit_range
from synthmed.data.split import SPLITS
from synthmed.errors import ConfigError, DataError
from synthmed.generation.model import Model
from synthmed.samples import OF_NOBODY, SampleSet
from synthmed.shapes import Image


@dataclass(frozen=True, kw_only=True)
class Originals:
    """Images as a model takes them.

    Args:
        images: Image [-1, 1].
        masks: [N H W] uint8 labels; None where there are none.
        names: of each, such as "test/000012".
        people: the patient of each; "" = unknown.
        owner: "sampled", "phantom", or "real", which stands for unknown as well.
        digest: of the place.
    """

    images: Image
    masks: NDArray[np.uint8] | None
    names: tuple[str, ...]
    people: tuple[str, ...]
    owner: str
    digest: str

    def __len__(self) -> int:
        return len(self.names)


def read_images(path: Path, model: Model, *, split: str = "test", rows: Sequence[int] | None = None) -> Originals:
    """Read images that a model could have made.

    Args:
        path: a prepared data set, a sample set or a folder of images.
        model: says what size, channels, kind and intensities they must have.
        split: of a data set.
        rows: which; None = all.

    Raises:
        ConfigError: an unknown split.
        DataError: none, or of another kind, size, intensity or number of channels than the model's.
        ArtifactError: a set of ours is damaged.
    """
    expected = (model.spec.channels, *model.spec.size)
    if split not in SPLITS:
        raise ConfigError(f"There is no split {split!r}; expected one of {', '.join(SPLITS)}.")
    if (path / "dataset.json").is_file():
        found = _of_dataset(path, model, split, rows)
    else:
        samples = SampleSet.open(path)
        known = {sample.lineage for sample in samples.samples} if samples.is_ours else {"unknown"}
        chosen = list(range(len(samples)) if rows is None else rows)
        stored = samples.images(chosen)
        if samples.is_ours and (told := samples.facts.get("images")):
            _compare(path, told.get("kind", ""), {key: told.get(key) for key in ("low", "high")}, model)
        found = Originals(
            images=to_unit_range(stored), masks=samples.masks(chosen) if samples.has_masks else None,
            names=tuple(samples.samples[row].file_name for row in chosen), people=("",) * len(chosen),
            owner="sampled" if known == {"sampled"} else "phantom" if known <= OF_NOBODY else "real",
            digest=samples.digest,
        )  # fmt: skip
    if tuple(found.images.shape[1:]) != expected:
        raise DataError(
            f"The images of {path} are {tuple(found.images.shape[1:])} (channels, height, width); the model makes "
            f"{expected}. Prepare them with --size {model.spec.height}x{model.spec.width}."
        )
    return found


def read_one(reference: str, model: Model) -> Originals:
    """The one image that words such as "data:test/000012", "samples:images/00003.png" or "folder:a.png" name.

    Raises:
        ConfigError: other words.
        DataError: no such image, or one that the model could not have made.
        ArtifactError: a set of ours is damaged.
    """
    place, colon, name = reference.rpartition(":")
    if not colon or not place or not name:
        raise ConfigError(f"{reference!r} names no image; expected PLACE:NAME, such as data:test/000012.")
    path = Path(place)
    if (path / "dataset.json").is_file():
        split = name.partition("/")[0]
        if split not in SPLITS:
            raise ConfigError(f"{reference!r} names no split; expected {', '.join(SPLITS)}, as in data:test/000012.")
        known = [f"{split}/{row.id}" for row in PreparedDataset.open(path).split(split).rows]
    else:
        split, known = "test", [sample.file_name for sample in SampleSet.open(path).samples]
        name = next((one for one in known if one.rpartition("/")[2] in (name, f"{name}.png")), name)
    if name not in known:
        between = f"; it has {known[0]} to {known[-1]}" if known else ""
        raise DataError(f"{place} has no image {name!r}{between}. Name another.")
    return read_images(path, model, split=split, rows=[known.index(name)])


def _of_dataset(path: Path, model: Model, split: str, rows: Sequence[int] | None) -> Originals:
    opened = PreparedDataset.open(path)
    chosen = opened.split(split)
    if not len(chosen):
        raise DataError(f"{path} has no images in its split {split}. Name another by --split.")
    info = opened.info
    _compare(path, info.kind, info.intensity.model_dump(), model)
    places = list(range(len(chosen)) if rows is None else rows)
    return Originals(
        images=to_unit_range(chosen.images(places)),
        masks=chosen.masks(places) if opened.has_masks else None,
        names=tuple(f"{split}/{chosen.rows[place].id}" for place in places),
        people=tuple(chosen.rows[place].patient_id for place in places),
        owner="phantom" if info.provenance.get("phantom", "") else "real",
        digest=opened.digest,
    )


def _compare(path: Path, kind: str, intensity: dict[str, object], model: Model) -> None:
    """Refuse images whose numbers mean something else than the model's."""
    own = model.header
    if kind and own["kind"] and kind != own["kind"]:
        raise DataError(
            f"{path} is of the kind {kind}; the model was trained on {own['kind']}. Give images of its kind."
        )
    for key in ("low", "high"):
        wanted, found = own["intensity"].get(key), intensity.get(key)
        if wanted is not None and found is not None and wanted != found:
            raise DataError(
                f"In {path} intensities lie from {intensity.get('low')} to {intensity.get('high')}; the model's from "
                f"{own['intensity'].get('low')} to {own['intensity'].get('high')}. Prepare them alike."
            )

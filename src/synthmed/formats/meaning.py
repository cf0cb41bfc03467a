"""What the stored numbers of synthetic images mean, and what the images were made from: what a file says of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from synthmed import __version__
from synthmed.artifacts import digest_of
from synthmed.config import Settings
from synthmed.errors import ArtifactError
from synthmed.samples import Sample, SampleSet

COLOURS = ("red", "green", "blue")
HOUNSFIELD = "HU"
_DISPLAYED = "share of the window"


class Meaning(Settings):
    """What images of a set show and what their stored numbers mean, as a model learned it from its data set.

    Stored 0 means ``low``, the largest number of the bits means ``high``; between them it is linear.
    """

    kind: str = Field("generic", description='Of the data set, such as "ct".')
    channels: tuple[str, ...] = Field(min_length=1, description="Their names, in stored order.")
    bits: Annotated[int, Field(ge=8, le=16, multiple_of=8)] = Field(description="8 or 16, of a stored number.")
    low: float = Field(description="What stored 0 means.")
    high: float = Field(description="What the largest stored number means.")
    unit: str = Field("grey value", description='Of low and high, such as "HU".')
    spacing_mm: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (), max_length=2, description="Millimetres between rows and between columns; () = unknown."
    )
    view: str = Field("", description='The view that all images show, such as "MLO"; "" = unknown, or several.')
    mask_labels: dict[str, str] = Field({}, description="Label as text -> its name, background included.")

    @property
    def is_colour(self) -> bool:
        """Whether the channels are red, green and blue: one picture, and not three series."""
        return self.channels == COLOURS

    @property
    def is_hounsfield(self) -> bool:
        """Whether stored numbers mean Hounsfield units."""
        return self.unit == HOUNSFIELD

    @property
    def slope(self) -> float:
        """What one step of stored numbers means, in ``unit``."""
        return (self.high - self.low) / (2**self.bits - 1)

    @property
    def shown(self) -> "Meaning":
        """The same for files that a display shows as they are: a share of a window is the grey value it is stored."""
        if self.unit != _DISPLAYED:
            return self
        return self.model_copy(update={"low": 0.0, "high": 2.0**self.bits - 1, "unit": "grey value"})

    def physical(self, stored: NDArray[np.integer]) -> NDArray[np.float32]:
        """Stored numbers in ``unit``, float32.

        Example:
            >>> Meaning(channels=("grey",), bits=8, low=-1000, high=1000, unit="HU").physical(np.array([0, 255]))
            array([-1000.,  1000.], dtype=float32)
        """
        return (stored.astype(np.float64) * self.slope + self.low).astype(np.float32)

    def facts(self) -> dict[str, Any]:
        """As it stands in the manifest of a sample set, under ``images``."""
        return self.model_dump(mode="json")

    @classmethod
    def of_model(cls, header: Mapping[str, Any]) -> Self:
        """What a model of that header makes. Models of before say no spacing and no view.

        Raises:
            ArtifactError: the header says what no images can mean.
        """
        intensity = header.get("intensity", {"low": 0.0, "high": 2.0 ** header["bits"] - 1})
        names = ("kind", "channels", "bits", "spacing_mm", "view", "mask_labels")
        said = {name: header[name] for name in names if name in header} | intensity
        said.setdefault("channels", header["images"]["channel_names"] or _numbered(header["images"]["channels"]))
        return cls._checked(said, "The model")

    @classmethod
    def of_samples(cls, samples: SampleSet) -> Self:
        """What the images of a sample set mean; of those that do not say it, grey values as they are stored.

        Raises:
            ArtifactError: its manifest says what no images can mean.
        """
        if "images" in samples.facts:
            return cls._checked(samples.facts["images"], str(samples.path))
        channels, bits = samples.shape[0], samples.images([0]).dtype.itemsize * 8
        return cls(channels=_numbered(channels), bits=bits, low=0.0, high=2.0**bits - 1)

    @classmethod
    def _checked(cls, said: Any, whose: str) -> Self:
        try:
            meaning = cls.model_validate(said, strict=False)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ArtifactError(
                f"{whose} does not say what its images mean ({place}: {first['msg']}). Make it anew."
            ) from error
        if meaning.low >= meaning.high or meaning.bits not in (8, 16):
            raise ArtifactError(
                f"{whose} says that its images go from {meaning.low:g} to {meaning.high:g} in {meaning.bits} bits; "
                "expected low below high, in 8 or 16 bits. Make it anew."
            )
        return meaning


def _numbered(channels: int) -> tuple[str, ...]:
    return {1: ("grey",), 3: COLOURS}.get(channels) or tuple(f"channel {number}" for number in range(channels))


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who made images, of what: what a file says beside its pixels, and where its identifiers come from.

    Args:
        origin: digest of all that the images were made from; equal sets have equal identifiers.
        version: the synthmed that writes.
        made_by: one line for people, such as "dual_gan, recipe dual_gan_tiny, model 0123456789ab".
    """

    origin: str
    version: str = __version__
    made_by: str = ""

    @classmethod
    def of(cls, inputs: Mapping[str, str], facts: Mapping[str, Any]) -> Self:
        """Of a sample set, from what its manifest says.

        Args:
            inputs: name -> digest of what it was made from.
            facts: what its writer recorded; ``run_seed`` and ``model`` are used.
        """
        model = facts.get("model", {})
        words = [str(model[name]) for name in ("method", "recipe") if model.get(name)]
        words += [f"model {model['digest'][:12]}"] if model.get("digest") else []
        origin = digest_of({"inputs": dict(inputs), "run_seed": facts.get("run_seed")})
        return cls(origin=origin, made_by=", ".join(words))

    @classmethod
    def of_samples(cls, samples: SampleSet) -> Self:
        """Of a sample set of ours, or of a folder of another tool, whose content is all that is known of it."""
        return cls.of(samples.inputs if samples.is_ours else {"folder": samples.digest}, samples.facts)


def label_names(meaning: Meaning, largest: int) -> dict[int, str]:
    """Number -> name of the labels 1 to ``largest`` of a mask."""
    return {label: meaning.mask_labels.get(str(label)) or f"label {label}" for label in range(1, largest + 1)}


def facts_of(sample: Sample) -> dict[str, Any]:
    """What is known of one image, for its sidecar: seed, class, lineage."""
    return {"seed": sample.seed, "lineage": sample.lineage} | ({"label": sample.label} if sample.label else {})

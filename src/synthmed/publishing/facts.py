"""What a release says of itself: ``release.json``, from which card, page, Croissant file and site are made.

Every value is taken from a manifest or a report. What a person must add - licence, contact, reasons - is checked words.
"""

from typing import Any, Literal

from pydantic import Field

from synthmed.config import Settings
from synthmed.zoo.index import NAME

FEWEST = 5
"""No number of patients or training images below this is told."""


class Images(Settings):
    """The images of a release.

    Args:
        num: how many.
        channels: names of their channels.
        height: rows.
        width: columns.
        bits: of a stored number.
        spacing_mm: millimetres between rows and between columns; () = unknown.
        file_format: of image files, such as "png".
        masks: whether each has a mask.
        mask_labels: label as text -> its name.
        classes: class -> images in the release.
    """

    num: int = Field(ge=1)
    channels: tuple[str, ...]
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    bits: Literal[8, 16]
    spacing_mm: tuple[float, ...] = ()
    file_format: str
    masks: bool
    mask_labels: dict[str, str] = Field({})
    classes: dict[str, int] = Field({})


class Processing(Settings):
    """What stored numbers mean; ``low`` and ``high`` are the physical values of 0 and of the largest number."""

    low: float
    high: float
    unit: str


class Origin(Settings):
    """The model behind the images, and the data behind the model.

    Args:
        samples: digest of the sample set.
        model: SHA-256 of the model file, "" where it is unknown.
        method: of the model.
        recipe: of its training.
        settings: digest of the method's settings.
        synthmed: version that trained it.
        run_seed: of the generation; None where it is unknown.
        data: digest of the prepared data set.
        kind: of that set.
        splits: split -> images and patients, as they may be told.
        split_digests: split -> digest of its source files.
        classes: class -> training images, as they may be told.
    """

    samples: str
    model: str = ""
    method: str = ""
    recipe: str = ""
    settings: str = ""
    synthmed: str = ""
    run_seed: int | None = None
    data: str = ""
    kind: str = ""
    splits: dict[str, dict[str, str]] = Field({})
    split_digests: dict[str, str] = Field({})
    classes: dict[str, str] = Field({})


class Metric(Settings):
    """A number of the evaluation, with its interval and what real images against real ones give.

    ``matched`` is the same number with as many images as the floor has; the two may be compared.
    """

    name: str
    title: str
    value: float | None
    low: float | None
    high: float | None
    matched: float | None
    matched_low: float | None
    matched_high: float | None
    matched_n: int
    floor: float | None
    floor_low: float | None
    floor_high: float | None
    unit: str
    direction: str
    n: int
    differs: bool | None
    extractor: str = ""


class Power(Settings):
    """Planted copies of one kind, and how many the audit found."""

    of: str
    kind: str
    planted: int
    found: int
    low: float
    high: float
    most_copies: float


class Audit(Settings):
    """The audit of exactly these samples.

    Args:
        digest: of the audit.
        verdict: in words, with power and bound.
        patients: split -> patients, as they may be told.
        unproven: why it is not shown what the generator learned from; "" where it is shown.
        power: over all kinds, then kind by kind.
        warnings: what to know before trusting it.
    """

    digest: str
    verdict: str
    patients: dict[str, str]
    unproven: str
    power: tuple[Power, ...]
    warnings: tuple[str, ...]


class Study(Settings):
    """A reader study of these samples: the digest of its protocol, and its result in sentences."""

    digest: str
    sentences: tuple[str, ...]


class Learned(Settings):
    """A learned part: what it is, what for, its origin, its licence, the first digits of its SHA-256."""

    name: str
    use: str
    origin: str
    licence: str
    sha256: str = ""


class File(Settings):
    """A file that is downloaded."""

    name: str
    bytes: int
    sha256: str
    about: str


class Facts(Settings):
    """The content of ``release.json``."""

    format: Literal[1] = 1
    name: str = Field(pattern=NAME)
    title: str
    version: str
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    licence: str
    contact: str
    modality: str
    organ: str
    images: Images
    lineage: dict[str, int]
    origin: Origin
    processing: Processing | None
    metrics: tuple[Metric, ...]
    proof: str
    study: Study | None
    audit: Audit
    privacy: str
    learned: tuple[Learned, ...]
    overruled: dict[str, str]
    artefacts: tuple[str, ...]
    biases: tuple[str, ...]
    files: tuple[File, ...] = ()

    @property
    def privacy_kind(self) -> str:
        """The privacy statement in two words, to choose by."""
        return "differential privacy" if self.privacy else "audited"

    @property
    def licence_url(self) -> str:
        """Where the licence is read."""
        return self.licence if self.licence.startswith("https://") else f"https://spdx.org/licenses/{self.licence}.html"

    @property
    def num_shards(self) -> int:
        """Archives of images."""
        return sum(file.name.startswith("images-") for file in self.files)


def told(count: int) -> str:
    """A number of patients, or of images of patients, as it may be told.

    Example:
        >>> told(0), told(3), told(14)
        ('0', 'fewer than 5', '14')
    """
    return str(count) if count == 0 or count >= FEWEST else f"fewer than {FEWEST}"


def plain(facts: Facts) -> dict[str, Any]:
    """The facts as JSON values."""
    return facts.model_dump(mode="json")

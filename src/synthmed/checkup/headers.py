"""Counts of what the headers of many files say. Identifiers are counted and then forgotten."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from synthmed import sources
from synthmed.harmless import printable
from synthmed.sources.image import SourceHeader, Window
from synthmed.sources.names import identity


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of one header; identifiers as digests, "" = the file does not say."""

    format: str
    modality: str
    syntax: str
    photometric: str
    height: int
    width: int
    frames: int
    channels: int
    bits: int
    spacing: str
    window: str
    burned_in: bool | None
    patient: bytes
    study: bytes
    series: bytes


def look(path: Path) -> Look:
    """Read one header.

    Raises:
        SourceError: it is no image, or cannot be read.
    """
    header = sources.open_header(path)
    patient = identity(header.patient_id)
    return Look(
        format=header.format,
        modality=printable(header.modality),
        syntax=header.transfer_syntax,
        photometric=printable(header.photometric),
        height=header.height,
        width=header.width,
        frames=header.frames,
        channels=header.channels,
        bits=header.bits,
        spacing=" x ".join(f"{length:.3g}" for length in header.spacing_mm),
        window=_windows(header),
        burned_in=header.burned_in,
        patient=_digest(patient),
        study=_digest(patient, header.study_id),
        series=_digest(patient, header.study_id, header.series_id),
    )


def _windows(header: SourceHeader) -> str:
    if not header.windows:
        return ""
    more = f", and {len(header.windows) - 1} more" if len(header.windows) > 1 else ""
    return _window(header.windows[0]) + more


def _window(window: Window) -> str:
    return f"centre {window.center:g}, width {window.width:g}, {window.function}"


def _digest(*words: str) -> bytes:
    return blake2b("\0".join(words).encode(), digest_size=8).digest() if words[-1] else b""


@dataclass(frozen=True, kw_only=True)
class Census:
    """How many of what.

    Args:
        images: files with a header that can be read.
        pictures: in them, each frame counted.
        patients, studies, series: told apart by the headers; 0 = the headers do not say.
        without_patient: images whose header does not say whose they are.
        formats, modalities, transfer_syntaxes, photometric, bits, channels, sizes, spacings_mm, windows: value ->
            images, the most frequent first.
        text_declared: images whose header says that text is part of the picture.
        text_denied: images whose header says that it is not.
    """

    images: int
    pictures: int
    patients: int
    studies: int
    series: int
    without_patient: int
    formats: dict[str, int] = field(default_factory=dict)
    modalities: dict[str, int] = field(default_factory=dict)
    transfer_syntaxes: dict[str, int] = field(default_factory=dict)
    photometric: dict[str, int] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)
    channels: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    spacings_mm: dict[str, int] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    text_declared: int = 0
    text_denied: int = 0

    @classmethod
    def of(cls, looks: Iterable[Look]) -> "Census":
        """Count."""
        looks = list(looks)
        return cls(
            images=len(looks),
            pictures=sum(one.frames for one in looks),
            patients=len({one.patient for one in looks} - {b""}),
            studies=len({one.study for one in looks} - {b""}),
            series=len({one.series for one in looks} - {b""}),
            without_patient=sum(not one.patient for one in looks),
            formats=_counted(one.format for one in looks),
            modalities=_counted(one.modality for one in looks),
            transfer_syntaxes=_counted(one.syntax for one in looks),
            photometric=_counted(one.photometric for one in looks),
            bits=_counted(str(one.bits) for one in looks),
            channels=_counted(str(one.channels) for one in looks),
            sizes=_counted(f"{one.width} x {one.height}" for one in looks),
            spacings_mm=_counted(one.spacing for one in looks),
            windows=_counted(one.window for one in looks),
            text_declared=sum(one.burned_in is True for one in looks),
            text_denied=sum(one.burned_in is False for one in looks),
        )


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts = Counter(word for word in words if word)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))

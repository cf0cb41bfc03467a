"""What the pixels of some pictures show: text in the picture, and pictures that are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthmed import sources
from synthmed.checkup.text import count_letters
from synthmed.data.duplicates import ALIKE, SIDE, candidates, fingerprint, likeness
from synthmed.data.kinds._contract import Item, Map
from synthmed.errors import SourceError


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was seen.

    Args:
        pictures: whose pixels were looked at; of a file of several frames the middle one.
        unreadable: files whose header can be read and whose pixels cannot.
        with_text: pictures with what looks like letters outside the anatomy.
        alike: pairs of pictures that are said to be of different patients and look the same.
    """

    pictures: int
    unreadable: int
    with_text: int
    alike: int


def look_at_pixels(items: Sequence[Item], number: int, run: Map) -> Sample:
    """Look at ``number`` files of images, evenly spread over what would be prepared; masks are not looked at."""
    owners = [(path, item.patient_id) for item in items for path in item.files]
    chosen = sorted({round(place) for place in np.linspace(0, len(owners) - 1, min(number, len(owners)))})
    files = [owners[place][0] for place in chosen]
    patient_of = dict(owners)
    seen = list(run(_look, files))
    good = [(path, one) for path, one in zip(files, seen, strict=True) if not isinstance(one, SourceError)]
    patients: dict[str, int] = {}
    whose = [patients.setdefault(patient_of[path], len(patients)) for path, _ in good]
    prints = np.array([one[1] for _, one in good], np.int8).reshape(-1, SIDE, SIDE)
    pairs = [(good[pair.first][1][2], good[pair.second][1][2]) for pair in candidates(prints, np.array(whose, int))]
    return Sample(
        pictures=len(good),
        unreadable=len(files) - len(good),
        with_text=sum(one[0] > 0 for _, one in good),
        alike=sum(likeness(*closer)[0] >= ALIKE for closer in pairs),
    )


def _look(path: Path) -> tuple[int, np.ndarray, np.ndarray]:
    """Letters in a picture, and its fine structure at two sizes."""
    pixels = sources.read(path).pixels
    frame = pixels[len(pixels) // 2].astype(np.float32)
    low, high = float(np.nanmin(frame)), float(np.nanmax(frame))
    shown = np.nan_to_num((frame - low) / max(high - low, 1e-9))
    stored = np.rint(shown * 255).astype(np.uint8)
    return count_letters(shown.mean(axis=0)), fingerprint(stored), fingerprint(stored, 2 * SIDE)

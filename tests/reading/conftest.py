"""Small studies made in the test: noise and slightly other noise, in which nothing trivial tells the two apart."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthmed.reading.design import study_new

SIDE = 24


def picture(rng: np.random.Generator, bright: bool, bits: int = 8) -> np.ndarray:
    """Noise in which every grey level from the darkest to the brightest occurs, with a spot that may be bright."""
    top = 2**bits - 1
    base = rng.permutation(np.linspace(0, top, SIDE * SIDE).round().astype(np.uint16)).reshape(SIDE, SIDE)
    order = np.argsort(base[8:16, 8:16].ravel())
    spot = base[8:16, 8:16].ravel().copy()
    base[8:16, 8:16] = spot[order if bright else order[::-1]].reshape(8, 8)
    return base.astype(np.uint8 if bits == 8 else np.uint16)


def folder(place: Path, num: int, seed: int, *, bits: int = 8, masks: bool = False, bright: bool = False) -> Path:
    """A folder of another tool: images, and masks of which every second one holds a target."""
    rng = np.random.default_rng(seed)
    (place / "images").mkdir(parents=True)
    for number in range(num):
        Image.fromarray(picture(rng, bright, bits)).save(place / "images" / f"{number:03d}.png")
        if masks:
            (place / "masks").mkdir(exist_ok=True)
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[0, 0] = 255 if number % 2 else 0
            mask[8:12, 9:13] = 255 if number % 2 else 0
            if not number % 2:
                mask[:] = 0
            Image.fromarray(mask).save(place / "masks" / f"{number:03d}.png")
    return place


@pytest.fixture(scope="session")
def sets(tmp_path_factory) -> dict[str, Path]:
    """Folders of real and synthetic images."""
    place = tmp_path_factory.mktemp("sets")
    return {
        "real": folder(place / "real", 60, 1, masks=True),
        "gan": folder(place / "gan", 60, 2, masks=True, bright=True),
        "other": folder(place / "other", 60, 3, masks=True, bright=True),
        "deep": folder(place / "deep", 20, 4, bits=16),
        "deep_made": folder(place / "deep_made", 20, 5, bits=16),
        "few": folder(place / "few", 5, 6),
    }


@pytest.fixture
def make(sets, tmp_path):
    """Makes a study of yes-no trials, 6 of each kind, unless told otherwise."""

    def made(name: str = "study", real: str = "real", synthetic=("gan",), overrides=(), **more):
        given = {"num": 6, "paradigm": "yes_no", **more}
        usual = ["warmup=1", "break_every=8", "washout_days=0"]
        return study_new(sets[real], tmp_path / name, synthetic=[f"{one}={sets[one]}" for one in synthetic],
                         overrides=[*usual, *overrides], **given).study  # fmt: skip

    return made

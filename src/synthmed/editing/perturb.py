"""``perturb``: new anatomy from old, by bending label maps smoothly while no organ is torn, joined or lost.

Krishna and Mueller 2019 (S3) name it as the way to more anatomy from few slices. A random smooth velocity is integrated
by scaling and squaring (Arsigny et al. 2006), so the field folds nowhere; each organ may be given a limit in pixels.
Whatever a grid makes of the field is checked: every piece of every organ, and of what surrounds it, stays one piece and
apart from its like. The image of the map is bent with it. A bent map of a patient is still that patient's: the lineage
says so, and a table says how far each lies from its source.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthmed.artifacts import refuse_existing
from synthmed.config import did_you_mean
from synthmed.data.dataset import PreparedDataset
from synthmed.draws import seed_of
from synthmed.errors import ConfigError, DataError
from synthmed.files.paths import takes_paths
from synthmed.files.tables import write_csv
from synthmed.running.progress import Progress, Say, silence, unsaid
from synthmed.samples import Drawn, Lineage, Sample, SampleSet, write_samples

Field = NDArray[np.float64]
"""[2 H W] where each pixel of the new map comes from, rows and columns, less the pixel's own place."""

LEAST = 9
"""Pixels below which a piece is a speck, which may come and go."""
_SQUARE = np.ones((3, 3), bool)
_STEPS = 6
_TRIES = 6
_WEAKER = 0.75
_TABLE = "distances.csv"


@dataclass(frozen=True, kw_only=True)
class Bent:
    """A bent map and what bending did.

    Args:
        field: of displacements.
        mask: [H W] labels.
        moved: pixels that the farthest pixel moved.
        dice: of each label with that of the source, by number.
    """

    field: Field
    mask: NDArray[np.uint8]
    moved: float
    dice: Mapping[int, float]


@takes_paths
def perturb(
    data: Path, out: Path, *, num: int, strength: float = 0.03, smoothness: float = 0.12, limit: Iterable[str] = (),
    split: str = "train", seed: int = 0, progress: Progress | None = None, say: Say = unsaid,
) -> SampleSet:  # fmt: skip
    """Bend label maps, and their images with them, into new anatomy; no organ is torn, joined or lost.

    Args:
        data: a prepared data set with label maps.
        out: a new sample set: bent images and maps, and ``distances.csv``, which says of each from which map it comes,
            how far its pixels moved and how much each organ overlaps its source (Dice). ``generate --masks`` takes it.
        num: how many; map number i is made of row i of the split, and from the first again.
        strength: how far pixels move at most, as a share of the longest side, 0 to 0.2.
        smoothness: length along which they move alike, as a share of the longest side.
        limit: at most so many pixels for a label, such as "lung=4"; 0 = it stays.
        split: of the data set.
        seed: of everything random; map i depends on (seed, i) and its source alone.
        progress: hears how far it is.
        say: hears of maps that were bent less, or left out, with the organ that would have been torn.

    Raises:
        ConfigError: a number out of range, or a limit of a label that the set does not have.
        DataError: no maps in the split, or none that can be bent.
        ArtifactError: something stands at ``out``.
    """
    refuse_existing(out)
    if num < 1:
        raise ConfigError(f"--num is {num}; expected at least 1.")
    if not 0 < strength <= 0.2 or not 0.02 <= smoothness <= 0.5:
        raise ConfigError(
            f"--strength is {strength:g} and --smoothness {smoothness:g}; expected above 0 to 0.2, and 0.02 to 0.5."
        )
    progress, opened = progress or silence, PreparedDataset.open(data)
    chosen = opened.split(split).where(lambda row: row.mask_source != "none")
    if not opened.has_masks or not len(chosen):
        raise DataError(f"{data} has no label maps in its split {split} to bend. Prepare images with maps.")
    names = {int(number): name for number, name in opened.info.mask_labels.items()}
    limits = _limits(limit, names)
    phantom = bool(opened.info.provenance.get("phantom", ""))
    lineage: Lineage = "mask_from_phantom" if phantom else "bent_from_real"
    told: list[tuple[object, ...]] = []

    def drawn() -> Iterator[Drawn]:
        for number in range(num):
            row = number % len(chosen)
            mask, image = chosen.masks([row])[0], chosen.images([row])[0]
            found, torn, share = bend(mask, strength=strength, smoothness=smoothness, limits=limits,
                                      seed=seed_of("perturb", seed, number))  # fmt: skip
            source = f"{split}/{chosen.rows[row].id}"
            if found is None:
                say(f"Map {number} of {source} is left out: its {names[torn]} would be torn or joined at any strength.")
                continue
            if share < 1:
                say(f"Map {number} of {source} is bent by {share:.0%} of that: its {names[torn]} would be torn.")
            overlaps = [f"{found.dice[label]:.4f}" if label in found.dice else "" for label in names if label]
            told.append((f"{len(told):05d}", source, f"{found.moved:.2f}", *overlaps))
            sample = Sample(seed=seed_of("perturb", seed, number), label=chosen.rows[row].label, lineage=lineage,
                            mask_from=source)  # fmt: skip
            yield sample, moved_image(image, found.field), found.mask
            progress(number + 1, num)

    def beside(folder: Path, samples: Iterable[Drawn]) -> Iterator[Drawn]:
        yield from samples
        titles = ("number", "source", "moved", *(f"dice {name}" for label, name in names.items() if label))
        write_csv(folder / _TABLE, titles, told)

    facts = {"strength": strength, "smoothness": smoothness, "split": split, "run_seed": seed,
             "limits": {names[label]: most for label, most in limits.items()}}  # fmt: skip
    return write_samples(
        out, drawn(), file_format="png" if len(opened.info.channels) in (1, 3) else "npy",
        num_labels=max(2, len(names)), inputs={"data": opened.digest}, facts=facts, beside=beside,
    )  # fmt: skip


def bend(
    mask: NDArray[np.uint8], *, strength: float, smoothness: float, limits: Mapping[int, float], seed: int
) -> tuple[Bent | None, int, float]:
    """Bend a map; with less strength where a piece would be torn, joined or lost.

    Returns:
        The bent map, or None where no strength will do; the label that stood in the way, 0 = none; the share of the
        strength that was used.
    """
    side, torn = max(mask.shape), 0
    velocity = _velocity(mask, smoothness * side, limits, strength * side, np.random.default_rng(seed))
    for tries in range(_TRIES):
        share = _WEAKER**tries
        field = _integrated(velocity * share)
        moved = np.sqrt(np.square(field).sum(0))
        over = [label for label, most in limits.items() if (mask == label).any() and moved[mask == label].max() > most]
        made = moved_map(mask, field)
        torn = over[0] if over else _torn(mask, field) or torn
        if not over and not _torn(mask, field):
            dice = {int(label): _dice(mask == label, made == label) for label in np.unique(mask) if label}
            return Bent(field=field, mask=made, moved=float(moved.max()), dice=dice), torn, share
    return None, torn, 0.0


def moved_map(mask: NDArray[np.uint8], field: Field) -> NDArray[np.uint8]:
    """The labels [H W] that come to each pixel; the nearest, so that no new label arises."""
    places = np.indices(mask.shape) + field
    return ndimage.map_coordinates(mask, places, order=0, mode="nearest")


def moved_image(image: NDArray[np.integer], field: Field) -> NDArray[np.integer]:
    """The pixels [C H W] that come to each place, linearly between neighbours."""
    places = np.indices(image.shape[1:]) + field
    planes = [ndimage.map_coordinates(plane.astype(float), places, order=1, mode="nearest") for plane in image]
    return np.rint(np.stack(planes)).astype(image.dtype)


def _limits(words: Iterable[str], names: Mapping[int, str]) -> dict[int, float]:
    found: dict[int, float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        places = [label for label, known in names.items() if known == name.strip()]
        if not places:
            known = ", ".join(names.values())
            raise ConfigError(f"--limit names {name!r}{did_you_mean(name, names.values())}; the labels are {known}.")
        try:
            found[places[0]] = float(text) if equals else -1.0
        except ValueError:
            found[places[0]] = -1.0
        if not 0 <= found[places[0]] < np.inf:
            raise ConfigError(f"--limit got {word!r}; expected LABEL=PIXELS such as lung=4, 0 or more.")
    return found


def _velocity(
    mask: NDArray[np.uint8], length: float, limits: Mapping[int, float], most: float, numbers: np.random.Generator
) -> Field:
    """A smooth random velocity: its longest arrow is ``most`` pixels, shorter under a limit, and 0 at the border."""
    raw = np.stack([ndimage.gaussian_filter(numbers.normal(size=mask.shape), length, mode="nearest") for _ in "yx"])
    rows, columns = (np.minimum(np.arange(side), np.arange(side)[::-1]) for side in mask.shape)
    raw *= np.minimum(np.minimum.outer(rows, columns) / max(length / 2, 1.0), 1.0)
    raw *= most / np.sqrt(np.square(raw).sum(0)).max()
    allowed = np.full(mask.shape, most)
    for label, pixels in limits.items():
        near = ndimage.binary_dilation(mask == label, iterations=2)
        allowed[near] = np.minimum(allowed[near], 0.9 * pixels)
    if limits:
        allowed = np.minimum(allowed, ndimage.gaussian_filter(allowed, length / 4, mode="nearest"))
    return raw * (allowed / most)


def _integrated(velocity: Field) -> Field:
    """The displacement after one unit of time: a half of a half of ... and then doubled as often."""
    field = velocity / 2**_STEPS
    grid = np.indices(velocity.shape[1:])
    for _ in range(_STEPS):
        places = grid + field
        field = field + np.stack([ndimage.map_coordinates(one, places, order=1, mode="nearest") for one in field])
    return field


def _torn(mask: NDArray[np.uint8], field: Field) -> int:
    """The first label of which a piece, or a gap between pieces, is torn, joined or lost; 0 = none.

    What counts is wider than the grid: parts of a piece are torn when more than two pixels lie between them, and two
    pieces are joined when more than a pixel's width joins them. Maps of thresholds hang together by single pixels.
    """
    places = np.indices(mask.shape) + field
    for label in np.unique(mask):
        for region in (mask == label, mask != label):
            pieces, count = ndimage.label(region)
            came = ndimage.map_coordinates(pieces, places, order=0, mode="nearest")
            sizes = np.bincount(pieces.ravel(), minlength=count + 1)
            joined, _ = ndimage.label(ndimage.binary_opening(came > 0))
            owners: dict[int, int] = {}
            for number in np.flatnonzero(sizes[1:] >= LEAST) + 1:
                there = came == number
                parts = np.bincount(ndimage.label(ndimage.binary_dilation(there, _SQUARE))[0][there])
                large = (parts >= LEAST).sum()
                if large > 1 or (large == 0 and sizes[number] >= 4 * LEAST):
                    return int(label) or int(mask.max())
                homes = np.bincount(joined[there])
                for home in np.flatnonzero(homes[1:] >= LEAST) + 1:
                    if owners.setdefault(int(home), int(number)) != number:
                        return int(label) or int(mask.max())
    return 0


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / max(1, one.sum() + other.sum()))

"""Which images a study shows: chosen by the seed, whole patients first, pairs of one mask where that is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthmed.data.dataset import PreparedDataset
from synthmed.errors import StudyError
from synthmed.reading.protocol import CHECK, REAL, Case, Part, StudySettings
from synthmed.samples import SampleSet


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A case before its pictures are written.

    Args:
        modality, truth, part, group: as in ``Case``.
        pictures: (name of a set, index in it) of each picture; ("check", n) is a pattern.
        origin: files or rows.
    """

    modality: str
    truth: int
    part: Part
    pictures: tuple[tuple[str, int], ...]
    group: str
    origin: str


@dataclass(kw_only=True)
class Shelf:
    """The images of one set that are not taken yet, in the order in which they are to be taken."""

    name: str
    rows: list[int]
    origins: Mapping[int, str]
    groups: Mapping[int, str] = field(default_factory=dict)

    def take(self, num: int, what: str) -> list[int]:
        """Take the next images.

        Raises:
            StudyError: there are fewer.
        """
        if num > len(self.rows):
            raise StudyError(
                f"{self.name} has {len(self.rows)} images left for {num} {what}; expected as many. Give more images, "
                "or ask for fewer by --num or --set warmup."
            )
        taken, self.rows = self.rows[:num], self.rows[num:]
        return taken

    def take_group(self, group: str) -> int | None:
        """Take the image of a mask; None where there is none."""
        for row in self.rows:
            if self.groups.get(row) == group:
                self.rows.remove(row)
                return row
        return None


def choose(true: PreparedDataset, made: Mapping[str, SampleSet], settings: StudySettings) -> list[Chosen]:
    """Choose the images of a study.

    Raises:
        StudyError: fewer images than the design needs, or sets without masks in common where pairs are asked for.
    """
    numbers = np.random.default_rng(settings.seed)
    shelves = {REAL: real_shelf(true, numbers), **{name: _made_shelf(name, one, numbers) for name, one in made.items()}}
    if settings.trial.truth == "target":
        chosen = _by_target(true, made, shelves, settings)
    elif settings.trial.images == 2:
        chosen = _pairs(shelves, settings)
    else:
        chosen = _singles(shelves, settings)
    # Beside a pattern lies a real image of its own: whoever sees it there knows that it is real.
    real = shelves[REAL].take(settings.checks, "attention checks") if settings.trial.images == 2 else []
    for check in range(settings.checks):
        beside = ((REAL, real[check]),) if real else ()
        chosen.append(Chosen(modality=CHECK, truth=1, part=CHECK, pictures=(*beside, (CHECK, check)),
                             group=f"check {check}", origin="a pattern"))  # fmt: skip
    return chosen


def numbered(chosen: Sequence[Chosen], seed: int) -> list[tuple[Case, Chosen]]:
    """Give cases and pictures numbers that say nothing."""
    numbers = np.random.default_rng((seed, 1))
    order = numbers.permutation(len(chosen))
    pictures = numbers.permutation(sum(len(one.pictures) for one in chosen)).tolist()
    found = []
    for number, place in enumerate(order):
        one = chosen[place]
        stimuli = tuple(int(pictures.pop()) for _ in one.pictures)
        name = f"case-{number:04d}"
        found.append((Case(name=name, modality=one.modality, truth=one.truth, part=one.part, stimuli=stimuli,
                           group=one.group or name, origin=one.origin), one))  # fmt: skip
    return found


def real_shelf(true: PreparedDataset, numbers: np.random.Generator) -> Shelf:
    """Real images in random order, one of every patient before a second of any."""
    seen: dict[str, int] = {}
    turns: list[tuple[int, int, int]] = []
    for row in numbers.permutation(len(true)).tolist():
        patient = true.rows[row].patient_id
        seen[patient] = seen.get(patient, 0) + 1
        turns.append((seen[patient], len(turns), row))
    names = {index: f"{row.split}/{row.id}" for index, row in enumerate(true.rows)}
    return Shelf(name="The real set", rows=[row for _, _, row in sorted(turns)], origins=names, groups=names)


def _made_shelf(name: str, made: SampleSet, numbers: np.random.Generator) -> Shelf:
    origins = {index: sample.file_name for index, sample in enumerate(made.samples)}
    groups = {
        index: sample.mask_from or sample.file_name.rpartition("/")[2].rpartition(".")[0]
        for index, sample in enumerate(made.samples)
    }
    return Shelf(name=f"The set {name}", rows=numbers.permutation(len(made)).tolist(), origins=origins, groups=groups)


def _singles(shelves: dict[str, Shelf], settings: StudySettings) -> list[Chosen]:
    sets = [name for name in shelves if name != REAL]
    equal = settings.num if settings.trial.scores else settings.num * len(sets)
    num_real, chosen = settings.num_real or equal, list[Chosen]()
    masks = _common_masks(shelves, sets, settings) if settings.paired else []
    for name in sets:
        shelf = shelves[name]
        if settings.paired:
            rows = [shelf.take_group(mask) for mask in masks]
            chosen += [_single(name, 1, "scored", row, shelf, mask)
                       for row, mask in zip(rows, masks, strict=True) if row is not None]  # fmt: skip
        else:
            chosen += [_single(name, 1, "scored", row, shelf) for row in shelf.take(settings.num, "scored trials")]
        chosen += [_single(name, 1, "warmup", row, shelf) for row in shelf.take(settings.warmup, "warm-up trials")]
    shelf = shelves[REAL]
    matched = [(shelf.take_group(mask), mask) for mask in masks]
    rows_of_masks = [(row, mask) for row, mask in matched if row is not None][:num_real]
    chosen += [_single(REAL, 0, "scored", row, shelf, mask) for row, mask in rows_of_masks]
    rest = shelf.take(num_real - len(rows_of_masks), "scored trials")
    warm = shelf.take(settings.warmup * len(sets), "warm-up trials")
    chosen += [_single(REAL, 0, "scored", row, shelf) for row in rest]
    return chosen + [_single(REAL, 0, "warmup", row, shelf) for row in warm]


def _pairs(shelves: dict[str, Shelf], settings: StudySettings) -> list[Chosen]:
    chosen, real = list[Chosen](), shelves[REAL]
    sets = [name for name in shelves if name != REAL]
    masks = _common_masks(shelves, sets, settings) if settings.paired else []
    needed = len(sets) * (settings.num + settings.warmup)
    if needed > len(real.rows):
        real.take(needed, "pairs")
    for name in sets:
        shelf, rows = shelves[name], list[tuple[int, str]]()
        if settings.paired:
            rows = [(row, mask) for mask in masks if (row := shelf.take_group(mask)) is not None]
        else:
            rows = [(row, "") for row in shelf.take(settings.num, "scored trials")]
        warm = [(row, "") for row in shelf.take(settings.warmup, "warm-up trials")]
        for part, group_rows in (("scored", rows), ("warmup", warm)):
            for row, mask in group_rows:
                own = real.take_group(mask) if mask else None
                beside = own if own is not None else real.take(1, "pairs")[0]
                chosen.append(Chosen(modality=name, truth=0, part=part, group=mask,  # type: ignore[arg-type]
                                     pictures=((REAL, beside), (name, row)),
                                     origin=f"{real.origins[beside]} | {shelf.origins[row]}"))  # fmt: skip
    return chosen


def _by_target(true: PreparedDataset, made: Mapping[str, SampleSet], shelves: dict[str, Shelf],
               settings: StudySettings) -> list[Chosen]:  # fmt: skip
    """For every set as many cases with a target as without, by their masks."""
    chosen: list[Chosen] = []
    for name, shelf in shelves.items():
        has = {row: bool((mask_of(true, made, name, row) == settings.target).any()) for row in shelf.rows}
        for truth in (1, 0):
            what = "with" if truth else "without"
            rows = [row for row in shelf.rows if has[row] == truth]
            part = Shelf(name=f"{shelf.name}, cases {what} a target,", rows=rows, origins=shelf.origins)
            chosen += [_single(name, truth, "scored", row, part) for row in part.take(settings.num, "scored trials")]
            chosen += [
                _single(name, truth, "warmup", row, part) for row in part.take(settings.warmup, "warm-up trials")
            ]
    return chosen


def mask_of(true: PreparedDataset, made: Mapping[str, SampleSet], name: str, row: int) -> NDArray[np.uint8]:
    """The mask [H W] of an image.

    Raises:
        StudyError: the real set has no masks.
        DataError: the image of a synthetic set has none.
    """
    if name != REAL:
        return made[name].masks([row])[0]
    if not true.has_masks:
        raise StudyError("The real set has no masks; expected some that mark the target. Prepare it with masks.")
    return np.asarray(true.masks([row])[0])


def _common_masks(shelves: dict[str, Shelf], sets: list[str], settings: StudySettings) -> list[str]:
    common = set.intersection(*({shelves[name].groups[row] for row in shelves[name].rows} for name in sets))
    if len(common) < settings.num:
        raise StudyError(
            f"The synthetic sets {', '.join(sets)} have {len(common)} masks in common; a paired design needs "
            f"{settings.num}. Make them under the same masks (synthmed generate --masks), or leave out paired."
        )
    first = shelves[sets[0]]
    ordered = dict.fromkeys(first.groups[row] for row in first.rows if first.groups[row] in common)
    return list(ordered)[: settings.num]


def _single(name: str, truth: int, part: Part, row: int, shelf: Shelf, group: str = "") -> Chosen:
    return Chosen(
        modality=name, truth=truth, part=part, pictures=((name, row),), group=group, origin=shelf.origins[row]
    )

"""Near copies: which synthetic images show a training patient, and whether that is more than chance.

For every image the nearest patient is found among the training patients and among those of the sealed holdout,
in four spaces: pixels over turns and small shifts, features, patches, and masks. What is judged is the relative
distance, nearest patient by second nearest: one patient much nearer than all others is what a copy looks like,
and the law of chance for it does not depend on how many patients there are (``_tails``).

Three rules, each with the holdout as its control, which no generator has seen:

- *clear copies*: nearer than chance brings one image of the whole set once in ``1 / clear`` audits;
- *the tail*: nearer than chance brings one image of the set; holdout patients so met are counted against patients
  so met of a random part of the training set of equal size, by an exact binomial test over patients;
- *raw distance*: nearer than any holdout patient is to a training patient; the shares of training and of holdout
  patients so met are compared by Fisher's exact test, which assumes nothing of the law of chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.privacy._spaces import NearPatients, nearest
from synthmed.privacy._tails import Tail, fit_tail, more_than
from synthmed.privacy._views import Views

SPACES = ("pixels", "features", "patches", "masks")
CLEAR = 0.01
"""Clear copies by chance that all spaces together may find in an audit of a clean set."""
SUBSAMPLES = 20
"""Random parts of the training patients, each as large as the holdout, that are counted beside it."""
_QUERIES = 400


@dataclass(frozen=True, kw_only=True)
class Space:
    """What one space tells.

    Args:
        name: of ``SPACES``.
        tail: the law of chance, from real patients among training patients other than themselves.
        clear_below, tail_below: the two thresholds of the relative distance.
        raw_below: the lowest distance of a holdout patient to a training patient.
        train, holdout: neighbours of the synthetic images on both sides.
        equal: the same in a random part of the training patients, as many as in the holdout.
        real: [n] relative distances of holdout patients, then training patients, among training patients.
        holdout_patients: how many there are; the first of ``real`` are theirs.
        train_patients: their numbers.
    """

    name: str
    tail: Tail
    clear_below: float
    tail_below: float
    raw_below: float
    train: NearPatients
    holdout: NearPatients
    equal: NearPatients
    real: NDArray[np.float64]
    holdout_patients: int
    train_patients: NDArray[np.intp]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """[N] which synthetic images are clear copies of a training patient."""
        return self.train.relative < self.clear_below

    @property
    def clear_holdout(self) -> NDArray[np.bool_]:
        """[N] the control: the same rule against the holdout."""
        return self.holdout.relative < self.clear_below

    def met(self, side: NearPatients, below: float) -> int:
        """Patients that some synthetic image shows by this threshold."""
        return len(set(side.patients[side.relative < below, 0].tolist()))

    def met_raw(self, side: NearPatients) -> int:
        """Patients that some synthetic image is nearer to than ``raw_below``."""
        return len(set(side.patients[side.distances < self.raw_below].tolist()))

    @property
    def tail_p(self) -> float:
        """Of as many training as holdout patients, are more training patients met by the tail rule?"""
        return more_than(self.met(self.equal, self.tail_below), self.met(self.holdout, self.tail_below))

    @property
    def raw_p(self) -> float:
        """Is a larger share of training than of holdout patients met by raw distance?"""
        found, control = self.met_raw(self.train), self.met_raw(self.holdout)
        table = [[found, len(self.train_patients) - found], [control, self.holdout_patients - control]]
        return float(stats.fisher_exact(table, alternative="greater").pvalue)

    @property
    def blocks(self) -> bool:
        """Whether there are clear copies, and more of them than the control has."""
        found, control = self.met(self.train, self.clear_below), self.met(self.holdout, self.clear_below)
        return found > 0 and (control == 0 or more_than(found, control) < CLEAR)


def compare(space: str, synthetic: Views, train: Views, holdout: Views, *, spaces: int, seed: int = 0) -> Space:
    """Look for near copies in one space.

    Args:
        space: of ``SPACES``.
        synthetic: N images.
        train: those the generator was trained on, of at least three patients.
        holdout: those it never saw, of at least two patients.
        spaces: number of spaces of this audit, over which chance is shared out.
        seed: for the draw of real queries.
    """
    numbers = np.random.default_rng(seed)
    chosen = one_a_patient(train.patients, numbers)[:_QUERIES]
    sealed = nearest(space, holdout, train, exclude_own=True)
    among = nearest(space, train.rows(chosen), train, exclude_own=True)
    # A patient with several images counts once, with the nearest of them.
    of_holdout = [sealed.relative[holdout.patients == one].min() for one in np.unique(holdout.patients)]
    real = np.r_[of_holdout, among.relative]
    tail = fit_tail(real)
    known = np.unique(train.patients)
    part = numbers.choice(known, min(len(of_holdout), len(known)), replace=False)
    return Space(
        name=space,
        tail=tail,
        clear_below=tail.threshold(CLEAR / spaces / len(synthetic)),
        tail_below=tail.threshold(1 / len(synthetic)),
        raw_below=float(sealed.distances[:, 0].min()),
        train=nearest(space, synthetic, train),
        holdout=nearest(space, synthetic, holdout),
        equal=nearest(space, synthetic, train.rows(np.flatnonzero(np.isin(train.patients, part)))),
        real=real,
        holdout_patients=len(of_holdout),
        train_patients=known,
    )


def one_a_patient(patients: NDArray[np.intp], numbers: np.random.Generator) -> NDArray[np.intp]:
    """The row of one image of each patient, in random order."""
    order = numbers.permutation(len(patients))
    return order[np.sort(np.unique(patients[order], return_index=True)[1])]


def equal_size_counts(space: Space, seed: int = 0) -> NDArray[np.intp]:
    """Synthetic images within ``raw_below`` of random parts of the training patients as large as the holdout.

    Args:
        space: what was found.
        seed: of the draws.

    Returns:
        [SUBSAMPLES] counts, to be held against the count for the holdout.
    """
    numbers = np.random.default_rng(seed)
    known = space.train_patients
    size = min(space.holdout_patients, len(known))
    near = space.train.distances < space.raw_below
    counts = [
        (near & np.isin(space.train.patients, numbers.choice(known, size, replace=False))).any(1).sum()
        for _ in range(SUBSAMPLES)
    ]
    return np.asarray(counts, np.intp)

"""Do the synthetic images know the training patients better than the sealed holdout? Counts of patients met.

Beside the search for single images (``identity``), two rules look at the set as a whole, in four spaces: pixels over
turns and small shifts, features, patches, and masks. Each has the holdout, which no generator has seen, as control:

- *the tail*: nearer, by relative distance, than chance brings one image of the set; holdout patients so met are
  counted against patients so met of a random part of the training set of equal size, by an exact binomial test;
- *raw distance*: nearer than any holdout patient is to a training patient; the shares of training and of holdout
  patients so met are compared by Fisher's exact test, which assumes nothing of the law of chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from synthmed.privacy._spaces import NearPatients, nearest
from synthmed.privacy._tails import more_than
from synthmed.privacy._views import Views
from synthmed.privacy.identity import Identity

SPACES = ("pixels", "features", "patches", "masks")
"""Spaces in which both sides are compared; single images are looked for in those of ``identity`` as well."""
SUBSAMPLES = 20
"""Random parts of the training patients, each as large as the holdout, that are counted beside it."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What one space tells of the set.

    Args:
        name: of ``SPACES``.
        tail_below: threshold of the relative distance.
        raw_below: the lowest distance of a holdout patient to a training patient.
        train, holdout: neighbours of the synthetic images on both sides.
        equal: the same in a random part of the training patients, as many as in the holdout.
        holdout_patients: how many there are.
        train_patients: their numbers.
    """

    name: str
    tail_below: float
    raw_below: float
    train: NearPatients
    holdout: NearPatients
    equal: NearPatients
    holdout_patients: int
    train_patients: NDArray[np.intp]

    def met(self, side: NearPatients) -> int:
        """Patients that some synthetic image shows by the tail rule."""
        return len(set(side.patients[side.relative < self.tail_below, 0].tolist()))

    def met_raw(self, side: NearPatients) -> int:
        """Patients that some synthetic image is nearer to than ``raw_below``."""
        return len(set(side.patients[side.distances < self.raw_below].tolist()))

    @property
    def tail_p(self) -> float:
        """Of as many training as holdout patients, are more training patients met by the tail rule?"""
        return more_than(self.met(self.equal), self.met(self.holdout))

    @property
    def raw_p(self) -> float:
        """Is a larger share of training than of holdout patients met by raw distance?"""
        found, control = self.met_raw(self.train), self.met_raw(self.holdout)
        table = [[found, len(self.train_patients) - found], [control, self.holdout_patients - control]]
        return float(stats.fisher_exact(table, alternative="greater").pvalue)


def compare(identity: Identity, synthetic: Views, train: Views, holdout: Views, *, seed: int = 0) -> Space:
    """Compare both sides in one space.

    Args:
        identity: what was found of single images there; its law of chance is used.
        synthetic: N images.
        train: those the generator was trained on, of at least three patients.
        holdout: those it never saw, of at least two patients.
        seed: for the draw of training patients.
    """
    numbers, space = np.random.default_rng((seed, 1)), identity.name
    known, sealed = np.unique(train.patients), np.unique(holdout.patients)
    part = numbers.choice(known, min(len(sealed), len(known)), replace=False)
    return Space(
        name=space,
        tail_below=identity.tail.threshold(1 / len(synthetic)),
        raw_below=float(nearest(space, holdout, train).distances[:, 0].min()),
        train=nearest(space, synthetic, train),
        holdout=nearest(space, synthetic, holdout),
        equal=nearest(space, synthetic, train.rows(np.flatnonzero(np.isin(train.patients, part)))),
        holdout_patients=len(sealed),
        train_patients=known,
    )


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

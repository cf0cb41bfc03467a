"""Whose image is it? Each synthetic image is looked for among all real patients, whatever split they are in.

For every image the nearest and the second nearest person are found. What is judged is their quotient, the relative
distance: one person much nearer than all others is what a copy looks like, and the law of chance for it does not
depend on how many persons there are (``_tails``). It is learned from the real images themselves, each compared with
everybody but its own person. An image nearer than chance brings one image of the whole set once in ``1 / CHANCE``
audits is that person's, and nothing that the rest of the audit finds takes it back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthmed.privacy._spaces import NearPatients, nearest
from synthmed.privacy._tails import Tail, fit_tail
from synthmed.privacy._views import Views

SPACES = ("pixels", "bent", "overlays", "parts", "coarse", "features", "patches", "masks")
"""Where single images are looked for; see ``_spaces``."""
DEAREST = "bent"
"""The space whose search takes longest, as long as all others together."""
CHANCE = 0.01
"""Images that all spaces together may take for a patient's, though they are nobody's, in an audit of a clean set."""
_QUERIES = 400


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What one space tells of single images.

    Args:
        name: of the space.
        tail: the law of chance, from real images among the others.
        below: the relative distance below which an image is the nearest person's.
        near: the nearest persons of the synthetic images.
        real: [n] relative distances of real images among persons other than their own.
    """

    name: str
    tail: Tail
    below: float
    near: NearPatients
    real: NDArray[np.float64]

    @property
    def clear(self) -> NDArray[np.bool_]:
        """[N] which synthetic images are a real person's."""
        return self.near.relative < self.below


def identify(space: str, synthetic: Views, real: Views, *, spaces: int, seed: int = 0) -> Identity:
    """Look for synthetic images that are a real person's, in one space.

    Args:
        space: of ``SPACES``.
        synthetic: N images.
        real: all real images, of at least three persons.
        spaces: number of spaces of this audit, over which chance is shared out.
        seed: for the draw of real queries.
    """
    first = one_a_patient(real.patients, np.random.default_rng(seed))
    chosen = np.r_[first, np.setdiff1d(np.arange(len(real)), first)][:_QUERIES]
    among = nearest(space, real.rows(chosen), real, exclude_own=True).relative
    tail = fit_tail(among, len(np.unique(real.patients[chosen])))
    return Identity(
        name=space,
        tail=tail,
        below=tail.threshold(CHANCE / spaces / len(synthetic)),
        near=nearest(space, synthetic, real),
        real=among,
    )


def one_a_patient(patients: NDArray[np.intp], numbers: np.random.Generator) -> NDArray[np.intp]:
    """The row of one image of each patient, in random order."""
    order = numbers.permutation(len(patients))
    return order[np.sort(np.unique(patients[order], return_index=True)[1])]

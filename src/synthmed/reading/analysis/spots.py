"""Marking a spot (LROC): did the reader not only rate a case high but point at the right place?

The figure of merit is the area under the LROC curve by pairs (Popescu, Med. Phys. 34 (2007) 1556): the share of pairs
in which the case with the target has the higher rating and its mark lies on the target; ties count half.
"""

import numpy as np
from numpy.typing import NDArray

from synthmed.reading.analysis.roc import sides


def located_ratings(truth: NDArray, rating: NDArray, located: NDArray) -> NDArray[np.float64]:
    """Ratings whose ROC area is the LROC area: a target that was not found ranks below every other case.

    Args:
        truth: [n] of {0, 1}, 1 = there is a target.
        rating: [n], higher = surer that there is one.
        located: [n] of {0, 1}: the mark lies on the target.
    """
    rating = np.asarray(rating, float)
    return np.where((np.asarray(truth) == 1) & (np.asarray(located) == 0), rating.min() - 1, rating)


def lroc_area(truth: NDArray, rating: NDArray, located: NDArray) -> float:
    """The area under the LROC curve, 0 to 1; a reader who guesses gets well below 1/2.

    Raises:
        DataError: there are not cases of both truths.

    Example:
        >>> lroc_area(np.array([1, 1, 0]), np.array([3.0, 3.0, 1.0]), np.array([1, 0, 0]))
        0.5
    """
    positive, negative = sides(truth, located_ratings(truth, rating, located))
    return float(((positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)).mean())

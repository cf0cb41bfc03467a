"""Film mammograms as the tests draw them: a breast with a soft skin, fatty and dense tissue, and what films show."""

import numpy as np
from scipy import ndimage


def breast_film(height=512, width=300, *, side="left", air=0.06, seed=0):
    """A film [H W] in [0, 1] and the breast in it [H W] bool: a half disk at one side."""
    rows, columns = np.mgrid[:height, :width]
    radius = 0.36 * height
    breast = np.hypot((rows - 0.55 * height) / 1.2, columns) < radius
    dense = np.hypot(rows - 0.55 * height, columns - 0.4 * radius) < 0.35 * radius
    film = air + ndimage.gaussian_filter(np.where(breast, 0.42, 0.0) + np.where(dense, 0.35, 0.0), 3)
    film += np.random.default_rng(seed).normal(0, 0.005, film.shape)
    film, breast = film.clip(0, 1).astype(np.float32), breast
    return (film, breast) if side == "left" else (film[:, ::-1].copy(), breast[:, ::-1].copy())


def letter(film, top, left, size=18, value=0.9):
    """Draw an L of bright strokes at a place, in the film itself."""
    film[top : top + size, left : left + 4] = value
    film[top + size - 4 : top + size, left : left + size // 2] = value

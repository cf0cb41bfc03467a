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


def digital_breast(height=512, width=320, *, density, fat, gland=0.8, skin=6, seed=0):
    """A digital picture [H W] in [0, 1] and the breast in it: fat and gland against a background of one value, 0.

    ``density`` is the share of gland, ``fat`` and ``gland`` are grey values, ``skin`` pixels lead from 0 to fat.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    breast = np.hypot((rows - 0.52 * height) / (0.42 * height), columns / (0.8 * width)) < 1
    texture = ndimage.gaussian_filter(rng.normal(size=breast.shape), 7)
    centre = np.hypot((rows - 0.52 * height) / height, (columns - 0.3 * width) / width)
    likely = texture / texture.std() - 9 * centre
    dense = breast & (likely > np.quantile(likely[breast], 1 - density))
    fine = ndimage.gaussian_filter(rng.normal(size=breast.shape), 2)
    picture = fat * (1 + 0.15 * fine / fine.std()) + (gland - fat) * ndimage.gaussian_filter(dense * 1.0, 3)
    depth = ndimage.distance_transform_edt(np.pad(breast, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    picture *= (depth / skin).clip(0, 1)
    return np.where(breast, picture.clip(0.004, 1), 0).astype(np.float32), breast

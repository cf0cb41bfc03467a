"""How far the nearest real image is, in feature space, and the images that are nearest and farthest.

The median over the synthetic images is compared with what one half of the real patients finds in the other. Far above
it: implausible images. Far below it: images close to single real ones. Beside it stands the share of images that are
nearer to a real one than any two patients are to each other. By chance this share is not 0, since there are more pairs
of images than of patients; so it warns only where it is larger than what halves of the real patients give. Neither
rules out single copies; finding those is the work of the privacy audit.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from synthmed.evaluation._contract import Measurement, Setup, plain
from synthmed.evaluation._featured import FeatureConfig, judge
from synthmed.evaluation._intervals import percentiles
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._neighbours import Neighbours, nearest
from synthmed.pages.figures import COLOURS, Figure, new_plot, picture, plot_figure
from synthmed.pictures import RGB, grid, image_to_rgb
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset


class Config(FeatureConfig):
    """What is shown."""

    shown: int = Field(default=6, ge=1, le=24)
    """Images in each picture: drawn at random, nearest to a real one (best), farthest from all (worst)."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The median distance of a synthetic image to the nearest real one.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed, extractor, device, progress.
    """
    judged = judge(
        "nearest_real",
        lambda one, other: np.array(closeness(one, other)),
        synthetic,
        real,
        config,
        setup,
        bounds=(0, np.array([np.inf, 1])),
    )
    both, reference = judged.sides, setup.reference_of(real)
    found = nearest(both.synthetic.values, both.real.values)
    between = nearest(both.real.values, both.real.values, both.real.groups, both.real.groups)
    share, compared = float(judged.compared.value[1]), judged.compared
    alarm = ""
    if len(compared.floors):
        matched, ceiling = compared.matched[:, 1].mean(), percentiles(compared.floors[:, 1])[1]
        if matched > ceiling:
            alarm = (
                f"{share:.0%} of the synthetic images are nearer to a real image than any two real patients are to "
                f"each other; in sets of {compared.half_size} images {matched:.0%}, where real images give at most "
                f"{ceiling:.0%} (97.5 % of the draws). Look at them, and run the privacy audit, before the set goes "
                "anywhere."
            )
    order = np.argsort(found.distance, kind="stable").tolist()
    drawn = sorted(setup.numbers(13).permutation(len(order))[: config.shown].tolist())
    return judged.measurement(
        title="Distance to the nearest real image",
        unit="feature units (median)",
        direction="no direction",
        what="The median distance of a synthetic image to its nearest real image",
        details={
            "distance": plain(found.distance),
            "nearest_row": [reference.rows[index].id for index in found.index],
            "nearer_than_any_two_patients": round(share * len(found.distance)),
        },
        figures=[
            _picture("Drawn at random", synthetic, reference, drawn, found),
            _picture("Best: nearest to a real image", synthetic, reference, order[: config.shown], found),
            _picture("Worst: farthest from all real images", synthetic, reference, order[::-1][: config.shown], found),
            _plot(found, between),
        ],
        alarm=alarm,
    )


def closeness(one: Points, other: Points) -> tuple[float, float]:
    """The median distance to the nearest of the other side, and the share nearer than any two groups of that side.

    Args:
        one: synthetic images, or a half of the real ones.
        other: real images with their patients.

    Example:
        >>> real = Points(values=np.array([[0.0], [4.0]], np.float32), groups=np.array(["A", "B"]))
        >>> closeness(Points(values=np.array([[1.0], [9.0]], np.float32), groups=np.array(["x", "y"])), real)
        (3.0, 0.5)
    """
    distance = nearest(one.values, other.values).distance
    apart = nearest(other.values, other.values, other.groups, other.groups).distance
    closest = apart.min() if np.isfinite(apart).any() else 0.0
    return float(np.median(distance)), float((distance < closest).mean())


def _picture(
    title: str, synthetic: SampleSet, reference: "PreparedDataset", rows: Sequence[int], found: Neighbours
) -> Figure:
    made = synthetic.images([int(index) for index in rows])
    true = reference.images([int(found.index[index]) for index in rows])
    top: list[RGB] = [image_to_rgb(image) for image in made]
    below: list[RGB] = [image_to_rgb(image) for image in true]
    caption = (
        "Above: synthetic images. Below: the real image that is nearest in feature space. Distances: "
        + ", ".join(f"{found.distance[index]:.3g}" for index in rows)
        + "."
    )
    return picture(title, caption, grid([top, below]))


def _plot(found: Neighbours, between: Neighbours) -> Figure:
    plot, (axis,) = new_plot(6, 2.6)
    finite = between.distance[np.isfinite(between.distance)]
    edges = np.linspace(0, max([1e-9, *found.distance, *finite]), 41).tolist()
    if len(finite):
        axis.hist(finite, edges, density=True, color=COLOURS["real"], alpha=0.35, label="real to another patient")
        axis.axvline(float(finite.min()), color=COLOURS["real"], linestyle="--", linewidth=1)
    axis.hist(
        found.distance, edges, density=True, color=COLOURS["synthetic"], histtype="step", label="synthetic to real"
    )
    axis.set(xlabel="distance to the nearest real image", ylabel="density", xlim=(0, edges[-1]))
    axis.tick_params(labelleft=False, left=False)
    axis.legend(frameon=False)
    caption = (
        "How far the nearest real image is: from synthetic images (line), and from real ones among those of other "
        "patients (area; dashed line at its lowest)."
    )
    return plot_figure("Distances to the nearest real image", caption, plot)

"""Figures of a report: pictures as PNG, plots as SVG in the colours of the page."""

import base64
import dataclasses
import html
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synthmed.pictures import RGB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Plot

# Told apart also by readers with colour-vision deficiency (Okabe and Ito).
COLOURS = {"synthetic": "#d55e00", "real": "#0072b2", "both": "#009e73"}

# A colour that occurs nowhere else: replaced by the page's text colour, so that plots are read on dark pages
# too.
_INK = "#010203"
_ROOM, _MOST = (1150, 900), 4
"""A small picture is shown up to so many times its size, as long as it fits."""
WIDEST = 1400
"""Pixels: no page shows a picture wider."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A picture or plot with its caption.

    Args:
        title: a short name.
        caption: what is seen, and in which order.
        png: the bytes of a PNG file, or b"".
        svg: an ``<svg>`` element, or "".
        width: at which a picture is shown where there is room, in pixels of the page.
    """

    title: str
    caption: str
    png: bytes = b""
    svg: str = ""
    width: int = 0

    @property
    def data_uri(self) -> str:
        """The PNG as an address that holds the picture itself."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()

    @property
    def alt(self) -> str:
        """What it shows, for those who do not see it: the title, and the first sentence of the caption."""
        first, _, rest = self.caption.partition(". ")
        return f"{self.title}. {first}{'.' if rest else ''}"


def picture(title: str, caption: str, pixels: RGB, *, widest: int = WIDEST) -> Figure:
    """A figure of pixels [height width 3], reduced where a side is longer than ``widest`` pixels, and shown enlarged
    where it is small.
    """
    from PIL import Image

    file = io.BytesIO()
    image = Image.fromarray(pixels)
    image.thumbnail((widest, widest), Image.Resampling.LANCZOS)
    image.save(file, format="PNG", optimize=True)
    enlarged = max(1, min(_MOST, _ROOM[0] // image.width, _ROOM[1] // image.height))
    return Figure(title=title, caption=caption, png=file.getvalue(), width=enlarged * image.width)


def new_plot(width: float, height: float, columns: int = 1, *, rows: int = 1) -> tuple["Plot", list["Axes"]]:
    """An empty plot of axes side by side and below each other, row by row; sizes in inches."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure as Plot

    plot = Plot(figsize=(width, height), layout="constrained")
    axes = plot.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_facecolor("none")
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(_INK)
        axis.tick_params(colors=_INK)
    return plot, list(axes)


def plot_figure(title: str, caption: str, plot: "Plot") -> Figure:
    """A figure of a plot; the same plot gives the same text."""
    import matplotlib

    for axis in plot.axes:
        for label in (axis.title, axis.xaxis.label, axis.yaxis.label):
            label.set_color(_INK)
        legend = axis.get_legend()
        if legend is not None:
            for label in legend.get_texts():
                label.set_color(_INK)
    file = io.StringIO()
    # The salt keeps element names of several plots in one page apart, and alike in every run.
    with matplotlib.rc_context({"svg.hashsalt": title, "svg.fonttype": "none", "font.family": "sans-serif"}):
        nothing = dict.fromkeys(["Date", "Creator", "Format", "Type"])
        plot.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    svg = text[text.index("<svg") :].replace(_INK, "currentColor")
    figure = Figure(title=title, caption=caption, svg=svg)
    named = f'<svg role="img" aria-label="{html.escape(figure.alt)}"'
    return dataclasses.replace(figure, svg=svg.replace("<svg", named, 1))


def overlap(mask: NDArray[np.uint8], other: NDArray[np.uint8]) -> RGB:
    """Two binary masks [height width] in one: both white, only the first orange, only the other blue."""
    colours = np.array([[0, 0, 0], [213, 94, 0], [0, 114, 178], [255, 255, 255]], np.uint8)
    return colours[(mask > 0) + 2 * (other > 0)]

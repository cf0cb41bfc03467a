"""The channelised Hotelling observer (Myers and Barrett 1987) on Gabor channels (Eckstein et al. 1998).

Images are seen through channels like those of the early visual system: four bands of spatial frequency, one octave
each, at five orientations. The classical observer looks for a known signal at a known place, and takes the channels'
responses there. What gives a synthetic image away has no known place, so the response of a channel is its mean
magnitude over the whole image (with both phases), beside the image's mean brightness. On the logarithms of these 21
numbers the Hotelling template w = S^-1 (difference of the means) is trained, and reads images of patients it was
not trained on. It needs no weights, and sees texture and contrast, not anatomy.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synthmed.evaluation._contract import Measurement, Setup
from synthmed.evaluation._featured import FeatureConfig, Sides, judge_points, own_groups
from synthmed.evaluation._jackknife import Points
from synthmed.evaluation._observers import BOUNDS, NAMES, Reading, answers, hotelling, read, reader_table, roc_figure
from synthmed.evaluation.features.images import chunks
from synthmed.samples import SampleSet

if TYPE_CHECKING:
    from synthmed.data.dataset import PreparedDataset

FREQUENCIES = (3 / 128, 3 / 64, 3 / 32, 3 / 16)
"""Middle of each band, in cycles per pixel."""
ORIENTATIONS = 5


class Config(FeatureConfig):
    """The channels are fixed."""


def measure(synthetic: SampleSet, real: "PreparedDataset", config: Config, setup: Setup) -> Measurement:
    """The area under the ROC curve of the channelised Hotelling observer.

    Args:
        synthetic: the images to judge.
        real: the reference.
        config: the settings.
        setup: seed and progress.
    """
    reference = setup.reference_of(real)
    made, true = (np.concatenate([responses(chunk) for _, chunk in chunks(one)]) for one in (synthetic, reference))
    both = Sides(
        synthetic=Points(values=made, groups=own_groups(len(made))),
        real=Points(values=true, groups=np.array([row.patient_id for row in reference.rows])),
        extractor="Gabor channels",
        about=f"{len(FREQUENCIES)} bands x {ORIENTATIONS} orientations on the mean of the channels, and the brightness",
    )
    judged = judge_points(
        "hotelling_observer", lambda one, other: answers(observe(one, other)), both, config, setup, bounds=BOUNDS
    )
    values = dict(zip(NAMES, judged.compared.value.tolist(), strict=True))
    return judged.measurement(
        title="Channelised Hotelling observer",
        unit="area under the ROC curve",
        direction="no direction",
        what=f"The channelised Hotelling observer reads with d' {values['d_prime']:.2f}. Its area under the ROC curve",
        details={**values, "task": "yes_no"},
        figures=[
            roc_figure(observe(both.synthetic, both.real), "The Hotelling observer", "a template on Gabor channels")
        ],
        tables=[reader_table(judged.compared)],
    )


def observe(synthetic: Points, real: Points) -> Reading:
    """Out-of-fold scores of the Hotelling template; above 0 it calls an image synthetic.

    Args:
        synthetic: channel responses and groups of one side.
        real: of the other; folds hold whole patients.
    """
    return read(hotelling, synthetic, real)


def responses(images: NDArray[np.integer]) -> NDArray[np.float64]:
    """Logarithms of the mean magnitude of every Gabor channel, and the mean brightness last.

    Args:
        images: [N C H W] uint8 or uint16; the channels are averaged.

    Returns:
        [N bands * orientations + 1].
    """
    shares = images.mean(1, dtype=np.float64) / np.iinfo(images.dtype).max  # [N H W]
    brightness = shares.mean((1, 2))
    spectrum = np.fft.fft2(shares - brightness[:, None, None])
    found = []
    for profile in gabor_profiles(*shares.shape[1:]):
        # A profile on one side of the spectrum gives both phases at once, as real and imaginary part.
        magnitude = np.abs(np.fft.ifft2(spectrum * profile)).mean((1, 2))
        # A grey level of 16 bits keeps the logarithm of an empty channel finite.
        found.append(np.log(magnitude + 1 / 65535))
    return np.stack([*found, brightness], 1)


def gabor_profiles(height: int, width: int) -> list[NDArray[np.float64]]:
    """The channels as factors on the spectrum [height width] of an image, each at most 1.

    The Gaussian of a channel is at half its height a third of its middle frequency away, so that a band reaches over
    one octave; it is as wide across.
    """
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    profiles = []
    for middle in FREQUENCIES:
        sigma = middle / 3 / np.sqrt(2 * np.log(2))
        for turn in range(ORIENTATIONS):
            angle = np.pi * turn / ORIENTATIONS
            squared = (rows - middle * np.sin(angle)) ** 2 + (columns - middle * np.cos(angle)) ** 2
            profiles.append(np.exp(-squared / (2 * sigma**2)))
    return profiles

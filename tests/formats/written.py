"""Synthetic images made in the tests, and what their numbers mean."""

import numpy as np

from synthmed.formats.meaning import Meaning, Provenance
from synthmed.formats.writing import write
from synthmed.samples import Sample

PROVENANCE = Provenance.of({"model": "0123456789abcdef"}, {"run_seed": 4, "model": {"method": "dual_gan"}})
LABELS = {"0": "background", "1": "liver", "2": "bones", "3": "odd thing"}
RGB = ("red", "green", "blue")
CT = Meaning(
    kind="ct", channels=("grey",), bits=16, low=-1000, high=1000, unit="HU", spacing_mm=(0.7, 0.9), mask_labels=LABELS
)
MR = Meaning(
    kind="breast_mr", channels=("T2", "T1 pre", "T1 post1"), bits=16, low=0, high=1023, unit="intensity",
    spacing_mm=(1.5, 1.5), mask_labels={"0": "background", "1": "lesion"},
)  # fmt: skip
MAMMOGRAM = Meaning(
    kind="mammogram", channels=("grey",), bits=8, low=0, high=1, unit="share of the window", spacing_mm=(0.4, 0.4),
    view="MLO", mask_labels={"0": "background", "1": "breast"},
)  # fmt: skip
RETINA = Meaning(
    kind="retina", channels=RGB, bits=8, low=0, high=255, mask_labels={"0": "background", "1": "vessel"}
)  # fmt: skip
CELLS = Meaning(kind="cells", channels=("grey",), bits=8, low=0, high=255)

EYE16 = RETINA.model_copy(update={"channels": ("grey",), "bits": 16, "high": 65535.0})
FILES = {
    "sc": (CT, "sc"),
    "sc in colour": (RETINA, "sc"),
    "sc in colour of 16 bits": (RETINA.model_copy(update={"bits": 16, "high": 65535.0}), "sc"),
    "sc of 8 bits": (CELLS.model_copy(update={"mask_labels": {"0": "background", "1": "cell"}}), "sc"),
    "sc of several channels": (MR, "sc"),
    "multi-frame": (CT, "multi-frame"),
    "multi-frame of 8 bits": (MAMMOGRAM, "multi-frame"),
    "multi-frame in colour": (RETINA, "multi-frame"),
    "ct": (CT, "ct"),
    "ct of 8 bits": (CT.model_copy(update={"bits": 8}), "ct"),
    "mr": (MR, "mr"),
    "mg": (MAMMOGRAM, "mg"),
    "mg of 16 bits and no view": (MAMMOGRAM.model_copy(update={"bits": 16, "view": ""}), "mg"),
    "op": (RETINA, "op"),
    "op of 16 bits": (EYE16, "op"),
}
"""Every kind of object that is written, in every depth and colour."""


def pairs(meaning, count=3, size=(20, 31), with_masks=True):
    """Drawn images with every extreme of their numbers, and masks with every label."""
    numbers = np.random.default_rng(0)
    labels = max(2, len(meaning.mask_labels))
    for index in range(count):
        image = numbers.integers(0, 2**meaning.bits, (len(meaning.channels), *size), f"uint{meaning.bits}")
        image[:, 0, 0], image[:, 0, 1] = 0, 2**meaning.bits - 1
        mask = numbers.integers(0, labels, size, np.uint8)
        mask[0, :labels] = range(labels)
        yield Sample(seed=100 + index, label="", lineage="sampled"), image, mask if with_masks else None


def written(folder, file_format, meaning, dicom_object="sc", **more):
    """Write them; the pairs and the files."""
    made = list(pairs(meaning, **more))
    files = write(made, folder, file_format, meaning=meaning, provenance=PROVENANCE, dicom_object=dicom_object)
    return made, files

"""How many images a second are written as DICOM and NIfTI, beside the shortest loop that pydicom and nibabel allow?

    python benchmarks/format_speed.py [--images 100] [--side 512] [--rounds 3]

The plain loops write the same pixels with the elements that a file cannot do without: no marks of being synthetic, no
series, no identifiers that follow from what they name. Ours and theirs run by turns, in one process, on the same
images; measured is the time of the processor, so that other work on the machine counts less. Prints the medians and
their ratio.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from synthmed.formats.meaning import Meaning, Provenance
from synthmed.formats.writing import write
from synthmed.samples import Drawn, Sample

MEANING = Meaning(
    kind="ct", channels=("grey",), bits=16, low=-1000, high=1000, unit="HU", spacing_mm=(0.7, 0.7),
    mask_labels={"0": "background", "1": "liver", "2": "bone"},
)  # fmt: skip


def drawn(images: int, side: int, *, masks: bool) -> list[Drawn]:
    """Images as smooth as those of a scanner, with noise; masks of two labels."""
    numbers = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    body = ((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.16).astype(float)
    made = []
    for index in range(images):
        value = 0.5 * body + numbers.normal(0, 0.002, body.shape)
        image = np.rint(value.clip(0, 1) * 65535).astype(np.uint16)[None]
        mask = (body + (rows > 0.6) * body).astype(np.uint8) if masks else None
        made.append((Sample(seed=index, label="", lineage="sampled"), image, mask))
    return made


def plain_dicom(images: list[Drawn], folder: Path) -> None:
    """One CT file an image, by pydicom."""
    for number, (_, image, _) in enumerate(images):
        file = Dataset()
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, generate_uid()
        file.StudyInstanceUID, file.SeriesInstanceUID = generate_uid(), generate_uid()
        file.PatientName, file.PatientID, file.Modality = "A", "A", "CT"
        file.Rows, file.Columns = image.shape[1:]
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
        file.RescaleSlope, file.RescaleIntercept, file.PixelSpacing = 0.0305, -1000, [0.7, 0.7]
        file.PixelData = image.tobytes()
        pydicom.dcmwrite(folder / f"{number}.dcm", file, enforce_file_format=True)


def plain_nifti(images: list[Drawn], folder: Path) -> None:
    """One packed file an image, by nibabel."""
    for number, (_, image, _) in enumerate(images):
        nibabel.save(nibabel.Nifti1Image(image[0].T[:, :, None], np.eye(4)), folder / f"{number}.nii.gz")


def ours(file_format: str, dicom_object: str) -> Callable[[list[Drawn], Path], None]:
    """Our writer of a format."""

    def run(images: list[Drawn], folder: Path) -> None:
        write(images, folder, file_format, meaning=MEANING, provenance=Provenance(origin="a"),
              dicom_object=dicom_object)  # fmt: skip

    return run


def rates(ways: dict[str, Callable[[list[Drawn], Path], None]], images: list[Drawn], rounds: int) -> dict[str, float]:
    """Images a second of each way, medians of rounds by turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for name in [name for _ in range(rounds) for name in ways]:
        with TemporaryDirectory() as folder:
            start = time.process_time()
            ways[name](images, Path(folder))
            seconds[name].append(time.process_time() - start)
    return {name: len(images) / median(found) for name, found in seconds.items()}


def table(images: int, side: int, rounds: int) -> Iterator[str]:
    """The lines of the table."""
    for title, plain, ways in (
        ("pydicom", plain_dicom, {"dicom, sc": ours("dicom", "sc"), "dicom, ct": ours("dicom", "ct"),
                                  "dicom, multi-frame": ours("dicom", "multi-frame")}),
        ("nibabel", plain_nifti, {"nifti": ours("nifti", "sc")}),
    ):  # fmt: skip
        found = rates({title: plain, **ways}, drawn(images, side, masks=False), rounds)
        yield f"plain {title}: {found[title]:.0f} images a second"
        for name in ways:
            yield f"  {name}: {found[name]:.0f} ({found[name] / found[title]:.2f} of plain)"
    found = rates({"dicom, ct": ours("dicom", "ct")}, drawn(images, side, masks=True), rounds)
    yield f"dicom, ct, each with a segmentation of two labels: {found['dicom, ct']:.0f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    for line in table(given.images, given.side, given.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()

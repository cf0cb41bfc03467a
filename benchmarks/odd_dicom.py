"""Every DICOM file of some folders: our pixels beside those of pydicom's own decoders.

    python benchmarks/odd_dicom.py FOLDER ... [--all]

The reference is pydicom with whatever decoder plug-ins are installed (pylibjpeg with libjpeg and openjpeg, or GDCM,
to decode everything): stored values by ``pydicom.pixels``, colours by its palette and colour functions, physical values
by ``apply_modality_lut`` (frame by frame where an enhanced object says a slope for each frame, which pydicom leaves to
the caller), then MONOCHROME1 turned around. A file is

- "equal":    every value is;
- "close":    lossy compression, and no value differs by more than 2 stored grey levels;
- "rejected": we refuse it, with the reason;
- "differs", or "no reference": it can be decoded by us alone.

Where pydicom has no decoder: retired JPEG processes are decoded by libjpeg's own binding, and a file compressed by run
lengths or deflate is compared with the file of the same name without that suffix, which holds the same pixels.
"""

import argparse
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import UID, ImplicitVRLittleEndian

from synthmed.errors import SourceError
from synthmed.sources.dicom import is_dicom, read, read_header

CLOSE = 2.0
RETIRED = {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}
LOSSY = {UID(f"1.2.840.10008.1.2.4.{number}").name for number in (50, 51, 53, 55, 81, 91, 203)}
NO_IMAGES = {".txt", ".csv", ".json", ".gz", ".md"}


def reference(path: Path) -> tuple[np.ndarray, float]:
    """Physical values [F C H W] by pydicom, and the physical size of one stored grey level."""
    dataset = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    photometric = dataset.PhotometricInterpretation
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    grey = photometric.startswith("MONOCHROME")
    if dataset.file_meta.TransferSyntaxUID in RETIRED:
        from libjpeg import decode

        values = np.stack([decode(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=frames)])
    else:
        values = pixel_array(dataset, raw=grey or photometric == "PALETTE COLOR")
    values = values.reshape(frames, dataset.Rows, dataset.Columns, -1)
    step = 1.0
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values[..., 0], dataset)
        if not ((values % 257).any() and (values % 256).any()):
            values = values >> 8  # colours of 8 bits written with 16, which we give as 8 bits
    elif grey and (rescale := frame_rescale(dataset)):
        step = min(abs(slope) for slope, _ in rescale)
        values = np.stack([frame * np.float64(a) + b for frame, (a, b) in zip(values, rescale, strict=True)])
    elif grey:
        step = abs(float(dataset.get("RescaleSlope", 1)))
        values = apply_modality_lut(values, dataset)
    if photometric == "MONOCHROME1":
        assert not dataset.get("ModalityLUTSequence") and dataset.PixelRepresentation == 0
        slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
        values = slope * (2**dataset.BitsStored - 1) + 2 * intercept - values.astype(np.float64)
    return np.moveaxis(values, -1, 1), step


def frame_rescale(dataset: pydicom.Dataset) -> list[tuple[float, float]]:
    """Slope and intercept of every frame of an enhanced object; [] where it says none."""
    shared = dataset.get("SharedFunctionalGroupsSequence", [pydicom.Dataset()])
    found = []
    for group in dataset.get("PerFrameFunctionalGroupsSequence", []):
        for holder in (group, shared[0]):
            if "PixelValueTransformationSequence" in holder:
                item = holder.PixelValueTransformationSequence[0]
                found.append((float(item.RescaleSlope), float(item.RescaleIntercept)))
                break
    return found


def compare(path: Path) -> tuple[str, str]:
    """The verdict on one file, and what goes with it."""
    try:
        ours = read(path).pixels
    except SourceError as error:
        return "rejected", str(error)
    try:
        theirs, step = reference(path)
    except Exception as error:
        same = path.with_name(re.sub("_(rle|deflate)", "", path.name))
        if same == path or not same.exists():
            return "no reference", f"{type(error).__name__}: {error}".splitlines()[0][:90]
        theirs, step = reference(same)
    if ours.shape != theirs.shape:
        return "differs", f"shape {ours.shape} and {theirs.shape}"
    if ours.dtype == np.float32:
        theirs = theirs.astype(np.float32)
    difference = np.abs(ours.astype(np.float64) - theirs.astype(np.float64)) / step
    if not difference.any():
        return "equal", ""
    what = f"up to {difference.max():.3g} grey levels, in {100 * np.mean(difference > 0):.2g} % of values"
    lossy = read_header(path).transfer_syntax in LOSSY
    return ("close" if lossy and difference.max() <= CLOSE else "differs"), what


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--all", action="store_true", help="also print the files that are equal")
    given = parser.parse_args()
    files = [path for folder in given.folders for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [path for path in files if path.suffix not in NO_IMAGES or is_dicom(path)]
    counts: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            verdict, what = compare(path)
            counts[verdict] += 1
            if given.all or verdict != "equal":
                print(f"{verdict:16}{path.parent.name}/{path.name[:60]:62}{what}")
    print(f"\n{len(files)} files: " + ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common()))


if __name__ == "__main__":
    main()

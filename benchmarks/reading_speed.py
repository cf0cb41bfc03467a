"""From DICOM to 256 x 512 pixels: files per second and peak memory, ours beside what a user would write instead.

    python benchmarks/reading_speed.py [--files 4] [--rounds 3] [--processes 2]

    pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg    # "scikit-image" decodes by pydicom's plug-ins

The files are made here: 3328 x 2560 pixels of 12 bits, raw, JPEG lossless, JPEG-LS and JPEG 2000 lossless. The job is
that of preparing mammograms: decode, rescale, apply the file's window, fit into 512 rows and 256 columns.

- "ours":          ``sources.dicom`` with ``data.resampling``, in a process pool of ``--processes``;
- "ours, 1":       the same in one process;
- "ours, fast":    the pool, with JPEG 2000 read at reduced resolution (``fast_reduction``);
- "scikit-image":  pydicom with the decoder plug-ins that are installed, and ``skimage.transform.resize``;
- "MONAI":         ``LoadImage(reader="PydicomReader")``, ``ScaleIntensityRange``, ``Resize(mode="area")``.

Every way runs in processes of its own, the ways one after the other within a round. Given are the best round's wall
time, the processor time it took (which a busy machine does not change much), and the peak memory of a process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

HEIGHT, WIDTH = 512, 256
SYNTAXES = {"raw": "1.2.840.10008.1.2.1", "JPEG lossless": "1.2.840.10008.1.2.4.70"}
SYNTAXES |= {"JPEG-LS": "1.2.840.10008.1.2.4.80", "JPEG 2000": "1.2.840.10008.1.2.4.90"}
ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "JPEG lossless": lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=12),
    "JPEG-LS": lambda pixels: imagecodecs.jpegls_encode(pixels),
    "JPEG 2000": lambda pixels: imagecodecs.jpeg2k_encode(
        pixels, level=0, codecformat="j2k", bitspersample=12, reversible=True
    ),
}


def breast(seed: int) -> np.ndarray:
    """A half ellipse of tissue with texture and noise on an empty background, 12 bits."""
    rng = np.random.default_rng(seed)
    height, width = 3328, 2560
    y, x = np.ogrid[:height, :width]
    inside = np.sqrt(np.clip(1 - (x / 1800) ** 2 - ((y - height / 2) / 1500) ** 2, 0, 1))
    texture = np.kron(rng.normal(0, 150, (height // 16, width // 16)), np.ones((16, 16)))
    return (inside * (2600 + texture) + rng.normal(0, 25, inside.shape) * (inside > 0)).clip(0, 4095).astype(np.uint16)


def write(path: Path, name: str, pixels: np.ndarray) -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.3"
    dataset.Modality, dataset.PatientID = "MG", "P"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.WindowCenter, dataset.WindowWidth, dataset.ImagerPixelSpacing = 1500, 2500, [0.07, 0.07]
    dataset.PixelData = encapsulate([ENCODERS[name](pixels)]) if name in ENCODERS else pixels.tobytes()
    dataset["PixelData"].VR = "OB" if name in ENCODERS else "OW"
    dataset["PixelData"].is_undefined_length = name in ENCODERS
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[name]
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)


def read_ours(path: Path, *, fast: bool = False) -> np.ndarray:
    from synthmed.data.geometry import fit_of
    from synthmed.data.resampling import resize_planes
    from synthmed.sources.dicom import fast_reduction, read, read_header
    from synthmed.sources.windows import apply_window

    reduce = fast_reduction(read_header(path), HEIGHT, WIDTH) if fast else 0
    image = read(path, reduce=reduce)
    shown = apply_window(image.pixels[0], image.header.windows[0])
    fit = fit_of(*shown.shape[1:], HEIGHT, WIDTH)
    height, width = fit.inner
    fitted = np.zeros((1, HEIGHT, WIDTH), np.float32)
    fitted[:, fit.pad_top : fit.pad_top + height, fit.pad_left : fit.pad_left + width] = resize_planes(
        shown, height, width
    )
    return fitted


def read_fast(path: Path) -> np.ndarray:
    return read_ours(path, fast=True)


def read_skimage(path: Path) -> np.ndarray:
    import pydicom
    from pydicom.pixels import apply_modality_lut, apply_windowing
    from skimage.transform import resize

    dataset = pydicom.dcmread(path)
    shown = apply_windowing(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    shown = (shown - shown.min()) / (shown.max() - shown.min())
    scale = min(HEIGHT / shown.shape[0], WIDTH / shown.shape[1])
    small = resize(shown, (round(shown.shape[0] * scale), round(shown.shape[1] * scale)), anti_aliasing=True)
    fitted = np.zeros((1, HEIGHT, WIDTH), np.float32)
    top, left = (HEIGHT - small.shape[0]) // 2, (WIDTH - small.shape[1]) // 2
    fitted[0, top : top + small.shape[0], left : left + small.shape[1]] = small
    return fitted


def read_monai(path: Path) -> np.ndarray:
    import torch
    from monai.transforms import Compose, LoadImage, Resize, ResizeWithPadOrCrop, ScaleIntensityRange

    torch.set_num_threads(1)
    if not hasattr(read_monai, "steps"):
        read_monai.steps = Compose(  # type: ignore[attr-defined]
            [
                LoadImage(reader="PydicomReader", image_only=True, ensure_channel_first=True, swap_ij=False),
                ScaleIntensityRange(a_min=250, a_max=2750, b_min=0, b_max=1, clip=True),
                Resize(spatial_size=(333, WIDTH), mode="area"),
                ResizeWithPadOrCrop(spatial_size=(HEIGHT, WIDTH)),
            ]
        )
    found = np.asarray(read_monai.steps(path))  # type: ignore[attr-defined]
    return found.reshape(1, HEIGHT, WIDTH)


WAYS: dict[str, tuple[Callable[[Path], np.ndarray], bool]] = {
    "ours": (read_ours, True),
    "ours, 1": (read_ours, False),
    "ours, fast": (read_fast, True),
    "scikit-image": (read_skimage, False),
    "MONAI": (read_monai, False),
}


def processor_seconds() -> float:
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime


def timed(job: tuple[str, Path]) -> tuple[float, float, int]:
    """One file: processor seconds, peak memory of this process in MiB, its number."""
    way, path = job
    before = processor_seconds()
    WAYS[way][0](path)
    return processor_seconds() - before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, os.getpid()


def child(way: str, processes: int, paths: list[Path]) -> None:
    """Time one way on some files after a first one that loads what it needs; JSON on standard output."""
    warnings.simplefilter("ignore")
    jobs = [(way, path) for path in paths]
    if WAYS[way][1]:
        with ProcessPoolExecutor(processes) as pool:
            list(pool.map(timed, jobs[:1] * 2 * processes))
            started = time.perf_counter()
            rows = list(pool.map(timed, jobs))
            seconds = time.perf_counter() - started
    else:
        timed(jobs[0])
        started = time.perf_counter()
        rows = [timed(job) for job in jobs]
        seconds = time.perf_counter() - started
    print(json.dumps({"wall": seconds, "cpu": sum(row[0] for row in rows), "mib": max(row[1] for row in rows)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=4, help="of each compression")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], given.processes, [Path(path) for path in given.child[1:]])
        return
    with tempfile.TemporaryDirectory() as temporary:
        files: dict[str, list[Path]] = {name: [] for name in SYNTAXES}
        for number in range(given.files):
            pixels = breast(number)
            for name in SYNTAXES:
                files[name].append(Path(temporary) / f"{name.replace(' ', '-')}-{number}.dcm")
                write(files[name][-1], name, pixels)
        best: dict[tuple[str, str], dict[str, float]] = {}
        for _ in range(given.rounds):
            for name in SYNTAXES:
                for way in WAYS:
                    command = [sys.executable, __file__, "--processes", str(given.processes), "--child", way]
                    done = subprocess.run(
                        [*command, *map(str, files[name])], capture_output=True, text=True, check=True
                    )
                    row = json.loads(done.stdout.splitlines()[-1])
                    old = best.get((name, way), row)
                    best[name, way] = {key: min(row[key], old[key]) for key in row} | {
                        "mib": max(row["mib"], old["mib"])
                    }
        agree = {name: [WAYS[way][0](files[name][0]) for way in WAYS] for name in SYNTAXES}
    show(best, given.files, agree)


def show(best: dict[tuple[str, str], dict[str, float]], num: int, agree: dict[str, list[np.ndarray]]) -> None:
    print(f"{'':16}" + "".join(f"{way:>26}" for way in WAYS))
    print(f"{'':16}" + f"{'files/s  cpu ms/file  MiB':>26}" * len(WAYS))
    for name in SYNTAXES:
        cells = [best[name, way] for way in WAYS]
        print(
            f"{name:16}"
            + "".join(f"{num / row['wall']:>12.2f}{1000 * row['cpu'] / num:>8.0f}{row['mib']:>6.0f}" for row in cells)
        )
    sums = {way: {key: sum(best[name, way][key] for name in SYNTAXES) for key in ("wall", "cpu")} for way in WAYS}
    whole = num * len(SYNTAXES)
    print(
        f"{'whole set':16}"
        + "".join(f"{whole / sums[w]['wall']:>12.2f}{1000 * sums[w]['cpu'] / whole:>8.0f}{'':6}" for w in WAYS)
    )
    other = min(sums["scikit-image"]["wall"], sums["MONAI"]["wall"])
    print(f"\nours is {other / sums['ours']['wall']:.2f} times as fast as the better of the others by the clock,")
    other = min(sums["scikit-image"]["cpu"], sums["MONAI"]["cpu"])
    print(f"and takes {sums['ours']['cpu'] / other:.2f} of its processor time")
    for name, pictures in agree.items():
        gaps = [
            f"{way} {np.abs(picture - pictures[0]).mean():.4f}" for way, picture in zip(WAYS, pictures, strict=True)
        ]
        print(f"mean difference from ours, {name}: " + ", ".join(gaps[1:]))


if __name__ == "__main__":
    main()

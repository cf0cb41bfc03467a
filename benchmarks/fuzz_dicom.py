"""Damage DICOM files in many ways and read each in a child process with limits of memory and time.

    python benchmarks/fuzz_dicom.py [FOLDER ...] [--files 1000] [--seed 0]

Without a folder the files to damage are made here. Every damaged file must end as one row: "read", or "rejected" with
one sentence that holds no patient's name. "error" (another exception), "crash", "hang" and "name told" are failures;
the bytes of each are kept beside the report in ``--keep``.
"""

import argparse
import json
import resource
import select
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from synthmed.errors import SourceError
from synthmed.sources.dicom import is_dicom, read, read_header

MEMORY = 3 * 2**30
SECONDS = 30.0
LARGEST_SEED = 600_000
NAME = "Fuzz^Patient"
SIZES = (0x00280002, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280006)

Mutation = Callable[[bytearray, np.random.Generator], bytes]


def flip(data: bytearray, rng: np.random.Generator) -> bytes:
    """Some bits anywhere."""
    for place in rng.integers(0, len(data), rng.integers(1, 65)):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def flip_header(data: bytearray, rng: np.random.Generator) -> bytes:
    """Some bytes of the header become others."""
    for place in rng.integers(128, min(len(data), 4096), rng.integers(1, 17)):
        data[place] = int(rng.integers(256))
    return bytes(data)


def truncate(data: bytearray, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return bytes(data[: int(rng.integers(1, len(data)))])


def lie_about_size(data: bytearray, rng: np.random.Generator) -> bytes:
    """Rows, columns, frames, bits or samples become another number."""
    for _ in range(int(rng.integers(1, 4))):
        tag = int(rng.choice(SIZES))
        for order in "<>":
            place = data.find(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF), 128)
            if 0 <= place <= len(data) - 10:
                number = int(rng.choice([0, 1, 3, 7, 12, 24, 64, 255, 4096, 32768, 65535]))
                value = b"99999999" if tag == 0x00280008 else struct.pack(f"{order}H", number)
                data[place + 8 : place + 8 + len(value)] = value
    return bytes(data)


def lie_about_length(data: bytearray, rng: np.random.Generator) -> bytes:
    """A length becomes a huge or an undefined one."""
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(132, max(133, min(len(data) - 4, 6000))))
        data[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xf0\xff\xff\x7f", b"\0\0\0\x40", b"\0\0\0\0"])
    return bytes(data)


def promise_huge_pictures(data: bytearray, rng: np.random.Generator) -> bytes:
    """65535 x 65535 pixels, in the header and in the compressed pictures alike."""
    for marker, offset, value in (
        (b"\xff\x4f\xff\x51", 8, struct.pack(">IIII", 65535, 65535, 0, 0)),
        (b"\xff\xc0", 5, struct.pack(">HH", 65535, 65535)),
        (b"\xff\xc3", 5, struct.pack(">HH", 65535, 65535)),
        (b"\xff\xf7", 5, struct.pack(">HH", 65535, 65535)),
    ):
        place = data.find(marker)
        if place >= 0:
            data[place + offset : place + offset + len(value)] = value
    size = int(rng.choice([9000, 30000, 65535]))
    for tag in (0x00280010, 0x00280011):
        place = data.find(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 128)
        if 0 <= place <= len(data) - 10:
            data[place + 8 : place + 10] = struct.pack("<H", size)
    return bytes(data)


def splice(data: bytearray, rng: np.random.Generator) -> bytes:
    """A piece is doubled, moved or cut out."""
    a, b = sorted(int(place) for place in rng.integers(0, len(data), 2))
    piece = data[a : min(b, a + 5000)]
    to = int(rng.integers(0, len(data)))
    return bytes(data[:to] + piece + data[to:] if rng.random() < 0.5 else data[:a] + data[a + len(piece) :])


def deflate_bomb(data: bytearray, rng: np.random.Generator) -> bytes:
    """A deflated file that unpacks to 256 MiB: as one element, as pixels, or as millions of elements."""
    zeros = 2**28
    head = b"".join(
        struct.pack("<HH2sHH", 0x0028, element, b"US", 2, value)
        for element, value in ((2, 1), (16, 65535), (17, int(rng.choice([16, 65535]))), (256, 16))
    )
    element = (b"\x09\0\x10\0OB\0\0", b"\xe0\x7f\x10\0OW\0\0", b"")[int(rng.integers(3))]
    element += struct.pack("<I", zeros) if element else b""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(head + element)
    for _ in range(zeros // 2**24):
        packed += packer.compress(bytes(2**24))
    packed += packer.flush()
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", 22) + b"1.2.840.10008.1.2.1.99"
    return bytes(128) + b"DICM" + meta + packed


MUTATIONS: tuple[tuple[Mutation, float], ...] = (
    (flip, 0.25),
    (flip_header, 0.2),
    (truncate, 0.14),
    (lie_about_size, 0.14),
    (lie_about_length, 0.12),
    (promise_huge_pictures, 0.06),
    (splice, 0.08),
    (deflate_bomb, 0.01),
)


def made_files(folder: Path) -> list[Path]:
    """One small file a compression."""
    pixels = np.random.default_rng(0).integers(0, 4096, (2, 48, 40)).astype(np.uint16)
    encoders: dict[str, Callable[[np.ndarray], bytes]] = {
        "70": lambda frame: imagecodecs.ljpeg_encode(frame, bitspersample=12),
        "80": lambda frame: imagecodecs.jpegls_encode(np.right_shift(frame, 4) * 2),
        "90": lambda frame: imagecodecs.jpeg2k_encode(frame, level=0, codecformat="j2k"),
        "201": lambda frame: imagecodecs.htj2k_encode(frame),
    }
    found = []
    for name in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", *encoders):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
        dataset.PatientName, dataset.PatientID, dataset.Modality = NAME, "F-1", "OT"
        dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.WindowCenter, dataset.WindowWidth, dataset.PixelSpacing = 2000, 4000, [0.1, 0.1]
        if name in encoders:
            frames = [encoders[name](frame) for frame in pixels]
            dataset.PixelData = encapsulate(frames)
            dataset["PixelData"].is_undefined_length = True
            name = f"1.2.840.10008.1.2.4.{name}"
        else:
            dataset.PixelData = pixels.tobytes()
        dataset["PixelData"].VR = "OB" if ".4." in name else "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = name
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        found.append(folder / f"{name}.dcm")
        dataset.save_as(found[-1], enforce_file_format=True)
    return found


def child() -> None:
    """Read the files named on standard input; one line of JSON for each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    print("ready", flush=True)
    for line in sys.stdin:
        path, started = Path(line.rstrip("\n")), time.perf_counter()
        try:
            read_header(path)
            image = read(path)
            assert image.pixels.shape[0] == image.header.frames
            row = {"outcome": "read", "reason": ""}
        except SourceError as error:
            row = {"outcome": "rejected", "reason": str(error)}
        except BaseException as error:
            row = {"outcome": "error", "reason": f"{type(error).__name__}: {error}"[:300]}
        row |= {
            "seconds": time.perf_counter() - started,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(row), flush=True)


class Reader:
    """The child process, started again after every crash and hang."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()  # once it is ready

    def row(self, path: Path) -> dict:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        outcome = "crash" if ready else "hang"
        self.process.kill()
        code = self.process.wait()
        self.start()
        return {"outcome": outcome, "reason": f"exit code {code}", "seconds": SECONDS, "peak_mib": 0.0}


def names_in(path: Path) -> list[str]:
    """The patient's name of a file, by its parts of at least four letters."""
    try:
        name = str(pydicom.dcmread(path, force=True, stop_before_pixels=True).get("PatientName", ""))
    except Exception:
        return []
    return [part for part in name.replace("^", " ").split() if len(part) >= 4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the bytes of failures")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child()
        return
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        seeds = made_files(work)
        found = [path for folder in given.folders for path in sorted(folder.rglob("*")) if path.is_file()]
        seeds += [path for path in found if path.stat().st_size <= LARGEST_SEED and is_dicom(path)]
        rng, reader = np.random.default_rng(given.seed), Reader()
        mutations, weights = zip(*MUTATIONS, strict=True)
        counts: Counter[str] = Counter()
        table: Counter[tuple[str, str]] = Counter()
        slowest, peak = 0.0, 0.0
        for number in range(given.files):
            seed = seeds[int(rng.integers(len(seeds)))]
            mutate: Mutation = mutations[int(rng.choice(len(mutations), p=weights))]
            path = work / "mutated.dcm"
            path.write_bytes(mutate(bytearray(seed.read_bytes()), rng))
            row = reader.row(path)
            if any(part in row["reason"] for part in names_in(seed)):
                row["outcome"] = "name told"
            counts[row["outcome"]] += 1
            table[mutate.__name__, row["outcome"]] += 1
            slowest, peak = max(slowest, row["seconds"]), max(peak, row["peak_mib"])
            if row["outcome"] not in ("read", "rejected"):
                print(f"{number} {mutate.__name__} of {seed.name}: {row['outcome']}, {row['reason']}", flush=True)
                if given.keep:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    path.rename(given.keep / f"{given.seed}-{number}-{mutate.__name__}.dcm")
    outcomes = sorted(counts)
    print(f"{'mutation':24}" + "".join(f"{outcome:>10}" for outcome in outcomes))
    for mutate, _ in MUTATIONS:
        print(f"{mutate.__name__:24}" + "".join(f"{table[mutate.__name__, outcome]:>10}" for outcome in outcomes))
    print(f"\n{given.files} files, {sum(counts.values())} rows: " + ", ".join(f"{counts[o]} {o}" for o in outcomes))
    print(f"slowest file {slowest:.1f} s, peak memory of the reading process {peak:.0f} MiB")


if __name__ == "__main__":
    main()

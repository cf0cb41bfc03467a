"""Does memory stay flat? Prepare 443,556 small images and watch the memory of all processes together.

    python benchmarks/prepare_scale.py                       # the number of images of Ren Z. et al. 2021
    python benchmarks/prepare_scale.py --num 20000 --workers 1

It writes files of 16 x 16 pixels, prepares them in a process of its own, opens the set in another, and prints files
per second, the peak of resident memory of the preparation with its workers, and that of opening the set.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

PREPARE = "from pathlib import Path; from synthmed import prepare; prepare(Path({source!r}), Path({out!r}), size=16, " \
          "key=Path({key!r}), workers={workers})"  # fmt: skip
OPEN = """
import resource, sys, time
from pathlib import Path
began = time.perf_counter()
from synthmed import PreparedDataset
data = PreparedDataset.open(Path(sys.argv[1]), verify=False)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"opening {len(data)} rows: {time.perf_counter() - began:.1f} s, peak {peak:.0f} MiB")
"""


def write_images(folder: Path, num: int, per_patient: int) -> None:
    (folder / "images").mkdir(parents=True)
    numbers = np.random.default_rng(0)
    with (folder / "metadata.csv").open("w") as table:
        table.write("file_name,patient_id\n")
        for first in range(0, num, 4096):
            for index, pixels in enumerate(numbers.integers(0, 256, (min(4096, num - first), 256), np.uint8), first):
                name = f"{index:06d}.pgm"
                (folder / "images" / name).write_bytes(b"P5 16 16 255\n" + pixels.tobytes())
                table.write(f"{name},patient {index // per_patient}\n")


def resident_mib(root: int) -> float:
    """Resident memory of a process and all below it; pages that they share are counted for each."""
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
            except (OSError, ValueError):
                continue
            children.setdefault(int(status["PPid"]), []).append(int(entry.name))
            resident[int(entry.name)] = int(status.get("VmRSS", "0 kB").split()[0])
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        total += resident.get(process, 0)
        waiting += children.get(process, [])
    return total / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=443_556)
    parser.add_argument("--per-patient", type=int, default=11)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        source, out, key = (f"{place}/{name}" for name in ("source", "data", "key"))
        write_images(Path(source), given.num, given.per_patient)
        began = time.perf_counter()
        code = PREPARE.format(source=source, out=out, key=key, workers=given.workers)
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
        peak, ended = 0.0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while not ended.wait(0.25):
                peak = max(peak, resident_mib(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        failed = process.wait()
        ended.set()
        watcher.join()
        seconds = time.perf_counter() - began
        print(
            f"preparing {given.num} files, {given.workers} workers: {seconds:.0f} s, "
            f"{given.num / seconds:.0f} files/s, peak {peak:.0f} MiB in all processes"
        )
        if not failed:
            subprocess.run([sys.executable, "-c", OPEN, out], check=True)
        sys.exit(failed)


if __name__ == "__main__":
    main()

"""Kill a small training ten times at random moments, resume it each time, and compare the final models.

    python benchmarks/resume_after_kill.py [--kills 10] [--seed 0]

Trains dual_gan_tiny on phantom retinas twice: once without a break, once with ``kill -9`` at random moments,
starting the same command again each time. Prints where each kill fell and both digests; exit code 1 if they
differ. Takes a few minutes on two cores.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from synthmed.artifacts import file_digest
from synthmed.data.prepare import prepare
from synthmed.phantoms import phantom

SETTINGS = ["training.budget=0.5", "training.checkpoint_images=64", "training.log_images=64"]


def command(data: Path, run: Path) -> list[str]:
    """The training as a user would start it."""
    line = [sys.executable, "-m", "synthmed", "train", "dual_gan_tiny", str(data), str(run)]
    for setting in SETTINGS:
        line += ["--set", setting]
    return line


def position(run: Path) -> str:
    """Name of the newest checkpoint."""
    latest = run / "checkpoints" / "LATEST"
    return latest.read_text().strip() if latest.is_file() else "no checkpoint yet"


def main() -> int:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        phantom("retina", place / "source", num=16, size=96)
        prepare(place / "source", place / "data", kind="retina", size=64)

        began = time.monotonic()
        subprocess.run(command(place / "data", place / "straight"), check=True, capture_output=True)
        duration = time.monotonic() - began
        straight = file_digest(place / "straight" / "model.safetensors")
        print(f"without a break: {duration:.0f} s, model {straight}")

        run = place / "killed"
        kills = 0
        while kills < arguments.kills:
            process = subprocess.Popen(
                command(place / "data", run), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            # Most of a start is imports; a kill falls anywhere from there to a share of the whole training.
            moment = draw.uniform(0.3, 4 + 1.2 * duration / arguments.kills)
            try:
                code = process.wait(moment)
                if code:
                    print(f"a resumed training ended with exit code {code}")
                    return 1
                print(f"finished before kill {kills + 1}; {arguments.kills - kills} kills were left")
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                kills += 1
                print(f"kill {kills:2d} after {moment:4.1f} s at {position(run)}")
        subprocess.run(command(place / "data", run), check=True, capture_output=True)
        resumed = file_digest(run / "model.safetensors")
        print(f"killed {kills} times:  model {resumed}")
        print("equal" if straight == resumed else "DIFFERENT")
        return int(straight != resumed or kills < arguments.kills)


if __name__ == "__main__":
    sys.exit(main())

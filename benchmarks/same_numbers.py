"""Digests of what every small recipe makes: the proof that a refactor changed no number.

    python benchmarks/same_numbers.py > before.txt      # at the commit before
    python benchmarks/same_numbers.py > after.txt       # at the commit after
    diff before.txt after.txt

Only the command line is used, so that the file runs at both commits. One thread, because their number decides bits.
What is compared are tensors, pixels and numbers; versions, times and names of folders take no part.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SETTINGS: dict[str, list[str]] = {
    "dcgan_tiny": [],
    "dual_gan_tiny": [],
    "mask_embedding_tiny": [],
    "pix2pix_tiny": [],
    "pix2pix_texture": ["config.features=8", "config.discriminator_features=8", "config.levels=4"],
    "tub_gan": ["config.features=8", "config.latent_size=8"],
}


def synthmed(*words: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "synthmed", *words], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"synthmed {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")


def tensors(model: Path) -> str:
    """SHA-256 of all that follows the header of a safetensors file."""
    content = model.read_bytes()
    return hashlib.sha256(content[8 + int.from_bytes(content[:8], "little") :]).hexdigest()[:16]


def pixels(samples: Path) -> str:
    """SHA-256 of images and masks, in the order of their names."""
    files = sorted([*samples.glob("images/*"), *samples.glob("masks/*")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def numbers(report: Path) -> str:
    """SHA-256 of all values of a report's measurements."""
    table = json.loads((report / "report.json").read_text())
    found: list[str] = []

    def walk(place: object) -> None:
        if isinstance(place, dict):
            for key in sorted(place):
                walk(place[key])
        elif isinstance(place, list):
            for one in place:
                walk(one)
        elif isinstance(place, float):
            found.append(repr(place))

    walk(table)
    return hashlib.sha256(" ".join(found).encode()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=0.01, help="of each recipe's images")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        synthmed("phantom", "retina", str(root / "eyes"), "--num", "24", "--size", "96")
        synthmed("prepare", str(root / "eyes"), str(root / "data"), "--kind", "retina", "--size", "64")
        for recipe, settings in SETTINGS.items():
            run, samples, report = (root / f"{recipe}-{what}" for what in ("run", "samples", "report"))
            words = [f"--set=training.budget={arguments.budget}", *(f"--set={setting}" for setting in settings)]
            synthmed("train", recipe, str(root / "data"), str(run), *words)
            under = ["--masks", str(root / "data")] if recipe.split("_")[0] in ("mask", "pix2pix", "tub") else []
            synthmed("generate", str(run / "model.safetensors"), str(samples), "--num", "10", *under)
            synthmed("evaluate", str(samples), str(root / "data"), str(report), "--metrics",
                     "kernel_distance,one_nn,nearest_real")  # fmt: skip
            print(f"{recipe:20} model {tensors(run / 'model.safetensors')}  samples {pixels(samples)}  "
                  f"report {numbers(report)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

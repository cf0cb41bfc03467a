"""From nothing to synthetic pairs: draw eyes, prepare them, train, generate, look at one pair.

Run it: python examples/from_phantom_to_samples.py OUT
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import synthmed


def main(out: Path, num: int = 40, size: int = 64, overrides: Sequence[str] = ()) -> synthmed.SampleSet:
    synthmed.phantom("retina", out / "eyes", num=num, size=4 * size)
    data = synthmed.prepare(out / "eyes", out / "data", kind="retina", size=size)
    print(f"{len(data.split('train'))} pairs to learn from, {len(data.split('test'))} kept for testing")

    # Run it again after a Ctrl-C, and this line goes on where it stopped.
    model_file = synthmed.train("dual_gan_tiny", out / "data", out / "run", overrides=overrides)
    samples = synthmed.generate(model_file, out / "samples", num=50, seed=0)
    print(f"{len(samples)} pairs are in {samples.path}; the first has the seed {samples.samples[0].seed}")

    # The same images without a folder, as tensors: image 0 of seed 0 is image 0 of seed 0.
    model = synthmed.load_model(model_file)
    pairs = model.generate(1, seed=0)
    share = float((pairs.masks > 0).float().mean())
    print(f"image {tuple(pairs.images.shape)} in [-1, 1]; {share:.1%} of it are vessels")
    return samples


if __name__ == "__main__":
    main(Path(sys.argv[1]))

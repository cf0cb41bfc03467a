"""Many photographs under one mask: what the mask does not say is in the latents.

Run it: python examples/one_mask_many_photographs.py OUT

A recipe of one's own is written here as well: a shipped one with another length.
"""

import sys
import tomllib
from importlib import resources
from pathlib import Path

import torch

import synthmed
from synthmed.config import to_toml
from synthmed.data.intensity import to_stored
from synthmed.pictures import pairs_grid, save_png
from synthmed.shapes import Given


def main(out: Path, num: int = 40, size: int = 64, images: int = 4000) -> Path:
    synthmed.phantom("retina", out / "eyes", num=num, size=4 * size)
    data = synthmed.prepare(out / "eyes", out / "data", kind="retina", size=size)

    shipped = resources.files("synthmed.recipes").joinpath("pix2pix_tiny.toml").read_text(encoding="utf-8")
    table = tomllib.loads(shipped)
    table["config"]["images"] = images
    mine = out / "mine.toml"
    mine.write_text(to_toml(table), encoding="utf-8")
    model = synthmed.load_model(synthmed.train(str(mine), out / "data", out / "run"))

    # The first test mask eight times: a model that makes images under masks takes them as [N H W].
    mask = data.split("test").masks([0] * 8)
    pairs = model.generate(8, seed=0, given=Given(masks=torch.from_numpy(mask)))
    picture = out / "one-mask.png"
    save_png(picture, pairs_grid(to_stored(pairs.images, bits=8), mask, columns=8))
    print(f"{picture} shows eight photographs under one mask")
    return picture


if __name__ == "__main__":
    main(Path(sys.argv[1]))

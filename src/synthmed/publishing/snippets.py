"""Ten lines that load a release: in PyTorch, MONAI and Hugging Face's datasets. Tests run them as they stand here."""

from synthmed.publishing.facts import Facts

_TORCH = """
import csv, io, zipfile
import numpy as np, torch
from imagecodecs import png_decode

class Release(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.folder, self.rows = folder, list(csv.DictReader(open(f"{folder}/index.csv", encoding="utf-8")))
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, place):
        row = self.rows[place]
        with zipfile.ZipFile(f"{self.folder}/{row['shard']}") as shard:
            image = torch.from_numpy(READ(shard.read(row["file_name"])))
            mask = row["mask_file_name"] and torch.from_numpy(png_decode(shard.read(row["mask_file_name"])))
        return image, mask
"""
_READ = {"png": "png_decode", "npy": "(lambda content: np.load(io.BytesIO(content)))"}
_MONAI = """
from pathlib import Path
from zipfile import ZipFile
from monai.data import Dataset
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged

for shard in Path("RELEASE").glob("images-*.zip"):
    ZipFile(shard).extractall("unpacked")
KEYS
CHANNELS
"""
_PAIRS = """
keys = ["image", "label"]
found = [sorted(Path("unpacked", name).glob("*/*")) for name in ("images", "masks")]
files = [dict(zip(keys, pair)) for pair in zip(*found, strict=True)]
"""
_ALONE = """
keys = ["image"]
files = [{"image": image} for image in sorted(Path("unpacked/images").glob("*/*"))]
"""
_CHANNELS = {
    "png": "dataset = Dataset(files, Compose([LoadImaged(keys), EnsureChannelFirstd(keys)]))",
    "npy": 'first = EnsureChannelFirstd(keys[1:], channel_dim="no_channel", allow_missing_keys=True)\n'
    "dataset = Dataset(files, Compose([LoadImaged(keys), first]))",
}
_HUGGING_FACE = """
from datasets import load_dataset

dataset = load_dataset("RELEASE", split="train")
"""


def snippets(facts: Facts) -> list[tuple[str, str, str]]:
    """Sentence, language and text of each listing."""
    ending = facts.images.file_format
    torch = _TORCH.strip().replace("READ", _READ[ending])
    pairs = (_PAIRS if facts.images.masks else _ALONE).strip()
    monai = _MONAI.strip().replace("KEYS", pairs).replace("CHANNELS", _CHANNELS[ending])
    listed = [("PyTorch, from the archives as they are:", "python", torch),
              ("MONAI, unpacked into one place:", "python", monai)]  # fmt: skip
    if ending == "png":  # an ImageFolder holds pictures
        listed.append(("Hugging Face's datasets, an ImageFolder:", "python", _HUGGING_FACE.strip()))
    return listed

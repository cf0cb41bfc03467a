"""Ten lines that load a release: in PyTorch, MONAI and Hugging Face's datasets. Tests run them as they stand here."""

from synthmed.publishing.facts import Facts

_TORCH = '''
import csv, io, zipfile
import numpy as np, torch
from {module}

class Release(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.folder, self.rows = folder, list(csv.DictReader(open(f"{{folder}}/index.csv", encoding="utf-8")))
    def __len__(self):
        return len(self.rows)
    def __getitem__(self, place):
        row = self.rows[place]
        with zipfile.ZipFile(f"{{self.folder}}/{{row['shard']}}") as shard:
            image = torch.from_numpy({read}(shard.read(row["file_name"])))
            mask = row["mask_file_name"] and torch.from_numpy(png_decode(shard.read(row["mask_file_name"])))
        return image, mask
'''
_MONAI = '''
from pathlib import Path
from zipfile import ZipFile
from monai.data import Dataset
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged

for shard in sorted(Path("RELEASE").glob("images-*.zip")):
    ZipFile(shard).extractall("unpacked")
keys = {keys}
files = [dict(zip(keys, pair)) for pair in {pairs}]
dataset = Dataset(files, Compose([LoadImaged(keys, reader="{reader}"), EnsureChannelFirstd(keys{channels})]))
'''
_HUGGING_FACE = '''
from datasets import load_dataset

dataset = load_dataset("RELEASE", split="train")
'''


def snippets(facts: Facts) -> list[tuple[str, str, str]]:
    """Sentence, language and text of each listing."""
    is_png = facts.images.file_format == "png"
    module = "imagecodecs import png_decode" if is_png else "imagecodecs import png_decode"
    read = "png_decode" if is_png else "(lambda content: np.load(io.BytesIO(content)))"
    torch = _TORCH.format(module=module, read=read).strip()
    if is_png:
        torch = torch.replace("import csv, io, zipfile\nimport numpy as np, torch", "import csv, zipfile\nimport torch")
    listed = [("PyTorch, from the archives as they are:", "python", torch), (_monai_words(facts), "python", _monai(facts))]
    if is_png:
        listed.append(("Hugging Face's datasets, an ImageFolder:", "python", _HUGGING_FACE.strip()))
    return listed


def _monai_words(facts: Facts) -> str:
    return "MONAI, unpacked into one place" + (" (images and masks):" if facts.images.masks else ":")


def _monai(facts: Facts) -> str:
    ending = facts.images.file_format
    images = f'sorted(Path("unpacked").glob("images/*/*.{ending}"))'
    masks = 'sorted(Path("unpacked").glob("masks/*/*.png"))'
    both = facts.images.masks
    reader = "PILReader" if ending == "png" else "NumpyReader"
    if both and ending != "png":  # each format has its reader; MONAI finds it by the ending
        reader = ""
    text = _MONAI.format(
        keys='["image", "label"]' if both else '["image"]',
        pairs=f"zip({images}, {masks})" if both else f"zip({images})",
        reader=reader, channels="" if ending == "png" else ', channel_dim="no_channel"',
    ).strip()  # fmt: skip
    return text if reader else text.replace(', reader=""', "")

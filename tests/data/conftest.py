"""Toy sources: folders of small photographs, made on the spot."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_source():
    """make_source(folder, num, ...) writes images/, masks/ and metadata.csv, several images a patient."""

    def make(folder, num=6, *, height=20, width=30, masks=True, per_patient=2, splits=(), order=None, seed=0):
        generator = np.random.default_rng(seed)
        pixels = generator.integers(0, 256, (num, height, width, 3), np.uint8)
        (folder / "images").mkdir(parents=True)
        if masks:
            (folder / "masks").mkdir()
        lines = ["file_name,patient_id,split,label"]
        for index in order if order is not None else range(num):
            name, patient = f"scan {index:03d}.png", index // per_patient
            Image.fromarray(pixels[index]).save(folder / "images" / name)
            if masks:
                mask = (pixels[index, :, :, 0] > 128).astype(np.uint8) * 255
                Image.fromarray(mask).save(folder / "masks" / name)
            split = splits[patient] if patient < len(splits) else ""
            lines.append(f"{name},Patient {patient},{split},class {index % 2}")
        (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
        return folder

    return make

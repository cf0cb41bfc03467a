"""Others' tools open a release: the card's own listings run as they stand, and mlcroissant finds no error."""

import json
import re
import shutil

import numpy as np
import pytest

from synthmed.publishing.croissant import validate
from synthmed.publishing.facts import Facts
from synthmed.publishing.snippets import snippets


def listing(released, first_word):
    """The block of the card that begins so, with the place of the release in it."""
    blocks = re.findall(r"^```python\n(.*?)^```", (released / "README.md").read_text(), re.M | re.S)
    (found,) = [block for block in blocks if block.startswith(first_word)]
    return found.replace('"RELEASE"', repr(str(released)))


def test_the_pytorch_dataset_of_the_card_is_ten_lines_and_loads_it(made, released):
    code, names = listing(released, "import csv"), {}
    assert len(code[code.index("class") :].strip().splitlines()) <= 11
    exec(compile(code, "card", "exec"), names)
    loaded = names["Release"](released)
    image, mask = loaded[5]
    assert len(loaded) == 16 and image.shape == (48, 48)
    assert np.array_equal(image.numpy(), made.samples.images([5])[0, 0])
    assert np.array_equal(mask.numpy() > 0, made.samples.masks([5])[0] > 0)


def test_the_monai_listing_of_the_card_loads_it(made, released, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(listing(released, "from pathlib"), "card", "exec"), names)
    loaded = names["dataset"]
    assert len(loaded) == 16 and loaded[3]["image"].shape == (1, 48, 48)
    # MONAI's axes are columns, then rows.
    assert np.array_equal(np.asarray(loaded[3]["image"])[0].T, made.samples.images([3])[0, 0])
    assert np.array_equal(np.asarray(loaded[3]["label"])[0].T > 0, made.samples.masks([3])[0] > 0)


def test_hugging_face_loads_it_as_an_image_folder(made, released, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets is not installed: pip install datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    loaded = datasets.load_dataset(str(released), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 16 and {"image", "mask", "lineage", "seed"} <= set(loaded.column_names)
    for row in loaded:  # archives come in any order; the seeds of these images are their numbers
        assert np.array_equal(np.asarray(row["image"]), made.samples.images([row["seed"]])[0, 0])


def test_mlcroissant_finds_no_error_and_reads_the_rows(released):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    assert "valid (mlcroissant" in validate(released) and "0 warnings" in validate(released)
    rows = list(mlcroissant.Dataset(released / "croissant.json").records("records"))
    assert len(rows) == 16 and rows[0]["records/lineage"] == b"sampled"


def test_a_wrong_croissant_file_is_told(released, tmp_path):
    pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    from synthmed.errors import ArtifactError

    shutil.copytree(released, tmp_path / "copy")
    told = json.loads((tmp_path / "copy" / "croissant.json").read_text())
    told["distribution"][0]["@type"] = "sc:Something"
    (tmp_path / "copy" / "croissant.json").write_text(json.dumps(told))
    with pytest.raises(ArtifactError, match="is not valid"):
        validate(tmp_path / "copy")


def test_croissant_says_provenance_and_responsibility(released):
    told = json.loads((released / "croissant.json").read_text())
    assert told["prov:wasGeneratedBy"]["prov:used"]["prov:label"] == f"model {'5' * 64}"
    for name in ("dataCollection", "dataBiases", "dataLimitations", "dataUseCases", "personalSensitiveInformation",
                 "dataReleaseMaintenancePlan", "dataPreprocessingProtocol", "dataAnnotationProtocol"):  # fmt: skip
        assert told[f"rai:{name}"], name
    assert "Synthetic data by the method dcgan" in told["rai:dataCollection"]


def test_the_listings_of_images_that_are_no_pictures_compile(released):
    facts = Facts.model_validate_json((released / "release.json").read_bytes(), strict=False)
    arrays = facts.model_copy(update={"images": facts.images.model_copy(update={"file_format": "npy", "masks": False})})
    for _, _, code in snippets(arrays):
        compile(code, "card", "exec")
    assert not any("datasets" in code for _, _, code in snippets(arrays))
